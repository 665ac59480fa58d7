use std::collections::HashMap;
use std::sync::Arc;

use kube_object::{ClusterId, GroupKind, ObjectKey};

use crate::handles::{HandleHash, Handles};
use crate::{ResourceVersion, Uid};

/// A kind in a cluster, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KindId(u32);

/// What is known of a kind in a cluster.
#[expect(clippy::struct_field_names, reason = "group and kind are called so everywhere")]
pub(crate) struct Kind {
    pub(crate) cluster: ClusterId,
    pub(crate) group_kind: GroupKind,
    pub(crate) role: Role,
    /// The reset that is going on.
    pub(crate) reset: Option<u32>,
    /// Whether all objects have been listed.
    pub(crate) is_listed: bool,
    /// The version of the last list: everything older that is not in the index is gone.
    pub(crate) listed_at: Option<u64>,
    /// By namespace, the newest version at which the watch told of a deletion, with the same meaning.
    pub(crate) deleted_at: HashMap<Arc<str>, u64>,
    /// Objects that we deleted and whose deletion no watch has told yet.
    pub(crate) tombstones: Vec<Tombstone>,
}

/// An object that we deleted.
pub(crate) struct Tombstone {
    pub(crate) uid: Uid,
    /// The last version known.
    pub(crate) version: ResourceVersion,
    /// Whether the list of the reset that is going on had it: then its watch will tell the deletion.
    pub(crate) is_listed: bool,
}

/// Kinds that get special treatment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Other,
    CustomResourceDefinition,
    Pod,
    StatefulSet,
    VolumeClaim,
}

impl Role {
    fn of(group_kind: &GroupKind) -> Self {
        match (group_kind.group.as_str(), group_kind.kind.as_str()) {
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::CustomResourceDefinition,
            ("", "Pod") => Self::Pod,
            ("apps", "StatefulSet") => Self::StatefulSet,
            ("", "PersistentVolumeClaim") => Self::VolumeClaim,
            _ => Self::Other,
        }
    }
}

impl Kind {
    /// Tells whether an object was deleted by us, and remembers that a list still had it.
    pub(crate) fn is_buried(&mut self, uid: &Uid) -> bool {
        match self.tombstones.iter_mut().find(|stone| stone.uid == *uid) {
            Some(stone) => {
                stone.is_listed |= self.reset.is_some();
                true
            }
            None => false,
        }
    }

    /// Remembers that a watch told a deletion.
    pub(crate) fn note_deleted(&mut self, namespace: Arc<str>, uid: &Uid, at: &ResourceVersion) {
        if let Some(at) = at.number() {
            let newest = self.deleted_at.entry(namespace).or_default();
            *newest = at.max(*newest);
        }
        self.tombstones.retain(|stone| stone.uid != *uid);
    }

    /// Tells whether an object that is not in the index is known to be gone, from the version of it that was read: a
    /// list or watch has passed it.
    pub(crate) fn is_gone(&self, namespace: &str, version: &ResourceVersion) -> bool {
        let passed = self.listed_at.max(self.deleted_at.get(namespace).copied());
        version.number().is_some() && version.number() <= passed
    }

    /// Forgets everything but the name.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(self.cluster.clone(), self.group_kind.clone());
    }

    fn new(cluster: ClusterId, group_kind: GroupKind) -> Self {
        let role = Role::of(&group_kind);
        Self {
            cluster,
            group_kind,
            role,
            reset: None,
            is_listed: false,
            listed_at: None,
            deleted_at: HashMap::new(),
            tombstones: Vec::new(),
        }
    }
}

/// All kinds of all clusters.
#[derive(Default)]
pub(crate) struct Kinds {
    kinds: Vec<Kind>,
    index: Handles,
}

impl Kinds {
    /// Finds a kind.
    pub(crate) fn find(&self, cluster: &ClusterId, group: &str, kind: &str) -> Option<KindId> {
        self.index.candidates(HandleHash::of(&(cluster, group, kind))).map(KindId).find(|id| {
            let found = self.get(*id);
            found.group_kind.kind == kind && found.group_kind.group == group && found.cluster == *cluster
        })
    }

    /// Finds the kind of an object.
    pub(crate) fn of_key(&self, key: &ObjectKey) -> Option<KindId> {
        self.find(&key.cluster, &key.group, &key.kind)
    }

    /// Finds a kind, or adds it.
    pub(crate) fn intern(&mut self, cluster: &ClusterId, group_kind: &GroupKind) -> KindId {
        if let Some(known) = self.find(cluster, &group_kind.group, &group_kind.kind) {
            return known;
        }
        let id = u32::try_from(self.kinds.len()).expect("clusters serve far fewer than 2^32 kinds");
        self.kinds.push(Kind::new(cluster.clone(), group_kind.clone()));
        self.index.insert(HandleHash::of(&(cluster, group_kind.group.as_str(), group_kind.kind.as_str())), id);
        KindId(id)
    }

    /// Returns a kind.
    pub(crate) fn get(&self, id: KindId) -> &Kind {
        &self.kinds[id.0 as usize]
    }

    /// Returns a kind for change.
    pub(crate) fn get_mut(&mut self, id: KindId) -> &mut Kind {
        &mut self.kinds[id.0 as usize]
    }
}
