use std::collections::HashMap;

use crate::{Digest, GroupKind, Gvk};

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

/// What templates are told of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterVersions {
    kube_version: String,
    api_versions: Vec<String>,
    /// There are hundreds of versions, and every commit asks whether a chart saw the same.
    digest: Digest,
}

impl ClusterVersions {
    /// Keeps the version of Kubernetes and what is served, with their digest.
    pub fn new(kube_version: String, api_versions: Vec<String>) -> Self {
        let parts = std::iter::once(&kube_version).chain(&api_versions);
        let digest = Digest::of_parts(parts.map(String::as_bytes));
        Self { kube_version, api_versions, digest }
    }

    /// Returns the version of Kubernetes without the provider's suffix, such as `1.36.3`; empty when it is not known.
    pub fn kube_version(&self) -> &str {
        &self.kube_version
    }

    /// Returns everything served, as `apps/v1` and `apps/v1/Deployment`.
    pub fn api_versions(&self) -> &[String] {
        &self.api_versions
    }

    /// Returns the digest of all.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl Default for ClusterVersions {
    fn default() -> Self {
        Self::new(String::new(), Vec::new())
    }
}

/// Reduces a version to its numbers: a suffix such as `-eks-1a2b` would count as a release before it.
fn plain_version(version: &str) -> String {
    let end = version.find(['-', '+']).unwrap_or(version.len());
    version[..end].trim_start_matches('v').to_owned()
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

    /// Returns what templates are told of the cluster.
    pub fn cluster_versions(&self) -> ClusterVersions {
        let mut api_versions: Vec<String> = self
            .by_gvk
            .keys()
            .flat_map(|gvk| [gvk.api_version(), format!("{}/{}", gvk.api_version(), gvk.kind)])
            .collect();
        api_versions.sort_unstable();
        api_versions.dedup();
        ClusterVersions::new(plain_version(&self.server_version), api_versions)
    }

    /// Returns the server's version, such as `v1.36.3`.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_told_kinds_and_plain_versions() {
        let resource = |group: &str, version: &str, kind: &str| ApiResource {
            gvk: Gvk::new(group, version, kind),
            plural: String::new(),
            scope: Scope::Namespaced,
            verbs: Vec::new(),
            subresources: Vec::new(),
        };
        let served =
            [resource("apps", "v1", "Deployment"), resource("", "v1", "Pod"), resource("apps", "v1", "DaemonSet")];
        for (version, expected) in
            [("v1.36.3", "1.36.3"), ("v1.30.4-eks-1a2b", "1.30.4"), ("v1.31.1+k3s1", "1.31.1"), ("", "")]
        {
            let versions = ApiResources::new(served.clone(), version).cluster_versions();
            assert_eq!(versions.kube_version(), expected);
            assert_eq!(versions.api_versions(), ["apps/v1", "apps/v1/DaemonSet", "apps/v1/Deployment", "v1", "v1/Pod"]);
        }
    }
}
