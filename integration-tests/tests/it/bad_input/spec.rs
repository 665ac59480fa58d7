//! What the spec asks for and does not get.

use integration_tests::object;
use serde_json::{Value, json};
use test_kit::config_map;

use super::stage::{BystanderIn, Prepared, Stage};
use crate::projects::{IN_CLUSTER, permissive, project};
use crate::reading::{result, row};

/// Asserts that nothing is claimed to be known of the victim.
fn assert_unknown(app: &Value) {
    let status = &app["status"];
    assert_eq!((&status["sync"]["status"], &status["health"]["status"]), (&json!("Unknown"), &json!("Unknown")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_with_both_server_and_name() {
    let stage = Stage::set("bad-destination", BystanderIn::SameRepository).await;
    stage.edit_spec(json!({"destination": {"name": "in-cluster"}})).await;
    let both = format!("application destination can't have both name and server defined: in-cluster {IN_CLUSTER}");
    assert_unknown(&stage.wait_condition("InvalidSpecError", &both).await);
    stage.change("two").commit("two");
    stage.assert_unharmed(&[]).await;

    stage.recorder.forget();
    stage.edit_spec(json!({"destination": {"server": null}})).await;
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_project() {
    let stage = Stage::set("bad-project", BystanderIn::SameRepository).await;
    stage.edit_spec(json!({"project": "later"})).await;
    let unknown = "Application referencing project later which does not exist";
    assert_unknown(&stage.wait_condition("InvalidSpecError", unknown).await);
    stage.change("two").commit("two");
    stage.assert_unharmed(&[]).await;

    stage.recorder.forget();
    stage.env.cluster().apply(&permissive(&stage.env, "later")).await;
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_kind_and_a_forbidden_namespace() {
    let prepared = Prepared::new("bad-forbidden", BystanderIn::SameRepository).await;
    let elsewhere = prepared.env.workload_namespace().await;
    let strict = json!({"sourceRepos": [prepared.env.git_url("app")],
        "destinations": [{"server": IN_CLUSTER, "namespace": prepared.work}],
        "namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}]});
    prepared.env.cluster().apply(&project(&prepared.env, "strict", &strict)).await;
    let retry = json!({"limit": 60, "backoff": {"duration": "1s", "factor": 1}});
    let stage = prepared.start(|app| app.project("strict").set("/spec/syncPolicy/retry", retry)).await;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "denied"}, "stringData": {"a": "b"}});
    let mut foreign = config_map("foreign", &[]);
    foreign["metadata"]["namespace"] = elsewhere.as_str().into();
    stage.change("two").write("victim/denied.json", secret.to_string());
    let two = stage.repo.write("victim/foreign.json", foreign.to_string()).commit("two");
    let kind = "resource :Secret is not permitted in project strict";
    let namespace = format!("namespace {elsewhere} is not permitted in project 'strict'");
    let told = format!("one or more synchronization tasks are not valid: {namespace}; {kind}. Retrying attempt #");
    let app = stage.wait_operation("Running", &told).await;
    for (of_kind, name, why) in [("Secret", "denied", kind), ("ConfigMap", "foreign", &namespace)] {
        assert_eq!(result(&app, of_kind, name)["message"], why);
        assert_eq!(row(&app, of_kind, name)["status"], "Unknown");
    }
    stage.assert_unharmed(&[]).await;

    stage.recorder.forget();
    stage.env.cluster().apply(&permissive(&stage.env, "strict")).await;
    stage.env.cluster().wait_for(&object("v1", "ConfigMap", &elsewhere, "foreign"), "there", Value::is_object).await;
    stage.assert_recovers(&two, &["denied", "foreign"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_render_of_no_objects_without_allow_empty() {
    let stage = Stage::set("bad-empty", BystanderIn::SameRepository).await;
    for file in ["settings.json", "retired.json", "web.json"] {
        stage.repo.git(&["mv", &format!("victim/{file}"), &format!("victim/{file}.off")]);
    }
    let bad = stage.repo.commit("bad");
    let refused = format!("Skipping sync attempt to [{bad}]: auto-sync will wipe out all resources");
    let app = stage.wait_condition("SyncError", &refused).await;
    assert_eq!(app["status"]["sync"]["status"], "OutOfSync");
    assert_eq!(row(&app, "Service", "web")["requiresPruning"], true);
    stage.assert_unharmed(&[]).await;

    stage.recorder.forget();
    for file in ["settings.json", "retired.json", "web.json"] {
        stage.repo.git(&["mv", &format!("victim/{file}.off"), &format!("victim/{file}")]);
    }
    stage.change("two").commit("two");
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}
