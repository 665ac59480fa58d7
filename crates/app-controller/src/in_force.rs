use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use application_api::RepoUrl;
use reconciler::SourceRepo;

/// What is in force of repositories, as last said: tasks that run late read this, so that an older word never wins.
#[derive(Default)]
pub(crate) struct InForce(Mutex<Said>);

#[derive(Default)]
struct Said {
    commits: HashMap<RepoUrl, BTreeSet<String>>,
    repositories: BTreeSet<SourceRepo>,
}

impl InForce {
    /// Notes that a repository is polled.
    pub(crate) fn polled(&self, repo: &SourceRepo) {
        self.said().repositories.insert(repo.clone());
    }

    /// Notes the commits in force of a Git repository.
    pub(crate) fn set_commits(&self, repo: &RepoUrl, commits: BTreeSet<String>) {
        self.said().commits.insert(repo.clone(), commits);
    }

    /// Notes the repositories that are looked at.
    pub(crate) fn set_repositories(&self, repos: BTreeSet<SourceRepo>) {
        let mut said = self.said();
        said.commits.retain(|url, _| repos.contains(&SourceRepo::git(url.clone())));
        said.repositories = repos;
    }

    /// Returns the commits in force of a Git repository.
    pub(crate) fn commits(&self, repo: &RepoUrl) -> BTreeSet<String> {
        self.said().commits.get(repo).cloned().unwrap_or_default()
    }

    /// Returns the repositories that are looked at.
    pub(crate) fn repositories(&self) -> BTreeSet<SourceRepo> {
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
        let (first, second) = (SourceRepo::git(one.clone()), SourceRepo::git(other));
        in_force.polled(&first);
        in_force.polled(&second);
        in_force.set_commits(&one, BTreeSet::from(["a".to_owned()]));
        in_force.set_commits(&one, BTreeSet::from(["b".to_owned()]));
        assert_eq!(in_force.commits(&one), BTreeSet::from(["b".to_owned()]));
        in_force.set_repositories(BTreeSet::from([second.clone()]));
        assert_eq!(in_force.repositories(), BTreeSet::from([second]));
        assert!(in_force.commits(&one).is_empty());
    }
}
