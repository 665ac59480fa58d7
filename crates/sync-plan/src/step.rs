//! One pass of an operation: look at what is recorded and what is live, decide what comes next (Argo CD semantics, 2.4).

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use application_api::{OperationPhase, OperationState, ResourceResult, ResultCode, SyncOperation, SyncPhase};
use kube_object::ObjectKey;

use crate::batch::Batch;
use crate::plan::{ClusterAction, Persist, PlanHealth, SyncInput, SyncStep};
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
        return ended(terminated(state, now), now);
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
    let mut pass = Pass::new(input, sync, state.started_at.timestamp(), take_results(&mut next), now);
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

fn terminated(state: &OperationState, now: Timestamp) -> OperationState {
    let timed_out = state.message.contains("due to timeout");
    let message =
        if timed_out { "Operation terminated, triggered by controller sync timeout" } else { "Operation terminated" };
    complete(state.clone(), OperationPhase::Failed, message, now)
}

/// One pass over the tasks of an operation.
pub(crate) struct Pass<'a> {
    pub(crate) input: &'a SyncInput,
    pub(crate) sync: &'a SyncOperation,
    pub(crate) started_at: Timestamp,
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

enum Decision {
    Act(Vec<ClusterAction>),
    Wait(Wait),
    End(OperationPhase, String),
}

impl<'a> Pass<'a> {
    fn new(
        input: &'a SyncInput,
        sync: &'a SyncOperation,
        started_at: Timestamp,
        mut results: Vec<ResourceResult>,
        now: Timestamp,
    ) -> Self {
        // A result without a status says that nothing was done yet.
        results.retain(|result| result.status.is_some());
        let tasks = tasks(input, sync, &results);
        let begun = tasks.iter().filter(|task| task.result.is_some()).map(Task::place).collect();
        Self { input, sync, started_at, now, tasks, results, begun, persist: Persist::Later }
    }

    fn run(&mut self) -> Decision {
        if let Some(message) = self.refuse() {
            return Decision::End(OperationPhase::Failed, message);
        }
        // Every round but the last settles at least one task.
        loop {
            self.judge();
            let Some(place) = self.pending_place() else { return self.finish() };
            if let Some(message) = self.failure_before(place) {
                return Decision::End(OperationPhase::Failed, message);
            }
            if let Some(wait) = self.wait_before(place) {
                return Decision::Wait(wait);
            }
            match self.batch(place) {
                Batch::Wait(wait) => return Decision::Wait(wait),
                Batch::Failed => return Decision::End(OperationPhase::Failed, self.failed_to_apply()),
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

    /// Returns the result of a task.
    pub(crate) fn result(&self, task: &Task<'_>) -> Option<&ResourceResult> {
        task.result.map(|at| &self.results[at])
    }

    /// Tells whether a task was tried and failed.
    pub(crate) fn failed(&self, task: &Task<'_>) -> bool {
        self.result(task).is_some_and(|result| result.status == Some(ResultCode::SyncFailed))
    }

    fn put(&mut self, at: usize, result: ResourceResult) {
        let task = &mut self.tasks[at];
        task.result = Some(put_result(&mut self.results, task.result, result));
    }

    fn pending_place(&self) -> Option<Place> {
        self.tasks.iter().find(|task| task.result.is_none()).map(Task::place)
    }

    /// Notes that something is done about a place: a later one than the first begins only once the ones before are stored.
    ///
    /// Places of which all objects are pruned and gone count for nothing: a restart has nothing to do about them.
    fn begin(&mut self, place: Place) {
        let later = self.tasks.first().is_some_and(|first| first.place() < place);
        if later && !self.begun.contains(&place) {
            self.persist = Persist::First;
        }
    }

    /// Records refusals of the project and kinds that are not served; answers with the operation's message if there are any.
    fn refuse(&mut self) -> Option<String> {
        let open = |task: &Task<'_>| task.result.is_none();
        let refused: Vec<(usize, String)> = (self.tasks.iter().enumerate())
            .filter(|(_, task)| open(task))
            .filter_map(|(at, task)| Some((at, refusal(task)?)))
            .collect();
        if refused.is_empty() {
            return None;
        }
        let mut messages: Vec<String> = refused.iter().map(|(_, message)| message.clone()).collect();
        messages.sort();
        messages.dedup();
        for (at, message) in refused {
            let result = failure(&self.tasks[at], message);
            self.put(at, result);
        }
        Some(bounded("one or more synchronization tasks are not valid", [": ", "; "], &messages))
    }

    /// Moves results that are still `Running` on by the health of their live objects.
    ///
    /// Nothing is judged while controllers still react to the last action, and nothing is found wanting in the last wave.
    fn judge(&mut self) {
        if self.sync.dry_run || self.reacting_until().is_some() {
            return;
        }
        let pending = self.pending_place();
        for task in &self.tasks {
            let (Some(at), Some(resource)) = (task.result, task.resource) else { continue };
            if !is_running(task, &self.results[at]) {
                continue;
            }
            let done_with = pending.is_some_and(|pending| task.place() < pending);
            let result = &mut self.results[at];
            match &resource.live {
                Some(live) => match live.health {
                    None | Some(PlanHealth::Healthy) => result.hook_phase = Some(OperationPhase::Succeeded),
                    Some(PlanHealth::Degraded) if done_with => {
                        result.hook_phase = Some(OperationPhase::Failed);
                        result.message.clone_from(&live.health_message);
                    }
                    Some(PlanHealth::Degraded | PlanHealth::Pending) => {}
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

    /// Returns until when controllers are given time to react to the last action, while that lasts.
    fn reacting_until(&self) -> Option<Timestamp> {
        let delay = SignedDuration::from_secs(self.input.wave_delay_seconds);
        let until = self.input.last_action_at?.checked_add(delay).unwrap_or(Timestamp::MAX);
        (until > self.now).then_some(until)
    }

    fn finish(&self) -> Decision {
        if self.tasks.iter().any(|task| self.failed(task)) {
            return Decision::End(OperationPhase::Failed, self.failed_to_apply());
        }
        let rest = if self.tasks.is_empty() && self.results.is_empty() { "no more tasks" } else { "all tasks run" };
        Decision::End(OperationPhase::Succeeded, format!("successfully synced ({rest})"))
    }

    /// Says what went wrong in the places before `place`, if anything did.
    fn failure_before(&self, place: Place) -> Option<String> {
        let ended_as = |task: &Task<'_>, phase| self.result(task).is_some_and(|r| r.hook_phase == Some(phase));
        let earlier = || self.tasks.iter().take_while(move |task| task.place() < place);
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

    fn with_reasons(&self, message: &str) -> String {
        let failed = self.tasks.iter().filter(|task| self.failed(task));
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
    result_of(task.key, task.version(), task.phase.clone(), status, phase, message)
}

/// Tells whether an applied object is not known to be well yet.
fn is_running(task: &Task<'_>, result: &ResourceResult) -> bool {
    task.kind == TaskKind::Apply
        && task.phase == SyncPhase::Sync
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
