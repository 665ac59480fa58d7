//! Waves: one waits for the health of the one before, a person can end the wait, and a daemon that was killed goes on with it.

use integration_tests::{ApiProxy, Cluster, Environment, listed, object};
use kube::api::ListParams;
use serde_json::{Value, json};
use test_kit::{config_map, deployment};

use crate::reading::{
    app_of, conditions, history, message, phase, result, row, wait_explained, wait_operated, wait_settled,
};

/// Gives a Deployment whose pods stay pending until [`release`].
fn stuck_deployment(name: &str) -> Value {
    let mut stuck = deployment(name, 1);
    stuck["spec"]["template"]["metadata"]["annotations"] = json!({"devcluster/pod": "pending"});
    stuck
}

fn in_wave(wave: i64, mut manifest: Value) -> String {
    manifest["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = wave.to_string().into();
    manifest.to_string()
}

/// Lets the pods of a stuck Deployment run.
async fn release(cluster: &Cluster, namespace: &str, app: &str) {
    let any = object("v1", "Pod", namespace, "");
    let pods = any.api(cluster.client()).list(&ListParams::default().labels(&format!("app={app}"))).await.unwrap();
    assert_ne!(pods.items.len(), 0, "the Deployment {app} has no pods yet");
    for pod in pods {
        let pod = object("v1", "Pod", namespace, &pod.metadata.name.unwrap());
        cluster.edit(&pod, &json!({"metadata": {"annotations": {"devcluster/pod": null}}})).await;
    }
}

/// Waits until an operation waits for the health of a stuck Deployment, whose pod exists.
async fn wait_stuck(env: &Environment, app: &str, namespace: &str, name: &str) -> Value {
    let what = format!("waiting for healthy state of apps/Deployment/{name}");
    let stuck = env.wait_app(app, &what, |app| message(app) == what).await;
    let live = object("apps/v1", "Deployment", namespace, name);
    env.cluster().wait_for(&live, "a pending pod", |live| live["status"]["replicas"] == 1).await;
    stuck
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_waits_until_the_one_before_is_healthy() {
    let env = Environment::new("waves-health").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    repo.write("app/first.json", in_wave(0, stuck_deployment("web")));
    repo.write("app/second.json", in_wave(1, config_map("later", &[])));
    let commit = repo.commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().build()).await;

    let stuck = wait_stuck(&env, shop, &work, "web").await;
    assert_eq!((phase(&stuck), &stuck["status"]["health"]["status"]), ("Running", &json!("Progressing")));
    assert_eq!(result(&stuck, "Deployment", "web")["hookPhase"], "Running");
    assert_eq!(env.cluster().get(&object("v1", "ConfigMap", &work, "later")).await, Value::Null);

    release(env.cluster(), &work, "web").await;
    env.wait_synced(shop, &commit).await;
    let app = wait_settled(&env, shop, &commit).await;
    assert_eq!(result(&app, "Deployment", "web")["hookPhase"], "Succeeded");
    assert_eq!(row(&app, "ConfigMap", "later")["syncWave"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_operation_ends_and_is_not_tried_again() {
    let env = Environment::new("waves-stop").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    repo.write("app/first.json", in_wave(0, stuck_deployment("web")));
    let commit = repo.write("app/second.json", in_wave(1, config_map("later", &[]))).commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().build()).await;
    wait_stuck(&env, shop, &work, "web").await;

    let terminate = json!({"status": {"operationState": {"phase": "Terminating"}}});
    env.cluster().edit(&env.application(shop), &terminate).await;
    let ended = wait_operated(&env, shop, "Failed").await;
    assert_eq!(
        (message(&ended), &ended["status"]["operationState"]["retryCount"]),
        ("Operation terminated", &Value::Null)
    );
    let told = format!("Failed last sync attempt to [{commit}]: Operation terminated");
    env.wait_app(shop, "told that it is not tried again", |app| conditions(app, "SyncError") == [&told]).await;

    // The wave before has become healthy, and nothing goes on by itself.
    release(env.cluster(), &work, "web").await;
    let after =
        env.wait_app(shop, "with a healthy Deployment", |app| app["status"]["health"]["status"] != "Progressing");
    let after = after.await;
    assert_eq!((phase(&after), history(&after).len()), ("Failed", 0));
    assert_eq!(after["status"]["operationState"]["startedAt"], ended["status"]["operationState"]["startedAt"]);
    assert_eq!(env.cluster().get(&object("v1", "ConfigMap", &work, "later")).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_goes_on_where_it_was() {
    let env = Environment::new("waves-kill").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    repo.write("app/zero.json", in_wave(-1, config_map("zero", &[])));
    repo.write("app/one.json", in_wave(0, stuck_deployment("web")));
    repo.write("app/two.json", in_wave(1, config_map("two", &[])));
    let commit = repo.write("app/three.json", in_wave(2, config_map("three", &[]))).commit("first");
    let recorder = ApiProxy::start(&env).await;
    let mut daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().build()).await;
    let stuck = wait_stuck(&env, shop, &work, "web").await;
    daemon.kill().await;

    let of = |kind: &str, name: &str| object(if kind == "Deployment" { "apps/v1" } else { "v1" }, kind, &work, name);
    let before = env.cluster().get(&of("ConfigMap", "zero")).await;
    release(env.cluster(), &work, "web").await;
    recorder.forget();
    daemon.start().await;
    let app = wait_settled(&env, shop, &commit).await;
    assert_eq!(app["status"]["operationState"]["startedAt"], stuck["status"]["operationState"]["startedAt"]);
    assert_eq!((history(&app), result(&app, "ConfigMap", "zero")["status"].clone()), (vec![&*commit], json!("Synced")));
    assert_eq!(env.cluster().get(&of("ConfigMap", "zero")).await, before);
    wait_explained(&daemon, env.namespace(), shop, "Synced").await;
    let applied: Vec<_> = recorder.writes().into_iter().filter(|write| write.path.contains(&work)).collect();
    let names: Vec<_> = applied.iter().filter_map(|write| write.path.rsplit('/').next()).collect();
    assert_eq!(names, ["two", "three"], "{}", listed(&applied));
    let started = recorder.writes().into_iter().filter(|write| write.body["reason"] == "OperationStarted").count();
    assert_eq!(started, 0, "the operation was started before");
}
