use std::collections::HashMap;

use kube_object::{ClusterId, GroupKind, InstanceName, ObjectKey};
use object_health::Overrides;

use crate::LiveObject;
use crate::handles::Handles;
use crate::interner::Interner;
use crate::kinds::Kinds;
use crate::slots::{SlotId, Slots};

/// The index of live objects of all clusters.
#[derive(Default)]
pub struct LiveState {
    pub(crate) kinds: Kinds,
    pub(crate) slots: Slots,
    pub(crate) applications: HashMap<InstanceName, Application>,
    /// Objects by what makes them an owner: their uid, the names of their volume claims.
    pub(crate) owners: Handles,
    /// Objects by what makes them owned: the uids of their owners, the name of a volume claim.
    pub(crate) owned: Handles,
    pub(crate) texts: Interner,
    pub(crate) overrides: Overrides,
    /// The number of the last reset.
    pub(crate) last_reset: u32,
}

/// What is indexed by application; both sorted by number.
#[derive(Default)]
pub(crate) struct Application {
    /// Objects that say they belong to it.
    pub(crate) tracked: Vec<SlotId>,
    /// Objects that it renders.
    pub(crate) targets: Vec<SlotId>,
}

impl LiveState {
    /// Makes an empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what is known of an object.
    pub fn get(&self, key: &ObjectKey) -> Option<&LiveObject> {
        self.slots.live(self.find(key)?)
    }

    /// Returns the objects that say they belong to an application, sorted; also those that have owners, which it does
    /// not manage.
    pub fn tracked_by(&self, instance: &InstanceName) -> Vec<ObjectKey> {
        let tracked = self.applications.get(instance).map(|application| application.tracked.as_slice());
        self.sorted_keys(tracked.unwrap_or_default().iter().copied())
    }

    /// Returns the applications that render an object, sorted.
    pub fn renderers_of(&self, key: &ObjectKey) -> &[InstanceName] {
        self.find(key).map_or(&[], |id| &self.slots.get(id).renderers)
    }

    /// Returns the objects of a kind, in no order.
    pub fn of_kind(
        &self,
        cluster: &ClusterId,
        group_kind: &GroupKind,
    ) -> impl Iterator<Item = (ObjectKey, &LiveObject)> {
        let kind = self.kinds.find(cluster, &group_kind.group, &group_kind.kind);
        self.slots
            .iter()
            .filter(move |(_, slot)| Some(slot.kind) == kind)
            .filter_map(|(id, slot)| Some((self.key(id), slot.live.as_deref()?)))
    }

    /// Tells whether all objects of a kind have been listed since it was last dropped. Until then an absent object
    /// may exist.
    pub fn is_listed(&self, cluster: &ClusterId, group_kind: &GroupKind) -> bool {
        self.kinds.find(cluster, &group_kind.group, &group_kind.kind).is_some_and(|kind| self.kinds.get(kind).is_listed)
    }

    pub(crate) fn find(&self, key: &ObjectKey) -> Option<SlotId> {
        self.slots.find(self.kinds.of_key(key)?, &key.namespace, &key.name)
    }

    pub(crate) fn key(&self, id: SlotId) -> ObjectKey {
        let slot = self.slots.get(id);
        let kind = self.kinds.get(slot.kind);
        ObjectKey::new(kind.cluster.clone(), kind.group_kind.clone(), &*slot.namespace, &*slot.name)
    }

    pub(crate) fn sorted_keys(&self, ids: impl Iterator<Item = SlotId>) -> Vec<ObjectKey> {
        let mut keys: Vec<_> = ids.map(|id| self.key(id)).collect();
        keys.sort_unstable();
        keys
    }
}
