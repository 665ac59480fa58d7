//! Hands for tests: an API server that answers by a function and remembers what it was asked.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_source::{ArtifactOptions, Artifacts, DiskStore};
use bytes::Bytes;
use cluster_client::{ClientOptions, Cluster, Leadership, RequestBody};
use git_source::{GitOptions, Repositories};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use manifest_render::{RenderWorkers, WorkerOptions};
use serde_json::Value;
use source_loader::Loader;
use telemetry::Metrics;
use telemetry::metrics::{AppInfo, AppInfoSource, BuildInfo};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tower::{BoxError, service_fn};

use crate::hands::{Hands, HandsParts};
use crate::labels::Labels;

/// Hands, and what they did.
pub(crate) struct TestHands {
    pub(crate) hands: Arc<Hands>,
    pub(crate) leadership: watch::Sender<Leadership>,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

struct NoApps;

impl AppInfoSource for NoApps {
    fn visit(&self, _: &mut dyn FnMut(&AppInfo<'_>)) {}
}

impl TestHands {
    /// Makes hands that lead; `answer` gives status and body for the method with the URI and the body.
    pub(crate) fn new(directory: &Path, answer: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let (answer, log) = (Arc::new(answer), Arc::clone(&seen));
        let service = service_fn(move |request: Request<RequestBody>| {
            let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let body = String::from_utf8(body.to_vec()).unwrap();
                let (code, json) = answer(&line, &body);
                log.lock().unwrap().push((line, body));
                let response = Response::builder().status(code).header("content-type", "application/json");
                Ok::<_, BoxError>(response.body(Full::new(Bytes::from(json.to_string()))).unwrap())
            }
        });
        let leads = Leadership::Leading { valid_until: Instant::now() + Duration::from_hours(1) };
        let (leadership, led) = watch::channel(leads);
        let hands = Hands::new(HandsParts {
            cluster: Cluster::of_service(service, ClientOptions::default()),
            control_namespace: "argocd".to_owned(),
            loader: Loader::new(
                Repositories::new(directory, GitOptions::default()),
                Artifacts::new(ArtifactOptions::new(directory)),
            ),
            renders: DiskStore::open(directory.join("renders"), 1 << 20),
            history: DiskStore::open(directory.join("deployed"), 1 << 20),
            workers: RenderWorkers::new(WorkerOptions::new("driftless-render-worker".into()), |_| {}),
            metrics: metrics(),
            settings: watch::channel(None).1,
            leadership: led,
            labels: Arc::new(Labels::default()),
            answers: mpsc::unbounded_channel().0,
        });
        Self { hands: Arc::new(hands), leadership, seen }
    }

    /// Returns the requests, as method and URI, and their bodies.
    pub(crate) fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns method and path of the requests.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen().iter().map(|(line, _)| line.split('?').next().unwrap_or_default().to_owned()).collect()
    }
}

/// Makes metrics of no applications.
pub(crate) fn metrics() -> Metrics {
    Metrics::new(Arc::new(NoApps), &BuildInfo::default())
}

/// Returns the body of an error.
pub(crate) fn status(code: u16, reason: &str) -> (u16, Value) {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason,
    });
    (code, status)
}
