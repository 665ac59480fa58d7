use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use integration_tests::{Cluster, Daemon, ObjectRef};
use serde_json::json;

/// Starts a daemon again whenever it has ended, as a Deployment does.
pub(super) struct Keeper {
    daemon: Daemon,
    cluster: Cluster,
    lease_object: ObjectRef,
    data: Data,
    lease: Lease,
    victim: Arc<AtomicU32>,
    deaths: usize,
}

/// What a daemon that died finds of its data when it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// All that it wrote.
    Kept,
    /// Nothing.
    Lost,
}

/// What becomes of the Lease of a daemon that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// It is free at once, which spares 15 seconds.
    Freed,
    /// It expires.
    Expires,
}

impl Keeper {
    pub(super) fn new(daemon: Daemon, cluster: Cluster, lease_object: ObjectRef, data: Data, lease: Lease) -> Self {
        let victim = Arc::new(AtomicU32::new(daemon.id()));
        Self { daemon, cluster, lease_object, data, lease, victim, deaths: 0 }
    }

    pub(super) fn victim(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.victim)
    }

    pub(super) fn deaths(&self) -> usize {
        self.deaths
    }

    /// Keeps the daemon alive until something has happened.
    pub(super) async fn during<T>(&mut self, happens: impl Future<Output = T>) -> T {
        let mut happens = pin!(happens);
        let keeping = async {
            loop {
                self.daemon.ended().await;
                self.revive().await;
            }
        };
        tokio::select! {
            biased;
            value = &mut happens => value,
            () = keeping => unreachable!("it goes on for ever"),
        }
    }

    async fn revive(&mut self) {
        self.deaths += 1;
        self.victim.store(0, Ordering::SeqCst);
        if self.data == Data::Lost {
            self.daemon.forget_data();
        }
        if self.lease == Lease::Freed && self.cluster.get(&self.lease_object).await.is_object() {
            self.cluster.edit(&self.lease_object, &json!({"spec": {"holderIdentity": ""}})).await;
        }
        self.daemon.start().await;
        self.victim.store(self.daemon.id(), Ordering::SeqCst);
    }
}
