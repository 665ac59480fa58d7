//! The metrics registry: typed handles to write, one text to read.
//!
//! Names and labels are Argo CD's (its metrics documentation; semantics, section 10.1). Series of an application end with
//! it: what describes applications is read from their source at each scrape, and counters are kept by application so that
//! [`AppMetrics::forget`] removes them.

mod apps;
mod clusters;
mod daemon;
mod git;
mod per_app;

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub use apps::{AppConditionCount, AppInfo, AppInfoSource, AppMetrics, K8sRequest, SyncFinished};
pub use clusters::{ClusterMetrics, ClusterState};
pub use daemon::{BuildInfo, DaemonMetrics, QueueMetrics};
pub use git::{GitMetrics, GitRequest};
pub use per_app::AppKey;

use crate::process::ProcessCollector;

/// The content type of [`Metrics::exposition`].
pub const OPENMETRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Handles to all metrics; clones write to the same series.
#[derive(Clone)]
pub struct Metrics {
    /// Metrics of applications.
    pub apps: AppMetrics,
    /// Metrics of clusters.
    pub clusters: ClusterMetrics,
    /// Metrics of Git requests.
    pub git: GitMetrics,
    /// Metrics of the daemon itself.
    pub daemon: DaemonMetrics,
    registry: Arc<Registry>,
}

impl Metrics {
    /// Makes all metrics; `apps` is asked for the applications at each scrape.
    pub fn new(apps: Arc<dyn AppInfoSource>, build: &BuildInfo) -> Self {
        let mut registry = Registry::default();
        let metrics = (
            AppMetrics::register(&mut registry, apps),
            ClusterMetrics::register(&mut registry),
            GitMetrics::register(&mut registry),
            DaemonMetrics::register(&mut registry, build),
        );
        registry.register_collector(Box::new(ProcessCollector));
        let (apps, clusters, git, daemon) = metrics;
        Self { apps, clusters, git, daemon, registry: Arc::new(registry) }
    }

    /// Returns all metrics as OpenMetrics text.
    pub fn exposition(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("because writing to a String does not fail");
        out
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests;
