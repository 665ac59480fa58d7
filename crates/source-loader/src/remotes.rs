//! Git repositories that no Application names: kustomizations do.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use git_source::{CommitId, Repository};

/// Commits that are kept of one repository.
const KEPT: usize = 32;

/// The repositories in use, with their commits.
#[derive(Debug, Default)]
pub(crate) struct Remotes(Mutex<HashMap<Repository, Commits>>);

#[derive(Debug, Default)]
struct Commits {
    /// Kustomizations name the repository.
    is_named: bool,
    /// The commits that they name, newest last.
    used: VecDeque<CommitId>,
    /// Those that Applications have in force.
    in_force: BTreeSet<CommitId>,
}

impl Remotes {
    /// Notes that a repository is about to be used.
    pub(crate) fn names(&self, repository: &Repository) {
        self.all().entry(repository.clone()).or_default().is_named = true;
    }

    /// Notes that a commit is used; answers whether it was not before.
    pub(crate) fn uses(&self, repository: &Repository, commit: CommitId) -> bool {
        let mut all = self.all();
        let used = &mut all.entry(repository.clone()).or_default().used;
        let is_new = !used.contains(&commit);
        used.retain(|known| *known != commit);
        used.push_back(commit);
        if used.len() > KEPT {
            used.pop_front();
        }
        is_new
    }

    /// Notes which commits Applications have in force of a repository; returns all that are to be kept of it.
    pub(crate) fn set_in_force(&self, repository: &Repository, in_force: &BTreeSet<CommitId>) -> BTreeSet<CommitId> {
        let mut all = self.all();
        let commits = all.entry(repository.clone()).or_default();
        commits.in_force.clone_from(in_force);
        commits.all()
    }

    /// Returns the commits that are to be kept of a repository.
    pub(crate) fn commits(&self, repository: &Repository) -> BTreeSet<CommitId> {
        self.all().get(repository).map(Commits::all).unwrap_or_default()
    }

    /// Forgets what Applications have in force of all repositories but these.
    pub(crate) fn retain(&self, named: &[Repository]) {
        self.all().retain(|repository, commits| commits.is_named || named.contains(repository));
    }

    /// Returns the repositories that kustomizations name.
    pub(crate) fn repositories(&self) -> Vec<Repository> {
        self.all().iter().filter(|(_, commits)| commits.is_named).map(|(repository, _)| repository.clone()).collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Repository, Commits>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commits {
    fn all(&self) -> BTreeSet<CommitId> {
        self.used.iter().chain(&self.in_force).copied().collect()
    }
}
