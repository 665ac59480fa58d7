//! From a comparison to what the planner needs.

use app_compare::{ObjectVerdict, ResourceComparison, Target, TargetKind};
use application_api::constants::PREFLIGHT_ANNOTATION;
use application_api::{
    Application, ConditionType, ManagedNamespaceMetadata, Reason, RemovalOption, SourceSet, SyncOperationResult,
    SyncOptions, SyncStatusCode,
};
use jiff::{SignedDuration, Timestamp};
use kube_object::{GroupKind, ObjectKey};
use object_health::HealthStatus;
use sync_plan::{
    ApplyHow, AutoSync, AutoSyncInput, AutoSyncResource, Change, Desired, HealBackoff, KindState, NamespaceTask,
    PlanHealth, PlanLive, PlanResource, PlanTarget, Preflight, PruneOrder, PruneRule, SyncInput, auto_sync,
};

use crate::app::AppState;
use crate::spec::Spec;
use crate::state::State;
use crate::status::{Draft, Findings, OperationWrite};

impl State {
    /// Decides whether an automated sync starts, and makes the write that starts it.
    pub(crate) fn auto_sync(
        &mut self,
        app: &mut AppState,
        (application, spec): (&Application, &Spec),
        findings: &mut Findings,
        now: Timestamp,
    ) -> Draft {
        let Some(comparison) = &app.main.comparison else { return Draft::default() };
        let policy = application.spec.sync_policy.as_ref();
        let resources: Vec<AutoSyncResource<'_>> = comparison
            .resources
            .iter()
            .filter(|resource| resource.status.is_some() && !belongs_to_other(resource))
            .map(|resource| AutoSyncResource {
                key: &resource.key,
                out_of_sync: (resource.status == Some(SyncStatusCode::OutOfSync) || is_refused(resource))
                    && !(resource.requires_pruning && is_kept(resource, policy))
                    // What is on its way out is neither healed nor pruned again.
                    && !resource.live.as_ref().is_some_and(|live| live.deleting),
                requires_pruning: resource.requires_pruning,
                heal: app.heals.get(&resource.key).copied().unwrap_or_default(),
                changed_by: resource.changed_by.clone(),
            })
            .collect();
        let unknown = SyncStatusCode::Unknown;
        let default_options = application_api::SyncOptions::default();
        let input = AutoSyncInput {
            automated: policy.and_then(|policy| policy.automated()),
            sync_options: policy.map_or(&default_options, |policy| &policy.sync_options),
            retry: policy.and_then(|policy| policy.retry.as_ref()),
            sync_status: comparison.sync.as_ref().unwrap_or(&unknown),
            revision: &app.main.commit,
            sources: &app.main.sources,
            resources: &resources,
            last: last_attempt(application),
            desired: if findings.verified { Desired::Verified } else { Desired::LastGood },
        };
        let decision = auto_sync(&input, now);
        drop(resources);
        self.warn_of_fights(app, findings);
        match decision {
            AutoSync::Start(operation) => {
                let blocked = Self::blocked_by_window(app, application, spec, &operation, now);
                if let Some(reason) = blocked.map(|(reason, _)| reason).or_else(|| self.blocked(app, &operation)) {
                    app.reason = Some(reason);
                    return Draft::default();
                }
                self.count_heals(app, &operation, now);
                let state = started(app, application, &operation, now);
                self.start(app, application, state, OperationWrite::Set(operation))
            }
            AutoSync::Wait(at, reason) => {
                app.wake(at);
                app.reason = Some(reason);
                Draft::default()
            }
            AutoSync::Failed(reason, operation) => {
                findings.conditions.extend(condition_of(&reason));
                if !findings.verified {
                    app.reason = Some(reason);
                    return Draft::default();
                }
                self.probe(app, (application, spec), (reason, *operation), now).unwrap_or_default()
            }
            AutoSync::No(reason) => {
                if matches!(reason, Reason::Synced { .. }) {
                    app.probe = None;
                }
                findings.conditions.extend(condition_of(&reason));
                app.reason = Some(reason);
                Draft::default()
            }
        }
    }

    fn count_heals(&self, app: &mut AppState, operation: &application_api::Operation, now: Timestamp) {
        let Some(sync) = operation.sync.as_ref().filter(|sync| sync.self_heal_attempts_count > 0) else { return };
        let backoff = self.heal_backoff();
        let Some(comparison) = &app.main.comparison else { return };
        let healed = comparison.resources.iter().filter(|resource| {
            let key = &resource.key;
            resource.status == Some(SyncStatusCode::OutOfSync)
                && sync
                    .resources
                    .iter()
                    .any(|selected| selected.selects(&key.group, &key.kind, &key.namespace, &key.name))
        });
        let healed: Vec<_> = healed.map(|resource| (resource.key.clone(), resource.changed_by.clone())).collect();
        for (key, changed_by) in healed {
            let heal = app.heals.entry(key.clone()).or_default();
            *heal = heal.healed(now, backoff);
            if let Some(manager) = changed_by {
                app.fighters.insert(key, manager);
            }
        }
    }

    fn heal_backoff(&self) -> HealBackoff {
        match self.settings.as_ref().map(|settings| settings.self_heal) {
            Some(settings::SelfHealBackoff::Exponential { first, factor, cap }) => {
                HealBackoff { initial: first, factor: i32::try_from(factor).unwrap_or(i32::MAX), cap }
            }
            Some(settings::SelfHealBackoff::Fixed(wait)) => {
                HealBackoff { initial: wait.max(SignedDuration::from_secs(1)), factor: 1, cap: wait }
            }
            None => HealBackoff::default(),
        }
    }

    /// Raises a condition for each object that is changed back again and again, naming who does it.
    fn warn_of_fights(&self, app: &AppState, findings: &mut Findings) {
        let Some(comparison) = &app.main.comparison else { return };
        for (key, _) in app.heals.iter().filter(|(_, heal)| heal.is_fought_over()) {
            let resource = comparison.resource(key);
            let manager = resource.and_then(|resource| resource.changed_by.clone());
            let manager = manager.or_else(|| app.fighters.get(key).cloned()).unwrap_or_else(|| "unknown".to_owned());
            let message = format!(
                "{key} is changed back again and again by field manager {manager}; healing it waits longer each time. Change it in Git, or \
                 stop {manager}"
            );
            findings.conditions.insert((ConditionType::SyncError, message));
        }
    }

    /// Gathers what the planner needs for the running operation.
    pub(crate) fn plan(&self, app: &AppState, application: &Application, spec: &Spec) -> SyncInput {
        let view = app.running_view();
        let settings = self.settings.as_ref().expect("missing() has looked");
        let resources: Vec<PlanResource> = view
            .comparison
            .iter()
            .flat_map(|comparison| &comparison.resources)
            .filter(|resource| resource.status.is_some() && !belongs_to_other(resource))
            .filter(|resource| resource.target.is_some() || resource.requires_pruning)
            .filter(|resource| resource.target.is_some() || !is_back_in_git(app, application, resource))
            .map(|resource| self.plan_resource(resource, app, application, spec))
            .collect();
        let options = options_of(app, spec);
        let shared = view.comparison.iter().flat_map(|comparison| &comparison.conditions);
        let shared = shared.filter(|(kind, _)| *kind == ConditionType::SharedResourceWarning);
        let prune_default = match options.prune() {
            Some(RemovalOption::Never) => PruneRule::Disabled,
            Some(RemovalOption::Confirm) => confirmation_of(application),
            Some(RemovalOption::Allowed) | None => PruneRule::Allowed,
        };
        SyncInput {
            create_namespace: self.namespace_task(&resources, options, spec),
            resources,
            hooks: self.plan_hooks(app),
            prune_default,
            prune_last: if options.has("PruneLast=true") { PruneOrder::Last } else { PruneOrder::InWave },
            propagation: options.prune_propagation(),
            wave_delay_seconds: settings.sync_wave_delay.as_secs(),
            last_action_at: app.run.as_ref().and_then(|run| run.last_action_at),
            guard: self.prune_guard(application, spec, view),
            preflight: preflight_of(app, application),
            shared: if options.has("FailOnSharedResource=true") {
                shared.map(|(_, message)| message.clone()).collect()
            } else {
                Vec::new()
            },
        }
    }

    fn namespace_task(&self, resources: &[PlanResource], options: &SyncOptions, spec: &Spec) -> Option<NamespaceTask> {
        if !options.has("CreateNamespace=true") || spec.namespace.is_empty() {
            return None;
        }
        let key = ObjectKey::new(spec.cluster.clone(), GroupKind::new("", "Namespace"), "", spec.namespace.clone());
        if resources.iter().any(|resource| resource.target.is_some() && resource.key == key) {
            return None;
        }
        let exists = self.live.get(&key).is_some_and(|live| !live.is_deleting);
        Some(NamespaceTask { key, exists })
    }

    /// Tells whether the kind of a target is served.
    pub(crate) fn kind_state(&self, target: &Target) -> KindState {
        match target.kind {
            TargetKind::DefinedHere => KindState::Awaited,
            TargetKind::Unknown if self.defines_live(&target.key.group_kind()) => KindState::Awaited,
            TargetKind::Unknown => KindState::Unknown,
            TargetKind::Served => KindState::Served,
        }
    }

    fn plan_resource(
        &self,
        resource: &ResourceComparison,
        app: &AppState,
        application: &Application,
        spec: &Spec,
    ) -> PlanResource {
        let target = resource.target.and_then(|at| app.running_view().targets.as_ref()?.items.get(at));
        let kind = target.map_or(KindState::Served, |target| self.kind_state(target));
        let change = match resource.verdict {
            ObjectVerdict::Same => Change::None,
            ObjectVerdict::OwnershipOnly => Change::Ownership,
            _ => Change::Content,
        };
        // What is not changed is not looked at.
        let how = |target| {
            if change == Change::None { ApplyHow::default() } else { self.how_to_change(app, spec, target) }
        };
        PlanResource {
            key: resource.key.clone(),
            version: resource.version.clone(),
            target: target.map(|target| PlanTarget {
                wave: target.wave,
                defines: target.defines.as_ref().map(|defined| (defined.group.clone(), defined.kind.clone())),
                images: target.images.clone(),
                how: how(target),
            }),
            live: resource.live.as_ref().map(|live| PlanLive {
                uid: live.uid.clone(),
                resource_version: live.resource_version.clone(),
                deleting: live.deleting,
                health: resource.health.as_ref().map(|health| {
                    let is_unsettled = self.is_unsettled_child(&resource.key);
                    if is_unsettled { PlanHealth::Pending } else { plan_health(health.status) }
                }),
                health_message: resource.health.as_ref().map(|health| health.message.clone()).unwrap_or_default(),
                wave: resource.wave,
                prune: resource.options.prune.map(|prune| match prune {
                    RemovalOption::Allowed => PruneRule::Allowed,
                    RemovalOption::Never => PruneRule::Disabled,
                    RemovalOption::Confirm => confirmation_of(application),
                }),
                prune_last: if resource.options.prune_last { PruneOrder::Last } else { PruneOrder::InWave },
                ..PlanLive::default()
            }),
            change,
            refusal: target.and_then(|target| target.refusal.clone()),
            kind,
            postponed: app.run.as_ref().and_then(|run| run.postponed(&resource.key)),
        }
    }

    /// Tells whether a CustomResourceDefinition of a kind exists that is not served yet.
    fn defines_live(&self, group_kind: &GroupKind) -> bool {
        let definition = GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition");
        let suffix = format!(".{}", group_kind.group);
        self.live.of_kind(&self.cluster.id, &definition).any(|(key, live)| {
            key.name.ends_with(&suffix)
                && definition_body(&live.body).is_some_and(|body| {
                    body.decode().get(&["spec", "names", "kind"]).and_then(|kind| kind.as_str())
                        == Some(group_kind.kind.as_str())
                })
        })
    }
}

fn definition_body(body: &live_state::Body) -> Option<&kube_object::CompactObject> {
    match body {
        live_state::Body::Held(body) | live_state::Body::Outline(body) => Some(body),
        live_state::Body::NotHeld => None,
    }
}

/// Tells whether an object is another Application's: it is neither applied nor pruned here (decision 9).
pub(crate) fn belongs_to_other(resource: &ResourceComparison) -> bool {
    resource.owned_by_other.is_some() || resource.handed_over_to.is_some()
}

/// Returns the last operation, if it came as far as a revision: one that did not has attempted none, and the next commit, or
/// the end of what stopped it, is tried by itself.
fn last_attempt(application: &Application) -> Option<&application_api::OperationState> {
    let last = application.status.as_ref()?.operation_state.as_ref()?;
    last.sync_result.as_ref().is_some_and(SyncOperationResult::has_revision).then_some(last)
}

/// Tells whether a commit newer than that of the running sync has an object again. Who names a commit or a source wants it as it
/// is; others want the newest.
fn is_back_in_git(app: &AppState, application: &Application, resource: &ResourceComparison) -> bool {
    let names_commit = application.operation.as_ref().is_some_and(|operation| {
        let names = |sync: &application_api::SyncOperation| {
            !sync.revision.is_empty() || !sync.revisions.is_empty() || SourceSet::of_operation(sync).is_some()
        };
        !operation.initiated_by.automated && operation.sync.as_ref().is_some_and(names)
    });
    !names_commit && app.main.targets.as_ref().is_some_and(|targets| targets.contains(&resource.key))
}

/// Tells whether a sync never prunes an object (`Prune=false`).
fn is_kept(resource: &ResourceComparison, policy: Option<&application_api::SyncPolicy>) -> bool {
    let default = policy.and_then(|policy| policy.sync_options.prune());
    resource.options.prune.or(default) == Some(RemovalOption::Never)
}

/// Tells whether the project does not permit an object of Git: a sync is started all the same, since its failure tells people why.
fn is_refused(resource: &ResourceComparison) -> bool {
    resource.target.is_some() && matches!(resource.reason, Reason::ObjectNotPermitted { .. })
}

/// Returns the options of the running operation: its own, else those of the Application.
pub(crate) fn options_of<'a>(app: &'a AppState, spec: &'a Spec) -> &'a SyncOptions {
    let sync = app.run.as_ref().and_then(|run| run.state.operation.sync.as_ref());
    sync.map(|sync| &sync.sync_options).filter(|options| !options.0.is_empty()).unwrap_or(&spec.options)
}

fn preflight_of(app: &AppState, application: &Application) -> Preflight {
    if application.metadata.annotations.get(PREFLIGHT_ANNOTATION).is_some_and(|value| value == "true") {
        Preflight::On { done: app.run.as_ref().and_then(|run| run.preflighted) }
    } else {
        Preflight::Off
    }
}

/// Returns what health means for waits.
pub(crate) fn plan_health(status: HealthStatus) -> PlanHealth {
    match status {
        HealthStatus::Healthy => PlanHealth::Healthy,
        HealthStatus::Degraded => PlanHealth::Degraded,
        HealthStatus::Unknown => PlanHealth::Unknown,
        HealthStatus::Progressing | HealthStatus::Suspended | HealthStatus::Missing => PlanHealth::Pending,
    }
}

/// Tells whether prunes that ask for approval have it: approved at the start of the operation or later.
fn confirmation_of(application: &Application) -> PruneRule {
    let started =
        application.status.as_ref().and_then(|status| status.operation_state.as_ref()).map(|state| state.started_at);
    let approved = application.deletion_approved_at().map(kube_object::Time::new);
    match (approved, started) {
        (Some(approved), Some(started)) if approved >= started => PruneRule::Confirmed,
        _ => PruneRule::Confirm,
    }
}

pub(crate) fn started(
    app: &AppState,
    application: &Application,
    operation: &application_api::Operation,
    now: Timestamp,
) -> application_api::OperationState {
    let policy = application.spec.sync_policy.as_ref();
    let namespace = policy.and_then(|policy| policy.managed_namespace_metadata.clone());
    application_api::OperationState {
        operation: operation.clone(),
        phase: application_api::OperationPhase::Running,
        message: String::new(),
        sync_result: Some(result_of(&app.main.sources, &app.main.commit, namespace)),
        started_at: kube_object::Time::new(now),
        finished_at: None,
        retry_count: 0,
    }
}

/// Returns what an operation records of its sources and their revision before it does anything.
pub(crate) fn result_of(
    sources: &SourceSet,
    commit: &str,
    managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
) -> SyncOperationResult {
    let (revision, revisions) = sources.revision_fields(commit);
    let (source, sources) = (sources.source_field(), sources.sources_field());
    SyncOperationResult { resources: Vec::new(), revision, revisions, source, sources, managed_namespace_metadata }
}

/// Returns the condition that goes with a refusal to sync (Argo CD semantics, 1.8).
fn condition_of(reason: &Reason) -> Option<(ConditionType, String)> {
    match reason {
        Reason::LastSyncFailed { revision, message, .. } => {
            Some((ConditionType::SyncError, format!("Failed last sync attempt to [{revision}]: {message}")))
        }
        Reason::WouldWipeOut { revision } => Some((
            ConditionType::SyncError,
            format!("Skipping sync attempt to [{revision}]: auto-sync will wipe out all resources"),
        )),
        _ => None,
    }
}
