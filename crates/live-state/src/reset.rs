//! Folds a new list of a kind into the index.

use kube_object::{ClusterId, GroupKind};

use crate::{Change, ChangeKind, LiveState, ResourceVersion};

impl LiveState {
    /// Begins to list a kind anew, in all namespaces that are watched. What is applied until [`LiveState::end_reset`]
    /// counts as listed. A reset that is going on starts over; what it had applied stays. The list must not be older
    /// than what the kind's last list or watch has told; older than our own writes it may be.
    pub fn begin_reset(&mut self, cluster: &ClusterId, group_kind: &GroupKind) {
        self.last_reset += 1;
        let id = self.kinds.intern(cluster, group_kind);
        let kind = self.kinds.get_mut(id);
        kind.reset = Some(self.last_reset);
        kind.tombstones.iter_mut().for_each(|stone| stone.is_listed = false);
    }

    /// Ends a list that was read to its end, at the version from which its watches go on (of several lists the
    /// oldest). What the list did not have is removed, except what is newer: the watch will tell. Does nothing
    /// without a reset.
    pub fn end_reset(&mut self, cluster: &ClusterId, group_kind: &GroupKind, resource_version: &str) -> Vec<Change> {
        let Some(id) = self.kinds.find(cluster, &group_kind.group, &group_kind.kind) else { return Vec::new() };
        let kind = self.kinds.get_mut(id);
        let Some(reset) = kind.reset.take() else { return Vec::new() };
        kind.is_listed = true;
        let at = ResourceVersion::new(resource_version);
        kind.listed_at = at.number();
        kind.deleted_at.clear();
        kind.tombstones.retain(|stone| stone.is_listed || at.is_older_than(&stone.version));
        let mut gone = self.slots.living(id);
        gone.retain(|id| {
            self.slots
                .live(*id)
                .is_some_and(|live| live.listed_in != reset && !at.is_older_than(&live.resource_version))
        });
        gone.into_iter().map(|id| self.remove(id, ChangeKind::Deleted)).collect()
    }

    /// Forgets a kind that is no longer served or watched.
    pub fn drop_kind(&mut self, cluster: &ClusterId, group_kind: &GroupKind) -> Vec<Change> {
        let Some(id) = self.kinds.find(cluster, &group_kind.group, &group_kind.kind) else { return Vec::new() };
        self.kinds.get_mut(id).forget();
        self.slots.living(id).into_iter().map(|id| self.remove(id, ChangeKind::Forgotten)).collect()
    }
}
