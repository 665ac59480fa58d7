use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use application_api::{ApplicationSource, RepoUrl};
use artifact_source::{ArtifactError, ArtifactKind, ArtifactRepository, Artifacts, Wanted};
use git_source::{CommitId, GitError, Remedy, Repositories, Repository, RevisionName, SourceTree};
use manifest_render::{
    Elsewhere, Need, Render, RenderContext, RenderError, RenderRequest, RenderWorkers, Supply, render,
};
use tokio::sync::Semaphore;

use crate::got::{Freshness, Got};
use crate::origin::Origin;
use crate::remote_base::RemoteBase;
use crate::remotes::Remotes;

/// Longest time to find and fetch a commit of a repository that a kustomization names.
const REMOTE_LIMIT: Duration = Duration::from_secs(90);
/// Renders that run at once; each keeps a thread busy.
const PARALLEL: usize = 4;
/// How often a render may come back with something else that it needs: kustomizations from elsewhere may name others.
const ROUNDS: usize = 16;

/// A tree could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Of a Git repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Of a chart or another artifact.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// What should be a commit is none.
    #[error("{0} is no commit id; this is a defect")]
    NoCommit(String),
    /// A kustomization names a repository by a path.
    #[error("{0} is on this machine, where kustomizations may not look; name its repository over HTTP")]
    OnThisMachine(RepoUrl),
    /// A revision was not answered.
    #[error("{0} gave no answer")]
    NoAnswer(RepoUrl),
}

impl LoadError {
    /// Answers what to do about the error.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Git(error) => error.remedy(),
            Self::Artifact(error) => error.remedy(),
            Self::NoCommit(_) => Remedy::GiveUp,
            Self::OnThisMachine(_) => Remedy::WaitForChange,
            Self::NoAnswer(_) => Remedy::Retry,
        }
    }
}

/// What to render: a source at a commit or version, with all that it may read.
#[derive(Clone)]
pub struct RenderTask {
    /// The source's own tree.
    pub tree: Arc<dyn SourceTree>,
    /// What to render of it.
    pub request: RenderRequest,
    /// What surrounds it.
    pub context: RenderContext,
    /// Trees of other sources by their names; none where there is a single source.
    pub refs: Option<BTreeMap<String, Arc<dyn SourceTree>>>,
    /// What the render before needed from elsewhere, which this one most likely needs as well.
    pub needed: BTreeSet<Need>,
    /// How new that has to be.
    pub freshness: Freshness,
}

/// Gets trees, and what renders need beside them.
#[derive(Clone)]
pub struct Loader {
    repositories: Repositories,
    artifacts: Artifacts,
    turns: Arc<Semaphore>,
    got: Arc<Got>,
    remotes: Arc<Remotes>,
}

impl Loader {
    /// Makes a loader that reads through these.
    pub fn new(repositories: Repositories, artifacts: Artifacts) -> Self {
        let turns = Arc::new(Semaphore::new(PARALLEL));
        Self { repositories, artifacts, turns, got: Arc::default(), remotes: Arc::default() }
    }

    /// Drops what was got from elsewhere and nobody has asked for in ten minutes; to be called now and then.
    pub fn drop_old(&self) {
        self.got.drop_old();
    }

    /// Returns where Git repositories are read.
    pub fn repositories(&self) -> &Repositories {
        &self.repositories
    }

    /// Returns where artifacts are read.
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// Finds the commit or version of a revision of a source.
    pub async fn resolve(&self, source: &ApplicationSource, deadline: Instant) -> Result<String, LoadError> {
        match Origin::of(source) {
            Origin::Git(repository) => {
                let commit = self.commit(&repository, &source.target_revision, deadline).await?;
                Ok(commit.to_string())
            }
            Origin::Artifact { repository, chart } => {
                let wanted = Wanted { chart, revision: source.target_revision.clone() };
                Ok(self.version(&repository, wanted).await?)
            }
        }
    }

    /// Opens the tree of a commit or version that was found before.
    pub async fn tree(&self, origin: &Origin, revision: &str) -> Result<Arc<dyn SourceTree>, LoadError> {
        match origin {
            Origin::Git(repository) => {
                let commit: CommitId = revision.parse().map_err(|_| LoadError::NoCommit(revision.to_owned()))?;
                Ok(Arc::new(self.repositories.tree(repository, commit).await?))
            }
            Origin::Artifact { repository, chart } => {
                Ok(Arc::new(self.artifacts.tree(repository, chart, revision).await?))
            }
        }
    }

    /// Keeps the commits of a repository that Applications have in force, and those that kustomizations name; lets others go.
    pub async fn pin(&self, repository: &Repository, in_force: &BTreeSet<CommitId>) -> Result<(), GitError> {
        let all = self.remotes.set_in_force(repository, in_force);
        self.repositories.pin(repository, &all).await
    }

    /// Forgets all repositories but those that Applications name, and those that kustomizations do.
    pub async fn retain(&self, named: &[Repository]) {
        self.remotes.retain(named);
        let mut kept = named.to_vec();
        kept.extend(self.remotes.repositories());
        self.repositories.retain(&kept).await;
    }

    /// Renders; gets what the render lacks, and renders again.
    pub async fn render(&self, task: RenderTask, workers: &RenderWorkers) -> Result<Render, RenderError> {
        let RenderTask { tree, request, context, refs, needed, freshness } = task;
        let mut elsewhere = Elsewhere { refs, ..Elsewhere::default() };
        let mut needs = needed;
        for _ in 0..ROUNDS {
            for need in std::mem::take(&mut needs) {
                let supply = self.get(&need, freshness).await;
                elsewhere.supplies.insert(need, supply);
            }
            let (tree, request, context) = (Arc::clone(&tree), request.clone(), context.clone());
            let (given, workers) = (elsewhere.clone(), workers.clone());
            let turn = Arc::clone(&self.turns).acquire_owned().await.expect("the semaphore is never closed");
            let work = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                render(&*tree, &request, &context, &given, &workers)
            });
            match work.await.map_err(|error| RenderError::BrokeOff(error.to_string()))? {
                Err(RenderError::Needs(more)) => needs.extend(more),
                rendered => return rendered,
            }
        }
        Err(RenderError::Needs(needs.into_iter().collect()))
    }

    /// Gets something from elsewhere, unless it was got lately.
    pub async fn get(&self, need: &Need, freshness: Freshness) -> Supply {
        self.got
            .get_or(need, freshness, || async {
                let supply = match need {
                    Need::File(url) => self.file(url).await,
                    Need::Remote(url) => self.remote(url).await,
                    Need::Chart { repository, name, version } => self.chart(repository, name, version).await,
                };
                supply.unwrap_or_else(|error| Supply::Failed { message: error.to_string(), remedy: error.remedy() })
            })
            .await
    }

    async fn file(&self, url: &RepoUrl) -> Result<Supply, LoadError> {
        let content = self.artifacts.file(url).await?;
        Ok(Supply::File { name: file_name(url), content })
    }

    /// Gets what a kustomization names: a file where the URL answers with one, else a directory of a repository.
    async fn remote(&self, url: &RepoUrl) -> Result<Supply, LoadError> {
        let base = RemoteBase::parse(url.as_str());
        let Some(base) = base else { return self.file(url).await };
        if base.is_explicit {
            return self.directory(base).await;
        }
        match self.file(url).await {
            Ok(Supply::File { name, content }) if !is_page(&content) => Ok(Supply::File { name, content }),
            // The server has no such file, or shows a page about the repository.
            Ok(_) => self.directory(base).await,
            Err(error) if error.remedy() != Remedy::Retry => self.directory(base).await,
            Err(error) => Err(error),
        }
    }

    async fn directory(&self, base: RemoteBase) -> Result<Supply, LoadError> {
        let RemoteBase { repository, path, revision, .. } = base;
        if repository.as_str().starts_with("file://") || repository.as_str().starts_with('/') {
            return Err(LoadError::OnThisMachine(repository));
        }
        let repository = Repository::anonymous(repository);
        self.remotes.names(&repository);
        let commit = self.commit(&repository, &revision, Instant::now() + REMOTE_LIMIT).await?;
        if self.remotes.uses(&repository, commit) {
            let commits = self.remotes.commits(&repository);
            if let Err(error) = self.repositories.pin(&repository, &commits).await {
                // The next fetch gets again what is lost by that.
                tracing::warn!(repo = %repository.url, %error, "the commits in force cannot be recorded");
            }
        }
        let tree = Arc::new(self.repositories.tree(&repository, commit).await?);
        Ok(Supply::Directory { tree, path, commit: commit.to_string() })
    }

    async fn chart(&self, repository: &RepoUrl, name: &str, version: &str) -> Result<Supply, LoadError> {
        let is_registry = repository.as_str().starts_with("oci://");
        let kind = if is_registry { ArtifactKind::ChartRegistry } else { ArtifactKind::ChartRepository };
        let repository = ArtifactRepository { url: repository.clone(), kind };
        let wanted = Wanted { chart: name.to_owned(), revision: version.to_owned() };
        let version = self.version(&repository, wanted).await?;
        let archive = self.artifacts.archive(&repository, name, &version).await?;
        Ok(Supply::File { name: format!("{name}-{version}.tgz"), content: archive.bytes })
    }

    async fn version(&self, repository: &ArtifactRepository, wanted: Wanted) -> Result<String, LoadError> {
        let found = self.artifacts.poll(repository, std::slice::from_ref(&wanted)).await?;
        let version = found.into_iter().next().ok_or_else(|| LoadError::NoAnswer(repository.url.clone()))?;
        Ok(version?)
    }

    async fn commit(&self, repository: &Repository, revision: &str, deadline: Instant) -> Result<CommitId, LoadError> {
        let revision = RevisionName::new(revision.to_owned());
        let found = self.repositories.poll(repository, std::slice::from_ref(&revision), deadline).await?;
        let commit = found.commits.into_iter().next().ok_or_else(|| LoadError::NoAnswer(repository.url.clone()))?;
        Ok(commit.1?)
    }
}

/// Returns the name of the file that a URL ends with.
fn file_name(url: &RepoUrl) -> String {
    let address = url.as_str().split(['?', '#']).next().unwrap_or_default();
    let name = address.rsplit('/').next().unwrap_or_default();
    let safe = !name.is_empty() && name != "." && name != "..";
    if safe { name.to_owned() } else { "file".to_owned() }
}

/// Tells whether a server answered with a page for people.
fn is_page(content: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&content[..content.len().min(256)]).trim_start().to_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html")
}

#[cfg(test)]
mod tests;
