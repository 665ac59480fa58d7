use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use kube_object::{ApiError, ApiResource, Object, Scope};
use serde_json::{Map, Value, json};
use tracing::Instrument;

use crate::access::Query;
use crate::answer::{Answer, JSON, accept_object};
use crate::cluster::Call;
use crate::{ActingAs, Cluster, Detail, DryRun, FieldValidation, ObjectRef, Verb};

/// How a write is made.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions<'a> {
    /// Manager that will own the written fields.
    pub field_manager: &'a str,
    /// What the server does about unknown fields.
    pub field_validation: FieldValidation,
    /// Whether the write is stored.
    pub dry_run: DryRun,
    /// On whose authority.
    pub acting_as: &'a ActingAs,
    /// Time for the request; the connection's own when absent.
    pub deadline: Option<Duration>,
    /// How much of the object the answer carries.
    pub detail: Detail,
}

impl<'a> WriteOptions<'a> {
    /// Makes the options of a real write by the daemon itself, with the server's defaults.
    pub fn new(field_manager: &'a str) -> Self {
        Self {
            field_manager,
            field_validation: FieldValidation::default(),
            dry_run: DryRun::No,
            acting_as: &ActingAs::Daemon,
            deadline: None,
            detail: Detail::Full,
        }
    }

    fn query(&self) -> Query {
        Query::default()
            .with("fieldManager", self.field_manager)
            .with_field_validation(self.field_validation)
            .with_dry_run(self.dry_run)
    }
}

/// A server-side apply.
#[derive(Clone, Copy, Debug)]
pub struct ApplyRequest<'a> {
    /// The object's kind, in the version of the object.
    pub resource: &'a ApiResource,
    /// The desired object.
    pub object: &'a Object,
    /// What becomes of fields that another manager owns with another value.
    pub conflicts: Conflicts,
    /// The rest.
    pub options: WriteOptions<'a>,
}

/// What an apply does about fields that another manager owns with another value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Conflicts {
    /// It takes them.
    #[default]
    Force,
    /// It fails with 409 and causes `FieldManagerConflict`.
    Report,
}

/// The result of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The object as the server returned it; of a dry run, as it would be.
    pub object: Object,
    /// Whether the object is new.
    pub effect: Effect,
    /// What the server warned of.
    pub warnings: Vec<String>,
}

/// Whether a write made an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It did (201).
    Created,
    /// The object was there; whether it changed is known from its resourceVersion.
    Kept,
}

/// A deletion.
#[derive(Clone, Copy, Debug)]
pub struct DeleteRequest<'a> {
    /// The object.
    pub object: ObjectRef<'a>,
    /// Refuses (409) when the object has another uid: it was made again.
    pub uid: Option<&'a str>,
    /// Refuses (409) when the object has changed since.
    pub resource_version: Option<&'a str>,
    /// What becomes of dependents. Always sent, because defaults differ by kind (a Job's is Orphan). For an object that is
    /// already being deleted it must be the policy of the first request, or pending work is dropped (facts, section 7).
    pub propagation: Propagation,
    /// Whether the deletion is made.
    pub dry_run: DryRun,
    /// On whose authority.
    pub acting_as: &'a ActingAs,
    /// Time for the request; the connection's own when absent.
    pub deadline: Option<Duration>,
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// They go first, then the object.
    Foreground,
    /// The object goes at once, they follow.
    Background,
    /// They stay.
    Orphan,
}

/// The result of a deletion. An object that was not there is an error with code 404.
#[derive(Clone, Debug, PartialEq)]
pub enum Deleted {
    /// The object is gone, or would be (dry run).
    Gone,
    /// The object waits for finalizers, dependents or its grace period.
    Pending(Object),
}

const APPLY: &str = "application/apply-patch+yaml";
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

impl Cluster {
    /// Applies an object (server-side apply): creates it, or changes what differs.
    pub async fn apply(&self, apply: ApplyRequest<'_>) -> Result<Written, ApiError> {
        let ApplyRequest { resource, object, conflicts, options } = apply;
        let target = ObjectRef::of(resource, object);
        let query = options.query().with("force", if conflicts == Conflicts::Force { "true" } else { "false" });
        let path = query.after(target.path(None)?);
        let call = write_call(Verb::Patch, Method::PATCH, target, path, (APPLY, encode(object)), &options);
        let span = tracing::debug_span!("apply", gvk = %resource.gvk, namespace = target.namespace, name = target.name);
        self.write(call, resource).instrument(span).await
    }

    /// Creates an object; fails with 409 `AlreadyExists` when it is there. The name may be left to `generateName`.
    pub async fn create(
        &self,
        resource: &ApiResource,
        object: &Object,
        options: WriteOptions<'_>,
    ) -> Result<Written, ApiError> {
        let target = ObjectRef::of(resource, object);
        let path = options.query().after(target.collection()?);
        let call = write_call(Verb::Create, Method::POST, target, path, (JSON, encode(object)), &options);
        let span =
            tracing::debug_span!("create", gvk = %resource.gvk, namespace = target.namespace, name = target.name);
        self.write(call, resource).instrument(span).await
    }

    /// Creates an Event, a `v1` one or one of `events.k8s.io`, in the namespace it names.
    pub async fn create_event(&self, event: &Object, options: WriteOptions<'_>) -> Result<Written, ApiError> {
        let resource = ApiResource {
            gvk: event.gvk(),
            plural: "events".to_owned(),
            scope: Scope::Namespaced,
            verbs: vec!["create".to_owned()],
            subresources: Vec::new(),
        };
        self.create(&resource, event, options).await
    }

    /// Replaces an object; with `metadata.resourceVersion` in it only if nobody changed it since.
    pub async fn replace(
        &self,
        resource: &ApiResource,
        object: &Object,
        options: WriteOptions<'_>,
    ) -> Result<Written, ApiError> {
        let target = ObjectRef::of(resource, object);
        let path = options.query().after(target.path(None)?);
        let call = write_call(Verb::Update, Method::PUT, target, path, (JSON, encode(object)), &options);
        let span =
            tracing::debug_span!("replace", gvk = %resource.gvk, namespace = target.namespace, name = target.name);
        self.write(call, resource).instrument(span).await
    }

    /// Changes an object by a JSON merge patch (RFC 7386), or one of its subresources.
    pub async fn merge_patch(
        &self,
        target: ObjectRef<'_>,
        subresource: Option<&str>,
        patch: &Value,
        options: WriteOptions<'_>,
    ) -> Result<Written, ApiError> {
        self.patch(target, subresource, (MERGE_PATCH, encode(patch)), options).await
    }

    /// Changes an object by a JSON patch (RFC 6902), or one of its subresources.
    pub async fn json_patch(
        &self,
        target: ObjectRef<'_>,
        subresource: Option<&str>,
        operations: &[Value],
        options: WriteOptions<'_>,
    ) -> Result<Written, ApiError> {
        self.patch(target, subresource, (JSON_PATCH, encode(&operations)), options).await
    }

    async fn patch(
        &self,
        target: ObjectRef<'_>,
        subresource: Option<&str>,
        content: (&'static str, Bytes),
        options: WriteOptions<'_>,
    ) -> Result<Written, ApiError> {
        let path = options.query().after(target.path(subresource)?);
        let call = write_call(Verb::Patch, Method::PATCH, target, path, content, &options);
        let gvk = &target.resource.gvk;
        let span = tracing::debug_span!("patch", %gvk, namespace = target.namespace, name = target.name);
        self.write(call, target.resource).instrument(span).await
    }

    async fn write(&self, call: Call<'_>, resource: &ApiResource) -> Result<Written, ApiError> {
        let answer = self.exchange(call).await?;
        let effect = if answer.status == StatusCode::CREATED { Effect::Created } else { Effect::Kept };
        Ok(Written { object: answer.object(resource)?, effect, warnings: answer.warnings() })
    }

    /// Deletes an object.
    pub async fn delete(&self, delete: DeleteRequest<'_>) -> Result<Deleted, ApiError> {
        let DeleteRequest { object, dry_run, acting_as, deadline, .. } = delete;
        let call = Call {
            verb: Verb::Delete,
            resource: Some(object.resource),
            namespace: object.path_namespace(),
            method: Method::DELETE,
            path: object.path(None)?,
            accept: JSON,
            content: Some((JSON, encode(&delete_options(&delete)))),
            acting_as,
            dry_run,
            deadline,
        };
        let gvk = &object.resource.gvk;
        let span = tracing::debug_span!("delete", %gvk, namespace = object.namespace, name = object.name);
        deleted(&self.exchange(call).instrument(span).await?)
    }
}

fn write_call<'a>(
    verb: Verb,
    method: Method,
    target: ObjectRef<'a>,
    path: String,
    content: (&'static str, Bytes),
    options: &WriteOptions<'a>,
) -> Call<'a> {
    Call {
        verb,
        resource: Some(target.resource),
        namespace: target.path_namespace(),
        method,
        path,
        accept: accept_object(options.detail),
        content: Some(content),
        acting_as: options.acting_as,
        dry_run: options.dry_run,
        deadline: options.deadline,
    }
}

fn delete_options(delete: &DeleteRequest<'_>) -> Value {
    let policy = match delete.propagation {
        Propagation::Foreground => "Foreground",
        Propagation::Background => "Background",
        Propagation::Orphan => "Orphan",
    };
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy});
    // In the body, because the API server ignores the query of a deletion that has a body.
    if delete.dry_run == DryRun::All {
        options["dryRun"] = json!(["All"]);
    }
    let mut preconditions = Map::new();
    for (name, value) in [("uid", delete.uid), ("resourceVersion", delete.resource_version)] {
        preconditions.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    }
    if !preconditions.is_empty() {
        options["preconditions"] = Value::Object(preconditions);
    }
    options
}

/// Tells a `Status` (gone) from the object itself (it waits for something).
fn deleted(answer: &Answer) -> Result<Deleted, ApiError> {
    let object: Object = answer.json()?;
    if object.kind() == "Status" && object.api_version() == "v1" {
        return Ok(Deleted::Gone);
    }
    Ok(Deleted::Pending(object))
}

fn encode<T: serde::Serialize>(content: &T) -> Bytes {
    serde_json::to_vec(content).expect("JSON values with string keys always serialise").into()
}

#[cfg(test)]
mod tests;
