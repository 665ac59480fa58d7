use std::collections::HashMap;

use crate::{GroupKind, Gvk};

/// One kind as the API server serves it in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiResource {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// Plural name, as in request paths.
    pub plural: String,
    /// Whether objects live in namespaces.
    pub scope: Scope,
    /// Verbs the server offers, such as `list` and `watch`.
    pub verbs: Vec<String>,
    /// Names of subresources, such as `status` and `scale`.
    pub subresources: Vec<String>,
}

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster as a whole.
    Cluster,
}

impl ApiResource {
    /// Tells whether the server offers a verb.
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }

    /// Tells whether objects can be listed and watched.
    pub fn is_watchable(&self) -> bool {
        self.has_verb("list") && self.has_verb("watch")
    }

    /// Tells whether the kind has a subresource.
    pub fn has_subresource(&self, name: &str) -> bool {
        self.subresources.iter().any(|s| s == name)
    }
}

/// What one API server serves: the answer of discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiResources {
    by_gvk: HashMap<Gvk, ApiResource>,
    /// Versions of each kind, the server's preferred first.
    versions: HashMap<GroupKind, Vec<String>>,
    incomplete: Vec<String>,
    server_version: String,
}

impl ApiResources {
    /// Collects resources in the server's order: within a kind, the preferred version comes first.
    pub fn new(resources: impl IntoIterator<Item = ApiResource>, server_version: impl Into<String>) -> Self {
        let mut all = Self { server_version: server_version.into(), ..Self::default() };
        for resource in resources {
            let versions = all.versions.entry(resource.gvk.group_kind()).or_default();
            if !versions.contains(&resource.gvk.version) {
                versions.push(resource.gvk.version.clone());
            }
            all.by_gvk.insert(resource.gvk.clone(), resource);
        }
        all
    }

    /// Marks group versions whose discovery failed: absence of their kinds is not knowledge.
    pub fn with_incomplete(mut self, group_versions: Vec<String>) -> Self {
        self.incomplete = group_versions;
        self
    }

    /// Returns the resource of a kind in a version.
    pub fn get(&self, gvk: &Gvk) -> Option<&ApiResource> {
        self.by_gvk.get(gvk)
    }

    /// Returns the resource of a kind in the server's preferred version.
    pub fn preferred(&self, group_kind: &GroupKind) -> Option<&ApiResource> {
        let version = self.versions.get(group_kind)?.first()?;
        self.by_gvk.get(&Gvk::new(group_kind.group.clone(), version.clone(), group_kind.kind.clone()))
    }

    /// Tells whether a kind is served in any version.
    pub fn serves(&self, group_kind: &GroupKind) -> bool {
        self.versions.contains_key(group_kind)
    }

    /// Tells whether the absence of a group from this answer can be trusted.
    pub fn knows_group(&self, group: &str) -> bool {
        !self.incomplete.iter().any(|gv| gv.split_once('/').map_or("", |(g, _)| g) == group)
    }

    /// Returns the group versions whose discovery failed.
    pub fn incomplete(&self) -> &[String] {
        &self.incomplete
    }

    /// Returns each kind in its preferred version.
    pub fn all_preferred(&self) -> impl Iterator<Item = &ApiResource> {
        self.versions.keys().filter_map(|group_kind| self.preferred(group_kind))
    }

    /// Returns every kind in every version.
    pub fn all(&self) -> impl Iterator<Item = &ApiResource> {
        self.by_gvk.values()
    }

    /// Returns the server's version, such as `v1.36.3`.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }
}
