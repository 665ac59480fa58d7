//! Git in memory: commits hold directories, directories hold objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use application_api::{ApplicationSource, RepoUrl};
use kube_object::{Digest, Object, RenderedManifests, RenderedObject};
use serde_json::Value;

use crate::{RenderFailure, RepoFailure};

pub(super) const REPO: &str = "https://git.example/shop.git";

pub(super) type Directories = BTreeMap<String, Vec<Value>>;

#[derive(Default)]
pub(super) struct Git {
    commits: BTreeMap<String, Directories>,
    head: String,
    /// Why the repository cannot be read, if so.
    pub(super) failure: Option<String>,
    /// Why directories do not render.
    pub(super) broken: BTreeMap<String, RenderFailure>,
}

impl Git {
    /// Makes a commit with these directories changed; returns its name.
    pub(super) fn commit(&mut self, changed: &[(&str, &[Value])]) -> String {
        let mut directories = self.commits.get(&self.head).cloned().unwrap_or_default();
        directories.extend(changed.iter().map(|(name, objects)| ((*name).to_owned(), objects.to_vec())));
        self.head = format!("{:040x}", self.commits.len() + 0xc0);
        self.commits.insert(self.head.clone(), directories);
        self.head.clone()
    }

    pub(super) fn head(&self) -> &Directories {
        &self.commits[&self.head]
    }

    pub(super) fn poll(
        &self,
        revisions: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<String, String>>, RepoFailure> {
        if let Some(message) = &self.failure {
            return Err(RepoFailure { message: message.clone() });
        }
        let find = |revision: &String| match revision.as_str() {
            "" | "HEAD" if !self.head.is_empty() => Ok(self.head.clone()),
            commit if self.commits.contains_key(commit) => Ok(commit.to_owned()),
            other => Err(format!("unable to resolve '{other}' to a commit SHA")),
        };
        Ok(revisions.iter().map(|revision| (revision.clone(), find(revision))).collect())
    }

    pub(super) fn render(
        &self,
        source: &ApplicationSource,
        commit: &str,
    ) -> Result<Arc<RenderedManifests>, RenderFailure> {
        if let Some(failure) = self.broken.get(&source.path) {
            return Err(failure.clone());
        }
        let Some(objects) = self.commits.get(commit).and_then(|directories| directories.get(&source.path)) else {
            return Err(RenderFailure::Content(format!("{}: app path does not exist", source.path)));
        };
        let file: Arc<str> = Arc::from(format!("{}/all.yaml", source.path));
        let rendered = objects.iter().zip(1..).map(|(object, line)| {
            RenderedObject::new(&Object::from_value(object.clone()).unwrap(), Arc::clone(&file), line)
        });
        Ok(Arc::new(RenderedManifests::new(rendered.collect(), Digest::of_bytes(commit.as_bytes()), Vec::new())))
    }
}

pub(super) fn repo() -> RepoUrl {
    RepoUrl::new(REPO)
}
