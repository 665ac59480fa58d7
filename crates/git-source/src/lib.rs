//! Git repositories as a source: a URL and a revision become a commit, and a commit a tree that can be read.
//!
//! Start with [`Repositories`]. Nothing is ever checked out, no configuration of the host is read, no prompt is shown, and
//! nothing is written to a repository that is read in place.

mod address;
mod commit_id;
mod dir_tree;
mod error;
mod git_tree;
mod http;
mod local;
mod mirror;
mod objects;
mod options;
mod remedy;
mod remote;
mod repack;
mod repositories;
mod revision;
mod semver;
mod tree;
mod tree_cache;
mod url;
mod watch;
mod watchdog;
mod work;

pub use address::{AddressPolicy, AddressRefused, LocalAddresses};
pub use commit_id::{CommitId, NotACommitId};
pub use dir_tree::DirTree;
pub use error::{GitError, GitStep};
pub use git_tree::GitTree;
pub use options::{CredentialIdentity, GitOptions, OnDisk, Repository};
pub use remedy::{Remedy, next_attempt};
pub use repositories::{CommitMetadata, Repositories};
pub use revision::RevisionName;
pub use semver::{highest_version, is_constraint, is_version};
pub use tree::{EntryId, EntryMode, SourceTree, TreeEntry, TreeError};
pub use watch::{LocalWatch, watch_local};
pub use watchdog::Traffic;
pub use work::PollResult;
