//! Objects that are claimed more than once.

use integration_tests::{ObjectRef, object};
use serde_json::{Value, json};
use test_kit::config_map;

use super::stage::{BystanderIn, Stage};
use crate::reading::{conditions, row, tracking_id, wait_settled};

#[tokio::test(flavor = "multi_thread")]
async fn two_applications_that_claim_one_object() {
    let stage = Stage::set("bad-shared", BystanderIn::SameRepository).await;
    let shared = object("v1", "ConfigMap", &stage.calm, "clock");
    let before = stage.env.cluster().get(&shared).await;
    let mut claim = config_map("clock", &[("round", "victim")]);
    claim["metadata"]["namespace"] = stage.calm.as_str().into();
    stage.change("two").write("victim/claim.json", claim.to_string()).commit("bad");
    let warning = format!(
        "ConfigMap/clock is part of applications {}/{} and {}",
        stage.env.namespace(),
        stage.victim,
        stage.bystander
    );
    let told = |app: &Value| {
        conditions(app, "SharedResourceWarning") == [&warning]
            && row(app, "ConfigMap", "settings")["status"] == "Synced"
    };
    let app = stage.env.wait_app(&stage.victim, &warning, told).await;
    assert_eq!(
        (&row(&app, "ConfigMap", "clock")["status"], &app["status"]["sync"]["status"]),
        (&json!("OutOfSync"), &json!("OutOfSync"))
    );
    // The owner goes on as if nothing were.
    stage.round().await;
    stage.round().await;
    let live = stage.env.cluster().get(&shared).await;
    assert_eq!(live["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(tracking_id(&live), tracking_id(&before));
    let bystander = stage.env.cluster().get(&stage.env.application(&stage.bystander)).await;
    assert_eq!(bystander["status"]["conditions"], Value::Null);
    let victims = |write: &integration_tests::ApiRequest| {
        write.path.contains(&stage.calm)
            && (write.method == "DELETE" || tracking_id(&write.body) != tracking_id(&before))
    };
    assert!(!stage.recorder.writes().iter().any(victims), "the later claimant leaves the object alone");

    stage.repo.delete("victim/claim.json");
    let fixed = stage.repo.commit("two");
    stage.env.wait_app(&stage.victim, "the warning to be gone", |app| app["status"]["conditions"].is_null()).await;
    stage.assert_recovers(&stage.repo.head(), &[]).await;
    assert_eq!(stage.repo.head(), fixed);
    assert_eq!(stage.env.cluster().get(&shared).await, live);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_claimed_twice_in_one_application() {
    let stage = Stage::set("bad-twice", BystanderIn::SameRepository).await;
    // In the order of names the last of the two wins.
    let last = config_map("settings", &[("version", "two")]).to_string();
    stage.change("bad").write("victim/zz-settings.json", &last).commit("bad");
    let repeated = format!("Resource /ConfigMap/{}/settings appeared 2 times among application resources.", stage.work);
    stage.wait_condition("RepeatedResourceWarning", &repeated).await;
    let app = stage.env.wait_app(&stage.victim, "synced", crate::reading::is_settled).await;
    let revision = app["status"]["sync"]["revision"].as_str().unwrap().to_owned();
    wait_settled(&stage.env, &stage.victim, &revision).await;
    stage.round().await;
    let settings = stage.env.cluster().get(&object("v1", "ConfigMap", &stage.work, "settings")).await;
    assert_eq!(settings["data"], json!({"version": "two"}));
    assert_eq!(stage.env.cluster().get(&ObjectRef::of(&settings)).await, settings, "the two do not take turns");

    // The last one alone is the same state: nothing is written to any object.
    stage.repo.delete("victim/zz-settings.json").write("victim/settings.json", last).commit("two");
    stage.env.wait_app(&stage.victim, "the warning to be gone", |app| app["status"]["conditions"].is_null()).await;
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}
