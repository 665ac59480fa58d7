use std::{fmt, path::PathBuf, time::Duration};

use application_api::RepoUrl;
use thiserror::Error;

use crate::{CommitId, Remedy};

/// Something about a repository failed.
///
/// Causes are kept as text with the URL's user information removed, not as sources: those print what they like.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GitError {
    /// No answer, or an answer that says "not now".
    #[error("cannot reach {url} to {step} ({detail}); check that the server is up and the address is right")]
    Unreachable {
        /// The repository.
        url: RepoUrl,
        /// What was being done.
        step: GitStep,
        /// What happened.
        detail: String,
    },
    /// The time allowed ran out.
    #[error("{url} took longer than {} to {step}; check the server and the network, or allow more time", seconds(*.allowed))]
    TimedOut {
        /// The repository.
        url: RepoUrl,
        /// What was being done.
        step: GitStep,
        /// The time that was allowed.
        allowed: Duration,
    },
    /// There is no repository at the URL.
    #[error("there is no Git repository at {url} ({detail}); check the address and, if it is private, the credentials")]
    NotFound {
        /// The repository.
        url: RepoUrl,
        /// How it was found out.
        detail: String,
    },
    /// The revision names no commit of the repository. The words are those of Argo CD.
    #[error("unable to resolve '{revision}' to a commit SHA")]
    RevisionNotFound {
        /// The repository.
        url: RepoUrl,
        /// The revision as asked for.
        revision: String,
    },
    /// What the server sent, or what is stored, is damaged.
    #[error(
        "{url} gave damaged data while trying to {step} ({detail}); it is fetched again, run `git fsck` there if it stays"
    )]
    Corrupt {
        /// The repository.
        url: RepoUrl,
        /// What was being done.
        step: GitStep,
        /// What is wrong.
        detail: String,
    },
    /// The server wants credentials, or others than those it got.
    #[error(
        "{url} refused access while trying to {step} ({detail}); add or correct the credentials of this repository"
    )]
    Unauthenticated {
        /// The repository.
        url: RepoUrl,
        /// What was being done.
        step: GitStep,
        /// What the server answered.
        detail: String,
    },
    /// The URL or the server needs something that is not supported.
    #[error("{url} cannot be used: {detail}")]
    Unsupported {
        /// The repository.
        url: RepoUrl,
        /// What is not supported, and what is.
        detail: String,
    },
    /// The commit has not been fetched, or was dropped with the data directory.
    #[error("commit {commit} of {url} is not here; poll the repository with this revision first")]
    NotFetched {
        /// The repository.
        url: RepoUrl,
        /// The commit.
        commit: CommitId,
    },
    /// The local disk or process failed, not the repository.
    #[error("cannot {step} for {url} in {}: {detail}; check space and permissions there", .path.display())]
    Local {
        /// The repository.
        url: RepoUrl,
        /// What was being done.
        step: GitStep,
        /// Where.
        path: PathBuf,
        /// What happened.
        detail: String,
    },
}

impl GitError {
    /// Answers what to do about the error.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Corrupt { .. }
            | Self::NotFetched { .. }
            | Self::Local { .. } => Remedy::Retry,
            Self::NotFound { .. } | Self::RevisionNotFound { .. } | Self::Unauthenticated { .. } => {
                Remedy::WaitForChange
            }
            Self::Unsupported { .. } => Remedy::GiveUp,
        }
    }
}

/// What was being done when an error happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GitStep {
    /// Opening a repository on disk, or creating a mirror.
    Open,
    /// Connecting and listing references.
    ListReferences,
    /// Fetching commits.
    Fetch,
    /// Reading a commit.
    Read,
    /// Recording which commits are in force.
    Pin,
    /// Rewriting the mirror into fewer packs.
    Consolidate,
    /// Watching a repository on disk for changes.
    Watch,
}

impl fmt::Display for GitStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open the repository",
            Self::ListReferences => "list references",
            Self::Fetch => "fetch",
            Self::Read => "read a commit",
            Self::Pin => "record the commits in force",
            Self::Consolidate => "consolidate packs",
            Self::Watch => "watch for changes",
        })
    }
}

fn seconds(allowed: Duration) -> String {
    format!("{:.1} s", allowed.as_secs_f64())
}
