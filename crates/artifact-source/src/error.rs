use application_api::RepoUrl;
use git_source::{AddressRefused, Remedy};

/// A chart or artifact could not be had. Nothing may be concluded about what it holds.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The URL names no place that artifacts can be at.
    #[error("{url} cannot be used: {detail}")]
    Url {
        /// The URL.
        url: RepoUrl,
        /// Why.
        detail: String,
    },
    /// The place is at an address that is not reached.
    #[error("{url}: {refused}")]
    Address {
        /// The URL.
        url: RepoUrl,
        /// Why.
        refused: AddressRefused,
    },
    /// The server could not be reached, or broke off.
    #[error("{url} cannot be reached: {detail}")]
    Unreachable {
        /// The URL.
        url: RepoUrl,
        /// Why.
        detail: String,
    },
    /// The server refused.
    #[error("{url} answered with HTTP status {status}{}", hint(*.status))]
    Status {
        /// The URL.
        url: RepoUrl,
        /// The status.
        status: u16,
    },
    /// The server sends more than allowed.
    #[error("{url}: {what} is larger than the limit of {limit} bytes; make it smaller")]
    TooLarge {
        /// The URL.
        url: RepoUrl,
        /// What is sent.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// What the server sends does not parse.
    #[error("{url}: {what} cannot be read: {detail}")]
    Malformed {
        /// The URL.
        url: RepoUrl,
        /// What is sent.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// The index does not have the chart; the words are Argo CD's.
    #[error("chart '{chart}' not found in index of {url}")]
    NoChart {
        /// The chart.
        chart: String,
        /// The repository.
        url: RepoUrl,
    },
    /// There is no such version.
    #[error("{}: no version for constraints: {url} has none that {revision} allows", name(.chart))]
    NoVersion {
        /// The chart; empty for an artifact.
        chart: String,
        /// The repository.
        url: RepoUrl,
        /// What was asked for.
        revision: String,
    },
    /// What came is not what was asked for.
    #[error("{url}: {what} has digest {found}, expected {expected}; it changed on the way or was replaced")]
    Digest {
        /// The URL.
        url: RepoUrl,
        /// What came.
        what: &'static str,
        /// The digest that was promised.
        expected: String,
        /// The digest that it has.
        found: String,
    },
    /// The artifact is of no kind that can be rendered.
    #[error("{url}: {detail}")]
    Unsuitable {
        /// The URL.
        url: RepoUrl,
        /// Why.
        detail: String,
    },
    /// An archive holds what is not taken out of it.
    #[error("{artifact}: the archive's entry {entry:?} {problem}; pack it again without")]
    Entry {
        /// The artifact.
        artifact: String,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An archive cannot be taken apart.
    #[error("{artifact}: the archive cannot be read: {detail}")]
    Archive {
        /// The artifact.
        artifact: String,
        /// Why.
        detail: String,
    },
    /// An archive comes to more than allowed.
    #[error("{artifact}: the archive holds more than {limit} {what}; make it smaller")]
    Extracted {
        /// The artifact.
        artifact: String,
        /// What is counted.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Work broke off.
    #[error("reading an artifact broke off, which is a defect: {0}")]
    BrokeOff(String),
}

impl ArtifactError {
    /// Answers what to do about the error.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Url { .. } => Remedy::GiveUp,
            Self::Status { status, .. } if !matches!(status, 408 | 425 | 429 | 500..) => Remedy::WaitForChange,
            // A proxy that is in the way may answer anything, so that what does not parse may pass as well.
            Self::Unreachable { .. }
            | Self::Status { .. }
            | Self::Digest { .. }
            | Self::Malformed { .. }
            | Self::BrokeOff(_) => Remedy::Retry,
            Self::Address { .. }
            | Self::TooLarge { .. }
            | Self::NoChart { .. }
            | Self::NoVersion { .. }
            | Self::Unsuitable { .. }
            | Self::Entry { .. }
            | Self::Archive { .. }
            | Self::Extracted { .. } => Remedy::WaitForChange,
        }
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "; it wants credentials, or others than it was given",
        404 => "; correct the URL, the name or the version",
        _ => "",
    }
}

fn name(chart: &str) -> &str {
    if chart.is_empty() { "artifact" } else { chart }
}
