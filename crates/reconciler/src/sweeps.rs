//! Searching a cluster for the objects of Applications in all kinds (decision 4).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube_object::{ApiError, ApiResource, Gvk, InstanceName};

use crate::AppKey;
use crate::clusters::{Cluster, DISCOVERY_WAITS};

/// How long the result of a search holds.
const SWEEP_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// The last search and the next.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    pub(crate) in_flight: bool,
    pub(crate) done_at: Option<Timestamp>,
    pub(crate) next: Option<Timestamp>,
    pub(crate) found: BTreeMap<InstanceName, BTreeSet<Gvk>>,
    pub(crate) failed: Vec<(Gvk, ApiError)>,
    pub(crate) failures: usize,
    pub(crate) waiting: BTreeSet<AppKey>,
}

/// What a search says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Swept<'a> {
    /// It runs or is due.
    Pending,
    /// The kinds in which objects of the Application were found, and the kinds that could not be searched.
    Done { kinds: BTreeSet<Gvk>, failed: &'a [(Gvk, ApiError)] },
}

impl Cluster {
    /// Returns what a recent search says about an Application; asks for one when there is none.
    pub(crate) fn swept(&mut self, app: &AppKey, instance: &InstanceName, now: Timestamp) -> Swept<'_> {
        let valid = self.sweep.done_at.is_some_and(|at| now.duration_since(at) < SWEEP_LIFETIME);
        if !valid {
            self.sweep.waiting.insert(app.clone());
            if !self.sweep.in_flight {
                self.sweep.next.get_or_insert(now);
            }
            return Swept::Pending;
        }
        Swept::Done { kinds: self.sweep.found.get(instance).cloned().unwrap_or_default(), failed: &self.sweep.failed }
    }

    /// Takes in the result of a search; answers with the Applications that waited for it.
    pub(crate) fn take_sweep(
        &mut self,
        started_at: Timestamp,
        found: BTreeMap<InstanceName, BTreeSet<Gvk>>,
        failed: Vec<(Gvk, ApiError)>,
        now: Timestamp,
    ) -> BTreeSet<AppKey> {
        self.sweep.in_flight = false;
        if failed.iter().any(|(_, error)| error.code == 404) {
            // The kind was removed, and nobody watches definitions, or discovery named it longer than it was there.
            self.discover(now);
        }
        let failed = failed.into_iter().chain(self.unsearched()).collect::<Vec<_>>();
        self.sweep.failures = if failed.is_empty() { 0 } else { self.sweep.failures + 1 };
        self.sweep.done_at = Some(started_at);
        self.sweep.found = found;
        self.sweep.failed = failed;
        std::mem::take(&mut self.sweep.waiting)
    }

    /// Returns the groups that a search cannot look at, because discovery cannot reach them.
    fn unsearched(&self) -> Vec<(Gvk, ApiError)> {
        let Some(served) = &self.served else { return Vec::new() };
        let incomplete = served.incomplete().iter().map(|group_version| Gvk::from_api_version(group_version, "*"));
        let error = || ApiError::no_answer("the API server does not say what it serves there");
        incomplete.filter(|gvk| is_searched_group(&gvk.group)).map(|gvk| (gvk, error())).collect()
    }

    /// Searches again although the last search is recent, because kinds were missing in it.
    pub(crate) fn sweep_again(&mut self, app: &AppKey, now: Timestamp) {
        self.sweep.waiting.insert(app.clone());
        if !self.sweep.in_flight && self.sweep.next.is_none() {
            let wait = DISCOVERY_WAITS[self.sweep.failures.min(DISCOVERY_WAITS.len() - 1)];
            self.sweep.next = Some(now + SignedDuration::from_secs(wait));
        }
        if !self.unsearched().is_empty() {
            self.await_kind(app, now);
        }
    }
}

/// Tells whether a search looks at a kind: what is never managed is left out (Argo CD's core exclusions).
pub(crate) fn is_searched(resource: &ApiResource) -> bool {
    let group = resource.gvk.group.as_str();
    resource.has_verb("list")
        && is_searched_group(group)
        && !(group.is_empty() && resource.gvk.kind == "Event"
            || group == "coordination.k8s.io" && resource.gvk.kind == "Lease")
}

fn is_searched_group(group: &str) -> bool {
    group != "events.k8s.io" && !group.ends_with("metrics.k8s.io")
}
