use std::sync::Arc;

use kube_object::{ClusterVersions, Digest};

/// What surrounds a source: facts that a render may use beside the files and its own options.
///
/// Which of them it used is recorded with its look-ups, so that a change of the others costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderContext {
    /// Name of the application, which is the name of a Helm release unless the source gives one.
    pub app_name: String,
    /// Instance name: the name, with the namespace before it where the application lives outside the control plane's.
    pub instance: String,
    /// Namespace of the destination.
    pub namespace: String,
    /// Name of the project.
    pub project: String,
    /// URL of the repository as the spec writes it.
    pub repo_url: String,
    /// Revision as the spec writes it.
    pub target_revision: String,
    /// The commit.
    pub revision: String,
    /// Versions of the destination cluster; none where there is no cluster.
    pub cluster: Arc<ClusterVersions>,
    /// Options of `kustomize build` that the settings give.
    pub kustomize_build_options: Arc<[String]>,
}

/// Parts of a [`RenderContext`] that a render used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextUse {
    /// Names of the application, its project and destination namespace, and what its source says.
    pub application: bool,
    /// The commit.
    pub revision: bool,
    /// Versions of the cluster.
    pub cluster: bool,
    /// Options of `kustomize build`.
    pub kustomize_options: bool,
}

impl RenderContext {
    /// Digests the parts that were used.
    pub(crate) fn digest(&self, used: ContextUse) -> Digest {
        let cluster = self.cluster.digest();
        let mut parts: Vec<&[u8]> = Vec::new();
        if used.application {
            let names = [
                "application",
                &self.app_name,
                &self.instance,
                &self.namespace,
                &self.project,
                &self.repo_url,
                &self.target_revision,
            ];
            parts.extend(names.map(str::as_bytes));
        }
        if used.revision {
            parts.extend(["revision", &self.revision].map(str::as_bytes));
        }
        if used.cluster {
            parts.extend([b"cluster".as_slice(), cluster.as_bytes()]);
        }
        if used.kustomize_options {
            parts.push(b"kustomize");
            parts.extend(self.kustomize_build_options.iter().map(String::as_bytes));
        }
        Digest::of_parts(parts)
    }
}
