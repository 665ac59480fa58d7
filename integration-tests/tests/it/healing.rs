//! Self-healing: what is changed by hand is set back at once, and a fight is noticed.

use futures::StreamExt as _;
use integration_tests::{Environment, object};
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher;
use serde_json::{Value, json};
use test_kit::{config_map, deployment};

use crate::reading::{app_of, conditions, has_sync, history, is_settled, result, row, wait_settled};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_hand_is_set_back_by_a_partial_sync() {
    let env = Environment::new("heal-edit").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    repo.write("app/web.json", deployment("web", 2).to_string());
    let commit = repo.write("app/other.json", config_map("other", &[("a", "git")]).to_string()).commit("first");
    // Git is not asked again: what heals is the watch.
    let _daemon = env.daemon().flag("--reconciliation-timeout", "0").start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().self_heal().build()).await;
    wait_settled(&env, shop, &commit).await;

    let web = object("apps/v1", "Deployment", &work, "web");
    let edited = env.cluster().edit(&web, &json!({"spec": {"replicas": 0}})).await;
    let is_newer = |live: &Value| live["metadata"]["generation"].as_i64() > edited["metadata"]["generation"].as_i64();
    env.cluster().wait_for(&web, "healed", |live| live["spec"]["replicas"] == 2 && is_newer(live)).await;
    let app = env.wait_app(shop, "settled by a heal", |app| is_settled(app) && attempts(app) == 1).await;
    let state = &app["status"]["operationState"];
    let selected = json!([{"group": "apps", "kind": "Deployment", "name": "web", "namespace": work}]);
    assert_eq!(state["operation"]["sync"]["resources"], selected);
    assert_eq!(state["operation"]["initiatedBy"], json!({"automated": true}));
    assert_eq!((result(&app, "ConfigMap", "other"), history(&app)), (&Value::Null, vec![&*commit]));

    let other = object("v1", "ConfigMap", &work, "other");
    let before = env.cluster().get(&other).await;
    env.cluster().delete(&other).await;
    let made = env
        .cluster()
        .wait_for(&other, "made again", |live| !live.is_null() && live["metadata"]["uid"] != before["metadata"]["uid"]);
    assert_eq!(made.await["data"]["a"], "git");
    env.wait_app(shop, "settled by a second heal", |app| is_settled(app) && attempts(app) == 2).await;
}

/// Gives how many self-heals there were in a row.
fn attempts(app: &Value) -> i64 {
    app["status"]["operationState"]["operation"]["sync"]["autoHealAttemptsCount"].as_i64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_self_heal_a_change_by_hand_is_only_told() {
    let env = Environment::new("heal-off").await;
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    for app in ["told", "healed"] {
        repo.write(&format!("{app}/cm.json"), config_map(app, &[("a", "git")]).to_string());
    }
    let commit = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let (teller, healer) = (&env.app_name("told"), &env.app_name("healed"));
    env.cluster().apply(&app_of(&env, teller, "told", &work).automated().build()).await;
    env.cluster().apply(&app_of(&env, healer, "healed", &work).automated().self_heal().build()).await;
    let before = wait_settled(&env, teller, &commit).await;
    wait_settled(&env, healer, &commit).await;

    let live = |name: &str| object("v1", "ConfigMap", &work, name);
    env.cluster().edit(&live("told"), &json!({"data": {"a": "hand"}})).await;
    let told = env.wait_app(teller, "OutOfSync", |app| has_sync(app, "OutOfSync")).await;
    assert_eq!(row(&told, "ConfigMap", "told")["status"], "OutOfSync");
    // What came later is healed, and this still is not.
    env.cluster().edit(&live("healed"), &json!({"data": {"a": "hand"}})).await;
    env.cluster().wait_for(&live("healed"), "healed", |live| live["data"]["a"] == "git").await;
    let told = env.cluster().get(&env.application(teller)).await;
    assert_eq!(env.cluster().get(&live("told")).await["data"]["a"], "hand");
    assert_eq!(told["status"]["operationState"], before["status"]["operationState"]);
    assert_eq!(conditions(&told, "SyncError").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fight_is_told_with_the_name_of_the_other() {
    let env = Environment::new("heal-fight").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    repo.write("app/cm.json", config_map("fought", &[("a", "git")]).to_string());
    let commit = repo.write("app/other.json", config_map("other", &[("a", "git")]).to_string()).commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().self_heal().build()).await;
    wait_settled(&env, shop, &commit).await;

    let (fought, other) = (object("v1", "ConfigMap", &work, "fought"), object("v1", "ConfigMap", &work, "other"));
    let api = fought.api(env.cluster().client());
    let meddling = tokio::spawn(async move {
        let parameters = PatchParams { field_manager: Some("meddler".to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"data": {"a": "meddled"}}));
        let mut states = Box::pin(watcher::watch_object(api.clone(), "fought"));
        while let Some(state) = states.next().await {
            if state.is_ok_and(|live| live.is_some_and(|live| live.data["data"]["a"] == "git")) {
                api.patch("fought", &parameters, &patch).await.unwrap();
            }
        }
    });
    let told = env.wait_app(shop, "a SyncError", |app| !conditions(app, "SyncError").is_empty()).await;
    let told = conditions(&told, "SyncError").join("\n");
    assert!(told.contains("fought") && told.contains("field manager meddler"), "{told}");

    // The rest of the application does not wait.
    env.cluster().edit(&other, &json!({"data": {"a": "hand"}})).await;
    env.cluster().wait_for(&other, "healed", |live| live["data"]["a"] == "git").await;

    meddling.abort();
    env.cluster().wait_for(&fought, "healed in the end", |live| live["data"]["a"] == "git").await;
    env.wait_app(shop, "Synced", is_settled).await;
}
