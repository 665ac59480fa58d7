//! Writes: apply, update, merge patch, delete; what is stored, and what nobody hears of because nothing differs.

use std::collections::BTreeSet;

use application_api::PropagationPolicy;
use kube_object::{ApiError, ClusterId, Gvk, Object, ObjectKey, apply_merge_patch};
use reconciler::{DryRun, WatchChange};
use serde_json::{Map, Value, json};

use super::errors::{conflict, missing_namespace, not_found, owned_by_others, terminating_namespace, unknown_kind};
use super::fields::{Owner, Owners, Path, leaves, remove_leaf, set_leaf};
use super::{Server, Stored, key, object_of};

/// The manager that an apply of the engine is sent as.
const OURS: &str = "argocd-controller";
/// The manager that a status write of the engine is sent as.
const STATUS: &str = "argocd-application-controller";
/// What the server itself writes into metadata.
const WRITTEN_BY_THE_SERVER: [&str; 4] = ["managedFields", "resourceVersion", "generation", "uid"];

/// What a delete came to.
#[derive(Debug)]
pub enum Deleted {
    /// The object is gone.
    Gone,
    /// It goes when its finalizers are done.
    Pending(Object),
}

/// Whether an apply takes fields from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It does.
    Yes,
    /// It fails instead.
    No,
}

/// What a write would store.
struct Next {
    key: ObjectKey,
    object: Object,
    owners: Owners,
}

impl Server {
    /// Creates an object as a manager.
    pub fn create_as(&mut self, manager: &str, object: &Object) -> Result<Object, ApiError> {
        let key = object.key(ClusterId::in_cluster());
        self.check_place(&key, &object.gvk(), true)?;
        if self.stored.contains_key(&key) {
            return Err(super::error(409, "AlreadyExists", &format!("{key} already exists")));
        }
        let stored = self.update(&key, &Owner::updating(manager), object.clone());
        self.collect_garbage();
        Ok(stored)
    }

    /// Applies an object with force, as the engine does.
    pub fn apply(&mut self, object: &Object) -> Result<Object, ApiError> {
        self.apply_as(OURS, Force::Yes, object)
    }

    /// Applies an object as a manager.
    pub fn apply_as(&mut self, manager: &str, force: Force, object: &Object) -> Result<Object, ApiError> {
        let next = self.applied(manager, force, object)?;
        Ok(self.store(&next.key, next.object, next.owners))
    }

    /// Answers what an apply of the engine would, and stores nothing.
    pub fn dry_apply(&self, object: &Object) -> Result<Object, ApiError> {
        let next = self.applied(OURS, Force::Yes, object)?;
        let old = self.stored.get(&next.key);
        if old.is_some_and(|old| is_same(old, &next.object, &next.owners)) {
            return Ok(old.map(|old| old.object.clone()).expect("it was there a line above"));
        }
        let version = old.map(|old| old.object.resource_version().to_owned()).unwrap_or_default();
        let uid = old.map_or("dry", |old| old.object.uid()).to_owned();
        Ok(self.completed(next.object, &next.owners, old, version, uid))
    }

    fn applied(&self, manager: &str, force: Force, object: &Object) -> Result<Next, ApiError> {
        let key = object.key(ClusterId::in_cluster());
        let old = self.stored.get(&key);
        self.check_place(&key, &object.gvk(), old.is_none())?;
        let owner = Owner::applying(manager);
        let wanted = leaves(object);
        let mut next = old.map_or_else(|| bare(object), |old| old.object.clone());
        let mut owners = old.map(|old| old.owners.clone()).unwrap_or_default();
        let dropped: Vec<_> = owners.of(&owner).filter(|path| !wanted.contains_key(*path)).cloned().collect();
        owners.set(owner.clone(), wanted.keys().cloned().collect());
        for path in dropped.iter().filter(|path| !owners.holds_below(path)) {
            remove_leaf(&mut next, path);
        }
        let before = leaves(&next);
        let changed: Vec<_> = wanted.iter().filter(|(path, value)| before.get(*path) != Some(*value)).collect();
        if force == Force::No {
            let holders = |(path, _): &(&Path, &&Value)| {
                owners.others_at(path, &owner).map(|other| other.manager.to_string()).collect::<Vec<_>>()
            };
            let holders: BTreeSet<String> = changed.iter().flat_map(holders).collect();
            if !holders.is_empty() {
                return Err(owned_by_others(&holders.into_iter().collect::<Vec<_>>()));
            }
        }
        drop(before);
        for (path, value) in changed {
            set_leaf(&mut next, path, value);
            owners.take_from_others(path, &owner);
        }
        Ok(Next { key, object: next, owners: owners.without_empty() })
    }

    /// Replaces an object as the engine does, if it is the version that the object names; without one it is created.
    pub fn replace(&mut self, object: &Object, dry_run: DryRun) -> Result<Object, ApiError> {
        let key = object.key(ClusterId::in_cluster());
        let Some(old) = self.get(&key) else {
            return if dry_run == DryRun::Yes { self.dry_apply(object) } else { self.create_as(OURS, object) };
        };
        if object.resource_version().is_empty() {
            return Err(super::error(409, "AlreadyExists", &format!("{key} already exists")));
        }
        if object.resource_version() != old.resource_version() {
            return Err(conflict());
        }
        Ok(self.update(&key, &Owner::updating(OURS), object.clone()))
    }

    /// Patches an object as the engine writes Applications.
    pub fn merge_patch(&mut self, key: &ObjectKey, patch: &Value) -> Result<Object, ApiError> {
        self.merge_patch_as(STATUS, key, patch)
    }

    /// Patches an object as a manager.
    pub fn merge_patch_as(&mut self, manager: &str, key: &ObjectKey, patch: &Value) -> Result<Object, ApiError> {
        let Some(old) = self.get(key) else { return Err(not_found(&key.kind, &key.name)) };
        let expected = patch.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        if expected.is_some_and(|version| version != old.resource_version()) {
            return Err(conflict());
        }
        let mut value = old.clone().into_value();
        apply_merge_patch(&mut value, patch);
        let stored = self.update(key, &Owner::updating(manager), object_of(value));
        self.collect_garbage();
        Ok(stored)
    }

    /// Deletes an object; empty preconditions always hold.
    pub fn delete(
        &mut self,
        key: &ObjectKey,
        uid: &str,
        resource_version: &str,
        propagation: PropagationPolicy,
    ) -> Result<Deleted, ApiError> {
        let Some(stored) = self.stored.get(key) else { return Err(not_found(&key.kind, &key.name)) };
        let differs = |given: &str, own: &str| !given.is_empty() && given != own;
        if differs(uid, stored.object.uid()) || differs(resource_version, stored.object.resource_version()) {
            return Err(conflict());
        }
        let (mut pending, owners) = (stored.object.clone(), stored.owners.clone());
        let at = self.now.to_string();
        let meta = pending.metadata_map_mut();
        meta.entry("deletionTimestamp").or_insert_with(|| at.into());
        if propagation == PropagationPolicy::Foreground {
            let finalizers = meta.entry("finalizers").or_insert_with(|| json!([]));
            let finalizers = finalizers.as_array_mut().expect("finalizers are a list");
            if !finalizers.iter().any(|name| name == "foregroundDeletion") {
                finalizers.push("foregroundDeletion".into());
            }
        }
        let pending = self.store(key, pending, owners);
        let answer = self.stored.contains_key(key).then_some(pending);
        self.collect_garbage();
        Ok(answer.map_or(Deleted::Gone, Deleted::Pending))
    }

    /// Stores what somebody sends in full; what differs is the sender's then.
    pub(super) fn update(&mut self, key: &ObjectKey, owner: &Owner, mut next: Object) -> Object {
        drop_empty(next.metadata_map_mut());
        let is_flat = matches!(next.kind(), "ConfigMap" | "Secret");
        if is_flat && next.get(&["data"]).is_some_and(is_empty) {
            next.fields_mut().remove("data");
        }
        let old = self.stored.get(key);
        let mut owners = old.map(|old| old.owners.clone()).unwrap_or_default();
        let before = old.map(|old| leaves(&old.object)).unwrap_or_default();
        let after = leaves(&next);
        owners.forget_unless(|path| after.contains_key(path));
        for (path, _) in after.iter().filter(|(path, value)| before.get(*path) != Some(*value)) {
            owners.take_from_others(path, owner);
            owners.add(owner, path.clone());
        }
        drop((before, after));
        self.store(key, next, owners.without_empty())
    }

    /// Stores an object unless nothing differs; what has no finalizers left goes.
    pub(super) fn store(&mut self, key: &ObjectKey, next: Object, owners: Owners) -> Object {
        if let Some(old) = self.stored.get(key).filter(|old| is_same(old, &next, &owners)) {
            return old.object.clone();
        }
        let version = self.next_version();
        let old = self.stored.get(key);
        let draw_uid = || {
            self.last_uid += 1;
            format!("uid-{}", self.last_uid)
        };
        let uid = old.map_or_else(draw_uid, |old| old.object.uid().to_owned());
        let before = old.map(|old| old.object.resource_version().to_owned());
        let mut next = self.completed(next, &owners, self.stored.get(key), version, uid);
        let gvk = next.gvk();
        if next.is_deleting() && !is_held(&next) && self.is_empty_namespace(key) {
            self.stored.remove(key);
            self.gone.push(key.clone());
            self.told.push((gvk, WatchChange::Deleted(Box::new(next.clone()))));
            if key.kind == "CustomResourceDefinition" {
                self.drop_kind(&next);
            }
            // Who removed the last finalizer is answered with the version before; only watches hear of the last one.
            if let Some(before) = before {
                next.metadata_map_mut().insert("resourceVersion".to_owned(), before.into());
            }
            return next;
        }
        self.told.push((gvk, WatchChange::Object(Box::new(next.clone()))));
        self.stored.insert(key.clone(), Stored { object: next.clone(), owners });
        self.control(key);
        next
    }

    /// Fills in what the server writes into metadata.
    fn completed(
        &self,
        mut next: Object,
        owners: &Owners,
        old: Option<&Stored>,
        version: String,
        uid: String,
    ) -> Object {
        let generation =
            old.map_or(1, |old| old.object.metadata().generation + i64::from(!is_same_intent(&old.object, &next)));
        let now = || self.now.to_string();
        let created = old.map_or_else(now, |old| {
            old.object.get(&["metadata", "creationTimestamp"]).and_then(Value::as_str).map_or_else(now, str::to_owned)
        });
        let known =
            old.filter(|old| old.owners == *owners).and_then(|old| old.object.get(&["metadata", "managedFields"]));
        let entries = known.cloned().unwrap_or_else(|| owners.entries(next.api_version()));
        let counts = counts_generations(&next);
        let meta = next.metadata_map_mut();
        meta.insert("uid".to_owned(), uid.into());
        if counts {
            meta.insert("generation".to_owned(), generation.into());
        }
        drop_empty(meta);
        meta.entry("creationTimestamp").or_insert_with(|| created.into());
        meta.insert("resourceVersion".to_owned(), version.into());
        meta.insert("managedFields".to_owned(), entries);
        next
    }

    fn check_place(&self, key: &ObjectKey, gvk: &Gvk, is_new: bool) -> Result<(), ApiError> {
        if !self.serves(gvk) {
            return Err(unknown_kind());
        }
        if key.namespace.is_empty() {
            return Ok(());
        }
        match self.get(&self::key("", "Namespace", "", &key.namespace)) {
            None => Err(missing_namespace(&key.namespace)),
            Some(namespace) if namespace.is_deleting() && is_new => {
                Err(terminating_namespace(&key.namespace, &key.name))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Tells whether objects of a kind have a generation.
fn counts_generations(object: &Object) -> bool {
    let is_core = object.api_version() == "v1";
    !(is_core && ["ConfigMap", "Secret", "Service", "ServiceAccount", "Namespace"].contains(&object.kind()))
}

/// Drops what the server does not keep when it is empty.
fn drop_empty(metadata: &mut Map<String, Value>) {
    for name in ["labels", "annotations", "finalizers", "ownerReferences"] {
        if metadata.get(name).is_some_and(is_empty) {
            metadata.remove(name);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn bare(object: &Object) -> Object {
    let mut metadata = json!({"name": object.name()});
    if !object.namespace().is_empty() {
        metadata["namespace"] = object.namespace().into();
    }
    object_of(json!({"apiVersion": object.api_version(), "kind": object.kind(), "metadata": metadata}))
}

/// Tells whether finalizers keep an object.
fn is_held(object: &Object) -> bool {
    let finalizers = object.get(&["metadata", "finalizers"]).and_then(Value::as_array);
    finalizers.is_some_and(|finalizers| !finalizers.is_empty())
}

/// Compares what `metadata.generation` counts: everything but metadata and, where it is a subresource, status.
fn is_same_intent(one: &Object, other: &Object) -> bool {
    let whole = one.kind() == "Application";
    let counts = |name: &str| name != "metadata" && (whole || name != "status");
    is_same_map(one.fields(), other.fields(), counts)
}

/// Compares all but what the server writes itself.
fn is_same(old: &Stored, next: &Object, owners: &Owners) -> bool {
    let none = Map::new();
    let [before, after] =
        [&old.object, next].map(|object| object.get(&["metadata"]).and_then(Value::as_object).unwrap_or(&none));
    old.owners == *owners
        && is_same_map(old.object.fields(), next.fields(), |name| name != "metadata")
        && is_same_map(before, after, |name| !WRITTEN_BY_THE_SERVER.contains(&name))
}

fn is_same_map(one: &Map<String, Value>, other: &Map<String, Value>, counts: impl Fn(&str) -> bool) -> bool {
    let present = |map: &Map<String, Value>| map.keys().filter(|name| counts(name)).count();
    present(one) == present(other)
        && one.iter().filter(|(name, _)| counts(name)).all(|(name, value)| other.get(name) == Some(value))
}
