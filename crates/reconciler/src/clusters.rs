//! What is known of a cluster besides its objects: what it serves, what is watched, what a search found (decision 4).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube_object::{ApiError, ApiResource, ApiResources, ClusterId, ClusterVersions, ErrorClass, GroupKind, Gvk};

use crate::sweeps::{Sweep, is_searched};
use crate::{AppKey, Effect};

/// How long a watch is kept after the last Application stopped needing it. It is longer than the result of a search holds, so that
/// what an Application leaves behind is known from a watch or from a search.
const IDLE_WATCH: SignedDuration = SignedDuration::from_mins(15);
/// Discoveries after a kind was defined.
const SETTLING: usize = 3;
/// Waits between discoveries while a kind is awaited or discovery fails.
pub(crate) const DISCOVERY_WAITS: [i64; 6] = [1, 2, 5, 10, 30, 60];

/// One cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) id: ClusterId,
    /// What the API server serves; none before the first discovery.
    pub(crate) served: Option<Arc<ApiResources>>,
    /// What templates are told of it.
    pub(crate) versions: Arc<ClusterVersions>,
    /// Counts discoveries that changed something.
    pub(crate) generation: u64,
    discovery: Discovery,
    kinds: HashMap<GroupKind, Kind>,
    /// Sorted.
    wants: HashMap<AppKey, Box<[Gvk]>>,
    pub(crate) sweep: Sweep,
}

#[derive(Debug, Default)]
struct Discovery {
    in_flight: bool,
    again: bool,
    next: Option<Timestamp>,
    waits: usize,
    failure: Option<ApiError>,
    waiting: BTreeSet<AppKey>,
    /// What is known may be old, and no newer answer has come.
    doubted: bool,
    /// How often it is asked again, because a kind was just defined and may not be served yet.
    settling: usize,
}

#[derive(Debug)]
struct Kind {
    gvk: Gvk,
    listed: bool,
    failure: Option<ApiError>,
    /// Failures in a row.
    failures: u32,
    wanted_by: BTreeSet<AppKey>,
    /// Kinds the loop itself needs are never given up.
    permanent: bool,
    idle_since: Option<Timestamp>,
}

/// Whether the live objects of kinds are known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Kinds whose first list is not complete.
    pub(crate) listing: Vec<GroupKind>,
    /// Those of them whose watch fails at present, with why.
    pub(crate) failing: Vec<(GroupKind, String)>,
}

impl Cluster {
    pub(crate) fn new(id: ClusterId) -> Self {
        Self {
            id,
            served: None,
            versions: Arc::default(),
            generation: 0,
            discovery: Discovery::default(),
            kinds: HashMap::new(),
            wants: HashMap::new(),
            sweep: Sweep::default(),
        }
    }

    /// Asks what the cluster serves, at once.
    pub(crate) fn discover(&mut self, now: Timestamp) {
        if self.discovery.in_flight {
            self.discovery.again = true;
        } else {
            self.discovery.next = Some(now);
        }
    }

    /// Asks what the cluster serves after a kind was defined, changed or removed: at once, and a few times more, since the answer may
    /// lag behind.
    pub(crate) fn discover_defined(&mut self, now: Timestamp) {
        self.discovery.settling = SETTLING;
        // What was asked before says nothing about the new kind.
        self.discovery.waits = 0;
        self.discover(now);
    }

    /// Asks what the cluster serves anew, because nobody looked for a while: what is known counts no longer.
    pub(crate) fn doubt(&mut self, now: Timestamp) {
        if self.served.is_some() {
            self.discovery.doubted = true;
            self.discover(now);
        }
    }

    /// Tells whether it is not known what the cluster serves.
    pub(crate) fn is_unknown(&self) -> bool {
        self.served.is_none() || self.discovery.doubted
    }

    /// Tells whether discovery could not reach a group of which nothing is known from before either.
    pub(crate) fn has_unseen_groups(&self) -> bool {
        let Some(served) = &self.served else { return true };
        let group_of = |group_version: &String| group_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let mut unreachable = served.incomplete().iter().map(group_of);
        unreachable.any(|group| !served.all().any(|resource| *resource.gvk.group == *group))
    }

    /// Notes that an Application needs a kind that is not served; discovery is repeated with growing waits.
    pub(crate) fn await_kind(&mut self, app: &AppKey, now: Timestamp) {
        self.discovery.waiting.insert(app.clone());
        if !self.discovery.in_flight && self.discovery.next.is_none() {
            self.discovery.next = Some(now + self.discovery_wait());
        }
    }

    fn discovery_wait(&mut self) -> SignedDuration {
        let wait = DISCOVERY_WAITS[self.discovery.waits.min(DISCOVERY_WAITS.len() - 1)];
        self.discovery.waits += 1;
        SignedDuration::from_secs(wait)
    }

    /// Takes in an answer of discovery; answers with the Applications that waited for it.
    pub(crate) fn discovered(
        &mut self,
        result: Result<Box<ApiResources>, ApiError>,
        now: Timestamp,
    ) -> BTreeSet<AppKey> {
        let woken = self.take_discovered(result, now);
        if self.discovery.settling > 0 {
            let soon = now + SignedDuration::from_secs(DISCOVERY_WAITS[SETTLING - self.discovery.settling]);
            self.discovery.settling -= 1;
            // Several changes of a definition in a row make other waits long.
            self.discovery.next = Some(self.discovery.next.map_or(soon, |next| next.min(soon)));
        }
        woken
    }

    fn take_discovered(&mut self, result: Result<Box<ApiResources>, ApiError>, now: Timestamp) -> BTreeSet<AppKey> {
        let discovery = &mut self.discovery;
        discovery.in_flight = false;
        discovery.next = std::mem::take(&mut discovery.again).then_some(now);
        match result {
            Ok(served) => {
                discovery.failure = None;
                // An answer to a question from before the doubt does not end it.
                discovery.doubted &= discovery.next.is_some();
                let served = with_unreachable(*served, self.served.as_deref());
                if self.served.as_deref() == Some(&served) {
                    return if self.discovery.waiting.is_empty() {
                        // Nothing is missing: what comes next is a new trouble.
                        self.discovery.waits = 0;
                        BTreeSet::new()
                    } else {
                        self.rediscover_later(now)
                    };
                }
                self.versions = Arc::new(served.cluster_versions());
                self.served = Some(Arc::from(served));
                self.generation += 1;
                self.discovery.waits = 0;
                std::mem::take(&mut self.discovery.waiting)
            }
            Err(error) => {
                discovery.failure = Some(error);
                self.rediscover_later(now)
            }
        }
    }

    fn rediscover_later(&mut self, now: Timestamp) -> BTreeSet<AppKey> {
        let wait = self.discovery_wait();
        self.discovery.next.get_or_insert(now + wait);
        std::mem::take(&mut self.discovery.waiting)
    }

    /// Says why the cluster cannot be asked what it serves, if so.
    pub(crate) fn discovery_failure(&self) -> Option<&ApiError> {
        self.discovery.failure.as_ref()
    }

    /// Watches a kind that the loop itself needs.
    pub(crate) fn watch_always(&mut self, gvk: &Gvk, effects: &mut Vec<Effect>) {
        self.start(gvk, effects);
        if let Some(kind) = self.kinds.get_mut(&gvk.group_kind()) {
            kind.permanent = true;
        }
    }

    /// Sets the kinds that an Application needs watched; tells which are not listed yet. Kinds that are not served count as known.
    pub(crate) fn want(
        &mut self,
        app: &AppKey,
        gvks: BTreeSet<Gvk>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Readiness {
        let is_same = self.wants.get(app).map_or(gvks.is_empty(), |before| before.iter().eq(&gvks));
        if !is_same {
            let before = self.wants.remove(app).unwrap_or_default();
            let before: BTreeSet<Gvk> = before.into_iter().collect();
            for gvk in before.difference(&gvks) {
                self.release(app, gvk, now);
            }
            for gvk in gvks.difference(&before) {
                self.start(gvk, effects);
            }
        }
        let mut readiness = Readiness::default();
        for gvk in &gvks {
            if !self.kinds.contains_key(&gvk.group_kind()) {
                self.start(gvk, effects);
            }
            if self.is_out_of_sight(gvk) {
                readiness.listing.push(gvk.group_kind());
                readiness.failing.push((gvk.group_kind(), format!("the API server does not answer for {}", gvk.group)));
            }
            let Some(kind) = self.kinds.get_mut(&gvk.group_kind()) else { continue };
            kind.idle_since = None;
            if !kind.wanted_by.contains(app) {
                kind.wanted_by.insert(app.clone());
            }
            if !kind.listed {
                readiness.listing.push(gvk.group_kind());
                if let Some(failure) = &kind.failure {
                    readiness.failing.push((gvk.group_kind(), failure.message.clone()));
                }
            }
        }
        if !is_same && !gvks.is_empty() {
            self.wants.insert(app.clone(), gvks.into_iter().collect());
        }
        readiness
    }

    /// Tells whether a kind is not known to be served only because discovery cannot reach its group.
    pub(crate) fn is_out_of_sight(&self, gvk: &Gvk) -> bool {
        let Some(served) = &self.served else { return false };
        !served.serves(&gvk.group_kind()) && !served.knows_group(&gvk.group) && !self.is_watched(&gvk.group_kind())
    }

    fn start(&mut self, gvk: &Gvk, effects: &mut Vec<Effect>) {
        let Some(served) = &self.served else { return };
        if self.kinds.contains_key(&gvk.group_kind()) {
            return;
        }
        let resource =
            served.get(gvk).filter(|resource| resource.is_watchable()).or_else(|| served.preferred(&gvk.group_kind()));
        let Some(resource) = resource.filter(|resource| resource.is_watchable()) else { return };
        let kind = Kind {
            gvk: resource.gvk.clone(),
            listed: false,
            failure: None,
            failures: 0,
            wanted_by: BTreeSet::new(),
            permanent: false,
            idle_since: None,
        };
        self.kinds.insert(gvk.group_kind(), kind);
        effects.push(Effect::StartWatch { cluster: self.id.clone(), resource: resource.clone() });
    }

    fn release(&mut self, app: &AppKey, gvk: &Gvk, now: Timestamp) {
        if let Some(kind) = self.kinds.get_mut(&gvk.group_kind()) {
            kind.wanted_by.remove(app);
            if kind.wanted_by.is_empty() {
                kind.idle_since = Some(now);
            }
        }
    }

    /// Stops watches that nobody has needed for a while; returns their kinds.
    pub(crate) fn stop_idle(&mut self, now: Timestamp, effects: &mut Vec<Effect>) -> Vec<GroupKind> {
        let idle: Vec<GroupKind> = self
            .kinds
            .iter()
            .filter(|(_, kind)| {
                !kind.permanent && kind.idle_since.is_some_and(|since| now.duration_since(since) > IDLE_WATCH)
            })
            .map(|(group_kind, _)| group_kind.clone())
            .collect();
        for group_kind in &idle {
            self.kinds.remove(group_kind);
            effects.push(Effect::StopWatch { cluster: self.id.clone(), group_kind: group_kind.clone() });
        }
        idle
    }

    /// Tells whether a kind is watched.
    pub(crate) fn is_watched(&self, group_kind: &GroupKind) -> bool {
        self.kinds.contains_key(group_kind)
    }

    /// Lets go of everything that an Application needs.
    pub(crate) fn forget(&mut self, app: &AppKey, now: Timestamp) {
        for gvk in self.wants.remove(app).unwrap_or_default() {
            self.release(app, &gvk, now);
        }
        self.discovery.waiting.remove(app);
        self.sweep.waiting.remove(app);
    }

    /// Returns the version a kind is watched in.
    pub(crate) fn watched_version(&self, group_kind: &GroupKind) -> Option<&Gvk> {
        self.kinds.get(group_kind).map(|kind| &kind.gvk)
    }

    /// Notes that a kind's list is complete; returns who waited for it.
    pub(crate) fn listed(&mut self, group_kind: &GroupKind) -> BTreeSet<AppKey> {
        let Some(kind) = self.kinds.get_mut(group_kind) else { return BTreeSet::new() };
        kind.failure = None;
        kind.failures = 0;
        let first = !std::mem::replace(&mut kind.listed, true);
        if first { kind.wanted_by.clone() } else { BTreeSet::new() }
    }

    /// Tells whether a kind's first list is complete.
    pub(crate) fn is_listed(&self, group_kind: &GroupKind) -> bool {
        self.kinds.get(group_kind).is_some_and(|kind| kind.listed)
    }

    /// Notes that a watch goes on.
    pub(crate) fn watch_resumed(&mut self, group_kind: &GroupKind) {
        if let Some(kind) = self.kinds.get_mut(group_kind) {
            kind.failure = None;
            kind.failures = 0;
        }
    }

    /// Notes that a watch fails; returns who waits for its first list.
    ///
    /// A passing failure counts from the second in a row: a kind that was defined a moment ago has no storage yet.
    pub(crate) fn watch_failed(&mut self, group_kind: &GroupKind, error: ApiError) -> BTreeSet<AppKey> {
        let Some(kind) = self.kinds.get_mut(group_kind) else { return BTreeSet::new() };
        kind.failures = kind.failures.saturating_add(1);
        if kind.failures == 1 && error.class() == ErrorClass::Retry {
            return BTreeSet::new();
        }
        let first = kind.failure.is_none();
        kind.failure = Some(error);
        if first && !kind.listed { kind.wanted_by.clone() } else { BTreeSet::new() }
    }

    /// Gives up a kind that is no longer served; returns who needed it.
    ///
    /// Discovery is asked a little later: it may lag behind, and a watch that starts and ends at once must not spin.
    pub(crate) fn kind_gone(
        &mut self,
        group_kind: &GroupKind,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> BTreeSet<AppKey> {
        let Some(kind) = self.kinds.remove(group_kind) else { return BTreeSet::new() };
        effects.push(Effect::StopWatch { cluster: self.id.clone(), group_kind: group_kind.clone() });
        if let Some(served) = &self.served {
            let rest = served.all_preferred().chain(served.all()).filter(|one| one.gvk.group_kind() != *group_kind);
            let rest = ApiResources::new(rest.cloned(), served.server_version());
            self.served = Some(Arc::new(rest.with_incomplete(served.incomplete().to_vec())));
            self.generation += 1;
        }
        if !self.discovery.in_flight && self.discovery.next.is_none() {
            self.discovery.next = Some(now + self.discovery_wait());
        }
        kind.wanted_by
    }

    /// Tells whether the API server was asked what it serves and has not answered.
    pub(crate) fn is_discovering(&self) -> bool {
        self.discovery.in_flight
    }

    /// Returns the kinds that are watched and whose first list is not complete.
    pub(crate) fn unlisted(&self) -> impl Iterator<Item = GroupKind> {
        self.kinds.iter().filter(|(_, kind)| !kind.listed).map(|(group_kind, _)| group_kind.clone())
    }

    /// Starts discoveries and searches that are due.
    pub(crate) fn start_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.discovery.next.is_some_and(|at| at <= now) {
            self.discovery.next = None;
            self.discovery.in_flight = true;
            effects.push(Effect::Discover(self.id.clone()));
        }
        if let Some(served) = &self.served
            && self.sweep.next.is_some_and(|at| at <= now)
        {
            self.sweep.next = None;
            self.sweep.in_flight = true;
            let resources: Vec<ApiResource> =
                served.all_preferred().filter(|resource| is_searched(resource)).cloned().collect();
            effects.push(Effect::Sweep { cluster: self.id.clone(), resources });
        }
    }

    /// Returns when something is due next.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        let idle = self.kinds.values().filter(|kind| !kind.permanent).filter_map(|kind| kind.idle_since).min();
        [self.discovery.next, self.sweep.next, idle.map(|at| at + IDLE_WATCH + SignedDuration::from_secs(1))]
            .into_iter()
            .flatten()
            .min()
    }
}

/// Adds what was known of groups that this discovery could not reach: their absence is not knowledge.
fn with_unreachable(served: ApiResources, before: Option<&ApiResources>) -> ApiResources {
    let Some(before) = before.filter(|_| !served.incomplete().is_empty()) else { return served };
    let lost =
        |resource: &&ApiResource| !served.knows_group(&resource.gvk.group) && served.get(&resource.gvk).is_none();
    // Preferred versions come first.
    let known = || served.all_preferred().chain(served.all());
    let lost = before.all_preferred().filter(lost).chain(before.all().filter(lost));
    ApiResources::new(known().chain(lost).cloned(), served.server_version())
        .with_incomplete(served.incomplete().to_vec())
}

#[cfg(test)]
mod tests;
