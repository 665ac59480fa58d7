//! One pass of an operation: look at what is recorded and what is live, decide what comes next (Argo CD semantics, 2.4 and 2.5).

use jiff::{SignedDuration, Timestamp};

use application_api::{OperationPhase, OperationState, ResourceResult, ResultCode, SyncOperation, SyncPhase};
use kube_object::ObjectKey;

use crate::plan::{
    Change, ClusterAction, KindState, Persist, PlanHealth, PlanResource, PruneRule, RunMode, SyncInput, SyncStep,
};
use crate::record::{result_of, set_result};
use crate::retry::complete;
use crate::tasks::{Task, TaskKind, refusals, tasks};

/// How long an object may wait for its kind to be served after the CustomResourceDefinition was applied.
const KIND_DEADLINE: SignedDuration = SignedDuration::from_secs(60);

/// Decides the next step of an operation that is `Running` or `Terminating` and not waiting for a retry.
pub fn step(input: &SyncInput, state: &OperationState, now: Timestamp) -> SyncStep {
    let Some(sync) = &state.operation.sync else {
        let message = "Invalid operation request: no operation specified";
        return done(complete(state.clone(), OperationPhase::Error, message, now));
    };
    if state.phase == OperationPhase::Terminating {
        return done(terminated(state, now));
    }
    let mut next = state.clone();
    refresh_running(input, sync, &mut next);
    let planned = refuse_invalid(input, sync, &mut next);
    if let Some(message) = planned {
        return done(complete(next, OperationPhase::Failed, &message, now));
    }
    Pass { input, sync, now }.run(next)
}

fn done(next: OperationState) -> SyncStep {
    SyncStep { actions: Vec::new(), next, persist: Persist::First, wake_at: None }
}

fn terminated(state: &OperationState, now: Timestamp) -> OperationState {
    let timed_out = state.message.contains("due to timeout");
    let message =
        if timed_out { "Operation terminated, triggered by controller sync timeout" } else { "Operation terminated" };
    complete(state.clone(), OperationPhase::Failed, message, now)
}

/// Records refusals of the project and kinds that are not served; answers with the operation's message if there are any.
fn refuse_invalid(input: &SyncInput, sync: &SyncOperation, next: &mut OperationState) -> Option<String> {
    let results = results_of(next).to_vec();
    let refused = refusals(&tasks(input, sync, &results));
    if refused.is_empty() {
        return None;
    }
    let mut messages: Vec<String> = refused.iter().map(|(_, message)| message.clone()).collect();
    messages.sort();
    messages.dedup();
    for (key, message) in refused {
        let version = version_of(input, &key);
        set_result(
            next,
            result_of(&key, &version, SyncPhase::Sync, ResultCode::SyncFailed, OperationPhase::Failed, message),
        );
    }
    Some(format!("one or more synchronization tasks are not valid: {}", messages.join("; ")))
}

fn version_of(input: &SyncInput, key: &ObjectKey) -> String {
    input.resources.iter().find(|resource| resource.key == *key).map_or_else(|| "v1".to_owned(), |r| r.version.clone())
}

pub(crate) fn results_of(state: &OperationState) -> &[ResourceResult] {
    state.sync_result.as_ref().map_or(&[], |result| &result.resources)
}

/// Moves results that are still `Running` on by the health of their live objects.
fn refresh_running(input: &SyncInput, sync: &SyncOperation, next: &mut OperationState) {
    let results = results_of(next).to_vec();
    for task in tasks(input, sync, &results) {
        let (Some(result), Some(resource)) = (task.result, task.resource) else { continue };
        if result.hook_phase != Some(OperationPhase::Running) || task.kind != TaskKind::Apply {
            continue;
        }
        let Some(live) = &resource.live else { continue };
        let (phase, message) = match live.health {
            None | Some(PlanHealth::Healthy) => (OperationPhase::Succeeded, result.message.clone()),
            Some(PlanHealth::Degraded) => (OperationPhase::Failed, live.health_message.clone()),
            Some(PlanHealth::Pending) => continue,
        };
        set_result(next, ResourceResult { hook_phase: Some(phase), message, ..result.clone() });
    }
}

struct Pass<'a> {
    input: &'a SyncInput,
    sync: &'a SyncOperation,
    now: Timestamp,
}

/// What to do about the batch that is due.
enum Batch {
    /// Results that need no request; the batch is looked at again with them.
    Settled(Vec<ResourceResult>),
    /// Requests to send.
    Act(Vec<ClusterAction>),
    /// Nothing can be done until something happens.
    Wait { message: String, until: Option<Timestamp> },
}

impl Pass<'_> {
    fn run(&self, mut next: OperationState) -> SyncStep {
        let started_with = results_of(&next).len();
        loop {
            let results = results_of(&next).to_vec();
            let tasks = tasks(self.input, self.sync, &results);
            let Some(first) = tasks.iter().find(|task| is_pending(task)) else {
                return done(self.finish(&tasks, next.clone()));
            };
            let place = first.place();
            if let Some(message) = failure_before(&tasks, place) {
                return done(complete(next.clone(), OperationPhase::Failed, &message, self.now));
            }
            if let Some(wait) = self.wait_before(&tasks, place) {
                return waiting(next.clone(), wait);
            }
            let new_wave = tasks.iter().all(|task| is_pending(task) || task.place() != place);
            match self.batch(&tasks, place) {
                Batch::Settled(settled) => settled.into_iter().for_each(|result| set_result(&mut next, result)),
                Batch::Wait { message, until } => return waiting(next.clone(), (message, until)),
                Batch::Act(actions) => {
                    "one or more tasks are running".clone_into(&mut next.message);
                    // The first wave starts from the stored beginning of the operation; only later ones build on results.
                    let persist = if new_wave && started_with > 0 { Persist::First } else { Persist::Later };
                    return SyncStep { actions, next, persist, wake_at: None };
                }
            }
        }
    }

    fn finish(&self, tasks: &[Task<'_>], next: OperationState) -> OperationState {
        if tasks.iter().any(Task::failed) {
            let message = with_reasons("one or more objects failed to apply", tasks);
            return complete(next, OperationPhase::Failed, &message, self.now);
        }
        let message = if tasks.is_empty() {
            "successfully synced (no more tasks)"
        } else {
            "successfully synced (all tasks run)"
        };
        complete(next, OperationPhase::Succeeded, message, self.now)
    }

    /// Says what the waves before `place` still have to do.
    fn wait_before(&self, tasks: &[Task<'_>], place: (u8, i64)) -> Option<(String, Option<Timestamp>)> {
        let earlier = || tasks.iter().filter(|task| task.place() < place && task.result.is_some());
        let running: Vec<&ObjectKey> = earlier()
            .filter(|task| {
                task.kind == TaskKind::Apply
                    && task.result.is_some_and(|r| r.hook_phase == Some(OperationPhase::Running))
            })
            .map(|task| task.key)
            .collect();
        if let Some(message) = waiting_for("healthy state of", &running) {
            return Some((message, None));
        }
        let deleting: Vec<&ObjectKey> = earlier()
            .filter(|task| task.kind == TaskKind::Prune)
            .filter(|task| task.result.is_some_and(|result| result.status == Some(ResultCode::Pruned)))
            .filter(|task| task.resource.and_then(|resource| resource.live.as_ref()).is_some_and(|live| live.deleting))
            .map(|task| task.key)
            .collect();
        if let Some(message) = waiting_for("deletion of", &deleting) {
            return Some((message, None));
        }
        let until = self.input.last_action_at? + SignedDuration::from_secs(self.input.wave_delay_seconds);
        let worked =
            earlier().any(|task| task.kind == TaskKind::Apply && task.phase == SyncPhase::Sync && was_sent(task));
        (worked && until > self.now).then(|| ("one or more tasks are running".to_owned(), Some(until)))
    }

    /// Decides about the tasks of one place: prunes first, then one kind after the other.
    fn batch(&self, tasks: &[Task<'_>], place: (u8, i64)) -> Batch {
        let due: Vec<&Task<'_>> = tasks.iter().filter(|task| task.place() == place && is_pending(task)).collect();
        let prunes: Vec<&Task<'_>> = due.iter().copied().filter(|task| task.kind == TaskKind::Prune).collect();
        if !prunes.is_empty() {
            return self.prune_batch(&prunes);
        }
        if tasks.iter().any(|task| task.place() == place && task.kind == TaskKind::Prune && task.failed()) {
            // A failed prune stops what would follow it in the wave.
            return Batch::Settled(due.iter().map(|task| skipped_after_failed_prune(task)).collect());
        }
        let Some(first) = due.first() else { return Batch::Settled(Vec::new()) };
        let group = due.iter().copied().take_while(|task| task.key.kind == first.key.kind && task.kind == first.kind);
        self.apply_batch(group)
    }

    fn prune_batch(&self, prunes: &[&Task<'_>]) -> Batch {
        let mut settled = Vec::new();
        let mut actions = Vec::new();
        let mut unconfirmed = Vec::new();
        for task in prunes {
            let Some((resource, live)) = task.resource.and_then(|resource| Some((resource, resource.live.as_ref()?)))
            else {
                settled.push(self.pruned(task, ResultCode::Pruned, "pruned"));
                continue;
            };
            match live.prune.unwrap_or(self.input.prune_default) {
                _ if !self.sync.prune => {
                    settled.push(self.pruned(task, ResultCode::PruneSkipped, "ignored (requires pruning)"))
                }
                PruneRule::Disabled => settled.push(self.pruned(task, ResultCode::PruneSkipped, "ignored (no prune)")),
                PruneRule::Confirm => unconfirmed.push(task.key),
                PruneRule::Allowed | PruneRule::Confirmed if live.deleting => {
                    settled.push(self.pruned(task, ResultCode::Pruned, "pruned"));
                }
                PruneRule::Allowed | PruneRule::Confirmed => actions.push(ClusterAction::Prune {
                    key: resource.key.clone(),
                    version: resource.version.clone(),
                    uid: live.uid.clone(),
                    resource_version: live.resource_version.clone(),
                    propagation: self.input.propagation,
                    mode: self.mode(),
                }),
            }
        }
        if let Some(message) = waiting_for("pruning confirmation of", &unconfirmed) {
            return Batch::Wait { message, until: None };
        }
        if actions.is_empty() || !settled.is_empty() {
            Batch::Settled(settled).or_act(actions)
        } else {
            Batch::Act(actions)
        }
    }

    fn apply_batch<'t>(&self, group: impl Iterator<Item = &'t Task<'t>>) -> Batch {
        let mut settled = Vec::new();
        let mut actions = Vec::new();
        for task in group {
            let Some(resource) = task.resource else {
                actions.push(ClusterAction::CreateNamespace { key: task.key.clone() });
                continue;
            };
            if resource.kind == KindState::Awaited {
                match self.await_kind(resource) {
                    Ok(wait) if actions.is_empty() && settled.is_empty() => return wait,
                    Ok(_) => {}
                    Err(message) => settled.push(self.failed(resource, message)),
                }
            } else if resource.change == Change::None {
                settled.push(self.unchanged(resource));
            } else {
                actions.push(ClusterAction::Apply {
                    key: resource.key.clone(),
                    phase: SyncPhase::Sync,
                    mode: self.mode(),
                });
            }
        }
        if actions.is_empty() { Batch::Settled(settled) } else { Batch::Settled(settled).or_act(actions) }
    }

    fn await_kind(&self, resource: &PlanResource) -> Result<Batch, String> {
        let until = self.input.last_action_at.unwrap_or(self.now) + KIND_DEADLINE;
        let kind = resource.key.group_kind();
        if self.sync.dry_run || until <= self.now {
            return Err(format!(
                "The API server does not serve {kind} yet: its CustomResourceDefinition is not established. Look at the conditions of \
                 the CustomResourceDefinition."
            ));
        }
        Ok(Batch::Wait { message: format!("waiting for the API server to serve {kind}"), until: Some(until) })
    }

    fn mode(&self) -> RunMode {
        if self.sync.dry_run { RunMode::DryRun } else { RunMode::Real }
    }

    fn pruned(&self, task: &Task<'_>, status: ResultCode, message: &str) -> ResourceResult {
        let version = task.resource.map_or("", |resource| &resource.version);
        result_of(task.key, version, SyncPhase::Sync, status, OperationPhase::Succeeded, message.to_owned())
    }

    fn unchanged(&self, resource: &PlanResource) -> ResourceResult {
        let phase = if self.sync.dry_run { OperationPhase::Succeeded } else { OperationPhase::Running };
        let message = format!("{} unchanged", crate::record::kubectl_name(&resource.key));
        let mut result =
            result_of(&resource.key, &resource.version, SyncPhase::Sync, ResultCode::Synced, phase, message);
        result.images = resource.target.as_ref().map(|target| target.images.clone()).unwrap_or_default();
        // Health is judged at once: an unchanged object needs no time to react.
        if let (Some(OperationPhase::Running), Some(live)) = (&result.hook_phase, &resource.live)
            && matches!(live.health, None | Some(PlanHealth::Healthy))
        {
            result.hook_phase = Some(OperationPhase::Succeeded);
        }
        result
    }

    fn failed(&self, resource: &PlanResource, message: String) -> ResourceResult {
        result_of(
            &resource.key,
            &resource.version,
            SyncPhase::Sync,
            ResultCode::SyncFailed,
            OperationPhase::Failed,
            message,
        )
    }
}

impl Batch {
    /// Settled results come first, so that the pass goes on with them; then the same batch yields its actions alone.
    fn or_act(self, actions: Vec<ClusterAction>) -> Self {
        match self {
            Self::Settled(settled) if settled.is_empty() => Self::Act(actions),
            settled => settled,
        }
    }
}

fn skipped_after_failed_prune(task: &Task<'_>) -> ResourceResult {
    let version = task.resource.map_or("", |resource| &resource.version);
    let message = "not applied, because pruning failed in the same wave".to_owned();
    result_of(task.key, version, task.phase.clone(), ResultCode::SyncFailed, OperationPhase::Failed, message)
}

fn is_pending(task: &Task<'_>) -> bool {
    task.result.is_none()
}

/// Tells whether a request was sent for the task in this operation.
fn was_sent(task: &Task<'_>) -> bool {
    task.result.is_some_and(|result| !result.message.ends_with(" unchanged"))
}

fn failure_before(tasks: &[Task<'_>], place: (u8, i64)) -> Option<String> {
    let earlier = || tasks.iter().filter(move |task| task.place() < place);
    if earlier().any(Task::failed) {
        return Some(with_reasons("one or more objects failed to apply", tasks));
    }
    let gone = |task: &Task<'_>| {
        task.kind == TaskKind::Apply
            && task.result.is_some_and(|result| result.hook_phase == Some(OperationPhase::Running))
            && task.resource.is_some_and(|resource| resource.live.is_none())
    };
    if let Some(task) = earlier().find(|task| gone(task)) {
        let ObjectKey { group, kind, name, .. } = task.key;
        return Some(format!("Resource {group}/{kind}/{name} is missing, it might have been deleted"));
    }
    earlier()
        .any(|task| task.result.is_some_and(|result| result.hook_phase == Some(OperationPhase::Failed)))
        .then(|| with_reasons("one or more synchronization tasks completed unsuccessfully", tasks))
}

fn with_reasons(message: &str, tasks: &[Task<'_>]) -> String {
    let reasons: Vec<&str> = tasks
        .iter()
        .filter(|task| task.failed())
        .filter_map(|task| task.result.map(|result| result.message.as_str()))
        .collect();
    if reasons.is_empty() { message.to_owned() } else { format!("{message}, reason: {}", reasons.join(",")) }
}

fn waiting(mut next: OperationState, (message, until): (String, Option<Timestamp>)) -> SyncStep {
    next.message = message;
    SyncStep { actions: Vec::new(), next, persist: Persist::Later, wake_at: until }
}

/// Writes `waiting for <what> <group>/<kind>/<name>[ and <N> more resources]`; none when there is nothing to wait for.
fn waiting_for(what: &str, keys: &[&ObjectKey]) -> Option<String> {
    let (first, rest) = keys.split_first()?;
    let more = match rest.len() {
        0 => String::new(),
        n => format!(" and {n} more resources"),
    };
    Some(format!("waiting for {what} {}/{}/{}{more}", first.group, first.kind, first.name))
}
