//! Whom a change concerns.

use std::collections::BTreeMap;

use kube_object::InstanceName;

use crate::slots::SlotId;
use crate::{LiveState, WakeLevel};

/// Applications to wake, each with the highest level asked for.
#[derive(Default)]
pub(crate) struct Wakes(BTreeMap<InstanceName, WakeLevel>);

impl Wakes {
    /// Adds an application.
    pub(crate) fn add(&mut self, instance: &InstanceName, level: WakeLevel) {
        match self.0.get_mut(instance) {
            Some(known) => *known = level.max(*known),
            None => _ = self.0.insert(instance.clone(), level),
        }
    }

    /// Returns the applications, sorted.
    pub(crate) fn into_vec(self) -> Vec<(InstanceName, WakeLevel)> {
        self.0.into_iter().collect()
    }
}

impl LiveState {
    /// Adds the applications that a change of an object concerns: those that manage it compare, those that manage
    /// what it belongs to look at their tree.
    pub(crate) fn add_wakes(&self, id: SlotId, wakes: &mut Wakes) {
        self.add_managers(id, WakeLevel::Compare, wakes);
        let Some(live) = self.slots.live(id) else { return };
        if let Some(tracking) = &live.tracking {
            wakes.add(&tracking.instance, WakeLevel::Tree);
        }
        for ancestor in self.ancestors(id) {
            self.add_managers(ancestor, WakeLevel::Tree, wakes);
        }
    }

    /// Adds the applications that manage an object.
    pub(crate) fn add_managers(&self, id: SlotId, level: WakeLevel, wakes: &mut Wakes) {
        let slot = self.slots.get(id);
        slot.renderers.iter().chain(slot.tracked_root_of()).for_each(|instance| wakes.add(instance, level));
    }
}
