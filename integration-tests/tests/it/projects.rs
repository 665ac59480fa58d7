//! Projects: what one does not permit is told in Argo CD's words and not done, until it permits it.

use integration_tests::{Environment, object};
use serde_json::{Value, json};
use test_kit::config_map;

use crate::reading::{app_of, conditions, is_settled, wait_settled};

const IN_CLUSTER: &str = "https://kubernetes.default.svc";

fn project(env: &Environment, name: &str, spec: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": env.namespace()});
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": metadata, "spec": spec})
}

/// Gives all messages of conditions that are errors.
fn errors(app: &Value) -> Vec<&str> {
    ["InvalidSpecError", "ComparisonError", "SyncError", "UnknownError"]
        .iter()
        .flat_map(|kind| conditions(app, kind))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_project_is_created_and_permits_everything() {
    let env = Environment::new("project-default").await;
    let work = env.workload_namespace().await;
    let commit = env.repo("app").write("app/a.json", config_map("a", &[]).to_string()).commit("first");
    let daemon = env.daemon().start().await;
    let default = object("argoproj.io/v1alpha1", "AppProject", env.namespace(), "default");
    let made = env.cluster().wait_for(&default, "made", |project| !project.is_null()).await;
    let any = json!({"group": "*", "kind": "*"});
    assert_eq!(
        made["spec"],
        json!({
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [any],
        })
    );
    // An empty name means it, too.
    env.cluster().apply(&app_of(&env, "shop", "app", &work).project("").automated().build()).await;
    wait_settled(&env, "shop", &commit).await;
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_project_does_not_permit_waits_until_it_does() {
    let env = Environment::new("project-strict").await;
    let (work, elsewhere) = (env.workload_namespace().await, env.workload_namespace().await);
    let url = env.git_url("app");
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "denied"}, "stringData": {"a": "b"}});
    let role_name = format!("{}-reader", env.namespace());
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": role_name},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}],
    });
    let mut foreign = config_map("foreign", &[]);
    foreign["metadata"]["namespace"] = elsewhere.clone().into();
    let commit = env
        .repo("app")
        .write("plain/a.json", config_map("plain", &[]).to_string())
        .write("kind/denied.json", secret.to_string())
        .write("kind/a.json", config_map("beside-kind", &[]).to_string())
        .write("cluster/role.json", role.to_string())
        .write("cluster/a.json", config_map("beside-cluster", &[]).to_string())
        .write("namespace/foreign.json", foreign.to_string())
        .write("namespace/a.json", config_map("beside-namespace", &[]).to_string())
        .commit("first");
    let _daemon = env.daemon().start().await;
    let here = json!({"server": IN_CLUSTER, "namespace": work});
    let denied = json!([{"group": "", "kind": "Secret"}]);
    let no_source = json!({"sourceRepos": ["https://git.example/**"], "destinations": [here]});
    let no_destination =
        json!({"sourceRepos": [url], "destinations": [{"server": IN_CLUSTER, "namespace": "other-*"}]});
    let strict = json!({"sourceRepos": [url], "destinations": [here], "namespaceResourceBlacklist": denied});
    for (name, spec) in [("no-source", &no_source), ("no-destination", &no_destination), ("strict", &strict)] {
        env.cluster().apply(&project(&env, name, spec)).await;
    }
    let server = IN_CLUSTER;
    let cases = [
        ("source", "plain", "no-source", format!("application repo {url} is not permitted in project 'no-source'")),
        (
            "destination",
            "plain",
            "no-destination",
            format!(
                "application destination server '{server}' and namespace '{work}' do not match any of the allowed destinations in \
                 project 'no-destination'"
            ),
        ),
        ("kind", "kind", "strict", "resource :Secret is not permitted in project strict".to_owned()),
        (
            "cluster",
            "cluster",
            "strict",
            "resource rbac.authorization.k8s.io:ClusterRole is not permitted in project strict".to_owned(),
        ),
        ("namespace", "namespace", "strict", format!("namespace {elsewhere} is not permitted in project 'strict'")),
        ("none", "plain", "gone", "Application referencing project gone which does not exist".to_owned()),
    ];
    for (name, path, project, _) in &cases {
        env.cluster().apply(&app_of(&env, name, path, &work).project(project).automated().build()).await;
    }
    for (name, _, project, expected) in &cases {
        let app = env.wait_app(name, expected, |app| errors(app).iter().any(|error| error.contains(expected))).await;
        if *project != "strict" {
            assert_eq!(errors(&app), [expected]);
            assert_eq!(conditions(&app, "InvalidSpecError"), [expected]);
            let status = &app["status"];
            assert_eq!(
                (&status["sync"]["status"], &status["health"]["status"]),
                (&json!("Unknown"), &json!("Unknown"))
            );
        }
    }
    let mut kept_back = vec![
        object("v1", "Secret", &work, "denied"),
        object("rbac.authorization.k8s.io/v1", "ClusterRole", "", &role_name),
        object("v1", "ConfigMap", &elsewhere, "foreign"),
    ];
    let beside = ["plain", "beside-kind", "beside-cluster", "beside-namespace"];
    kept_back.extend(beside.map(|name| object("v1", "ConfigMap", &work, name)));
    for object in &kept_back {
        assert_eq!(env.cluster().get(object).await, Value::Null, "{object}");
    }

    let all = json!({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}], "namespaceResourceBlacklist": []});
    for name in ["no-source", "strict"] {
        env.cluster().apply(&project(&env, name, &all)).await;
    }
    for name in ["source", "kind", "cluster", "namespace"] {
        let app = env.wait_app(name, "synced once it is permitted", is_settled).await;
        assert_eq!((errors(&app).len(), &app["status"]["sync"]["revision"]), (0, &json!(commit)));
    }
    for object in &kept_back {
        assert_ne!(env.cluster().get(object).await, Value::Null, "{object}");
    }
    env.cluster().delete(&object("rbac.authorization.k8s.io/v1", "ClusterRole", "", &role_name)).await;
}
