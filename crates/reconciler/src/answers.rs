//! What the answers to an operation's requests mean: done, sent once more, read again, or failed.

use jiff::Timestamp;
use kube_object::{ErrorClass, Object};
use object_diff::AfterApply;
use sync_plan::{ActionOutcome, ActionResult, ClusterAction, record};

use crate::app::{AppState, PendingAction, Sent};
use crate::state::State;
use crate::{Answer, Effect, Ticket};

impl State {
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
        let Ok(application) = app.reading.typed() else { return Some(ActionResult::Stale) };
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
pub(crate) fn record_outcomes(app: &mut AppState, now: Timestamp) {
    let Some(run) = app.run.as_mut().filter(|run| run.waiting.is_empty()) else { return };
    let Some(input) = run.input.take() else { return };
    let outcomes = std::mem::take(&mut run.outcomes);
    run.state = record(&input, run.state.clone(), &outcomes);
    run.stored = false;
    run.last_action_at = Some(now);
    app.make_stale();
}

fn is_real(action: &ClusterAction) -> bool {
    !matches!(
        action,
        ClusterAction::Apply { mode: sync_plan::RunMode::DryRun, .. }
            | ClusterAction::Prune { mode: sync_plan::RunMode::DryRun, .. }
    )
}
