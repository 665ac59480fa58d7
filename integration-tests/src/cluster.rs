use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::programs::devcluster_binary;
use crate::requests::RequestCounts;
use crate::{DEADLINE, DevCluster, ObjectRef, object};

/// The field manager of what tests write themselves.
const FIELD_MANAGER: &str = "integration-test";

/// A cluster as a test sees it, with the rights of an administrator. Objects are JSON; what is absent is null.
#[derive(Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    config: Config,
    client: Client,
}

impl Cluster {
    /// Gives a client of the control plane that all tests of this process share, starting it if need be, or of the cluster that the
    /// environment variable `KUBECONFIG` names.
    pub async fn shared() -> Self {
        Self::connect(&shared_kubeconfig()).await
    }

    /// Gives a client of the cluster that a kubeconfig names.
    pub async fn connect(kubeconfig: &Path) -> Self {
        // Fails when another test has done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let file = kube::config::Kubeconfig::read_from(kubeconfig)
            .unwrap_or_else(|e| panic!("read {}: {e}", kubeconfig.display()));
        let mut config = Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
            .await
            .unwrap_or_else(|e| panic!("use {}: {e}", kubeconfig.display()));
        config.default_retry = false;
        let client = Client::try_from(config.clone()).expect("a client can be made from a kubeconfig");
        Self { kubeconfig: kubeconfig.to_owned(), config, client }
    }

    /// Gives the path of the kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Gives the API server's URL and certificates.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Gives the client, for what has no method here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Applies a manifest (server-side, forced, as a field manager of the tests) and gives the object.
    pub async fn apply(&self, manifest: &Value) -> Value {
        self.apply_as(FIELD_MANAGER, manifest).await
    }

    /// Applies a manifest (server-side, forced) as this field manager and gives the object.
    pub async fn apply_as(&self, manager: &str, manifest: &Value) -> Value {
        self.try_apply_as(manager, manifest).await.unwrap_or_else(|e| panic!("apply {}: {e}", ObjectRef::of(manifest)))
    }

    /// Applies a manifest as [`Cluster::apply_as`] does, for tests that expect an error.
    pub async fn try_apply_as(&self, manager: &str, manifest: &Value) -> kube::Result<Value> {
        let target = ObjectRef::of(manifest);
        let parameters = PatchParams::apply(manager).force();
        let applied = target.api(&self.client).patch(&target.name, &parameters, &Patch::Apply(manifest)).await?;
        Ok(json!(applied))
    }

    /// Creates an object as a client that does not apply does.
    pub async fn create(&self, manifest: &Value) -> Value {
        let target = ObjectRef::of(manifest);
        let object = serde_json::from_value(manifest.clone()).expect("a manifest is an object");
        let created = target.api(&self.client).create(&PostParams::default(), &object).await;
        json!(created.unwrap_or_else(|e| panic!("create {target}: {e}")))
    }

    /// Changes an object by a JSON merge patch, as somebody with `kubectl edit` does, and gives the object.
    pub async fn edit(&self, target: &ObjectRef, patch: &Value) -> Value {
        let parameters = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        let edited = target.api(&self.client).patch(&target.name, &parameters, &Patch::Merge(patch)).await;
        json!(edited.unwrap_or_else(|e| panic!("edit {target}: {e}")))
    }

    /// Gives an object, null if there is none.
    pub async fn get(&self, target: &ObjectRef) -> Value {
        let found = target.api(&self.client).get_opt(&target.name).await;
        json!(found.unwrap_or_else(|e| panic!("get {target}: {e}")))
    }

    /// Deletes an object, with its dependents in the background. That there is none is no error.
    pub async fn delete(&self, target: &ObjectRef) {
        self.delete_with(target, &DeleteParams::background()).await;
    }

    /// Deletes an object in a way of choice. That there is none is no error.
    pub async fn delete_with(&self, target: &ObjectRef, parameters: &DeleteParams) {
        match target.api(&self.client).delete(&target.name, parameters).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => panic!("delete {target}: {error}"),
            Ok(_) => {}
        }
    }

    /// Waits on a watch until an object is as wanted and gives it; it is null while there is none.
    ///
    /// # Panics
    /// After [`DEADLINE`], with the object last seen.
    pub async fn wait_for(&self, target: &ObjectRef, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        self.wait_within(DEADLINE, target, what, wanted).await
    }

    /// Waits as [`Cluster::wait_for`] does, for another time than [`DEADLINE`].
    pub async fn wait_within(
        &self,
        limit: Duration,
        target: &ObjectRef,
        what: &str,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Value {
        let mut states = Box::pin(watcher::watch_object(target.api(&self.client), &target.name).default_backoff());
        let mut last = Value::Null;
        let mut error = None;
        let reached = tokio::time::timeout(limit, async {
            while let Some(state) = states.next().await {
                match state {
                    Ok(state) => {
                        last = json!(state);
                        error = None;
                        if wanted(&last) {
                            return;
                        }
                    }
                    Err(e) => error = Some(e),
                }
            }
        });
        if reached.await.is_err() {
            if let Some(metadata) = last["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
            let error = error.map(|e| format!("\nthe watch fails: {e}")).unwrap_or_default();
            panic!("waited {} s for {target}: {what}{error}\nlast seen: {last:#}", limit.as_secs());
        }
        last
    }

    /// Waits until there is no such object.
    pub async fn wait_gone(&self, target: &ObjectRef) {
        self.wait_for(target, "to be gone", Value::is_null).await;
    }

    /// Counts the API server's requests since its start. See [`RequestCounts`] about tests that run beside each other.
    pub async fn requests(&self) -> RequestCounts {
        let request = http::Request::get("/metrics").body(Vec::new()).expect("the path is valid");
        let text = self.client.request_text(request).await.unwrap_or_else(|e| panic!("get /metrics: {e}"));
        RequestCounts::parse(&text)
    }

    /// Makes a token of a service account, by which a client has that account's rights.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> String {
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let api = object("v1", "ServiceAccount", namespace, name).api(&self.client);
        let response: Value = api
            .create_subresource("token", name, &PostParams::default(), &request)
            .await
            .unwrap_or_else(|e| panic!("make a token of service account {namespace}/{name}: {e}"));
        response["status"]["token"].as_str().expect("a TokenRequest is answered with a token").to_owned()
    }

    /// Runs kubectl, the same release as the control plane, in a directory.
    pub fn kubectl(&self, directory: &Path, arguments: &[&str]) -> Output {
        Command::new(devcluster_binary())
            .arg("kubectl")
            .args(arguments)
            .current_dir(directory)
            .env("KUBECONFIG", &self.kubeconfig)
            // Its discovery cache, which must not outlive a control plane on the same port.
            .env("KUBECACHEDIR", directory.join(".kube-cache"))
            .output()
            .expect("devcluster is a program")
    }
}

/// Starts the shared control plane once. It is never dropped: it ends when this process does.
fn shared_kubeconfig() -> PathBuf {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    let path = SHARED.get_or_init(|| {
        if let Some(external) = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty()) {
            return external.into();
        }
        let directory = std::env::temp_dir().join(format!("driftless-it-{}", std::process::id()));
        let cluster = DevCluster::start(&directory, 1);
        let kubeconfig = cluster.kubeconfig().to_owned();
        std::mem::forget(cluster);
        kubeconfig
    });
    path.clone()
}
