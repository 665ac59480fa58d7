use std::collections::HashMap;

use cluster_client::{Cluster, Detail, Selector, WatchEvent, WatchRequest};
use futures::StreamExt;
use kube_object::{ApiError, ApiResource, ClusterId, GroupKind, Object};
use reconciler::{Event, WatchChange};
use telemetry::metrics::ClusterMetrics;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// Changes that may wait to be taken in; beyond them the watches wait, and with them the API server.
const BACKLOG: usize = 512;

/// Tells one watch of a kind from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WatchId(u64);

/// A change that a watch reports.
pub(crate) struct WatchReport {
    watch: WatchId,
    cluster: ClusterId,
    resource: std::sync::Arc<ApiResource>,
    change: WatchChange,
}

/// The watches that run: one a kind and cluster.
pub(crate) struct Watches {
    metrics: ClusterMetrics,
    running: HashMap<(ClusterId, GroupKind), (WatchId, AbortHandle)>,
    tasks: JoinSet<()>,
    reports: mpsc::Sender<WatchReport>,
    last: u64,
}

impl Watches {
    /// Makes an empty set, and the end where its reports come out.
    pub(crate) fn new(metrics: ClusterMetrics) -> (Self, mpsc::Receiver<WatchReport>) {
        let (reports, receiver) = mpsc::channel(BACKLOG);
        (Self { metrics, running: HashMap::new(), tasks: JoinSet::new(), reports, last: 0 }, receiver)
    }

    /// Watches a kind until told otherwise.
    pub(crate) fn start(&mut self, cluster: &Cluster, id: ClusterId, resource: ApiResource) {
        let key = (id.clone(), resource.gvk.group_kind());
        self.stop(&key.0, &key.1);
        self.last += 1;
        let watch = WatchId(self.last);
        tracing::debug!(gvk = %resource.gvk, "watch started");
        let follower = Follower {
            watch,
            cluster: id,
            resource: std::sync::Arc::new(resource),
            reports: self.reports.clone(),
            metrics: self.metrics.clone(),
        };
        let task = self.tasks.spawn(follower.follow(cluster.clone()));
        self.running.insert(key, (watch, task));
        self.show(cluster);
    }

    /// Stops watching a kind; what the watch has reported and was not taken in yet does not count any more.
    pub(crate) fn stop(&mut self, cluster: &ClusterId, group_kind: &GroupKind) {
        if let Some((_, task)) = self.running.remove(&(cluster.clone(), group_kind.clone())) {
            tracing::debug!(kind = %group_kind, "watch stopped");
            task.abort();
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// Turns a report into an event, unless its watch was stopped meanwhile.
    pub(crate) fn event(&self, report: WatchReport) -> Option<Event> {
        let WatchReport { watch, cluster, resource, change } = report;
        let gvk = resource.gvk.clone();
        let current = self.running.get(&(cluster.clone(), gvk.group_kind()))?.0;
        (current == watch).then_some(Event::Watch { cluster, gvk, change })
    }

    fn show(&self, cluster: &Cluster) {
        let kinds = self.running.len() as u64;
        self.metrics.update(cluster.server(), |state| state.kinds = kinds);
    }
}

struct Follower {
    watch: WatchId,
    cluster: ClusterId,
    resource: std::sync::Arc<ApiResource>,
    reports: mpsc::Sender<WatchReport>,
    metrics: ClusterMetrics,
}

impl Follower {
    async fn follow(self, cluster: Cluster) {
        let mut events = cluster.watch(WatchRequest {
            resource: ApiResource::clone(&self.resource),
            namespace: String::new(),
            selector: Selector::default(),
            detail: Detail::Full,
        });
        let mut lists = 0_u32;
        while let Some(event) = events.next().await {
            self.count(&event, &mut lists, cluster.server());
            let change = self.change(event);
            let report = WatchReport {
                watch: self.watch,
                cluster: self.cluster.clone(),
                resource: std::sync::Arc::clone(&self.resource),
                change,
            };
            if self.reports.send(report).await.is_err() {
                return;
            }
        }
    }

    fn count(&self, event: &WatchEvent, lists: &mut u32, server: &str) {
        let (group, kind) = (&self.resource.gvk.group, &self.resource.gvk.kind);
        match event {
            WatchEvent::Object(..) | WatchEvent::Deleted(_) => self.metrics.event(server, group, kind),
            WatchEvent::Restarting => {
                *lists = lists.saturating_add(1);
                if *lists > 1 {
                    self.metrics.watch_restarted(server, group, kind);
                }
            }
            WatchEvent::Skipped { .. } => self.metrics.decode_error(server, group, kind),
            WatchEvent::Failed(error) => {
                tracing::warn!(gvk = %self.resource.gvk, code = error.code, %error, "watch failed; it is tried again");
            }
            WatchEvent::KindGone => tracing::info!(gvk = %self.resource.gvk, "the kind is not served any more"),
            WatchEvent::Listed { .. } => {
                self.metrics.update(server, |state| state.synced_at = Some(std::time::Instant::now()));
            }
            WatchEvent::Resumed => {}
        }
    }

    fn change(&self, event: WatchEvent) -> WatchChange {
        match event {
            WatchEvent::Restarting => WatchChange::Restarted,
            WatchEvent::Object(object, _) => WatchChange::Object(Box::new(self.named(object))),
            WatchEvent::Listed { resource_version } => WatchChange::Listed(resource_version),
            WatchEvent::Deleted(object) => WatchChange::Deleted(Box::new(self.named(object))),
            WatchEvent::Failed(error) => WatchChange::Failed(error),
            WatchEvent::KindGone => WatchChange::KindGone,
            WatchEvent::Resumed => WatchChange::Resumed,
            WatchEvent::Skipped { reason } => {
                let kind = &self.resource.gvk;
                tracing::warn!(gvk = %kind, reason, "an event of a watch cannot be read; one object is not known as it is");
                WatchChange::Failed(ApiError::no_answer(format!(
                    "an event of the watch of {kind} cannot be read: {reason}"
                )))
            }
        }
    }

    /// Names the kind in an object where the server left it out.
    fn named(&self, mut object: Object) -> Object {
        if object.kind().is_empty() || object.api_version().is_empty() {
            let gvk = &self.resource.gvk;
            object.fields_mut().insert("apiVersion".to_owned(), gvk.api_version().into());
            object.fields_mut().insert("kind".to_owned(), gvk.kind.clone().into());
        }
        object
    }
}
