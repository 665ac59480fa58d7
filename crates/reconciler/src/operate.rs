//! Running an operation: start, steps, actions and their answers, retries, end. What comes next is decided in `sync-plan`.

use application_api::{Application, ApplicationSource, OperationPhase, OperationState, Reason, SyncOperationResult};
use jiff::Timestamp;
use kube_object::{ErrorClass, Object, Time};
use object_diff::AfterApply;
use sync_plan::{
    ActionOutcome, ActionResult, ClusterAction, Persist, RetryState, begin_retry, record, retry_state, step,
    with_deployment,
};

use crate::app::{AppState, PendingAction, Run, Sent};
use crate::desired::ViewProblem;
use crate::records;
use crate::spec::Spec;
use crate::state::State;
use crate::status::{Draft, Findings, OperationWrite};
use crate::{Answer, Effect, Ticket};

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
    fn draft(draft: Draft) -> Self {
        Self::Draft(Box::new(draft))
    }
}

/// Returns the source and revision that the requested operation is about, if there is one.
pub(crate) fn operation_revision(
    app: &AppState,
    application: &Application,
    spec: &Spec,
) -> Option<(ApplicationSource, String)> {
    let recorded = application.status.as_ref().and_then(|status| status.operation_state.as_ref());
    let state = app.run.as_ref().map(|run| &run.state).or_else(|| recorded.filter(|state| state.phase.is_running()));
    let operation = match state {
        Some(state) => &state.operation,
        None => application.operation.as_ref()?,
    };
    application.operation.as_ref()?;
    if let Some(result) =
        state.and_then(|state| state.sync_result.as_ref()).filter(|result| !result.revision.is_empty())
    {
        return Some((result.source.clone(), result.revision.clone()));
    }
    let sync = operation.sync.as_ref()?;
    let source = sync.source.clone().unwrap_or_else(|| spec.source.clone());
    let revision = if sync.revision.is_empty() { source.target_revision.clone() } else { sync.revision.clone() };
    Some((source, revision))
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
        if app.run.as_ref().is_some_and(|run| run.state.finished_at.is_some() && !run.stored) {
            // The write that ends the attempt did not come through: nothing goes on before it is stored.
            return Operated::draft(self.finish(app, application));
        }
        if let Some(refusal) = unsupported(application) {
            return Operated::draft(self.end_operation(app, application, OperationPhase::Error, refusal, now));
        }
        self.time_out(app, now);
        if let Some(run) = &mut app.run {
            match retry_state(&run.state, now) {
                RetryState::NotWaiting => {}
                RetryState::WaitingUntil(at) => {
                    let (attempt, message) = (run.state.retry_count, run.state.message.clone());
                    app.reason = Some(Reason::RetryWaiting { attempt, at, message });
                    app.wake(at);
                    return Operated::draft(Draft::default());
                }
                RetryState::Due => {
                    run.state = begin_retry(run.state.clone());
                    run.stored = false;
                    run.last_action_at = None;
                }
            }
        }
        let Some((source, revision)) = operation_revision(app, application, spec) else {
            let message = "Invalid operation request: no operation specified";
            return Operated::draft(self.end_operation(app, application, OperationPhase::Error, message, now));
        };
        let commit = match self.ensure_view(app, &source, &revision, now) {
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
        self.run(app, application, spec, &source, &commit, now)
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

    fn run(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        source: &ApplicationSource,
        commit: &str,
        now: Timestamp,
    ) -> Operated {
        let result = SyncOperationResult {
            revision: commit.to_owned(),
            source: source.clone(),
            ..SyncOperationResult::default()
        };
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
        let input = self.plan(app, application, spec);
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
        app.run = Some(Run::new(state.clone()));
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
        app.run = Some(Run::new(state));
        self.finish(app, application)
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
        resume(app, application);
        if let Some(run) = &app.run
            && let RetryState::WaitingUntil(at) = retry_state(&run.state, now)
        {
            app.wake(at);
            return Draft::default();
        }
        let errors = findings.conditions.iter().filter(|(kind, _)| kind.is_error());
        let messages: Vec<String> = errors.map(|(kind, message)| format!("{kind}: {message}")).collect();
        if messages.is_empty() {
            return Draft::default();
        }
        self.end_operation(app, application, OperationPhase::Error, &messages.join(";"), now)
    }

    /// Sends the actions of a step.
    fn act(&mut self, app: &mut AppState, spec: &Spec, actions: Vec<ClusterAction>, now: Timestamp) {
        for action in actions {
            let ticket = self.ticket();
            match self.request_of(app, spec, &action, None) {
                Some(request) => {
                    let pending = PendingAction { action, sent: Sent::Once };
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

    /// Takes in the answer to a request of an operation; gives it back when it belongs to something else.
    pub(crate) fn take_action_answer(
        &mut self,
        app: &mut AppState,
        ticket: Ticket,
        answer: Answer,
        now: Timestamp,
    ) -> Option<Answer> {
        let Some(pending) = app.run.as_mut().and_then(|run| run.waiting.remove(&ticket)) else { return Some(answer) };
        if let Some(result) = self.judge(app, &pending, answer, now)
            && let Some(run) = &mut app.run
        {
            run.outcomes.push(ActionOutcome { action: pending.action, result });
        }
        record_outcomes(app, now);
        None
    }

    /// Folds an answer in and says how the action ended; none when another request was sent for it.
    fn judge(
        &mut self,
        app: &mut AppState,
        pending: &PendingAction,
        answer: Answer,
        now: Timestamp,
    ) -> Option<ActionResult> {
        let key = pending.action.key().clone();
        match answer {
            Answer::Object(object) => {
                let fold = self.live.fold_response(&key.cluster, &object, live_state::Detail::Full);
                self.after_fold(fold, now);
                match (&pending.action, pending.sent) {
                    (_, Sent::Reread) => Some(ActionResult::Stale),
                    (ClusterAction::Apply { .. }, sent) => self.after_apply(app, pending, sent, &object, now),
                    (ClusterAction::CreateNamespace { .. }, _) => Some(ActionResult::Done("created".to_owned())),
                    (ClusterAction::Prune { .. }, _) => Some(ActionResult::Done(String::new())),
                }
            }
            Answer::Deleting(object) => {
                let fold = self.live.fold_response(&key.cluster, &object, live_state::Detail::Full);
                self.after_fold(fold, now);
                Some(ActionResult::Done(String::new()))
            }
            Answer::Gone | Answer::NotFound(_)
                if pending.sent == Sent::Reread || matches!(pending.action, ClusterAction::Prune { .. }) =>
            {
                if is_real(&pending.action) {
                    let fold = self.live.fold_delete(&key, "");
                    self.after_fold(fold, now);
                }
                Some(if pending.sent == Sent::Reread { ActionResult::Stale } else { ActionResult::AlreadyGone })
            }
            Answer::Gone => Some(ActionResult::Done(String::new())),
            Answer::Tried(results) => Some(match results.into_iter().find_map(Result::err) {
                Some(error) => ActionResult::Failed(error.message),
                None => ActionResult::Done("serverside-applied".to_owned()),
            }),
            Answer::NotFound(error) | Answer::Failed(error) => self.failed(app, pending, &error),
        }
    }

    fn after_apply(
        &mut self,
        app: &mut AppState,
        pending: &PendingAction,
        sent: Sent,
        object: &Object,
        now: Timestamp,
    ) -> Option<ActionResult> {
        let done = || Some(ActionResult::Done("serverside-applied".to_owned()));
        let desired = app.target(pending.action.key()).map(|target| target.body.decode());
        let again = match (&desired, sent) {
            (Some(_), Sent::Step) => true,
            (Some(desired), Sent::Once) => match object_diff::after_apply(desired, object) {
                AfterApply::ApplyAgain(_) => true,
                AfterApply::Rewritten(_) => {
                    // The server stores another form of the same: no need to ask about it again.
                    let memo = object_diff::memo_key(desired, object, &object_diff::Takeover::default());
                    self.memo.remember(memo, app_compare::DryRunAnswer::Same, now);
                    false
                }
                AfterApply::Settled => false,
            },
            _ => false,
        };
        if again { self.resend(app, pending, Sent::Again, None) } else { done() }
    }

    /// Decides about a failed request: the object is read again after a conflict, and one step in between may help an apply.
    fn failed(
        &mut self,
        app: &mut AppState,
        pending: &PendingAction,
        error: &kube_object::ApiError,
    ) -> Option<ActionResult> {
        if matches!(pending.action, ClusterAction::CreateNamespace { .. }) && error.reason == "AlreadyExists" {
            return Some(ActionResult::Done("unchanged".to_owned()));
        }
        if pending.sent == Sent::Reread {
            return Some(ActionResult::Failed(error.message.clone()));
        }
        if error.class() == ErrorClass::Conflict {
            return self.resend(app, pending, Sent::Reread, None);
        }
        let is_apply = matches!(&pending.action, ClusterAction::Apply { mode: sync_plan::RunMode::Real, .. });
        if is_apply
            && pending.sent == Sent::Once
            && let Some(desired) = app.target(pending.action.key()).map(|target| target.body.decode())
            && let Some(live) = self
                .live
                .get(pending.action.key())
                .and_then(|live| live.body.held())
                .map(kube_object::CompactObject::decode)
            && let Some(stone) = object_diff::stepping_stone(&desired, &live, error)
        {
            return self.resend(app, pending, Sent::Step, Some(&stone));
        }
        Some(ActionResult::Failed(error.message.clone()))
    }

    fn resend(
        &mut self,
        app: &mut AppState,
        pending: &PendingAction,
        sent: Sent,
        instead: Option<&Object>,
    ) -> Option<ActionResult> {
        let Ok(application) = &app.app else { return Some(ActionResult::Stale) };
        let application = application.clone();
        let Some(spec) = self.check_spec(&application).spec else { return Some(ActionResult::Stale) };
        let Some(mut request) = self.request_of(app, &spec, &pending.action, instead) else {
            return Some(ActionResult::Stale);
        };
        if sent == Sent::Reread {
            request.call = crate::Call::Get;
        } else if let crate::Call::Apply { migration, .. } = &mut request.call {
            // It was done with the first apply; its precondition no longer holds.
            *migration = None;
        }
        let ticket = self.ticket();
        if let Some(run) = &mut app.run {
            run.waiting.insert(ticket, PendingAction { action: pending.action.clone(), sent });
        }
        self.effects.push(Effect::Request { app: app.key.clone(), ticket, request: Box::new(request) });
        None
    }
}

/// Records what came of a step's actions, when the last of them is answered.
fn record_outcomes(app: &mut AppState, now: Timestamp) {
    let Some(run) = app.run.as_mut().filter(|run| run.waiting.is_empty()) else { return };
    let Some(input) = run.input.take() else { return };
    let outcomes = std::mem::take(&mut run.outcomes);
    run.state = record(&input, run.state.clone(), &outcomes);
    run.stored = false;
    run.last_action_at = Some(now);
    app.make_stale();
}

/// Takes up an operation that the Application's status says is running, or that somebody asked to end.
fn resume(app: &mut AppState, application: &Application) {
    let stored = application.status.as_ref().and_then(|status| status.operation_state.as_ref());
    let Some(stored) = stored.filter(|state| state.phase.is_running()) else {
        return;
    };
    match &mut app.run {
        None => app.run = Some(Run { stored: true, ..Run::new(stored.clone()) }),
        Some(run) if stored.phase == OperationPhase::Terminating && run.state.phase == OperationPhase::Running => {
            run.state.phase = OperationPhase::Terminating;
            run.state.message.clone_from(&stored.message);
        }
        // The answer of the write may have been lost.
        Some(run) => run.stored |= run.state == *stored,
    }
}

/// Names what a requested operation asks for and is not built yet.
fn unsupported(application: &Application) -> Option<&'static str> {
    let sync = application.operation.as_ref()?.sync.as_ref()?;
    if !sync.manifests.is_empty() {
        return Some("operation.sync.manifests (local sync) is not supported yet");
    }
    if !sync.sources.is_empty() || !sync.revisions.is_empty() {
        return Some("operation.sync.sources with more than one source is not supported yet");
    }
    let strategy = sync.sync_strategy.unwrap_or_default();
    let forced = strategy.apply.is_some_and(|apply| apply.force) || strategy.hook.is_some_and(|hook| hook.force);
    forced.then_some("operation.sync.syncStrategy with force is not supported yet")
}

fn is_real(action: &ClusterAction) -> bool {
    !matches!(
        action,
        ClusterAction::Apply { mode: sync_plan::RunMode::DryRun, .. }
            | ClusterAction::Prune { mode: sync_plan::RunMode::DryRun, .. }
    )
}
