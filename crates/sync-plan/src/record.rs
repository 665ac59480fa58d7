//! What came of actions, written into the operation's state.

use std::collections::HashMap;

use application_api::{OperationPhase, OperationState, ResourceResult, ResultCode, SyncPhase};
use kube_object::ObjectKey;

use crate::plan::{ActionOutcome, ActionResult, ClusterAction, PlanResource, RunMode, SyncInput};
use crate::tasks::ResultKey;

/// Records the outcomes of a step's actions; `input` is what the step was decided from.
pub fn record(input: &SyncInput, mut state: OperationState, outcomes: &[ActionOutcome]) -> OperationState {
    if outcomes.is_empty() {
        return state;
    }
    let resources: HashMap<&ObjectKey, &PlanResource> =
        input.resources.iter().map(|resource| (&resource.key, resource)).collect();
    let mut results = take_results(&mut state);
    // Results of this call by object and phase; the keys borrow from the outcomes, so that the list stays free to change.
    let mut places: HashMap<(&ObjectKey, SyncPhase), Option<usize>> = HashMap::new();
    {
        let known: HashMap<ResultKey<'_>, usize> =
            results.iter().enumerate().map(|(at, result)| (ResultKey::of(result), at)).collect();
        for action in outcomes.iter().map(|outcome| &outcome.action) {
            let place = known.get(&ResultKey::new(action.key(), &phase_of(action))).copied();
            places.insert((action.key(), phase_of(action)), place);
        }
    }
    for outcome in outcomes {
        let key = outcome.action.key();
        let Some(result) = result_of_outcome(resources.get(key).copied(), outcome) else { continue };
        let place = places.entry((key, phase_of(&outcome.action))).or_default();
        *place = Some(put_result(&mut results, *place, result));
    }
    give_results(&mut state, results);
    state
}

/// Takes the list of results out of a state.
pub(crate) fn take_results(state: &mut OperationState) -> Vec<ResourceResult> {
    state.sync_result.as_mut().map(|result| std::mem::take(&mut result.resources)).unwrap_or_default()
}

/// Puts the list of results back into a state; no list is made for nothing.
pub(crate) fn give_results(state: &mut OperationState, results: Vec<ResourceResult>) {
    if state.sync_result.is_some() || !results.is_empty() {
        state.sync_result.get_or_insert_default().resources = results;
    }
}

/// Replaces the result at `place`, else adds it at the end; returns where it is.
pub(crate) fn put_result(results: &mut Vec<ResourceResult>, place: Option<usize>, result: ResourceResult) -> usize {
    if let Some(at) = place {
        results[at] = result;
        return at;
    }
    results.push(result);
    results.len() - 1
}

fn phase_of(action: &ClusterAction) -> SyncPhase {
    match action {
        ClusterAction::Apply { phase, .. } => phase.clone(),
        ClusterAction::CreateNamespace { .. } => SyncPhase::PreSync,
        ClusterAction::Prune { .. } => SyncPhase::Sync,
    }
}

fn result_of_outcome(resource: Option<&PlanResource>, outcome: &ActionOutcome) -> Option<ResourceResult> {
    let key = outcome.action.key();
    let phase = phase_of(&outcome.action);
    let (version, mode) = match &outcome.action {
        ClusterAction::Apply { mode, .. } => (resource.map_or("v1", |resource| &resource.version), *mode),
        ClusterAction::CreateNamespace { .. } => ("v1", RunMode::Real),
        ClusterAction::Prune { version, mode, .. } => (version.as_str(), *mode),
    };
    let is_prune = matches!(outcome.action, ClusterAction::Prune { .. });
    let suffix = dry_run_suffix(mode);
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
    result.images = images_of(resource);
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

pub(crate) fn images_of(resource: Option<&PlanResource>) -> Vec<String> {
    resource.and_then(|resource| resource.target.as_ref()).map(|target| target.images.clone()).unwrap_or_default()
}

/// Returns what messages of a run end with.
pub(crate) fn dry_run_suffix(mode: RunMode) -> &'static str {
    match mode {
        RunMode::Real => "",
        RunMode::DryRun => " (dry run)",
    }
}

/// Names an object as kubectl prints it: `deployment.apps/web`.
pub(crate) fn kubectl_name(key: &ObjectKey) -> String {
    let kind = key.kind.to_lowercase();
    if key.group.is_empty() { format!("{kind}/{}", key.name) } else { format!("{kind}.{}/{}", key.group, key.name) }
}
