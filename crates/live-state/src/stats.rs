use std::collections::BTreeMap;
use std::mem::size_of;

use kube_object::{ClusterId, GroupKind};

use crate::slots::Slot;
use crate::{LiveObject, LiveState, Uid};

/// How much the index holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By cluster and kind; kinds without objects are left out.
    pub kinds: BTreeMap<(ClusterId, GroupKind), KindStats>,
    /// Bytes of the tables that all kinds share, by their capacity.
    pub table_bytes: usize,
}

/// How much the index holds of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindStats {
    /// Number of objects.
    pub objects: usize,
    /// Number of bodies held, outlines included.
    pub bodies: usize,
    /// Bytes of the bodies.
    pub body_bytes: usize,
    /// Bytes kept of the objects beside bodies and tables.
    pub index_bytes: usize,
}

impl LiveState {
    /// Counts what is held; looks at every object.
    pub fn stats(&self) -> Stats {
        let mut by_kind = BTreeMap::new();
        for (_, slot) in self.slots.iter() {
            let Some(live) = slot.live.as_deref() else { continue };
            let kind = self.kinds.get(slot.kind);
            let stats: &mut KindStats = by_kind.entry((&kind.cluster, &kind.group_kind)).or_default();
            let body = live.body.bytes();
            stats.objects += 1;
            stats.bodies += usize::from(!body.is_empty());
            stats.body_bytes += body.len();
            stats.index_bytes += index_bytes(slot, live);
        }
        let kinds =
            by_kind.into_iter().map(|((cluster, kind), stats)| ((cluster.clone(), kind.clone()), stats)).collect();
        let table_bytes = self.slots.table_bytes() + self.owners.bytes() + self.owned.bytes();
        Stats { kinds, table_bytes }
    }
}

/// Returns the bytes that an object holds beside its body, its slot and texts shared with others.
fn index_bytes(slot: &Slot, live: &LiveObject) -> usize {
    size_of::<LiveObject>()
        + slot.name.len()
        + size_of_val(&*slot.renderers)
        + live.owners.len() * size_of::<Uid>()
        + live.health.as_ref().map_or(0, |health| health.message.len())
        + size_of_val(&*live.images)
        + live.claims.iter().map(|claim| size_of_val(claim) + claim.len()).sum::<usize>()
}
