//! Renders of deployments outlive the repository: they heal and are rolled back to while it is out of reach, or has lost the commit.

use std::path::PathBuf;

use integration_tests::devcluster::poll;
use integration_tests::{Daemon, Environment, object};
use serde_json::{Value, json};
use test_kit::{Fault, FixtureRepo, config_map};

use crate::reading::{app_of, conditions, has_sync, history, operate, wait_operated, wait_settled};
use crate::web;

/// Lists what is directly in a directory; nothing where there is none.
fn entries(directory: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Waits until so many renders of deployments are on disk.
fn wait_kept(env: &Environment, count: usize) {
    let kept =
        || entries(env.directory().join("data/deployed")).into_iter().map(|app| entries(app).len()).sum::<usize>();
    poll("renders to be kept", || kept() == count);
}

/// Ends the daemon, takes its mirrors, its cache of renders and all else but the renders of deployments away, and starts it again.
async fn restart_without_mirrors(env: &Environment, daemon: &mut Daemon) {
    daemon.kill().await;
    let data = entries(env.directory().join("data"));
    assert!(data.iter().any(|path| path.ends_with("git")) && data.iter().any(|path| path.ends_with("deployed")));
    for path in data.iter().filter(|path| !path.ends_with("deployed")) {
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    daemon.start().await;
}

async fn wait_value(env: &Environment, namespace: &str, value: &str) -> Value {
    let map = object("v1", "ConfigMap", namespace, "a");
    env.cluster().wait_for(&map, &format!("value is {value}"), |map| map["data"]["value"] == value).await
}

/// Gives how often a kept render stood in.
async fn stood_in(daemon: &Daemon) -> u64 {
    let text = web::get(&format!("{}/metrics", daemon.metrics_url())).await.body;
    let line = text.lines().find(|line| line.starts_with("driftless_renders_total{tool=\"kept\"}"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

fn map(value: &str) -> String {
    config_map("a", &[("value", value)]).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_starts_without_git_heals_and_rolls_back() {
    let env = Environment::new("kept-down").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    let first = repo.write("app/a.json", map("1")).commit("first");
    let mut daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().prune().self_heal().build()).await;
    wait_settled(&env, shop, &first).await;
    let second = repo.write("app/a.json", map("2")).commit("second");
    let app = wait_settled(&env, shop, &second).await;
    let source = app["status"]["history"][0]["source"].clone();
    assert_eq!(history(&app), [&first, &second]);
    wait_kept(&env, 2);

    env.git().set_fault_everywhere(Fault::Down);
    restart_without_mirrors(&env, &mut daemon).await;
    let live = object("v1", "ConfigMap", &work, "a");
    let uid = env.cluster().get(&live).await["metadata"]["uid"].clone();
    env.cluster().edit(&live, &json!({"data": {"value": "by hand"}})).await;
    assert_eq!(wait_value(&env, &work, "2").await["metadata"]["uid"], uid);
    assert!(stood_in(&daemon).await >= 1);
    assert!(daemon.log().contains("the render that was kept of it is used"));

    env.cluster().edit(&env.application(shop), &json!({"spec": {"syncPolicy": null}})).await;
    let rollback = json!({"revision": first, "source": source, "syncStrategy": {"apply": {}}});
    operate(&env, shop, rollback).await;
    let app = wait_operated(&env, shop, "Succeeded").await;
    assert_eq!(wait_value(&env, &work, "1").await["metadata"]["uid"], uid);
    assert_eq!(history(&app), [&first, &second, &first]);
    // What was never deployed cannot be had.
    operate(&env, shop, json!({"revision": "1".repeat(40)})).await;
    wait_operated(&env, shop, "Error").await;

    env.git().clear_faults();
    env.refresh(shop, "normal").await;
    let app = env.wait_app(shop, "OutOfSync against Git", |app| has_sync(app, "OutOfSync")).await;
    assert_eq!((&app["status"]["sync"]["revision"], conditions(&app, "ComparisonError").len()), (&json!(second), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_git_has_lost_is_rolled_back_to() {
    let env = Environment::new("kept-lost").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    let first = repo.write("app/a.json", map("1")).commit("first");
    let mut daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).build()).await;
    operate(&env, shop, json!({})).await;
    wait_settled(&env, shop, &first).await;
    wait_kept(&env, 1);

    // As after a force push and the garbage collection that follows.
    std::fs::remove_dir_all(repo.path()).unwrap();
    let repo = FixtureRepo::init(repo.path());
    let other = repo.write("app/a.json", map("other")).commit("other history");
    env.refresh(shop, "normal").await;
    env.wait_app(shop, "OutOfSync", |app| app["status"]["sync"]["revision"] == other).await;
    operate(&env, shop, json!({})).await;
    wait_settled(&env, shop, &other).await;
    wait_kept(&env, 2);
    restart_without_mirrors(&env, &mut daemon).await;
    operate(&env, shop, json!({"revision": first})).await;
    let app = wait_operated(&env, shop, "Succeeded").await;
    wait_value(&env, &work, "1").await;
    assert_eq!(history(&app), [&first, &other, &first]);
    assert_eq!(stood_in(&daemon).await, 1);
}
