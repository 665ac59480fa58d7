//! Deleting an Application: with the cascade finalizer its objects go first, wave by wave (Argo CD semantics, section 11).

use application_api::constants as names;
use application_api::{Application, ConditionType, OperationPhase, PropagationPolicy, Reason, RemovalOption};
use jiff::{SignedDuration, Timestamp};
use kube_object::{ErrorClass, Gvk, Object, ObjectKey, Scope};
use live_state::{Detail, LiveObject, TrackingOf};
use serde_json::json;

use crate::app::AppState;
use crate::comparing::recorded_kinds;
use crate::deletion_hooks::{DeletionHook, HookStage, stage_of};
use crate::handover::Hold;
use crate::reading::Facts;
use crate::records;
use crate::spec::{Checked, Spec};
use crate::state::State;
use crate::status::{Draft, Findings};
use crate::sweeps::Swept;
use crate::{Answer, Call, ClusterRequest, DryRun, Effect, Ticket};

const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(1);
/// How long finalizers of others may hold an object before a condition names them.
const TOLD_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// One object that is still there.
pub(crate) struct Remaining {
    key: ObjectKey,
    gvk: Gvk,
    uid: String,
    resource_version: String,
    deleting: bool,
    finalizers: Vec<String>,
    wave: i64,
    needs_approval: bool,
}

impl State {
    pub(crate) fn deletion_pass(
        &mut self,
        app: &mut AppState,
        application: &Application,
        checked: Checked,
        now: Timestamp,
    ) {
        if app.run.as_ref().is_some_and(|run| !run.waiting.is_empty()) || !app.deletion.waiting.is_empty() {
            return;
        }
        let Some(stage) = stage(application) else {
            app.reason = Some(Reason::FinalizersOfOthers { finalizers: application.metadata.finalizers.clone() });
            return;
        };
        if application.operation.is_some() {
            // A running operation must not hold the deletion up; its objects are about to go anyway.
            let message = "Operation terminated, because the Application is being deleted";
            let draft = self.abandon_operation(app, application, message, now);
            self.write_status(app, application, &Findings { keep_sync: true, ..Findings::default() }, draft, now);
            return;
        }
        if let Some(at) = app.deletion.retry_at.filter(|at| *at > now) {
            app.wake(at);
            return;
        }
        if let Some(reason) = self.held_by_dependents(&app.key) {
            app.reason = Some(reason);
            return;
        }
        match (checked.spec, stage) {
            (Some(spec), Stage::Objects(finalizer, propagation)) => {
                self.cascade(app, application, &spec, finalizer, propagation, now);
            }
            (Some(spec), Stage::Hooks(stage)) => self.hook_stage(app, application, &spec, stage, now),
            (None, _) => self.deletion_failed(app, application, &checked.problems.join("; "), now),
        }
    }

    fn cascade(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        finalizer: &str,
        propagation: PropagationPolicy,
        now: Timestamp,
    ) {
        let remaining = match self.remaining(app, application, spec, now) {
            Ok(remaining) => remaining,
            Err(reason) => {
                app.reason = Some(reason);
                return;
            }
        };
        if remaining.is_empty() {
            self.remove_finalizer(app, application, finalizer);
            return;
        }
        if let Some(unapproved) = remaining.iter().find(|object| object.needs_approval) {
            let object = unapproved.key.to_string();
            let message = format!(
                "{object} may only be deleted when somebody says so: annotate the Application with {}: <RFC 3339 time>",
                names::DELETION_APPROVED_ANNOTATION
            );
            app.reason = Some(Reason::DeletionUnapproved { object });
            self.tell_of_deletion(app, application, &message, now);
            return;
        }
        let wave = remaining.iter().map(|object| object.wave).max().unwrap_or(0);
        let going: Vec<&Remaining> = remaining.iter().filter(|object| object.deleting).collect();
        let more = remaining.len() - 1;
        let first = going.first().map_or(&remaining[0].key, |object| &object.key);
        let message = if more == 0 {
            format!("waiting for {first} to go")
        } else {
            format!("waiting for {first} and {more} more object(s) to go")
        };
        app.reason = Some(Reason::Deleting { message });
        // Objects of a lower wave wait until everything above them is gone.
        for object in remaining.iter().filter(|object| object.wave == wave) {
            let is_sent = app.deletion.sent.get(&object.key) == Some(&object.resource_version);
            if !is_sent && !self.let_go(app, &object.key) && !object.deleting {
                self.delete_object(app, object, propagation);
            }
        }
        self.tell_what_holds(app, application, &remaining, now);
    }

    /// Tells in a condition which objects are not gone long after they were deleted, and what holds them.
    fn tell_what_holds(
        &mut self,
        app: &mut AppState,
        application: &Application,
        remaining: &[Remaining],
        now: Timestamp,
    ) {
        let deleting = remaining.iter().filter(|object| object.deleting);
        let held: Vec<&Remaining> = deleting.filter(|object| !object.finalizers.is_empty()).collect();
        let Some(first) = held.first() else {
            app.deletion.held_since = None;
            return;
        };
        let (key, since) = app.deletion.held_since.take().unwrap_or_else(|| (first.key.clone(), now));
        let since = if key == first.key { since } else { now };
        app.deletion.held_since = Some((first.key.clone(), since));
        if now < since + TOLD_AFTER {
            app.wake(since + TOLD_AFTER);
            return;
        }
        let more = match held.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more object(s)"),
        };
        let message = format!(
            "{}{more} cannot go before these finalizers are removed: {}",
            first.key,
            first.finalizers.join(", ")
        );
        self.tell_of_deletion(app, application, &message, now);
    }

    /// Writes a condition about what a deletion waits for, once.
    fn tell_of_deletion(&mut self, app: &mut AppState, application: &Application, message: &str, now: Timestamp) {
        if app.deletion.error.as_deref() == Some(message) || app.write.is_some() {
            return;
        }
        app.deletion.error = Some(message.to_owned());
        let mut findings = Findings { keep_sync: true, ..Findings::default() };
        findings.conditions.insert((ConditionType::DeletionError, message.to_owned()));
        self.write_status(app, application, &findings, Draft::default(), now);
    }

    /// Finds what is left of the Application's objects; a reason while that is not known for certain.
    fn remaining(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        now: Timestamp,
    ) -> Result<Vec<Remaining>, Reason> {
        let failed = self.search(app, application, now)?;
        let app_delete = spec.options.delete();
        let approved = application.deletion_approved_at().map(kube_object::Time::new);
        let is_approved =
            approved.is_some_and(|at| application.metadata.deletion_timestamp.is_some_and(|deleted| at >= deleted));
        let own = self.application_key(&app.key);
        let mut remaining = Vec::new();
        for key in self.live.tracked_by(&app.instance) {
            let Some(live) = self.live.get(&key) else { continue };
            let tracked = live.tracking.as_ref().is_some_and(|tracking| tracking.of == TrackingOf::Itself);
            if key == own
                || !tracked
                || live.has_owner()
                || is_definition(&key)
                || self.is_rendered_by_another(app, &key)
            {
                continue;
            }
            let object = live.body.held().map(kube_object::CompactObject::decode);
            let rule = object.as_ref().and_then(delete_rule).or(app_delete);
            if rule == Some(RemovalOption::Never) || !Self::permits(spec, &key) {
                continue;
            }
            remaining.push(Remaining {
                wave: object.as_ref().map_or(0, wave_of),
                needs_approval: rule == Some(RemovalOption::Confirm) && !is_approved,
                finalizers: object.as_ref().map(crate::hooks::finalizers).unwrap_or_default(),
                ..Remaining::of(&key, live)
            });
        }
        let hold = if remaining.is_empty() { Hold::No } else { self.hold_deletes(app) };
        if hold != Hold::No {
            app.wake(now + hold.wait());
            return Err(Reason::PrunesHeld);
        }
        if remaining.is_empty() && !failed.is_empty() {
            // Objects may be left in kinds that could not be searched: doubt removes no finalizer.
            self.cluster.sweep_again(&app.key, now);
            return Err(Reason::Deleting {
                message: format!("these kinds cannot be searched for its objects: {}", failed.join(", ")),
            });
        }
        Ok(remaining)
    }

    fn permits(spec: &Spec, key: &ObjectKey) -> bool {
        let scope = if key.namespace.is_empty() { Scope::Cluster } else { Scope::Namespaced };
        spec.permits_object(&key.group_kind(), scope, &key.namespace, &key.name).is_none()
    }

    /// Has all kinds searched and listed that the Application may have objects of; answers with those that cannot be.
    pub(crate) fn search(
        &mut self,
        app: &mut AppState,
        application: &Application,
        now: Timestamp,
    ) -> Result<Vec<String>, Reason> {
        let Swept::Done { kinds, failed } = self.cluster.swept(&app.key, &app.instance, now) else {
            return Err(Reason::Sweeping);
        };
        let describe =
            |(gvk, error): &(Gvk, kube_object::ApiError)| format!("{} ({})", gvk.group_kind(), error.message);
        let failed = failed.iter().map(describe).collect();
        app.swept_kinds = kinds;
        app.needs_sweep = false;
        let mut kinds = recorded_kinds(application);
        kinds.extend(app.main.targets.iter().flat_map(|targets| targets.kinds.iter().cloned()));
        self.ready_kinds(app, kinds, now)?;
        Ok(failed)
    }

    /// Tells whether another Application has an object, as far as that is known.
    fn is_rendered_by_another(&self, app: &AppState, key: &ObjectKey) -> bool {
        self.is_recorded_besides(app, key)
            || self.live.renderers_of(key).iter().any(|renderer| {
                *renderer != app.instance
                    && self
                        .apps
                        .get(&crate::AppKey::of_instance(renderer, &self.config.control_namespace))
                        .is_some_and(|other| other.reading.facts().is_some_and(Facts::stays))
            })
    }

    pub(crate) fn delete_object(&mut self, app: &mut AppState, object: &Remaining, propagation: PropagationPolicy) {
        let call = Call::Delete {
            uid: object.uid.clone(),
            resource_version: object.resource_version.clone(),
            propagation,
            dry_run: DryRun::No,
        };
        if let Some(request) = self.request(&object.key, &object.gvk, call) {
            self.send_for_deletion(app, &object.key, request);
        }
    }

    /// Sends a request of a deletion, which the next look waits for.
    pub(crate) fn send_for_deletion(&mut self, app: &mut AppState, key: &ObjectKey, request: ClusterRequest) {
        let ticket = self.ticket();
        let version = self.live.get(key).map(|live| live.resource_version.to_string()).unwrap_or_default();
        app.deletion.waiting.insert(ticket, key.clone());
        app.deletion.sent.insert(key.clone(), version);
        self.effects.push(Effect::Request { app: app.key.clone(), ticket, request: Box::new(request) });
    }

    /// Takes in the answer to a delete of the cascade; gives it back when it belongs to something else.
    pub(crate) fn take_deletion_answer(
        &mut self,
        app: &mut AppState,
        ticket: Ticket,
        answer: Answer,
        now: Timestamp,
    ) -> Option<Answer> {
        let Some(key) = app.deletion.waiting.remove(&ticket) else { return Some(answer) };
        match answer {
            Answer::Gone | Answer::NotFound(_) => {
                let fold = self.live.fold_delete(&key, "");
                self.after_fold(fold, now);
            }
            Answer::Deleting(object) | Answer::Object(object) => {
                let fold = self.live.fold_response(&key.cluster, &object, Detail::Full);
                self.after_fold(fold, now);
            }
            Answer::Failed(error) if error.class() == ErrorClass::Conflict => {
                // The object has changed since: its next version comes by the watch.
                app.deletion.sent.remove(&key);
                app.deletion.retry_at = app.deletion.retry_at.max(Some(now + FIRST_WAIT));
            }
            Answer::Failed(error) => {
                app.deletion.sent.remove(&key);
                let message = format!("{key}: {}", error.message);
                if let Ok(application) = app.reading.typed() {
                    let application = application.clone();
                    self.deletion_failed(app, &application, &message, now);
                }
            }
            Answer::Tried(_) => {}
        }
        None
    }

    pub(crate) fn deletion_failed(
        &mut self,
        app: &mut AppState,
        application: &Application,
        message: &str,
        now: Timestamp,
    ) {
        app.deletion.failures += 1;
        let wait = FIRST_WAIT * (1 << app.deletion.failures.min(6));
        app.deletion.retry_at = Some(now + wait);
        app.wake(now + wait);
        app.reason = Some(Reason::DeletionFailed { message: message.to_owned(), next_attempt: now + wait });
        if app.deletion.error.as_deref() == Some(message) || app.write.is_some() {
            return;
        }
        app.deletion.error = Some(message.to_owned());
        let mut findings = Findings { keep_sync: true, ..Findings::default() };
        findings.conditions.insert((ConditionType::DeletionError, message.to_owned()));
        let draft = Draft { records: vec![records::deletion_failed(app, application, message)], ..Draft::default() };
        self.write_status(app, application, &findings, draft, now);
    }

    pub(crate) fn remove_finalizer(&mut self, app: &mut AppState, application: &Application, finalizer: &str) {
        let kept: Vec<&String> = application.metadata.finalizers.iter().filter(|own| *own != finalizer).collect();
        let patch = json!({ "metadata": { "resourceVersion": app.resource_version, "finalizers": kept } });
        app.deletion.failures = 0;
        app.reason = Some(Reason::Deleting { message: format!("{finalizer} is done") });
        self.send_write(app, patch, None, Vec::new());
    }

    /// Makes the write that ends an operation without a retry.
    fn abandon_operation(
        &mut self,
        app: &mut AppState,
        application: &Application,
        message: &str,
        now: Timestamp,
    ) -> Draft {
        let mut application = application.clone();
        if let Some(operation) = &mut application.operation {
            operation.retry.limit = None;
        }
        if let Some(run) = &mut app.run {
            run.state.operation.retry.limit = None;
        }
        if let Some(state) = application.status.as_mut().and_then(|status| status.operation_state.as_mut()) {
            state.operation.retry.limit = None;
        }
        self.end_operation(app, &application, OperationPhase::Failed, message, now)
    }
}

/// What comes next in a deletion.
enum Stage {
    /// Hooks run, or are cleaned up after.
    Hooks(HookStage),
    /// Objects go, and then this finalizer.
    Objects(&'static str, PropagationPolicy),
}

/// Returns the stage that an Application's deletion is in; none when only others hold it.
fn stage(application: &Application) -> Option<Stage> {
    use DeletionHook::{After, Before};
    use HookStage::{CleanUp, Run};
    stage_of(application, &[Run(Before)])
        .map(Stage::Hooks)
        .or_else(|| cascade(application).map(|(finalizer, propagation)| Stage::Objects(finalizer, propagation)))
        .or_else(|| stage_of(application, &[Run(After), CleanUp(Before), CleanUp(After)]).map(Stage::Hooks))
}

impl Remaining {
    pub(crate) fn of(key: &ObjectKey, live: &LiveObject) -> Self {
        Self {
            key: key.clone(),
            gvk: Gvk::from_api_version(&live.api_version, &key.kind),
            uid: live.uid.to_string(),
            resource_version: live.resource_version.to_string(),
            deleting: live.is_deleting,
            finalizers: Vec::new(),
            wave: 0,
            needs_approval: false,
        }
    }
}

/// Returns the cascade finalizer of an Application and how its deletes propagate.
fn cascade(application: &Application) -> Option<(&'static str, PropagationPolicy)> {
    [
        (names::RESOURCES_FINALIZER, PropagationPolicy::Foreground),
        (names::RESOURCES_FINALIZER_FOREGROUND, PropagationPolicy::Foreground),
        (names::RESOURCES_FINALIZER_BACKGROUND, PropagationPolicy::Background),
    ]
    .into_iter()
    .find(|(finalizer, _)| application.has_finalizer(finalizer))
}

fn is_definition(key: &ObjectKey) -> bool {
    key.group == "apiextensions.k8s.io" && key.kind == "CustomResourceDefinition"
}

fn delete_rule(object: &Object) -> Option<RemovalOption> {
    let options = application_api::SyncOptions::from_annotation(
        object.annotation(names::SYNC_OPTIONS_ANNOTATION).unwrap_or_default(),
    );
    let keep = object.annotation(names::HELM_RESOURCE_POLICY_ANNOTATION).is_some_and(|policy| policy.trim() == "keep");
    // Either confirmation gates a deletion.
    match (options.delete(), options.prune()) {
        (Some(RemovalOption::Never), _) => Some(RemovalOption::Never),
        _ if keep => Some(RemovalOption::Never),
        (Some(RemovalOption::Confirm), _) | (_, Some(RemovalOption::Confirm)) => Some(RemovalOption::Confirm),
        (rule, _) => rule,
    }
}

fn wave_of(object: &Object) -> i64 {
    object.annotation(names::SYNC_WAVE_ANNOTATION).and_then(|wave| wave.trim().parse().ok()).unwrap_or(0)
}
