//! Syncing: from a commit to live objects, prunes, failures and retries, operations on request, refreshes.

use integration_tests::{ApiProxy, ApiRequest, Environment, listed, object};
use serde_json::{Value, json};
use test_kit::{config_map, deployment};

use crate::reading::{
    app_of, conditions, has_sync, history, message, operate, phase, result, row, tracking_id, wait_explained,
    wait_operated, wait_settled,
};

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_application_becomes_live_objects() {
    let env = Environment::new("sync-new").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let commit = env
        .repo("app")
        .write("app/web.json", deployment("web", 2).to_string())
        .write("app/service.json", service("web").to_string())
        .write("app/settings.json", config_map("settings", &[("color", "blue")]).to_string())
        .commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().build()).await;

    env.wait_synced(shop, &commit).await;
    let app = wait_settled(&env, shop, &commit).await;
    let web = env.cluster().get(&object("apps/v1", "Deployment", &work, "web")).await;
    assert_eq!(web["status"]["availableReplicas"], 2);
    assert_eq!(tracking_id(&web), format!("{shop}:apps/Deployment:{work}/web"));

    let status = &app["status"];
    let rows: Vec<_> =
        status["resources"].as_array().unwrap().iter().map(|row| (&row["kind"], &row["status"])).collect();
    assert_eq!(json!(rows), json!([["ConfigMap", "Synced"], ["Service", "Synced"], ["Deployment", "Synced"]]));
    assert_eq!(status["sync"]["comparedTo"]["source"], app["spec"]["source"]);
    assert_eq!(status["sync"]["comparedTo"]["destination"], app["spec"]["destination"]);
    assert_eq!((&status["sourceType"], &status["controllerNamespace"]), (&json!("Directory"), &json!(env.namespace())));
    assert_eq!(status["summary"]["images"], json!(["registry.example/pause:1"]));
    assert_eq!(status["conditions"], Value::Null);

    let state = &status["operationState"];
    assert_eq!(message(&app), "successfully synced (all tasks run)");
    assert_eq!(state["operation"]["initiatedBy"], json!({"automated": true}));
    assert_eq!(
        (&state["syncResult"]["revision"], &state["operation"]["retry"]),
        (&json!(commit), &json!({"limit": 5}))
    );
    let done = result(&app, "Deployment", "web");
    assert_eq!(
        (&done["status"], &done["message"], &done["images"], &done["syncPhase"]),
        (
            &json!("Synced"),
            &json!("deployment.apps/web serverside-applied"),
            &json!(["registry.example/pause:1"]),
            &json!("Sync")
        )
    );
    let entry = &status["history"][0];
    assert_eq!(history(&app), [&commit]);
    assert_eq!((&entry["id"], &entry["source"]), (&json!(0), &app["spec"]["source"]));
    assert_eq!((&entry["deployStartedAt"], &entry["deployedAt"]), (&state["startedAt"], &state["finishedAt"]));

    // What is stored has nothing that the CRD does not know.
    std::fs::write(env.directory().join("app.json"), app.to_string()).unwrap();
    let arguments = ["replace", "--dry-run=server", "--validate=strict", "--filename", "app.json"];
    let valid = env.cluster().kubectl(env.directory(), &arguments);
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
}

/// Tells whether a request creates this Event about an Application.
fn is_event(request: &ApiRequest, app: &str, reason: &str) -> bool {
    request.body["reason"] == reason && request.body["involvedObject"]["name"] == app
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_follow_what_changes() {
    let env = Environment::new("sync-requests").await;
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    let names = ["first", "second", "third"].map(|name| env.app_name(name));
    for name in &names {
        repo.write(&format!("{name}/settings.json"), config_map(name, &[("color", "blue")]).to_string())
            .write(&format!("{name}/service.json"), service(name).to_string())
            .write(&format!("{name}/more.json"), config_map(&format!("{name}-more"), &[("a", "b")]).to_string());
    }
    let commit = repo.commit("first");
    let recorder = ApiProxy::start(&env).await;
    let daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).start().await;
    let [first, second, third] = &names;
    let apply = async |name: &str| env.cluster().apply(&app_of(&env, name, name, &work).automated().build()).await;
    apply(first).await;
    wait_settled(&env, first, &commit).await;

    recorder.forget();
    for name in [second, third] {
        apply(name).await;
        env.wait_synced(name, &commit).await;
        wait_settled(&env, name, &commit).await;
        recorder.wait_for("the Event of the end", 1, |request| is_event(request, name, "OperationCompleted")).await;
    }
    let is_new = |request: &ApiRequest| request.names(second) || request.names(third);
    let requests: Vec<_> = recorder.requests().into_iter().filter(is_new).collect();
    // One of the nine is the creation of the Application.
    assert!(requests.len() <= 2 * (9 - 1), "{} requests:\n{}", requests.len(), listed(&requests));
    let lists: Vec<_> = recorder.requests().into_iter().filter(|request| request.method == "GET").collect();
    assert!(lists.is_empty(), "all kinds are watched already:\n{}", listed(&lists));

    wait_explained(&daemon, env.namespace(), third, "Synced").await;
    recorder.forget();
    let live = async |name: &str| env.cluster().get(&object("v1", "ConfigMap", &work, name)).await;
    let others = async || (live(&format!("{second}-more")).await, live(third).await);
    let before = others().await;
    let red = config_map(second, &[("color", "red")]).to_string();
    let next = repo.write(&format!("{second}/settings.json"), red).commit("second");
    wait_settled(&env, second, &next).await;
    assert_eq!(live(second).await["data"]["color"], "red");
    let after = others().await;
    assert_eq!(before, after);
    let writes = recorder.writes();
    let path = format!("/api/v1/namespaces/{work}/configmaps/{second}");
    let changes: Vec<&str> = writes.iter().map(|write| &*write.path).filter(|path| path.contains(&work)).collect();
    assert_eq!(changes, [path], "{}", listed(&writes));
    let others: Vec<_> = writes.into_iter().filter(|write| write.names(third)).collect();
    assert!(others.is_empty(), "another application is written:\n{}", listed(&others));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_git_no_longer_has_is_pruned_where_that_is_allowed() {
    let env = Environment::new("sync-prune").await;
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    for app in ["pruning", "keeping", "emptied"] {
        let name = |part: &str| format!("{app}-{part}");
        let mut kept = config_map(&name("kept"), &[]);
        kept["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] = "Prune=false".into();
        repo.write(&format!("{app}/README.md"), "manifests\n")
            .write(&format!("{app}/one.json"), config_map(&name("one"), &[]).to_string())
            .write(&format!("{app}/two.json"), config_map(&name("two"), &[]).to_string());
        if app == "pruning" {
            repo.write("pruning/kept.json", kept.to_string());
        }
    }
    let first = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let build = |name: &str| app_of(&env, &env.app_name(name), name, &work).automated();
    for app in [build("pruning").prune(), build("keeping"), build("emptied").prune()] {
        env.cluster().apply(&app.build()).await;
    }
    for app in ["pruning", "keeping", "emptied"] {
        wait_settled(&env, &env.app_name(app), &first).await;
    }

    let live = |name: &str| object("v1", "ConfigMap", &work, name);
    let uid = async |name: &str| env.cluster().get(&live(name)).await["metadata"]["uid"].clone();
    let kept = uid("pruning-kept").await;
    repo.delete("pruning/two.json").delete("pruning/kept.json").delete("keeping/two.json");
    let second = repo.delete("emptied/one.json").delete("emptied/two.json").commit("second");
    let (pruner, keeper, emptier) = (env.app_name("pruning"), env.app_name("keeping"), env.app_name("emptied"));
    env.cluster().wait_gone(&live("pruning-two")).await;
    let pruning = wait_operated(&env, &pruner, "Succeeded").await;
    assert_eq!(result(&pruning, "ConfigMap", "pruning-two")["status"], "Pruned");
    assert_eq!(result(&pruning, "ConfigMap", "pruning-two")["message"], "pruned");
    assert_eq!(result(&pruning, "ConfigMap", "pruning-kept")["status"], "PruneSkipped");
    assert_eq!(result(&pruning, "ConfigMap", "pruning-kept")["message"], "ignored (no prune)");
    let pruning = env.wait_app(&pruner, "what is protected left over", |app| {
        has_sync(app, "OutOfSync") && app["status"]["resources"].as_array().is_some_and(|rows| rows.len() == 2)
    });
    assert_eq!(row(&pruning.await, "ConfigMap", "pruning-kept")["requiresPruning"], true);
    assert_eq!(uid("pruning-kept").await, kept);

    let keeping = env.wait_app(&keeper, "OutOfSync", |app| has_sync(app, "OutOfSync")).await;
    assert_eq!(row(&keeping, "ConfigMap", "keeping-two")["requiresPruning"], true);
    assert_eq!(row(&keeping, "ConfigMap", "keeping-one")["status"], "Synced");
    assert_eq!((history(&keeping), conditions(&keeping, "SyncError").len()), (vec![&*first], 0));

    let refused = format!("Skipping sync attempt to [{second}]: auto-sync will wipe out all resources");
    let emptied = env.wait_app(&emptier, "refused", |app| conditions(app, "SyncError") == [&refused]).await;
    assert_eq!(history(&emptied), [&first]);
    assert_ne!(uid("emptied-one").await, Value::Null);
    let allowed = json!({"spec": {"syncPolicy": {"automated": {"allowEmpty": true}}}});
    env.cluster().edit(&env.application(&emptier), &allowed).await;
    env.cluster().wait_gone(&live("emptied-one")).await;
    let emptied = wait_settled(&env, &emptier, &second).await;
    assert_eq!((&emptied["status"]["resources"], &emptied["status"]["conditions"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_destination_namespace_is_created() {
    let env = Environment::new("sync-namespace").await;
    let shop = &env.app_name("shop");
    let work = env.unused_namespace();
    let commit = env.repo("app").write("app/a.json", config_map("a", &[]).to_string()).commit("first");
    let _daemon = env.daemon().start().await;
    let app = app_of(&env, shop, "app", &work).automated().prune().sync_option("CreateNamespace=true");
    env.cluster().apply(&app.build()).await;

    let app = wait_settled(&env, shop, &commit).await;
    assert_eq!(result(&app, "Namespace", &work)["syncPhase"], "PreSync");
    assert_eq!(row(&app, "Namespace", &work), &Value::Null);
    let namespace = env.cluster().get(&object("v1", "Namespace", "", &work)).await;
    assert_eq!((tracking_id(&namespace), &namespace["status"]["phase"]), ("", &json!("Active")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_sync_is_tried_again_to_its_limit_and_ended_by_a_new_commit() {
    let env = Environment::new("sync-retry").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    let mut broken = service("broken");
    broken["spec"]["ports"][0]["port"] = 70_000.into();
    repo.write("app/a.json", config_map("a", &[]).to_string());
    let first = repo.write("app/broken.json", broken.to_string()).commit("first");
    let _daemon = env.daemon().start().await;
    let retry = json!({"limit": 1, "backoff": {"duration": "2s", "factor": 1}});
    env.cluster()
        .apply(&app_of(&env, shop, "app", &work).automated().set("/spec/syncPolicy/retry", retry).build())
        .await;

    let waiting = env.wait_app(shop, "waiting for its retry", |app| {
        phase(app) == "Running" && !app["status"]["operationState"]["finishedAt"].is_null()
    });
    let waiting = waiting.await;
    assert_eq!(waiting["status"]["operationState"]["retryCount"], 1);
    assert!(message(&waiting).contains(". Retrying attempt #1 at "), "{}", message(&waiting));
    let failed = result(&waiting, "Service", "broken");
    assert_eq!(failed["status"], "SyncFailed");
    let why = failed["message"].as_str().unwrap();
    assert!(why.contains("70000") && why.contains("spec.ports[0].port"), "{why}");
    assert_eq!(result(&waiting, "ConfigMap", "a")["status"], "Synced");

    let ended = wait_operated(&env, shop, "Failed").await;
    assert!(message(&ended).starts_with("one or more objects failed to apply"), "{}", message(&ended));
    assert!(
        message(&ended).contains("70000") && message(&ended).ends_with(" (retried 1 times)."),
        "{}",
        message(&ended)
    );
    assert_eq!(ended["status"]["operationState"]["startedAt"], waiting["status"]["operationState"]["startedAt"]);
    let told = format!("Failed last sync attempt to [{first}]: {}", message(&ended));
    env.wait_app(shop, "told that it has failed", |app| conditions(app, "SyncError") == [&told]).await;

    let second = repo.write("app/broken.json", service("broken").to_string()).commit("second");
    let app = wait_settled(&env, shop, &second).await;
    assert_eq!((history(&app), conditions(&app, "SyncError").len()), (vec![&*second], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_on_request() {
    let env = Environment::new("sync-manual").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    let cm = |name: &str, value: &str| config_map(name, &[("value", value)]).to_string();
    let first = repo.write("app/a.json", cm("a", "old")).commit("first");
    let second = repo.write("app/a.json", cm("a", "new")).write("app/b.json", cm("b", "new")).commit("second");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).build()).await;
    let app = env.wait_app(shop, "OutOfSync", |app| has_sync(app, "OutOfSync")).await;
    assert_eq!(app["status"]["health"]["status"], "Missing");
    let live = async |name: &str| env.cluster().get(&object("v1", "ConfigMap", &work, name)).await;

    operate(&env, shop, json!({"dryRun": true})).await;
    let app = wait_operated(&env, shop, "Succeeded").await;
    assert_eq!(result(&app, "ConfigMap", "a")["message"], "configmap/a serverside-applied (dry run)");
    assert_eq!((live("a").await, live("b").await, history(&app).len()), (Value::Null, Value::Null, 0));
    assert!(has_sync(&app, "OutOfSync"));

    operate(&env, shop, json!({"revision": first})).await;
    let app = wait_operated(&env, shop, "Succeeded").await;
    assert_eq!(app["status"]["operationState"]["syncResult"]["revision"], first);
    assert_eq!(app["status"]["operationState"]["operation"]["initiatedBy"], json!({"username": "jane"}));
    assert_eq!((&live("a").await["data"]["value"], &live("b").await), (&json!("old"), &Value::Null));
    assert_eq!(history(&app), [&first]);
    let app = env.wait_app(shop, "OutOfSync against HEAD", |app| {
        has_sync(app, "OutOfSync") && app["status"]["sync"]["revision"] == second
    });
    assert_eq!(app.await["status"]["history"][0]["initiatedBy"], json!({"username": "jane"}));

    operate(&env, shop, json!({"resources": [{"kind": "ConfigMap", "name": "b"}]})).await;
    let app = wait_operated(&env, shop, "Succeeded").await;
    assert_eq!(result(&app, "ConfigMap", "a"), &Value::Null);
    assert_eq!((&live("a").await["data"]["value"], &live("b").await["data"]["value"]), (&json!("old"), &json!("new")));
    assert_eq!(history(&app), [&first], "a partial sync is no deployment");

    operate(&env, shop, json!({})).await;
    let app = wait_settled(&env, shop, &second).await;
    assert_eq!((&live("a").await["data"]["value"], history(&app)), (&json!("new"), vec![&*first, &*second]));

    let third = repo.delete("app/b.json").commit("third");
    let app = env.wait_app(shop, "about to prune", |app| row(app, "ConfigMap", "b")["requiresPruning"] == true).await;
    assert_eq!(app["status"]["sync"]["revision"], third);
    operate(&env, shop, json!({})).await;
    let app = wait_operated(&env, shop, "Succeeded").await;
    assert_eq!(result(&app, "ConfigMap", "b")["message"], "ignored (requires pruning)");
    assert_eq!(live("b").await["data"]["value"], "new");
    operate(&env, shop, json!({"prune": true})).await;
    env.cluster().wait_gone(&object("v1", "ConfigMap", &work, "b")).await;
    wait_settled(&env, shop, &third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_looks_at_git_at_once_and_a_skipped_application_is_left_alone() {
    let env = Environment::new("sync-refresh").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    let write = |value: &str| {
        for app in ["shop", "skipped"] {
            repo.write(&format!("{app}/cm.json"), config_map(app, &[("value", value)]).to_string());
        }
        repo.commit(value)
    };
    let first = write("one");
    let _daemon = env.daemon().flag("--reconciliation-timeout", "0").start().await;
    let left = &env.app_name("skipped");
    for (app, path) in [(shop, "shop"), (left, "skipped")] {
        env.cluster().apply(&app_of(&env, app, path, &work).automated().build()).await;
        wait_settled(&env, app, &first).await;
    }
    let skip = |value: Value| json!({"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": value}}});
    let skipped = env.application(left);
    let before = env.cluster().edit(&skipped, &skip("true".into())).await;
    let is_answered = |app: &Value| app["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null();

    for (kind, value) in [("normal", "two"), ("hard", "three")] {
        let commit = write(value);
        env.refresh(shop, kind).await;
        let app = wait_settled(&env, shop, &commit).await;
        assert!(is_answered(&app), "{app:#}");
    }
    let live = |name: &str| object("v1", "ConfigMap", &work, name);
    assert_eq!(env.cluster().get(&live("shop")).await["data"]["value"], "three");

    // A hard refresh renders anew also what has not changed, and asks the repository.
    let asked = env.git().traffic("app").requests;
    env.refresh(shop, "hard").await;
    env.wait_app(shop, "an answered refresh", is_answered).await;
    assert_ne!(env.git().traffic("app").requests, asked);

    assert_eq!(env.cluster().get(&skipped).await, before, "a skipped application is not written");
    assert_eq!(env.cluster().get(&live("skipped")).await["data"]["value"], "one");
    env.cluster().edit(&skipped, &skip(Value::Null)).await;
    wait_settled(&env, left, &repo.head()).await;
    assert_eq!(env.cluster().get(&live("skipped")).await["data"]["value"], "three");
}
