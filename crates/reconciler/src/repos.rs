//! One poll per repository, whatever number of Applications looks at it (decision 1).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use application_api::RepoKind;
use jiff::{SignedDuration, Timestamp};

use crate::jitter::jitter;
use crate::{AppKey, Effect, RepoFailure, SourceRepo};

/// First wait after a failed poll; it doubles up to the poll interval or [`LONGEST_WAIT`], whichever is longer.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(2);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(60);

/// All repositories that Applications look at.
#[derive(Debug, Default)]
pub(crate) struct Repos {
    all: HashMap<SourceRepo, Repo>,
    /// Sorted, as what each Application holds.
    wants: HashMap<AppKey, Box<[(SourceRepo, String)]>>,
    holds: HashMap<AppKey, Box<[(SourceRepo, String)]>>,
    next_poll: BTreeSet<(Timestamp, SourceRepo)>,
    /// A repository is looked at no longer.
    dropped: bool,
    /// Repositories whose commits in force have changed since they were pinned.
    unpinned: BTreeSet<SourceRepo>,
}

#[derive(Debug)]
struct Repo {
    wanted: BTreeMap<String, BTreeSet<AppKey>>,
    commits: HashMap<String, Result<String, String>>,
    verified_at: Option<Timestamp>,
    failure: Option<Failure>,
    in_flight: bool,
    /// A poll was asked for while one was in flight.
    again: bool,
    next_poll: Timestamp,
    waiting: BTreeSet<AppKey>,
    /// Commits in force, with how many Applications have them.
    held: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Failure {
    message: String,
    since: Timestamp,
    at: Timestamp,
    count: u32,
}

/// What is known of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The answer of a poll is awaited.
    Pending,
    /// The commit, as of the last good poll.
    Commit {
        commit: String,
        /// Set when the last poll failed: the repository may have moved on.
        doubt: Option<Doubt>,
    },
    /// The repository does not have the revision.
    Unknown(String),
    /// The repository was never read.
    Failed(Doubt),
}

/// What the last polls say of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known<C> {
    /// Its commit.
    Commit(C),
    /// No answer yet.
    Awaited,
    /// The repository does not have it.
    Absent,
    /// The repository cannot be read, and could not since the revision was first asked for.
    Unreadable,
}

/// A repository that cannot be read at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) message: String,
    pub(crate) since: Timestamp,
    pub(crate) next_attempt: Timestamp,
}

impl Repos {
    /// Sets what one Application looks at, and lets go of what it looked at before.
    pub(crate) fn want(&mut self, app: &AppKey, wants: &BTreeSet<(SourceRepo, String)>, now: Timestamp) {
        if self.wants.get(app).map_or(wants.is_empty(), |before| before.iter().eq(wants)) {
            return;
        }
        let before: BTreeSet<(SourceRepo, String)> = self.wants.remove(app).unwrap_or_default().into_iter().collect();
        for (url, revision) in before.difference(wants) {
            self.release_one(app, url, revision);
        }
        for (url, revision) in wants.difference(&before) {
            let repo = self.all.entry(url.clone()).or_insert_with(|| Repo::new(now));
            let known = repo.commits.contains_key(revision);
            repo.wanted.entry(revision.clone()).or_default().insert(app.clone());
            if !known {
                self.ask(url, now);
            }
        }
        if !wants.is_empty() {
            self.wants.insert(app.clone(), wants.iter().cloned().collect());
        }
    }

    /// Polls a repository as soon as possible.
    pub(crate) fn ask(&mut self, url: &SourceRepo, now: Timestamp) {
        let Some(repo) = self.all.get_mut(url) else { return };
        if repo.in_flight {
            repo.again = true;
        } else {
            self.next_poll.remove(&(repo.next_poll, url.clone()));
            repo.next_poll = now;
            self.next_poll.insert((now, url.clone()));
        }
    }

    /// Sets the commits that one Application has in force.
    pub(crate) fn hold(&mut self, app: &AppKey, commits: BTreeSet<(SourceRepo, String)>) {
        if self.holds.get(app).map_or(commits.is_empty(), |before| before.iter().eq(&commits)) {
            return;
        }
        let before: BTreeSet<(SourceRepo, String)> = self.holds.remove(app).unwrap_or_default().into_iter().collect();
        for (url, commit) in commits.difference(&before) {
            let Some(repo) = self.all.get_mut(url) else { continue };
            *repo.held.entry(commit.clone()).or_default() += 1;
            self.unpinned.insert(url.clone());
        }
        for (url, commit) in before.difference(&commits) {
            let Some(repo) = self.all.get_mut(url) else { continue };
            if let Some(count) = repo.held.get_mut(commit) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    repo.held.remove(commit);
                }
            }
            self.unpinned.insert(url.clone());
        }
        if !commits.is_empty() {
            self.holds.insert(app.clone(), commits.into_iter().collect());
        }
    }

    /// Finds the commit of a revision; `fresh_since` asks for an answer of a poll that began no earlier.
    pub(crate) fn look_up(
        &mut self,
        app: &AppKey,
        url: &SourceRepo,
        revision: &str,
        fresh_since: Option<Timestamp>,
    ) -> Lookup {
        let Some(repo) = self.all.get_mut(url) else { return Lookup::Pending };
        let doubt = repo.failure.as_ref().map(|failure| Doubt {
            message: failure.message.clone(),
            since: failure.since,
            next_attempt: repo.next_poll,
        });
        let last_answer = repo.failure.as_ref().map(|failure| failure.at).max(repo.verified_at);
        let fresh = fresh_since.is_none_or(|since| last_answer.is_some_and(|at| at >= since));
        let found = match (repo.commits.get(revision), doubt) {
            _ if !fresh => Lookup::Pending,
            (Some(Ok(commit)), doubt) => Lookup::Commit { commit: commit.clone(), doubt },
            (Some(Err(message)), None) => Lookup::Unknown(message.clone()),
            (None, None) => Lookup::Pending,
            (_, Some(doubt)) => Lookup::Failed(doubt),
        };
        if found == Lookup::Pending {
            repo.waiting.insert(app.clone());
        }
        found
    }

    /// Says what is known of a revision, without asking for more.
    pub(crate) fn known(&self, url: &SourceRepo, revision: &str) -> Known<&str> {
        let Some(repo) = self.all.get(url) else { return Known::Awaited };
        match repo.commits.get(revision) {
            Some(Ok(commit)) => Known::Commit(commit),
            None if repo.failure.is_none() => Known::Awaited,
            None => Known::Unreadable,
            Some(Err(_)) => Known::Absent,
        }
    }

    /// Starts the polls that are due.
    pub(crate) fn start_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some((at, url)) = self.next_poll.first().cloned() {
            if at > now {
                break;
            }
            self.next_poll.remove(&(at, url.clone()));
            let Some(repo) = self.all.get_mut(&url) else { continue };
            repo.in_flight = true;
            repo.again = false;
            effects.push(Effect::PollRepo { repo: url, revisions: repo.wanted.keys().cloned().collect() });
        }
    }

    /// Takes in the outcome of a poll; answers with the Applications that have to look again.
    pub(crate) fn polled(
        &mut self,
        url: &SourceRepo,
        started_at: Timestamp,
        result: Result<BTreeMap<String, Result<String, String>>, RepoFailure>,
        interval: Interval,
        now: Timestamp,
    ) -> BTreeSet<AppKey> {
        let Some(repo) = self.all.get_mut(url) else { return BTreeSet::new() };
        repo.in_flight = false;
        if repo.wanted.is_empty() {
            self.forget(url);
            return BTreeSet::new();
        }
        let mut woken = std::mem::take(&mut repo.waiting);
        let wait = match result {
            Ok(commits) => {
                if repo.failure.take().is_some() {
                    woken.extend(repo.wanted.values().flatten().cloned());
                }
                repo.verified_at = Some(started_at);
                woken.extend(repo.take_commits(commits));
                interval.next(url.url.as_str(), now)
            }
            Err(failure) => {
                let before = repo.failure.take();
                // Those who wait say when the next attempt is.
                woken.extend(repo.wanted.values().flatten().cloned());
                let count = before.as_ref().map_or(0, |before| before.count) + 1;
                let since = before.map_or(now, |before| before.since);
                repo.failure = Some(Failure { message: failure.message, since, at: started_at, count });
                failure_wait(url.url.as_str(), count, interval, now)
            }
        };
        let unanswered =
            repo.failure.is_none() && repo.wanted.keys().any(|revision| !repo.commits.contains_key(revision));
        repo.next_poll = if repo.again || unanswered { now } else { now + wait };
        self.next_poll.insert((repo.next_poll, url.clone()));
        woken
    }

    /// Pins the commits in force where they have changed, and lets repositories go that nobody looks at.
    pub(crate) fn pin_changed(&mut self, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.dropped) {
            effects.push(Effect::RetainRepos(self.all.keys().cloned().collect()));
        }
        for url in std::mem::take(&mut self.unpinned) {
            let Some(repo) = self.all.get(&url).filter(|_| url.kind == RepoKind::Git) else { continue };
            effects.push(Effect::PinRevisions { repo: url.url, commits: repo.held.keys().cloned().collect() });
        }
    }

    /// Returns the repositories whose poll is under way.
    pub(crate) fn polling(&self) -> impl Iterator<Item = SourceRepo> {
        self.all.iter().filter(|(_, repo)| repo.in_flight).map(|(url, _)| url.clone())
    }

    /// Returns when the next poll is due.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        self.next_poll.first().map(|(at, _)| *at)
    }

    fn release_one(&mut self, app: &AppKey, url: &SourceRepo, revision: &str) {
        let Some(repo) = self.all.get_mut(url) else { return };
        if let Some(apps) = repo.wanted.get_mut(revision) {
            apps.remove(app);
            if apps.is_empty() {
                repo.wanted.remove(revision);
                repo.commits.remove(revision);
            }
        }
        repo.waiting.remove(app);
        // The answer of a poll under way is awaited.
        if repo.wanted.is_empty() && !repo.in_flight {
            self.forget(url);
        }
    }

    fn forget(&mut self, url: &SourceRepo) {
        let Some(repo) = self.all.remove(url) else { return };
        self.dropped = true;
        self.next_poll.remove(&(repo.next_poll, url.clone()));
    }
}

impl Repo {
    fn new(now: Timestamp) -> Self {
        Self {
            wanted: BTreeMap::new(),
            commits: HashMap::new(),
            verified_at: None,
            failure: None,
            in_flight: false,
            again: false,
            next_poll: now,
            waiting: BTreeSet::new(),
            held: BTreeMap::new(),
        }
    }

    /// Remembers the answers; returns the Applications for which one is new.
    fn take_commits(&mut self, commits: BTreeMap<String, Result<String, String>>) -> BTreeSet<AppKey> {
        let mut woken = BTreeSet::new();
        for (revision, commit) in commits {
            let Some(apps) = self.wanted.get(&revision) else { continue };
            if self.commits.get(&revision) != Some(&commit) {
                woken.extend(apps.iter().cloned());
                self.commits.insert(revision, commit);
            }
        }
        woken
    }
}

/// How often a repository is polled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) poll: SignedDuration,
    pub(crate) jitter: SignedDuration,
}

impl Interval {
    fn next(self, url: &str, now: Timestamp) -> SignedDuration {
        // The jitter spreads repositories; a quarter of the interval is enough for that when the interval is short.
        self.poll + jitter(url, now, self.jitter.min(self.poll / 4))
    }
}

fn failure_wait(url: &str, count: u32, interval: Interval, now: Timestamp) -> SignedDuration {
    let factor = 2i32.checked_pow(count.saturating_sub(1).min(16)).unwrap_or(i32::MAX);
    let wait = FIRST_WAIT.checked_mul(factor).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT.max(interval.poll));
    wait + jitter(url, now, wait / 4)
}
