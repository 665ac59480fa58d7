use settings::Layers;
use thiserror::Error;
use tokio::sync::watch;

/// What the controller is told at its start.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// Namespace of Applications, projects, Secrets and argocd-cm.
    pub control_namespace: String,
    /// Name of the Lease that replicas share, in that namespace.
    pub lease_name: String,
    /// Name of this process, unlike that of any other and of its predecessor.
    pub identity: String,
    /// Settings from flags, environment and config file, as they change; the ConfigMaps are read by the controller.
    pub layers: watch::Receiver<Layers>,
}

/// Why the controller cannot go on. The process has to be started again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ControllerError {
    /// Another replica may act now, so that this one must not.
    #[error("the Lease {namespace}/{name} was lost: it could not be renewed in time, or another replica took it")]
    LeaseLost {
        /// Namespace of the Lease.
        namespace: String,
        /// Name of the Lease.
        name: String,
    },
    /// A task broke off, which is a defect; what it was to answer would be waited for for ever.
    #[error("a task of the controller broke off: {0}; the daemon has to start again")]
    Broken(String),
}
