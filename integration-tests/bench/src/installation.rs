//! A control plane with CRDs, namespaces and accounts, and the daemon on it.

use std::path::{Path, PathBuf};

use integration_tests::{Cluster, Daemon, DaemonBuilder, DevCluster, driftless_binary};
use serde_json::json;
use test_kit::namespace;

use crate::counts::{Requests, flow_schemas};
use crate::workload::{CONTROL_PLANE, NAMESPACES, namespace_of};

/// Account of the daemon.
pub(crate) const ENGINE: &str = "engine";
/// Account of the bare client.
pub(crate) const FLOOR: &str = "floor";

/// A control plane that holds nothing yet; it ends when dropped.
pub(crate) struct Installation {
    pub(crate) admin: Cluster,
    directory: tempfile::TempDir,
    _control_plane: DevCluster,
}

impl Installation {
    /// Starts a control plane with all that the daemon and the workload need to be there.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let control_plane = DevCluster::start(&directory.path().join("cluster"), 0);
        let admin = Cluster::connect(control_plane.kubeconfig()).await;
        install_crds(&admin, directory.path());
        admin.apply(&namespace(CONTROL_PLANE)).await;
        for index in 0..NAMESPACES {
            admin.apply(&namespace(&namespace_of(index))).await;
        }
        for account in [ENGINE, FLOOR] {
            create_account(&admin, account).await;
        }
        for schema in flow_schemas() {
            admin.apply(&schema).await;
        }
        Self { admin, directory, _control_plane: control_plane }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Gives a client with an account's rights.
    pub(crate) async fn client_of(&self, account: &str) -> Cluster {
        Cluster::connect(&self.kubeconfig_of(account).await).await
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) async fn daemon(&self, log_level: &str) -> Daemon {
        let kubeconfig = self.kubeconfig_of(ENGINE).await;
        let daemon = DaemonBuilder::new(driftless_binary(), &kubeconfig, CONTROL_PLANE, self.directory())
            .flag("--reconciliation-timeout", "120s")
            .flag("--log-format", "json")
            .flag("--log-level", log_level);
        let daemon = daemon.start().await;
        wait_ready(&daemon).await;
        daemon
    }

    /// Counts what the engine has asked for.
    pub(crate) async fn requests(&self) -> Requests {
        let request = http::Request::get("/metrics").body(Vec::new()).expect("the path is valid");
        let text = self.admin.client().request_text(request).await.unwrap_or_else(|e| panic!("get /metrics: {e}"));
        Requests::parse(&text)
    }

    async fn kubeconfig_of(&self, account: &str) -> PathBuf {
        let token = self.admin.service_account_token(CONTROL_PLANE, account).await;
        let admin = kube::config::Kubeconfig::read_from(self.admin.kubeconfig()).expect("devcluster has written it");
        let cluster = admin.clusters.first().and_then(|named| named.cluster.as_ref()).expect("it names a cluster");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        });
        let path = self.directory().join(format!("{account}.kubeconfig"));
        std::fs::write(&path, config.to_string()).expect("a temporary file can be written");
        path
    }
}

/// Asks a daemon again and again until it says that it is ready.
pub(crate) async fn wait_ready(daemon: &Daemon) {
    let url = format!("{}/readyz", daemon.metrics_url());
    loop {
        if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn install_crds(admin: &Cluster, directory: &Path) {
    let output = std::process::Command::new(driftless_binary()).arg("crds").output();
    let output = output.unwrap_or_else(|e| panic!("run driftless crds: {e}"));
    std::fs::write(directory.join("crds.yaml"), output.stdout).expect("a temporary file can be written");
    let applied = admin.kubectl(directory, &["apply", "--server-side", "--filename", "crds.yaml"]);
    assert!(applied.status.success(), "apply of the CRDs: {}", String::from_utf8_lossy(&applied.stderr));
    let kinds = "applications.argoproj.io,appprojects.argoproj.io";
    integration_tests::devcluster::poll("the CRDs to be served", || {
        admin.kubectl(directory, &["get", kinds, "--all-namespaces"]).status.success()
    });
}

async fn create_account(admin: &Cluster, name: &str) {
    let metadata = json!({"name": name, "namespace": CONTROL_PLANE});
    admin.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await;
    let rbac = "rbac.authorization.k8s.io";
    admin
        .apply(&json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                {"nonResourceURLs": ["*"], "verbs": ["*"]},
            ],
        }))
        .await;
    admin
        .apply(&json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": CONTROL_PLANE}],
        }))
        .await;
}
