//! The engine behind the daemon: everything that talks to Git and to clusters.

use app_view::{AppView, Readiness};
use telemetry::Metrics;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::ControllerConfig;

/// What the engine is given.
#[derive(Clone, Debug)]
pub(crate) struct EngineContext {
    /// The settings in force; they change while the daemon runs.
    pub(crate) config: watch::Receiver<ControllerConfig>,
    /// Where applications are published, and readiness is said.
    pub(crate) view: AppView,
    /// Where it is counted.
    pub(crate) metrics: Metrics,
    /// Asks the engine to end: it gives up its Lease and returns.
    pub(crate) shutdown: CancellationToken,
}

/// Runs the engine until `shutdown`, or until it cannot go on.
pub(crate) async fn run_engine(context: EngineContext) -> anyhow::Result<()> {
    let interval = context.config.borrow().reconciliation_timeout.unwrap_or(ControllerConfig::RECONCILIATION_TIMEOUT);
    tracing::debug!(interval = interval.as_secs(), "the engine has started");
    context.metrics.daemon.lost_leadership();
    context.view.set_readiness(Readiness::Waiting("The clusters have not been connected to yet.".to_owned()));
    context.shutdown.cancelled().await;
    Ok(())
}
