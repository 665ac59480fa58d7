//! Commands against a daemon's API, and the daemon as a process.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::support::{driftless, run};
use api_server::{ApiState, ListenOptions, Serving, VersionInfo, ViewedApps};
use app_view::{AppSnapshot, AppView, Readiness, WhyLine};
use application_api::Reason;
use kube_object::Object;
use serde_json::{Value, json};
use telemetry::metrics::BuildInfo;
use telemetry::{LogLevel, Metrics};
use tokio_util::sync::CancellationToken;

/// Ends a wait that would hang.
const LIMIT: &str = "60s";

/// An API server over a view that the test fills.
pub(crate) struct Api {
    pub(crate) view: AppView,
    server: String,
    shutdown: CancellationToken,
    serving: Serving,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let view = AppView::new();
        view.set_readiness(Readiness::Ready);
        let shutdown = CancellationToken::new();
        let state = ApiState {
            metrics: Metrics::new(Arc::new(ViewedApps(view.clone())), &BuildInfo::default()),
            view: view.clone(),
            log_level: LogLevel::detached(),
            version: Arc::new(VersionInfo::default()),
            control_namespace: "argocd".into(),
            shutdown: shutdown.clone(),
        };
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let serving = api_server::serve(ListenOptions { http: free, metrics: free }, &state).await.unwrap();
        Self { view, server: format!("http://{}", serving.http), shutdown, serving }
    }

    fn publish(&self, name: &str, sync: &str, health: &str) {
        let app = json!({
            "metadata": {"namespace": "argocd", "name": name, "uid": name, "resourceVersion": "1"},
            "status": {"sync": {"status": sync, "revision": "abc"}, "health": {"status": health}},
        });
        let why = WhyLine { object: Some("Service shop/web".into()), reason: Reason::ObjectMissing };
        self.view.publish(AppSnapshot::new(&Object::from_value(app).unwrap()).with_why([why].into()));
    }

    /// Runs a command to its end without blocking the server.
    pub(crate) async fn run(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = driftless(args);
        command.env("DRIFTLESS_SERVER", &self.server);
        tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap()
    }

    fn spawn(&self, args: &[&str]) -> Child {
        let mut command = driftless(args);
        command.env("DRIFTLESS_SERVER", &self.server).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.serving.ended().await;
    }
}

async fn ended(child: Child) -> (i32, String) {
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_are_listed_shown_and_explained() {
    let api = Api::start().await;
    api.publish("web", "Synced", "Healthy");
    let check = |(code, out, err): (i32, String, String), expected: &str| {
        assert!(code == 0 && err.is_empty() && out.contains(expected), "{code} {out} {err}");
    };
    check(api.run(&["app", "list"]).await, "argocd/web  default  Synced  Healthy  abc");
    check(api.run(&["app", "list", "-o", "name"]).await, "argocd/web\n");
    check(api.run(&["app", "list", "-p", "other", "-o", "json"]).await, "[]\n");
    check(api.run(&["app", "get", "web"]).await, "Sync       Synced\n");
    check(api.run(&["app", "get", "argocd/web", "-o", "yaml"]).await, "  namespace: argocd\n");
    check(api.run(&["why", "web", "service/web"]).await, "Service shop/web: ");
    let (code, out, err) = api.run(&["app", "get", "other/web"]).await;
    assert!(code == 1 && out.is_empty() && err.contains("application other/web does not exist"), "{code} {out} {err}");
    let (code, _, err) = api.run(&["why", "web", "Pod/x"]).await;
    assert!(code == 1 && err.contains("Pod/x"), "{err}");
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_end_with_the_state_with_the_time_or_with_an_error() {
    let api = Api::start().await;
    api.publish("web", "Synced", "Degraded");
    assert_eq!(api.run(&["app", "wait", "web", "--sync"]).await.0, 0);
    let (code, _, err) = api.run(&["app", "wait", "web", "--health", "--timeout", "50ms"]).await;
    assert!(code == 1 && err.contains("not reached within 0.05 s: web"), "{code} {err}");

    let waiting = api.spawn(&["app", "wait", "web", "new", "--timeout", LIMIT]);
    api.publish("web", "Synced", "Healthy");
    api.publish("new", "Synced", "Healthy");
    assert_eq!(ended(waiting).await, (0, String::new()));

    let waiting = api.spawn(&["app", "wait", "web", "--deleted", "--timeout", LIMIT]);
    api.view.remove("argocd", "web", "web");
    assert_eq!(ended(waiting).await, (0, String::new()));
    assert_eq!(api.run(&["app", "wait", "web", "--deleted"]).await.0, 0);
    api.end().await;
}

/// The daemon as a process, killed if the test fails.
struct Daemon(Option<Child>);

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Writes the kubeconfig of an API server that answers nothing but an error, which keeps no daemon from serving.
fn kubeconfig_of_trouble(directory: &std::path::Path) -> std::path::PathBuf {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the process.
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection
                .write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let path = directory.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "none",
        "clusters": [{"name": "none", "cluster": {"server": server}}],
        "users": [{"name": "none", "user": {}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_serves_until_it_is_told_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let addresses = directory.path().join("addresses.json");
    let (seen, mut changes) = tokio::sync::mpsc::unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |_| {
        let _ = seen.send(());
    })
    .unwrap();
    notify::Watcher::watch(&mut watcher, directory.path(), notify::RecursiveMode::NonRecursive).unwrap();

    let mut command = driftless(&["controller", "--http-listen", "localhost:0", "--metrics-listen", "127.0.0.1:0"]);
    command.arg("--address-file").arg(&addresses).arg("--data-dir").arg(directory.path());
    command.arg("--kubeconfig").arg(kubeconfig_of_trouble(directory.path()));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut daemon = Daemon(Some(child));
    let written = async {
        while !addresses.exists() {
            changes.recv().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_mins(1), written).await.unwrap();
    let addresses: Value = serde_json::from_slice(&std::fs::read(&addresses).unwrap()).unwrap();
    let server = format!("http://{}", addresses["http"].as_str().unwrap());
    let (code, out, err) =
        tokio::task::spawn_blocking(move || run(&mut driftless(&["app", "list", "-o", "json", "--server", &server])))
            .await
            .unwrap();
    assert_eq!((code, out.as_str(), err.as_str()), (0, "[]\n", ""));

    let child = daemon.0.take().unwrap();
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{')) && log.contains("driftless has ended"), "{log}");
}
