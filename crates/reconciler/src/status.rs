//! From findings to the Application's status, written only when it really differs (decision 8).

use std::collections::BTreeSet;

use app_compare::ResourceComparison;
use application_api::constants as names;
use application_api::{
    AppHealthStatus, Application, ApplicationCondition, ApplicationStatus, ComparedTo, ConditionType, HealthStatusCode,
    Operation, OperationState, ResourceHealthLocation, ResourceStatus, SyncOptions, SyncStatusCode, merge_conditions,
    status_patch,
};
use jiff::{SignedDuration, Timestamp};
use kube_object::Time;
use object_health::Health;
use serde_json::{Value, json};

use crate::app::{AppState, PendingWrite};
use crate::deletion_hooks::add_finalizers;
use crate::records;
use crate::state::State;
use crate::{Effect, Record};

/// Conditions that a pass replaces; others are left to whoever raised them.
const OWNED: [ConditionType; 9] = [
    ConditionType::InvalidSpecError,
    ConditionType::ComparisonError,
    ConditionType::SyncError,
    ConditionType::UnknownError,
    ConditionType::DeletionError,
    ConditionType::SharedResourceWarning,
    ConditionType::RepeatedResourceWarning,
    ConditionType::ExcludedResourceWarning,
    ConditionType::UnstableRenderWarning,
];
/// An Application of more objects than this has its status written at most once in [`COALESCE`].
const MANY_OBJECTS: usize = 20;
/// Conditions of one type that are told one by one.
const MOST_CONDITIONS: usize = 100;
const COALESCE: SignedDuration = SignedDuration::from_secs(1);

/// What a pass found out about an Application.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) conditions: BTreeSet<(ConditionType, String)>,
    /// The verdict cannot be given: sync is `Unknown`.
    pub(crate) sync_unknown: bool,
    /// Neither can health.
    pub(crate) health_unknown: bool,
    /// What is recorded of the sync status stays, within the grace period of a failure.
    pub(crate) keep_sync: bool,
    /// Whether the desired state is that of the newest revision.
    pub(crate) verified: bool,
    /// Whether the comparison is part of the findings.
    pub(crate) compared: bool,
    /// A requested refresh is answered.
    pub(crate) refresh_done: bool,
}

/// What is written beside the findings.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The operation's state.
    pub(crate) state: Option<OperationState>,
    pub(crate) operation: OperationWrite,
    pub(crate) history: Option<Vec<application_api::RevisionHistory>>,
    pub(crate) records: Vec<Record>,
}

/// What happens to `/operation`.
#[derive(Debug, Default)]
pub(crate) enum OperationWrite {
    /// Nothing.
    #[default]
    Keep,
    /// It is set.
    Set(Box<Operation>),
    /// It is removed.
    Remove,
}

impl Findings {
    pub(crate) fn verified() -> Self {
        Self { verified: true, ..Self::default() }
    }

    pub(crate) fn last_good() -> Self {
        Self::default()
    }

    pub(crate) fn unknown() -> Self {
        Self { sync_unknown: true, health_unknown: true, ..Self::default() }
    }

    /// Adds what the comparison says.
    pub(crate) fn take_comparison(&mut self, app: &AppState) {
        self.compared = true;
        self.refresh_done = true;
        if let Some(comparison) = &app.main.comparison {
            self.conditions.extend(comparison.conditions.iter().cloned());
        }
    }
}

impl State {
    /// Writes what differs from the recorded status, together with the draft; nothing when nothing differs.
    pub(crate) fn write_status(
        &mut self,
        app: &mut AppState,
        application: &Application,
        findings: &Findings,
        draft: Draft,
        now: Timestamp,
    ) {
        let none = ApplicationStatus::default();
        let old = application.status.as_ref().unwrap_or(&none);
        let mut new = self.status_of(app, application, findings, old, now);
        let clears_refresh = findings.refresh_done && app.refresh.is_some();
        if let Some(state) = &draft.state {
            new.operation_state = Some(state.clone());
        }
        if let Some(history) = draft.history {
            new.history = history;
        }
        let finalizers = self.finalizers_due(app, application, findings);
        let asked = clears_refresh || finalizers.is_some() || !matches!(draft.operation, OperationWrite::Keep);
        if new.health.status == Some(HealthStatusCode::Progressing) && draft.state.is_none() {
            // Pods come and go during a rollout: their images are recorded with the change of health that ends it.
            new.summary.images.clone_from(&old.summary.images);
        }
        let differs = new != *old || application.status.is_none();
        if !asked && !differs {
            return;
        }
        if !asked && draft.state.is_none() && self.is_coalesced(app, &new, now) {
            return;
        }
        if findings.compared || application.status.is_none() {
            new.reconciled_at = Some(Time::new(now));
            if findings.compared && !findings.keep_sync {
                let joined = app.main.verified_or_commit(clears_refresh);
                (new.sync.revision, new.sync.revisions) = app.main.sources.revision_fields(&joined);
            }
        }
        let mut patch = self.patch_of(app, application, old, &new, clears_refresh, &draft.operation);
        add_finalizers(&mut patch, finalizers);
        let mut records = draft.records;
        records::add_status_changes(&mut records, records::status_changes(app, application, old, &new));
        app.main.revision_moved = false;
        app.status_written_at = Some(now);
        self.send_write(app, patch, draft.state, records);
    }

    /// Sends a write; the Application is not looked at again before it is answered.
    pub(crate) fn send_write(
        &mut self,
        app: &mut AppState,
        patch: Value,
        state: Option<OperationState>,
        records: Vec<Record>,
    ) {
        let ticket = self.ticket();
        app.write = Some(Box::new(PendingWrite { ticket, state, records }));
        self.effects.push(Effect::Write { app: app.key.clone(), ticket, patch: Box::new(patch) });
    }

    fn is_coalesced(&self, app: &mut AppState, new: &ApplicationStatus, now: Timestamp) -> bool {
        let Some(at) = app.status_written_at.map(|at| at + COALESCE).filter(|at| *at > now) else { return false };
        if new.resources.len() <= MANY_OBJECTS {
            return false;
        }
        app.wake(at);
        true
    }

    fn patch_of(
        &self,
        app: &AppState,
        application: &Application,
        old: &ApplicationStatus,
        new: &ApplicationStatus,
        clears_refresh: bool,
        operation: &OperationWrite,
    ) -> Value {
        let mut metadata = json!({ "resourceVersion": app.resource_version });
        if clears_refresh {
            metadata["annotations"] =
                json!({ names::REFRESH_ANNOTATION: null, names::REFRESH_TIMESTAMP_ANNOTATION: null });
        }
        let mut patch = json!({ "metadata": metadata });
        if let Some(status) = status_patch(application.status.is_some().then_some(old), new) {
            patch["status"] = status;
        }
        match operation {
            OperationWrite::Keep => {}
            OperationWrite::Set(operation) => patch["operation"] = serde_json::to_value(operation).unwrap_or_default(),
            OperationWrite::Remove => patch["operation"] = Value::Null,
        }
        patch
    }

    fn status_of(
        &self,
        app: &AppState,
        application: &Application,
        findings: &Findings,
        old: &ApplicationStatus,
        now: Timestamp,
    ) -> ApplicationStatus {
        let mut status = old.clone();
        let found = shortened(&findings.conditions).into_iter();
        let found = found.map(|(kind, message)| ApplicationCondition::new(kind, message));
        status.conditions = merge_conditions(&old.conditions, &OWNED, found, now);
        status.controller_namespace.clone_from(&self.config.control_namespace);
        let comparison = app.main.comparison.as_ref().filter(|_| findings.compared);
        if findings.sync_unknown {
            status.sync.status = SyncStatusCode::Unknown;
        } else if let Some(comparison) = comparison.filter(|_| !findings.keep_sync) {
            status.sync.status = comparison.sync.clone().unwrap_or_default();
        }
        if findings.health_unknown || (findings.sync_unknown && old.health.status.is_none()) {
            status.health = health_of(old, &Health::new(object_health::HealthStatus::Unknown, ""), now);
        }
        let Some(comparison) = comparison else { return status };
        status.sync.compared_to = ComparedTo {
            source: app.main.sources.source_field(),
            sources: app.main.sources.sources_field(),
            destination: application.spec.destination.clone(),
            ..ComparedTo::default()
        };
        if app.main.revision_moved {
            (status.sync.revision, status.sync.revisions) = app.main.sources.revision_fields(&app.main.commit);
        }
        if let Some(health) = &comparison.health {
            status.health = health_of(old, health, now);
        }
        let location = self.settings.as_ref().map(|settings| settings.resource_health.clone()).unwrap_or_default();
        let rows = comparison.resources.iter().filter_map(|resource| row(resource, application, &location));
        status.resources = rows.collect();
        status.resources.sort_by_cached_key(row_key);
        status.resource_health_source = location;
        let types = app.main.source_types.clone();
        let is_list = app.main.sources.is_list();
        status.source_type = if is_list { None } else { types.first().cloned() };
        status.source_types = if is_list { types } else { Vec::new() };
        status.summary.images = self.live.images_of(&app.instance).into_iter().collect();
        status.summary.is_app_of_apps = comparison.resources.iter().any(|resource| {
            resource.status.is_some()
                && resource.key.group == names::GROUP
                && resource.key.kind == names::APPLICATION_KIND
        });
        status
    }
}

/// Keeps the first conditions of each type and counts the others: a directory that was copied repeats every object, and the status has
/// to stay small enough to be stored.
fn shortened(conditions: &BTreeSet<(ConditionType, String)>) -> Vec<(ConditionType, String)> {
    let mut kept = Vec::new();
    for of_type in conditions.iter().collect::<Vec<_>>().chunk_by(|a, b| a.0 == b.0) {
        kept.extend(of_type.iter().take(MOST_CONDITIONS).map(|&condition| condition.clone()));
        if let Some(more) = of_type.len().checked_sub(MOST_CONDITIONS).filter(|more| *more > 0) {
            kept.push((of_type[0].0.clone(), format!("{more} more conditions of this type are left out")));
        }
    }
    kept
}

/// Rows are sorted by this text as Argo CD does (`group/kind/namespace/name`), which is not the order of its parts: `a-b/` comes
/// before `a/`.
fn row_key(row: &ResourceStatus) -> String {
    [&*row.group, &*row.kind, &*row.namespace, &*row.name].join("/")
}

fn row(
    resource: &ResourceComparison,
    application: &Application,
    location: &ResourceHealthLocation,
) -> Option<ResourceStatus> {
    let inline = resource.health.as_ref().filter(|_| *location == ResourceHealthLocation::Inline);
    let status = resource.status.clone();
    if status.is_none() && !resource.is_hook {
        return None;
    }
    let confirm = Some(application_api::RemovalOption::Confirm);
    let app_options = application.spec.sync_policy.as_ref().map(|policy| &policy.sync_options);
    let needs_confirmation = resource.options.delete.or_else(|| app_options.and_then(SyncOptions::delete)) == confirm
        || resource.options.prune.or_else(|| app_options.and_then(SyncOptions::prune)) == confirm;
    Some(ResourceStatus {
        group: resource.key.group.clone(),
        version: resource.version.clone(),
        kind: resource.key.kind.clone(),
        namespace: resource.key.namespace.clone(),
        name: resource.key.name.clone(),
        status,
        hook: resource.is_hook,
        health: inline.map(|health| AppHealthStatus {
            status: Some(HealthStatusCode::from(health.status.as_str())),
            message: health.message.clone(),
            last_transition_time: None,
        }),
        requires_pruning: resource.requires_pruning,
        sync_wave: resource.wave,
        requires_deletion_confirmation: needs_confirmation,
        ..ResourceStatus::default()
    })
}

/// Makes the health of the Application; the transition time moves only with the status.
fn health_of(old: &ApplicationStatus, health: &Health, now: Timestamp) -> AppHealthStatus {
    let status = HealthStatusCode::from(health.status.as_str());
    let moved = old.health.status.as_ref() != Some(&status);
    let at = if moved || old.health.last_transition_time.is_none() {
        Some(Time::new(now))
    } else {
        old.health.last_transition_time
    };
    AppHealthStatus { status: Some(status), message: health.message.clone(), last_transition_time: at }
}

impl AppState {
    /// Notes that a write of the Application failed; it is tried again with growing waits.
    pub(crate) fn write_failed(&mut self, error: &kube_object::ApiError, now: Timestamp) {
        self.write_failures += 1;
        let wait = SignedDuration::from_secs(1 << self.write_failures.min(6).saturating_sub(1));
        self.write_retry = Some((now + wait, error.message.clone()));
    }
}

impl crate::app::View {
    /// Returns the commit to record: the newest that was verified when somebody asks, else the one in force.
    fn verified_or_commit(&self, asked: bool) -> String {
        if asked && !self.verified.is_empty() { self.verified.clone() } else { self.commit.clone() }
    }
}

#[cfg(test)]
mod tests;
