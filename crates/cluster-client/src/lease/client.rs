use std::time::Duration;

use kube_object::{ApiError, ApiResource, Gvk, Object, Scope};
use serde_json::json;

use super::LeaseRecord;
use crate::{Cluster, Detail, ObjectRef, WriteOptions};

/// Reads and writes one Lease.
#[derive(Clone, Debug)]
pub struct LeaseClient {
    cluster: Cluster,
    resource: ApiResource,
    namespace: String,
    name: String,
    deadline: Duration,
}

/// Owns the fields of the Lease.
const FIELD_MANAGER: &str = "driftless";

/// Requests of a lease that may be under way at once: leadership must not wait for its turn among a thousand applies.
const TURNS: usize = 2;

impl LeaseClient {
    /// Addresses a Lease; each request may take `deadline`, and does not wait for others of the same cluster.
    pub fn new(cluster: &Cluster, namespace: impl Into<String>, name: impl Into<String>, deadline: Duration) -> Self {
        let resource = ApiResource {
            gvk: Gvk::new("coordination.k8s.io", "v1", "Lease"),
            plural: "leases".to_owned(),
            scope: Scope::Namespaced,
            verbs: ["create", "get", "update"].map(str::to_owned).to_vec(),
            subresources: Vec::new(),
        };
        Self {
            cluster: cluster.with_own_turns(TURNS, deadline),
            resource,
            namespace: namespace.into(),
            name: name.into(),
            deadline,
        }
    }

    /// Reads the Lease; none when it does not exist.
    pub async fn get(&self) -> Result<Option<Object>, ApiError> {
        let at = ObjectRef { resource: &self.resource, namespace: &self.namespace, name: &self.name };
        match self.cluster.get(at, Detail::Full).await {
            Ok(lease) => Ok(Some(lease)),
            Err(error) if error.code == 404 && !error.is_unknown_kind() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates the Lease; fails with 409 when somebody else did.
    pub async fn create(&self, record: &LeaseRecord) -> Result<Object, ApiError> {
        let meta = json!({"name": self.name, "namespace": self.namespace});
        let value = json!({"apiVersion": self.resource.gvk.api_version(), "kind": "Lease", "metadata": meta});
        let mut lease = Object::from_value(value).expect("a literal map");
        record.write_into(&mut lease);
        Ok(self.cluster.create(&self.resource, &lease, self.options()).await?.object)
    }

    /// Writes a record into the Lease as it was read; fails with 409 when it has changed since.
    pub async fn update(&self, mut lease: Object, record: &LeaseRecord) -> Result<Object, ApiError> {
        record.write_into(&mut lease);
        Ok(self.cluster.replace(&self.resource, &lease, self.options()).await?.object)
    }

    fn options(&self) -> WriteOptions<'static> {
        WriteOptions { deadline: Some(self.deadline), ..WriteOptions::new(FIELD_MANAGER) }
    }
}
