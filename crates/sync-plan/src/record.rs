//! What came of actions, written into the operation's state.

use application_api::{OperationPhase, OperationState, ResourceResult, ResultCode, SyncPhase};
use kube_object::ObjectKey;

use crate::plan::{ActionOutcome, ActionResult, ClusterAction, RunMode, SyncInput};

/// Records the outcomes of a step's actions.
pub fn record(input: &SyncInput, mut state: OperationState, outcomes: &[ActionOutcome]) -> OperationState {
    for outcome in outcomes {
        if let Some(result) = result_of_outcome(input, outcome) {
            set_result(&mut state, result);
        }
    }
    state
}

fn result_of_outcome(input: &SyncInput, outcome: &ActionOutcome) -> Option<ResourceResult> {
    let key = outcome.action.key();
    let resource = input.resources.iter().find(|resource| resource.key == *key);
    let version = resource.map_or("v1", |resource| &resource.version);
    let (phase, mode) = match &outcome.action {
        ClusterAction::Apply { phase, mode, .. } => (phase.clone(), *mode),
        ClusterAction::CreateNamespace { .. } => (SyncPhase::PreSync, RunMode::Real),
        ClusterAction::Prune { mode, .. } => (SyncPhase::Sync, *mode),
    };
    let is_prune = matches!(outcome.action, ClusterAction::Prune { .. });
    let suffix = if mode == RunMode::DryRun { " (dry run)" } else { "" };
    let (status, hook_phase, message) = match &outcome.result {
        ActionResult::Stale => return None,
        ActionResult::Failed(message) => (ResultCode::SyncFailed, OperationPhase::Failed, message.clone()),
        ActionResult::Done(_) | ActionResult::AlreadyGone if is_prune => {
            (ResultCode::Pruned, OperationPhase::Succeeded, format!("pruned{suffix}"))
        }
        ActionResult::AlreadyGone => (ResultCode::SyncFailed, OperationPhase::Failed, "the object is gone".to_owned()),
        ActionResult::Done(how) => {
            let running = mode == RunMode::Real && phase == SyncPhase::Sync;
            let hook_phase = if running { OperationPhase::Running } else { OperationPhase::Succeeded };
            (ResultCode::Synced, hook_phase, format!("{} {how}{suffix}", kubectl_name(key)))
        }
    };
    let mut result = result_of(key, version, phase, status, hook_phase, message);
    result.images =
        resource.and_then(|resource| resource.target.as_ref()).map(|target| target.images.clone()).unwrap_or_default();
    Some(result)
}

/// Makes the result of one object.
pub(crate) fn result_of(
    key: &ObjectKey,
    version: &str,
    sync_phase: SyncPhase,
    status: ResultCode,
    hook_phase: OperationPhase,
    message: String,
) -> ResourceResult {
    ResourceResult {
        group: key.group.clone(),
        version: version.to_owned(),
        kind: key.kind.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        status: Some(status),
        message,
        hook_phase: Some(hook_phase),
        sync_phase: Some(sync_phase),
        ..ResourceResult::default()
    }
}

/// Puts a result in the place of the object's earlier one in the same phase, else at the end.
pub(crate) fn set_result(state: &mut OperationState, result: ResourceResult) {
    let results = &mut state.sync_result.get_or_insert_default().resources;
    let same = |old: &ResourceResult| {
        old.group == result.group
            && old.kind == result.kind
            && old.namespace == result.namespace
            && old.name == result.name
            && old.sync_phase == result.sync_phase
    };
    match results.iter_mut().find(|old| same(old)) {
        Some(old) => *old = result,
        None => results.push(result),
    }
}

/// Names an object as kubectl prints it: `deployment.apps/web`.
pub(crate) fn kubectl_name(key: &ObjectKey) -> String {
    let kind = key.kind.to_lowercase();
    if key.group.is_empty() { format!("{kind}/{}", key.name) } else { format!("{kind}.{}/{}", key.group, key.name) }
}
