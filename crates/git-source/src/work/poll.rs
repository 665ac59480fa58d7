use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use application_api::RepoUrl;
use gix::ObjectId;

use super::{Work, local_error};
use crate::{
    CommitId, GitError, GitOptions, GitStep, RevisionName, Traffic,
    mirror::{self, Broken, Mirror, write_shallow},
    remote::{Depth, FetchFailure, Remote, Route},
    revision::{References, Resolution, prefixes, resolve},
};

/// What a poll has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollResult {
    /// The commit of each revision that was asked for, in that order; it is there to be read.
    pub commits: Vec<(RevisionName, Result<CommitId, GitError>)>,
    /// What it has cost.
    pub traffic: Traffic,
}

/// Limits of one poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) list: Duration,
    pub(crate) fetch: Duration,
    pub(crate) end: Instant,
}

impl Limits {
    pub(crate) fn new(options: &GitOptions, end: Instant) -> Self {
        Self { list: options.list_timeout, fetch: options.fetch_timeout, end }
    }
}

/// One poll in progress.
struct Poll<'a> {
    route: &'a Route,
    limits: Limits,
    lists: u32,
    fetches: u32,
    /// The object to ask for to get a commit: the tag, where only that is advertised.
    advertised: BTreeMap<ObjectId, ObjectId>,
    /// A connection that nothing but listing was done with.
    session: Option<Remote>,
}

impl Work {
    /// Resolves revisions at a server and fetches the commits that are not in the mirror.
    pub(crate) fn poll(
        &mut self,
        route: &Route,
        limits: Limits,
        wanted: &[RevisionName],
    ) -> Result<PollResult, GitError> {
        self.open()?;
        let mut poll = Poll { route, limits, lists: 0, fetches: 0, advertised: BTreeMap::new(), session: None };
        let prefixes = prefixes(wanted);
        let references = if prefixes.is_empty() { References::new() } else { poll.list(&prefixes)? };
        let resolutions: Vec<Resolution> = wanted.iter().map(|revision| resolve(revision, &references)).collect();
        let missing: BTreeSet<ObjectId> = resolutions
            .iter()
            .filter_map(|resolution| match resolution {
                Resolution::Commit(id) if !self.contains(id) => Some(*id),
                _ => None,
            })
            .collect();
        let failures = if missing.is_empty() { BTreeMap::new() } else { self.obtain(&mut poll, &missing) };
        let mut commits = Vec::new();
        for (revision, resolution) in wanted.iter().zip(resolutions) {
            commits.push((revision.clone(), self.outcome(&mut poll, revision, resolution, &failures)));
        }
        let found = commits.iter().filter_map(|(_, commit)| commit.as_ref().ok());
        let found: BTreeSet<ObjectId> = found.map(|commit| commit.0).collect();
        if !found.is_subset(&self.pins) {
            self.pins.extend(found);
            self.write_pins()?;
        }
        Ok(PollResult { commits, traffic: route.watchdog.traffic(poll.lists, poll.fetches) })
    }

    fn outcome(
        &mut self,
        poll: &mut Poll<'_>,
        revision: &RevisionName,
        resolution: Resolution,
        failures: &BTreeMap<ObjectId, GitError>,
    ) -> Result<CommitId, GitError> {
        let commit = match resolution {
            Resolution::Commit(id) => match failures.get(&id) {
                Some(error) => return Err(error.clone()),
                None => Some(id),
            },
            Resolution::Abbreviated(digits) => {
                let mut commit = self.objects().map_or(Ok(None), |objects| self.only_commit(&objects, &digits))?;
                if commit.is_none() {
                    self.fetch_everything(poll).map_err(FetchFailure::into_error)?;
                    commit = self.objects().map_or(Ok(None), |objects| self.only_commit(&objects, &digits))?;
                }
                commit
            }
            Resolution::Unknown => None,
        };
        match self.objects() {
            Some(objects) => self.existing(&objects, revision, commit),
            None => Err(self.not_found(revision)),
        }
    }

    /// Fetches commits; returns an error for each that did not come.
    fn obtain(&mut self, poll: &mut Poll<'_>, missing: &BTreeSet<ObjectId>) -> BTreeMap<ObjectId, GitError> {
        let mut failures = BTreeMap::new();
        let mut unlisted = BTreeSet::new();
        match self.fetch(poll, missing, Depth::Commits) {
            Ok(()) => {}
            Err(FetchFailure::Failed(error)) => {
                failures.extend(missing.iter().map(|id| (*id, error.clone())));
            }
            // One commit that the server does not give must not keep the others away.
            Err(FetchFailure::Refused(error)) => {
                let (listed, rest) = missing.iter().partition::<BTreeSet<_>, _>(|id| poll.advertised.contains_key(*id));
                unlisted = rest;
                if !listed.is_empty() {
                    let result = if unlisted.is_empty() {
                        Err(FetchFailure::Refused(error))
                    } else {
                        self.fetch(poll, &listed, Depth::Commits)
                    };
                    if let Err(error) = result.map_err(FetchFailure::into_error) {
                        failures.extend(listed.iter().map(|id| (*id, error.clone())));
                    }
                }
            }
        }
        if unlisted.len() > 1 {
            unlisted.retain(|id| match self.fetch(poll, &BTreeSet::from([*id]), Depth::Commits) {
                Ok(()) => false,
                Err(FetchFailure::Refused(_)) => true,
                Err(FetchFailure::Failed(error)) => {
                    failures.insert(*id, error);
                    false
                }
            });
        }
        // Servers need not give what no reference points to, but they give all that is reachable.
        if !unlisted.is_empty()
            && let Err(error) = self.fetch_everything(poll).map_err(FetchFailure::into_error)
        {
            failures.extend(unlisted.iter().map(|id| (*id, error.clone())));
        }
        failures
    }

    /// Fetches all branches and tags with their history, unless they are as they were when that was done last.
    fn fetch_everything(&mut self, poll: &mut Poll<'_>) -> Result<(), FetchFailure> {
        let prefixes = ["refs/heads/", "refs/tags/"].map(str::to_owned).into();
        let references = poll.list(&prefixes).map_err(FetchFailure::Failed)?;
        let tips: BTreeSet<ObjectId> = references.values().map(|tip| tip.advertised).collect();
        if tips.is_empty() || self.exhausted.as_ref() == Some(&tips) {
            return Ok(());
        }
        self.fetch(poll, &tips, Depth::Everything)?;
        self.exhausted = Some(tips);
        Ok(())
    }

    fn fetch(&mut self, poll: &mut Poll<'_>, wanted: &BTreeSet<ObjectId>, depth: Depth) -> Result<(), FetchFailure> {
        if self.mirror.is_some() {
            return self.fetch_into_mirror(poll, wanted, depth);
        }
        let all: BTreeSet<ObjectId> = wanted.union(&self.pins).copied().collect();
        match self.fetch_new_mirror(poll, &all, depth) {
            // What was in force before may be gone from the server.
            Err(FetchFailure::Refused(_)) if all.len() > wanted.len() => self.fetch_new_mirror(poll, wanted, depth),
            result => result,
        }
    }

    fn fetch_into_mirror(
        &mut self,
        poll: &mut Poll<'_>,
        wanted: &BTreeSet<ObjectId>,
        depth: Depth,
    ) -> Result<(), FetchFailure> {
        let Some(mirror) = &mut self.mirror else { return Ok(()) };
        let local = |url: &RepoUrl, path: &Path, error: Broken| {
            FetchFailure::Failed(local_error(url, GitStep::Fetch, path, &*error))
        };
        let mut haves = BTreeSet::new();
        let mut shallow = Vec::new();
        for pin in &self.pins {
            if let Ok(Some(commit)) = mirror.objects().commit(pin) {
                haves.insert(*pin);
                shallow.extend(commit.has_parents.then_some(*pin));
            }
        }
        let directory = mirror.directory().to_owned();
        write_shallow(&directory, &shallow).map_err(|error| local(&self.url, &directory, error.into()))?;
        let handle = mirror.objects().handle();
        let result = poll.fetch(&directory, handle, wanted, &haves, depth);
        // Even a fetch that failed may have left a pack.
        mirror.reopen(&self.trees).map_err(|error| local(&self.url, &directory, error))?;
        self.current.send_replace(Some(Arc::clone(mirror.objects())));
        result
    }

    fn fetch_new_mirror(
        &mut self,
        poll: &mut Poll<'_>,
        wanted: &BTreeSet<ObjectId>,
        depth: Depth,
    ) -> Result<(), FetchFailure> {
        let url = self.url.clone();
        let root = self.root.clone();
        let mirror = Mirror::build(&root, self.number, &self.trees, |part| {
            let handle = mirror::open(part)?.objects.to_cache_arc();
            poll.fetch(part, handle, wanted, &BTreeSet::new(), depth).map_err(BuildFailure::Fetch)
        });
        let mirror = mirror.map_err(|failure| match failure {
            BuildFailure::Fetch(failure) => failure,
            BuildFailure::Disk(error) => FetchFailure::Failed(local_error(&url, GitStep::Open, &root, &*error)),
        })?;
        tracing::info!(repository = %self.url, number = mirror.number(), "fetched a new mirror");
        self.adopt(mirror);
        let objects = self.objects();
        self.pins.retain(|pin| objects.as_ref().is_some_and(|objects| objects.contains(pin)));
        self.write_pins().map_err(FetchFailure::Failed)
    }
}

impl Poll<'_> {
    fn list(&mut self, prefixes: &BTreeSet<String>) -> Result<References, GitError> {
        self.route.watchdog.begin(self.limits.list, self.limits.end);
        self.lists += 1;
        let mut remote = Remote::connect(self.route)?;
        let references = remote.list(prefixes)?;
        self.session = Some(remote);
        self.advertised.extend(references.values().map(|tip| (tip.commit, tip.advertised)));
        Ok(references)
    }

    fn fetch(
        &mut self,
        directory: &Path,
        handle: gix::odb::HandleArc,
        commits: &BTreeSet<ObjectId>,
        haves: &BTreeSet<ObjectId>,
        depth: Depth,
    ) -> Result<(), FetchFailure> {
        self.route.watchdog.begin(self.limits.fetch, self.limits.end);
        self.fetches += 1;
        let mut remote = match self.session.take() {
            Some(remote) => remote,
            None => Remote::connect(self.route).map_err(FetchFailure::Failed)?,
        };
        let wants = commits.iter().map(|id| self.advertised.get(id).copied().unwrap_or(*id)).collect();
        remote.fetch(directory, handle, &wants, haves, depth)
    }
}

enum BuildFailure {
    Fetch(FetchFailure),
    Disk(Broken),
}

impl From<Broken> for BuildFailure {
    fn from(error: Broken) -> Self {
        Self::Disk(error)
    }
}
