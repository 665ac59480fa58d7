//! What goes because something else went: dependents, the content of namespaces, the objects of a kind.

use std::collections::BTreeSet;

use application_api::PropagationPolicy;
use kube_object::{GroupKind, Gvk, Object, ObjectKey};
use reconciler::WatchChange;
use serde_json::Value;

use super::Server;
use super::fields::Owner;

impl Server {
    /// Removes what has lost its owner or is in a namespace that goes, then owners that waited for that.
    pub(super) fn collect_garbage(&mut self) {
        let matters = |object: &Object| owners(object).next().is_some() || object.is_deleting();
        while self.objects().any(matters) {
            if let Some(key) = self.find_lost() {
                let _ = self.delete(&key, "", "", PropagationPolicy::Background);
            } else if let Some(key) = self.find_free() {
                self.edit_as(&key, &Owner::updating("kube-controller-manager"), |object| {
                    if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
                        finalizers.retain(|name| name != "foregroundDeletion");
                    }
                });
            } else if let Some(key) = self.find_emptied_namespace() {
                let stored = self.stored.remove(&key).expect("it was found a line above");
                let mut namespace = stored.object;
                let version = self.next_version();
                namespace.metadata_map_mut().insert("resourceVersion".to_owned(), version.into());
                self.gone.push(key);
                self.told.push((namespace.gvk(), WatchChange::Deleted(Box::new(namespace))));
            } else {
                return;
            }
        }
    }

    /// Finds an object whose owner is gone or goes in the foreground, or whose namespace goes.
    fn find_lost(&self) -> Option<ObjectKey> {
        let uids: BTreeSet<&str> = self.objects().map(Object::uid).collect();
        let foreground: BTreeSet<&str> =
            self.objects().filter(|one| waits_for_dependents(one)).map(Object::uid).collect();
        let going: BTreeSet<&str> =
            self.objects().filter(|one| one.kind() == "Namespace" && one.is_deleting()).map(Object::name).collect();
        let is_lost = |object: &Object| {
            !object.is_deleting()
                && (going.contains(object.namespace())
                    || owners(object).any(|uid| !uids.contains(uid) || foreground.contains(uid)))
        };
        self.stored.iter().find(|(_, stored)| is_lost(&stored.object)).map(|(key, _)| key.clone())
    }

    /// Finds an object that waited for its dependents, which are gone.
    fn find_free(&self) -> Option<ObjectKey> {
        let is_free = |object: &Object| {
            waits_for_dependents(object) && !self.objects().any(|other| owners(other).any(|uid| uid == object.uid()))
        };
        self.stored.iter().find(|(_, stored)| is_free(&stored.object)).map(|(key, _)| key.clone())
    }

    fn find_emptied_namespace(&self) -> Option<ObjectKey> {
        let goes = |key: &ObjectKey, object: &Object| {
            key.kind == "Namespace"
                && object.is_deleting()
                && object.get(&["metadata", "finalizers"]).is_none_or(|held| held.as_array().is_none_or(Vec::is_empty))
                && self.is_empty_namespace(key)
        };
        self.stored.iter().find(|(key, stored)| goes(key, &stored.object)).map(|(key, _)| key.clone())
    }

    /// Tells whether nothing is in a namespace; true of anything else.
    pub(super) fn is_empty_namespace(&self, key: &ObjectKey) -> bool {
        key.kind != "Namespace" || !self.stored.keys().any(|other| other.namespace == key.name)
    }

    /// Removes all objects of a kind whose definition is gone.
    pub(super) fn drop_kind(&mut self, definition: &Object) {
        let text = |path: &[&str]| definition.get(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let group_kind = GroupKind::new(text(&["spec", "group"]), text(&["spec", "names", "kind"]));
        self.stored.retain(|key, _| key.group_kind() != group_kind);
        self.redefine();
        self.told.push((Gvk::new(group_kind.group, "v1", group_kind.kind), WatchChange::KindGone));
    }
}

/// Returns the uids of an object's owners.
fn owners(object: &Object) -> impl Iterator<Item = &str> {
    let references = object.get(&["metadata", "ownerReferences"]).and_then(Value::as_array);
    references.into_iter().flatten().filter_map(|reference| reference["uid"].as_str())
}

fn waits_for_dependents(object: &Object) -> bool {
    let finalizers = object.get(&["metadata", "finalizers"]).and_then(Value::as_array);
    finalizers.is_some_and(|all| all.iter().any(|name| name == "foregroundDeletion"))
}
