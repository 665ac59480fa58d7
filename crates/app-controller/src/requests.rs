use application_api::{PropagationPolicy, constants::SYNC_FIELD_MANAGER};
use cluster_client::{
    ApplyRequest, Cluster, Conflicts, DeleteRequest, Deleted, Detail, FieldValidation, ObjectRef, Propagation,
    WriteOptions, Written,
};
use kube_object::{ApiError, CompactObject, Object, ObjectKey};
use object_diff::DryRunBody;
use reconciler::{ActingAs, Answer, AppKey, Call, ClusterRequest, DryRun, Validation};
use serde_json::{Value, json};

use crate::hands::Hands;
use crate::retrying::{ATTEMPTS, DRY_RUN_ATTEMPTS, retrying};

/// Sends a request for an Application and puts what came of it into an answer.
pub(crate) async fn request(hands: &Hands, app: &AppKey, request: ClusterRequest) -> Answer {
    // What is sent about one object is sent one after the other.
    let _turn = hands.objects.take(&request.key).await;
    let acting_as = acting_as(&request.acting_as);
    let sender = Sender { hands, cluster: hands.cluster_for(app), request: &request, acting_as: &acting_as };
    let answer = match &request.call {
        Call::Apply { object, migration, validation } => sender.apply(object, migration.as_ref(), *validation).await,
        Call::DryRun { object, bodies, validation } => sender.dry_run(object, bodies, *validation).await,
        Call::Replace { object, validation, dry_run } => sender.replace(object, *validation, *dry_run).await,
        Call::MergePatch(patch) => sender.merge_patch(patch).await,
        Call::Get => sender.get().await,
        Call::CreateNamespace => sender.create_namespace().await,
        Call::Delete { .. } => sender.delete().await,
    };
    named(answer, &request.key)
}

/// Has an error name the object where the server does not: when it is too large.
fn named(answer: Answer, key: &ObjectKey) -> Answer {
    let name = |mut error: ApiError| {
        if error.is_too_large() {
            let ObjectKey { kind, name, .. } = key;
            error.message = format!(
                "{kind} \"{name}\" cannot be stored: {}; make it smaller than 1.5 MB, or split it",
                error.message
            );
        }
        error
    };
    match answer {
        Answer::Failed(error) => Answer::Failed(name(error)),
        Answer::Tried(results) => Answer::Tried(results.into_iter().map(|result| result.map_err(name)).collect()),
        other => other,
    }
}

struct Sender<'a> {
    hands: &'a Hands,
    cluster: Cluster,
    request: &'a ClusterRequest,
    acting_as: &'a cluster_client::ActingAs,
}

impl Sender<'_> {
    /// Applies an object; ownership that is due to move is moved first.
    async fn apply(&self, object: &CompactObject, migration: Option<&Value>, validation: Validation) -> Answer {
        if let Some(operations) = migration.and_then(Value::as_array)
            && let Err(error) = self.migrate(operations).await
        {
            return Answer::Failed(error);
        }
        let object = object.decode();
        let options = WriteOptions { field_validation: field_validation(validation), ..self.options() };
        let apply = self.apply_request(&object, options);
        written(self.changing(|| self.cluster.apply(apply)).await)
    }

    /// Replaces an object that names the version it replaces, else creates it.
    async fn replace(&self, object: &CompactObject, validation: Validation, dry: DryRun) -> Answer {
        let object = object.decode();
        let (field_validation, dry_run) = (field_validation(validation), dry_run(dry));
        let options = WriteOptions { field_validation, dry_run, ..self.options() };
        let resource = &self.request.resource;
        if object.resource_version().is_empty() {
            return written(self.changing(|| self.cluster.create(resource, &object, options)).await);
        }
        written(self.changing(|| self.cluster.replace(resource, &object, options)).await)
    }

    async fn merge_patch(&self, patch: &Value) -> Answer {
        let (target, options) = (self.target(), self.options());
        match self.changing(|| self.cluster.merge_patch(target, None, patch, options)).await {
            Err(error) => not_found_or_failed(error),
            result => written(result),
        }
    }

    async fn migrate(&self, operations: &[Value]) -> Result<(), ApiError> {
        let (target, options) = (self.target(), self.options());
        match self.changing(|| self.cluster.json_patch(target, None, operations, options)).await {
            // Nothing is left to migrate.
            Err(error) if error.code == 404 => Ok(()),
            result => result.map(drop),
        }
    }

    /// Tries bodies out one after the other.
    async fn dry_run(&self, object: &CompactObject, bodies: &[DryRunBody], validation: Validation) -> Answer {
        let object = object.decode();
        let options = WriteOptions {
            field_validation: field_validation(validation),
            dry_run: cluster_client::DryRun::All,
            ..self.options()
        };
        let mut tried = Vec::with_capacity(bodies.len());
        for body in bodies {
            let result = match body {
                DryRunBody::Apply => {
                    let apply = self.apply_request(&object, options);
                    self.trying(|| self.cluster.apply(apply)).await
                }
                DryRunBody::JsonPatch(patch) => {
                    let operations = patch.as_array().map_or(&[][..], Vec::as_slice);
                    self.trying(|| self.cluster.json_patch(self.target(), None, operations, options)).await
                }
            };
            tried.push(result.map(|written| written.object));
        }
        Answer::Tried(tried)
    }

    async fn get(&self) -> Answer {
        let read = || self.cluster.get(self.target(), Detail::Full);
        found(retrying(ATTEMPTS, || true, read).await)
    }

    /// Creates a namespace; one that is there already is as good.
    async fn create_namespace(&self) -> Answer {
        let name = &self.request.key.name;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let Ok(namespace) = Object::from_value(namespace) else { unreachable!("a JSON map was just made") };
        let options = self.options();
        match self.changing(|| self.cluster.create(&self.request.resource, &namespace, options)).await {
            Err(error) if error.reason == "AlreadyExists" => self.get().await,
            result => written(result),
        }
    }

    async fn delete(&self) -> Answer {
        let Call::Delete { uid, resource_version, propagation, dry_run } = &self.request.call else {
            unreachable!("only called for deletions")
        };
        let delete = DeleteRequest {
            object: self.target(),
            uid: given(uid),
            resource_version: given(resource_version),
            propagation: match propagation {
                PropagationPolicy::Foreground => Propagation::Foreground,
                PropagationPolicy::Background => Propagation::Background,
                PropagationPolicy::Orphan => Propagation::Orphan,
            },
            dry_run: self::dry_run(*dry_run),
            acting_as: self.acting_as,
            deadline: None,
        };
        match self.changing(|| self.cluster.delete(delete)).await {
            Ok(Deleted::Gone) => Answer::Gone,
            Ok(Deleted::Pending(object)) => Answer::Deleting(Box::new(object)),
            Err(error) => not_found_or_failed(error),
        }
    }

    /// Sends a request that changes something, as long as this daemon may.
    async fn changing<T, F: Future<Output = Result<T, ApiError>>>(
        &self,
        mut send: impl FnMut() -> F,
    ) -> Result<T, ApiError> {
        retrying(
            ATTEMPTS,
            || self.hands.leads(),
            || {
                let fence = self.hands.fence();
                // A future does nothing before it is awaited.
                let sent = send();
                async move {
                    fence?;
                    sent.await
                }
            },
        )
        .await
    }

    /// Sends a request that stores nothing.
    async fn trying<F: Future<Output = Result<Written, ApiError>>>(
        &self,
        send: impl FnMut() -> F,
    ) -> Result<Written, ApiError> {
        retrying(DRY_RUN_ATTEMPTS, || true, send).await
    }

    fn target(&self) -> ObjectRef<'_> {
        let key = &self.request.key;
        ObjectRef { resource: &self.request.resource, namespace: &key.namespace, name: &key.name }
    }

    fn options(&self) -> WriteOptions<'_> {
        WriteOptions { acting_as: self.acting_as, ..WriteOptions::new(SYNC_FIELD_MANAGER) }
    }

    fn apply_request<'a>(&'a self, object: &'a Object, options: WriteOptions<'a>) -> ApplyRequest<'a> {
        ApplyRequest { resource: &self.request.resource, object, conflicts: Conflicts::Force, options }
    }
}

fn written(result: Result<Written, ApiError>) -> Answer {
    match result {
        Ok(Written { object, warnings, .. }) => {
            for warning in warnings {
                tracing::debug!(warning, "the API server warns");
            }
            Answer::Object(Box::new(object))
        }
        Err(error) => Answer::Failed(error),
    }
}

fn found(result: Result<Object, ApiError>) -> Answer {
    match result {
        Ok(object) => Answer::Object(Box::new(object)),
        Err(error) => not_found_or_failed(error),
    }
}

fn not_found_or_failed(error: ApiError) -> Answer {
    if error.code == 404 { Answer::NotFound(error) } else { Answer::Failed(error) }
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn field_validation(validation: Validation) -> FieldValidation {
    match validation {
        Validation::Strict => FieldValidation::Strict,
        Validation::Ignore => FieldValidation::Ignore,
    }
}

fn dry_run(dry_run: DryRun) -> cluster_client::DryRun {
    match dry_run {
        DryRun::No => cluster_client::DryRun::No,
        DryRun::Yes => cluster_client::DryRun::All,
    }
}

fn acting_as(acting_as: &ActingAs) -> cluster_client::ActingAs {
    match acting_as {
        ActingAs::Daemon => cluster_client::ActingAs::Daemon,
        ActingAs::ServiceAccount { namespace, name } => {
            cluster_client::ActingAs::ServiceAccount { namespace: namespace.clone(), name: name.clone() }
        }
    }
}

#[cfg(test)]
mod tests;
