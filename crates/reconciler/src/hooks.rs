//! What the planner is told of hooks: their targets, named, beside the objects they have in the cluster.

use std::collections::HashSet;

use app_compare::HookTarget;
use application_api::constants::{HOOK_FINALIZER, HOOK_RUN_ANNOTATION};
use application_api::{HookType, OperationPhase, OperationState, SyncOperationResult, SyncPhase};
use kube_object::{CompactObject, Object, ObjectKey};
use live_state::LiveObject;
use sync_plan::{HookPolicy, KindState, PlanHook, PlanLive, hook_name};

use crate::app::AppState;
use crate::plan::plan_health;
use crate::state::State;

impl State {
    /// Gathers the hooks of the running operation.
    pub(crate) fn plan_hooks(&self, app: &AppState) -> Vec<PlanHook> {
        let Some(run) = &app.run else { return Vec::new() };
        let state = &run.state;
        let targets = app.running_view().targets.as_ref();
        let mut hooks: Vec<PlanHook> = targets
            .iter()
            .flat_map(|targets| &targets.hooks)
            .flat_map(|hook| phases_of(hook).map(move |phase| (hook, phase)))
            .map(|(hook, phase)| self.plan_hook(app, hook, phase, state))
            .collect();
        if state.phase == OperationPhase::Terminating || targets.is_none() {
            let known: HashSet<ObjectKey> = hooks.iter().map(|hook| hook.key.clone()).collect();
            hooks.extend(self.hooks_made_by(app, state).filter(|hook| !known.contains(&hook.key)));
        }
        hooks
    }

    fn plan_hook(&self, app: &AppState, hook: &HookTarget, phase: SyncPhase, state: &OperationState) -> PlanHook {
        let target = &hook.target;
        let key = key_of(hook, &phase, state);
        let live = self.live.get(&key).map(plan_live);
        PlanHook {
            version: target.version.clone(),
            wave: target.wave,
            policy: HookPolicy {
                before_creation: hook.deletion.before_creation,
                succeeded: hook.deletion.succeeded,
                failed: hook.deletion.failed,
            },
            images: target.images.clone(),
            refusal: target.refusal.clone(),
            kind: self.kind_state(target),
            postponed: app.run.as_ref().and_then(|run| run.postponed(&key)),
            key,
            phase,
            live,
        }
    }

    /// Finds the objects that an operation has made as hooks, by their marks: its manifests may not be at hand.
    fn hooks_made_by<'a>(
        &'a self,
        app: &'a AppState,
        state: &'a OperationState,
    ) -> impl Iterator<Item = PlanHook> + use<'a> {
        let started = format!("{}/", state.started_at);
        self.live.tracked_by(&app.instance).into_iter().filter_map(move |key| {
            let live = self.live.get(&key)?;
            let mark = plan_live(live);
            let run = mark.run.as_deref().filter(|run| run.starts_with(&started))?;
            let phase = run.rsplit('/').next().map(SyncPhase::from)?;
            Some(PlanHook {
                version: kube_object::Gvk::from_api_version(&live.api_version, &key.kind).version,
                wave: 0,
                policy: HookPolicy::default(),
                images: Vec::new(),
                refusal: None,
                kind: KindState::Served,
                postponed: None,
                key,
                phase,
                live: Some(mark),
            })
        })
    }
}

/// Returns the phases of a sync that a hook runs in.
pub(crate) fn phases_of(hook: &HookTarget) -> impl Iterator<Item = SyncPhase> {
    hook.types.iter().filter_map(|hook| match hook {
        HookType::PreSync => Some(SyncPhase::PreSync),
        HookType::Sync => Some(SyncPhase::Sync),
        HookType::PostSync => Some(SyncPhase::PostSync),
        HookType::SyncFail => Some(SyncPhase::SyncFail),
        _ => None,
    })
}

/// Returns the identity that a hook has in an operation.
pub(crate) fn key_of(hook: &HookTarget, phase: &SyncPhase, state: &OperationState) -> ObjectKey {
    let mut key = hook.target.key.clone();
    if key.name.is_empty() {
        let revision = state.sync_result.as_ref().map(SyncOperationResult::joined_revision).unwrap_or_default();
        key.name = hook_name(&hook.generate_name, &revision, phase, state.started_at.timestamp());
    }
    key
}

/// Returns what the planner is told of the live object of a hook.
pub(crate) fn plan_live(live: &LiveObject) -> PlanLive {
    let body = live.body.held().map(CompactObject::decode);
    PlanLive {
        uid: live.uid.to_string(),
        resource_version: live.resource_version.to_string(),
        deleting: live.is_deleting,
        health: live.health.as_ref().map(|health| plan_health(health.status)),
        health_message: live.health.as_ref().map(|health| health.message.clone()).unwrap_or_default(),
        run: body.as_ref().and_then(|body| body.annotation(HOOK_RUN_ANNOTATION)).map(str::to_owned),
        has_hook_finalizer: body.as_ref().is_some_and(has_hook_finalizer),
        ..PlanLive::default()
    }
}

/// Returns the finalizers of an object.
pub(crate) fn finalizers(object: &Object) -> Vec<String> {
    let names = object.get(&["metadata", "finalizers"]).and_then(|names| names.as_array());
    names.into_iter().flatten().filter_map(|name| name.as_str()).map(str::to_owned).collect()
}

pub(crate) fn has_hook_finalizer(object: &Object) -> bool {
    finalizers(object).iter().any(|name| name == HOOK_FINALIZER)
}
