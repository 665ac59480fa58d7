//! The installation as it is applied to a cluster, and the daemon with what a pod of it has.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use integration_tests::{Cluster, DevCluster, Environment, driftless_binary, object};
use serde_json::{Value, json};
use test_kit::config_map;

use crate::reading::{app_of, wait_settled};
use crate::web;

pub(crate) const NAMESPACE: &str = "argocd";

/// Where a pod finds its service account.
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Applies `config/install` to a cluster that has nothing yet, in each of the ways people do it.
pub(crate) fn install(cluster: &Cluster, scratch: &Path) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/install").canonicalize().unwrap();
    let directory = directory.to_str().unwrap();
    let first = &["apply", "--server-side", "--validate=strict", "--kustomize", directory][..];
    let again = &["apply", "--validate=strict", "--dry-run=server", "--kustomize", directory];
    for arguments in [first, again] {
        let output = cluster.kubectl(scratch, arguments);
        assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Writes a program that becomes the program in its arguments, in a mount namespace where a directory is the pod's service account.
fn as_in_a_pod(directory: &Path, account: &Path) -> PathBuf {
    let works = |options: &[&str]| {
        let probe = Command::new("unshare").args(options).arg("true").stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    };
    let options = ["--mount", "--mount --map-root-user"].into_iter();
    let options = options.into_iter().find(|options| works(&options.split(' ').collect::<Vec<_>>()));
    let options = options.expect("this test needs mount namespaces: run it as root, or where users may make them");
    let script = format!(
        "#!/bin/sh\nexec unshare {options} -- sh -c '\
         set -e; mount -t tmpfs tmpfs /var/run; mkdir -p {MOUNT}; cp \"$0\"/* {MOUNT}; exec \"$@\"' {} \"$@\"\n",
        account.display()
    );
    let path = directory.join("as-in-a-pod");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

/// Writes what kubelet mounts: the account's token, the cluster's certificate authority, the namespace.
async fn write_account(cluster: &Cluster, directory: &Path) {
    std::fs::create_dir(directory).unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    let authority = object("v1", "ConfigMap", NAMESPACE, "kube-root-ca.crt");
    let authority = cluster.wait_for(&authority, "published", |map| map["data"]["ca.crt"].is_string()).await;
    write("ca.crt", authority["data"]["ca.crt"].as_str().unwrap());
    write("token", &cluster.service_account_token(NAMESPACE, "driftless").await);
    write("namespace", NAMESPACE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_installation_applies_and_its_service_account_suffices() {
    let scratch = tempfile::tempdir().unwrap();
    // A control plane of its own: nothing of an installation is there, and nothing of another one is changed.
    let control_plane = DevCluster::start(&scratch.path().join("cluster"), 1);
    let cluster = Cluster::connect(control_plane.kubeconfig()).await;
    install(&cluster, scratch.path());
    // The namespace admits only pods that keep to the restricted profile.
    let deployment = object("apps/v1", "Deployment", NAMESPACE, "driftless");
    let deployment =
        cluster.wait_for(&deployment, "available", |found| found["status"]["availableReplicas"] == 1).await;
    let help = Command::new(driftless_binary()).args(["controller", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    assert_eq!(arguments[0], "controller");
    for flag in &arguments[1..] {
        assert!(help.contains(flag.as_str().unwrap().split('=').next().unwrap()), "{flag}: {help}");
    }

    let env = Environment::installed(cluster.clone(), NAMESPACE);
    let account = scratch.path().join("account");
    write_account(&cluster, &account).await;
    let server = &cluster.config().cluster_url;
    let daemon = env
        .daemon()
        .without_flag("--kubeconfig")
        .without_flag("--namespace")
        .variable("DRIFTLESS_NAMESPACE", NAMESPACE)
        .variable("KUBERNETES_SERVICE_HOST", server.host().unwrap())
        .variable("KUBERNETES_SERVICE_PORT", &server.port_u16().unwrap().to_string())
        .started_by(as_in_a_pod(scratch.path(), &account))
        .start()
        .await;
    web::wait_ready(&daemon).await;

    let target = env.unused_namespace();
    // Kubernetes lets nobody grant rights that they do not have.
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    });
    let repo = env.repo("app");
    let commit = repo
        .write("app/cm.json", config_map("settings", &[]).to_string())
        .write("app/role.json", role.to_string())
        .commit("first");
    let app = app_of(&env, "installed", "app", &target).prune().self_heal().resources_finalizer();
    cluster.apply(&app.sync_option("CreateNamespace=true").build()).await;
    let app = wait_settled(&env, "installed", &commit).await;
    assert_eq!(app["status"]["health"]["status"], "Healthy");
    let events = object("v1", "Event", NAMESPACE, "").api(cluster.client());
    let events = events.list(&kube::api::ListParams::default().fields("involvedObject.name=installed")).await.unwrap();
    assert!(!events.items.is_empty(), "Events may be written");
    cluster.delete(&env.application("installed")).await;
    cluster.wait_gone(&env.application("installed")).await;
    assert_eq!(cluster.get(&object("v1", "ConfigMap", &target, "settings")).await, Value::Null);
}
