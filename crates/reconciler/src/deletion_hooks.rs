//! Hooks of an Application's deletion: PreDelete before its objects go, PostDelete after (Argo CD semantics, section 11).

use std::collections::BTreeSet;

use app_compare::{HookTarget, Target, hook_of};
use application_api::constants as names;
use application_api::{Application, HookType, Reason};
use jiff::Timestamp;
use kube_object::{CompactObject, Gvk, ObjectKey};
use object_health::HealthStatus;
use serde_json::Value;

use crate::action_requests::hook_object;
use crate::app::AppState;
use crate::deletion::Remaining;
use crate::desired::DesiredState;
use crate::spec::Spec;
use crate::state::State;
use crate::status::Findings;
use crate::{Call, Validation};

/// One step of a deletion that has to do with hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookStage {
    /// Hooks run.
    Run(DeletionHook),
    /// What they leave behind is cleaned up.
    CleanUp(DeletionHook),
}

/// When a hook of a deletion runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeletionHook {
    /// Before the objects go.
    Before,
    /// After they are gone.
    After,
}

impl DeletionHook {
    fn hook_type(self) -> HookType {
        match self {
            Self::Before => HookType::PreDelete,
            Self::After => HookType::PostDelete,
        }
    }

    /// Returns the finalizers of its two stages.
    fn finalizers(self) -> [&'static str; 2] {
        match self {
            Self::Before => [names::PRE_DELETE_FINALIZER, names::PRE_DELETE_FINALIZER_CLEANUP],
            Self::After => [names::POST_DELETE_FINALIZER, names::POST_DELETE_FINALIZER_CLEANUP],
        }
    }
}

impl HookStage {
    /// Returns the finalizer that stands for the stage.
    pub(crate) fn finalizer(self) -> &'static str {
        match self {
            Self::Run(when) => when.finalizers()[0],
            Self::CleanUp(when) => when.finalizers()[1],
        }
    }
}

impl State {
    /// Returns the finalizers that an Application is to have, when its hooks of deletion ask for others than it has.
    pub(crate) fn finalizers_due(
        &self,
        app: &AppState,
        application: &Application,
        findings: &Findings,
    ) -> Option<Vec<String>> {
        if !findings.verified || !findings.compared || application.is_deleting() {
            return None;
        }
        let targets = app.main.targets.as_ref()?;
        let mut finalizers = application.metadata.finalizers.clone();
        for when in [DeletionHook::Before, DeletionHook::After] {
            let wanted = targets.hooks_of(&[when.hook_type()]).next().is_some();
            finalizers.retain(|name| wanted || !when.finalizers().contains(&name.as_str()));
            for name in when.finalizers().into_iter().filter(|_| wanted) {
                if !finalizers.iter().any(|own| own == name) {
                    finalizers.push(name.to_owned());
                }
            }
        }
        (finalizers != application.metadata.finalizers).then_some(finalizers)
    }

    /// Goes on with a stage of hooks; removes its finalizer at its end.
    pub(crate) fn hook_stage(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        stage: HookStage,
        now: Timestamp,
    ) {
        let done = match stage {
            HookStage::Run(when) => self.run_deletion_hooks(app, application, spec, when, now),
            HookStage::CleanUp(when) => self.clean_up_hooks(app, application, when, now),
        };
        match done {
            Ok(()) => self.remove_finalizer(app, application, stage.finalizer()),
            Err(Obstacle::Wait(reason)) => app.reason = Some(reason),
            Err(Obstacle::Failed(message)) => self.deletion_failed(app, application, &message, now),
        }
    }

    fn run_deletion_hooks(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        when: DeletionHook,
        now: Timestamp,
    ) -> Result<(), Obstacle> {
        self.deletion_targets(app, application, spec, now)?;
        let targets =
            app.main.targets.clone().ok_or_else(|| Obstacle::Wait(Reason::Rendering { revision: String::new() }))?;
        let wanted = [when.hook_type()];
        let hooks: Vec<&HookTarget> = targets.hooks_of(&wanted).collect();
        let kinds: BTreeSet<Gvk> = hooks.iter().map(|hook| hook.target.gvk()).collect();
        self.ready_kinds(app, kinds, now).map_err(Obstacle::Wait)?;
        let mut waiting: Vec<ObjectKey> = Vec::new();
        let mut failed: Vec<ObjectKey> = Vec::new();
        for hook in hooks {
            let key = deletion_key(hook, when, application, &app.main.commit);
            match self.live.get(&key).map(|live| live.health.as_ref().map(|health| health.status)) {
                None => {
                    self.make_deletion_hook(app, application, spec, &hook.target, &key, when)?;
                    waiting.push(key);
                }
                Some(Some(HealthStatus::Degraded)) => failed.push(key),
                Some(Some(HealthStatus::Progressing | HealthStatus::Missing)) => waiting.push(key),
                // What cannot be told neither fails nor blocks.
                Some(None | Some(HealthStatus::Healthy | HealthStatus::Suspended | HealthStatus::Unknown)) => {}
            }
        }
        if !failed.is_empty() {
            // It is made again with the next attempt.
            for key in &failed {
                self.take_away(app, key);
            }
            let named: Vec<String> = failed.iter().map(|key| format!("{}/{}", key.namespace, key.name)).collect();
            return Err(Obstacle::Failed(format!("{} hook(s) failed: {}", when.hook_type(), named.join(", "))));
        }
        match waiting.first() {
            None => Ok(()),
            Some(ObjectKey { group, kind, name, .. }) => {
                let hook = when.hook_type();
                let message = format!("waiting for completion of {hook} hook {group}/{kind}/{name}");
                Err(Obstacle::Wait(Reason::Deleting { message }))
            }
        }
    }

    /// Brings the targets up to date: hooks of a deletion are taken from Git, as everything is.
    fn deletion_targets(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        now: Timestamp,
    ) -> Result<(), Obstacle> {
        match self.ensure_desired(app, application, spec, now) {
            DesiredState::Ready(_) => {}
            DesiredState::Pending(reason) => return Err(Obstacle::Wait(reason)),
            DesiredState::Failed(findings, reason) => {
                let messages: Vec<&str> = findings.conditions.iter().map(|(_, message)| message.as_str()).collect();
                // Within the grace period of a failing repository nothing is told yet.
                return Err(match messages.as_slice() {
                    [] => Obstacle::Wait(reason),
                    messages => Obstacle::Failed(messages.join("; ")),
                });
            }
        }
        let mut main = std::mem::take(&mut app.main);
        let key = app.key.clone();
        let made = self.ensure_targets(&key, &mut main, app, spec, now);
        app.main = main;
        made.map_err(Obstacle::Failed)
    }

    fn make_deletion_hook(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        target: &Target,
        key: &ObjectKey,
        when: DeletionHook,
    ) -> Result<(), Obstacle> {
        if let Some(refusal) = &target.refusal {
            return Err(Obstacle::Failed(refusal.clone()));
        }
        let deleted_at = application.metadata.deletion_timestamp.map(|at| at.to_string()).unwrap_or_default();
        let run = format!("{deleted_at}/0//{}", when.hook_type());
        let object = hook_object(app, spec, target, key, &run);
        let validation = if target.options.skip_validation { Validation::Ignore } else { Validation::Strict };
        let call = Call::Apply { object, migration: None, validation };
        let Some(request) = self.request(key, &target.gvk(), call) else {
            return Err(Obstacle::Failed(format!("the API server does not serve {}", key.group_kind())));
        };
        self.send_for_deletion(app, key, request);
        Ok(())
    }

    fn clean_up_hooks(
        &mut self,
        app: &mut AppState,
        application: &Application,
        when: DeletionHook,
        now: Timestamp,
    ) -> Result<(), Obstacle> {
        self.search(app, application, now).map_err(Obstacle::Wait)?;
        let mut left = Vec::new();
        for key in self.live.tracked_by(&app.instance) {
            let Some(live) = self.live.get(&key) else { continue };
            let Some(object) = live.body.held().map(CompactObject::decode) else { continue };
            if let Some((_, deletion)) = hook_of(&object).filter(|(types, _)| types.contains(&when.hook_type())) {
                left.push((key, deletion, live.health.as_ref().map(|health| health.status)));
            }
        }
        let has_failed = left.iter().any(|(_, _, health)| *health == Some(HealthStatus::Degraded));
        let mut busy = None;
        for (key, deletion, _) in &left {
            let goes = if has_failed { deletion.failed } else { deletion.succeeded };
            let sent = if goes { self.take_away(app, key) } else { self.let_go(app, key) };
            if sent || goes {
                busy = Some(key.clone());
            }
        }
        match busy {
            None => Ok(()),
            Some(key) => Err(Obstacle::Wait(Reason::Deleting { message: format!("waiting for {key} to go") })),
        }
    }

    /// Takes the finalizer of hooks off an object, if it has it; tells whether it had.
    pub(crate) fn let_go(&mut self, app: &mut AppState, key: &ObjectKey) -> bool {
        let Some(live) = self.live.get(key) else { return false };
        let is_held = live.body.held().is_some_and(|body| crate::hooks::has_hook_finalizer(&body.decode()));
        let gvk = Gvk::from_api_version(&live.api_version, &key.kind);
        let Some(call) = is_held.then(|| self.release_call(key)).flatten() else { return false };
        if let Some(request) = self.request(key, &gvk, call) {
            self.send_for_deletion(app, key, request);
        }
        true
    }

    /// Deletes the object of a hook, held or not; tells whether something was sent for it.
    fn take_away(&mut self, app: &mut AppState, key: &ObjectKey) -> bool {
        if self.let_go(app, key) {
            return true;
        }
        let Some(live) = self.live.get(key).filter(|live| !live.is_deleting) else { return false };
        let object = Remaining::of(key, live);
        self.delete_object(app, &object, application_api::PropagationPolicy::Background);
        true
    }

    /// Takes the finalizer of hooks off what an Application leaves behind that went without a cascade: nobody else would.
    pub(crate) fn let_hooks_go(&mut self, app: &AppState) {
        for key in self.live.tracked_by(&app.instance) {
            let Some(live) = self.live.get(&key) else { continue };
            let Some(object) = live.body.held().map(CompactObject::decode) else { continue };
            if !crate::hooks::has_hook_finalizer(&object) {
                continue;
            }
            let gvk = Gvk::from_api_version(&live.api_version, &key.kind);
            let request = self.release_call(&key).and_then(|call| self.request(&key, &gvk, call));
            if let Some(request) = request {
                let ticket = self.ticket();
                self.effects.push(crate::Effect::Request { app: app.key.clone(), ticket, request: Box::new(request) });
            }
        }
    }
}

/// Why a stage is not at its end.
enum Obstacle {
    Wait(Reason),
    Failed(String),
}

/// Returns the identity of a hook in a deletion.
fn deletion_key(hook: &HookTarget, when: DeletionHook, application: &Application, revision: &str) -> ObjectKey {
    let mut key = hook.target.key.clone();
    if key.name.is_empty() {
        let at = application.metadata.deletion_timestamp.map_or(0, |at| at.timestamp().as_second());
        let revision = revision.get(..7).unwrap_or(revision);
        key.name = format!("{}{revision}-{}-{at}", hook.generate_name, when.hook_type()).to_lowercase();
    }
    key
}

/// Returns the first stage of hooks that an Application is in, before or after its objects go.
pub(crate) fn stage_of(application: &Application, stages: &[HookStage]) -> Option<HookStage> {
    stages.iter().copied().find(|stage| application.has_finalizer(stage.finalizer()))
}

/// Puts finalizers into the patch of an Application.
pub(crate) fn add_finalizers(patch: &mut Value, finalizers: Option<Vec<String>>) {
    if let Some(finalizers) = finalizers {
        patch["metadata"]["finalizers"] = finalizers.into();
    }
}
