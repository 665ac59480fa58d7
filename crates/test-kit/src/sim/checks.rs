//! What must hold of every effect and every write, whatever the schedule.

mod stored;

use kube_object::Object;
use reconciler::{Call, DryRun, Effect};
use serde_json::Value;

use application_api::Reason;

use super::daemon::Daemon;
use super::world::{Rollbacks, World};

impl World {
    /// Notes a delete of an object that an Application renders, as far as the loop knows, or that nothing may delete.
    pub(super) fn watch_over(&mut self, at: usize, effect: &Effect) {
        let Effect::Request { app, request, .. } = effect else { return };
        if !matches!(request.call, Call::Delete { dry_run: DryRun::No, .. }) {
            return;
        }
        if self.protected.contains(&request.key) {
            self.wrong_deletes.push(format!("{app} deletes {}, which every commit has", request.key));
        }
        let others = self.daemons[at].state.renderers(&request.key);
        let wrong: Vec<String> = others
            .filter(|other| self.rollbacks == Rollbacks::None || *other != app)
            .map(|other| format!("{app} deletes {} of {other}", request.key))
            .collect();
        self.wrong_deletes.extend(wrong);
    }

    /// Checks a version of an Application that a daemon has stored against the version before.
    pub(super) fn check_write(&self, before: &Object, after: &Object, patch: &Value) {
        if let Err(problem) = stored::check(before, after) {
            panic!("{}: {problem}\npatch: {patch}\nbefore: {}\nafter: {}", before.name(), shown(before), shown(after));
        }
    }

    /// Checks that an apply of an Application as a child leaves alone what is not in Git.
    pub(super) fn check_apply(&self, before: &Object, after: &Object) {
        for field in ["status", "operation"] {
            assert_eq!(before.get(&[field]), after.get(&[field]), "an apply of {} changes its {field}", before.name());
        }
    }

    /// When nothing is on its way, nothing may be waited for, and what waits has something to wake it.
    pub(super) fn check_rest(&self) {
        for daemon in self.daemons.iter().filter(|daemon| daemon.held.is_empty() && !daemon.has_late_mail()) {
            let unanswered = daemon.unanswered();
            assert!(unanswered.is_empty(), "answers are awaited that nobody gives: {unanswered:?}");
            let wake = daemon.state.next_wake();
            assert!(
                wake.is_none_or(|at| at > self.now),
                "something is due that was not done: {wake:?} at {}",
                self.now
            );
            check_wakes(daemon);
        }
    }
}

/// Checks that what is only a matter of time has a time.
fn check_wakes(daemon: &Daemon) {
    for app in daemon.state.applications() {
        let Some(reason) = daemon.state.reason(app) else { continue };
        let is_timed = matches!(
            reason,
            Reason::Rendering { .. }
                | Reason::DryRunning { .. }
                | Reason::PrunesHeld
                | Reason::RetryWaiting { .. }
                | Reason::WriteFailed { .. }
                | Reason::SelfHealBackoff { .. }
        );
        assert!(!is_timed || daemon.state.wake_of(app).is_some(), "nothing wakes {app}: {reason:?}");
    }
}

fn shown(object: &Object) -> String {
    let mut object = object.clone();
    object.metadata_map_mut().remove("managedFields");
    object.into_value().to_string()
}
