use application_api::{ApplicationSource, RepoKind, RepoUrl};
use artifact_source::{ArtifactKind, ArtifactRepository};
use git_source::Repository;

/// Where the tree of a source comes from, apart from its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A Git repository.
    Git(Repository),
    /// A chart, or another artifact.
    Artifact {
        /// Where it is kept.
        repository: ArtifactRepository,
        /// Name of the chart; empty where the repository is the artifact.
        chart: String,
    },
}

impl Origin {
    /// Returns where a source is.
    pub fn of(source: &ApplicationSource) -> Self {
        match artifact_repository(source.repo_kind(), &source.repo_url) {
            Some(repository) => Self::Artifact { repository, chart: source.chart.clone() },
            None => Self::Git(Repository::anonymous(source.repo_url.clone())),
        }
    }

    /// Returns the Git repository, if it is one.
    pub fn git(&self) -> Option<&Repository> {
        match self {
            Self::Git(repository) => Some(repository),
            Self::Artifact { .. } => None,
        }
    }
}

/// Returns the repository of artifacts of a kind; none for Git.
pub fn artifact_repository(kind: RepoKind, url: &RepoUrl) -> Option<ArtifactRepository> {
    let kind = match kind {
        RepoKind::Git => return None,
        RepoKind::Charts => ArtifactKind::ChartRepository,
        RepoKind::ChartRegistry => ArtifactKind::ChartRegistry,
        RepoKind::Artifact => ArtifactKind::OciArtifact,
    };
    Some(ArtifactRepository { url: url.clone(), kind })
}
