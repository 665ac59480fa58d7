//! One pass of an operation: look at what is recorded and what is live, decide what comes next (Argo CD semantics, 2.4).

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use application_api::{OperationPhase, OperationState, ResourceResult, ResultCode, SyncOperation, SyncPhase};
use kube_object::ObjectKey;

use crate::batch::Batch;
use crate::hooks::{hook_type, is_running_hook, run_of, waiting_for_hooks};
use crate::plan::{ClusterAction, Persist, PlanHealth, PruneRule, SyncInput, SyncStep};
use crate::record::{give_results, put_result, result_of, take_results};
use crate::retry::{RetryState, complete, retry_state};
use crate::tasks::{Place, Task, TaskKind, refusal, tasks};

/// Bytes of reasons in the message of an operation, beyond which the rest is only counted: it is stored several times over in the
/// Application, whose size is limited.
const LONGEST_REASONS: usize = 8 << 10;

/// Decides the next step of an operation.
///
/// A completed operation stays as it is; one that waits for a retry waits on, until [`crate::begin_retry`] has begun the next
/// attempt. Between two steps the actions of the first are to be answered and recorded ([`crate::record`]).
pub fn step(input: &SyncInput, state: &OperationState, now: Timestamp) -> SyncStep {
    let still = |wake_at| SyncStep { actions: Vec::new(), next: state.clone(), persist: Persist::Later, wake_at };
    if state.phase.is_completed() {
        return still(None);
    }
    if state.phase == OperationPhase::Terminating {
        return terminate(input, state, now);
    }
    match retry_state(state, now) {
        RetryState::NotWaiting => {}
        RetryState::WaitingUntil(at) => return still(Some(at)),
        RetryState::Due => return still(Some(now)),
    }
    let Some(sync) = &state.operation.sync else {
        let message = "Invalid operation request: no operation specified";
        return ended(complete(state.clone(), OperationPhase::Error, message, now), now);
    };
    let mut next = state.clone();
    let mut pass = Pass::new(input, sync, state, take_results(&mut next), now);
    let decision = pass.run();
    give_results(&mut next, pass.results);
    let (message, actions, wake_at) = match decision {
        Decision::End(phase, message) => return ended(complete(next, phase, &message, now), now),
        Decision::Wait(wait) => (wait.message, Vec::new(), wait.until),
        Decision::Act(actions) => ("one or more tasks are running".to_owned(), actions, None),
    };
    next.message = message;
    SyncStep { actions, next, persist: pass.persist, wake_at }
}

fn ended(next: OperationState, now: Timestamp) -> SyncStep {
    let wake_at = match retry_state(&next, now) {
        RetryState::NotWaiting => None,
        RetryState::WaitingUntil(at) => Some(at),
        RetryState::Due => Some(now),
    };
    SyncStep { actions: Vec::new(), next, persist: Persist::First, wake_at }
}

/// Ends an operation that somebody asked to end: first its hooks, of which those that run are deleted.
fn terminate(input: &SyncInput, state: &OperationState, now: Timestamp) -> SyncStep {
    let mut next = state.clone();
    let nothing = SyncOperation::default();
    let sync = state.operation.sync.as_ref().unwrap_or(&nothing);
    let mut pass = Pass::new(input, sync, state, take_results(&mut next), now);
    let is_waiting = state.finished_at.is_some() || sync.dry_run;
    let actions = if is_waiting { Vec::new() } else { pass.terminate_hooks() };
    let had_errors = pass.results.iter().any(|result| result.message.starts_with(TERMINATION_FAILED));
    give_results(&mut next, pass.results);
    if !actions.is_empty() {
        return SyncStep { actions, next, persist: Persist::Later, wake_at: None };
    }
    let (phase, message) = if had_errors {
        (OperationPhase::Error, "Operation termination had errors")
    } else {
        (OperationPhase::Failed, "Operation terminated")
    };
    let by_timeout =
        if state.message.contains("due to timeout") { ", triggered by controller sync timeout" } else { "" };
    ended(complete(next, phase, &format!("{message}{by_timeout}"), now), now)
}

/// What the result of a hook says that could not be deleted when its operation was terminated.
pub(crate) const TERMINATION_FAILED: &str = "Failed to delete: ";

/// One pass over the tasks of an operation.
pub(crate) struct Pass<'a> {
    pub(crate) input: &'a SyncInput,
    pub(crate) sync: &'a SyncOperation,
    pub(crate) started_at: Timestamp,
    /// What the objects of this attempt's hooks are marked with, before their phase.
    pub(crate) run: String,
    /// How often the operation was tried before.
    retries: i64,
    pub(crate) now: Timestamp,
    /// In the order they run.
    pub(crate) tasks: Vec<Task<'a>>,
    results: Vec<ResourceResult>,
    /// Places that had results before this pass.
    begun: HashSet<Place>,
    persist: Persist,
}

/// A wait with what ends it at the latest.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) message: String,
    pub(crate) until: Option<Timestamp>,
}

pub(crate) enum Decision {
    Act(Vec<ClusterAction>),
    Wait(Wait),
    End(OperationPhase, String),
}

impl<'a> Pass<'a> {
    pub(crate) fn new(
        input: &'a SyncInput,
        sync: &'a SyncOperation,
        state: &OperationState,
        mut results: Vec<ResourceResult>,
        now: Timestamp,
    ) -> Self {
        // A result without a status says that nothing was done yet.
        results.retain(|result| result.status.is_some());
        let tasks = tasks(input, sync, &results);
        let begun = tasks.iter().filter(|task| task.result.is_some()).map(Task::place).collect();
        let (started_at, run) = (state.started_at.timestamp(), run_of(state));
        let retries = state.retry_count;
        Self { input, sync, started_at, run, retries, now, tasks, results, begun, persist: Persist::Later }
    }

    fn run(&mut self) -> Decision {
        self.adopt_hooks();
        self.judge();
        let refused = self.refused();
        if !refused.is_empty() {
            return self.end_hooks().unwrap_or_else(|| Decision::End(OperationPhase::Failed, self.refuse(refused)));
        }
        // Every round but the last settles at least one task.
        loop {
            self.judge();
            if let Some(decision) = self.before_anything() {
                return decision;
            }
            let Some(place) = self.pending_place() else { return self.finish() };
            if let Some(message) = self.failure_before(place) {
                return self.fail(&message);
            }
            if let Some(wait) = self.wait_before(place) {
                return Decision::Wait(wait);
            }
            if let Some(decision) = self.preflight(place) {
                return decision;
            }
            match self.batch(place) {
                Batch::Wait(wait) => return Decision::Wait(wait),
                Batch::Failed => {
                    let message = self.failed_to_apply();
                    return self.fail(&message);
                }
                Batch::Settled(settled) => {
                    self.begin(place);
                    for (at, result) in settled {
                        self.put(at, result);
                    }
                }
                Batch::Act(actions) => {
                    self.begin(place);
                    return Decision::Act(actions);
                }
            }
        }
    }

    /// Returns the results at the end of the pass.
    pub(crate) fn into_results(self) -> Vec<ResourceResult> {
        self.results
    }

    /// Returns the result of a task.
    pub(crate) fn result(&self, task: &Task<'_>) -> Option<&ResourceResult> {
        task.result.map(|at| &self.results[at])
    }

    /// Tells whether a task was tried and failed.
    pub(crate) fn failed(&self, task: &Task<'_>) -> bool {
        self.result(task).is_some_and(|result| result.status == Some(ResultCode::SyncFailed))
    }

    /// Looks at what comes before any task: objects of others, hooks that are done, deletes that a person has to approve.
    fn before_anything(&mut self) -> Option<Decision> {
        if let Some(shared) = self.input.shared.first() {
            let end = || Decision::End(OperationPhase::Failed, format!("Shared resource found: {shared}"));
            return Some(self.end_hooks().unwrap_or_else(end));
        }
        if let Some(releases) = self.release_done() {
            return Some(releases);
        }
        if let Some(decision) = self.rejected() {
            return Some(decision);
        }
        let message = self.held_prunes()?;
        Some(Decision::Wait(Wait { message, until: None }))
    }

    /// Says what is waited for when the operation would delete more than it may without a person's word.
    fn held_prunes(&self) -> Option<String> {
        if !self.sync.prune || self.sync.dry_run {
            return None;
        }
        let is_open = |task: &&Task<'_>| {
            task.kind == TaskKind::Prune
                && task.result.is_none()
                && self.prune_rule(task) != PruneRule::Disabled
                && task.live().is_some_and(|live| !live.deleting)
        };
        let open: Vec<&ObjectKey> = self.tasks.iter().filter(is_open).map(|task| task.key).collect();
        let pruned = self.results.iter().filter(|result| result.status == Some(ResultCode::Pruned)).count();
        // What was pruned and is still going counts as pruned.
        let is_pruned = |task: &Task<'_>| self.result(task).is_some_and(|r| r.status == Some(ResultCode::Pruned));
        let counts = |task: &&Task<'_>| task.resource.is_some() && task.live().is_some() && !is_pruned(task);
        let live = self.tasks.iter().filter(counts).count();
        self.input.guard.holds(&open, pruned, live)
    }

    /// Has the state stored before the actions of this pass are performed.
    pub(crate) fn store_first(&mut self) {
        self.persist = Persist::First;
    }

    pub(crate) fn put(&mut self, at: usize, result: ResourceResult) {
        let task = &mut self.tasks[at];
        task.result = Some(put_result(&mut self.results, task.result, result));
    }

    fn pending_place(&self) -> Option<Place> {
        self.tasks.iter().find(|task| task.result.is_none() && task.phase != SyncPhase::SyncFail).map(Task::place)
    }

    /// Notes that something is done about a place: a later one than the first begins only once the ones before are stored, and the
    /// first of a retry with hooks once the attempt is, so that whoever ends the operation knows that some may run.
    ///
    /// Places of which all objects are pruned and gone count for nothing: a restart has nothing to do about them.
    fn begin(&mut self, place: Place) {
        let later = self.tasks.first().is_some_and(|first| first.place() < place);
        let retries_hooks =
            self.retries > 0 && self.begun.is_empty() && self.tasks.iter().any(|task| task.hook.is_some());
        if (later || retries_hooks) && !self.begun.contains(&place) {
            self.persist = Persist::First;
        }
    }

    /// Finds what the project refuses, and what is of kinds that are not served.
    fn refused(&self) -> Vec<(usize, String)> {
        let open = self.tasks.iter().enumerate().filter(|(_, task)| task.result.is_none());
        open.filter_map(|(at, task)| Some((at, refusal(task)?))).collect()
    }

    /// Records refusals; answers with the operation's message.
    fn refuse(&mut self, refused: Vec<(usize, String)>) -> String {
        let mut messages: Vec<String> = refused.iter().map(|(_, message)| message.clone()).collect();
        messages.sort();
        messages.dedup();
        for (at, message) in refused {
            let result = failure(&self.tasks[at], message);
            self.put(at, result);
        }
        bounded("one or more synchronization tasks are not valid", [": ", "; "], &messages)
    }

    /// Moves results that are still `Running` on by the health of their live objects.
    ///
    /// Nothing is judged while controllers still react to the last action, and nothing is found wanting in the last wave.
    fn judge(&mut self) {
        if self.sync.dry_run || self.reacting_until().is_some() {
            return;
        }
        let pending = self.pending_place();
        let all_are_judged = pending.is_none() && self.ends_with_hooks();
        for at in 0..self.tasks.len() {
            self.judge_task_of_hook(at);
        }
        for task in &self.tasks {
            let (Some(at), Some(resource)) = (task.result, task.resource) else { continue };
            if !is_running(task, &self.results[at]) {
                continue;
            }
            let done_with = all_are_judged || pending.is_some_and(|pending| task.place() < pending);
            let result = &mut self.results[at];
            match &resource.live {
                Some(live) => match live.health {
                    None | Some(PlanHealth::Healthy) => result.hook_phase = Some(OperationPhase::Succeeded),
                    Some(PlanHealth::Degraded) if done_with => {
                        result.hook_phase = Some(OperationPhase::Failed);
                        result.message.clone_from(&live.health_message);
                    }
                    Some(PlanHealth::Degraded | PlanHealth::Pending | PlanHealth::Unknown) => {}
                },
                None if done_with => {
                    let ObjectKey { group, kind, name, .. } = task.key;
                    result.status = Some(ResultCode::SyncFailed);
                    result.hook_phase = Some(OperationPhase::Error);
                    result.message = format!("Resource {group}/{kind}/{name} is missing, it might have been deleted");
                }
                None => {}
            }
        }
    }

    fn judge_task_of_hook(&mut self, at: usize) {
        let task = &self.tasks[at];
        let (Some(hook), Some(at)) = (task.hook, task.result) else { return };
        if is_running_hook(&self.results[at]) {
            let live = self.own_live(hook);
            Self::judge_hook(live, hook, &mut self.results[at]);
        }
    }

    /// Tells whether an operation of several steps has hooks in its last: it then ends only when all is well.
    fn ends_with_hooks(&self) -> bool {
        let regular = || self.tasks.iter().filter(|task| task.phase != SyncPhase::SyncFail);
        let (first, last) = (regular().map(Task::place).min(), regular().map(Task::place).max());
        first != last && regular().any(|task| task.hook.is_some() && Some(task.place()) == last)
    }

    /// Returns until when controllers are given time to react to the last action, while that lasts.
    pub(crate) fn reacting_until(&self) -> Option<Timestamp> {
        let delay = SignedDuration::from_secs(self.input.wave_delay_seconds);
        let until = self.input.last_action_at?.checked_add(delay).unwrap_or(Timestamp::MAX);
        (until > self.now).then_some(until)
    }

    fn finish(&mut self) -> Decision {
        // Later than any place there is.
        let end = (u8::MAX, i64::MAX);
        if let Some(message) = self.failure_before(end) {
            return self.fail(&message);
        }
        if let Some(wait) = self.wait_at_the_end() {
            return Decision::Wait(wait);
        }
        let has_hooks = self.tasks.iter().any(|task| task.hook.is_some());
        if has_hooks && !self.sync.dry_run {
            let actions = self.delete_by_policy(&OperationPhase::Succeeded);
            if !actions.is_empty() {
                self.store_first();
                return Decision::Act(actions);
            }
        }
        let nothing = self.tasks.is_empty() && self.results.is_empty();
        let rest = if nothing || has_hooks { "no more tasks" } else { "all tasks run" };
        Decision::End(OperationPhase::Succeeded, format!("successfully synced ({rest})"))
    }

    /// Says what is waited for once everything was run: hooks always, and all objects of an operation that ends with hooks.
    fn wait_at_the_end(&self) -> Option<Wait> {
        if self.sync.dry_run {
            return None;
        }
        let wait = |message| Wait { message, until: self.reacting_until() };
        if let Some(message) = waiting_for_hooks(self.running_hooks()) {
            return Some(wait(message));
        }
        let running = self.tasks.iter().filter(|task| self.result(task).is_some_and(|result| is_running(task, result)));
        let running = running.filter(|_| self.ends_with_hooks());
        waiting_for("healthy state of", running.map(|task| task.key)).map(wait)
    }

    /// Says what went wrong in the places before `place`, if anything did.
    fn failure_before(&self, place: Place) -> Option<String> {
        let ended_as = |task: &Task<'_>, phase| self.result(task).is_some_and(|r| r.hook_phase == Some(phase));
        let earlier =
            || self.tasks.iter().filter(move |task| task.place() < place && task.phase != SyncPhase::SyncFail);
        if earlier().any(|task| self.failed(task) && !ended_as(task, OperationPhase::Error)) {
            return Some(self.failed_to_apply());
        }
        earlier()
            .any(|task| ended_as(task, OperationPhase::Failed) || ended_as(task, OperationPhase::Error))
            .then(|| self.with_reasons("one or more synchronization tasks completed unsuccessfully"))
    }

    fn failed_to_apply(&self) -> String {
        let namespace = |task: &Task<'_>| task.kind == TaskKind::CreateNamespace && self.failed(task);
        if self.tasks.iter().any(namespace) {
            return self.with_reasons("the namespace failed to apply");
        }
        self.with_reasons("one or more objects failed to apply")
    }

    pub(crate) fn with_reasons(&self, message: &str) -> String {
        let failed = self.tasks.iter().filter(|task| task.phase != SyncPhase::SyncFail && self.failed(task));
        let reasons: Vec<&str> =
            failed.filter_map(|task| self.result(task)).map(|result| result.message.as_str()).collect();
        bounded(message, [", reason: ", ","], &reasons)
    }

    /// Says what the places before `place` still have to do. A dry run has nothing to wait for.
    fn wait_before(&self, place: Place) -> Option<Wait> {
        if self.sync.dry_run {
            return None;
        }
        let earlier =
            || self.tasks.iter().take_while(move |task| task.place() < place).filter(|task| task.result.is_some());
        if let Some(message) = waiting_for_hooks(self.running_hooks()) {
            let is_before = |task: &Task<'_>| {
                task.place() < place && task.hook.is_some() && self.result(task).is_some_and(is_running_hook)
            };
            if self.tasks.iter().any(is_before) {
                return Some(Wait { message, until: self.reacting_until() });
            }
        }
        let running = earlier().filter(|task| self.result(task).is_some_and(|result| is_running(task, result)));
        if let Some(message) = waiting_for("healthy state of", running.map(|task| task.key)) {
            return Some(Wait { message, until: self.reacting_until() });
        }
        let is_pruned = |task: &Task<'_>| self.result(task).is_some_and(|r| r.status == Some(ResultCode::Pruned));
        let is_deleting =
            |task: &Task<'_>| task.resource.and_then(|resource| resource.live.as_ref()).is_some_and(|l| l.deleting);
        let deleting = earlier().filter(|task| task.kind == TaskKind::Prune && is_pruned(task) && is_deleting(task));
        waiting_for("deletion of", deleting.map(|task| task.key)).map(|message| Wait { message, until: None })
    }
}

/// Adds reasons to a message, with what comes before the first and before each other; beyond a length they are only counted.
fn bounded(message: &str, [first, other]: [&str; 2], reasons: &[impl AsRef<str>]) -> String {
    let mut text = message.to_owned();
    for (at, reason) in reasons.iter().enumerate() {
        if text.len() > LONGEST_REASONS {
            return format!("{text} and {} more", reasons.len() - at);
        }
        text.push_str(if at == 0 { first } else { other });
        text.push_str(reason.as_ref());
    }
    text
}

/// Makes the result of a task that failed.
pub(crate) fn failure(task: &Task<'_>, message: String) -> ResourceResult {
    let (status, phase) = (ResultCode::SyncFailed, OperationPhase::Failed);
    let mut result = result_of(task.key, task.version(), task.phase.clone(), status, phase, message);
    result.hook_type = task.hook.map(|hook| hook_type(&hook.phase));
    result
}

/// Tells whether an applied object is not known to be well yet.
fn is_running(task: &Task<'_>, result: &ResourceResult) -> bool {
    task.kind == TaskKind::Apply
        && result.hook_phase == Some(OperationPhase::Running)
        && result.status != Some(ResultCode::SyncFailed)
}

/// Writes `waiting for <what> <group>/<kind>/<name>[ and <N> more resources]`; none when there is nothing to wait for.
pub(crate) fn waiting_for<'k>(what: &str, mut keys: impl Iterator<Item = &'k ObjectKey>) -> Option<String> {
    let ObjectKey { group, kind, name, .. } = keys.next()?;
    let more = match keys.count() {
        0 => String::new(),
        n => format!(" and {n} more resources"),
    };
    Some(format!("waiting for {what} {group}/{kind}/{name}{more}"))
}
