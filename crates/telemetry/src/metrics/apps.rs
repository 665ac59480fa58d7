use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::per_app::{AppKey, PerAppCounter};

/// Bounds of `argocd_app_reconcile`, in seconds.
const RECONCILE_BUCKETS: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

/// One application as `argocd_app_info` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppInfo<'a> {
    /// Namespace of the Application.
    pub namespace: &'a str,
    /// Name of the Application.
    pub name: &'a str,
    /// Project.
    pub project: &'a str,
    /// Whether automated sync is on.
    pub autosync_enabled: bool,
    /// Normalised URL of the first source.
    pub repo: &'a str,
    /// URL of the destination cluster.
    pub dest_server: &'a str,
    /// Namespace of the destination.
    pub dest_namespace: &'a str,
    /// `status.sync.status`; `Unknown` where there is none.
    pub sync_status: &'a str,
    /// `status.health.status`; `Unknown` where there is none.
    pub health_status: &'a str,
    /// `sync`, `delete` or empty: what is under way.
    pub operation: &'a str,
    /// Conditions by type.
    pub conditions: &'a [AppConditionCount<'a>],
}

/// How many conditions of one type an application has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppConditionCount<'a> {
    /// Type of the condition.
    pub condition: &'a str,
    /// Number of conditions of that type.
    pub count: u32,
}

/// Gives the applications at the time of a scrape.
pub trait AppInfoSource: Send + Sync + 'static {
    /// Calls `each` once for every application.
    fn visit(&self, each: &mut dyn FnMut(&AppInfo<'_>));
}

/// A sync operation that has ended.
#[derive(Clone, Debug)]
pub struct SyncFinished<'a> {
    /// The application.
    pub app: AppKey,
    /// Its project.
    pub project: &'a str,
    /// URL of the destination cluster.
    pub dest_server: &'a str,
    /// Phase it ended in, such as `Succeeded`.
    pub phase: &'a str,
    /// `true` where nothing was to be written.
    pub dry_run: bool,
    /// How long it took.
    pub took: Duration,
}

/// A request to a cluster on behalf of an application.
#[derive(Clone, Debug)]
pub struct K8sRequest<'a> {
    /// The application.
    pub app: AppKey,
    /// Its project.
    pub project: &'a str,
    /// URL of the cluster.
    pub server: &'a str,
    /// HTTP status of the response; 0 when none came.
    pub response_code: u16,
    /// `apply`, `create`, `delete` and the like.
    pub verb: &'a str,
    /// Kind of the object.
    pub resource_kind: &'a str,
    /// Namespace of the object.
    pub resource_namespace: &'a str,
    /// Whether it was a dry run.
    pub dry_run: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SyncLabels {
    project: String,
    dest_server: String,
    phase: String,
    dry_run: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SyncDurationLabels {
    project: String,
    dest_server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    project: String,
    server: String,
    response_code: u16,
    verb: String,
    resource_kind: String,
    resource_namespace: String,
    dry_run: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    namespace: String,
    dest_server: String,
}

/// Metrics of applications.
#[derive(Clone, Debug)]
pub struct AppMetrics {
    syncs: PerAppCounter<SyncLabels>,
    sync_seconds: PerAppCounter<SyncDurationLabels>,
    requests: PerAppCounter<RequestLabels>,
    reconcile: Family<ReconcileLabels, Histogram, fn() -> Histogram>,
}

impl AppMetrics {
    pub(super) fn register(registry: &mut Registry, source: Arc<dyn AppInfoSource>) -> Self {
        let metrics = Self {
            syncs: PerAppCounter::default(),
            sync_seconds: PerAppCounter::default(),
            requests: PerAppCounter::default(),
            reconcile: Family::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS)),
        };
        registry.register("argocd_app_sync", "Sync operations ended", metrics.syncs.clone());
        registry.register(
            "argocd_app_sync_duration_seconds",
            "Time spent in sync operations, in seconds",
            metrics.sync_seconds.clone(),
        );
        registry.register(
            "argocd_app_k8s_request",
            "Requests to clusters on behalf of an application",
            metrics.requests.clone(),
        );
        registry.register(
            "argocd_app_reconcile",
            "Time to reconcile an application, in seconds",
            metrics.reconcile.clone(),
        );
        registry.register_collector(Box::new(AppCollector(source)));
        metrics
    }

    /// Counts a sync operation that has ended.
    pub fn sync_finished(&self, sync: &SyncFinished<'_>) {
        let labels = SyncLabels {
            project: sync.project.to_owned(),
            dest_server: sync.dest_server.to_owned(),
            phase: sync.phase.to_owned(),
            dry_run: sync.dry_run,
        };
        self.syncs.add(sync.app.clone(), labels, 1.0);
        let labels = SyncDurationLabels { project: sync.project.to_owned(), dest_server: sync.dest_server.to_owned() };
        self.sync_seconds.add(sync.app.clone(), labels, sync.took.as_secs_f64());
    }

    /// Counts a request to a cluster.
    pub fn k8s_request(&self, request: &K8sRequest<'_>) {
        let labels = RequestLabels {
            project: request.project.to_owned(),
            server: request.server.to_owned(),
            response_code: request.response_code,
            verb: request.verb.to_owned(),
            resource_kind: request.resource_kind.to_owned(),
            resource_namespace: request.resource_namespace.to_owned(),
            dry_run: request.dry_run,
        };
        self.requests.add(request.app.clone(), labels, 1.0);
    }

    /// Records how long one reconciliation took; `namespace` is the Application's.
    pub fn reconciled(&self, namespace: &str, dest_server: &str, took: Duration) {
        let labels = ReconcileLabels { namespace: namespace.to_owned(), dest_server: dest_server.to_owned() };
        self.reconcile.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Removes the counters of an application that is gone.
    pub fn forget(&self, app: &AppKey) {
        self.syncs.forget(app);
        self.sync_seconds.forget(app);
        self.requests.forget(app);
    }
}

/// `argocd_app_info` and `argocd_app_condition`, made at each scrape.
struct AppCollector(Arc<dyn AppInfoSource>);

impl Collector for AppCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        // Applications are visited once; the few conditions wait for their own metric.
        let mut conditions = Vec::new();
        let help = "Information about an application.";
        let mut info = encoder.encode_descriptor("argocd_app_info", help, None, MetricType::Gauge)?;
        let mut result = Ok(());
        self.0.visit(&mut |app| {
            result = result.and_then(|()| info.encode_family(&info_labels(app))?.encode_gauge(&1_i64));
            conditions.extend(app.conditions.iter().map(|condition| {
                let labels = [
                    ("namespace", app.namespace.to_owned()),
                    ("name", app.name.to_owned()),
                    ("project", app.project.to_owned()),
                    ("condition", condition.condition.to_owned()),
                ];
                (labels, condition.count)
            }));
        });
        result?;
        let help = "Number of conditions of an application, by type.";
        let mut metric = encoder.encode_descriptor("argocd_app_condition", help, None, MetricType::Gauge)?;
        for (labels, count) in &conditions {
            metric.encode_family(labels)?.encode_gauge(&i64::from(*count))?;
        }
        Ok(())
    }
}

fn info_labels<'a>(app: &AppInfo<'a>) -> [(&'static str, &'a str); 10] {
    [
        ("namespace", app.namespace),
        ("name", app.name),
        ("project", app.project),
        ("autosync_enabled", if app.autosync_enabled { "true" } else { "false" }),
        ("repo", app.repo),
        ("dest_server", app.dest_server),
        ("dest_namespace", app.dest_namespace),
        ("sync_status", app.sync_status),
        ("health_status", app.health_status),
        ("operation", app.operation),
    ]
}

impl fmt::Debug for AppCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppCollector")
    }
}
