//! The index of who renders what.

use kube_object::{CompactObject, InstanceName, ObjectKey};

use crate::kinds::Role;
use crate::read::outline;
use crate::slots::SlotId;
use crate::wakes::Wakes;
use crate::{Body, LiveState, WakeLevel};

/// What follows from a new set of targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetsChange {
    /// Live objects that the application manages and whose body has to be fetched, sorted.
    pub missing_bodies: Vec<ObjectKey>,
    /// Other applications that manage an object whose claim came or went, sorted.
    pub wakes: Vec<(InstanceName, WakeLevel)>,
}

impl LiveState {
    /// Sets what an application renders, hooks included or not as the caller sees fit.
    pub fn set_targets(&mut self, instance: &InstanceName, keys: impl IntoIterator<Item = ObjectKey>) -> TargetsChange {
        let mut targets: Vec<_> = keys.into_iter().map(|key| self.slot_of(&key)).collect();
        targets.sort_unstable();
        targets.dedup();
        let application = self.applications.entry(instance.clone()).or_default();
        let before = std::mem::replace(&mut application.targets, targets.clone());
        let mut wakes = Wakes::default();
        for id in targets.iter().filter(|id| before.binary_search(id).is_err()) {
            self.claim_changed(*id, instance, &mut wakes);
            let slot = self.slots.get_mut(*id);
            let mut renderers = slot.renderers.to_vec();
            renderers.push(instance.clone());
            renderers.sort_unstable();
            slot.renderers = renderers.into();
        }
        for id in before.into_iter().filter(|id| targets.binary_search(id).is_err()) {
            let slot = self.slots.get_mut(id);
            slot.renderers = slot.renderers.iter().filter(|renderer| *renderer != instance).cloned().collect();
            self.claim_changed(id, instance, &mut wakes);
            self.drop_body(id);
            self.slots.release(id);
        }
        self.release_application(instance);
        TargetsChange { missing_bodies: self.missing_bodies(instance), wakes: wakes.into_vec() }
    }

    /// Forgets what an application renders, when it is gone; returns the other applications that manage some of it.
    pub fn remove_application(&mut self, instance: &InstanceName) -> Vec<(InstanceName, WakeLevel)> {
        self.set_targets(instance, []).wakes
    }

    /// Returns the live objects that an application manages and whose body in the newest version is not held, sorted:
    /// a comparison needs them fetched and applied first.
    pub fn missing_bodies(&self, instance: &InstanceName) -> Vec<ObjectKey> {
        let Some(application) = self.applications.get(instance) else { return Vec::new() };
        let mut ids: Vec<_> = application.tracked.iter().chain(&application.targets).copied().collect();
        ids.retain(|id| self.needs_body(*id));
        ids.sort_unstable();
        ids.dedup();
        self.sorted_keys(ids.into_iter())
    }

    /// Drops what is kept of an application when nothing is.
    pub(crate) fn release_application(&mut self, instance: &InstanceName) {
        if self.applications.get(instance).is_some_and(|known| known.tracked.is_empty() && known.targets.is_empty()) {
            self.applications.remove(instance);
        }
    }

    fn slot_of(&mut self, key: &ObjectKey) -> SlotId {
        let kind = self.kinds.intern(&key.cluster, &key.group_kind());
        self.slots.find(kind, &key.namespace, &key.name).unwrap_or_else(|| {
            let namespace = self.texts.share(&key.namespace);
            self.slots.add(kind, namespace, &key.name)
        })
    }

    /// Adds the other applications that manage an object.
    fn claim_changed(&self, id: SlotId, instance: &InstanceName, wakes: &mut Wakes) {
        let slot = self.slots.get(id);
        let managers = slot.renderers.iter().chain(slot.tracked_root_of());
        managers.filter(|other| *other != instance).for_each(|other| wakes.add(other, WakeLevel::Compare));
    }

    /// Drops the body of an object that no application manages.
    fn drop_body(&mut self, id: SlotId) {
        let slot = self.slots.get(id);
        if slot.is_managed() {
            return;
        }
        let is_definition = self.kinds.get(slot.kind).role == Role::CustomResourceDefinition;
        let Some(live) = &mut self.slots.get_mut(id).live else { return };
        live.body = match std::mem::take(&mut live.body) {
            Body::Held(body) if is_definition => Body::Outline(CompactObject::of(&outline(&body.decode()))),
            Body::Outline(body) => Body::Outline(body),
            Body::Held(_) | Body::NotHeld => Body::NotHeld,
        };
        if live.body == Body::NotHeld {
            live.fingerprint = None;
        }
    }
}
