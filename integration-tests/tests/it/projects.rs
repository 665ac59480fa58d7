//! Projects: what one does not permit is told in Argo CD's words and not done, until it permits it.

use integration_tests::{Environment, ObjectRef, object};
use serde_json::{Value, json};
use test_kit::config_map;

use crate::reading::{app_of, conditions, has_sync, message, result, row, wait_settled};

pub(crate) const IN_CLUSTER: &str = "https://kubernetes.default.svc";

/// Gives a project.
pub(crate) fn project(env: &Environment, name: &str, spec: &Value) -> Value {
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
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let commit = env.repo("app").write("app/a.json", config_map("a", &[]).to_string()).commit("first");
    let _daemon = env.daemon().start().await;
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
    env.cluster().apply(&app_of(&env, shop, "app", &work).project("").automated().build()).await;
    wait_settled(&env, shop, &commit).await;
}

/// Gives a project that permits everything.
pub(crate) fn permissive(env: &Environment, name: &str) -> Value {
    let any = json!([{"group": "*", "kind": "*"}]);
    let destinations = json!([{"server": "*", "namespace": "*"}]);
    let spec = json!({"sourceRepos": ["*"], "destinations": destinations, "clusterResourceWhitelist": any,
        "namespaceResourceBlacklist": []});
    project(env, name, &spec)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_its_project_does_not_permit_is_told_and_waits() {
    let env = Environment::new("project-spec").await;
    let work = env.workload_namespace().await;
    let url = env.git_url("app");
    let repo = env.repo("app");
    for name in ["source", "destination", "none"] {
        repo.write(&format!("{name}/a.json"), config_map(name, &[]).to_string());
    }
    let commit = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let here = json!({"server": IN_CLUSTER, "namespace": work});
    let source = json!({"sourceRepos": ["https://git.example/**"], "destinations": [here]});
    let destination = json!({"sourceRepos": [url], "destinations": [{"server": IN_CLUSTER, "namespace": "other-*"}]});
    env.cluster().apply(&project(&env, "source", &source)).await;
    env.cluster().apply(&project(&env, "destination", &destination)).await;
    let cases = [
        ("source", format!("application repo {url} is not permitted in project 'source'")),
        (
            "destination",
            format!(
                "application destination server '{IN_CLUSTER}' and namespace '{work}' do not match any of the allowed destinations \
                 in project 'destination'"
            ),
        ),
        ("none", "Application referencing project none which does not exist".to_owned()),
    ];
    for (name, _) in &cases {
        let app = app_of(&env, &env.app_name(name), name, &work).project(name).automated();
        env.cluster().apply(&app.build()).await;
    }
    let live = async |name: &str| env.cluster().get(&object("v1", "ConfigMap", &work, name)).await;
    for (name, expected) in &cases {
        let told = |app: &Value| conditions(app, "InvalidSpecError") == [expected];
        let app = env.wait_app(&env.app_name(name), expected, told).await;
        let status = &app["status"];
        assert_eq!(errors(&app), [expected]);
        assert_eq!((&status["sync"]["status"], &status["health"]["status"]), (&json!("Unknown"), &json!("Unknown")));
        assert_eq!(live(name).await, Value::Null);
    }
    for (name, _) in &cases {
        env.cluster().apply(&permissive(&env, name)).await;
        let app = wait_settled(&env, &env.app_name(name), &commit).await;
        assert_eq!(errors(&app).len(), 0);
        assert_ne!(live(name).await, Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_a_project_does_not_permit_hold_back_all_of_the_application() {
    let env = Environment::new("project-object").await;
    let (work, elsewhere) = (env.workload_namespace().await, env.workload_namespace().await);
    let secret = |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": "b"}});
    let class =
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": work}, "value": 5});
    let mut foreign = config_map("foreign", &[]);
    foreign["metadata"]["namespace"] = elsewhere.as_str().into();
    let cases = [
        ("kind", secret("denied"), "resource :Secret is not permitted in project strict".to_owned()),
        ("alone", secret("alone"), "resource :Secret is not permitted in project strict".to_owned()),
        ("cluster", class, "resource scheduling.k8s.io:PriorityClass is not permitted in project strict".to_owned()),
        ("namespace", foreign, format!("namespace {elsewhere} is not permitted in project 'strict'")),
    ];
    let repo = env.repo("app");
    for (name, manifest, _) in &cases {
        repo.write(&format!("{name}/denied.json"), manifest.to_string());
        if *name != "alone" {
            repo.write(&format!("{name}/beside.json"), config_map(name, &[]).to_string());
        }
    }
    let commit = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let strict = json!({"sourceRepos": [env.git_url("app")], "destinations": [{"server": IN_CLUSTER, "namespace": work}],
        "namespaceResourceBlacklist": [{"group": "", "kind": "Sec*"}]});
    env.cluster().apply(&project(&env, "strict", &strict)).await;
    for (name, ..) in &cases {
        let retry = json!({"limit": 60, "backoff": {"duration": "1s", "factor": 1}});
        let app = app_of(&env, &env.app_name(name), name, &work).project("strict").automated();
        env.cluster().apply(&app.set("/spec/syncPolicy/retry", retry).build()).await;
    }

    let mut kept_back = Vec::new();
    for (name, manifest, expected) in &cases {
        let told = format!("one or more synchronization tasks are not valid: {expected}. Retrying attempt #");
        let app = env.wait_app(&env.app_name(name), &told, |app| message(app).starts_with(&told)).await;
        let named = ObjectRef::of(manifest);
        let refused = result(&app, &named.kind, &named.name);
        assert_eq!((&refused["status"], &refused["message"]), (&json!("SyncFailed"), &json!(expected)));
        assert!(has_sync(&app, "OutOfSync"));
        assert_eq!(row(&app, &named.kind, &named.name)["status"], "Unknown");
        let namespace = if *name == "cluster" { None } else { Some(named.namespace.clone().unwrap_or(work.clone())) };
        kept_back.push(ObjectRef { namespace, ..named });
        kept_back.extend((*name != "alone").then(|| object("v1", "ConfigMap", &work, name)));
    }
    for object in &kept_back {
        assert_eq!(env.cluster().get(object).await, Value::Null, "{object}");
    }

    env.cluster().apply(&permissive(&env, "strict")).await;
    for (name, ..) in &cases {
        wait_settled(&env, &env.app_name(name), &commit).await;
    }
    for object in &kept_back {
        assert_ne!(env.cluster().get(object).await, Value::Null, "{object}");
    }

    // What is no longer permitted is not pruned either, nor shown.
    env.cluster().apply(&project(&env, "strict", &strict)).await;
    let prune = json!({"spec": {"syncPolicy": {"automated": {"prune": true}}}});
    env.cluster().edit(&env.application(&env.app_name("kind")), &prune).await;
    let next =
        repo.delete("kind/denied.json").write("kind/more.json", config_map("more", &[]).to_string()).commit("second");
    let app = wait_settled(&env, &env.app_name("kind"), &next).await;
    assert_eq!(row(&app, "Secret", "denied"), &Value::Null);
    assert_ne!(env.cluster().get(&object("v1", "Secret", &work, "denied")).await, Value::Null);
    env.cluster().delete(&object("scheduling.k8s.io/v1", "PriorityClass", "", &work)).await;
}
