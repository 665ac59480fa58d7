use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use application_api::RepoUrl;

/// What is in force of repositories, as last said: tasks that run late read this, so that an older word never wins.
#[derive(Default)]
pub(crate) struct InForce(Mutex<Said>);

#[derive(Default)]
struct Said {
    commits: HashMap<RepoUrl, BTreeSet<String>>,
    repositories: BTreeSet<RepoUrl>,
}

impl InForce {
    /// Notes that a repository is polled.
    pub(crate) fn polled(&self, repo: &RepoUrl) {
        self.said().repositories.insert(repo.clone());
    }

    /// Notes the commits in force of a repository.
    pub(crate) fn set_commits(&self, repo: &RepoUrl, commits: BTreeSet<String>) {
        self.said().commits.insert(repo.clone(), commits);
    }

    /// Notes the repositories that are looked at.
    pub(crate) fn set_repositories(&self, repos: BTreeSet<RepoUrl>) {
        let mut said = self.said();
        said.commits.retain(|repo, _| repos.contains(repo));
        said.repositories = repos;
    }

    /// Returns the commits in force of a repository.
    pub(crate) fn commits(&self, repo: &RepoUrl) -> BTreeSet<String> {
        self.said().commits.get(repo).cloned().unwrap_or_default()
    }

    /// Returns the repositories that are looked at.
    pub(crate) fn repositories(&self) -> BTreeSet<RepoUrl> {
        self.said().repositories.clone()
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_wins() {
        let in_force = InForce::default();
        let (one, other) = (RepoUrl::new("https://git/one"), RepoUrl::new("https://git/other"));
        in_force.polled(&one);
        in_force.polled(&other);
        in_force.set_commits(&one, BTreeSet::from(["a".to_owned()]));
        in_force.set_commits(&one, BTreeSet::from(["b".to_owned()]));
        assert_eq!(in_force.commits(&one), BTreeSet::from(["b".to_owned()]));
        in_force.set_repositories(BTreeSet::from([other.clone()]));
        assert_eq!(in_force.repositories(), BTreeSet::from([other]));
        assert!(in_force.commits(&one).is_empty());
    }
}
