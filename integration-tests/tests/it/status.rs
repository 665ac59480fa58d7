//! What is written to an Application's status and as Events, and when nothing is written.

use futures::StreamExt as _;
use integration_tests::devcluster::poll;
use integration_tests::{ApiProxy, DEADLINE, Environment, ObjectRef, listed, object};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};
use test_kit::{config_map, deployment};

use crate::reading::{app_of, conditions, is_settled, wait_settled};
use crate::web;

/// Replaces each time by the word `TIME`.
fn without_times(value: &Value) -> Value {
    match value {
        Value::String(text) if is_time(text) => "TIME".into(),
        Value::Array(items) => items.iter().map(without_times).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), without_times(value))).collect(),
        other => other.clone(),
    }
}

/// Tells whether a text is a time as Kubernetes writes it, to the second.
fn is_time(text: &str) -> bool {
    let digits = text.replace(|c: char| c.is_ascii_digit(), "0");
    digits == "0000-00-00T00:00:00Z"
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_as_argo_cd_writes_it() {
    let env = Environment::new("status-shape").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let mut web = deployment("web", 1);
    web["metadata"]["annotations"] = json!({"argocd.argoproj.io/sync-wave": "1"});
    let containers = [("b", "registry.example/b:1"), ("a", "registry.example/a:1"), ("c", "registry.example/b:1")];
    let containers = containers.map(|(name, image)| json!({"name": name, "image": image}));
    web["spec"]["template"]["spec"]["containers"] = json!(containers);
    let commit = repo
        .write("app/cm.json", config_map("settings", &[]).to_string())
        .write("app/web.json", web.to_string())
        .commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, "status-shape", "app", &ns).prune().build()).await;
    let app = wait_healthy(&env, "status-shape", &commit).await;
    let source = json!({"repoURL": env.git_url("app"), "path": "app", "targetRevision": "HEAD"});
    let images = json!(["registry.example/a:1", "registry.example/b:1"]);
    let expected = json!({
        "controllerNamespace": env.namespace(),
        "health": {"status": "Healthy", "lastTransitionTime": "TIME"},
        "history": [{
            "deployStartedAt": "TIME",
            "deployedAt": "TIME",
            "id": 0,
            "initiatedBy": {"automated": true},
            "revision": commit,
            "source": source,
        }],
        "operationState": operation_state(&ns, &commit, &source, &images),
        "reconciledAt": "TIME",
        "resourceHealthSource": "appTree",
        "resources": [
            {"kind": "ConfigMap", "name": "settings", "namespace": ns, "status": "Synced", "version": "v1"},
            {"group": "apps", "kind": "Deployment", "name": "web", "namespace": ns, "status": "Synced", "syncWave": 1, "version": "v1"},
        ],
        "sourceHydrator": {},
        "sourceType": "Directory",
        "summary": {"images": images},
        "sync": {
            "comparedTo": {
                "destination": {"namespace": ns, "server": "https://kubernetes.default.svc"},
                "source": source,
            },
            "revision": commit,
            "status": "Synced",
        },
    });
    let status = without_times(&app["status"]);
    assert_eq!(status, expected, "{status:#}");
}

/// What is left of the operation that created the two objects.
fn operation_state(namespace: &str, commit: &str, source: &Value, images: &Value) -> Value {
    let result = |group: &str, kind: &str, name: &str, hook_phase: &str, message: &str| {
        json!({
            "group": group, "version": "v1", "kind": kind, "namespace": namespace, "name": name,
            "hookPhase": hook_phase, "message": message, "status": "Synced", "syncPhase": "Sync",
        })
    };
    // The health of the last wave is not waited for.
    let map = result("", "ConfigMap", "settings", "Succeeded", "configmap/settings serverside-applied");
    let mut web = result("apps", "Deployment", "web", "Running", "deployment.apps/web serverside-applied");
    web["images"] = images.clone();
    json!({
        "finishedAt": "TIME",
        "message": "successfully synced (all tasks run)",
        "operation": {
            "initiatedBy": {"automated": true},
            "retry": {"limit": 5},
            "sync": {"prune": true, "revision": commit, "source": source},
        },
        "phase": "Succeeded",
        "startedAt": "TIME",
        "syncResult": {"resources": [map, web], "revision": commit, "source": source},
    })
}

/// Waits until nothing is left to be written about an Application and gives it.
async fn wait_healthy(env: &Environment, name: &str, revision: &str) -> Value {
    env.wait_app(name, &format!("settled at {revision} and Healthy"), |app| {
        is_settled(app)
            && app["status"]["sync"]["revision"] == revision
            && app["status"]["health"]["status"] == "Healthy"
    })
    .await
}

/// Waits until there are Events of an Application for all of these reasons and messages, and gives the Application's Events.
async fn wait_events(env: &Environment, app: &str, wanted: &[(&str, String)]) -> Vec<Value> {
    let events = object("v1", "Event", env.namespace(), "").api(env.cluster().client());
    let of_app = watcher::Config::default().fields(&format!("involvedObject.name={app}"));
    let mut states = watcher(events, of_app).default_backoff().applied_objects().boxed();
    let mut seen: Vec<Value> = Vec::new();
    let has = |seen: &[Value], (reason, message): &(&str, String)| {
        seen.iter().any(|event| event["reason"] == *reason && event["message"] == *message)
    };
    let all = tokio::time::timeout(DEADLINE, async {
        while !wanted.iter().all(|event| has(&seen, event)) {
            if let Some(Ok(event)) = states.next().await {
                seen.push(json!(event));
            }
        }
    });
    if all.await.is_err() {
        let seen: Vec<_> = seen.iter().map(|event| (&event["reason"], &event["message"])).collect();
        panic!("waited {} s for {wanted:#?}\nseen: {seen:#?}", DEADLINE.as_secs());
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_of_operations_and_of_changes_of_status() {
    let env = Environment::new("status-events").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let first = repo.write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
    let _daemon = env.daemon().variable("DRIFTLESS_REPO_ERROR_GRACE_PERIOD", "0").start().await;
    env.cluster().apply(&app_of(&env, "status-events", "app", &ns).automated().build()).await;
    wait_settled(&env, "status-events", &first).await;
    let second = repo.write("app/cm.json", config_map("settings", &[("a", "b")]).to_string()).commit("second");
    let app = wait_settled(&env, "status-events", &second).await;
    // What changes with the start or the end of an operation is told in its Event.
    let mut wanted = Vec::new();
    let missing = "; Updated health status: Missing -> Healthy";
    for (revision, becomes, health) in
        [(&first, "", missing), (&second, "; Updated sync status: Synced -> OutOfSync", "")]
    {
        wanted.push(("OperationStarted", format!("Initiated automated sync to '{revision}'{becomes}")));
        let ended = format!("Sync operation to {revision} succeeded; Updated sync status: OutOfSync -> Synced{health}");
        wanted.push(("OperationCompleted", ended));
    }
    let broken = repo.write("app/cm.json", "{").commit("broken");
    env.wait_app("status-events", "an error", |app| !conditions(app, "ComparisonError").is_empty()).await;
    wanted.push(("StatusRefreshed", "Updated sync status: Synced -> Unknown".to_owned()));
    let events = wait_events(&env, "status-events", &wanted).await;
    for event in &events {
        let (prefix, suffix) = event["metadata"]["name"].as_str().unwrap().rsplit_once('.').unwrap();
        assert!(prefix == "status-events" && suffix.chars().all(|c| c.is_ascii_hexdigit()), "{event:#}");
        assert_eq!(event["involvedObject"]["uid"], app["metadata"]["uid"]);
        assert_eq!(event["involvedObject"]["kind"], "Application");
        assert_eq!(event["source"]["component"], "argocd-application-controller");
        assert_eq!(event["type"], "Normal", "{event:#}");
        let annotations = json!({"dest-server": "https://kubernetes.default.svc", "dest-namespace": ns});
        assert_eq!(event["metadata"]["annotations"], annotations);
        assert!(!event["message"].as_str().unwrap().contains(&broken), "nothing is synced to what cannot be read");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_sorted_and_keep_their_time() {
    let env = Environment::new("status-conds").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let commit = repo
        .write("other/shared.json", config_map("shared", &[]).to_string())
        .write("app/shared.json", config_map("shared", &[]).to_string())
        .write("app/1.json", config_map("b-twice", &[]).to_string())
        .write("app/2.json", config_map("b-twice", &[]).to_string())
        .write("app/3.json", config_map("a-twice", &[]).to_string())
        .write("app/4.json", config_map("a-twice", &[]).to_string())
        .commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, "status-conds-other", "other", &ns).automated().build()).await;
    wait_settled(&env, "status-conds-other", &commit).await;
    env.cluster().apply(&app_of(&env, "status-conds", "app", &ns).build()).await;
    let kinds = |app: &Value| -> Vec<String> {
        let all = app["status"]["conditions"].as_array().into_iter().flatten();
        all.map(|condition| condition["type"].as_str().unwrap().to_owned()).collect()
    };
    let expected = ["RepeatedResourceWarning", "RepeatedResourceWarning", "SharedResourceWarning"];
    let app = env.wait_app("status-conds", "three conditions", |app| kinds(app) == expected).await;
    let messages = conditions(&app, "RepeatedResourceWarning");
    assert!(messages[0].contains("a-twice") && messages[1].contains("b-twice"), "{messages:#?}");
    let at = app["status"]["reconciledAt"].clone();
    // A refresh writes the time of the comparison; a later second is another time.
    let mut later = app.clone();
    while later["status"]["reconciledAt"] == at {
        env.refresh("status-conds", "hard").await;
        let answered = |app: &Value| app["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null();
        later = env.wait_app("status-conds", "refreshed", answered).await;
    }
    assert_eq!(later["status"]["conditions"], app["status"]["conditions"]);

    for file in ["app/2.json", "app/4.json", "app/shared.json"] {
        repo.delete(file);
    }
    repo.commit("second");
    env.wait_app("status-conds", "no conditions", |app| kinds(app).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_while_nothing_changes() {
    let env = Environment::new("status-idle").await;
    let ns = env.workload_namespace().await;
    let recorder = ApiProxy::start(&env).await;
    let repo = env.repo("app");
    let first = repo
        .write("app/cm.json", config_map("settings", &[]).to_string())
        .write("app/web.json", deployment("web", 1).to_string())
        .commit("first");
    let daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).flag("--reconciliation-timeout", "500ms");
    let daemon = daemon.start().await;
    env.cluster().apply(&app_of(&env, "status-idle", "app", &ns).prune().self_heal().build()).await;
    wait_healthy(&env, "status-idle", &first).await;
    let polls = async |count: u64| {
        env.git().reset_traffic();
        env.git().traffic_until("app", |traffic| traffic.ls_refs >= count).await
    };
    // Each Event is logged after the write it tells of, and written in the background.
    poll("the last Event to be logged", || daemon.log().contains("-> Healthy"));
    let logged = daemon.log().matches(" reason=\"").count();
    recorder.wait_for("Events", logged, |request| request.is_about("events")).await;
    recorder.forget();
    let before = env.cluster().get(&env.application("status-idle")).await;
    assert_eq!(polls(4).await.packs, 0, "nothing is downloaded again");
    // A commit that touches nothing of the application's is verified, and nothing is written.
    let second = repo.write("elsewhere/file", "x").commit("second");
    let url = format!("{}/api/v1/applications/status-idle", daemon.url());
    web::wait_answer(&url, "the second commit is verified", |answer| answer.body.contains(&second)).await;
    polls(2).await;
    let requests = recorder.requests_of_objects();
    assert!(requests.is_empty(), "{}", listed(&requests));
    assert_eq!(env.cluster().get(&env.application("status-idle")).await, before);
    // Who asks gets it written.
    env.refresh("status-idle", "normal").await;
    env.wait_app("status-idle", "the second commit", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null()
            && app["status"]["sync"]["revision"] == second
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_project_is_made_and_left_as_it_is() {
    let env = Environment::new("status-project").await;
    let mut daemon = env.daemon().start().await;
    let project: ObjectRef = object("argoproj.io/v1alpha1", "AppProject", env.namespace(), "default");
    let made = env.cluster().wait_for(&project, "made", |project| !project.is_null()).await;
    let all = json!({
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        "destinations": [{"namespace": "*", "server": "*"}],
        "sourceRepos": ["*"],
    });
    assert_eq!(made["spec"], all);
    let narrowed = env.cluster().edit(&project, &json!({"spec": {"sourceRepos": ["https://git.example.com/*"]}})).await;
    daemon.kill().await;
    daemon.start().await;
    web::wait_leader(&daemon, true).await;
    web::wait_ready(&daemon).await;
    let app = env.cluster().get(&project).await;
    assert_eq!(app["metadata"]["resourceVersion"], narrowed["metadata"]["resourceVersion"]);
}
