//! Trying out a whole phase before its first change (`driftless.dev/preflight: "true"`).

use application_api::OperationPhase;

use crate::plan::{ActionOutcome, Change, ClusterAction, KindState, Preflight, PruneRule, RunMode};
use crate::step::{Decision, Pass};
use crate::tasks::{Place, Task, TaskKind, phase_rank};

/// What the message of a result ends with that only a dry run has come to.
const TRIED: &str = "(dry run)";

/// Returns the phase that outcomes are of which were only tried out: it need not be tried again by this run of the daemon.
pub fn tried_phase(outcomes: &[ActionOutcome]) -> Option<u8> {
    let tried = outcomes.iter().find(|outcome| outcome.action.mode() == RunMode::Preflight)?;
    Some(phase_rank(&tried.action.phase()))
}

impl Pass<'_> {
    /// Ends an operation of which a trial has rejected something; hooks for failures run only after a change.
    pub(crate) fn rejected(&mut self) -> Option<Decision> {
        if self.sync.dry_run {
            return None;
        }
        let is_rejected = |task: &Task<'_>| {
            self.failed(task) && self.result(task).is_some_and(|result| result.message.ends_with(TRIED))
        };
        if !self.tasks.iter().any(is_rejected) {
            return None;
        }
        let message = self.with_reasons("one or more objects failed to apply (dry run)");
        let has_begun = self.tasks.iter().any(|task| task.result.is_some() && !is_rejected(task));
        Some(if has_begun { self.fail(&message) } else { Decision::End(OperationPhase::Failed, message) })
    }

    /// Has the phase of a place tried out, if that is due.
    pub(crate) fn preflight(&self, place: Place) -> Option<Decision> {
        let Preflight::On { done } = self.input.preflight else { return None };
        if self.sync.dry_run {
            return None;
        }
        let here = || self.tasks.iter().filter(move |task| task.place().0 == place.0);
        let is_begun = here().any(|task| task.result.is_some());
        if is_begun || done.is_some_and(|done| done >= place.0) {
            return None;
        }
        let actions: Vec<ClusterAction> = here().filter_map(|task| self.trial(task)).collect();
        (!actions.is_empty()).then_some(Decision::Act(actions))
    }

    /// Returns what tries a task out; none when the API server could not tell yet.
    fn trial(&self, task: &Task<'_>) -> Option<ClusterAction> {
        let mode = RunMode::Preflight;
        if task.kind_state() != KindState::Served || self.lacks_namespace(task) {
            return None;
        }
        match task.kind {
            TaskKind::CreateNamespace => None,
            TaskKind::Apply => {
                let is_due = task.resource.is_some_and(|resource| resource.change != Change::None);
                is_due.then(|| ClusterAction::Apply { key: task.key.clone(), phase: task.phase.clone(), mode })
            }
            TaskKind::Hook => {
                let hook = task.hook.filter(|hook| hook.live.is_none())?;
                Some(ClusterAction::RunHook {
                    key: hook.key.clone(),
                    phase: hook.phase.clone(),
                    run: String::new(),
                    mode,
                })
            }
            TaskKind::Prune => {
                let live = task.live().filter(|live| self.sync.prune && !live.deleting)?;
                let is_allowed = matches!(self.prune_rule(task), PruneRule::Allowed | PruneRule::Confirmed);
                is_allowed.then(|| ClusterAction::Prune {
                    key: task.key.clone(),
                    version: task.version().to_owned(),
                    uid: live.uid.clone(),
                    resource_version: live.resource_version.clone(),
                    propagation: self.input.propagation,
                    mode,
                })
            }
        }
    }
}
