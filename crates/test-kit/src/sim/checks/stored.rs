//! What must hold of a version of an Application that the engine stores: its status is well formed, follows from the version
//! before, and nothing that a person wrote is lost.

use application_api::constants as names;
use application_api::{Application, Operation, OperationState, RevisionHistory};
use kube_object::Object;
use serde_json::{Map, Value};

/// Annotations that the engine removes.
const ANSWERED: [&str; 2] = [names::REFRESH_ANNOTATION, names::REFRESH_TIMESTAMP_ANNOTATION];
/// Finalizers that the engine removes.
const CASCADES: [&str; 3] =
    [names::RESOURCES_FINALIZER, names::RESOURCES_FINALIZER_FOREGROUND, names::RESOURCES_FINALIZER_BACKGROUND];
/// Finalizers that the engine adds for hooks of deletion, and removes when there are none; never adds to what is being deleted.
const FOR_HOOKS: [&str; 4] = [
    names::PRE_DELETE_FINALIZER,
    names::PRE_DELETE_FINALIZER_CLEANUP,
    names::POST_DELETE_FINALIZER,
    names::POST_DELETE_FINALIZER_CLEANUP,
];

/// Compares a version that the engine has stored with the version before.
pub(super) fn check(before: &Object, after: &Object) -> Result<(), String> {
    check_intent(before, after)?;
    let read = |object: &Object| Application::from_object(object).map_err(|error| error.to_string());
    let Ok(old) = read(before) else { return Ok(()) };
    let new = read(after)?;
    let state = |app: &Application| app.status.as_ref().and_then(|status| status.operation_state.clone());
    let (old_state, new_state) = (state(&old), state(&new));
    check_operation(old.operation.as_ref(), new.operation.as_ref(), new_state.as_ref())?;
    if let Some(new_state) = &new_state {
        check_state(new_state, new.operation.is_some())?;
    }
    check_transition(old_state.as_ref(), new_state.as_ref())?;
    let history = |app: &Application| app.status.as_ref().map(|status| status.history.clone()).unwrap_or_default();
    check_history(&history(&old), &history(&new), new.spec.revision_history_limit())
}

/// Checks that spec and metadata are as a person left them.
fn check_intent(before: &Object, after: &Object) -> Result<(), String> {
    same("spec", before.get(&["spec"]), after.get(&["spec"]))?;
    for field in ["labels", "ownerReferences", "deletionTimestamp"] {
        same(field, before.get(&["metadata", field]), after.get(&["metadata", field]))?;
    }
    let annotations = |object: &Object| -> Map<String, Value> {
        let all = object.get(&["metadata", "annotations"]).and_then(Value::as_object).cloned().unwrap_or_default();
        all.into_iter().filter(|(name, _)| !ANSWERED.contains(&name.as_str())).collect()
    };
    if annotations(before) != annotations(after) {
        return Err("annotations of others changed".to_owned());
    }
    let (old, new) = (before.metadata().finalizers, after.metadata().finalizers);
    let is_for_hooks = |name: &str| FOR_HOOKS.contains(&name);
    let mut added = new.iter().filter(|name| !old.contains(name));
    if let Some(added) = added.find(|name| before.is_deleting() || !is_for_hooks(name)) {
        return Err(format!("the finalizer {added} was added"));
    }
    let mut removed = old.iter().filter(|name| !new.contains(name));
    let may_go = |name: &str| is_for_hooks(name) || before.is_deleting() && CASCADES.contains(&name);
    match removed.find(|name| !may_go(name)) {
        Some(name) => Err(format!("the finalizer {name} was removed")),
        None => Ok(()),
    }
}

fn same(what: &str, before: Option<&Value>, after: Option<&Value>) -> Result<(), String> {
    if before == after { Ok(()) } else { Err(format!("{what} changed")) }
}

/// Checks that a requested operation stays until it is done, as it was requested.
fn check_operation(
    before: Option<&Operation>,
    after: Option<&Operation>,
    state: Option<&OperationState>,
) -> Result<(), String> {
    match (before, after) {
        (Some(before), Some(after)) if !is_of(after, before) => Err("the requested operation changed".to_owned()),
        (Some(before), None) => match state {
            Some(state) if !state.phase.is_completed() => Err("an operation that goes on was removed".to_owned()),
            Some(state) if is_of(&state.operation, before) => Ok(()),
            Some(_) => Err("a requested operation was removed, and another was reported as done".to_owned()),
            None => Err("a requested operation was removed without a word".to_owned()),
        },
        (None, Some(after)) if !after.initiated_by.automated => {
            Err("an operation appeared that nobody asked for".to_owned())
        }
        _ => Ok(()),
    }
}

/// Tells whether an operation is the one requested; a retry with the latest revisions and an abandoned one differ in a detail.
fn is_of(operation: &Operation, requested: &Operation) -> bool {
    let plain = |operation: &Operation| {
        let mut operation = operation.clone();
        operation.retry = application_api::RetryStrategy::default();
        if let Some(sync) = &mut operation.sync {
            sync.revision.clear();
        }
        operation
    };
    plain(operation) == plain(requested)
}

/// Checks one state by itself.
fn check_state(state: &OperationState, has_operation: bool) -> Result<(), String> {
    if state.finished_at.is_some_and(|at| at < state.started_at) {
        return Err("the operation finished before it started".to_owned());
    }
    if state.phase.is_completed() && state.finished_at.is_none() {
        return Err(format!("a {} operation has no finishedAt", state.phase));
    }
    if state.phase.is_running() && state.finished_at.is_some() && state.retry_count == 0 {
        return Err("a first attempt goes on although it is finished".to_owned());
    }
    if state.phase.is_running() && !has_operation {
        return Err("an operation goes on that nobody asks for".to_owned());
    }
    if state.retry_count < 0
        || state.retry_count > state.operation.retry.limit.unwrap_or(0).max(0) && state.phase.is_running()
    {
        return Err(format!("attempt {} of {:?}", state.retry_count, state.operation.retry.limit));
    }
    Ok(())
}

/// Checks what became of the state before.
fn check_transition(old: Option<&OperationState>, new: Option<&OperationState>) -> Result<(), String> {
    let Some(old) = old else { return Ok(()) };
    let Some(new) = new else { return Err("the state of an operation was removed".to_owned()) };
    if old.phase.is_completed() {
        return if new == old || new.started_at >= old.started_at && is_next(old, new) {
            Ok(())
        } else {
            Err("the state of an operation that is done changed".to_owned())
        };
    }
    if new.started_at != old.started_at {
        return Err("an operation that goes on was replaced".to_owned());
    }
    if new.retry_count < old.retry_count {
        return Err("attempts are forgotten".to_owned());
    }
    let terminating = application_api::OperationPhase::Terminating;
    if old.phase == terminating && new.phase == application_api::OperationPhase::Running {
        return Err("a person's request to end the operation was overwritten".to_owned());
    }
    Ok(())
}

/// Tells whether a state is that of a later operation: it runs, or was refused at once.
fn is_next(old: &OperationState, new: &OperationState) -> bool {
    new.phase.is_running() || new.finished_at >= old.finished_at
}

/// Checks that entries are only added at the end and dropped at the beginning, with rising numbers.
fn check_history(old: &[RevisionHistory], new: &[RevisionHistory], limit: usize) -> Result<(), String> {
    let ids: Vec<i64> = new.iter().map(|entry| entry.id).collect();
    if ids.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(format!("history does not rise: {ids:?}"));
    }
    if new.len() > limit.max(old.len()) {
        return Err(format!("history has {} entries, of {limit}", new.len()));
    }
    let last = old.last().map(|entry| entry.id);
    let kept: Vec<&RevisionHistory> = new.iter().filter(|entry| last.is_some_and(|last| entry.id <= last)).collect();
    if kept.iter().any(|entry| !old.contains(entry)) {
        return Err("history was rewritten".to_owned());
    }
    let added = new.len() - kept.len();
    if added > 1 {
        return Err(format!("{added} entries of history were added at once"));
    }
    Ok(())
}
