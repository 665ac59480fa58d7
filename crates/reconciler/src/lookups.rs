//! What a comparison looks up: live objects, and how other Applications stand to this one.

use app_compare::{Claims, LiveLookup, LiveRef, SelfReference, Standing};
use application_api::Application;
use kube_object::{ClusterId, GroupKind, InstanceName, ObjectKey};
use live_state::{LiveState, TrackingOf};

use crate::AppKey;
use crate::app::AppState;

/// The live state as a comparison sees it.
pub(crate) struct Live<'a>(pub(crate) &'a LiveState);

impl LiveLookup for Live<'_> {
    fn live(&self, key: &ObjectKey) -> Option<LiveRef<'_>> {
        let live = self.0.get(key)?;
        Some(LiveRef {
            uid: live.uid.to_string(),
            resource_version: live.resource_version.to_string(),
            api_version: &live.api_version,
            tracking: live.tracking.as_ref().map(|tracking| {
                let of = if tracking.of == TrackingOf::Itself { SelfReference::Own } else { SelfReference::Copied };
                (&tracking.instance, of)
            }),
            has_owner: live.has_owner(),
            deleting: live.is_deleting,
            health: live.health.as_ref(),
            body: live.body.held(),
        })
    }

    fn tracked_by(&self, instance: &InstanceName) -> Vec<ObjectKey> {
        self.0.tracked_by(instance)
    }

    fn renderers_of(&self, key: &ObjectKey) -> Vec<InstanceName> {
        self.0.renderers_of(key).to_vec()
    }

    fn is_listed(&self, cluster: &ClusterId, group_kind: &GroupKind) -> bool {
        self.0.is_listed(cluster, group_kind)
    }
}

/// How other Applications stand to the one that is compared.
pub(crate) struct Others<'a> {
    pub(crate) state: &'a std::collections::BTreeMap<AppKey, Box<AppState>>,
    pub(crate) control: &'a str,
    pub(crate) created: &'a Application,
}

impl Claims for Others<'_> {
    fn standing(&self, other: &InstanceName) -> Standing {
        let Some(app) = self.state.get(&AppKey::of_instance(other, self.control)) else { return Standing::Gone };
        let Some(facts) = app.reading.facts() else { return Standing::Unread };
        if app.main.targets.is_none() {
            return Standing::Unread;
        }
        let own = &self.created.metadata;
        let age = (facts.created_at, &*app.key.namespace, &*app.key.name);
        let own = (own.creation_timestamp, &*own.namespace, &*own.name);
        if age < own { Standing::Older } else { Standing::Younger }
    }
}
