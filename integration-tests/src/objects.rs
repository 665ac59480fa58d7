use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;

/// Names an object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// Group and version, such as `apps/v1`, or only the version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The namespace, none for a cluster-scoped object.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// Names an object, cluster-scoped if the namespace is empty.
pub fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        name: name.to_owned(),
    }
}

impl ObjectRef {
    /// Names the object that a manifest describes.
    ///
    /// # Panics
    /// If the manifest has no apiVersion, kind or name.
    pub fn of(manifest: &Value) -> Self {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        let (Some(api_version), Some(kind), Some(name)) = (text("/apiVersion"), text("/kind"), text("/metadata/name"))
        else {
            panic!("a manifest needs apiVersion, kind and metadata.name: {manifest:#}");
        };
        object(api_version, kind, text("/metadata/namespace").unwrap_or_default(), name)
    }

    /// Gives a client of the object's kind and namespace. The plural name is guessed as Kubernetes' own tools do.
    pub fn api(&self, client: &Client) -> Api<DynamicObject> {
        let (group, version) = self.api_version.rsplit_once('/').unwrap_or(("", &self.api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &self.kind));
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        }
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}/{}", self.api_version, self.kind, self.namespace.as_deref().unwrap_or_default(), self.name)
    }
}
