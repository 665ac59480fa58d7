//! What a cluster serves, and where objects of Applications are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cluster_client::SweepEvent;
use futures::StreamExt;
use jiff::Timestamp;
use kube_object::{ApiError, ApiResource, ClusterId, ErrorClass, Gvk, InstanceName, Object, TrackingId};
use reconciler::Event;

use crate::hands::Hands;
use crate::retrying::{ATTEMPTS, retrying, wait_of, waits};

/// Kinds that are listed at once in a sweep.
const PARALLEL_KINDS: usize = 8;

/// Asks the cluster what it serves.
pub(crate) async fn discover(hands: &Hands, cluster: ClusterId) -> Event {
    let result = retrying(ATTEMPTS, || true, || hands.cluster.discover()).await;
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
///
/// Kinds whose search failed in passing are searched again: a search is only worth something when it is complete, and among many
/// kinds one fails often.
pub(crate) async fn sweep(hands: &Hands, cluster: ClusterId, resources: Vec<ApiResource>) -> Event {
    let started_at = Timestamp::now();
    let mut found = Found::default();
    let (mut left, mut planned) = (resources, waits(ATTEMPTS));
    loop {
        let mut events = hands.cluster.sweep(left, PARALLEL_KINDS);
        while let Some(event) = events.next().await {
            found.take(event);
        }
        if !found.has_passing_failures() {
            break;
        }
        let Some(planned) = planned.next() else { break };
        let wait;
        (left, wait) = found.take_passing_failures(planned);
        tokio::time::sleep(wait).await;
    }
    let Found { instances, failed } = found;
    for (resource, error) in &failed {
        tracing::warn!(gvk = %resource.gvk, code = error.code, %error, "a kind cannot be searched");
    }
    let failed: Vec<(Gvk, ApiError)> =
        failed.into_iter().map(|(resource, error)| (resource.gvk.clone(), error)).collect();
    tracing::debug!(kinds = instances.len(), failed = failed.len(), "sweep ended");
    Event::Swept { cluster, started_at, found: by_instance(instances), failed }
}

#[derive(Default)]
struct Found {
    instances: HashMap<Gvk, BTreeSet<InstanceName>>,
    failed: Vec<(Arc<ApiResource>, ApiError)>,
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
            SweepEvent::Incomplete(resource, error) => self.failed.push((resource, error)),
        }
    }

    fn has_passing_failures(&self) -> bool {
        self.failed.iter().any(|(_, error)| is_passing(error))
    }

    /// Takes out the kinds to search again, and how long to wait before.
    fn take_passing_failures(&mut self, planned: Duration) -> (Vec<ApiResource>, Duration) {
        let (passing, failed): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.failed).into_iter().partition(|(_, error)| is_passing(error));
        self.failed = failed;
        let wait = passing.iter().map(|(_, error)| wait_of(error, planned)).max().unwrap_or(planned);
        (passing.into_iter().map(|(resource, _)| ApiResource::clone(&resource)).collect(), wait)
    }
}

fn is_passing(error: &ApiError) -> bool {
    error.class() == ErrorClass::Retry
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube_object::{Scope, TRACKING_ANNOTATION};
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::test_hands::{TestHands, status};

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
        assert_eq!(found.failed, [(resource("Service"), late)]);
        let kinds = |kinds: &[&str]| kinds.iter().map(|kind| Gvk::new("", "v1", *kind)).collect::<BTreeSet<_>>();
        let expected = [("api", kinds(&["ConfigMap"])), ("web", kinds(&["ConfigMap", "Service"]))];
        let expected = expected.map(|(name, kinds)| (InstanceName::new(name), kinds));
        assert_eq!(by_instance(found.instances), BTreeMap::from(expected));
    }

    /// Searches two kinds of which one answers with these in turn, the last one for ever; gives the failures, the requests and the
    /// seconds it took.
    async fn search(answers: Vec<(u16, serde_json::Value)>) -> (Vec<u16>, Vec<String>, u64) {
        let directory = tempfile::tempdir().unwrap();
        let turn = AtomicUsize::new(0);
        let list = || (200, json!({"metadata": {"resourceVersion": "9"}, "items": []}));
        let test = TestHands::new(directory.path(), move |line, _| {
            if line.contains("/pods") {
                return list();
            }
            answers.get(turn.fetch_add(1, Ordering::Relaxed)).or(answers.last()).cloned().unwrap_or_else(list)
        });
        let kinds = ["pods", "secrets"].map(|plural| ApiResource {
            plural: plural.to_owned(),
            verbs: vec!["list".to_owned()],
            ..ApiResource::clone(&resource(plural))
        });
        let started = Instant::now();
        let event = sweep(&test.hands, ClusterId::in_cluster(), kinds.to_vec()).await;
        let Event::Swept { failed, .. } = event else { unreachable!("a search ends with its result") };
        let codes = failed.iter().map(|(_, error)| error.code).collect();
        let mut paths = test.paths();
        paths.sort();
        (codes, paths, started.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn kinds_that_failed_in_passing_are_searched_again() {
        let list = || (200, json!({"metadata": {"resourceVersion": "9"}, "items": []}));
        let busy = || (429, json!({"kind": "Status", "code": 429, "details": {"retryAfterSeconds": 3}}));
        let requests = |count: usize| {
            let secrets = std::iter::repeat_n("GET /api/v1/secrets".to_owned(), count);
            std::iter::once("GET /api/v1/pods".to_owned()).chain(secrets).collect::<Vec<_>>()
        };
        assert_eq!(search(vec![list()]).await, (vec![], requests(1), 0));
        assert_eq!(search(vec![status(500, "InternalError"), list()]).await, (vec![], requests(2), 0));
        assert_eq!(search(vec![busy(), list()]).await, (vec![], requests(2), 3));
        assert_eq!(search(vec![busy()]).await, (vec![429], requests(4), 9));
        assert_eq!(search(vec![status(403, "Forbidden")]).await, (vec![403], requests(1), 0));
    }
}
