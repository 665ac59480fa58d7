use cluster_client::{Cluster, LeaseOptions, LeaseTiming, run_lease};
use reconciler::Event;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ControllerOptions;

/// A candidate for the Lease.
pub(crate) struct Leader {
    /// Who leads, as far as this process knows.
    pub(crate) leadership: watch::Receiver<cluster_client::Leadership>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

/// What a change of leadership means for the controller.
pub(crate) enum Change {
    /// It is told to the reconciler.
    Tell(Event),
    /// This daemon led and must not any more.
    Lost,
}

impl Leader {
    /// Starts to stand for the Lease.
    pub(crate) fn start(cluster: &Cluster, options: &ControllerOptions) -> Self {
        let lease = LeaseOptions {
            namespace: options.control_namespace.clone(),
            name: options.lease_name.clone(),
            identity: options.identity.clone(),
            timing: LeaseTiming::default(),
        };
        let nobody = cluster_client::Leadership::Following { holder: String::new() };
        let (sender, leadership) = watch::channel(nobody);
        let shutdown = CancellationToken::new();
        let (cluster, stop) = (cluster.clone(), shutdown.clone());
        let task = tokio::spawn(async move {
            // How it ended is in the last value of `leadership`.
            run_lease(&cluster, lease, stop, sender).await;
        });
        Self { leadership, shutdown, task }
    }

    /// Gives the Lease up, so that another replica can go on at once.
    pub(crate) async fn release(self) {
        self.shutdown.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the election broke off");
        }
    }
}

/// Reads a change of leadership; none when it says nothing new.
pub(crate) fn change(leadership: &cluster_client::Leadership) -> Change {
    match leadership {
        cluster_client::Leadership::Following { holder } => {
            Change::Tell(Event::Leadership(reconciler::Leadership::Following { holder: holder.clone() }))
        }
        cluster_client::Leadership::Leading { .. } => Change::Tell(Event::Leadership(reconciler::Leadership::Leading)),
        cluster_client::Leadership::Lost => Change::Lost,
    }
}
