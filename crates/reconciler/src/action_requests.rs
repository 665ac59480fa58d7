//! From the planner's actions to requests.

use app_compare::{Target, tracking_id};
use application_api::constants::{HOOK_FINALIZER, HOOK_RUN_ANNOTATION, SYNC_OPTIONS_ANNOTATION};
use application_api::{SyncOptions, SyncStrategyForce};
use kube_object::{CompactObject, Gvk, Object, ObjectKey, TRACKING_ANNOTATION};
use object_diff::DryRunBody;
use serde_json::json;
use sync_plan::{ApplyHow, ClusterAction, LiveHook, RunMode};

use crate::app::AppState;
use crate::hooks::{finalizers, key_of, phases_of};
use crate::plan::options_of;
use crate::spec::Spec;
use crate::state::State;
use crate::{ActingAs, Call, ClusterRequest, DryRun, Validation};

impl State {
    /// Makes the request of an action; none when the kind is not served.
    pub(crate) fn request_of(
        &self,
        app: &AppState,
        spec: &Spec,
        action: &ClusterAction,
        instead: Option<&Object>,
    ) -> Option<ClusterRequest> {
        let key = action.key();
        let (gvk, call) = match action {
            ClusterAction::Apply { mode, .. } => {
                let target = app.target(key)?;
                let object = instead.map_or_else(|| target.body.clone(), CompactObject::of);
                (target.gvk(), self.apply_call(app, spec, target, object, *mode))
            }
            ClusterAction::CreateNamespace { .. } => (Gvk::new("", "v1", "Namespace"), Call::CreateNamespace),
            ClusterAction::Prune { version, uid, resource_version, propagation, mode, .. } => {
                let call = Call::Delete {
                    uid: uid.clone(),
                    resource_version: resource_version.clone(),
                    propagation: *propagation,
                    dry_run: if *mode == RunMode::Real { DryRun::No } else { DryRun::Yes },
                };
                (Gvk::new(key.group.clone(), version.clone(), key.kind.clone()), call)
            }
            ClusterAction::RunHook { run, mode, .. } => {
                let target = app.hook_target(action)?;
                let object = hook_object(app, spec, target, key, run);
                let validation = validation_of(app, spec, target);
                let call = match mode {
                    RunMode::Real => Call::Apply { object, migration: None, validation },
                    RunMode::DryRun | RunMode::Preflight => dry_run(object, validation),
                };
                (target.gvk(), call)
            }
            ClusterAction::ReleaseHook { hook } => (gvk_of(hook), self.release_call(&hook.key)?),
            ClusterAction::DeleteHook { hook, propagation, .. } => {
                let call = Call::Delete {
                    uid: hook.uid.clone(),
                    resource_version: hook.resource_version.clone(),
                    propagation: *propagation,
                    dry_run: DryRun::No,
                };
                (gvk_of(hook), call)
            }
        };
        self.request(key, &gvk, call)
    }

    /// Makes a request about an object; none when its kind is not served.
    pub(crate) fn request(&self, key: &ObjectKey, gvk: &Gvk, call: Call) -> Option<ClusterRequest> {
        let served = self.cluster.served.as_ref()?;
        let resource = served.get(gvk).or_else(|| served.preferred(&gvk.group_kind()))?.clone();
        let cluster = key.cluster.clone();
        Some(ClusterRequest { cluster, resource, key: key.clone(), acting_as: ActingAs::Daemon, call })
    }

    fn apply_call(&self, app: &AppState, spec: &Spec, target: &Target, object: CompactObject, mode: RunMode) -> Call {
        let validation = validation_of(app, spec, target);
        if mode != RunMode::Real {
            return dry_run(object, validation);
        }
        if self.how_to_change(app, spec, target).replaces() {
            let mut object = object.decode();
            if let Some(live) = self.live.get(&target.key) {
                object.set_resource_version(&live.resource_version.to_string());
            }
            return Call::Replace { object: CompactObject::of(&object), validation, dry_run: DryRun::No };
        }
        let comparison = app.running_view().comparison.as_ref();
        let compared = comparison.and_then(|comparison| comparison.resource(&target.key));
        let migration = compared.and_then(|resource| resource.migration.clone());
        Call::Apply { object, migration, validation }
    }

    /// Tells whether an object is deleted and made again, whatever could be changed of it.
    pub(crate) fn is_recreated(&self, app: &AppState, spec: &Spec, action: &ClusterAction) -> bool {
        let is_apply = matches!(action, ClusterAction::Apply { mode: RunMode::Real, .. });
        is_apply
            && self.live.get(action.key()).is_some()
            && app
                .target(action.key())
                .is_some_and(|target| self.how_to_change(app, spec, target) == ApplyHow::Recreate)
    }

    /// Makes the call that tries out whether an object could be made again.
    ///
    /// The API server checks the object before it looks whether there is one: `AlreadyExists` means that it could.
    pub(crate) fn trial_call(&self, app: &AppState, spec: &Spec, target: &Target) -> Call {
        let validation = validation_of(app, spec, target);
        Call::Replace { object: target.body.clone(), validation, dry_run: DryRun::Yes }
    }

    /// Returns how an object is changed: as the options of target, live object and operation say (semantics, section 2.6).
    pub(crate) fn how_to_change(&self, app: &AppState, spec: &Spec, target: &Target) -> ApplyHow {
        let live = self.live.get(&target.key).and_then(|live| live.body.held()).map(CompactObject::decode);
        let on_live = live.as_ref().and_then(|live| live.annotation(SYNC_OPTIONS_ANNOTATION)).unwrap_or_default();
        let on_live = SyncOptions::from_annotation(on_live);
        let options = options_of(app, spec);
        let replace = target.options.replace || options.has("Replace=true") || on_live.has("Replace=true");
        let strategy = app.run.as_ref().and_then(|run| run.state.operation.sync.as_ref()?.sync_strategy);
        let forces = |force: Option<SyncStrategyForce>| force.is_some_and(|force| force.force);
        let forced = strategy.is_some_and(|strategy| forces(strategy.apply) || forces(strategy.hook));
        let force = target.options.force || options.has("Force=true") || on_live.has("Force=true") || forced;
        // What lives in them would go with them.
        let holds_others = matches!(&*target.key.kind, "Namespace" | "CustomResourceDefinition");
        match (replace, force && !holds_others) {
            (false, false) => ApplyHow::Apply,
            (false, true) => ApplyHow::ApplyOrRecreate,
            (true, false) => ApplyHow::Replace,
            (true, true) => ApplyHow::Recreate,
        }
    }

    /// Makes the call that takes the finalizer of hooks off an object; none when it is not known or has none.
    pub(crate) fn release_call(&self, key: &ObjectKey) -> Option<Call> {
        let live = self.live.get(key)?;
        let finalizers = finalizers(&live.body.held()?.decode());
        let kept: Vec<String> = finalizers.into_iter().filter(|name| name != HOOK_FINALIZER).collect();
        let (uid, version) = (live.uid.to_string(), live.resource_version.to_string());
        Some(Call::MergePatch(json!({ "metadata": { "uid": uid, "resourceVersion": version, "finalizers": kept } })))
    }
}

impl AppState {
    /// Returns the target of a hook in the desired state that an operation works towards.
    fn hook_target(&self, action: &ClusterAction) -> Option<&Target> {
        let targets = self.running_view().targets.as_ref()?;
        let state = &self.run.as_ref()?.state;
        let phase = action.phase();
        let hooks = targets.hooks.iter().filter(|hook| phases_of(hook).any(|of| of == phase));
        hooks.into_iter().find(|hook| key_of(hook, &phase, state) == *action.key()).map(|hook| &hook.target)
    }
}

/// Makes the object of a hook: named, tracked and marked with its run.
pub(crate) fn hook_object(app: &AppState, spec: &Spec, target: &Target, key: &ObjectKey, run: &str) -> CompactObject {
    let mut object = target.object();
    if target.key.name.is_empty() {
        object.set_name(&key.name);
        let namespace = if key.namespace.is_empty() { &spec.namespace } else { &key.namespace };
        object.set_annotation(TRACKING_ANNOTATION, &tracking_id(&app.instance, key, namespace));
    }
    if !run.is_empty() {
        object.set_annotation(HOOK_RUN_ANNOTATION, run);
    }
    CompactObject::of(&object)
}

fn dry_run(object: CompactObject, validation: Validation) -> Call {
    Call::DryRun { object, bodies: vec![DryRunBody::Apply], validation }
}

fn validation_of(app: &AppState, spec: &Spec, target: &Target) -> Validation {
    let ignore = target.options.skip_validation || options_of(app, spec).has("Validate=false");
    if ignore { Validation::Ignore } else { Validation::Strict }
}

fn gvk_of(hook: &LiveHook) -> Gvk {
    Gvk::new(hook.key.group.clone(), hook.version.clone(), hook.key.kind.clone())
}
