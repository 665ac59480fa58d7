//! A model of the API server: objects, who owns which fields, preconditions, finalizers, and what its watches tell.
//!
//! What it does is what kube-apiserver and the controllers around it do to the objects that the engine deals with; a test of the
//! integration tests runs the same requests on both. What it leaves out: schemas, defaults, list maps, and several versions of a kind.

mod controllers;
mod errors;
mod fields;
mod garbage;
mod kinds;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube_object::{ApiResource, ClusterId, GroupKind, Gvk, Object, ObjectKey};
use reconciler::WatchChange;
use serde_json::Value;

pub use controllers::JOB_ANNOTATION;
pub use errors::{conflict, error};
use fields::{Owner, Owners};
pub use writes::{Deleted, Force};

/// Whether the kinds of new CustomResourceDefinitions are served at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Establishing {
    /// They are.
    AtOnce,
    /// They are once [`Server::establish`] says so.
    WhenTold,
    /// They are after a while.
    After(SignedDuration),
}

/// When a controller brings Deployments up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollouts {
    /// With the write that asks for it.
    AtOnce,
    /// When [`Server::roll_out`] says so.
    WhenTold,
    /// After a while, with a ReplicaSet below each.
    After(SignedDuration),
}

/// The API server, and the controllers of its cluster.
pub struct Server {
    /// When new kinds are served.
    pub establishing: Establishing,
    /// When Deployments come up.
    pub rollouts: Rollouts,
    /// Group versions that discovery cannot reach.
    pub unreachable: Vec<String>,
    /// Group versions that are served and that discovery does not name yet.
    pub lagging: Vec<String>,
    /// Kinds that discovery still names although they are gone.
    pub ghosts: Vec<Gvk>,
    /// Objects that are gone, in order.
    pub gone: Vec<ObjectKey>,
    now: Timestamp,
    stored: BTreeMap<ObjectKey, Stored>,
    served: Vec<ApiResource>,
    told: Vec<(Gvk, WatchChange)>,
    /// When controllers act on objects.
    due: BTreeSet<(Timestamp, ObjectKey)>,
    last_version: u64,
    last_uid: u64,
}

/// One object.
struct Stored {
    object: Object,
    owners: Owners,
}

impl Server {
    /// Makes a server without objects.
    pub fn new(now: Timestamp) -> Self {
        Self {
            establishing: Establishing::AtOnce,
            rollouts: Rollouts::AtOnce,
            unreachable: Vec::new(),
            lagging: Vec::new(),
            ghosts: Vec::new(),
            gone: Vec::new(),
            now,
            stored: BTreeMap::new(),
            served: kinds::built_in(),
            told: Vec::new(),
            due: BTreeSet::new(),
            last_version: 100,
            last_uid: 0,
        }
    }

    /// Returns the resourceVersion of the last write.
    pub fn version(&self) -> String {
        self.last_version.to_string()
    }

    /// Reads an object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Object> {
        Some(&self.stored.get(key)?.object)
    }

    /// Returns all objects, in the order of their keys.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.stored.values().map(|stored| &stored.object)
    }

    /// Returns the objects of a kind.
    pub fn of_kind(&self, group_kind: &GroupKind) -> impl Iterator<Item = &Object> {
        let of_kind =
            self.stored.iter().filter(move |(key, _)| key.kind == group_kind.kind && key.group == group_kind.group);
        of_kind.map(|(_, stored)| &stored.object)
    }

    /// Takes what watches are to be told since it was last asked.
    pub fn take_told(&mut self) -> Vec<(Gvk, WatchChange)> {
        std::mem::take(&mut self.told)
    }

    /// Creates an object as somebody else does.
    pub fn create(&mut self, object: Value) {
        let object = object_of(object);
        let key = object.key(ClusterId::in_cluster());
        assert!(self.get(&key).is_none(), "{key} exists");
        self.update(&key, &Owner::updating("kubectl-create"), object);
    }

    /// Changes an object as somebody else does.
    pub fn edit(&mut self, key: &ObjectKey, manager: &str, edit: impl FnOnce(&mut Value)) {
        self.edit_as(key, &Owner::updating(manager), edit);
    }

    fn edit_as(&mut self, key: &ObjectKey, owner: &Owner, edit: impl FnOnce(&mut Value)) {
        let mut value = self.get(key).unwrap_or_else(|| panic!("{key} does not exist")).clone().into_value();
        edit(&mut value);
        self.update(key, owner, object_of(value));
        self.collect_garbage();
    }

    fn next_version(&mut self) -> String {
        self.last_version += 1;
        self.last_version.to_string()
    }
}

/// Makes the key of an object in the cluster of the model.
pub fn key(group: &str, kind: &str, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(ClusterId::in_cluster(), GroupKind::new(group, kind), namespace, name)
}

fn object_of(value: Value) -> Object {
    Object::from_value(value).unwrap_or_else(|value| panic!("not an object: {value}"))
}
