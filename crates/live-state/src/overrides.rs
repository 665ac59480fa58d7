//! Health rules from the settings.

use object_health::{Overrides, health};

use crate::slots::SlotId;
use crate::wakes::Wakes;
use crate::{Aspect, Body, Change, ChangeKind, Detail, LiveState};

impl LiveState {
    /// Sets the health rules that settings give, and applies them to every body that is held; objects without one
    /// follow with their next version, or when their kind is listed anew.
    pub fn set_overrides(&mut self, overrides: Overrides) -> Vec<Change> {
        self.overrides = overrides;
        let held: Vec<SlotId> = self.slots.iter().filter(|(_, slot)| slot.live.is_some()).map(|(id, _)| id).collect();
        held.into_iter().filter_map(|id| self.reassess(id)).collect()
    }

    fn reassess(&mut self, id: SlotId) -> Option<Change> {
        let live = self.slots.live(id).filter(|live| live.detail == Detail::Full)?;
        let (Body::Held(body) | Body::Outline(body)) = &live.body else { return None };
        let health = health(&body.decode(), &self.overrides);
        if health == live.health {
            return None;
        }
        self.slots.get_mut(id).live.as_mut()?.health = health;
        let mut wakes = Wakes::default();
        self.add_wakes(id, &mut wakes);
        let aspects = [Aspect::Health].into_iter().collect();
        Some(Change { key: self.key(id), kind: ChangeKind::Modified(aspects), wakes: wakes.into_vec() })
    }
}
