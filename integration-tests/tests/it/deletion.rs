//! Deleting an Application: what goes with it, in which order, and what stays.

use http::Method;
use integration_tests::{ApiProxy, ApiRequest, Environment, ObjectRef, object};
use serde_json::{Value, json};
use test_kit::{config_map, deployment};

use crate::reading::{app_of, has_sync, phase, wait_settled};

/// A finalizer of nobody, by which a test decides when an object goes.
const HOLD: &str = "example.com/hold";

fn held(mut manifest: Value) -> Value {
    manifest["metadata"]["finalizers"] = json!([HOLD]);
    manifest
}

fn annotated(mut manifest: Value, key: &str, value: &str) -> Value {
    manifest["metadata"]["annotations"][key] = value.into();
    manifest
}

fn in_wave(manifest: Value, wave: &str) -> Value {
    annotated(manifest, "argocd.argoproj.io/sync-wave", wave)
}

fn is_going(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

async fn release(env: &Environment, held: &ObjectRef) {
    env.cluster().edit(held, &json!({"metadata": {"finalizers": []}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finalizer_and_options_decide_what_goes_with_an_application() {
    let env = Environment::new("del-what").await;
    let ns = env.workload_namespace().await;
    let recorder = ApiProxy::start(&env).await;
    let kept = annotated(config_map("kept", &[]), "argocd.argoproj.io/sync-options", "Delete=false");
    let repo = env.repo("app");
    let commit = repo
        .write("foreground/cm.json", held(config_map("foreground", &[])).to_string())
        .write("foreground/web.json", deployment("web", 1).to_string())
        .write("background/cm.json", held(config_map("background", &[])).to_string())
        .write("options/kept.json", kept.to_string())
        .write("options/cm.json", config_map("options", &[]).to_string())
        .write("none/cm.json", config_map("none", &[]).to_string())
        .commit("first");
    let _daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).start().await;
    let finalizer = "resources-finalizer.argocd.argoproj.io";
    let (foreground, background) = (json!([finalizer]), json!([format!("{finalizer}/background")]));
    let finalizers =
        [("foreground", &foreground), ("background", &background), ("options", &foreground), ("none", &json!([]))];
    for (path, finalizers) in finalizers {
        let app = app_of(&env, &format!("del-{path}"), path, &ns).automated();
        env.cluster().apply(&app.set("/metadata/finalizers", finalizers.clone()).build()).await;
    }
    for (path, _) in finalizers {
        wait_settled(&env, &format!("del-{path}"), &commit).await;
    }
    recorder.forget();
    for (path, _) in finalizers {
        env.cluster().delete(&env.application(&format!("del-{path}"))).await;
    }
    let map = |name: &str| object("v1", "ConfigMap", &ns, name);

    env.cluster().wait_gone(&env.application("del-none")).await;
    env.cluster().wait_gone(&env.application("del-options")).await;
    assert_eq!(env.cluster().get(&map("options")).await, Value::Null);
    for stays in ["none", "kept"] {
        let found = env.cluster().get(&map(stays)).await;
        assert!(found.is_object() && !is_going(&found), "{stays}: {found:#}");
    }
    for name in ["foreground", "background"] {
        env.cluster().wait_for(&map(name), "is going", is_going).await;
        let app = env.application(&format!("del-{name}"));
        assert!(is_going(&env.cluster().get(&app).await), "{name}: an object is left");
        release(&env, &map(name)).await;
        env.cluster().wait_gone(&app).await;
        assert_eq!(env.cluster().get(&map(name)).await, Value::Null);
    }
    assert_eq!(env.cluster().get(&object("apps/v1", "Deployment", &ns, "web")).await, Value::Null);

    // One that changes in between is asked for again.
    let is_done = |request: &ApiRequest| request.method == Method::DELETE && request.status == 200;
    recorder.wait_for("deletes", 4, is_done).await;
    let deletes: Vec<_> = recorder.writes().into_iter().filter(|request| request.method == Method::DELETE).collect();
    assert_eq!(deletes.iter().filter(|request| is_done(request)).count(), 4, "{deletes:#?}");
    for delete in deletes {
        let policy = if delete.path.ends_with("/background") { "Background" } else { "Foreground" };
        assert_eq!(delete.body["propagationPolicy"], policy, "{delete}");
        assert!(delete.body["preconditions"]["uid"].is_string(), "{delete}: {}", delete.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn higher_waves_go_before_lower_ones() {
    let env = Environment::new("del-waves").await;
    let ns = env.workload_namespace().await;
    let recorder = ApiProxy::start(&env).await;
    let repo = env.repo("app");
    let commit = repo
        .write("app/0.json", in_wave(config_map("zero", &[]), "-3").to_string())
        .write("app/1.json", held(config_map("one", &[])).to_string())
        .write("app/2.json", in_wave(held(config_map("two", &[])), "2").to_string())
        .commit("first");
    let daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).variable("DRIFTLESS_SYNC_WAVE_DELAY", "0");
    let _daemon = daemon.start().await;
    env.cluster().apply(&app_of(&env, "del-waves", "app", &ns).automated().resources_finalizer().build()).await;
    wait_settled(&env, "del-waves", &commit).await;

    let deleted = || -> Vec<String> {
        let deletes = recorder.writes().into_iter().filter(|request| request.method == Method::DELETE);
        deletes.map(|request| request.path.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    };
    env.cluster().delete(&env.application("del-waves")).await;
    for (name, so_far) in [("two", vec!["two"]), ("one", vec!["two", "one"])] {
        let map = object("v1", "ConfigMap", &ns, name);
        env.cluster().wait_for(&map, "is going", is_going).await;
        recorder.wait_for("deletes", so_far.len(), |request| request.method == Method::DELETE).await;
        assert_eq!(deleted(), so_far);
        release(&env, &map).await;
    }
    env.cluster().wait_gone(&env.application("del-waves")).await;
    recorder.wait_for("deletes", 3, |request| request.method == Method::DELETE).await;
    assert_eq!(deleted(), ["two", "one", "zero"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_waits_for_health_does_not_hold_a_deletion() {
    let env = Environment::new("del-stuck").await;
    let ns = env.workload_namespace().await;
    let mut pending = deployment("pending", 1);
    pending["spec"]["template"]["metadata"]["annotations"] = json!({"devcluster/pod": "pending"});
    let repo = env.repo("app");
    repo.write("app/0.json", pending.to_string())
        .write("app/1.json", in_wave(config_map("later", &[]), "1").to_string())
        .commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, "del-stuck", "app", &ns).automated().resources_finalizer().build()).await;
    let waits = |app: &Value| {
        let result = &app["status"]["operationState"]["syncResult"]["resources"][0];
        phase(app) == "Running"
            && result["name"] == "pending"
            && result["status"] == "Synced"
            && has_sync(app, "OutOfSync")
    };
    env.wait_app("del-stuck", "waiting for the first wave", waits).await;
    env.cluster().delete(&env.application("del-stuck")).await;
    env.cluster().wait_gone(&env.application("del-stuck")).await;
    assert_eq!(env.cluster().get(&object("apps/v1", "Deployment", &ns, "pending")).await, Value::Null);
    assert_eq!(env.cluster().get(&object("v1", "ConfigMap", &ns, "later")).await, Value::Null);
}
