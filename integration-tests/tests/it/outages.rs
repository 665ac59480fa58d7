//! The API server is away for a while in the middle of a sync and of a deletion.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use integration_tests::devcluster::send_signal;
use integration_tests::{ApiProxy, ApiRequest, Cluster, DevCluster, Environment, Treatment};

use crate::install::{NAMESPACE, install};
use crate::life::{Data, Lease, Life, Living, Operations};
use crate::sweep::{Series, sweep};

const SIZE: usize = 60;
/// Longer than a leader may go on without its Lease.
const OUTAGE: Duration = Duration::from_secs(20);
/// The Lease of the daemon that could not renew it has to expire as well.
const PATIENCE: Duration = Duration::from_mins(2);

/// Even runs stop the process of an API server of their own, which keeps connections open and answers nothing; odd ones have every
/// connection reset. The number says after which write.
#[tokio::test(flavor = "multi_thread")]
async fn outage_of_the_api_server() {
    sweep(Series { topic: "outage", few: vec![20], all: 40, lanes: 2 }, |run| async move {
        let after = usize::try_from(run / 2 * 2 + 1).unwrap();
        if run % 2 == 0 { process_stops(after).await } else { connections_break(after).await }
    })
    .await;
}

async fn process_stops(after: usize) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("cluster");
    let control_plane = tokio::task::spawn_blocking(move || DevCluster::start(&directory, 1)).await.unwrap();
    let cluster = Cluster::connect(control_plane.kubeconfig()).await;
    install(&cluster, scratch.path());
    let server = control_plane.components().into_iter().find(|(name, _)| name == "kube-apiserver").unwrap().1;
    let stop = |proxy: Arc<ApiProxy>| async move {
        middle(&proxy, after).await;
        send_signal("STOP", server);
        tokio::time::sleep(OUTAGE).await;
        send_signal("CONT", server);
    };
    let said = live(Environment::installed(cluster, NAMESPACE), stop).await;
    format!("stopped after write {after} of sync and deletion: {said}")
}

async fn connections_break(after: usize) -> String {
    let stop = |proxy: Arc<ApiProxy>| async move {
        middle(&proxy, after).await;
        proxy.follow(|_| Treatment::Reset);
        tokio::time::sleep(OUTAGE).await;
        proxy.follow(|_| Treatment::Pass);
    };
    let said = live(Environment::new("outage").await, stop).await;
    format!("connections broke after write {after} of sync and deletion: {said}")
}

/// Waits until so many writes have been answered.
async fn middle(proxy: &ApiProxy, writes: usize) {
    proxy.wait_for("writes", writes, ApiRequest::is_write).await;
}

async fn live<F: Future<Output = ()>>(env: Environment, stop: impl Fn(Arc<ApiProxy>) -> F) -> String {
    let living =
        Living { size: SIZE, data: Data::Kept, lease: Lease::Expires, propagation: "Foreground", patience: PATIENCE };
    let mut life = Life::begin(env, living).await;
    let proxy = Arc::clone(&life.proxy);
    life.sync(Operations::UntilOneSucceeds, stop(Arc::clone(&proxy))).await;
    life.update(Operations::UntilOneSucceeds, ready(())).await;
    life.delete(stop(Arc::clone(&proxy))).await;
    let deaths = life.deaths();
    life.clean_up().await;
    format!("{deaths} restarts")
}
