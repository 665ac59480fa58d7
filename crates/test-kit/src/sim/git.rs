//! Git in memory: commits hold directories, directories hold objects. It moves, fails and lies when told to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use application_api::{ApplicationSource, RepoUrl, SourceSet, SourceType, split_revisions};
use kube_object::{Digest, Object, RenderedManifests, RenderedObject, Stability};
use reconciler::{Dependence, RenderContext, RenderFailure, RenderedIn, Rendering, RepoFailure};
use serde_json::Value;

/// The URL of the one repository.
pub const REPO: &str = "https://git.example/shop.git";

/// Annotation of an object of a chart that is only rendered where a kind is served, such as `example.com/v1/Widget`.
pub const NEEDS: &str = "needs";

/// Objects by directory.
pub type Directories = BTreeMap<String, Arc<Vec<Value>>>;

/// The repository, and the renderer that reads it.
#[derive(Default)]
pub struct Git {
    /// Why the repository cannot be read, if so.
    pub failure: Option<String>,
    /// Why directories do not render.
    pub broken: BTreeMap<String, RenderFailure>,
    /// Whether charts render differently each time.
    pub stability: Stability,
    /// In which context charts are rendered.
    pub rendered_in: RenderedIn,
    /// Commits that polls do not find any more.
    pub lost: BTreeSet<String>,
    /// Commits that can be neither read nor rendered.
    pub unreadable: BTreeSet<String>,
    /// Where charts depend on others from.
    pub chart_repositories: BTreeSet<RepoUrl>,
    /// The commit that polls name instead of the newest one.
    pub lie: Option<String>,
    commits: BTreeMap<String, Directories>,
    head: String,
    rendered: RefCell<BTreeMap<(String, String), Arc<RenderedManifests>>>,
}

impl Git {
    /// Makes a commit with these directories changed; returns its name.
    pub fn commit(&mut self, changed: &[(&str, &[Value])]) -> String {
        let mut directories = self.commits.get(&self.head).cloned().unwrap_or_default();
        directories.extend(changed.iter().map(|(name, objects)| ((*name).to_owned(), Arc::new(objects.to_vec()))));
        self.push(directories)
    }

    /// Makes a commit without a directory; returns its name.
    pub fn remove(&mut self, directory: &str) -> String {
        let mut directories = self.commits.get(&self.head).cloned().unwrap_or_default();
        directories.remove(directory);
        self.push(directories)
    }

    /// Moves the branch to another commit, as a force push does.
    pub fn reset(&mut self, commit: &str) {
        assert!(self.commits.contains_key(commit), "{commit} does not exist");
        commit.clone_into(&mut self.head);
    }

    fn push(&mut self, directories: Directories) -> String {
        self.head = format!("{:040x}", self.commits.len() + 0xc0);
        self.commits.insert(self.head.clone(), directories);
        self.head.clone()
    }

    /// Returns what the newest commit holds.
    pub fn head(&self) -> &Directories {
        &self.commits[&self.head]
    }

    /// Returns the name of the newest commit.
    pub fn head_name(&self) -> &str {
        &self.head
    }

    /// Returns the names of all commits there ever were, oldest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.commits.keys().map(String::as_str)
    }

    /// Answers a poll.
    pub fn poll(&self, revisions: &BTreeSet<String>) -> Result<BTreeMap<String, Result<String, String>>, RepoFailure> {
        if let Some(message) = &self.failure {
            return Err(RepoFailure { message: message.clone() });
        }
        let head = self.lie.as_ref().unwrap_or(&self.head);
        let find = |revision: &String| match revision.as_str() {
            "" | "HEAD" if !head.is_empty() => Ok(head.clone()),
            commit if self.commits.contains_key(commit) && !self.lost.contains(commit) => Ok(commit.to_owned()),
            other => Err(format!("unable to resolve '{other}' to a commit SHA")),
        };
        Ok(revisions.iter().map(|revision| (revision.clone(), find(revision))).collect())
    }

    /// Renders all sources of an Application, each at its commit.
    pub fn render_all(
        &self,
        sources: &SourceSet,
        joined: &str,
        context: &RenderContext,
    ) -> Result<Rendering, RenderFailure> {
        let mut all = Vec::new();
        for (source, commit) in sources.all().iter().zip(split_revisions(joined)) {
            all.push(self.render(source, commit, context)?);
        }
        if all.len() == 1 {
            return Ok(all.remove(0));
        }
        let parts: Vec<_> = all.iter().map(|rendering| Arc::clone(&rendering.manifests)).collect();
        let depends = all.iter().any(|rendering| rendering.dependence == Dependence::Context);
        Ok(Rendering {
            manifests: Arc::new(RenderedManifests::joined(&parts)),
            source_types: all.iter().flat_map(|rendering| rendering.source_types.clone()).collect(),
            dependence: if depends { Dependence::Context } else { Dependence::FilesOnly },
            stability: self.stability,
            chart_repositories: all.into_iter().flat_map(|rendering| rendering.chart_repositories).collect(),
            rendered_in: RenderedIn::TheContext,
        })
    }

    /// Renders a directory of a commit. A source with `helm` is a chart: it leaves out objects annotated with [`NEEDS`] whose kind the
    /// cluster does not serve.
    pub fn render(
        &self,
        source: &ApplicationSource,
        commit: &str,
        context: &RenderContext,
    ) -> Result<Rendering, RenderFailure> {
        if source.is_ref() && source.path.is_empty() {
            return Ok(Rendering::of_directory(Arc::new(manifests(&[], "", commit))));
        }
        if self.unreadable.contains(commit) {
            return Err(RenderFailure::Unavailable(format!("{commit} is not in the mirror")));
        }
        if let Some(failure) = self.broken.get(&source.path) {
            return Err(failure.clone());
        }
        let Some(objects) = self.commits.get(commit).and_then(|directories| directories.get(&source.path)) else {
            return Err(RenderFailure::Content(format!("{}: app path does not exist", source.path)));
        };
        if source.helm.is_some() {
            let is_served = |object: &&Value| {
                let needs = object["metadata"]["annotations"][NEEDS].as_str();
                needs.is_none_or(|kind| context.cluster.api_versions().iter().any(|served| served == kind))
            };
            let objects: Vec<Value> = objects.iter().filter(is_served).cloned().collect();
            return Ok(Rendering {
                manifests: Arc::new(manifests(&objects, &source.path, commit)),
                source_types: vec![SourceType::Helm],
                dependence: Dependence::Context,
                stability: self.stability,
                chart_repositories: self.chart_repositories.clone(),
                rendered_in: self.rendered_in.clone(),
            });
        }
        let id = (commit.to_owned(), source.path.clone());
        let mut rendered = self.rendered.borrow_mut();
        let manifests = rendered.entry(id).or_insert_with(|| Arc::new(manifests(objects, &source.path, commit)));
        Ok(Rendering::of_directory(Arc::clone(manifests)))
    }
}

fn manifests(objects: &[Value], path: &str, commit: &str) -> RenderedManifests {
    let file: Arc<str> = Arc::from(format!("{path}/all.yaml"));
    let rendered = objects.iter().zip(1..).map(|(object, line)| {
        let object = Object::from_value(object.clone()).expect("a manifest is a map");
        RenderedObject::new(&object, Arc::clone(&file), line)
    });
    RenderedManifests::new(rendered.collect(), Digest::of_bytes(commit.as_bytes()), Vec::new())
}

/// Returns the URL of the one repository.
pub fn repo() -> RepoUrl {
    RepoUrl::new(REPO)
}
