//! The control plane is real, and leaves nothing behind.

use std::process::{Command, Stdio};

use integration_tests::devcluster::{poll, processes_in, send_signal};
use integration_tests::{Cluster, DevCluster, ObjectRef, devcluster_binary, object};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use test_kit::{deployment, job, namespace};

/// Applies a manifest in a namespace and names the object.
async fn apply_in(cluster: &Cluster, namespace: &str, mut manifest: Value) -> ObjectRef {
    manifest["metadata"]["namespace"] = namespace.into();
    cluster.apply(&manifest).await;
    ObjectRef::of(&manifest)
}

fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == kind && c["status"] == "True"))
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_run_and_their_dependents_are_collected() {
    let cluster = Cluster::shared().await;
    let ns = "devcluster-workloads";
    cluster.apply(&namespace(ns)).await;
    let web = apply_in(&cluster, ns, deployment("web", 2)).await;
    let once = apply_in(&cluster, ns, job("once")).await;
    cluster.wait_for(&web, "two replicas", |d| d["status"]["availableReplicas"] == 2).await;
    cluster.wait_for(&once, "complete", |j| condition(j, "Complete")).await;

    cluster.delete_with(&web, &DeleteParams::foreground()).await;
    cluster.wait_gone(&web).await;
    let pods = object("v1", "Pod", ns, "").api(cluster.client());
    let left = pods.list(&ListParams::default().labels("app=web")).await.unwrap();
    assert_eq!(left.items.len(), 0);

    let whole = object("v1", "Namespace", "", ns);
    cluster.delete(&whole).await;
    cluster.wait_gone(&whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotation_stops_a_pod_at_a_phase() {
    let cluster = Cluster::shared().await;
    let ns = "devcluster-phases";
    cluster.apply(&namespace(ns)).await;
    let stopped = |mut manifest: Value, phase: &str| {
        manifest["spec"]["template"]["metadata"]["annotations"] = json!({"devcluster/pod": phase});
        manifest
    };
    let failed = apply_in(&cluster, ns, stopped(job("failed"), "failed")).await;
    cluster.wait_for(&failed, "failed", |j| condition(j, "Failed")).await;
    let running = apply_in(&cluster, ns, stopped(job("running"), "running")).await;
    cluster.wait_for(&running, "a ready pod", |j| j["status"]["ready"] == 1).await;
    let pending = apply_in(&cluster, ns, stopped(deployment("pending", 1), "pending")).await;
    cluster.wait_for(&pending, "an unavailable pod", |d| d["status"]["unavailableReplicas"] == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_has_the_rights_it_was_given() {
    let cluster = Cluster::shared().await;
    let token = cluster.service_account_token("default", "default").await;
    let mut config = cluster.config().clone();
    config.auth_info = kube::config::AuthInfo { token: Some(token.into()), ..Default::default() };
    let account = kube::Client::try_from(config).unwrap();
    let error = object("v1", "Secret", "default", "any").api(&account).get("any").await.unwrap_err();
    assert!(matches!(error, kube::Error::Api(status) if status.code == 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted() {
    let cluster = Cluster::shared().await;
    let before = cluster.requests().await;
    let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "counted"}, "value": 1});
    cluster.apply(&class).await;
    cluster.delete(&ObjectRef::of(&class)).await;
    let new = cluster.requests().await.since(&before);
    assert_eq!((new.of("APPLY", "priorityclasses"), new.writes_of("priorityclasses")), (1, 2), "{new:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_a_kustomization() {
    let cluster = Cluster::shared().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("kustomization.yaml"), "configMapGenerator: [{name: made, literals: [a=b]}]")
        .unwrap();
    let output = cluster.kubectl(dir.path(), &["apply", "-k", ".", "--server-side", "--dry-run=server", "-o", "json"]);
    let made: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(made["data"], json!({"a": "b"}));
}

#[test]
fn two_run_beside_each_other_and_sigterm_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let start = |name: &str| DevCluster::start(&dir.path().join(name), 0);
    let (mut one, two) = (start("one"), start("two"));
    let server = |c: &DevCluster| std::fs::read_to_string(c.directory().join("server")).unwrap();
    assert_ne!(server(&one), server(&two));
    assert_eq!(one.components().len(), 5);

    assert!(one.terminate().success());
    assert_eq!(one.components(), []);
    assert!(!one.directory().exists());
    assert_eq!(two.components().len(), 5);
}

#[test]
fn the_death_of_a_component_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = DevCluster::start(&dir.path().join("cluster"), 0);
    let (_, id) = cluster.components().into_iter().find(|(name, _)| name == "kube-scheduler").unwrap();
    send_signal("KILL", id);
    assert_eq!(cluster.wait().code(), Some(1));
    assert_eq!(cluster.components(), []);
    let errors = cluster.errors();
    assert!(errors.contains("kube-scheduler ended (signal: killed)"), "{errors}");
    assert!(errors.contains("Starting Kubernetes Scheduler"), "the end of its log is shown: {errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_the_thread_that_started_it() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("cluster");
    let started = std::thread::spawn(move || DevCluster::start(&directory, 0)).join().unwrap();
    let cluster = Cluster::connect(started.kubeconfig()).await;
    cluster.apply(&namespace("later")).await;
    let made = object("v1", "ServiceAccount", "later", "default");
    cluster.wait_for(&made, "made by the controller manager", |account| !account.is_null()).await;
}

#[test]
fn it_ends_with_its_parent_process() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("cluster");
    let mut parent = Command::new("sh")
        .args(["-c", "\"$0\" up --dir \"$1\" --nodes 0 & wait"])
        .arg(devcluster_binary())
        .arg(&directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    poll("all components to run", || processes_in(&directory).len() == 5);
    parent.kill().unwrap();
    parent.wait().unwrap();
    poll("nothing to be left", || processes_in(&directory).is_empty() && !directory.exists());
}
