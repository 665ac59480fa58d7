//! Applications that come from Git as objects of other Applications.

use integration_tests::{Environment, ObjectRef, object};
use serde_json::{Value, json};
use test_kit::{AppBuilder, FixtureRepo, config_map, deployment};

use crate::reading::{app_of, has_sync, history, is_settled, wait_settled};
use crate::versions::Versions;
use crate::yaml;

/// Starts an Application as people write them for an app-of-apps.
fn member(env: &Environment, name: &str, path: &str, namespace: &str) -> AppBuilder {
    app_of(env, name, path, namespace).automated().prune().self_heal().resources_finalizer()
}

fn write_app(repo: &FixtureRepo, directory: &str, app: AppBuilder) {
    let app = app.build();
    repo.write(&format!("{directory}/{}.json", app["metadata"]["name"].as_str().unwrap()), app.to_string());
}

fn write_map(repo: &FixtureRepo, directory: &str, name: &str) {
    repo.write(&format!("{directory}/cm.json"), config_map(name, &[]).to_string());
}

fn has_health(app: &Value, status: &str) -> bool {
    app["status"]["health"]["status"] == status
}

#[tokio::test(flavor = "multi_thread")]
async fn children_come_change_and_go_with_the_directory_of_the_root() {
    let env = Environment::new("aoa-life").await;
    let ns = env.workload_namespace().await;
    let map = |name: &str| object("v1", "ConfigMap", &ns, name);
    let repo = env.repo("app");
    write_app(&repo, "apps", member(&env, "aoa-life-one", "one", &ns));
    write_app(&repo, "apps", member(&env, "aoa-life-two", "two", &ns));
    for name in ["one", "two", "three"] {
        write_map(&repo, name, name);
    }
    let commit = repo.commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&member(&env, "aoa-life", "apps", env.namespace()).build()).await;
    let root = wait_settled(&env, "aoa-life", &commit).await;
    assert_eq!(root["status"]["summary"]["isAppOfApps"], true);
    for name in ["one", "two"] {
        env.wait_synced(&format!("aoa-life-{name}"), &commit).await;
        assert!(env.cluster().get(&map(name)).await.is_object());
    }

    write_app(&repo, "apps", member(&env, "aoa-life-one", "three", &ns));
    repo.delete("apps/aoa-life-two.json");
    let commit = repo.commit("second");
    env.wait_synced("aoa-life-one", &commit).await;
    assert!(env.cluster().get(&map("three")).await.is_object());
    assert_eq!(env.cluster().get(&map("one")).await, Value::Null);
    env.cluster().wait_gone(&env.application("aoa-life-two")).await;
    assert_eq!(env.cluster().get(&map("two")).await, Value::Null);
    wait_settled(&env, "aoa-life", &commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_root_leaves_nothing() {
    let env = Environment::new("aoa-gone").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    write_app(&repo, "apps", member(&env, "aoa-gone-child", "child", env.namespace()));
    write_app(&repo, "apps", member(&env, "aoa-gone-leaf", "leaf", &ns));
    write_app(&repo, "child", member(&env, "aoa-gone-grandchild", "grandchild", &ns));
    write_map(&repo, "leaf", "leaf");
    write_map(&repo, "grandchild", "grandchild");
    repo.write("grandchild/web.json", deployment("web", 1).to_string());
    let commit = repo.commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&member(&env, "aoa-gone", "apps", env.namespace()).build()).await;
    for name in ["aoa-gone", "aoa-gone-child", "aoa-gone-leaf", "aoa-gone-grandchild"] {
        env.wait_synced(name, &commit).await;
    }
    env.cluster().delete(&env.application("aoa-gone")).await;
    env.cluster().wait_gone(&env.application("aoa-gone")).await;
    let of_app = |name: &str| env.application(name);
    let map = |name: &str| object("v1", "ConfigMap", &ns, name);
    let all: [ObjectRef; 6] = [
        of_app("aoa-gone-child"),
        of_app("aoa-gone-leaf"),
        of_app("aoa-gone-grandchild"),
        map("leaf"),
        map("grandchild"),
        object("apps/v1", "Deployment", &ns, "web"),
    ];
    for left in all {
        assert_eq!(env.cluster().get(&left).await, Value::Null, "{left} is left");
    }
}

/// Gives what a field manager has set by apply, as the paths of `managedFields`.
fn applied_by<'a>(app: &'a Value, manager: &str) -> Vec<&'a Value> {
    let all = app["metadata"]["managedFields"].as_array().into_iter().flatten();
    all.filter(|entry| entry["manager"] == manager).map(|entry| &entry["fieldsV1"]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_syncs_of_a_parent_touch_no_status_of_a_child() {
    const ROUNDS: usize = 50;
    let env = Environment::new("aoa-fifty").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    // The children's own objects are in another repository, so that their operations have a rhythm of their own.
    let objects = env.repo("objects");
    let children = ["aoa-fifty-one", "aoa-fifty-two"];
    let write_round = |round: usize| {
        for child in children {
            let app = member(&env, child, child, &ns).set("/spec/source/repoURL", objects.file_url());
            let info = json!([{"name": "round", "value": round.to_string()}]);
            write_app(&repo, "apps", app.set("/spec/info", info).annotation("example.com/round", &round.to_string()));
            let map = config_map(child, &[("round", &round.to_string())]);
            objects.write(&format!("{child}/cm.json"), map.to_string());
        }
        (repo.commit("round"), objects.commit("round"))
    };
    let (first, first_of_objects) = write_round(0);
    let _daemon = env.daemon().flag("--reconciliation-timeout", "1h").start().await;
    let root = member(&env, "aoa-fifty", "apps", env.namespace()).set("/spec/source/repoURL", repo.file_url());
    env.cluster().apply(&root.build()).await;
    wait_settled(&env, "aoa-fifty", &first).await;
    let mut versions = Vec::new();
    for child in children {
        wait_settled(&env, child, &first_of_objects).await;
        // A field that nobody computes: it is lost when somebody replaces the status.
        env.cluster().edit(&env.application(child), &json!({"status": {"observedAt": "2020-01-01T00:00:00Z"}})).await;
        versions.push(Versions::follow(env.cluster(), &env.application(child)).await);
    }

    let mut last = (first, first_of_objects);
    for round in 1..=ROUNDS {
        last = write_round(round);
        wait_settled(&env, "aoa-fifty", &last.0).await;
    }
    for (child, versions) in children.iter().zip(&versions) {
        let all = versions.until(&wait_settled(&env, child, &last.1).await).await;
        let rounds = all.iter().map(|app| app["spec"]["info"][0]["value"].to_string());
        assert_eq!(
            rounds.collect::<std::collections::HashSet<_>>().len(),
            ROUNDS + 1,
            "the parent was synced in each round"
        );
        check_status_goes_on(&all);
    }
}

/// Checks that each version of an Application has the status of the one before, and what the Application's own operations added.
fn check_status_goes_on(versions: &[Value]) {
    let mut before = 0;
    for app in versions {
        assert_eq!(app["status"]["observedAt"], "2020-01-01T00:00:00Z", "{app:#}");
        let last = app["status"]["history"].as_array().and_then(|all| all.last());
        let id = last.map_or(0, |entry| entry["id"].as_u64().unwrap());
        assert!(id >= before && app["status"]["operationState"].is_object(), "the status goes back: {app:#}");
        before = id;
        for fields in applied_by(app, "argocd-controller") {
            assert!(fields["f:status"].is_null() && fields["f:operation"].is_null(), "{fields:#}");
        }
    }
    assert!(before > 0 && history(versions.last().unwrap()).len() > 1, "operations ran meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_of_a_child_counts_with_the_override_of_new_installs() {
    let env = Environment::new("aoa-health").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let web = |phase: &str| {
        let mut web = deployment("web", 1);
        web["spec"]["template"]["metadata"]["annotations"] = json!({"devcluster/pod": phase});
        web.to_string()
    };
    write_app(&repo, "apps", member(&env, "aoa-health-child", "child", &ns));
    let commit = repo.write("child/web.json", web("pending")).commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&member(&env, "aoa-health", "apps", env.namespace()).build()).await;
    env.wait_app("aoa-health-child", "Progressing", |app| is_settled(app) && has_health(app, "Progressing")).await;
    env.wait_synced("aoa-health", &commit).await;

    let mut settings = yaml::of_file("config/install/argocd-cm.yaml").remove(0);
    settings["metadata"]["namespace"] = env.namespace().into();
    env.cluster().apply(&settings).await;
    env.wait_app("aoa-health", "Progressing", |app| has_sync(app, "Synced") && has_health(app, "Progressing")).await;
    let commit = repo.write("child/web.json", web("running")).commit("second");
    env.wait_synced("aoa-health-child", &commit).await;
    env.wait_app("aoa-health", "Healthy", |app| has_health(app, "Healthy")).await;
}
