use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BuildInfo {
    /// Version of the daemon.
    pub version: String,
    /// Commit it was built from; empty where unknown.
    pub commit: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SettingLabels {
    source: String,
    key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RenderLabels {
    tool: String,
}

/// Metrics of the daemon itself.
#[derive(Clone, Debug)]
pub struct DaemonMetrics {
    depth: Family<QueueLabels, Gauge>,
    adds: Family<QueueLabels, Counter>,
    ignored_settings: Family<SettingLabels, Gauge>,
    leader: Gauge,
    worker_ends: Family<EndLabels, Counter>,
    renders: Family<RenderLabels, Counter>,
}

impl DaemonMetrics {
    pub(super) fn register(registry: &mut Registry, build: &BuildInfo) -> Self {
        let metrics = Self {
            depth: Family::default(),
            adds: Family::default(),
            ignored_settings: Family::default(),
            leader: Gauge::default(),
            worker_ends: Family::default(),
            renders: Family::default(),
        };
        registry.register("workqueue_depth", "Items waiting in a queue", metrics.depth.clone());
        registry.register("workqueue_adds", "Items added to a queue", metrics.adds.clone());
        registry.register(
            "driftless_ignored_settings",
            "Settings that are present and have no effect",
            metrics.ignored_settings.clone(),
        );
        registry.register("driftless_leader", "Whether this replica holds the lease", metrics.leader.clone());
        registry.register(
            "driftless_render_worker_ends",
            "Processes for Helm and Kustomize that ended, by why",
            metrics.worker_ends.clone(),
        );
        registry.register(
            "driftless_renders",
            "Sources that were rendered, not found unchanged, by what rendered them; `kept` counts kept renders of deployments that stand in",
            metrics.renders.clone(),
        );
        let info = Family::<BuildInfo, Gauge>::default();
        info.get_or_create(build).set(1);
        registry.register("driftless_build_info", "What was built", info);
        metrics
    }

    /// Returns the metrics of the queue `name`, such as `app_reconciliation_queue`.
    pub fn queue(&self, name: &str) -> QueueMetrics {
        let labels = QueueLabels { name: name.to_owned() };
        QueueMetrics { depth: self.depth.get_or_create_owned(&labels), adds: self.adds.get_or_create_owned(&labels) }
    }

    /// Shows exactly these settings, as source and key, as present without effect.
    pub fn set_ignored_settings<'a>(&self, settings: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.ignored_settings.clear();
        for (source, key) in settings {
            let labels = SettingLabels { source: source.to_owned(), key: key.to_owned() };
            self.ignored_settings.get_or_create(&labels).set(1);
        }
    }

    /// Counts a render worker that ended: `idle`, `large`, or the word for what went wrong.
    pub fn render_worker_ended(&self, reason: &str) {
        self.worker_ends.get_or_create(&EndLabels { reason: reason.to_owned() }).inc();
    }

    /// Counts a source that was rendered, by what rendered it, such as `Helm`.
    pub fn rendered(&self, tool: &str) {
        self.renders.get_or_create(&RenderLabels { tool: tool.to_owned() }).inc();
    }

    /// Shows that this replica holds the lease.
    pub fn became_leader(&self) {
        self.leader.set(1);
    }

    /// Shows that this replica does not hold the lease.
    pub fn lost_leadership(&self) {
        self.leader.set(0);
    }
}

/// Metrics of one queue.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    depth: Gauge,
    adds: Counter,
}

impl QueueMetrics {
    /// Counts an item that was added.
    pub fn added(&self) {
        self.adds.inc();
    }

    /// Shows how many items wait.
    pub fn set_depth(&self, items: usize) {
        self.depth.set(i64::try_from(items).unwrap_or(i64::MAX));
    }
}
