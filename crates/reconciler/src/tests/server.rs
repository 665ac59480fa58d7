//! An API server in memory: objects, who owns which fields, preconditions, finalizers, and what its watches tell.

use std::collections::{BTreeMap, BTreeSet};

use application_api::PropagationPolicy;
use jiff::Timestamp;
use kube_object::{ApiError, ClusterId, GroupKind, Gvk, Object, ObjectKey, apply_merge_patch};
use serde_json::{Value, json};

use super::fields::{Owners, leaves, remove_leaf, set_leaf};
use super::kinds::is_established;
use crate::WatchChange;

/// Whether the kinds of new CustomResourceDefinitions are served at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Establishing {
    AtOnce,
    WhenTold,
}

/// Whether a controller brings Deployments up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rollouts {
    AtOnce,
    WhenTold,
}

pub(super) struct Server {
    pub(super) objects: BTreeMap<ObjectKey, Object>,
    pub(super) establishing: Establishing,
    pub(super) rollouts: Rollouts,
    /// Group versions that discovery cannot reach.
    pub(super) unreachable: Vec<String>,
    /// Kinds that discovery still names although they are gone.
    pub(super) ghosts: Vec<Gvk>,
    /// What watches are to be told.
    pub(super) told: Vec<(Gvk, WatchChange)>,
    /// Objects that are gone, in order.
    pub(super) gone: Vec<ObjectKey>,
    pub(super) now: Timestamp,
    owners: BTreeMap<ObjectKey, Owners>,
    last_version: u64,
    last_uid: u64,
}

const OURS: &str = "argocd-controller";

/// What a delete came to.
pub(super) enum Deleted {
    Gone,
    Pending(Object),
}

impl Server {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            objects: BTreeMap::new(),
            establishing: Establishing::AtOnce,
            rollouts: Rollouts::AtOnce,
            unreachable: Vec::new(),
            ghosts: Vec::new(),
            told: Vec::new(),
            gone: Vec::new(),
            now,
            owners: BTreeMap::new(),
            last_version: 100,
            last_uid: 0,
        }
    }

    pub(super) fn version(&self) -> String {
        self.last_version.to_string()
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key)
    }

    pub(super) fn of_kind(&self, group_kind: &GroupKind) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |(key, _)| key.group_kind() == *group_kind).map(|(_, object)| object)
    }

    /// Creates an object as somebody else does.
    pub(super) fn create(&mut self, object: Value) {
        let object = Object::from_value(object).unwrap();
        let key = object.key(ClusterId::in_cluster());
        assert!(!self.objects.contains_key(&key), "{key} exists");
        self.update(&key, "kubectl-create", object);
    }

    /// Changes an object as somebody else does.
    pub(super) fn edit(&mut self, key: &ObjectKey, manager: &str, edit: impl FnOnce(&mut Value)) {
        let mut value = self.objects.get(key).unwrap_or_else(|| panic!("{key} does not exist")).clone().into_value();
        edit(&mut value);
        self.update(key, manager, Object::from_value(value).unwrap());
    }

    /// Applies an object with force.
    pub(super) fn apply(&mut self, object: &Object) -> Result<Object, ApiError> {
        let key = object.key(ClusterId::in_cluster());
        self.check_place(&key, &object.gvk())?;
        let wanted: BTreeMap<Vec<String>, Value> = leaves(object).into_iter().collect();
        let mut next = self.objects.get(&key).cloned().unwrap_or_else(|| bare(object));
        let mut owners = self.owners.get(&key).cloned().unwrap_or_default();
        let dropped: Vec<Vec<String>> =
            owners.of(OURS, "Apply").into_iter().filter(|path| !wanted.contains_key(path)).collect();
        owners.set(OURS, "Apply", wanted.keys().cloned().collect());
        for path in dropped.iter().filter(|path| !owners.holds_below(path)) {
            remove_leaf(&mut next, path);
        }
        let before: BTreeMap<Vec<String>, Value> = leaves(&next).into_iter().collect();
        for (path, value) in &wanted {
            if before.get(path) != Some(value) {
                set_leaf(&mut next, path, value);
                owners.take_from_others(path, OURS);
            }
        }
        Ok(self.store(&key, next, owners))
    }

    /// What an apply would answer.
    pub(super) fn dry_apply(&mut self, object: &Object) -> Result<Object, ApiError> {
        let (objects, owners) = (self.objects.clone(), self.owners.clone());
        let (version, uid, told) = (self.last_version, self.last_uid, self.told.len());
        let result = self.apply(object);
        // Nothing is stored, so an object that exists keeps its version.
        let before =
            objects.get(&object.key(ClusterId::in_cluster())).map(|before| before.resource_version().to_owned());
        let result = result.map(|mut tried| {
            before.map(|version| tried.metadata_map_mut().insert("resourceVersion".to_owned(), version.into()));
            tried
        });
        (self.objects, self.owners, self.last_version, self.last_uid) = (objects, owners, version, uid);
        self.told.truncate(told);
        result
    }

    /// Patches an Application.
    pub(super) fn merge_patch(&mut self, key: &ObjectKey, patch: &Value) -> Result<Object, ApiError> {
        let Some(old) = self.objects.get(key) else { return Err(not_found(&key.kind, &key.name)) };
        if let Some(version) = patch.pointer("/metadata/resourceVersion").and_then(Value::as_str)
            && version != old.resource_version()
        {
            return Err(conflict());
        }
        let mut value = old.clone().into_value();
        apply_merge_patch(&mut value, patch);
        self.update(key, "argocd-application-controller", Object::from_value(value).unwrap());
        Ok(self.objects.get(key).cloned().unwrap_or_else(|| self.last_told()))
    }

    pub(super) fn delete(
        &mut self,
        key: &ObjectKey,
        uid: &str,
        resource_version: &str,
        propagation: PropagationPolicy,
    ) -> Result<Deleted, ApiError> {
        let Some(object) = self.objects.get(key) else { return Err(not_found(&key.kind, &key.name)) };
        let differs = |given: &str, own: &str| !given.is_empty() && given != own;
        if differs(uid, object.uid()) || differs(resource_version, object.resource_version()) {
            return Err(conflict());
        }
        let mut pending = object.clone();
        let at = self.now.to_string();
        let meta = pending.metadata_map_mut();
        meta.entry("deletionTimestamp").or_insert_with(|| at.into());
        if propagation == PropagationPolicy::Foreground {
            let finalizers = meta.entry("finalizers").or_insert_with(|| json!([]));
            finalizers.as_array_mut().unwrap().push("foregroundDeletion".into());
        }
        let owners = self.owners.get(key).cloned().unwrap_or_default();
        let pending = self.store(key, pending, owners);
        let answer = self.objects.contains_key(key).then_some(pending);
        self.collect_garbage();
        Ok(answer.map_or(Deleted::Gone, Deleted::Pending))
    }

    /// Says that the kind of a CustomResourceDefinition is served.
    pub(super) fn establish(&mut self, name: &str) {
        let key = key("apiextensions.k8s.io", "CustomResourceDefinition", "", name);
        self.edit(&key, "kube-apiserver", |definition| {
            definition["status"]["conditions"] = json!([
                {"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}
            ]);
        });
    }

    /// Says that a Deployment is up.
    pub(super) fn roll_out(&mut self, key: &ObjectKey) {
        self.edit(key, "kube-controller-manager", |deployment| {
            let (generation, replicas) =
                (deployment["metadata"]["generation"].clone(), deployment["spec"]["replicas"].clone());
            deployment["status"] = json!({
                "observedGeneration": generation, "replicas": replicas,
                "updatedReplicas": replicas, "availableReplicas": replicas,
            });
        });
    }

    fn update(&mut self, key: &ObjectKey, manager: &str, next: Object) {
        let mut owners = self.owners.get(key).cloned().unwrap_or_default();
        let before: BTreeMap<Vec<String>, Value> =
            self.objects.get(key).map(leaves).unwrap_or_default().into_iter().collect();
        let after: BTreeMap<Vec<String>, Value> = leaves(&next).into_iter().collect();
        owners.forget_unless(|path| after.contains_key(path));
        for (path, _) in after.iter().filter(|(path, value)| before.get(*path) != Some(*value)) {
            owners.take_from_others(path, manager);
            owners.add(manager, "Update", path.clone());
        }
        self.store(key, next, owners);
    }

    /// Stores an object unless nothing differs; what has no finalizers left goes.
    fn store(&mut self, key: &ObjectKey, mut next: Object, owners: Owners) -> Object {
        let old = self.objects.get(key);
        if let Some(old) = old
            && timeless(old) == timeless(&next)
            && self.owners.get(key) == Some(&owners)
        {
            return old.clone();
        }
        let (generation, uid) = match old {
            Some(old) => (old.metadata().generation + i64::from(spec(old) != spec(&next)), old.uid().to_owned()),
            None => {
                self.last_uid += 1;
                (1, format!("uid-{}", self.last_uid))
            }
        };
        let created =
            old.map_or_else(|| self.now.to_string(), |old| created(old).unwrap_or_else(|| self.now.to_string()));
        self.last_version += 1;
        let api_version = next.api_version().to_owned();
        let meta = next.metadata_map_mut();
        meta.insert("uid".to_owned(), uid.into());
        meta.insert("generation".to_owned(), generation.into());
        meta.entry("creationTimestamp").or_insert_with(|| created.into());
        meta.insert("resourceVersion".to_owned(), self.last_version.to_string().into());
        meta.insert("managedFields".to_owned(), owners.entries(&api_version));
        if next.is_deleting() && next.metadata().finalizers.is_empty() {
            self.objects.remove(key);
            self.owners.remove(key);
            self.gone.push(key.clone());
            self.told.push((next.gvk(), WatchChange::Deleted(Box::new(next.clone()))));
            if key.kind == "CustomResourceDefinition" {
                self.drop_kind(&next);
            }
            return next;
        }
        self.told.push((next.gvk(), WatchChange::Object(Box::new(next.clone()))));
        self.objects.insert(key.clone(), next.clone());
        self.owners.insert(key.clone(), owners);
        self.control(key);
        next
    }

    /// What controllers do about a new version of an object.
    fn control(&mut self, key: &ObjectKey) {
        let object = &self.objects[key];
        let observed = object.get(&["status", "observedGeneration"]).and_then(Value::as_i64);
        if key.kind == "Deployment"
            && self.rollouts == Rollouts::AtOnce
            && observed != Some(object.metadata().generation)
        {
            self.roll_out(key);
        } else if key.kind == "CustomResourceDefinition"
            && self.establishing == Establishing::AtOnce
            && !is_established(object)
        {
            self.establish(&key.name);
        }
    }

    /// Removes what has lost its owner, then owners that waited for that.
    fn collect_garbage(&mut self) {
        loop {
            let uids: BTreeSet<&str> = self.objects.values().map(Object::uid).collect();
            let foreground: BTreeSet<&str> = self
                .objects
                .values()
                .filter(|object| object.metadata().finalizers.iter().any(|name| name == "foregroundDeletion"))
                .map(Object::uid)
                .collect();
            let lost = self.objects.iter().find(|(_, object)| {
                let owners = object.metadata().owner_references;
                !object.is_deleting()
                    && owners.iter().any(|owner| !uids.contains(&*owner.uid) || foreground.contains(&*owner.uid))
            });
            let lost = lost.map(|(key, _)| key.clone());
            if let Some(key) = lost {
                let _ = self.delete(&key, "", "", PropagationPolicy::Background);
                continue;
            }
            let free = self
                .objects
                .iter()
                .find(|(_, object)| foreground.contains(object.uid()) && !self.has_dependents(object.uid()));
            let Some(key) = free.map(|(key, _)| key.clone()) else { return };
            self.edit(&key, "kube-controller-manager", |object| {
                let finalizers = object["metadata"]["finalizers"].as_array_mut().unwrap();
                finalizers.retain(|name| name != "foregroundDeletion");
            });
        }
    }

    fn has_dependents(&self, uid: &str) -> bool {
        self.objects.values().any(|object| object.metadata().owner_references.iter().any(|owner| owner.uid == uid))
    }

    fn drop_kind(&mut self, definition: &Object) {
        let text = |path: &[&str]| definition.get(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let group_kind = GroupKind::new(text(&["spec", "group"]), text(&["spec", "names", "kind"]));
        self.objects.retain(|key, _| key.group_kind() != group_kind);
        self.owners.retain(|key, _| key.group_kind() != group_kind);
        self.told.push((Gvk::new(group_kind.group, "v1", group_kind.kind), WatchChange::KindGone));
    }

    fn check_place(&self, key: &ObjectKey, gvk: &Gvk) -> Result<(), ApiError> {
        if !self.serves(gvk) {
            return Err(error(404, "NotFound", "the server could not find the requested resource"));
        }
        let namespace = super::server::key("", "Namespace", "", &key.namespace);
        if !key.namespace.is_empty() && !self.objects.contains_key(&namespace) {
            return Err(ApiError { details_kind: "namespaces".to_owned(), ..not_found("namespaces", &key.namespace) });
        }
        Ok(())
    }

    fn last_told(&self) -> Object {
        match self.told.last() {
            Some((_, WatchChange::Deleted(object))) => (**object).clone(),
            other => panic!("expected a deletion, found {other:?}"),
        }
    }
}

pub(super) fn key(group: &str, kind: &str, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(ClusterId::in_cluster(), GroupKind::new(group, kind), namespace, name)
}

pub(super) fn error(code: u16, reason: &str, message: &str) -> ApiError {
    ApiError { code, reason: reason.to_owned(), ..ApiError::no_answer(message) }
}

pub(super) fn conflict() -> ApiError {
    error(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
}

fn not_found(kind: &str, name: &str) -> ApiError {
    error(404, "NotFound", &format!("{} \"{name}\" not found", kind.to_lowercase()))
}

fn bare(object: &Object) -> Object {
    let mut metadata = json!({"name": object.name()});
    if !object.namespace().is_empty() {
        metadata["namespace"] = object.namespace().into();
    }
    let bare = json!({"apiVersion": object.api_version(), "kind": object.kind(), "metadata": metadata});
    Object::from_value(bare).unwrap()
}

fn created(object: &Object) -> Option<String> {
    Some(object.get(&["metadata", "creationTimestamp"])?.as_str()?.to_owned())
}

fn spec(object: &Object) -> Vec<(&String, &Value)> {
    let is_application = object.kind() == "Application";
    object.fields().iter().filter(|(name, _)| *name != "metadata" && (is_application || *name != "status")).collect()
}

fn timeless(object: &Object) -> Object {
    let mut object = object.clone();
    for name in ["managedFields", "resourceVersion", "generation", "uid"] {
        object.metadata_map_mut().remove(name);
    }
    object
}
