//! What the answers to an operation's requests mean: done, sent once more, read again, or failed.

use application_api::PropagationPolicy;
use jiff::{SignedDuration, Timestamp};
use kube_object::{ErrorClass, Object};
use object_diff::AfterApply;
use sync_plan::{ActionOutcome, ActionResult, ApplyHow, ClusterAction, Postponed, RunMode, record, tried_phase};

use crate::app::{AppState, PendingAction, Sent};
use crate::state::State;
use crate::{Answer, Effect, Ticket};

/// How long a write is tried again for which the API server cannot call a webhook.
const WEBHOOK_DEADLINE: SignedDuration = SignedDuration::from_secs(60);
/// Wait between these tries.
const WEBHOOK_WAIT: SignedDuration = SignedDuration::from_secs(2);

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
                    (_, Sent::Reread | Sent::Trial | Sent::Delete) => Some(ActionResult::Stale),
                    (ClusterAction::Apply { .. }, sent) => self.after_apply(app, pending, sent, &object, now),
                    (ClusterAction::CreateNamespace { .. } | ClusterAction::RunHook { .. }, _) => {
                        Some(ActionResult::Done("created".to_owned()))
                    }
                    _ => Some(ActionResult::Done(String::new())),
                }
            }
            Answer::Deleting(object) => {
                let fold = self.live.fold_response(&key.cluster, &object, live_state::Detail::Full);
                self.after_fold(fold, now);
                // What is to be made again waits until it is gone.
                let again = pending.sent == Sent::Delete;
                Some(if again { ActionResult::Stale } else { ActionResult::Done(String::new()) })
            }
            Answer::Gone | Answer::NotFound(_) if pending.sent == Sent::Delete => {
                let fold = self.live.fold_delete(&key, "");
                self.after_fold(fold, now);
                self.resend(app, pending, Sent::Again, None)
            }
            Answer::Gone | Answer::NotFound(_) if pending.sent == Sent::Reread || takes_away(&pending.action) => {
                if pending.action.mode() == RunMode::Real {
                    let fold = self.live.fold_delete(&key, "");
                    self.after_fold(fold, now);
                }
                Some(if pending.sent == Sent::Reread { ActionResult::Stale } else { ActionResult::AlreadyGone })
            }
            Answer::Gone => Some(ActionResult::Done(String::new())),
            Answer::Tried(results) => Some(match results.into_iter().find_map(Result::err) {
                Some(error) => refused(&pending.action, error),
                None => ActionResult::Done("serverside-applied".to_owned()),
            }),
            Answer::NotFound(error) | Answer::Failed(error) if pending.action.mode() == RunMode::Preflight => {
                Some(refused(&pending.action, error))
            }
            Answer::Failed(error) if pending.sent == Sent::Trial && error.reason == "AlreadyExists" => {
                self.resend(app, pending, Sent::Delete, None)
            }
            Answer::Failed(error) if postpones(app, pending, &error, now) => Some(ActionResult::Stale),
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
        let how = app.target(pending.action.key()).map_or(ApplyHow::Apply, |target| self.how(app, target));
        if how.replaces() {
            return Some(ActionResult::Done("replaced".to_owned()));
        }
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
        if is_apply
            && matches!(pending.sent, Sent::Once | Sent::Step)
            && is_immutable(error)
            && app.target(pending.action.key()).is_some_and(|target| self.how(app, target).may_recreate())
        {
            return self.resend(app, pending, Sent::Trial, None);
        }
        Some(ActionResult::Failed(told(pending, error)))
    }

    /// Returns how an object is changed, as far as the Application can be read.
    fn how(&self, app: &AppState, target: &app_compare::Target) -> ApplyHow {
        let spec = app.reading.typed().ok().and_then(|application| self.check_spec(application).spec);
        spec.map_or(ApplyHow::Apply, |spec| self.how_to_change(app, &spec, target))
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
        } else if sent == Sent::Trial {
            let Some(target) = app.target(pending.action.key()) else { return Some(ActionResult::Stale) };
            request.call = self.trial_call(app, &spec, target);
        } else if sent == Sent::Delete {
            let Some(live) = self.live.get(pending.action.key()) else { return Some(ActionResult::Stale) };
            request.call = deletion(&live.uid.to_string(), &live.resource_version.to_string());
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
    run.preflighted = tried_phase(&outcomes).or(run.preflighted);
    run.state = record(&input, run.state.clone(), &outcomes);
    run.stored = false;
    run.last_action_at = Some(now);
    app.make_stale();
}

/// Makes the call that deletes an object which is made again.
pub(crate) fn deletion(uid: &str, resource_version: &str) -> crate::Call {
    crate::Call::Delete {
        uid: uid.to_owned(),
        resource_version: resource_version.to_owned(),
        propagation: PropagationPolicy::Background,
        dry_run: crate::DryRun::No,
    }
}

/// Tells whether an action takes something away, so that it is done when the object is not there.
fn takes_away(action: &ClusterAction) -> bool {
    matches!(action, ClusterAction::Prune { .. } | ClusterAction::DeleteHook { .. } | ClusterAction::ReleaseHook { .. })
}

/// Notes that the API server could not call a webhook for an object, which is then tried again for a while: the webhook may be
/// served by what the same sync deploys.
fn postpones(app: &mut AppState, pending: &PendingAction, error: &kube_object::ApiError, now: Timestamp) -> bool {
    let writes = matches!(pending.action, ClusterAction::Apply { .. } | ClusterAction::RunHook { .. });
    let is_webhook = error.code == 500 && error.message.contains("failed calling webhook");
    let Some(run) = app.run.as_mut().filter(|_| writes && is_webhook && pending.action.mode() == RunMode::Real) else {
        return false;
    };
    let key = pending.action.key().clone();
    let since = run.postponed.get(&key).map_or(now, |(since, _)| *since);
    if now >= since + WEBHOOK_DEADLINE {
        return false;
    }
    let postponed = Postponed { until: now + WEBHOOK_WAIT, message: error.message.clone() };
    run.postponed.insert(key, (since, postponed));
    true
}

/// Says what a refused dry run means: before a phase only a rejection of the object itself counts.
fn refused(action: &ClusterAction, error: kube_object::ApiError) -> ActionResult {
    let is_verdict = matches!(error.code, 400 | 403 | 422);
    if action.mode() == RunMode::Preflight && !is_verdict {
        return ActionResult::Inconclusive;
    }
    ActionResult::Failed(error.message)
}

/// Tells whether the server refuses to change an object that it would take as a new one.
fn is_immutable(error: &kube_object::ApiError) -> bool {
    let says_so = |text: &str| {
        ["immutable", "may not change", "may not be changed", "cannot change", "updates to", "may not update"]
            .iter()
            .any(|word| text.contains(word))
    };
    error.code == 422 && (says_so(&error.message) || error.causes.iter().any(|cause| says_so(&cause.message)))
}

/// Says why an object could not be changed, and what would help where a field cannot change.
fn told(pending: &PendingAction, error: &kube_object::ApiError) -> String {
    let is_apply = matches!(pending.action, ClusterAction::Apply { .. });
    if !is_apply || !is_immutable(error) {
        return error.message.clone();
    }
    let fields: Vec<&str> = error.causes.iter().map(|cause| cause.field.as_str()).filter(|f| !f.is_empty()).collect();
    let field = if fields.is_empty() { "a field".to_owned() } else { fields.join(", ") };
    format!(
        "{}: {field} cannot be changed; with the annotation argocd.argoproj.io/sync-options: Force=true the object would be deleted \
         and made again",
        error.message.trim_end().trim_end_matches('.')
    )
}
