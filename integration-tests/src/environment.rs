use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use test_kit::{FixtureRepo, GitHttpServer, namespace};
use tokio::sync::OnceCell;

use crate::{Cluster, DaemonBuilder, ObjectRef, driftless_binary, object};

/// What one test has to itself on the shared control plane: namespaces, repositories, a Git server, a directory for files.
pub struct Environment {
    name: String,
    cluster: Cluster,
    namespace: String,
    git: GitHttpServer,
    directory: TempDir,
}

impl Environment {
    /// Makes an environment for the test of this name (a few lowercase letters, digits and dashes), with the CRDs installed.
    pub async fn new(name: &str) -> Self {
        let cluster = Cluster::shared().await;
        install_crds(&cluster).await;
        let own = unique(&format!("{name}-cp"));
        cluster.apply(&namespace(&own)).await;
        Self::in_namespace(cluster, name, &own)
    }

    /// Makes an environment on a cluster where a test has installed all that a daemon needs, in this control-plane namespace.
    pub fn installed(cluster: Cluster, namespace: &str) -> Self {
        Self::in_namespace(cluster, namespace, namespace)
    }

    fn in_namespace(cluster: Cluster, name: &str, namespace: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            git: GitHttpServer::start(directory.path().join("repositories")),
            cluster,
            directory,
        }
    }

    /// Gives the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Gives the control-plane namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Creates a namespace for workloads and gives its name.
    pub async fn workload_namespace(&self) -> String {
        let name = unique(&self.name);
        self.cluster.apply(&namespace(&name)).await;
        name
    }

    /// Gives a name for a namespace that nobody has created yet.
    pub fn unused_namespace(&self) -> String {
        unique(&self.name)
    }

    /// Creates a repository that the Git server serves.
    pub fn repo(&self, name: &str) -> FixtureRepo {
        FixtureRepo::init(self.directory.path().join("repositories").join(name))
    }

    /// Gives the Git server.
    pub fn git(&self) -> &GitHttpServer {
        &self.git
    }

    /// Gives the URL of a repository.
    pub fn git_url(&self, repo: &str) -> String {
        self.git.url(repo)
    }

    /// Gives a directory that lives as long as the environment.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Prepares a daemon of this environment's control-plane namespace.
    pub fn daemon(&self) -> DaemonBuilder {
        DaemonBuilder::new(driftless_binary(), self.cluster.kubeconfig(), &self.namespace, self.directory.path())
    }

    /// Prepares a further daemon of this environment's control-plane namespace, with files of its own.
    pub fn daemon_called(&self, name: &str) -> DaemonBuilder {
        let directory = self.directory.path().join(name);
        std::fs::create_dir_all(&directory).expect("a temporary directory can be made");
        DaemonBuilder::new(driftless_binary(), self.cluster.kubeconfig(), &self.namespace, &directory)
    }

    /// Makes a name for an Application that no other environment has: objects are tracked by the name of their Application alone, so
    /// that Applications of the same name in two control-plane namespaces of one cluster take each other's objects for their own.
    pub fn app_name(&self, name: &str) -> String {
        format!("{name}-{}", self.namespace)
    }

    /// Names an Application of this environment.
    pub fn application(&self, name: &str) -> ObjectRef {
        object("argoproj.io/v1alpha1", "Application", &self.namespace, name)
    }

    /// Waits until an Application is as wanted and gives it.
    pub async fn wait_app(&self, name: &str, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        self.cluster.wait_for(&self.application(name), what, wanted).await
    }

    /// Waits until an Application is Synced to this revision and Healthy and gives it.
    pub async fn wait_synced(&self, name: &str, revision: &str) -> Value {
        self.wait_app(name, &format!("Synced to {revision} and Healthy"), |app| {
            app["status"]["sync"]["status"] == "Synced"
                && app["status"]["sync"]["revision"] == revision
                && app["status"]["health"]["status"] == "Healthy"
        })
        .await
    }

    /// Asks for a refresh by the annotation, `normal` or `hard`.
    pub async fn refresh(&self, name: &str, kind: &str) {
        let patch = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": kind}}});
        self.cluster.edit(&self.application(name), &patch).await;
    }
}

/// Makes a name that no other test, and no earlier run on the same cluster, has used.
fn unique(name: &str) -> String {
    format!("{name}-{:05x}", RandomState::new().hash_one(name) & 0xf_ffff)
}

/// Installs what `driftless crds` prints, once a process.
async fn install_crds(cluster: &Cluster) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            let binary = driftless_binary();
            let output = Command::new(&binary).arg("crds").output();
            let output = output.unwrap_or_else(|e| panic!("run {} crds: {e}", binary.display()));
            assert!(output.status.success(), "driftless crds: {}", String::from_utf8_lossy(&output.stderr));
            let scratch = tempfile::tempdir().expect("a temporary directory can be made");
            let file = scratch.path().join("crds.yaml");
            std::fs::write(&file, &output.stdout).expect("a temporary file can be written");
            let kubectl = |arguments: &[&str]| cluster.kubectl(scratch.path(), arguments);
            let applied = kubectl(&["apply", "--server-side", "--filename", "crds.yaml"]);
            assert!(applied.status.success(), "apply of the CRDs: {}", String::from_utf8_lossy(&applied.stderr));
            // Right after the apply they have no conditions, and then for a moment no storage.
            crate::devcluster::poll("the CRDs to be served", || {
                kubectl(&["get", "applications.argoproj.io,appprojects.argoproj.io", "--all-namespaces"])
                    .status
                    .success()
            });
        })
        .await;
}
