use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What is known of a cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterState {
    /// Name of the cluster.
    pub name: String,
    /// Version of its API server, such as `1.36`.
    pub k8s_version: String,
    /// Objects held in the index.
    pub objects: u64,
    /// Kinds watched.
    pub kinds: u64,
    /// When its watches were last complete.
    pub synced_at: Option<Instant>,
    /// Whether its API server answers.
    pub connected: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    server: String,
    group: String,
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    server: String,
    group: String,
    kind: String,
}

/// Metrics of clusters.
#[derive(Clone, Debug)]
pub struct ClusterMetrics {
    events: Family<EventLabels, Counter>,
    restarts: Family<WatchLabels, Counter>,
    decode_errors: Family<WatchLabels, Counter>,
    states: Arc<Mutex<BTreeMap<String, ClusterState>>>,
}

impl ClusterMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            events: Family::default(),
            restarts: Family::default(),
            decode_errors: Family::default(),
            states: Arc::default(),
        };
        registry.register("argocd_cluster_events", "Watch events processed", metrics.events.clone());
        registry.register("driftless_watch_restarts", "Watches started again", metrics.restarts.clone());
        registry.register(
            "driftless_watch_decode_errors",
            "Objects from a watch that could not be read and were skipped",
            metrics.decode_errors.clone(),
        );
        registry.register_collector(Box::new(ClusterCollector(metrics.states.clone())));
        metrics
    }

    /// Counts a watch event of a kind.
    pub fn event(&self, server: &str, group: &str, kind: &str) {
        let labels = EventLabels { server: server.to_owned(), group: group.to_owned(), kind: kind.to_owned() };
        self.events.get_or_create(&labels).inc();
    }

    /// Counts a watch that was started again.
    pub fn watch_restarted(&self, server: &str, group: &str, kind: &str) {
        self.restarts.get_or_create(&watch(server, group, kind)).inc();
    }

    /// Counts an object that could not be read.
    pub fn decode_error(&self, server: &str, group: &str, kind: &str) {
        self.decode_errors.get_or_create(&watch(server, group, kind)).inc();
    }

    /// Changes what is known of a cluster; an unknown one starts empty.
    pub fn update(&self, server: &str, change: impl FnOnce(&mut ClusterState)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        change(states.entry(server.to_owned()).or_default());
    }

    /// Removes a cluster that is no longer configured.
    pub fn forget(&self, server: &str) {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }
}

fn watch(server: &str, group: &str, kind: &str) -> WatchLabels {
    WatchLabels { server: server.to_owned(), group: group.to_owned(), kind: kind.to_owned() }
}

/// The gauges of all clusters, made at each scrape so that ages are right and gone clusters leave nothing.
#[derive(Debug)]
struct ClusterCollector(Arc<Mutex<BTreeMap<String, ClusterState>>>);

impl Collector for ClusterCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut gauge = |name: &str, help: &str, of: &dyn Fn(&str, &ClusterState) -> Option<Series>| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (server, state) in &states {
                if let Some(Series(labels, value)) = of(server, state) {
                    metric.encode_family(&labels)?.encode_gauge(&value)?;
                }
            }
            fmt::Result::Ok(())
        };
        gauge("argocd_cluster_info", "Information about a cluster.", &|server, state| {
            let labels =
                vec![label("server", server), label("k8s_version", &state.k8s_version), label("name", &state.name)];
            Some(Series(labels, 1.0))
        })?;
        gauge("argocd_cluster_api_resource_objects", "Objects held in the index of a cluster.", &|server, state| {
            Some(Series(vec![label("server", server)], count(state.objects)))
        })?;
        gauge("argocd_cluster_api_resources", "Kinds watched in a cluster.", &|server, state| {
            Some(Series(vec![label("server", server)], count(state.kinds)))
        })?;
        gauge(
            "argocd_cluster_cache_age_seconds",
            "Time since the watches of a cluster were complete.",
            &|server, state| Some(Series(vec![label("server", server)], state.synced_at?.elapsed().as_secs_f64())),
        )?;
        gauge("argocd_cluster_connection_status", "Whether a cluster's API server answers.", &|server, state| {
            let labels = vec![label("server", server), label("k8s_version", &state.k8s_version)];
            Some(Series(labels, if state.connected { 1.0 } else { 0.0 }))
        })
    }
}

struct Series(Vec<(&'static str, String)>, f64);

fn label(key: &'static str, value: &str) -> (&'static str, String) {
    (key, value.to_owned())
}

/// Turns a count into a sample; counts beyond 2^53 lose their last digits.
#[expect(clippy::cast_precision_loss, reason = "OpenMetrics samples are floating point")]
fn count(value: u64) -> f64 {
    value as f64
}
