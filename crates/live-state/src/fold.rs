//! Folds objects into the index.

use kube_object::{ClusterId, CompactObject, Object, ObjectKey};

use crate::fingerprint::fingerprint;
use crate::kinds::{KindId, Role, Tombstone};
use crate::read::{Reading, outline, read, share_instance};
use crate::slots::SlotId;
use crate::wakes::Wakes;
use crate::{Aspect, Aspects, Body, Change, ChangeKind, Detail, LiveObject, LiveState, ResourceVersion, Uid};

/// Where an object comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A list or a watch.
    Stream,
    /// The response to a request of ours.
    Response,
}

impl LiveState {
    /// Folds in an object that a list or a watch gave; none when it is stale or nothing that matters changed.
    ///
    /// `apiVersion` and `kind` must be set to what was read, which lists leave out of their items. Stale is what is
    /// older than the index, and what is known to be gone. Metadata alone of the version that is known in full change
    /// nothing; of a newer one, they drop the body.
    pub fn apply(&mut self, cluster: &ClusterId, object: &Object, detail: Detail) -> Option<Change> {
        self.fold(cluster, object, detail, Source::Stream)
    }

    /// Folds in what a single request of ours answered, a write or a read, so that the index is never behind what we
    /// know. As [`LiveState::apply`], but it does not count as an item of a list that is going on: the object may be
    /// gone when the list is made.
    pub fn fold_response(&mut self, cluster: &ClusterId, object: &Object, detail: Detail) -> Option<Change> {
        self.fold(cluster, object, detail, Source::Response)
    }

    /// Folds in that a watch told the deletion of an object, at the version its last state carries; none when the
    /// index does not hold that very object. An empty `uid` means whatever has the key.
    pub fn delete(&mut self, key: &ObjectKey, uid: &str, resource_version: &str) -> Option<Change> {
        let uid = Uid::new(uid);
        let kind = self.kinds.of_key(key)?;
        let namespace = self.texts.share(&key.namespace);
        self.kinds.get_mut(kind).note_deleted(namespace, &uid, &ResourceVersion::new(resource_version));
        let id = self.holder_of(key, &uid)?;
        Some(self.remove(id, ChangeKind::Deleted))
    }

    /// Folds in that our own delete found or left nothing, so that events from before it do not bring the object back.
    pub fn fold_delete(&mut self, key: &ObjectKey, uid: &str) -> Option<Change> {
        let id = self.holder_of(key, &Uid::new(uid))?;
        let slot = self.slots.get(id);
        let live = slot.live.as_ref()?;
        let kind = self.kinds.get_mut(slot.kind);
        let is_listed = kind.reset.is_some_and(|reset| reset == live.listed_in);
        kind.tombstones.push(Tombstone { uid: live.uid.clone(), version: live.resource_version.clone(), is_listed });
        Some(self.remove(id, ChangeKind::Deleted))
    }

    fn fold(&mut self, cluster: &ClusterId, object: &Object, detail: Detail, source: Source) -> Option<Change> {
        if object.kind().is_empty() || object.name().is_empty() {
            return None;
        }
        let kind = self.kinds.intern(cluster, &object.group_kind());
        let known = self.slots.find(kind, object.namespace(), object.name());
        let uid = Uid::new(object.uid());
        let version = ResourceVersion::new(object.resource_version());
        let is_listed = source == Source::Stream || version.number().is_none();
        let is_known = |live: &&mut Box<LiveObject>| is_listed && (uid.is_empty() || live.uid == uid);
        if let Some(live) = known.and_then(|id| self.slots.get_mut(id).live.as_mut()).filter(is_known) {
            live.listed_in = self.kinds.get(kind).reset.unwrap_or(live.listed_in);
        }
        if !uid.is_empty() && self.kinds.get_mut(kind).is_buried(&uid) {
            return None;
        }
        let live = known.and_then(|id| self.slots.live(id));
        let is_stale = match live {
            Some(live) => is_stale(live, &uid, &version, detail, known.is_some_and(|id| self.needs_body(id))),
            // What a list has is there, in a namespace that was not watched before as well.
            None => {
                let kind = self.kinds.get(kind);
                !(is_listed && kind.reset.is_some()) && kind.is_gone(object.namespace(), &version)
            }
        };
        if is_stale {
            return None;
        }
        let role = self.kinds.get(kind).role;
        let mut reading = read(object, role, detail, &self.overrides, &mut self.texts);
        let instance =
            reading.tracking.as_ref().and_then(|tracking| self.applications.get_key_value(&tracking.instance));
        share_instance(&mut reading.tracking, instance.map(|(known, _)| known));
        let id = known.unwrap_or_else(|| {
            let namespace = self.texts.share(object.namespace());
            self.slots.add(kind, namespace, object.name())
        });
        let next = self.merge(id, reading, object, role);
        self.replace(id, LiveObject { listed_in: self.listed_now(kind, id, is_listed), ..next })
    }

    /// Returns the reset that an object counts as listed in.
    fn listed_now(&self, kind: KindId, id: SlotId, is_listed: bool) -> u32 {
        let before = self.slots.live(id).map_or(0, |live| live.listed_in);
        if is_listed { self.kinds.get(kind).reset.unwrap_or(before) } else { before }
    }

    fn holder_of(&self, key: &ObjectKey, uid: &Uid) -> Option<SlotId> {
        let id = self.find(key)?;
        let live = self.slots.live(id)?;
        (uid.is_empty() || live.uid == *uid).then_some(id)
    }

    /// Tells whether a comparison needs a body that is not held.
    pub(crate) fn needs_body(&self, id: SlotId) -> bool {
        let slot = self.slots.get(id);
        slot.is_managed() && slot.live.as_ref().is_some_and(|live| live.body.held().is_none())
    }

    /// Makes what is kept of a new version, with what the old one knew and the new one leaves open.
    fn merge(&self, id: SlotId, new: Reading, object: &Object, role: Role) -> LiveObject {
        let slot = self.slots.get(id);
        let old = slot.live.as_deref().filter(|old| old.uid == new.uid && new.detail == Detail::MetadataOnly);
        let is_managed = !slot.renderers.is_empty() || (new.tracking.is_some() && new.owners.is_empty());
        let is_full = new.detail == Detail::Full;
        let body = match role {
            _ if is_full && is_managed => Body::Held(CompactObject::of(object)),
            Role::CustomResourceDefinition if is_full => Body::Outline(CompactObject::of(&outline(object))),
            _ => Body::NotHeld,
        };
        LiveObject {
            fingerprint: (body != Body::NotHeld).then(|| fingerprint(object)),
            body,
            uid: new.uid,
            resource_version: new.resource_version,
            api_version: new.api_version,
            created_at: new.created_at,
            owners: new.owners,
            tracking: new.tracking,
            is_deleting: new.is_deleting,
            detail: new.detail,
            health: new.health.or_else(|| old.and_then(|old| old.health.clone())),
            images: old.map_or(new.images, |old| old.images.clone()),
            claims: old.map_or(new.claims, |old| old.claims.clone()),
            listed_in: 0,
        }
    }

    /// Puts an object into its slot and tells what changed by it.
    fn replace(&mut self, id: SlotId, next: LiveObject) -> Option<Change> {
        let kind = match self.slots.live(id) {
            None => ChangeKind::Added,
            Some(old) => {
                let aspects = differences(old, &next, self.slots.get(id).is_managed());
                if aspects.is_empty() {
                    self.slots.get_mut(id).live = Some(Box::new(next));
                    return None;
                }
                ChangeKind::Modified(aspects)
            }
        };
        let mut wakes = Wakes::default();
        self.add_wakes(id, &mut wakes);
        self.unlink(id);
        self.slots.get_mut(id).live = Some(Box::new(next));
        self.link(id);
        self.add_wakes(id, &mut wakes);
        Some(Change { key: self.key(id), kind, wakes: wakes.into_vec() })
    }

    /// Takes an object out of the index.
    pub(crate) fn remove(&mut self, id: SlotId, kind: ChangeKind) -> Change {
        let mut wakes = Wakes::default();
        self.add_wakes(id, &mut wakes);
        let key = self.key(id);
        self.unlink(id);
        self.slots.get_mut(id).live = None;
        self.slots.release(id);
        Change { key, kind, wakes: wakes.into_vec() }
    }

    fn link(&mut self, id: SlotId) {
        self.link_owner(id);
        if let Some(instance) = self.tracked_instance(id) {
            let tracked = &mut self.applications.entry(instance).or_default().tracked;
            if let Err(at) = tracked.binary_search(&id) {
                tracked.insert(at, id);
            }
        }
    }

    fn unlink(&mut self, id: SlotId) {
        self.unlink_owner(id);
        if let Some(instance) = self.tracked_instance(id)
            && let Some(application) = self.applications.get_mut(&instance)
        {
            if let Ok(at) = application.tracked.binary_search(&id) {
                application.tracked.remove(at);
            }
            self.release_application(&instance);
        }
    }

    fn tracked_instance(&self, id: SlotId) -> Option<kube_object::InstanceName> {
        Some(self.slots.live(id)?.tracking.as_ref()?.instance.clone())
    }
}

/// Tells whether a version says nothing that is not known better.
fn is_stale(live: &LiveObject, uid: &Uid, version: &ResourceVersion, detail: Detail, needs_body: bool) -> bool {
    if version.is_older_than(&live.resource_version) {
        return true;
    }
    let is_known = live.uid == *uid && version.is_same_as(&live.resource_version);
    is_known && detail <= live.detail && !(detail == Detail::Full && needs_body)
}

fn differences(old: &LiveObject, new: &LiveObject, was_managed: bool) -> Aspects {
    let is_managed = was_managed || new.tracked_root_of().is_some();
    let both = old.fingerprint.zip(new.fingerprint);
    // Of a managed object whose body is not known in its new version, anything may have changed.
    let is_blind = is_managed && new.body.held().is_none() && !new.resource_version.is_same_as(&old.resource_version);
    let differs = [
        (Aspect::DesiredState, both.is_some_and(|(old, new)| old != new)),
        (Aspect::Health, old.health != new.health),
        (Aspect::Tracking, old.tracking != new.tracking),
        (Aspect::Owners, old.owners != new.owners || old.claims != new.claims),
        (Aspect::Images, old.images != new.images),
        (Aspect::Deletion, old.is_deleting != new.is_deleting),
        (Aspect::Identity, old.uid != new.uid),
        (Aspect::Body, old.body.held().is_some() != new.body.held().is_some() || is_blind),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(aspect, _)| aspect).collect()
}
