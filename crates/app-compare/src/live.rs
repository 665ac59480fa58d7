use kube_object::{ClusterId, GroupKind, InstanceName, ObjectKey};
use live_state::{LiveState, TrackingOf};

use crate::{LiveLookup, LiveRef, SelfReference};

impl LiveLookup for LiveState {
    fn live(&self, key: &ObjectKey) -> Option<LiveRef<'_>> {
        let object = self.get(key)?;
        let reference = |of| match of {
            TrackingOf::Itself => SelfReference::Own,
            TrackingOf::Another => SelfReference::Copied,
        };
        Some(LiveRef {
            uid: object.uid.to_string(),
            resource_version: object.resource_version.to_string(),
            api_version: &object.api_version,
            tracking: object.tracking.as_ref().map(|tracking| (&tracking.instance, reference(tracking.of))),
            has_owner: object.has_owner(),
            deleting: object.is_deleting,
            health: object.health.as_ref(),
            body: object.body.held(),
        })
    }

    fn tracked_by(&self, instance: &InstanceName) -> Vec<ObjectKey> {
        self.tracked_by(instance)
    }

    fn renderers_of(&self, key: &ObjectKey) -> Vec<InstanceName> {
        self.renderers_of(key).to_vec()
    }

    fn is_listed(&self, cluster: &ClusterId, group_kind: &GroupKind) -> bool {
        self.is_listed(cluster, group_kind)
    }
}
