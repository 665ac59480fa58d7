//! Kubernetes Events about Applications (Argo CD semantics, 10.2).

use application_api::{
    Application, ApplicationStatus, HealthStatusCode, OperationPhase, OperationState, SyncOperationResult,
    SyncStatusCode,
};

use crate::app::AppState;
use crate::{Record, Severity};

fn record(
    app: &AppState,
    application: &Application,
    reason: &'static str,
    message: String,
    severity: Severity,
) -> Record {
    Record {
        app: app.key.clone(),
        uid: application.metadata.uid.clone(),
        resource_version: app.resource_version.clone(),
        reason,
        message,
        severity,
        dest_server: application.spec.destination.server.clone(),
        dest_namespace: application.spec.destination.namespace.clone(),
    }
}

/// Tells of changes of sync and health status; changes that come in one write are one Event.
pub(crate) fn status_changes(
    app: &AppState,
    application: &Application,
    old: &ApplicationStatus,
    new: &ApplicationStatus,
) -> Option<Record> {
    let mut messages = Vec::new();
    let known = |status: &SyncStatusCode| if application.status.is_none() { String::new() } else { status.to_string() };
    if old.sync.status != new.sync.status && application.status.is_some() {
        messages.push(format!("Updated sync status: {} -> {}", known(&old.sync.status), new.sync.status));
    }
    let text = |status: &Option<HealthStatusCode>| status.as_ref().map(ToString::to_string).unwrap_or_default();
    if old.health.status != new.health.status && application.status.is_some() {
        let cause = if new.health.message.is_empty() { String::new() } else { format!(" ({})", new.health.message) };
        messages.push(format!(
            "Updated health status: {} -> {}{cause}",
            text(&old.health.status),
            text(&new.health.status)
        ));
    }
    let degraded = new.health.status == Some(HealthStatusCode::Degraded) && old.health.status != new.health.status;
    let severity = if degraded { Severity::Warning } else { Severity::Normal };
    (!messages.is_empty()).then(|| record(app, application, "StatusRefreshed", messages.join("; "), severity))
}

/// Adds what is told of a change of status: in the Event of the operation whose write brings it, else as an Event of its own.
pub(crate) fn add_status_changes(records: &mut Vec<Record>, changes: Option<Record>) {
    match (records.last_mut(), changes) {
        (Some(operation), Some(changes)) => {
            operation.message = format!("{}; {}", operation.message, changes.message);
            if changes.severity == Severity::Warning {
                operation.severity = Severity::Warning;
            }
        }
        (None, Some(changes)) => records.push(changes),
        (_, None) => {}
    }
}

/// Tells that an operation started.
pub(crate) fn operation_started(app: &AppState, application: &Application, state: &OperationState) -> Record {
    let sync = state.operation.sync.as_ref();
    let revision = state.sync_result.as_ref().map(SyncOperationResult::joined_revision).unwrap_or_default();
    let partial = if sync.is_some_and(|sync| !sync.resources.is_empty()) { "partial sync" } else { "sync" };
    let message = if state.operation.initiated_by.automated {
        format!("Initiated automated sync to '{revision}'")
    } else {
        let user = &state.operation.initiated_by.username;
        let user = if user.is_empty() { "Unknown user" } else { user };
        format!("{user} initiated {partial} to {revision}")
    };
    record(app, application, "OperationStarted", message, Severity::Normal)
}

/// Tells that an operation ended.
pub(crate) fn operation_completed(app: &AppState, application: &Application, state: &OperationState) -> Record {
    let sync = state.operation.sync.as_ref();
    let partial = sync.is_some_and(|sync| !sync.resources.is_empty());
    let what = if partial { "Partial sync operation" } else { "Sync operation" };
    let revision = state.sync_result.as_ref().map(SyncOperationResult::joined_revision).unwrap_or_default();
    if state.phase == OperationPhase::Succeeded {
        let message = format!("{what} to {revision} succeeded");
        record(app, application, "OperationCompleted", message, Severity::Normal)
    } else {
        let message = format!("{what} to {revision} failed: {}", state.message);
        record(app, application, "OperationCompleted", message, Severity::Warning)
    }
}

/// Tells that the objects of an Application could not be deleted.
pub(crate) fn deletion_failed(app: &AppState, application: &Application, error: &str) -> Record {
    let message = format!("Unable to delete application resources: {error}");
    record(app, application, "StatusRefreshed", message, Severity::Warning)
}
