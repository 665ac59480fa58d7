//! Hooks: objects that run once for each attempt of an operation (Argo CD semantics, 2.2 and 2.4).
//!
//! The object of a hook carries the [run](run_of) that made it and a finalizer. What was made before a crash is known again by the
//! one, and kept by the other until its end is stored, even where a time to live removes it.

use std::collections::HashSet;

use jiff::Timestamp;

use application_api::{HookType, OperationPhase, OperationState, ResourceResult, ResultCode, SyncPhase};
use kube_object::ObjectKey;

use crate::batch::Due;
use crate::plan::{ClusterAction, HookDeletion, KindState, LiveHook, PlanHealth, PlanLive, Postponed};
use crate::record::{kubectl_name, result_of};
use crate::step::{Decision, Pass, Wait, waiting_for};
use crate::tasks::Task;

/// A hook in one of its phases.
#[derive(Clone, Debug)]
pub struct PlanHook {
    /// Identity; a generated name is filled in by [`hook_name`].
    pub key: ObjectKey,
    /// API version.
    pub version: String,
    /// Phase it runs in.
    pub phase: SyncPhase,
    /// Sync wave, or Helm's weight.
    pub wave: i64,
    /// When its object is deleted.
    pub policy: HookPolicy,
    /// Images the object runs, recorded in its result.
    pub images: Vec<String>,
    /// What the cluster says of it; none when the cluster does not have it.
    pub live: Option<PlanLive>,
    /// Why it must not run, if so.
    pub refusal: Option<String>,
    /// Whether its kind is served yet.
    pub kind: KindState,
    /// Until when it is left alone, if the API server could not call a webhook for it.
    pub postponed: Option<Postponed>,
}

/// When the object of a hook is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookPolicy {
    /// Before another run makes it anew.
    pub before_creation: bool,
    /// When the operation has succeeded.
    pub succeeded: bool,
    /// When the operation has failed.
    pub failed: bool,
}

/// Names the attempt of an operation that makes the objects of hooks: each attempt runs them again.
pub fn run_of(state: &OperationState) -> String {
    let revision = state.sync_result.as_ref().map(|result| short(&result.joined_revision()).to_owned());
    format!("{}/{}/{}", state.started_at, state.retry_count, revision.unwrap_or_default())
}

/// Fills in the name of a hook that has only a `generateName`: the same one for the whole attempt.
pub fn hook_name(generate_name: &str, revision: &str, phase: &SyncPhase, started_at: Timestamp) -> String {
    let rest = format!("{}-{phase}-{}", short(revision), started_at.as_second()).to_lowercase();
    format!("{generate_name}{rest}")
}

/// Returns the first characters of a revision.
fn short(revision: &str) -> &str {
    if revision.len() >= 8 { revision.get(..7).unwrap_or(revision) } else { revision }
}

/// Returns the type of the hooks of a phase.
pub(crate) fn hook_type(phase: &SyncPhase) -> HookType {
    match phase {
        SyncPhase::PreSync => HookType::PreSync,
        SyncPhase::PostSync => HookType::PostSync,
        SyncPhase::SyncFail => HookType::SyncFail,
        _ => HookType::Sync,
    }
}

impl<'a> Pass<'a> {
    /// Decides about a hook that has no result yet.
    pub(crate) fn begin_hook(&self, task: &Task<'_>, hook: &PlanHook) -> Due {
        if self.sync.dry_run {
            let conflicts = hook.live.is_some() && hook.policy.before_creation;
            return if conflicts { Due::Settle(self.tried(task, "created")) } else { self.run_hook(hook) };
        }
        let Some(live) = &hook.live else { return self.run_hook(hook) };
        if !live.deleting && !hook.policy.before_creation {
            return self.run_hook(hook);
        }
        if live.has_hook_finalizer {
            return Due::Act(ClusterAction::ReleaseHook { hook: live_hook(hook, live) });
        }
        if live.deleting {
            let message = waiting_for("deletion of hook", std::iter::once(&hook.key)).unwrap_or_default();
            return Due::Wait(Wait { message, until: None });
        }
        Due::Act(self.delete(hook, live, HookDeletion::BeforeCreation))
    }

    fn run_hook(&self, hook: &PlanHook) -> Due {
        Due::Act(ClusterAction::RunHook {
            key: hook.key.clone(),
            phase: hook.phase.clone(),
            run: self.run_in(&hook.phase),
            mode: self.mode(),
        })
    }

    /// Returns what the objects of a phase's hooks are marked with.
    fn run_in(&self, phase: &SyncPhase) -> String {
        format!("{}/{phase}", self.run)
    }

    /// Returns the live object of a hook, if it is the one that this attempt has made for this phase, as far as it says so.
    pub(crate) fn own_live(&self, hook: &'a PlanHook) -> Option<&'a PlanLive> {
        hook.live.as_ref().filter(|live| live.run.as_ref().is_none_or(|run| *run == self.run_in(&hook.phase)))
    }

    fn delete(&self, hook: &PlanHook, live: &PlanLive, why: HookDeletion) -> ClusterAction {
        ClusterAction::DeleteHook { hook: live_hook(hook, live), propagation: self.input.propagation, why }
    }

    /// Moves the result of a hook on by the health of its object.
    pub(crate) fn judge_hook(live: Option<&PlanLive>, hook: &PlanHook, result: &mut ResourceResult) {
        let ObjectKey { group, kind, name, .. } = &hook.key;
        let Some(live) = live else {
            result.status = Some(ResultCode::SyncFailed);
            result.hook_phase = Some(OperationPhase::Error);
            result.message = format!("Resource {group}/{kind}/{name} is missing, it might have been deleted");
            return;
        };
        let phase = match live.health {
            None => {
                result.message = format!("{name} created");
                result.hook_phase = Some(OperationPhase::Succeeded);
                return;
            }
            Some(PlanHealth::Healthy) => OperationPhase::Succeeded,
            Some(PlanHealth::Degraded | PlanHealth::Unknown) => OperationPhase::Failed,
            Some(PlanHealth::Pending) if live.deleting => {
                result.hook_phase = Some(OperationPhase::Failed);
                result.message = format!("{kind}/{name} was deleted before it was done");
                return;
            }
            Some(PlanHealth::Pending) => OperationPhase::Running,
        };
        result.hook_phase = Some(phase);
        result.message.clone_from(&live.health_message);
    }

    /// Returns the hooks with their results, none for those that have none.
    fn hooks(&self) -> impl Iterator<Item = (&Task<'a>, &'a PlanHook, Option<&ResourceResult>)> {
        self.tasks.iter().filter_map(|task| Some((task, task.hook?, self.result(task))))
    }

    /// Returns the keys of hooks that are not done.
    pub(crate) fn running_hooks(&self) -> impl Iterator<Item = &'a ObjectKey> {
        self.running().map(|hook| &hook.key)
    }

    fn running(&self) -> impl Iterator<Item = &'a PlanHook> {
        self.hooks().filter(|(_, _, result)| result.is_some_and(is_running_hook)).map(|(_, hook, _)| hook)
    }

    /// Knows the hooks again that this attempt has made, although it was not stored before the daemon died.
    pub(crate) fn adopt_hooks(&mut self) {
        if self.sync.dry_run {
            return;
        }
        let is_made = |hook: &PlanHook| {
            hook.live.as_ref().is_some_and(|live| live.run.as_ref() == Some(&self.run_in(&hook.phase)))
        };
        let open = self.tasks.iter().enumerate().filter(|(_, task)| task.result.is_none());
        let made: Vec<(usize, ResourceResult)> =
            open.filter_map(|(at, task)| Some((at, begun(task, task.hook.filter(|hook| is_made(hook))?)))).collect();
        for (at, result) in made {
            self.put(at, result);
        }
    }

    /// Takes the finalizer off the objects of hooks that are done: nothing is learned from them any more.
    pub(crate) fn release_done(&mut self) -> Option<Decision> {
        let done = self.hooks().filter(|(_, _, result)| result.is_some_and(is_done));
        let releases: Vec<ClusterAction> = done
            .filter_map(|(_, hook, _)| {
                let live = self.own_live(hook).filter(|live| live.has_hook_finalizer)?;
                Some(ClusterAction::ReleaseHook { hook: live_hook(hook, live) })
            })
            .collect();
        if releases.is_empty() {
            return None;
        }
        // What the hook has come to is stored before its object may go.
        self.store_first();
        Some(Decision::Act(releases))
    }

    /// Says what hooks still need before the operation may end without going on.
    pub(crate) fn end_hooks(&mut self) -> Option<Decision> {
        if self.sync.dry_run {
            return None;
        }
        let wait = |message| Decision::Wait(Wait { message, until: self.reacting_until() });
        let wait = waiting_for_hooks(self.running_hooks()).map(wait);
        self.release_done().or(wait)
    }

    /// Deletes the objects of hooks that are done and whose policy says so.
    pub(crate) fn delete_by_policy(&self, ended: &OperationPhase) -> Vec<ClusterAction> {
        // An object is deleted once, whatever the number of its phases.
        let mut seen = HashSet::new();
        let wanted = |hook: &PlanHook, result: &ResourceResult| {
            let succeeded = if hook.phase == SyncPhase::SyncFail {
                result.hook_phase == Some(OperationPhase::Succeeded)
            } else {
                *ended == OperationPhase::Succeeded
            };
            if succeeded { hook.policy.succeeded } else { hook.policy.failed }
        };
        self.hooks()
            .filter(|(_, hook, result)| result.is_some_and(|result| is_done(result) && wanted(hook, result)))
            .filter_map(|(_, hook, _)| {
                let live = self.own_live(hook).filter(|live| !live.deleting)?;
                seen.insert(&hook.key).then(|| self.delete(hook, live, HookDeletion::Policy))
            })
            .collect()
    }

    /// Goes on with the end of an operation that failed: the hooks for that run, then the operation ends.
    pub(crate) fn fail(&mut self, message: &str) -> Decision {
        if self.sync.dry_run {
            return Decision::End(OperationPhase::Failed, message.to_owned());
        }
        let until = self.reacting_until();
        let earlier = self.running().filter(|hook| hook.phase != SyncPhase::SyncFail);
        if let Some(message) = waiting_for_hooks(earlier.map(|hook| &hook.key)) {
            return Decision::Wait(Wait { message, until });
        }
        let due: Vec<Due> = (self.tasks.iter())
            .filter(|task| task.phase == SyncPhase::SyncFail && task.result.is_none())
            .filter_map(|task| Some(self.begin_hook(task, task.hook?)))
            .collect();
        let mut actions = Vec::new();
        let mut wait = None;
        for due in due {
            match due {
                Due::Act(action) => actions.push(action),
                Due::Wait(longest) => wait = Some(longest),
                Due::Settle(_) => {}
            }
        }
        if !actions.is_empty() {
            self.store_first();
            return Decision::Act(actions);
        }
        let running = waiting_for_hooks(self.running_hooks()).map(|message| Wait { message, until });
        if let Some(wait) = running.or(wait) {
            return Decision::Wait(wait);
        }
        let actions = self.delete_by_policy(&OperationPhase::Failed);
        if !actions.is_empty() {
            self.store_first();
            return Decision::Act(actions);
        }
        Decision::End(OperationPhase::Failed, self.with_failed_hooks(message))
    }

    /// Adds what became of hooks for failures that failed themselves.
    fn with_failed_hooks(&self, message: &str) -> String {
        let failed = self.hooks().filter(|(_, hook, result)| {
            let is_failed = |result: &ResourceResult| {
                matches!(result.hook_phase, Some(OperationPhase::Failed | OperationPhase::Error))
            };
            hook.phase == SyncPhase::SyncFail && result.is_some_and(is_failed)
        });
        let reasons: Vec<&str> = failed.filter_map(|(_, _, result)| Some(result?.message.as_str())).collect();
        if reasons.is_empty() {
            return message.to_owned();
        }
        format!("{message}\none or more SyncFail hooks failed, reason: {}", reasons.join(","))
    }

    /// Ends the hooks of an operation that is terminated: those that run are deleted.
    pub(crate) fn terminate_hooks(&mut self) -> Vec<ClusterAction> {
        let mut actions = Vec::new();
        let mut ended = Vec::new();
        for (at, task) in self.tasks.iter().enumerate() {
            let Some(hook) = task.hook else { continue };
            let result = self.result(task);
            let live = self.own_live(hook).filter(|live| live.run.is_some() || result.is_some());
            let runs = result.map_or(live.is_some(), is_running_hook);
            let Some(live) = live else {
                if runs {
                    ended.push((at, deleted(task, hook)));
                }
                continue;
            };
            let is_over = !matches!(live.health, Some(PlanHealth::Pending));
            if live.has_hook_finalizer && result.is_none_or(|result| !has_failed_release(result)) {
                actions.push(ClusterAction::ReleaseHook { hook: live_hook(hook, live) });
            } else if runs && is_over {
                let mut result = result.cloned().unwrap_or_else(|| begun(task, hook));
                Self::judge_hook(Some(live), hook, &mut result);
                ended.push((at, result));
            } else if runs && live.deleting {
                ended.push((at, deleted(task, hook)));
            } else if runs {
                actions.push(self.delete(hook, live, HookDeletion::Termination));
            }
        }
        for (at, result) in ended {
            self.put(at, result);
        }
        actions
    }
}

/// Makes the result of a hook whose object was made.
fn begun(task: &Task<'_>, hook: &PlanHook) -> ResourceResult {
    let message = format!("{} created", kubectl_name(&hook.key));
    hook_result(task, hook, ResultCode::Synced, OperationPhase::Running, message)
}

fn deleted(task: &Task<'_>, hook: &PlanHook) -> ResourceResult {
    hook_result(task, hook, ResultCode::Synced, OperationPhase::Succeeded, "Deleted".to_owned())
}

fn hook_result(
    task: &Task<'_>,
    hook: &PlanHook,
    status: ResultCode,
    phase: OperationPhase,
    message: String,
) -> ResourceResult {
    let mut result = result_of(&hook.key, &hook.version, task.phase.clone(), status, phase, message);
    result.hook_type = Some(hook_type(&hook.phase));
    result.images.clone_from(&hook.images);
    result
}

/// Tells whether a result is that of a hook that goes on.
pub(crate) fn is_running_hook(result: &ResourceResult) -> bool {
    result.hook_type.is_some() && result.hook_phase == Some(OperationPhase::Running)
}

/// Tells whether nothing more is to be learned from the object of a hook, and it can be let go.
fn is_done(result: &ResourceResult) -> bool {
    result.hook_phase.as_ref().is_some_and(OperationPhase::is_completed) && !has_failed_release(result)
}

/// Tells whether its finalizer could not be taken off, or it could not be deleted: that is not tried again.
fn has_failed_release(result: &ResourceResult) -> bool {
    result.hook_phase == Some(OperationPhase::Error)
}

pub(crate) fn live_hook(hook: &PlanHook, live: &PlanLive) -> LiveHook {
    LiveHook {
        key: hook.key.clone(),
        version: hook.version.clone(),
        phase: hook.phase.clone(),
        uid: live.uid.clone(),
        resource_version: live.resource_version.clone(),
    }
}

/// Writes what hooks are waited for.
pub(crate) fn waiting_for_hooks<'k>(mut keys: impl Iterator<Item = &'k ObjectKey>) -> Option<String> {
    let ObjectKey { group, kind, name, .. } = keys.next()?;
    let more = match keys.count() {
        0 => String::new(),
        n => format!(" and {n} more hooks"),
    };
    Some(format!("waiting for completion of hook {group}/{kind}/{name}{more}"))
}
