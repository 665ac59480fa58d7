//! Trying out the objects of a sync that failed for good: the first that would be accepted now starts one new operation.

use std::collections::{BTreeSet, HashMap};

use app_compare::TargetKind;
use application_api::{Application, Info, Operation, Reason};
use jiff::Timestamp;
use kube_object::{GroupKind, Gvk, ObjectKey};
use sync_plan::{ClusterAction, RunMode, failed_objects, next_trial};

use crate::app::AppState;
use crate::plan::started;
use crate::spec::Spec;
use crate::state::State;
use crate::status::{Draft, OperationWrite};
use crate::{Answer, Effect, Ticket};

/// Objects that are tried out at once.
const MOST: usize = 10;

/// What is remembered of the trials of one Application.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    last: Option<Timestamp>,
    /// Operations that trials have started since the last success or another commit.
    started: u32,
    /// Trials under way.
    waiting: HashMap<Ticket, ObjectKey>,
    /// An object that would be accepted now.
    accepted: Option<ObjectKey>,
    /// Objects that could not be tried out, because their kind or namespace was not there.
    absent: BTreeSet<ObjectKey>,
    /// The commit that it is about.
    commit: String,
}

impl State {
    /// Goes on with the trials of a failed sync; answers with the write that starts an operation, if one is to start.
    pub(crate) fn probe(
        &mut self,
        app: &mut AppState,
        (application, spec): (&Application, &Spec),
        (reason, operation): (Reason, Operation),
        now: Timestamp,
    ) -> Option<Draft> {
        app.reason = Some(reason);
        let state = application.status.as_ref()?.operation_state.as_ref()?;
        let failed = failed_objects(state);
        let keys: Vec<ObjectKey> = failed
            .iter()
            .map(|row| {
                let kind = GroupKind::new(&*row.group, &*row.kind);
                ObjectKey::new(spec.cluster.clone(), kind, &*row.namespace, &*row.name)
            })
            .filter(|key| {
                app.main.targets.as_ref().and_then(|targets| targets.get(key)).is_some_and(|t| t.refusal.is_none())
            })
            .collect();
        if keys.is_empty() || self.blocked(app, &operation).is_some() {
            return None;
        }
        if Self::blocked_by_window(app, application, spec, &operation, now).is_some() {
            return None;
        }
        let finished_at = state.finished_at?.timestamp();
        let commit = app.main.commit.clone();
        let probe = app.probe.get_or_insert_default();
        if probe.commit != commit {
            **probe = Probe { commit, ..Probe::default() };
        }
        if !probe.waiting.is_empty() {
            return None;
        }
        if let Some(accepted) = probe.accepted.take() {
            probe.started += 1;
            let mut operation = operation;
            let value = format!("{accepted} would be accepted now");
            operation.info = vec![Info { name: "Reason".to_owned(), value }];
            let state = started(app, application, &operation, now);
            return Some(self.start(app, application, state, OperationWrite::Set(Box::new(operation))));
        }
        self.try_out(app, application, spec, &keys, finished_at, now);
        None
    }

    /// Tries objects out, if that is due: by time, or because the kind or namespace of one has come.
    fn try_out(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        keys: &[ObjectKey],
        finished_at: Timestamp,
        now: Timestamp,
    ) {
        // Somebody has to hear of a namespace that comes.
        self.cluster.watch_always(&Gvk::new("", "v1", "Namespace"), &mut self.effects);
        let absent: BTreeSet<ObjectKey> = keys.iter().filter(|key| !self.can_be_tried(app, key)).cloned().collect();
        let retry = application.spec.sync_policy.as_ref().and_then(|policy| policy.retry.as_ref());
        let Some(probe) = app.probe.as_deref_mut() else { return };
        let due = next_trial(retry, probe.started, finished_at, probe.last);
        let has_come = probe.absent.iter().any(|key| keys.contains(key) && !absent.contains(key));
        probe.absent.clone_from(&absent);
        if due > now && !has_come {
            app.wake(due);
            if let Some(Reason::LastSyncFailed { tried_out_at, .. }) = &mut app.reason {
                *tried_out_at = Some(due);
            }
            return;
        }
        probe.last = Some(now);
        let mut sent = Vec::new();
        for key in keys.iter().filter(|key| !absent.contains(*key)).take(MOST) {
            let phase = application_api::SyncPhase::Sync;
            let action = ClusterAction::Apply { key: key.clone(), phase, mode: RunMode::DryRun };
            if let Some(request) = self.request_of(app, spec, &action, None) {
                sent.push((self.ticket(), key.clone()));
                let ticket = sent[sent.len() - 1].0;
                self.effects.push(Effect::Request { app: app.key.clone(), ticket, request: Box::new(request) });
            }
        }
        if let Some(probe) = app.probe.as_deref_mut() {
            probe.waiting.extend(sent);
        }
        let next = next_trial(retry, app.probe.as_ref().map_or(0, |probe| probe.started), finished_at, Some(now));
        app.wake(next);
    }

    /// Tells whether the kind and the namespace of an object are there.
    fn can_be_tried(&self, app: &AppState, key: &ObjectKey) -> bool {
        let target = app.main.targets.as_ref().and_then(|targets| targets.get(key));
        let namespace = GroupKind::new("", "Namespace");
        let home = ObjectKey::new(key.cluster.clone(), namespace.clone(), "", &*key.namespace);
        let is_homeless = !key.namespace.is_empty()
            && self.cluster.is_listed(&namespace)
            && self.live.get(&home).is_none_or(|home| home.is_deleting);
        target.is_some_and(|target| target.kind == TargetKind::Served) && !is_homeless
    }

    /// Takes in the answer to a trial; gives it back when it belongs to something else.
    pub(crate) fn take_probe_answer(app: &mut AppState, ticket: Ticket, answer: Answer) -> Option<Answer> {
        let Some(probe) = app.probe.as_deref_mut() else { return Some(answer) };
        let Some(key) = probe.waiting.remove(&ticket) else { return Some(answer) };
        if let Answer::Tried(results) = answer
            && !results.is_empty()
            && results.iter().all(Result::is_ok)
        {
            probe.accepted.get_or_insert(key);
        }
        None
    }

    /// Wakes the Applications that wait to try out an object in a namespace which has come.
    pub(crate) fn wake_for_namespace(&mut self, name: &str) {
        let waits = |app: &AppState| {
            app.probe.as_ref().is_some_and(|probe| probe.absent.iter().any(|key| key.namespace == name))
        };
        let waiting: Vec<_> = self.apps.values().filter(|app| waits(app)).map(|app| app.key.clone()).collect();
        self.dirty.extend(waiting);
    }
}
