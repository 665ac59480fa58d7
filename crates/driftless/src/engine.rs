//! The engine behind the daemon: everything that talks to Git and to clusters.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use app_controller::{ControllerOptions, Sources};
use app_view::AppView;
use artifact_source::{ArtifactOptions, Artifacts, DiskStore};
use cluster_client::{Cluster, ConnectOptions};
use git_source::{AddressPolicy, GitOptions, LocalAddresses, Repositories};
use manifest_render::WorkerOptions;
use settings::Layers;
use source_loader::Loader;
use telemetry::Metrics;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::ControllerConfig;

/// How long a cluster that does not answer is waited for at the start, and how often it is tried.
const REACH_LIMIT: Duration = Duration::from_secs(10);
const REACH_AGAIN: Duration = Duration::from_secs(1);

/// Bytes of renders that are kept on disk.
const RENDERS_KEPT: u64 = 512 << 20;

/// Bytes of renders of deployments that are kept on disk, compressed, for when their repositories cannot be read.
const DEPLOYED_KEPT: u64 = 256 << 20;

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
    let EngineContext { config, view, metrics, shutdown } = context;
    let start = config.borrow().clone();
    let connect = ConnectOptions { kubeconfig: start.kubeconfig.clone(), ..ConnectOptions::default() };
    let cluster = Cluster::connect(&connect).await?;
    tokio::select! {
        reached = wait_for(&cluster) => reached?,
        () = shutdown.cancelled() => return Ok(()),
    }
    tracing::info!(server = cluster.server(), "using the cluster");
    let options = ControllerOptions {
        control_namespace: start.namespace.clone(),
        lease_name: start.lease_name.clone(),
        identity: identity(),
        layers: layers(config),
    };
    let addresses = addresses(&start, cluster.server());
    let git = GitOptions { addresses: addresses.clone(), ..GitOptions::default() };
    let artifacts = ArtifactOptions { addresses, ..ArtifactOptions::new(&start.data_dir) };
    let loader = Loader::new(Repositories::new(&start.data_dir, git), Artifacts::new(artifacts));
    let renders = DiskStore::open(start.data_dir.join("renders"), RENDERS_KEPT);
    let history = DiskStore::open(start.data_dir.join("deployed"), DEPLOYED_KEPT);
    let sources = Sources { loader, renders, history, workers: WorkerOptions::new(start.render_worker.clone()) };
    app_controller::run(options, cluster, sources, view, metrics, shutdown).await?;
    Ok(())
}

/// Says which addresses repositories may be at: where the API server is on this machine, as on a laptop, they may be as well.
fn addresses(config: &ControllerConfig, server: &str) -> AddressPolicy {
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let usual = if is_local { LocalAddresses::Allowed } else { LocalAddresses::Refused };
    AddressPolicy::new(config.repository_local_addresses.unwrap_or(usual), &config.repository_allowed_hosts)
}

/// Waits until the API server answers, but not for ever: the address may be wrong. Once it has answered, it may go away and come back.
async fn wait_for(cluster: &Cluster) -> anyhow::Result<()> {
    let until = Instant::now() + REACH_LIMIT;
    loop {
        let error = match cluster.reach().await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if Instant::now() >= until {
            anyhow::bail!("no cluster to talk to: {error}, or name another with --kubeconfig");
        }
        tracing::warn!(server = cluster.server(), %error, "the cluster does not answer yet");
        tokio::time::sleep(REACH_AGAIN).await;
    }
}

/// Names this process: the host, which is the pod's name in a cluster, and something random.
fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "driftless" } else { host.trim() };
    // A new state has random keys.
    let random = RandomState::new().hash_one(std::process::id());
    format!("{host}_{random:016x}")
}

/// Follows the settings in force as layers, to which the controller adds the ConfigMaps.
fn layers(mut config: watch::Receiver<ControllerConfig>) -> watch::Receiver<Layers> {
    let (sender, receiver) = watch::channel(layers_of(&config.borrow_and_update()));
    tokio::spawn(async move {
        while config.changed().await.is_ok() {
            let next = layers_of(&config.borrow_and_update());
            sender.send_if_modified(|layers| std::mem::replace(layers, next.clone()) != next);
        }
    });
    receiver
}

fn layers_of(config: &ControllerConfig) -> Layers {
    let mut flags = BTreeMap::new();
    if let Some(interval) = config.reconciliation_timeout {
        // In nanoseconds, so that no digit is lost.
        flags.insert("reconciliation-timeout".to_owned(), format!("{}ns", interval.as_nanos()));
    }
    flags.extend(config.max_prune.map(|limit| ("max-prune".to_owned(), limit.to_string())));
    if !config.prune_approval_kinds.is_empty() {
        flags.insert("prune-approval-kinds".to_owned(), config.prune_approval_kinds.clone());
    }
    let environment = std::env::vars().filter(|(name, _)| name.starts_with("DRIFTLESS_")).collect();
    Layers { flags, environment, ..Layers::default() }
}
