//! What is done about the tasks of one place: one kind after the other, then prunes (Argo CD semantics, 2.5).
//!
//! Argo CD prunes first, after a dry run of everything. Here nothing is pruned before the rest of its place was applied without
//! a failure: what the API server rejects must not leave a hole where something worked.

use jiff::{SignedDuration, Timestamp};

use application_api::{OperationPhase, ResourceResult, ResultCode, SyncPhase};

use crate::hooks::hook_type;
use crate::plan::{Change, ClusterAction, KindState, PlanHealth, PlanResource, PruneRule, RunMode};
use crate::record::{dry_run_suffix, kubectl_name, result_of};
use crate::step::{Pass, Wait, failure, waiting_for};
use crate::tasks::{Place, Task, TaskKind, defines};

/// How long an object may wait for its kind to be served after the last action, or after the operation's start.
const KIND_DEADLINE: SignedDuration = SignedDuration::from_secs(60);

/// What to do about the batch that is due.
pub(crate) enum Batch {
    /// Results that need no request, each with its task: at least one. The batch is looked at again with them.
    Settled(Vec<(usize, ResourceResult)>),
    /// Requests to send: at least one.
    Act(Vec<ClusterAction>),
    /// Nothing can be done until something happens.
    Wait(Wait),
    /// What is left must not be done.
    Failed,
}

/// What to do about one task.
pub(crate) enum Due {
    Settle(ResourceResult),
    Act(ClusterAction),
    Wait(Wait),
}

impl Pass<'_> {
    /// Decides about the tasks of one place, of which at least one is pending.
    pub(crate) fn batch(&self, place: Place) -> Batch {
        let here = || self.tasks.iter().enumerate().filter(move |(_, task)| task.place() == place);
        let due: Vec<(usize, &Task<'_>)> = here().filter(|(_, task)| task.result.is_none()).collect();
        let (prunes, others): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, task)| task.kind == TaskKind::Prune);
        // A person who is asked for a prune is asked about the whole place.
        let unconfirmed = prunes.iter().map(|(_, task)| *task).filter(|task| self.lacks_confirmation(task));
        if let Some(message) = waiting_for("pruning confirmation of", unconfirmed.map(|task| task.key)) {
            return Batch::Wait(Wait { message, until: None });
        }
        // What the API server could not decide about does not hold up the rest, which may serve the very webhook.
        let (later, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, task)| self.is_postponed(task));
        if let Some((_, first)) = others.first() {
            let group = others
                .iter()
                .take_while(|(_, task)| (is_namespace(task), &task.key.kind) == (is_namespace(first), &first.key.kind));
            return gather(group.map(|(at, task)| (*at, self.begin_task(task))));
        }
        let postponed = later.iter().filter_map(|(_, task)| Some((task.key, task.postponed()?)));
        if let Some((key, postponed)) = postponed.min_by_key(|(_, postponed)| postponed.until) {
            let message = format!("waiting for a webhook of {}/{}: {}", key.kind, key.name, postponed.message);
            return Batch::Wait(Wait { message, until: Some(postponed.until) });
        }
        if here().any(|(_, task)| task.kind != TaskKind::Prune && self.failed(task)) {
            return Batch::Failed;
        }
        gather(prunes.iter().filter_map(|(at, task)| Some((*at, self.prune(task)?))))
    }

    fn is_postponed(&self, task: &Task<'_>) -> bool {
        task.postponed().is_some_and(|postponed| postponed.until > self.now)
    }

    fn begin_task(&self, task: &Task<'_>) -> Due {
        match task.hook {
            Some(_) if task.kind_state() == KindState::Awaited => self.await_kind(task),
            Some(hook) if !self.sync.dry_run || !self.lacks_namespace(task) => self.begin_hook(task, hook),
            _ => self.apply(task),
        }
    }

    pub(crate) fn prune_rule(&self, task: &Task<'_>) -> PruneRule {
        task.live().and_then(|live| live.prune).unwrap_or(self.input.prune_default)
    }

    /// Tells whether a prune waits for a person. A dry run does not: it deletes nothing.
    fn lacks_confirmation(&self, task: &Task<'_>) -> bool {
        self.sync.prune && !self.sync.dry_run && self.prune_rule(task) == PruneRule::Confirm
    }

    fn prune(&self, task: &Task<'_>) -> Option<Due> {
        let resource = task.resource?;
        let live = resource.live.as_ref()?;
        let skipped = |why: &str| Some(Due::Settle(pruned(task, ResultCode::PruneSkipped, why.to_owned())));
        if !self.sync.prune {
            return skipped("ignored (requires pruning)");
        }
        if self.prune_rule(task) == PruneRule::Disabled {
            return skipped("ignored (no prune)");
        }
        if live.deleting {
            let message = format!("pruned{}", dry_run_suffix(self.mode()));
            return Some(Due::Settle(pruned(task, ResultCode::Pruned, message)));
        }
        Some(Due::Act(ClusterAction::Prune {
            key: resource.key.clone(),
            version: resource.version.clone(),
            uid: live.uid.clone(),
            resource_version: live.resource_version.clone(),
            propagation: self.input.propagation,
            mode: self.mode(),
        }))
    }

    /// Decides about a task that applies or creates.
    fn apply(&self, task: &Task<'_>) -> Due {
        if self.sync.dry_run && self.lacks_namespace(task) {
            return Due::Settle(self.tried(task, "not tried, because its namespace does not exist yet"));
        }
        let Some(resource) = task.resource else {
            return match self.mode() {
                RunMode::Real => Due::Act(ClusterAction::CreateNamespace { key: task.key.clone() }),
                _ => Due::Settle(self.tried(task, "created")),
            };
        };
        if resource.kind == KindState::Awaited {
            return self.await_kind(task);
        }
        let how = resource.target.as_ref().map(|target| target.how).unwrap_or_default();
        let is_same = match resource.change {
            Change::None => true,
            // Who owns fields does not matter to what is written as a whole.
            Change::Ownership => how.replaces(),
            Change::Content => false,
        };
        if let Some(live) = resource.live.as_ref() {
            if is_same {
                return Due::Settle(self.unchanged(task, resource));
            }
            if live.deleting && how.may_recreate() && !self.sync.dry_run {
                let message = waiting_for("deletion of", std::iter::once(task.key)).unwrap_or_default();
                return Due::Wait(Wait { message, until: None });
            }
        }
        Due::Act(ClusterAction::Apply { key: resource.key.clone(), phase: task.phase.clone(), mode: self.mode() })
    }

    fn await_kind(&self, task: &Task<'_>) -> Due {
        let kind = task.key.group_kind();
        if self.sync.dry_run {
            return Due::Settle(self.tried(task, "not tried, because its kind is not served yet"));
        }
        if self.tasks.iter().any(|other| defines(other, task.key) && self.failed(other)) {
            let message =
                format!("The API server does not serve {kind}: its CustomResourceDefinition failed to apply.");
            return Due::Settle(failure(task, message));
        }
        // After a restart nobody remembers the last action; the start of the operation bounds the wait all the same.
        let since = self.input.last_action_at.unwrap_or(self.started_at);
        let until = since.checked_add(KIND_DEADLINE).unwrap_or(Timestamp::MAX);
        if until <= self.now {
            let message = format!(
                "The API server does not serve {kind} yet: its CustomResourceDefinition is not established. Look at the conditions of \
                 the CustomResourceDefinition."
            );
            return Due::Settle(failure(task, message));
        }
        Due::Wait(Wait { message: format!("waiting for the API server to serve {kind}"), until: Some(until) })
    }

    /// Tells whether an object's namespace is one that this operation would create.
    pub(crate) fn lacks_namespace(&self, task: &Task<'_>) -> bool {
        let namespace = &task.key.namespace;
        let creates = |other: &Task<'_>| match other.kind {
            TaskKind::CreateNamespace => self.input.create_namespace.as_ref().is_some_and(|made| !made.exists),
            TaskKind::Apply => {
                other.key.group.is_empty()
                    && other.key.kind == "Namespace"
                    && other.resource.is_some_and(|resource| resource.live.is_none())
            }
            TaskKind::Prune | TaskKind::Hook => false,
        };
        !namespace.is_empty() && self.tasks.iter().any(|other| creates(other) && other.key.name == *namespace)
    }

    pub(crate) fn mode(&self) -> RunMode {
        if self.sync.dry_run { RunMode::DryRun } else { RunMode::Real }
    }

    /// Makes the result of a dry run that needs no request.
    pub(crate) fn tried(&self, task: &Task<'_>, how: &str) -> ResourceResult {
        let message = format!("{} {how}{}", kubectl_name(task.key), dry_run_suffix(self.mode()));
        let (status, phase) = (ResultCode::Synced, OperationPhase::Succeeded);
        let mut result = result_of(task.key, task.version(), task.phase.clone(), status, phase, message);
        result.images = task.images().to_vec();
        result.hook_type = task.hook.map(|hook| hook_type(&hook.phase));
        result
    }

    fn unchanged(&self, task: &Task<'_>, resource: &PlanResource) -> ResourceResult {
        let mut result = self.tried(task, "unchanged");
        // Health is judged at once: an unchanged object needs no time to react.
        let well = resource.live.as_ref().is_some_and(|live| matches!(live.health, None | Some(PlanHealth::Healthy)));
        if !self.sync.dry_run && !well {
            result.hook_phase = Some(OperationPhase::Running);
        }
        result
    }
}

fn is_namespace(task: &Task<'_>) -> bool {
    task.kind == TaskKind::CreateNamespace
}

fn pruned(task: &Task<'_>, status: ResultCode, message: String) -> ResourceResult {
    result_of(task.key, task.version(), SyncPhase::Sync, status, OperationPhase::Succeeded, message)
}

/// Brings decisions together: what needs no request first, then all requests at once, then waits.
fn gather(decisions: impl Iterator<Item = (usize, Due)>) -> Batch {
    let mut settled = Vec::new();
    let mut actions = Vec::new();
    let mut wait = None;
    for (at, due) in decisions {
        match due {
            Due::Settle(result) => settled.push((at, result)),
            Due::Act(action) => actions.push(action),
            Due::Wait(longest) => wait = Some(longest),
        }
    }
    match wait {
        _ if !settled.is_empty() => Batch::Settled(settled),
        _ if !actions.is_empty() => Batch::Act(actions),
        Some(wait) => Batch::Wait(wait),
        None => Batch::Failed,
    }
}
