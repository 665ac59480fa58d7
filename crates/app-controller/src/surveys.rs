//! What a cluster serves, and where objects of Applications are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cluster_client::SweepEvent;
use futures::StreamExt;
use jiff::Timestamp;
use kube_object::{ApiError, ApiResource, ClusterId, Gvk, InstanceName, Object, TrackingId};
use reconciler::Event;

use crate::hands::Hands;

/// Kinds that are listed at once in a sweep.
const PARALLEL_KINDS: usize = 8;

/// Asks the cluster what it serves.
pub(crate) async fn discover(hands: &Hands, cluster: ClusterId) -> Event {
    let result = hands.cluster.discover().await;
    let server = hands.cluster.server();
    match &result {
        Ok(served) => {
            let version = served.server_version().trim_start_matches('v').to_owned();
            hands.metrics.clusters.update(server, |state| {
                ClusterId::IN_CLUSTER_NAME.clone_into(&mut state.name);
                state.k8s_version = version;
                state.connected = true;
            });
        }
        Err(error) => {
            tracing::warn!(server, code = error.code, %error, "the API server does not say what it serves");
            hands.metrics.clusters.update(server, |state| state.connected = false);
        }
    }
    Event::Discovered { cluster, result: result.map(Box::new) }
}

/// Searches kinds for tracked objects.
pub(crate) async fn sweep(hands: &Hands, cluster: ClusterId, resources: Vec<ApiResource>) -> Event {
    let started_at = Timestamp::now();
    let mut events = hands.cluster.sweep(resources, PARALLEL_KINDS);
    let mut found = Found::default();
    while let Some(event) = events.next().await {
        found.take(event);
    }
    let Found { instances, failed } = found;
    tracing::debug!(kinds = instances.len(), failed = failed.len(), "sweep ended");
    Event::Swept { cluster, started_at, found: by_instance(instances), failed }
}

#[derive(Default)]
struct Found {
    instances: HashMap<Gvk, BTreeSet<InstanceName>>,
    failed: Vec<(Gvk, ApiError)>,
}

impl Found {
    fn take(&mut self, event: SweepEvent) {
        match event {
            SweepEvent::Objects(resource, objects) => {
                let instances = objects.iter().filter_map(instance_of);
                self.instances.entry(resource.gvk.clone()).or_default().extend(instances);
            }
            SweepEvent::Restarted(resource) => drop(self.instances.remove(&resource.gvk)),
            SweepEvent::Complete(_) => {}
            SweepEvent::Incomplete(resource, error) => {
                tracing::warn!(gvk = %resource.gvk, code = error.code, %error, "a kind cannot be searched");
                self.failed.push((resource.gvk.clone(), error));
            }
        }
    }
}

fn instance_of(object: &Object) -> Option<InstanceName> {
    Some(TrackingId::of_live(object)?.instance)
}

fn by_instance(kinds: HashMap<Gvk, BTreeSet<InstanceName>>) -> BTreeMap<InstanceName, BTreeSet<Gvk>> {
    let mut found: BTreeMap<InstanceName, BTreeSet<Gvk>> = BTreeMap::new();
    for (gvk, instances) in kinds {
        for instance in instances {
            found.entry(instance).or_default().insert(gvk.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kube_object::{Scope, TRACKING_ANNOTATION};

    use super::*;

    fn resource(kind: &str) -> Arc<ApiResource> {
        Arc::new(ApiResource {
            gvk: Gvk::new("", "v1", kind),
            plural: kind.to_lowercase(),
            scope: Scope::Namespaced,
            verbs: Vec::new(),
            subresources: Vec::new(),
        })
    }

    fn tracked(kind: &str, id: &str) -> Object {
        let mut object = Object::default();
        object.fields_mut().insert("kind".to_owned(), kind.into());
        object.set_annotation(TRACKING_ANNOTATION, id);
        object
    }

    #[test]
    fn kinds_are_found_by_the_tracking_annotation() {
        let mut found = Found::default();
        let objects = |kind: &str, ids: &[&str]| {
            SweepEvent::Objects(resource(kind), ids.iter().map(|id| tracked(kind, id)).collect())
        };
        let late = ApiError::no_answer("late");
        for event in [
            objects("ConfigMap", &["web:/ConfigMap:shop/a", "api:/ConfigMap:shop/b", "no id"]),
            objects("ConfigMap", &["web:/ConfigMap:shop/c"]),
            SweepEvent::Complete(resource("ConfigMap")),
            objects("Service", &["old:/Service:shop/a"]),
            SweepEvent::Restarted(resource("Service")),
            objects("Service", &["web:/Service:shop/a"]),
            SweepEvent::Incomplete(resource("Service"), late.clone()),
        ] {
            found.take(event);
        }
        assert_eq!(found.failed, [(Gvk::new("", "v1", "Service"), late)]);
        let kinds = |kinds: &[&str]| kinds.iter().map(|kind| Gvk::new("", "v1", *kind)).collect::<BTreeSet<_>>();
        let expected = [("api", kinds(&["ConfigMap"])), ("web", kinds(&["ConfigMap", "Service"]))];
        let expected = expected.map(|(name, kinds)| (InstanceName::new(name), kinds));
        assert_eq!(by_instance(found.instances), BTreeMap::from(expected));
    }
}
