//! What readers see, put into the view in the order it was decided.

use std::sync::Arc;

use app_view::{AppSnapshot, AppView, Readiness, WhyLine};
use reconciler::{AppKey, Published};
use telemetry::Metrics;
use tokio::sync::mpsc;

use crate::labels::{AppLabels, Labels, metric_key};

/// One thing for readers.
pub(crate) enum Publication {
    /// An Application as it is.
    App(Box<Published>),
    /// A newer commit of an Application renders to what is in force.
    Verified(AppKey, String),
    /// An Application is gone.
    Gone(AppKey),
    /// All Applications have been published.
    Ready,
}

/// Takes publications until nobody sends any more.
pub(crate) async fn publish_all(
    mut publications: mpsc::UnboundedReceiver<Publication>,
    view: AppView,
    labels: Arc<Labels>,
    metrics: Metrics,
) {
    while let Some(publication) = publications.recv().await {
        match publication {
            Publication::App(published) => publish(&view, &labels, *published),
            Publication::Verified(app, revision) => view.verify(&app.namespace, &app.name, &revision),
            Publication::Gone(app) => {
                if let Some(snapshot) = view.get(&app.namespace, &app.name) {
                    view.remove(&app.namespace, &app.name, snapshot.uid());
                }
                labels.forget(&app);
                metrics.apps.forget(&metric_key(&app));
            }
            Publication::Ready => {
                tracing::info!("all caches are filled");
                view.set_readiness(Readiness::Ready);
            }
        }
    }
}

fn publish(view: &AppView, labels: &Labels, published: Published) {
    let Published { app, object, verified_revision, why, .. } = published;
    let why = why.into_iter().map(|(object, reason)| WhyLine { object, reason });
    let snapshot =
        AppSnapshot::shared(object).with_verified_revision(verified_revision.map(Arc::from)).with_why(why.collect());
    let json = snapshot.json();
    let summary = json.summary();
    let dest_server = if summary.dest_server.is_empty() { &summary.dest_name } else { &summary.dest_server };
    labels.set(&app, AppLabels { project: summary.project.to_string(), dest_server: dest_server.to_string() });
    drop(summary);
    view.publish(snapshot);
}
