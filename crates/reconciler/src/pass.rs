//! One look at one Application: from what is known to what comes next.

use app_compare::{Destination, ObjectPermission};
use application_api::constants as names;
use application_api::{Application, ConditionType, OperationPhase, Reason, RefreshKind};
use jiff::Timestamp;
use kube_object::{ClusterId, GroupKind, Scope};

use crate::app::{AppState, Refresh};
use crate::desired::DesiredState;
use crate::handover::Hold;
use crate::operate::Operated;
use crate::spec::{self, Checked, Spec};
use crate::state::State;
use crate::status::{Draft, Findings};
use crate::{Leadership, Reuse};

/// How long the project `default` is waited for after this daemon asked for it.
const DEFAULT_PROJECT_WAIT: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

impl State {
    pub(crate) fn pass(&mut self, app: &mut AppState, now: Timestamp) {
        if let Some(missing) = self.missing() {
            app.reason = Some(Reason::CachesFilling { missing });
            return;
        }
        if let Leadership::Following { holder } = &self.leadership {
            app.reason = Some(Reason::Following { holder: holder.clone() });
            return;
        }
        if app.write.is_some() || app.rereading {
            return;
        }
        if let Some((at, message)) = &app.write_retry
            && *at > now
        {
            let (at, message) = (*at, message.clone());
            app.reason = Some(Reason::WriteFailed { message, next_attempt: at });
            app.wake(at);
            return;
        }
        let application = match app.reading.typed() {
            Ok(application) => application.clone(),
            Err(message) => {
                app.reason = Some(Reason::InvalidSpec { message: message.to_owned() });
                return;
            }
        };
        if application.is_reconcile_skipped() {
            app.reason = Some(Reason::SkipReconcile);
            return;
        }
        if self.awaits_default_project(app, &application, now) {
            return;
        }
        self.notice_refresh(app, &application, now);
        let checked = self.check_spec(&application);
        if application.is_deleting() {
            self.deletion_pass(app, &application, checked, now);
            return;
        }
        match checked.spec {
            Some(spec) if checked.problems.is_empty() => self.live_pass(app, &application, &spec, now),
            _ => self.refuse(app, &application, &checked.problems, now),
        }
    }

    /// Tells whether an Application waits for the project `default` on its way into being; not for ever, since it may not
    /// come to be.
    fn awaits_default_project(&mut self, app: &mut AppState, application: &Application, now: Timestamp) -> bool {
        let name = names::DEFAULT_PROJECT;
        if application.spec.project() != name || self.projects.contains_key(name) || !self.default_project_asked {
            return false;
        }
        let until = *self.default_project_awaited.get_or_insert(now) + DEFAULT_PROJECT_WAIT;
        if until <= now {
            return false;
        }
        app.reason = Some(Reason::CachesFilling { missing: format!("the AppProject {name}, which is being created") });
        app.wake(until);
        true
    }

    pub(crate) fn check_spec(&self, application: &Application) -> Checked {
        let settings = self.settings.as_ref().expect("missing() has looked");
        let mut checked = spec::check(application, &self.projects, settings);
        checked.problems.extend(self.dependency_problems(application));
        checked
    }

    fn notice_refresh(&mut self, app: &mut AppState, application: &Application, now: Timestamp) {
        let Some(kind) = application.requested_refresh() else {
            app.refresh = None;
            return;
        };
        let request = [names::REFRESH_ANNOTATION, names::REFRESH_TIMESTAMP_ANNOTATION]
            .map(|name| application.metadata.annotations.get(name).cloned());
        if app.refresh.as_ref().is_some_and(|refresh| refresh.request == request) {
            return;
        }
        let reuse = if kind == RefreshKind::Hard { Reuse::Never } else { Reuse::Allowed };
        app.refresh = Some(Refresh { request, asked_at: now, reuse, rendered: false });
        app.make_stale();
        if reuse == Reuse::Never {
            self.memo.forget_verdicts();
            app.main.comparison = None;
        }
        for source in application.spec.sources().iter() {
            self.repos.ask(&crate::SourceRepo::of(source), now);
        }
    }

    /// Reports what is wrong with the spec; a requested operation ends with it.
    fn refuse(&mut self, app: &mut AppState, application: &Application, problems: &[String], now: Timestamp) {
        let message = problems.join("; ");
        app.reason = Some(Reason::InvalidSpec { message: message.clone() });
        let mut findings = Findings::unknown();
        findings.conditions.extend(problems.iter().map(|problem| (ConditionType::InvalidSpecError, problem.clone())));
        findings.refresh_done = true;
        let mut draft = Draft::default();
        // What is on its way is awaited first: its answers belong to the operation.
        let is_acting = app.run.as_ref().is_some_and(|run| !run.waiting.is_empty());
        if application.operation.is_some() && !is_acting {
            draft = self
                .before_an_end(app, application, now)
                .unwrap_or_else(|| self.end_operation(app, application, OperationPhase::Error, &message, now));
        }
        self.write_status(app, application, &findings, draft, now);
    }

    /// Brings the cluster to what Git says, and says how far that is.
    fn live_pass(&mut self, app: &mut AppState, application: &Application, spec: &Spec, now: Timestamp) {
        let mut findings = match self.ensure_desired(app, application, spec, now) {
            DesiredState::Ready(findings) => findings,
            DesiredState::Pending(reason) => {
                app.reason = Some(running_or(app, reason));
                return;
            }
            DesiredState::Failed(findings, reason) => {
                app.reason = Some(reason);
                let draft = self.fail_unrunnable_operation(app, application, &findings, now);
                self.write_status(app, application, &findings, draft, now);
                return;
            }
        };
        if app.run.as_ref().is_some_and(|run| !run.waiting.is_empty()) {
            // What is on its way changes what a comparison would say.
            return;
        }
        if let Some(reason) = self.ensure_compared(app, application, spec, now) {
            self.report_obstacle(app, application, &reason, now);
            app.reason = Some(running_or(app, reason));
            return;
        }
        let hold = self.hold_prunes(app).of_what_prunes(application, &findings);
        if hold != Hold::No && !is_terminating(application) {
            app.wake(now + hold.wait());
            app.reason = Some(Reason::PrunesHeld);
            if hold == Hold::UntilReadable {
                findings.take_comparison(app);
                self.write_status(app, application, &findings, Draft::default(), now);
            }
            return;
        }
        let draft = match self.operate(app, application, spec, now) {
            Operated::None => self.auto_sync(app, (application, spec), &mut findings, now),
            Operated::Draft(draft) => *draft,
            Operated::Busy => return,
        };
        findings.take_comparison(app);
        self.write_status(app, application, &findings, draft, now);
        self.keep_house(app, now);
    }

    /// Writes what stands in the way of a comparison, when it is more than time.
    fn report_obstacle(&mut self, app: &mut AppState, application: &Application, reason: &Reason, now: Timestamp) {
        let condition = match reason {
            Reason::InvalidSpec { message } => (ConditionType::InvalidSpecError, message.clone()),
            Reason::ListingKinds { .. } => match &app.listing_failure {
                Some(failure) => (ConditionType::ComparisonError, format!("Failed to load live state: {failure}")),
                None => return,
            },
            _ => return,
        };
        let mut findings = Findings::unknown();
        findings.refresh_done = true;
        findings.conditions.insert(condition);
        let draft = self.fail_unrunnable_operation(app, application, &findings, now);
        self.write_status(app, application, &findings, draft, now);
    }

    fn keep_house(&mut self, app: &mut AppState, now: Timestamp) {
        app.heals.retain(|_, heal| !heal.is_forgotten(now));
        let heals = &app.heals;
        app.fighters.retain(|key, _| heals.contains_key(key));
        self.hold_revisions(app);
        self.effects.extend(crate::kept::keep_renders(app));
    }
}

/// Tells whether somebody asked the running operation to end.
fn is_terminating(application: &Application) -> bool {
    let state = application.status.as_ref().and_then(|status| status.operation_state.as_ref());
    state.is_some_and(|state| state.phase == OperationPhase::Terminating)
}

/// Keeps saying that an operation runs while its next step waits for something.
fn running_or(app: &AppState, reason: Reason) -> Reason {
    match &app.run {
        Some(run) if run.waiting.is_empty() && !run.state.message.is_empty() => {
            Reason::OperationRunning { message: run.state.message.clone() }
        }
        _ => reason,
    }
}

/// What project and settings say of objects.
pub(crate) struct Permission<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) settings: &'a settings::Settings,
}

impl ObjectPermission for Permission<'_> {
    fn refusal(&self, group_kind: &GroupKind, scope: Scope, namespace: &str, name: &str) -> Option<String> {
        self.spec.permits_object(group_kind, scope, namespace, name)
    }

    fn is_excluded(&self, group_kind: &GroupKind) -> bool {
        self.settings.resource_filter.is_excluded(group_kind, ClusterId::IN_CLUSTER_SERVER)
    }
}

impl Spec {
    /// Returns why the project does not permit an object, or none when it does.
    pub(crate) fn permits_object(
        &self,
        group_kind: &GroupKind,
        scope: Scope,
        namespace: &str,
        name: &str,
    ) -> Option<String> {
        let cluster = self.project_cluster();
        self.project
            .permissions
            .permits_object(group_kind, scope, namespace, name, &cluster)
            .err()
            .map(|refusal| refusal.to_string())
    }

    fn project_cluster(&self) -> access_control::Cluster<'_> {
        access_control::Cluster { server: &self.cluster, name: &self.server_name, project: "" }
    }

    /// Returns where the objects go.
    pub(crate) fn to_destination(&self) -> Destination {
        Destination { cluster: self.cluster.clone(), namespace: self.namespace.clone() }
    }
}
