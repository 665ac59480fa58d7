//! What the API server does not take.

use integration_tests::{ObjectRef, object};
use serde_json::{Value, json};
use test_kit::config_map;

use super::stage::{BystanderIn, Prepared, millis, tell};
use crate::reading::{message, result, row};

/// Ends an operation with its first failure, so that the next commit starts another.
fn at_once(app: test_kit::AppBuilder) -> test_kit::AppBuilder {
    app.set("/spec/syncPolicy/retry", json!({"limit": 0}))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_the_api_server_rejects() {
    let stage = Prepared::new("bad-object", BystanderIn::SameRepository).await.start(at_once).await;
    let port = |number: u32| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "broken"}, "spec": {"ports": [{"port": number}]}});
    stage.change("bad").write("victim/broken.json", port(70_000).to_string()).commit("bad");
    let range = "Invalid value: 70000: must be between 1 and 65535, inclusive";
    let why =
        &format!("Service \"broken\" is invalid: [spec.ports[0].port: {range}, spec.ports[0].targetPort: {range}]");
    let told = format!("one or more objects failed to apply, reason: {why}");
    let app = stage.wait_operation("Failed", &told).await;
    assert_eq!(result(&app, "Service", "broken")["message"], why.as_str());
    assert_eq!(row(&app, "Service", "broken")["status"], "OutOfSync");
    // What is good of a wave is applied, what would be pruned is not.
    stage.assert_unharmed(&["settings"]).await;
    let settings = stage.env.cluster().get(&object("v1", "ConfigMap", &stage.work, "settings")).await;
    assert_eq!(settings["data"]["version"], "bad");

    stage.recorder.forget();
    stage.change("two").write("victim/broken.json", port(80).to_string()).commit("two");
    stage.assert_recovers(&stage.repo.head(), &["broken"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_kind() {
    let prepared = Prepared::new("bad-kind", BystanderIn::SameRepository).await;
    let group = format!("{}.example", prepared.work);
    let retry = json!({"limit": 60, "backoff": {"duration": "1s", "factor": 1}});
    let stage = prepared.start(|app| app.set("/spec/syncPolicy/retry", retry)).await;
    let gadget = json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": "mine"}, "spec": {"size": 3}});
    let two = stage.change("two").write("victim/gadget.json", gadget.to_string()).commit("two");
    let why = format!(
        "The Kubernetes API could not find {group}/Gadget for requested resource {}/mine. Make sure the \"Gadget\" CRD is installed on the \
         destination cluster.",
        stage.work
    );
    let told = format!("one or more synchronization tasks are not valid: {why}");
    let app = stage.wait_operation("Running", &told).await;
    assert_eq!(result(&app, "Gadget", "mine")["message"], why.as_str());
    stage.assert_unharmed(&[]).await;

    stage.recorder.forget();
    let definition = crate::live_kinds::gadgets(&group);
    stage.env.cluster().apply(&definition).await;
    stage.assert_recovers(&two, &["mine"]).await;
    stage.env.cluster().delete(&ObjectRef::of(&definition)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_2_mb() {
    let stage = Prepared::new("bad-large", BystanderIn::OwnRepository).await.start(at_once).await;
    let before = stage.round().await;
    let large = "x".repeat(2_000_000);
    // Too large for its kind; too large for the storage; and bad in a way that the API server quotes.
    let map = config_map("map", &[("large", &large)]);
    let mut deployment = test_kit::deployment("stored", 0);
    deployment["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "LARGE", "value": large}]);
    let mut label = config_map("label", &[]);
    label["metadata"]["labels"] = json!({"large": large});
    stage.change("bad").write("victim/map.json", map.to_string());
    stage
        .repo
        .write("victim/stored.json", deployment.to_string())
        .write("victim/label.json", label.to_string())
        .commit("bad");
    let failed = stage.wait_operation("Failed", "one or more objects failed to apply, reason: ");
    let (app, during) = stage.rounds_during(failed).await;
    tell(&format!("bad-large: rounds of the bystander {} before, {} during", millis(&[before]), millis(&during)));
    for (kind, name) in [("ConfigMap", "map"), ("Deployment", "stored"), ("ConfigMap", "label")] {
        let why = result(&app, kind, name)["message"].as_str().unwrap_or_default();
        tell(&format!("bad-large: {kind} {name}: {}", &why[..why.len().min(300)]));
        assert!(message(&app).contains(why) && why.len() < 2_000, "{why:.3000}");
        assert!(
            message(&app).contains(&format!("{kind}/{name}: ")) || why.contains(&format!("\"{name}\"")),
            "{}",
            message(&app)
        );
        let version = if kind == "Deployment" { "apps/v1" } else { "v1" };
        assert_eq!(stage.env.cluster().get(&object(version, kind, &stage.work, name)).await, Value::Null);
    }
    stage.assert_unharmed(&["settings"]).await;

    stage.recorder.forget();
    stage.repo.delete("victim/map.json").delete("victim/stored.json").delete("victim/label.json");
    stage.change("two").commit("two");
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}
