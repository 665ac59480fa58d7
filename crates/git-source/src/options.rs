use std::{sync::Arc, time::Duration};

use application_api::RepoUrl;

use crate::AddressPolicy;

/// Limits of everything that is done with repositories.
#[derive(Clone, Debug)]
pub struct GitOptions {
    /// Longest time to connect and list references.
    pub list_timeout: Duration,
    /// Longest time to fetch.
    pub fetch_timeout: Duration,
    /// Longest time to open a connection.
    pub connect_timeout: Duration,
    /// Longest silence of a server that is sending.
    pub idle_timeout: Duration,
    /// Number of packs from which a mirror is consolidated.
    pub pack_limit: usize,
    /// What to do with a repository on this machine.
    pub on_disk: OnDisk,
    /// Which addresses repositories may be at.
    pub addresses: AddressPolicy,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            list_timeout: Duration::from_secs(15),
            fetch_timeout: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            pack_limit: 24,
            on_disk: OnDisk::InPlace,
            addresses: AddressPolicy::default(),
        }
    }
}

/// What to do with a repository on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDisk {
    /// Read it where it is; nothing is written there.
    #[default]
    InPlace,
    /// Mirror it as if it were remote, which needs Git's own programs.
    Mirror,
}

/// Tells apart who fetches: what one credential fetched is never shown to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialIdentity(Arc<str>);

impl CredentialIdentity {
    /// Makes the identity of a credential from a name that is not secret and changes with the credential.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns the identity of no credential at all.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A repository as one credential sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repository {
    /// Where it is.
    pub url: RepoUrl,
    /// Who looks.
    pub credential: CredentialIdentity,
}

impl Repository {
    /// Makes the key of a repository that is read without credentials.
    pub fn anonymous(url: RepoUrl) -> Self {
        Self { url, credential: CredentialIdentity::anonymous() }
    }
}
