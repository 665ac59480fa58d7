//! Running an operation: start, steps, retries, end. What comes next is decided in `sync-plan`.

use application_api::{Application, OperationPhase, OperationState, Reason, SourceSet, split_revisions};
use jiff::Timestamp;
use kube_object::Time;
use sync_plan::{
    ActionOutcome, ActionResult, ClusterAction, Persist, RetryState, begin_retry, retry_state, step, with_deployment,
};

use crate::Effect;
use crate::answers::record_outcomes;
use crate::app::{AppState, PendingAction, Run, Sent};
use crate::desired::ViewProblem;
use crate::plan::result_of;
use crate::records;
use crate::spec::Spec;
use crate::state::State;
use crate::status::{Draft, Findings, OperationWrite};

/// What looking at the operation came to.
pub(crate) enum Operated {
    /// There is none.
    None,
    /// It has something to write, or nothing, and waits.
    Draft(Box<Draft>),
    /// Requests are under way: nothing is written meanwhile.
    Busy,
}

impl Operated {
    pub(crate) fn draft(draft: Draft) -> Self {
        Self::Draft(Box::new(draft))
    }
}

/// Returns the sources and their revisions that the requested operation is about, if there is one.
pub(crate) fn operation_revision(
    app: &AppState,
    application: &Application,
    spec: &Spec,
) -> Option<(SourceSet, Vec<String>)> {
    let recorded = application.status.as_ref().and_then(|status| status.operation_state.as_ref());
    let state = app.run.as_ref().map(|run| &run.state).or_else(|| recorded.filter(|state| state.phase.is_running()));
    let operation = match state {
        Some(state) => &state.operation,
        None => application.operation.as_ref()?,
    };
    application.operation.as_ref()?;
    if let Some(result) = state.and_then(|state| state.sync_result.as_ref()).filter(|result| result.has_revision()) {
        let joined = result.joined_revision();
        return Some((SourceSet::of_result(result), split_revisions(&joined).map(str::to_owned).collect()));
    }
    let sync = operation.sync.as_ref()?;
    let sources = SourceSet::of_operation(sync).unwrap_or_else(|| spec.sources.clone());
    let revisions = sources.wanted_revisions(sync);
    Some((sources, revisions))
}

impl State {
    /// Looks at the requested or running operation and does what is due.
    pub(crate) fn operate(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        now: Timestamp,
    ) -> Operated {
        if application.operation.is_none() {
            app.run = None;
            app.operation_view = None;
            return Operated::None;
        }
        if app.run.as_ref().is_some_and(|run| !run.waiting.is_empty()) {
            return Operated::Busy;
        }
        resume(app, application);
        if app.run.as_deref().is_some_and(Run::awaits_its_end) {
            return Operated::draft(self.finish(app, application));
        }
        if let Some(refusal) = unsupported(application) {
            return Operated::draft(self.end_operation(app, application, OperationPhase::Error, &refusal, now));
        }
        self.time_out(app, now);
        if waits_for_retry(app, now) {
            return Operated::draft(Draft::default());
        }
        if app.run.as_ref().is_some_and(|run| run.state.phase == OperationPhase::Terminating) {
            return self.terminate(app, application, spec, now);
        }
        let Some((sources, revisions)) = operation_revision(app, application, spec) else {
            let message = "Invalid operation request: no operation specified";
            return Operated::draft(self.end_operation(app, application, OperationPhase::Error, message, now));
        };
        let commit = match self.ensure_view(app, (application, spec), &sources, &revisions, now) {
            Ok(commit) => commit,
            Err(ViewProblem::Pending(reason)) => {
                app.reason = Some(reason);
                return Operated::draft(Draft::default());
            }
            Err(ViewProblem::Failed(message)) => {
                let message = format!("ComparisonError: Failed to load target state: {message}");
                return Operated::draft(self.end_operation(app, application, OperationPhase::Error, &message, now));
            }
        };
        if let Some(reason) = self.ensure_compared(app, application, spec, now) {
            app.reason = Some(reason);
            return Operated::draft(Draft::default());
        }
        self.run(app, application, spec, &sources, &commit, now)
    }

    /// Ends an operation that runs longer than the settings allow.
    fn time_out(&self, app: &mut AppState, now: Timestamp) {
        let Some(limit) = self.settings.as_ref().and_then(|settings| settings.sync_timeout) else { return };
        let Some(run) = &mut app.run else { return };
        let until = run.state.started_at.timestamp() + limit;
        if run.state.phase != OperationPhase::Running {
            return;
        }
        if until <= now {
            run.state.phase = OperationPhase::Terminating;
            "operation is terminating due to timeout".clone_into(&mut run.state.message);
        } else {
            app.wake(until);
        }
    }

    /// Ends an operation that somebody asked to end: its hooks are taken down first; it needs no manifests for that.
    fn terminate(&mut self, app: &mut AppState, application: &Application, spec: &Spec, now: Timestamp) -> Operated {
        let input = self.plan(app, application, spec);
        let Some(run) = &mut app.run else { return Operated::draft(Draft::default()) };
        let next = step(&input, &run.state, now);
        run.state = next.next;
        run.stored = false;
        if next.actions.is_empty() {
            return Operated::draft(self.finish(app, application));
        }
        run.input = Some(input);
        self.act(app, spec, next.actions, now);
        Operated::Busy
    }

    fn run(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        sources: &SourceSet,
        commit: &str,
        now: Timestamp,
    ) -> Operated {
        let policy = application.spec.sync_policy.as_ref();
        let result = result_of(sources, commit, policy.and_then(|policy| policy.managed_namespace_metadata.clone()));
        let Some(run) = &mut app.run else {
            let state = OperationState {
                operation: application.operation.clone().unwrap_or_default(),
                phase: OperationPhase::Running,
                message: String::new(),
                sync_result: Some(result),
                started_at: Time::new(now),
                finished_at: None,
                retry_count: 0,
            };
            return Operated::draft(self.start(app, application, state, OperationWrite::Keep));
        };
        if run.state.sync_result.is_none() {
            run.state.sync_result = Some(result);
            run.stored = false;
        }
        let held = Self::hold_for_window(app, application, spec, now);
        if let Some(draft) = held.or_else(|| self.hold_operation(app)) {
            return Operated::draft(draft);
        }
        let input = self.plan(app, application, spec);
        let input = match self.preempt(app, application, spec, input, now) {
            Ok(operated) => return operated,
            Err(input) => input,
        };
        let run = app.run.as_mut().expect("it is there, as the match above has shown");
        let next = step(&input, &run.state, now);
        if next.next != run.state {
            run.state = next.next;
            run.stored = false;
        }
        if run.state.finished_at.is_some() {
            return Operated::draft(self.finish(app, application));
        }
        app.reason = Some(Reason::OperationRunning { message: run.state.message.clone() });
        if next.actions.is_empty() {
            let state = (!run.stored).then(|| run.state.clone());
            if let Some(at) = next.wake_at {
                app.wake(at);
            }
            return Operated::draft(Draft { state, ..Draft::default() });
        }
        if next.persist == Persist::First && !run.stored {
            return Operated::draft(Draft { state: Some(run.state.clone()), ..Draft::default() });
        }
        run.input = Some(input);
        self.act(app, spec, next.actions, now);
        Operated::Busy
    }

    /// Makes the write that starts an operation.
    pub(crate) fn start(
        &mut self,
        app: &mut AppState,
        application: &Application,
        state: OperationState,
        operation: OperationWrite,
    ) -> Draft {
        let records = vec![records::operation_started(app, application, &state)];
        app.reason = Some(Reason::OperationRunning { message: String::new() });
        app.run = Some(Box::new(Run::new(state.clone())));
        Draft { state: Some(state), operation, records, ..Draft::default() }
    }

    /// Makes the write that ends an attempt: the operation is done, or waits for its retry.
    fn finish(&mut self, app: &mut AppState, application: &Application) -> Draft {
        let state = app.run.as_ref().map(|run| run.state.clone());
        let Some(state) = state else { return Draft::default() };
        if !state.phase.is_completed() {
            return Draft { state: Some(state), ..Draft::default() };
        }
        let records = vec![records::operation_completed(app, application, &state)];
        let old = application.status.as_ref().map(|status| status.history.as_slice()).unwrap_or_default();
        let history = with_deployment(old, &state, application.spec.revision_history_limit());
        Draft { state: Some(state), operation: OperationWrite::Remove, history: Some(history), records }
    }

    /// Makes the write that ends an operation which could not run, or schedules its retry.
    pub(crate) fn end_operation(
        &mut self,
        app: &mut AppState,
        application: &Application,
        phase: OperationPhase,
        message: &str,
        now: Timestamp,
    ) -> Draft {
        resume(app, application);
        if app.run.as_ref().is_some_and(|run| run.awaits_its_end() && run.state.phase.is_completed()) {
            return self.finish(app, application);
        }
        let not_begun = || OperationState {
            operation: application.operation.clone().unwrap_or_default(),
            phase: OperationPhase::Running,
            message: String::new(),
            sync_result: None,
            started_at: Time::new(now),
            finished_at: None,
            retry_count: 0,
        };
        let state = app.run.as_ref().map_or_else(not_begun, |run| run.state.clone());
        let state = sync_plan::complete(state, phase, message, now);
        app.run = Some(Box::new(Run::new(state)));
        self.finish(app, application)
    }

    /// Returns what comes before an operation can end for a new reason: the end of an attempt is stored, a retry is waited for.
    pub(crate) fn before_an_end(
        &mut self,
        app: &mut AppState,
        application: &Application,
        now: Timestamp,
    ) -> Option<Draft> {
        resume(app, application);
        let run = app.run.as_ref()?;
        if run.awaits_its_end() {
            return Some(self.finish(app, application));
        }
        let RetryState::WaitingUntil(at) = retry_state(&run.state, now) else { return None };
        app.wake(at);
        Some(Draft::default())
    }

    /// Ends a requested operation when the desired state cannot be computed.
    pub(crate) fn fail_unrunnable_operation(
        &mut self,
        app: &mut AppState,
        application: &Application,
        findings: &Findings,
        now: Timestamp,
    ) -> Draft {
        if application.operation.is_none() || app.run.as_ref().is_some_and(|run| !run.waiting.is_empty()) {
            return Draft::default();
        }
        if let Some(draft) = self.before_an_end(app, application, now) {
            return draft;
        }
        let errors = findings.conditions.iter().filter(|(kind, _)| kind.is_error());
        let messages: Vec<String> = errors.map(|(kind, message)| format!("{kind}: {message}")).collect();
        if messages.is_empty() {
            return Draft::default();
        }
        self.end_operation(app, application, OperationPhase::Error, &messages.join(";"), now)
    }

    /// Sends the actions of a step.
    pub(crate) fn act(&mut self, app: &mut AppState, spec: &Spec, actions: Vec<ClusterAction>, now: Timestamp) {
        for action in actions {
            let ticket = self.ticket();
            match self.request_of(app, spec, &action, None) {
                Some(mut request) => {
                    let is_recreated = self.is_recreated(app, spec, &action);
                    if let Some(target) = is_recreated.then(|| app.target(action.key())).flatten() {
                        request.call = self.trial_call(app, spec, target);
                    }
                    let sent = if is_recreated { Sent::Trial } else { Sent::Once };
                    let pending = PendingAction { action, sent };
                    if let Some(run) = &mut app.run {
                        run.waiting.insert(ticket, pending);
                    }
                    self.effects.push(Effect::Request { app: app.key.clone(), ticket, request: Box::new(request) });
                }
                None => {
                    let message = format!("the API server does not serve {}", action.key().group_kind());
                    if let Some(run) = &mut app.run {
                        run.outcomes.push(ActionOutcome { action, result: ActionResult::Failed(message) });
                    }
                }
            }
        }
        if app.run.as_ref().is_some_and(|run| run.waiting.is_empty()) {
            // Nothing was sent: the outcomes are known already.
            record_outcomes(app, now);
            self.dirty.insert(app.key.clone());
        }
    }
}

/// Takes up an operation that the Application's status says is running, or that somebody asked to end.
fn resume(app: &mut AppState, application: &Application) {
    let recorded = application.status.as_ref().and_then(|status| status.operation_state.as_ref());
    let stored = recorded.filter(|state| state.phase.is_running());
    // Of one whose end is stored, the answer was lost: what is requested now is another one.
    let has_ended = |run: &Run| {
        stored.is_none()
            && recorded.is_some_and(|state| state.started_at == run.state.started_at)
            && run.waiting.is_empty()
    };
    if app.run.as_ref().is_some_and(|run| has_ended(run) || is_superseded(run, stored, application)) {
        app.run = None;
        app.operation_view = None;
    }
    let Some(stored) = stored else { return };
    let Some(run) = &mut app.run else {
        app.run = Some(Box::new(Run { stored: true, ..Run::new(stored.clone()) }));
        return;
    };
    if stored.phase == OperationPhase::Terminating && run.state.phase == OperationPhase::Running {
        run.state.phase = OperationPhase::Terminating;
        run.state.message.clone_from(&stored.message);
    }
    // The answer of the write may have been lost.
    run.stored |= run.state == *stored;
}

/// Tells whether the start of an operation never came through, and another one runs or was asked for instead.
fn is_superseded(run: &Run, stored: Option<&OperationState>, application: &Application) -> bool {
    let is_stored = stored.is_some_and(|state| state.started_at == run.state.started_at);
    let is_another = stored.is_some() || application.operation.as_ref() != Some(&run.state.operation);
    !is_stored && run.waiting.is_empty() && is_another
}

/// Tells whether the running operation waits for its next attempt; begins the attempt when it is due.
fn waits_for_retry(app: &mut AppState, now: Timestamp) -> bool {
    let Some(run) = &mut app.run else { return false };
    match retry_state(&run.state, now) {
        RetryState::NotWaiting => false,
        RetryState::WaitingUntil(at) => {
            let (attempt, message) = (run.state.retry_count, run.state.message.clone());
            app.reason = Some(Reason::RetryWaiting { attempt, at, message });
            app.wake(at);
            true
        }
        RetryState::Due => {
            run.state = begin_retry(run.state.clone());
            run.stored = false;
            run.last_action_at = None;
            run.preflighted = None;
            false
        }
    }
}

/// Names what a requested operation asks for and cannot have: it is not built yet, or says too little.
fn unsupported(application: &Application) -> Option<String> {
    let sync = application.operation.as_ref()?.sync.as_ref()?;
    if !sync.manifests.is_empty() {
        return Some("operation.sync.manifests (local sync) is not supported yet".to_owned());
    }
    let sources = SourceSet::of_operation(sync).or_else(|| SourceSet::of_spec(&application.spec));
    let (asked, sources) = (sync.revisions.len(), sources.map_or(0, |sources| sources.all().len()));
    if asked > 0 && asked != sources {
        return Some(format!(
            "operation.sync.revisions names {asked} revisions for {sources} sources; name one for each"
        ));
    }
    None
}

#[cfg(test)]
mod tests;
