//! Requests that go to the model and to the real API server, and what has to be equal afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;

use application_api::PropagationPolicy;
use futures::FutureExt as _;
use integration_tests::{Cluster, Environment, ObjectRef};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube_object::{ApiError, ClusterId, Object, ObjectKey};
use serde_json::{Value, json};
use test_kit::sim::{Establishing, Force, Server};

pub(super) const GIT: &str = "argocd-controller";
pub(super) const STATUS: &str = "argocd-application-controller";
pub(super) const PERSON: &str = "kubectl-edit";
/// Stands for the uid of an object in requests, before its name.
pub(super) const UID_OF: &str = "uid of ";

/// One request, sent to both.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Create(Value),
    Apply(&'static str, Force, Value),
    Patch(&'static str, ObjectRef, Value),
    Delete(ObjectRef, PropagationPolicy, Given),
}

/// The precondition of a delete.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given {
    Nothing,
    AnotherUid,
    AnotherVersion,
}

/// What a request came to: the code of its error, or whether it wrote something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Failed(u16),
    Written,
    Unchanged,
}

/// The real control plane and the model beside each other.
pub(super) struct Both {
    pub(super) cluster: Cluster,
    pub(super) server: Server,
    touched: Vec<ObjectRef>,
}

impl Both {
    pub(super) fn new(env: &Environment, namespaces: &[&str]) -> Self {
        let mut server = Server::new("2026-01-01T00:00:00Z".parse().unwrap());
        server.establishing = Establishing::AtOnce;
        for name in namespaces {
            server.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        }
        Self { cluster: env.cluster().clone(), server, touched: Vec::new() }
    }

    /// Sends a request to both and compares the answers, and then everything that requests were about.
    pub(super) async fn check(&mut self, request: Request) {
        let target = request.target();
        if !self.touched.contains(&target) {
            self.touched.push(target);
        }
        let real = self.send(&request).await;
        let modelled = self.model(&request);
        assert_eq!(modelled, real, "the model, then the real answer to {request:?}");
        for target in &self.touched {
            let names = self.names();
            let expected = shown(self.server.get(&key_of(target)).map(|object| object.clone().into_value()), &names);
            let real_names = self.real_names().await;
            let mut last = Value::Null;
            let reached = self.cluster.wait_for(target, "to be as in the model", |live| {
                last = shown(Some(live.clone()), &real_names);
                last == expected
            });
            let is_reached = AssertUnwindSafe(reached).catch_unwind().await.is_ok();
            assert!(is_reached, "{target} after {request:?}\nis in the model {expected:#}\nand really {last:#}");
        }
    }

    pub(super) fn model(&mut self, request: &Request) -> Outcome {
        let before = self.server.get(&key_of(&request.target())).map(|object| object.resource_version().to_owned());
        let fill = |value: &Value, server: &Server| filled(value, &|name| uid_in(server, name).unwrap_or_default());
        let result = match request {
            Request::Create(manifest) => {
                self.server.create_as(PERSON, &Object::from_value(fill(manifest, &self.server)).unwrap())
            }
            Request::Apply(manager, force, manifest) => {
                let manifest = Object::from_value(fill(manifest, &self.server)).unwrap();
                self.server.apply_as(manager, *force, &manifest)
            }
            Request::Patch(manager, target, patch) => self.server.merge_patch_as(manager, &key_of(target), patch),
            Request::Delete(target, propagation, given) => {
                let (uid, version) = given.of();
                let deleted = self.server.delete(&key_of(target), uid, version, *propagation);
                return outcome_of_delete(deleted.map(|_| ()).map_err(|error: ApiError| error.code));
            }
        };
        outcome(
            before.as_deref(),
            result.map(|object| object.resource_version().to_owned()).map_err(|error| error.code),
        )
    }

    pub(super) async fn send(&self, request: &Request) -> Outcome {
        let target = request.target();
        let api = target.api(self.cluster.client());
        let before = self.live(&target).await["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        let names: BTreeMap<String, String> =
            self.real_names().await.into_iter().map(|(uid, name)| (name, uid)).collect();
        let fill = |value: &Value| filled(value, &|name| names.get(name).cloned().unwrap_or_default());
        let result = match request {
            Request::Create(manifest) => {
                let parameters = PostParams { field_manager: Some(PERSON.to_owned()), ..PostParams::default() };
                let object = serde_json::from_value(fill(manifest)).unwrap();
                api.create(&parameters, &object).await
            }
            Request::Apply(manager, force, manifest) => {
                let parameters = PatchParams { force: *force == Force::Yes, ..PatchParams::apply(manager) };
                api.patch(&target.name, &parameters, &Patch::Apply(fill(manifest))).await
            }
            Request::Patch(manager, _, patch) => {
                let parameters = PatchParams { field_manager: Some((*manager).to_owned()), ..PatchParams::default() };
                api.patch(&target.name, &parameters, &Patch::Merge(patch)).await
            }
            Request::Delete(_, propagation, given) => {
                let parameters = match propagation {
                    PropagationPolicy::Foreground => DeleteParams::foreground(),
                    _ => DeleteParams::background(),
                };
                let (uid, version) = given.of();
                let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                let preconditions = Preconditions { uid: text(uid), resource_version: text(version) };
                let deleted = api.delete(&target.name, &parameters.preconditions(preconditions)).await;
                return outcome_of_delete(deleted.map(|_| ()).map_err(|error| code(&error)));
            }
        };
        let version = |object: kube::api::DynamicObject| object.metadata.resource_version.unwrap_or_default();
        outcome(before.as_deref(), result.map(version).map_err(|error| code(&error)))
    }

    /// Reads an object; null when it, or its kind, is not there.
    async fn live(&self, target: &ObjectRef) -> Value {
        match target.api(self.cluster.client()).get(&target.name).await {
            Ok(object) => json!(object),
            Err(error) if code(&error) == 404 => Value::Null,
            Err(error) => panic!("get {target}: {error}"),
        }
    }

    /// Returns the names of the model's objects by uid.
    fn names(&self) -> BTreeMap<String, String> {
        self.server.objects().map(|object| (object.uid().to_owned(), object.name().to_owned())).collect()
    }

    /// Returns the names of the real objects by uid.
    async fn real_names(&self) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        for target in &self.touched {
            let live = self.live(target).await;
            if let Some(uid) = live["metadata"]["uid"].as_str() {
                names.insert(uid.to_owned(), target.name.clone());
            }
        }
        names
    }
}

impl Request {
    pub(super) fn target(&self) -> ObjectRef {
        match self {
            Self::Create(manifest) | Self::Apply(_, _, manifest) => ObjectRef::of(manifest),
            Self::Patch(_, target, _) | Self::Delete(target, _, _) => target.clone(),
        }
    }
}

impl Given {
    /// Returns the uid and the resourceVersion that are asked for; empty for any.
    fn of(self) -> (&'static str, &'static str) {
        match self {
            Self::Nothing => ("", ""),
            Self::AnotherUid => ("00000000-0000-0000-0000-000000000000", ""),
            Self::AnotherVersion => ("", "1"),
        }
    }
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("expected an answer of the API server: {other}"),
    }
}

fn outcome(before: Option<&str>, result: Result<String, u16>) -> Outcome {
    match result {
        Err(code) => Outcome::Failed(code),
        Ok(version) if before == Some(version.as_str()) => Outcome::Unchanged,
        Ok(_) => Outcome::Written,
    }
}

fn outcome_of_delete(result: Result<(), u16>) -> Outcome {
    result.map_or_else(Outcome::Failed, |()| Outcome::Written)
}

pub(super) fn key_of(target: &ObjectRef) -> ObjectKey {
    let value = json!({
        "apiVersion": target.api_version, "kind": target.kind,
        "metadata": {"name": target.name, "namespace": target.namespace.clone().unwrap_or_default()},
    });
    Object::from_value(value).unwrap().key(ClusterId::in_cluster())
}

fn uid_in(server: &Server, name: &str) -> Option<String> {
    Some(server.objects().find(|object| object.name() == name)?.uid().to_owned())
}

/// Puts uids where a manifest names objects.
fn filled(value: &Value, uid: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), filled(value, uid))).collect(),
        Value::Array(items) => items.iter().map(|item| filled(item, uid)).collect(),
        Value::String(text) => match text.strip_prefix(UID_OF) {
            Some(name) => uid(name).into(),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

/// Shows what has to be equal of an object: all but times, versions and uids, and who owns which field.
fn shown(object: Option<Value>, names: &BTreeMap<String, String>) -> Value {
    let Some(mut object) = object.filter(|object| !object.is_null()) else { return Value::Null };
    // A list leaves them out of its items.
    let all = object.as_object_mut().unwrap();
    for name in ["apiVersion", "kind"] {
        all.remove(name);
    }
    let metadata = object["metadata"].as_object_mut().unwrap();
    let owners = metadata.remove("managedFields").map(|entries| owners(&entries)).unwrap_or_default();
    for name in ["uid", "resourceVersion", "creationTimestamp", "deletionGracePeriodSeconds"] {
        metadata.remove(name);
    }
    if let Some(at) = metadata.get_mut("deletionTimestamp") {
        *at = true.into();
        // How often going counts depends on the kind and on how it goes.
        metadata.remove("generation");
    }
    for reference in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        let uid = reference["uid"].as_str().unwrap_or_default();
        reference["uid"] = names.get(uid).cloned().unwrap_or_else(|| "gone".to_owned()).into();
    }
    metadata.insert("owners".to_owned(), json!(owners));
    object
}

/// Lists who owns which field, left aside owner references, which the model takes for one value.
fn owners(entries: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for entry in entries.as_array().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let mut paths = BTreeSet::new();
        collect(&entry["fieldsV1"], "", &mut paths);
        paths.retain(|path| !path.contains("f:ownerReferences"));
        if !paths.is_empty() {
            all.insert(format!("{} {} {}", text("manager"), text("operation"), text("subresource")), paths);
        }
    }
    all
}

fn collect(fields: &Value, at: &str, paths: &mut BTreeSet<String>) {
    let below: Vec<_> = fields.as_object().into_iter().flatten().filter(|(name, _)| *name != ".").collect();
    if below.is_empty() && fields.get(".").is_none() {
        paths.insert(at.to_owned());
    }
    for (name, value) in below {
        collect(value, &format!("{at}/{name}"), paths);
    }
}
