//! What came of actions, written into the operation's state.

use std::collections::HashMap;

use application_api::{OperationPhase, OperationState, ResourceResult, ResultCode, SyncPhase};
use kube_object::ObjectKey;

use crate::hooks::{PlanHook, hook_type};
use crate::plan::{ActionOutcome, ActionResult, ClusterAction, HookDeletion, PlanResource, RunMode, SyncInput};
use crate::step::TERMINATION_FAILED;
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
            let place = known.get(&ResultKey::new(action.key(), &action.phase())).copied();
            places.insert((action.key(), action.phase()), place);
        }
    }
    for outcome in outcomes {
        let key = outcome.action.key();
        let phase = outcome.action.phase();
        let hook = input.hooks.iter().find(|hook| hook.key == *key && hook.phase == phase);
        let place = places.entry((key, phase)).or_default();
        let before = place.map(|at| &results[at]);
        let result = match hook {
            Some(hook) => result_of_hook(hook, before, outcome),
            None => result_of_outcome(resources.get(key).copied(), outcome),
        };
        let Some(result) = result else { continue };
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

/// Makes the result of what was done about a hook; none when there is nothing to record.
fn result_of_hook(hook: &PlanHook, before: Option<&ResourceResult>, outcome: &ActionOutcome) -> Option<ResourceResult> {
    let made = |status, phase, message| {
        let mut result = result_of(&hook.key, &hook.version, hook.phase.clone(), status, phase, message);
        result.hook_type = Some(hook_type(&hook.phase));
        result.images.clone_from(&hook.images);
        result
    };
    let failed = |message: String| made(ResultCode::SyncFailed, OperationPhase::Failed, message);
    // What could not be taken away again does not change what the hook has done.
    let left = |phase: OperationPhase, message: String| match before {
        Some(before) => ResourceResult { hook_phase: Some(phase), message, ..before.clone() },
        None => failed(message),
    };
    match (&outcome.action, &outcome.result) {
        (ClusterAction::RunHook { mode: RunMode::Preflight, .. }, ActionResult::Failed(message)) => {
            Some(failed(format!("{message} (dry run)")))
        }
        (ClusterAction::RunHook { mode: RunMode::DryRun, .. }, ActionResult::Done(how)) => {
            let message = format!("{} {how} (dry run)", kubectl_name(&hook.key));
            Some(made(ResultCode::Synced, OperationPhase::Succeeded, message))
        }
        (ClusterAction::RunHook { mode: RunMode::Real, .. }, ActionResult::Done(how)) => {
            let message = format!("{} {how}", kubectl_name(&hook.key));
            Some(made(ResultCode::Synced, OperationPhase::Running, message))
        }
        (ClusterAction::RunHook { .. }, ActionResult::Failed(message)) => Some(failed(message.clone())),
        (ClusterAction::RunHook { mode: RunMode::Real, .. }, ActionResult::AlreadyGone) => {
            Some(failed("the object is gone".to_owned()))
        }
        (ClusterAction::ReleaseHook { .. }, ActionResult::Failed(message)) => {
            Some(left(OperationPhase::Error, format!("failed to remove hook finalizer: {message}")))
        }
        (ClusterAction::DeleteHook { why, .. }, ActionResult::Failed(message)) => Some(match why {
            HookDeletion::BeforeCreation => failed(format!("failed to delete resource: {message}")),
            HookDeletion::Policy => left(OperationPhase::Error, format!("failed to delete resource: {message}")),
            HookDeletion::Termination => left(OperationPhase::Failed, format!("{TERMINATION_FAILED}{message}")),
        }),
        _ => None,
    }
}

fn result_of_outcome(resource: Option<&PlanResource>, outcome: &ActionOutcome) -> Option<ResourceResult> {
    let key = outcome.action.key();
    let (phase, mode) = (outcome.action.phase(), outcome.action.mode());
    let version = match &outcome.action {
        ClusterAction::Prune { version, .. } => version.as_str(),
        _ => resource.map_or("v1", |resource| &resource.version),
    };
    let is_prune = matches!(outcome.action, ClusterAction::Prune { .. });
    let is_apply = matches!(outcome.action, ClusterAction::Apply { .. });
    let suffix = dry_run_suffix(mode);
    let (status, hook_phase, message) = match &outcome.result {
        ActionResult::Stale | ActionResult::Inconclusive => return None,
        ActionResult::Failed(message) => {
            let suffix = if mode == RunMode::Preflight { " (dry run)" } else { "" };
            (ResultCode::SyncFailed, OperationPhase::Failed, format!("{message}{suffix}"))
        }
        _ if mode == RunMode::Preflight => return None,
        ActionResult::Done(_) | ActionResult::AlreadyGone if is_prune => {
            (ResultCode::Pruned, OperationPhase::Succeeded, format!("pruned{suffix}"))
        }
        ActionResult::AlreadyGone => (ResultCode::SyncFailed, OperationPhase::Failed, "the object is gone".to_owned()),
        ActionResult::Done(how) => {
            let running = mode == RunMode::Real && is_apply;
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

fn images_of(resource: Option<&PlanResource>) -> Vec<String> {
    resource.and_then(|resource| resource.target.as_ref()).map(|target| target.images.clone()).unwrap_or_default()
}

/// Returns what messages of a run end with.
pub(crate) fn dry_run_suffix(mode: RunMode) -> &'static str {
    match mode {
        RunMode::Real => "",
        RunMode::DryRun | RunMode::Preflight => " (dry run)",
    }
}

/// Names an object as kubectl prints it: `deployment.apps/web`.
pub(crate) fn kubectl_name(key: &ObjectKey) -> String {
    let kind = key.kind.to_lowercase();
    if key.group.is_empty() { format!("{kind}/{}", key.name) } else { format!("{kind}.{}/{}", key.group, key.name) }
}
