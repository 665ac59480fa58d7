//! Who owns whom.

use std::collections::{BTreeSet, HashSet};

use kube_object::{InstanceName, ObjectKey};

use crate::handles::HandleHash;
use crate::kinds::Role;
use crate::read::claim_of;
use crate::slots::{Slot, SlotId};
use crate::{LiveObject, LiveState, Uid};

impl LiveState {
    /// Returns the owners of an object that are in the index, sorted.
    pub fn parents(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        self.find(key).map(|id| self.sorted_keys(self.parent_ids(id).into_iter())).unwrap_or_default()
    }

    /// Returns the objects that have this one as an owner, sorted.
    pub fn children(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        self.find(key).map(|id| self.sorted_keys(self.child_ids(id).into_iter())).unwrap_or_default()
    }

    /// Returns all objects below this one, sorted; of two keys of the same object the smaller.
    pub fn descendants(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let Some(id) = self.find(key) else { return Vec::new() };
        let mut keys = self.sorted_keys(self.reach([id], Self::child_ids).into_iter());
        let mut seen = HashSet::new();
        keys.retain(|key| self.get(key).is_some_and(|live| live.uid.is_empty() || seen.insert(&live.uid)));
        keys
    }

    /// Returns the container images of the Pods among the objects that an application manages and below them, for
    /// `status.summary.images`.
    pub fn images_of(&self, instance: &InstanceName) -> BTreeSet<String> {
        let Some(application) = self.applications.get(instance) else { return BTreeSet::new() };
        let is_root = |id: &SlotId| self.slots.get(*id).tracked_root_of() == Some(instance);
        let roots: Vec<_> =
            application.tracked.iter().copied().filter(is_root).chain(application.targets.iter().copied()).collect();
        let below = self.reach(roots.iter().copied(), Self::child_ids);
        let live = roots.iter().chain(&below).filter_map(|id| self.slots.live(*id));
        live.flat_map(|live| live.images.iter().map(ToString::to_string)).collect()
    }

    /// Returns everything above an object.
    pub(crate) fn ancestors(&self, id: SlotId) -> HashSet<SlotId> {
        self.reach([id], Self::parent_ids)
    }

    /// Adds an object to the index of owners; its slot holds it.
    pub(crate) fn link_owner(&mut self, id: SlotId) {
        for hash in self.owner_hashes(id) {
            self.owners.insert(hash, id);
        }
        for hash in self.owned_hashes(id) {
            self.owned.insert(hash, id);
        }
    }

    /// Removes an object from the index of owners; its slot still holds it.
    pub(crate) fn unlink_owner(&mut self, id: SlotId) {
        for hash in self.owner_hashes(id) {
            self.owners.remove(hash, id);
        }
        for hash in self.owned_hashes(id) {
            self.owned.remove(hash, id);
        }
    }

    /// Returns all that `step` leads to from `start`, in any number of steps; not the start itself.
    fn reach(
        &self,
        start: impl IntoIterator<Item = SlotId>,
        step: fn(&Self, SlotId) -> Vec<SlotId>,
    ) -> HashSet<SlotId> {
        let mut open: Vec<_> = start.into_iter().collect();
        let mut reached = HashSet::new();
        let start: HashSet<_> = open.iter().copied().collect();
        while let Some(id) = open.pop() {
            open.extend(step(self, id).into_iter().filter(|next| !start.contains(next) && reached.insert(*next)));
        }
        reached
    }

    fn parent_ids(&self, child: SlotId) -> Vec<SlotId> {
        let candidates = self.owned_hashes(child).into_iter().flat_map(|hash| self.owners.candidates(hash));
        distinct(candidates.filter(|parent| self.owns(*parent, child)))
    }

    fn child_ids(&self, parent: SlotId) -> Vec<SlotId> {
        let candidates = self.owner_hashes(parent).into_iter().flat_map(|hash| self.owned.candidates(hash));
        distinct(candidates.filter(|child| self.owns(parent, *child)))
    }

    /// Tells whether one object owns another. An owner in a namespace owns only there; a cluster-scoped one owns
    /// everywhere.
    fn owns(&self, parent: SlotId, child: SlotId) -> bool {
        let (owner, owned) = (self.slots.get(parent), self.slots.get(child));
        let (Some(owner_live), Some(owned_live)) = (&owner.live, &owned.live) else { return false };
        parent != child
            && self.kinds.get(owner.kind).cluster == self.kinds.get(owned.kind).cluster
            && (owner.namespace.is_empty() || owner.namespace == owned.namespace)
            && (owned_live.owners.contains(&owner_live.uid)
                || self.claim(owned).is_some_and(|claim| owner_live.claims.iter().any(|own| **own == *claim)))
    }

    /// Returns what a volume claim's name says of the StatefulSet it was made for.
    fn claim<'a>(&self, slot: &'a Slot) -> Option<&'a str> {
        (self.kinds.get(slot.kind).role == Role::VolumeClaim).then(|| claim_of(&slot.name))?
    }

    /// Returns what others may name this object by as their owner.
    fn owner_hashes(&self, id: SlotId) -> Vec<HandleHash> {
        let slot = self.slots.get(id);
        let Some(LiveObject { uid, claims, .. }) = slot.live.as_deref() else { return Vec::new() };
        let by_uid = (!uid.is_empty()).then(|| HandleHash::of(uid));
        by_uid.into_iter().chain(claims.iter().map(|claim| claim_hash(&slot.namespace, claim))).collect()
    }

    /// Returns what this object names its owners by.
    fn owned_hashes(&self, id: SlotId) -> Vec<HandleHash> {
        let slot = self.slots.get(id);
        let Some(live) = slot.live.as_deref() else { return Vec::new() };
        let by_uid = live.owners.iter().filter(|uid| !Uid::is_empty(uid)).map(HandleHash::of);
        by_uid.chain(self.claim(slot).map(|claim| claim_hash(&slot.namespace, claim))).collect()
    }
}

fn claim_hash(namespace: &str, claim: &str) -> HandleHash {
    HandleHash::of(&(namespace, claim))
}

fn distinct(ids: impl Iterator<Item = SlotId>) -> Vec<SlotId> {
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
