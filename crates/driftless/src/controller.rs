//! The daemon's wiring: settings, log, listeners, signals, and the engine between them.

mod settings_file;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api_server::{ApiState, ListenOptions, ViewedApps};
use app_view::AppView;
use serde_json::json;
use telemetry::metrics::BuildInfo;
use telemetry::{LogOptions, Metrics, Telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::ControllerArgs;
use crate::config::ControllerConfig;
use crate::engine::{EngineContext, run_engine};
use crate::version;
use settings_file::SettingsFile;

/// How long the engine may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Runs the daemon until a signal ends it.
pub(crate) async fn run_controller(args: ControllerArgs) -> anyhow::Result<()> {
    let file = SettingsFile::open(args.config, args.settings)?;
    let config = file.current();
    let telemetry = start_telemetry(&config)?;
    give_memory_back();
    let version = version::version();
    let view = AppView::new();
    let build = BuildInfo { version: version.version.clone(), commit: version.git_commit.clone() };
    let state = ApiState {
        metrics: Metrics::new(Arc::new(ViewedApps(view.clone())), &build),
        view,
        log_level: telemetry.log_level(),
        version: Arc::new(version),
        control_namespace: config.namespace.as_str().into(),
        shutdown: CancellationToken::new(),
    };
    let listen = ListenOptions { http: config.http_listen, metrics: config.metrics_listen };
    let serving = api_server::serve(listen, &state).await?;
    if let Some(path) = &args.address_file {
        write_addresses(path, serving.http, serving.metrics)?;
    }
    tracing::info!(version = state.version.version, namespace = config.namespace, "driftless has started");
    let _watching = file.watch(telemetry.log_level())?;
    let context = EngineContext {
        config: file.subscribe(),
        view: state.view.clone(),
        metrics: state.metrics.clone(),
        shutdown: state.shutdown.clone(),
    };
    let result = run_until_signal(context).await;
    serving.ended().await;
    tracing::info!("driftless has ended");
    // Exporting the last spans blocks.
    tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
    result
}

/// Has what a burst of work took given back while nothing happens. Where the allocator has no thread for it (musl), it is given back
/// with later work.
fn give_memory_back() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::debug!(%error, "the allocator gives memory back with later work only");
    }
}

fn start_telemetry(config: &ControllerConfig) -> anyhow::Result<Telemetry> {
    let endpoint = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    let options = LogOptions {
        format: config.log_format,
        level: config.log_level.clone(),
        otlp_endpoint: endpoint,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(telemetry::start(&options)?)
}

/// Runs the engine; on SIGTERM or SIGINT asks it to end and waits for it, but not without limit.
async fn run_until_signal(context: EngineContext) -> anyhow::Result<()> {
    let shutdown = context.shutdown.clone();
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be received")?;
    let mut engine = tokio::spawn(run_engine(context));
    let name = tokio::select! {
        ended = &mut engine => {
            shutdown.cancel();
            return ended.context("the engine has stopped unexpectedly")?;
        }
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, "ending");
    shutdown.cancel();
    tokio::select! {
        ended = &mut engine => ended.context("the engine has stopped unexpectedly")?,
        () = tokio::time::sleep(END_LIMIT) => {
            tracing::warn!("the engine did not end in time and is cut off");
            Ok(())
        }
        // Asked twice: at once.
        _ = interrupt.recv() => Ok(()),
    }
}

/// Writes the addresses for scripts, so that a reader sees either no file or all of it.
fn write_addresses(path: &Path, http: SocketAddr, metrics: SocketAddr) -> anyhow::Result<()> {
    let url = |address: SocketAddr| address.to_string();
    let text = json!({"http": url(http), "metrics": url(metrics)}).to_string();
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    std::fs::write(&unfinished, text + "\n")
        .and_then(|()| std::fs::rename(&unfinished, path))
        .with_context(|| format!("cannot write the addresses to {}", path.display()))
}
