use std::sync::Arc;

use app_view::AppView;
use telemetry::{LogLevel, Metrics};
use tokio_util::sync::CancellationToken;

use crate::VersionInfo;

/// What handlers read. Clones are handles to the same things.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// The applications.
    pub view: AppView,
    /// The metrics.
    pub metrics: Metrics,
    /// The level of the log.
    pub log_level: LogLevel,
    /// What was built.
    pub version: Arc<VersionInfo>,
    /// Namespace of Applications for which a request names none.
    pub control_namespace: Arc<str>,
    /// Ends the listeners and the streams.
    pub shutdown: CancellationToken,
}
