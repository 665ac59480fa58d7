use std::mem::size_of;
use std::sync::Arc;

use kube_object::InstanceName;

use crate::LiveObject;
use crate::handles::{HandleHash, Handles};
use crate::kinds::KindId;

/// The number of a [`Slot`]; given to another key when the slot is freed.
pub(crate) type SlotId = u32;

/// A place for one key: the object that lives there, the applications that render it, or both.
pub(crate) struct Slot {
    pub(crate) kind: KindId,
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Box<str>,
    /// Applications that render the object, sorted.
    pub(crate) renderers: Box<[InstanceName]>,
    pub(crate) live: Option<Box<LiveObject>>,
}

impl Slot {
    /// Returns the application that the live object makes its manager by itself.
    pub(crate) fn tracked_root_of(&self) -> Option<&InstanceName> {
        self.live.as_ref()?.tracked_root_of()
    }

    /// Tells whether an application manages the object.
    pub(crate) fn is_managed(&self) -> bool {
        !self.renderers.is_empty() || self.tracked_root_of().is_some()
    }
}

/// All slots, and where to find one by key.
#[derive(Default)]
pub(crate) struct Slots {
    places: Vec<Option<Slot>>,
    free: Vec<SlotId>,
    by_key: Handles,
}

fn key_hash(kind: KindId, namespace: &str, name: &str) -> HandleHash {
    HandleHash::of(&(kind, namespace, name))
}

impl Slots {
    /// Finds the slot of a key.
    pub(crate) fn find(&self, kind: KindId, namespace: &str, name: &str) -> Option<SlotId> {
        self.by_key.candidates(key_hash(kind, namespace, name)).find(|id| {
            let slot = self.get(*id);
            slot.kind == kind && *slot.name == *name && *slot.namespace == *namespace
        })
    }

    /// Makes a slot for a key that has none.
    pub(crate) fn add(&mut self, kind: KindId, namespace: Arc<str>, name: &str) -> SlotId {
        let hash = key_hash(kind, &namespace, name);
        let slot = Slot { kind, namespace, name: name.into(), renderers: Box::default(), live: None };
        let id = if let Some(id) = self.free.pop() {
            self.places[id as usize] = Some(slot);
            id
        } else {
            self.places.push(Some(slot));
            u32::try_from(self.places.len() - 1).expect("memory ends long before 2^32 objects")
        };
        self.by_key.insert(hash, id);
        id
    }

    /// Frees the slot when nothing is in it.
    pub(crate) fn release(&mut self, id: SlotId) {
        let slot = self.get(id);
        if slot.live.is_none() && slot.renderers.is_empty() {
            self.by_key.remove(key_hash(slot.kind, &slot.namespace, &slot.name), id);
            self.places[id as usize] = None;
            self.free.push(id);
        }
    }

    /// Returns a slot.
    pub(crate) fn get(&self, id: SlotId) -> &Slot {
        self.places[id as usize].as_ref().expect("numbers of freed slots are kept nowhere")
    }

    /// Returns a slot for change.
    pub(crate) fn get_mut(&mut self, id: SlotId) -> &mut Slot {
        self.places[id as usize].as_mut().expect("numbers of freed slots are kept nowhere")
    }

    /// Returns the object in a slot.
    pub(crate) fn live(&self, id: SlotId) -> Option<&LiveObject> {
        self.get(id).live.as_deref()
    }

    /// Returns all slots in use.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SlotId, &Slot)> {
        (0..).zip(&self.places).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    /// Returns the numbers of the slots of a kind that hold an object.
    pub(crate) fn living(&self, kind: KindId) -> Vec<SlotId> {
        self.iter().filter(|(_, slot)| slot.kind == kind && slot.live.is_some()).map(|(id, _)| id).collect()
    }

    /// Returns the bytes held by the tables, without what the objects hold.
    pub(crate) fn table_bytes(&self) -> usize {
        self.places.capacity() * size_of::<Option<Slot>>()
            + self.free.capacity() * size_of::<SlotId>()
            + self.by_key.bytes()
    }

    /// Returns the number of entries in the index by key.
    #[cfg(test)]
    pub(crate) fn indexed(&self) -> usize {
        self.by_key.len()
    }
}
