//! What the tests of this crate share.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use application_api::RepoUrl;
use git_source::{CommitId, GitError, GitOptions, PollResult, Repositories, Repository, RevisionName};

/// Repositories with their mirrors below `data_dir`.
pub fn repositories(data_dir: &Path, options: GitOptions) -> Repositories {
    // Another test of the same process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Repositories::new(data_dir, options)
}

pub fn repository(url: impl AsRef<str>) -> Repository {
    Repository::anonymous(RepoUrl::new(url.as_ref()))
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

pub fn revisions(names: &[&str]) -> Vec<RevisionName> {
    names.iter().map(|name| RevisionName::new(*name)).collect()
}

/// Polls one revision, which must be there.
pub async fn poll_one(repositories: &Repositories, repository: &Repository, revision: &str) -> CommitId {
    let polled = repositories.poll(repository, &revisions(&[revision]), soon()).await.unwrap();
    only(polled).unwrap()
}

/// The result for the only revision of a poll.
pub fn only(polled: PollResult) -> Result<CommitId, GitError> {
    let [(_, commit)] = <[_; 1]>::try_from(polled.commits).unwrap();
    commit
}

/// Bytes of all files below a directory; what goes away meanwhile does not count.
pub fn disk_usage(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_usage(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Directories of whole mirrors below a data directory.
pub fn mirrors(data_dir: &Path) -> Vec<std::path::PathBuf> {
    let list = |directory: &Path| -> Vec<_> {
        std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    list(&data_dir.join("git")).iter().flat_map(|root| list(root)).collect()
}
