use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Bounds of `argocd_git_request_duration_seconds`, in seconds.
const REQUEST_BUCKETS: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 20.0];

/// The kind of a Git request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GitRequest {
    /// Listing references.
    LsRemote,
    /// Fetching objects.
    Fetch,
}

impl GitRequest {
    fn label(self) -> String {
        match self {
            Self::LsRemote => "ls-remote",
            Self::Fetch => "fetch",
        }
        .to_owned()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    repo: String,
    request_type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    repo: String,
    revision: String,
}

/// Metrics of Git requests. `repo` is the normalised URL without credentials.
#[derive(Clone, Debug)]
pub struct GitMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RequestLabels, Histogram, fn() -> Histogram>,
    fetch_failures: Family<FailureLabels, Counter>,
    list_failures: Family<FailureLabels, Counter>,
}

impl GitMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            fetch_failures: Family::default(),
            list_failures: Family::default(),
        };
        registry.register("argocd_git_request", "Git requests", metrics.requests.clone());
        registry.register(
            "argocd_git_request_duration_seconds",
            "Duration of Git requests, in seconds",
            metrics.durations.clone(),
        );
        registry.register("argocd_git_fetch_fail", "Git fetches that failed", metrics.fetch_failures.clone());
        registry.register(
            "argocd_git_lsremote_fail",
            "Listings of Git references that failed",
            metrics.list_failures.clone(),
        );
        metrics
    }

    /// Records a request that was made, whatever its outcome.
    pub fn request(&self, repo: &str, kind: GitRequest, took: Duration) {
        let labels = RequestLabels { repo: repo.to_owned(), request_type: kind.label() };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a request that failed; `revision` is one that an Application names, or empty.
    pub fn failure(&self, repo: &str, kind: GitRequest, revision: &str) {
        let labels = FailureLabels { repo: repo.to_owned(), revision: revision.to_owned() };
        let family = match kind {
            GitRequest::LsRemote => &self.list_failures,
            GitRequest::Fetch => &self.fetch_failures,
        };
        family.get_or_create(&labels).inc();
    }
}
