//! Which kinds the model serves.

use kube_object::{ApiResource, ApiResources, Gvk, Object, Scope};
use serde_json::Value;

use super::Server;

impl Server {
    /// Answers discovery.
    pub fn discovery(&self) -> ApiResources {
        let hidden = |resource: &&ApiResource| {
            let version = resource.gvk.api_version();
            self.unreachable.contains(&version) || self.lagging.contains(&version)
        };
        let ghosts: Vec<ApiResource> =
            self.ghosts.iter().map(|gvk| resource(&gvk.group, &gvk.version, &gvk.kind, Scope::Namespaced)).collect();
        let resources = self.served.iter().chain(&ghosts).filter(|resource| !hidden(resource)).cloned();
        ApiResources::new(resources, "v1.36.3").with_incomplete(self.unreachable.clone())
    }

    /// Tells whether a kind is served in a version.
    pub fn serves(&self, gvk: &Gvk) -> bool {
        self.served.iter().any(|resource| resource.gvk == *gvk)
    }

    /// Reads anew which kinds are defined.
    pub(super) fn redefine(&mut self) {
        let mut all = built_in();
        for definition in self.objects().filter(|object| object.kind() == "CustomResourceDefinition") {
            if !is_established(definition) || definition.is_deleting() {
                continue;
            }
            let text = |path: &[&str]| definition.get(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            let scope = if text(&["spec", "scope"]) == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
            all.push(resource(&text(&["spec", "group"]), "v1", &text(&["spec", "names", "kind"]), scope));
        }
        self.served = all;
    }
}

const BUILT_IN: [(&str, &str, &str, Scope); 12] = [
    ("", "v1", "ConfigMap", Scope::Namespaced),
    ("", "v1", "Secret", Scope::Namespaced),
    ("", "v1", "Service", Scope::Namespaced),
    ("", "v1", "ServiceAccount", Scope::Namespaced),
    ("", "v1", "Namespace", Scope::Cluster),
    ("", "v1", "Pod", Scope::Namespaced),
    ("apps", "v1", "Deployment", Scope::Namespaced),
    ("batch", "v1", "Job", Scope::Namespaced),
    ("apps", "v1", "ReplicaSet", Scope::Namespaced),
    ("argoproj.io", "v1alpha1", "Application", Scope::Namespaced),
    ("argoproj.io", "v1alpha1", "AppProject", Scope::Namespaced),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", Scope::Cluster),
];

pub(super) fn built_in() -> Vec<ApiResource> {
    BUILT_IN.iter().map(|(group, version, kind, scope)| resource(group, version, kind, *scope)).collect()
}

fn resource(group: &str, version: &str, kind: &str, scope: Scope) -> ApiResource {
    ApiResource {
        gvk: Gvk::new(group, version, kind),
        plural: format!("{}s", kind.to_lowercase()),
        scope,
        verbs: ["get", "list", "watch", "patch", "create", "delete"].map(str::to_owned).to_vec(),
        subresources: Vec::new(),
    }
}

pub(super) fn is_established(definition: &Object) -> bool {
    let conditions = definition.get(&["status", "conditions"]).and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Established" && one["status"] == "True"))
}
