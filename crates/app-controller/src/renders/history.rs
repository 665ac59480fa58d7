//! Renders of deployments on disk: a rollback to one, or healing after a start, does without the repository then.
//!
//! Those of exactly the revisions are kept that the history of an Application names. They are read only where rendering fails for want
//! of something; one with Secrets is never written.

mod written;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_source::DiskStore;
use kube_object::Digest;
use manifest_render::made_by;
use reconciler::{AppKey, DeployedRender, Deployment, KeepMode, RenderContext, RenderFailure, RenderedIn, Rendering};

use super::RenderJob;
use super::one::Failed;
use crate::hands::Hands;
use written::Written;

/// What counts as the tool of renders that were kept, beside Helm and the others, in the metrics.
const KEPT: &str = "kept";

/// The renders of deployments: a folder for each Application.
#[derive(Clone)]
pub(crate) struct History {
    store: DiskStore,
    orders: Arc<Mutex<Orders>>,
}

/// What is to be done on disk, one after the other: an older order never wins.
#[derive(Default)]
struct Orders {
    waiting: VecDeque<Order>,
    is_worked_on: bool,
}

enum Order {
    Keep { app: AppKey, deployments: Vec<Deployment>, render: Option<Box<(DeployedRender, Digest)>> },
    Forget(AppKey),
}

impl History {
    pub(super) fn new(store: DiskStore) -> Self {
        Self { store, orders: Arc::default() }
    }

    /// Keeps the renders of these deployments, as far as they are kept, and one more, which was made by tools of a digest. Nobody waits
    /// for it.
    pub(crate) fn keep(
        &self,
        app: AppKey,
        deployments: Vec<Deployment>,
        render: Option<Box<DeployedRender>>,
        tools: Digest,
    ) {
        let render = render.map(|render| Box::new((*render, tools)));
        self.order(Order::Keep { app, deployments, render });
    }

    /// Forgets the renders of an Application. Nobody waits for it.
    pub(super) fn forget(&self, app: AppKey) {
        self.order(Order::Forget(app));
    }

    fn order(&self, order: Order) {
        let mut orders = self.orders();
        orders.waiting.push_back(order);
        if !std::mem::replace(&mut orders.is_worked_on, true) {
            let history = self.clone();
            tokio::task::spawn_blocking(move || history.work());
        }
    }

    /// Carries orders out until there are none.
    fn work(&self) {
        while let Some(order) = self.next_order() {
            match order {
                Order::Keep { app, deployments, render } => self.carry_out(&app, &deployments, render.as_deref()),
                Order::Forget(app) => self.folder(&app).retain(&BTreeSet::new()),
            }
        }
    }

    fn next_order(&self) -> Option<Order> {
        let mut orders = self.orders();
        let next = orders.waiting.pop_front();
        orders.is_worked_on = next.is_some();
        next
    }

    fn carry_out(&self, app: &AppKey, deployments: &[Deployment], render: Option<&(DeployedRender, Digest)>) {
        let folder = self.folder(app);
        folder.retain(&deployments.iter().map(|deployment| *key(app, deployment).as_bytes()).collect());
        let Some((render, tools)) = render else { return };
        let key = key(app, &render.deployment);
        if render.mode == KeepMode::IfMissing && folder.contains(key.as_bytes()) {
            return;
        }
        let made_in = render.context.as_deref().map(context_digest);
        match Written::encode(key, &render.rendering, *tools, made_in) {
            Some(bytes) => folder.put(key.as_bytes(), &bytes),
            // What was there before is another render.
            None => folder.remove(key.as_bytes()),
        }
    }

    fn read(&self, app: &AppKey, deployment: &Deployment) -> Option<Written> {
        let key = key(app, deployment);
        Written::decode(&self.folder(app).get(key.as_bytes())?).filter(|written| written.is_of(key))
    }

    fn folder(&self, app: &AppKey) -> DiskStore {
        let name = Digest::of_parts([&b"application"[..], app.namespace.as_bytes(), app.name.as_bytes()]);
        self.store.folder(name.as_bytes())
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything is done.
    #[cfg(test)]
    pub(super) async fn settled(&self) {
        while self.orders().is_worked_on {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

/// Returns what was kept of a deployment, where that cannot be rendered for want of something; else why it cannot.
pub(super) async fn instead(hands: &Hands, job: &RenderJob, failed: Failed) -> Result<Rendering, RenderFailure> {
    let may_help = failed.lacks_something() && job.reuse == reconciler::Reuse::Allowed;
    let failure = failed.into_failure();
    if !may_help {
        return Err(failure);
    }
    let deployment = Deployment { sources: (*job.sources).clone(), revision: job.commit.clone() };
    let (history, app) = (hands.renders.history.clone(), job.app.clone());
    let read = tokio::task::spawn_blocking(move || history.read(&app, &deployment));
    let Some(written) = read.await.ok().flatten() else { return Err(failure) };
    let is_same = written.was_made_by(tools(hands)) && written.was_made_in(context_digest(&job.context));
    let Some(mut rendering) = written.into_rendering() else { return Err(failure) };
    hands.metrics.daemon.rendered(KEPT);
    tracing::warn!(
        app = %job.app,
        revision = job.commit,
        error = failure.message(),
        context = if is_same { "same" } else { "another" },
        "a deployed revision cannot be rendered now; the render that was kept of it is used"
    );
    if !is_same {
        rendering.rendered_in = RenderedIn::Another { failure };
    }
    Ok(rendering)
}

/// Digests the versions and settings of what renders.
pub(crate) fn tools(hands: &Hands) -> Digest {
    let settings = hands.settings.borrow().as_ref().map(|settings| format!("{:?}", settings.tools));
    let parts = made_by().into_iter().chain(settings).collect::<Vec<_>>();
    Digest::of_parts(parts.iter().map(String::as_bytes))
}

fn context_digest(context: &RenderContext) -> Digest {
    let cluster = context.cluster.digest();
    Digest::of_parts([context.namespace.as_bytes(), context.project.as_bytes(), cluster.as_bytes().as_slice()])
}

/// Names the render of a deployment. Sources may have secrets: no more than their digest is written.
fn key(app: &AppKey, deployment: &Deployment) -> Digest {
    let Deployment { sources, revision } = deployment;
    let sources = serde_json::json!([sources.source_field(), sources.sources_field()]).to_string();
    let parts = [&*app.namespace, &*app.name, &sources, revision].map(str::as_bytes);
    Digest::of_parts(std::iter::once(&b"deployment"[..]).chain(parts))
}

#[cfg(test)]
mod tests;
