use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cluster_client::{DryRun, ObservedRequest, RequestObserver};
use reconciler::AppKey;
use telemetry::metrics::{AppMetrics, K8sRequest};

/// What metrics say of an Application beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AppLabels {
    /// Project.
    pub(crate) project: String,
    /// `spec.destination.server`, or the name of the cluster where that is empty.
    pub(crate) dest_server: String,
}

/// The labels of all Applications that were published.
#[derive(Debug, Default)]
pub(crate) struct Labels(Mutex<HashMap<AppKey, Arc<AppLabels>>>);

impl Labels {
    pub(crate) fn set(&self, app: &AppKey, labels: AppLabels) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(app).is_none_or(|known| **known != labels) {
            all.insert(app.clone(), Arc::new(labels));
        }
    }

    pub(crate) fn of(&self, app: &AppKey) -> Arc<AppLabels> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(app).cloned().unwrap_or_default()
    }

    pub(crate) fn forget(&self, app: &AppKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(app);
    }
}

/// Returns the key of an Application as metrics have it.
pub(crate) fn metric_key(app: &AppKey) -> telemetry::metrics::AppKey {
    telemetry::metrics::AppKey::new(&*app.namespace, &*app.name)
}

/// Counts the requests that are made for one Application.
pub(crate) struct AppRequests {
    pub(crate) metrics: AppMetrics,
    pub(crate) app: AppKey,
    pub(crate) labels: Arc<AppLabels>,
}

impl RequestObserver for AppRequests {
    fn observe(&self, request: &ObservedRequest<'_>) {
        self.metrics.k8s_request(&K8sRequest {
            app: metric_key(&self.app),
            project: &self.labels.project,
            server: &self.labels.dest_server,
            response_code: request.code,
            verb: request.verb.as_str(),
            resource_kind: request.resource.map_or("", |resource| &resource.gvk.kind),
            resource_namespace: request.namespace,
            dry_run: request.dry_run == DryRun::All,
        });
    }
}
