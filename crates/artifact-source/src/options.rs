use std::path::{Path, PathBuf};
use std::time::Duration;

use application_api::RepoUrl;
use git_source::AddressPolicy;

/// Where artifacts are, and how they are found there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactRepository {
    /// The URL as written, credentials included.
    pub url: RepoUrl,
    /// What is there.
    pub kind: ArtifactKind,
}

/// What kind of repository artifacts are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtifactKind {
    /// A chart repository: `index.yaml` and archives, over HTTP.
    ChartRepository,
    /// Charts in an OCI registry: the chart's name completes the URL, and revisions are versions.
    ChartRegistry,
    /// One artifact of an OCI registry: the URL names it, and revisions are tags, constraints on tags, or digests.
    OciArtifact,
}

/// A version that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wanted {
    /// Name of the chart; empty for [`ArtifactKind::OciArtifact`].
    pub chart: String,
    /// Version, constraint, tag or digest.
    pub revision: String,
}

/// Limits of everything that is done with artifacts, and where they are kept.
#[derive(Clone, Debug)]
pub struct ArtifactOptions {
    /// Directory for what was downloaded; may be deleted at any time.
    pub directory: PathBuf,
    /// Bytes that are kept there.
    pub kept_bytes: u64,
    /// Which addresses are reached.
    pub addresses: AddressPolicy,
    /// Longest time of one request, its body included.
    pub timeout: Duration,
    /// Longest silence of a server that is sending.
    pub idle_timeout: Duration,
    /// Bytes of an index, of a list of tags, and of a manifest.
    pub index_bytes: u64,
    /// Bytes of an archive as it is downloaded.
    pub archive_bytes: u64,
    /// Bytes of all files in an archive.
    pub extracted_bytes: u64,
    /// Files and directories in an archive.
    pub entries: usize,
    /// Bytes of a single file by its URL.
    pub file_bytes: u64,
}

impl ArtifactOptions {
    /// Makes the usual limits, keeping what is downloaded below a data directory.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            directory: data_dir.join("artifacts"),
            kept_bytes: 1 << 30,
            addresses: AddressPolicy::default(),
            timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_secs(30),
            index_bytes: 64 << 20,
            archive_bytes: 100 << 20,
            extracted_bytes: 256 << 20,
            entries: 20_000,
            file_bytes: 10 << 20,
        }
    }
}
