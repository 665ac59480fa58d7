//! One daemon acts, and what it writes overwrites nobody.

use http::Method;
use integration_tests::{ApiProxy, ApiRequest, Environment, listed, object};
use serde_json::{Value, json};
use test_kit::{config_map, deployment};

use crate::reading::{app_of, history, message, operate, phase, wait_explained, wait_operated, wait_settled};
use crate::versions::Versions;
use crate::web;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_stands_by_and_takes_a_running_operation_over() {
    let env = Environment::new("owner").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let first = repo.write("app/0.json", config_map("settings", &[]).to_string()).commit("first");
    let mut one = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, "owner", "app", &ns).automated().build()).await;
    wait_settled(&env, "owner", &first).await;

    let recorder = ApiProxy::start(&env).await;
    let two = env.daemon_called("two").flag("--kubeconfig", recorder.kubeconfig()).start().await;
    web::wait_ready(&two).await;
    web::wait_leader(&two, false).await;
    wait_explained(&two, env.namespace(), "owner", "Following").await;
    web::wait_leader(&one, true).await;

    let mut web = deployment("web", 1);
    web["spec"]["template"]["metadata"]["annotations"] = json!({"devcluster/pod": "pending"});
    let mut later = config_map("later", &[]);
    later["metadata"]["annotations"] = json!({"argocd.argoproj.io/sync-wave": "1"});
    repo.write("app/1.json", web.to_string()).write("app/2.json", later.to_string());
    let second = repo.commit("second");
    let waits = |app: &Value| {
        phase(app) == "Running" && message(app).contains("waiting for healthy state of apps/Deployment/web")
    };
    let before = env.wait_app("owner", "waiting for health", waits).await;
    assert!(recorder.writes().is_empty(), "{}", listed(&recorder.writes()));

    let versions = Versions::follow(env.cluster(), &env.application("owner")).await;
    assert!(one.terminate().await.success());
    web::wait_leader(&two, true).await;
    let live = object("apps/v1", "Deployment", &ns, "web");
    let run = json!({"spec": {"template": {"metadata": {"annotations": {"devcluster/pod": "running"}}}}});
    env.cluster().edit(&live, &run).await;
    let after = wait_operated(&env, "owner", "Succeeded").await;
    assert_eq!(after["status"]["operationState"]["startedAt"], before["status"]["operationState"]["startedAt"]);
    assert_eq!(history(&after), [first.as_str(), &second]);
    assert!(env.cluster().get(&object("v1", "ConfigMap", &ns, "later")).await.is_object());
    let operations = versions
        .until(&after)
        .await
        .iter()
        .map(|app| app["status"]["operationState"]["startedAt"].to_string())
        .collect::<std::collections::HashSet<_>>();
    assert_eq!(operations.len(), 1, "no operation was started in between: {operations:?}");
    assert!(!recorder.writes().is_empty(), "the second daemon acts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemons_successor_waits_for_the_lease_to_expire() {
    let env = Environment::new("owner-kill").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let first = repo.write("app/0.json", config_map("settings", &[]).to_string()).commit("first");
    let mut one = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, "owner-kill", "app", &ns).automated().build()).await;
    wait_settled(&env, "owner-kill", &first).await;
    one.kill().await;
    let two = env.daemon_called("two").start().await;
    web::wait_ready(&two).await;
    let second = repo.write("app/0.json", config_map("settings", &[("a", "b")]).to_string()).commit("second");
    let app = wait_settled(&env, "owner-kill", &second).await;
    assert_eq!(history(&app), [first.as_str(), &second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_write_that_comes_in_between_is_kept() {
    let env = Environment::new("owner-between").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let first = repo.write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
    let proxy = ApiProxy::start(&env).await;
    let daemon = env.daemon().flag("--kubeconfig", proxy.kubeconfig()).flag("--reconciliation-timeout", "1h");
    let _daemon = daemon.start().await;
    let app = app_of(&env, "owner-between", "app", &ns).set("/spec/source/repoURL", repo.file_url()).automated();
    env.cluster().apply(&app.build()).await;
    wait_settled(&env, "owner-between", &first).await;

    proxy.close();
    let second = repo.write("app/new.json", config_map("new", &[]).to_string()).commit("second");
    proxy.wait_held("PATCH /apis/argoproj.io/v1alpha1").await;
    let edit = json!({"metadata": {"annotations": {"example.com/note": "mine"}}, "spec": {"info": [{"name": "by", "value": "jane"}]}});
    env.cluster().edit(&env.application("owner-between"), &edit).await;
    proxy.forget();
    proxy.open();
    let conflict = |request: &ApiRequest| request.method == Method::PATCH && request.status == 409;
    proxy.wait_for("a conflict", 1, |request| conflict(request) && request.is_about("applications")).await;
    let app = wait_settled(&env, "owner-between", &second).await;
    assert_eq!(app["metadata"]["annotations"]["example.com/note"], "mine");
    assert_eq!(app["spec"]["info"], edit["spec"]["info"]);
    assert_eq!(history(&app), [first.as_str(), &second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_of_an_application_is_guarded() {
    const ROUNDS: usize = 25;
    let env = Environment::new("owner-race").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let commit = repo.write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
    let recorder = ApiProxy::start(&env).await;
    let _daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).start().await;
    let app = app_of(&env, "owner-race", "app", &ns).resources_finalizer();
    env.cluster().apply(&app.build()).await;
    env.wait_app("owner-race", "compared", |app| app["status"]["sync"]["revision"] == commit).await;
    let versions = Versions::follow(env.cluster(), &env.application("owner-race")).await;
    for round in 1..=ROUNDS {
        operate(&env, "owner-race", json!({"revision": commit})).await;
        let note = json!({"metadata": {"annotations": {"example.com/round": round.to_string()}}, "spec": {"info": [{"name": "round", "value": round.to_string()}]}});
        env.cluster().edit(&env.application("owner-race"), &note).await;
        env.refresh("owner-race", "normal").await;
    }
    let last = wait_operated(&env, "owner-race", "Succeeded").await;
    assert_eq!(last["spec"]["info"][0]["value"], ROUNDS.to_string());
    let rounds: Vec<usize> = versions
        .until(&last)
        .await
        .iter()
        .filter_map(|app| app["metadata"]["annotations"]["example.com/round"].as_str()?.parse().ok())
        .collect();
    assert!(rounds.is_sorted(), "an edit was undone: {rounds:?}");
    env.cluster().delete(&env.application("owner-race")).await;
    env.cluster().wait_gone(&env.application("owner-race")).await;

    let writes: Vec<_> = recorder.writes().into_iter().filter(|request| request.is_about("applications")).collect();
    assert!(writes.iter().any(|write| write.body.get("operation").is_some()), "{}", listed(&writes));
    for write in &writes {
        assert_eq!(write.method, Method::PATCH, "{write}");
        assert!(write.body["metadata"]["resourceVersion"].is_string(), "{write}: {:#}", write.body);
        assert!(write.body.get("spec").is_none(), "{write}: {:#}", write.body);
    }
}
