use futures::future::join_all;
use kube::client::{APIGroupDiscoveryList, APIResourceDiscovery};
use kube_object::{ApiError, ApiResource, ApiResources, Gvk, Scope};
use serde::Deserialize;

use crate::answer::{Answer, JSON};
use crate::cluster::Call;
use crate::{Cluster, Verb};

/// Aggregated discovery in its stable form, else the one before, else the old documents (KEP-3352).
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

impl Cluster {
    /// Asks what the API server serves, in its order of preference.
    ///
    /// Group versions whose server does not answer are marked as incomplete: nothing is known of their kinds. Fails only when
    /// the API server itself does not answer.
    pub async fn discover(&self) -> Result<ApiResources, ApiError> {
        let (core, groups, version) =
            tokio::join!(self.document("/api", ACCEPT), self.document("/apis", ACCEPT), self.server_version());
        let mut found = Found::default();
        for (answer, root) in [(core?, Root::Core), (groups?, Root::Groups)] {
            match answer.json()? {
                Document::Aggregated(list) => found.add_aggregated(list),
                Document::Versions { versions } => self.add_legacy(&mut found, core_versions(versions)).await,
                Document::Groups { groups } => {
                    self.add_legacy(&mut found, groups.into_iter().flat_map(WireGroup::in_order).collect()).await;
                }
                Document::Other => return Err(no_discovery(root)),
            }
        }
        Ok(ApiResources::new(found.resources, version).with_incomplete(found.incomplete))
    }

    /// Finds out whether anybody answers at the address; also an answer that refuses is one.
    pub async fn reach(&self) -> Result<(), ApiError> {
        match self.document("/version", JSON).await {
            Err(error) if error.code == 0 => Err(error),
            _ => Ok(()),
        }
    }

    async fn document(&self, path: &str, accept: &'static str) -> Result<Answer, ApiError> {
        self.exchange(Call::read(Verb::Get, None, path.to_owned(), accept)).await
    }

    /// Returns the server's version, or nothing when it does not say: no decision depends on it.
    async fn server_version(&self) -> String {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Version {
            git_version: String,
        }
        let answer = self.document("/version", JSON).await;
        answer.and_then(|answer| answer.json::<Version>()).unwrap_or_default().git_version
    }

    /// Reads one document a group version, as servers before Kubernetes 1.27 need.
    async fn add_legacy(&self, found: &mut Found, versions: Vec<GroupVersion>) {
        let answers = join_all(versions.iter().map(|at| async {
            self.document(&at.path(), JSON).await.and_then(|answer| answer.json::<WireResources>())
        }));
        for (at, answer) in versions.iter().zip(answers.await) {
            match answer {
                Ok(list) => found.add_legacy(at, list.resources),
                Err(error) => {
                    tracing::warn!(group_version = at.label(), code = error.code, %error, "discovery of a group failed");
                    found.incomplete.push(at.label());
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Root {
    Core,
    Groups,
}

fn no_discovery(root: Root) -> ApiError {
    let path = match root {
        Root::Core => "/api",
        Root::Groups => "/apis",
    };
    ApiError::no_answer(format!(
        "{path} is no discovery document; check that the address is that of a Kubernetes API server"
    ))
}

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Document {
    #[serde(rename = "APIGroupDiscoveryList")]
    Aggregated(APIGroupDiscoveryList),
    #[serde(rename = "APIVersions")]
    Versions { versions: Vec<String> },
    #[serde(rename = "APIGroupList")]
    Groups { groups: Vec<WireGroup> },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireGroup {
    name: String,
    #[serde(default)]
    versions: Vec<WireVersion>,
    #[serde(default)]
    preferred_version: WireVersion,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireVersion {
    version: String,
}

impl WireGroup {
    /// Returns the group's versions, the preferred one first.
    fn in_order(self) -> Vec<GroupVersion> {
        let Self { name, versions, preferred_version } = self;
        let preferred = preferred_version.version;
        let (first, rest): (Vec<_>, Vec<_>) = versions.into_iter().partition(|at| at.version == preferred);
        let versions = first.into_iter().chain(rest);
        versions.map(|WireVersion { version }| GroupVersion { group: name.clone(), version }).collect()
    }
}

fn core_versions(versions: Vec<String>) -> Vec<GroupVersion> {
    versions.into_iter().map(|version| GroupVersion { group: String::new(), version }).collect()
}

#[derive(Default, Deserialize)]
struct WireResources {
    resources: Vec<WireResource>,
}

#[derive(Deserialize)]
struct WireResource {
    name: String,
    kind: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}

struct GroupVersion {
    group: String,
    version: String,
}

impl GroupVersion {
    fn path(&self) -> String {
        if self.group.is_empty() { format!("/api/{}", self.version) } else { format!("/apis/{}", self.label()) }
    }

    fn label(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    fn gvk(&self, kind: String) -> Gvk {
        Gvk::new(self.group.clone(), self.version.clone(), kind)
    }
}

/// What discovery has found so far.
#[derive(Default)]
struct Found {
    resources: Vec<ApiResource>,
    incomplete: Vec<String>,
}

impl Found {
    fn add_aggregated(&mut self, list: APIGroupDiscoveryList) {
        for group in list.items {
            let name = group.metadata.and_then(|meta| meta.name).unwrap_or_default();
            for version in group.versions {
                let at = GroupVersion { group: name.clone(), version: version.version.unwrap_or_default() };
                if version.freshness.as_deref() == Some("Stale") {
                    self.incomplete.push(at.label());
                }
                self.resources.extend(version.resources.into_iter().filter_map(|wire| aggregated(&at, wire)));
            }
        }
    }

    fn add_legacy(&mut self, at: &GroupVersion, resources: Vec<WireResource>) {
        let (below, whole): (Vec<_>, Vec<_>) = resources.into_iter().partition(|wire| wire.name.contains('/'));
        self.resources.extend(whole.into_iter().map(|wire| {
            let subresources = below.iter().filter_map(|sub| sub.name.strip_prefix(&wire.name)?.strip_prefix('/'));
            ApiResource {
                gvk: at.gvk(wire.kind),
                scope: if wire.namespaced { Scope::Namespaced } else { Scope::Cluster },
                subresources: subresources.map(str::to_owned).collect(),
                plural: wire.name,
                verbs: wire.verbs,
            }
        }));
    }
}

/// Takes one entry as a resource; entries that only carry subresources have no kind of their own.
fn aggregated(at: &GroupVersion, wire: APIResourceDiscovery) -> Option<ApiResource> {
    let kind = wire.response_kind?.kind.filter(|kind| !kind.is_empty())?;
    Some(ApiResource {
        gvk: at.gvk(kind),
        plural: wire.resource?,
        scope: if wire.scope.as_deref() == Some("Namespaced") { Scope::Namespaced } else { Scope::Cluster },
        verbs: wire.verbs,
        subresources: wire.subresources.into_iter().filter_map(|sub| sub.subresource).collect(),
    })
}

#[cfg(test)]
mod tests;
