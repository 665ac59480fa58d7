use std::sync::Arc;

use application_api::constants as names;
use artifact_source::DiskStore;
use cluster_client::{Cluster, Leadership};
use kube_object::{ApiError, ApiResource, Gvk, ObjectKey, Scope};
use manifest_render::RenderWorkers;
use reconciler::{AppKey, Event};
use settings::Settings;
use source_loader::Loader;
use telemetry::Metrics;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::in_force::InForce;
use crate::labels::{AppRequests, Labels};
use crate::local_repos::LocalRepositories;
use crate::renders::Renders;
use crate::turns::Turns;
use crate::urgency::Urgency;

/// Polls of repositories that may run at once.
const POLLS: usize = 16;

/// What the tasks that perform effects share.
pub(crate) struct Hands {
    pub(crate) cluster: Cluster,
    pub(crate) control_namespace: String,
    pub(crate) loader: Loader,
    pub(crate) metrics: Metrics,
    /// The settings in force; none before they were first read.
    pub(crate) settings: watch::Receiver<Option<Arc<Settings>>>,
    pub(crate) labels: Arc<Labels>,
    pub(crate) objects: Turns<ObjectKey>,
    pub(crate) renders: Renders,
    pub(crate) workers: RenderWorkers,
    pub(crate) urgency: Urgency,
    pub(crate) polls: Semaphore,
    pub(crate) local: LocalRepositories,
    pub(crate) in_force: InForce,
    pub(crate) applications: ApiResource,
    leadership: watch::Receiver<Leadership>,
}

/// What [`Hands`] are made of.
pub(crate) struct HandsParts {
    pub(crate) cluster: Cluster,
    pub(crate) control_namespace: String,
    pub(crate) loader: Loader,
    /// Where renders are kept.
    pub(crate) renders: DiskStore,
    /// Where those of deployments are kept.
    pub(crate) history: DiskStore,
    pub(crate) workers: RenderWorkers,
    pub(crate) metrics: Metrics,
    pub(crate) settings: watch::Receiver<Option<Arc<Settings>>>,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) labels: Arc<Labels>,
    pub(crate) answers: mpsc::UnboundedSender<Event>,
}

impl Hands {
    pub(crate) fn new(parts: HandsParts) -> Self {
        let HandsParts {
            cluster,
            control_namespace,
            loader,
            renders,
            history,
            workers,
            metrics,
            settings,
            leadership,
            labels,
            answers,
        } = parts;
        Self {
            cluster,
            control_namespace,
            loader,
            metrics,
            settings,
            labels,
            objects: Turns::default(),
            renders: Renders::new(renders, history),
            workers,
            urgency: Urgency::default(),
            polls: Semaphore::new(POLLS),
            local: LocalRepositories::new(answers),
            in_force: InForce::default(),
            applications: control_resource(names::APPLICATION_KIND, "applications"),
            leadership,
        }
    }

    /// Returns the connection to the cluster under the name of an Application, so that its requests are counted there.
    pub(crate) fn cluster_for(&self, app: &AppKey) -> Cluster {
        let labels = self.labels.of(app);
        self.cluster.observed_by(Arc::new(AppRequests { metrics: self.metrics.apps.clone(), app: app.clone(), labels }))
    }

    /// Tells whether this daemon may change anything.
    pub(crate) fn leads(&self) -> bool {
        self.leadership.borrow().leads_at(Instant::now())
    }

    /// Refuses a change when this daemon may not make it; to be asked right before it is sent.
    pub(crate) fn fence(&self) -> Result<(), ApiError> {
        if self.leads() {
            return Ok(());
        }
        Err(ApiError::no_answer("this daemon no longer holds the Lease"))
    }
}

/// Returns a kind of the control plane, which need not have been discovered.
pub(crate) fn control_resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        gvk: Gvk::new(names::GROUP, names::VERSION, kind),
        plural: plural.to_owned(),
        scope: Scope::Namespaced,
        verbs: Vec::new(),
        subresources: Vec::new(),
    }
}
