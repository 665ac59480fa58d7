//! The verdict: only what Git says and the cluster has not is a difference. The API server's own dry run is the judge of it.

use integration_tests::{ApiProxy, ApiRequest, Cluster, Environment, ObjectRef, listed, object};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use test_kit::{config_map, deployment};

use crate::reading::{app_of, has_sync, tracking_id, wait_explained, wait_settled};

/// Manifests that differ in writing, not in meaning, from what the API server stores.
const EVERYTHING: &str = include_str!("comparison/everything.yaml");
const MANAGER: &str = "argocd-controller";
/// What of [`EVERYTHING`] has no namespace.
const CLUSTER_SCOPED: [&str; 3] = ["ValidatingWebhookConfiguration", "ClusterRole", "PriorityClass"];

/// Gives the objects of a manifest as an Application applies them to a namespace.
fn targets(manifest: &str, app: &str, namespace: &str) -> Vec<Value> {
    let documents = kube_yaml::decode("everything.yaml", manifest.as_bytes(), &kube_yaml::Limits::default()).unwrap();
    let objects = documents.into_iter().map(|document| document.value);
    objects
        .map(|mut object| {
            let (group, kind) = group_kind(&object);
            let tracking = format!("{app}:{group}/{kind}:{namespace}/{}", object["metadata"]["name"].as_str().unwrap());
            object["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = tracking.into();
            if !CLUSTER_SCOPED.contains(&&*kind) {
                object["metadata"]["namespace"] = namespace.into();
            }
            object
        })
        .collect()
}

fn group_kind(object: &Value) -> (String, String) {
    let version = object["apiVersion"].as_str().unwrap();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    (group.to_owned(), object["kind"].as_str().unwrap().to_owned())
}

/// Asserts that applying an object again would change none of its values.
async fn assert_no_diff(cluster: &Cluster, target: &Value) {
    let named = ObjectRef::of(target);
    let parameters = PatchParams { dry_run: true, ..PatchParams::apply(MANAGER).force() };
    let tried = named.api(cluster.client()).patch(&named.name, &parameters, &Patch::Apply(target)).await;
    let values = |mut object: Value| {
        for field in ["managedFields", "resourceVersion", "generation"] {
            object["metadata"].as_object_mut().unwrap().remove(field);
        }
        object
    };
    let tried = values(json!(tried.unwrap_or_else(|e| panic!("dry run of {named}: {e}"))));
    assert_eq!(tried, values(cluster.get(&named).await), "{named}");
}

/// Gives the requests that changed an object of a namespace or one of these.
fn writes_to(recorder: &ApiProxy, namespace: &str, name: &str) -> Vec<ApiRequest> {
    let is_meant = |path: &str| path.contains(&format!("/{namespace}/")) || path.ends_with(name);
    recorder.writes().into_iter().filter(|write| is_meant(&write.path)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_writes_in_its_own_way_is_no_difference() {
    let env = Environment::new("compare-all").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let manifest = EVERYTHING.replace("{name}", &work);
    let commit = env.repo("app").write("app/everything.yaml", &manifest).commit("first");
    let recorder = ApiProxy::start(&env).await;
    let mut daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().self_heal().prune().build()).await;
    wait_settled(&env, shop, &commit).await;
    wait_explained(&daemon, env.namespace(), shop, "Synced").await;
    let targets = targets(&manifest, shop, &work);
    let applied = writes_to(&recorder, &work, &work);
    assert_eq!(applied.len(), targets.len(), "each object is applied once:\n{}", listed(&applied));

    // What others add is theirs: an autoscaler's replicas where Git has none, labels, annotations, a change of a default.
    let web = object("apps/v1", "Deployment", &work, "web");
    let foreign = json!({"metadata": {"labels": {"team": "a"}, "annotations": {"seen": "yes"}},
        "spec": {"replicas": 3, "minReadySeconds": 1, "revisionHistoryLimit": 3}});
    env.cluster().edit(&web, &foreign).await;
    let settings = object("v1", "ConfigMap", &work, "settings");
    env.cluster()
        .edit(&settings, &json!({"metadata": {"finalizers": ["example.com/kept"]}, "data": {"more": "x"}}))
        .await;
    env.cluster().wait_for(&web, "scaled", |web| web["status"]["availableReplicas"] == 3).await;

    recorder.forget();
    env.refresh(shop, "hard").await;
    let app = env.wait_app(shop, "an answered refresh", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null()
    });
    assert!(has_sync(&app.await, "Synced"));
    wait_explained(&daemon, env.namespace(), shop, "Synced").await;
    let writes = writes_to(&recorder, &work, &work);
    assert!(writes.is_empty(), "{}", listed(&writes));

    daemon.terminate().await;
    recorder.forget();
    daemon.start().await;
    wait_explained(&daemon, env.namespace(), shop, "Synced").await;
    let writes = recorder.writes();
    assert!(writes.is_empty(), "a restart writes nothing:\n{}", listed(&writes));

    for target in &targets {
        assert_no_diff(env.cluster(), target).await;
    }
    let web = env.cluster().get(&web).await;
    assert_eq!((&web["spec"]["replicas"], &web["metadata"]["labels"]["team"]), (&json!(3), &json!("a")));
    env.cluster().edit(&settings, &json!({"metadata": {"finalizers": null}})).await;
    for kind in CLUSTER_SCOPED {
        let target = targets.iter().find(|target| target["kind"] == kind).unwrap();
        env.cluster().delete(&ObjectRef::of(target)).await;
    }
}

/// Makes an object as Argo CD's or kubectl's client-side apply left it: an `Update` entry of that manager that owns everything.
async fn make_client_side(cluster: &Cluster, manager: &str, manifest: &Value) {
    let mut object = manifest.clone();
    let last_applied = manifest.to_string();
    object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = last_applied.into();
    let named = ObjectRef::of(&object);
    let parameters = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
    let object = serde_json::from_value(object).unwrap();
    named.api(cluster.client()).create(&parameters, &object).await.unwrap_or_else(|e| panic!("create {named}: {e}"));
}

/// Gives the managers that own fields by client-side writes, apart from controllers' writes of status.
fn updaters(object: &Value) -> Vec<&str> {
    let all = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    all.filter(|entry| entry["operation"] == "Update" && entry["subresource"].is_null())
        .filter_map(|entry| entry["manager"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_client_side_apply_are_taken_over_with_their_next_change() {
    let env = Environment::new("compare-takeover").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let cluster = env.cluster();
    let tracked = |mut manifest: Value| {
        let (group, kind) = group_kind(&manifest);
        let id = format!("{shop}:{group}/{kind}:{work}/{}", manifest["metadata"]["name"].as_str().unwrap());
        manifest["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = id.into();
        manifest["metadata"]["namespace"] = work.as_str().into();
        manifest
    };
    let repo = env.repo("app");
    let mut web = deployment("web", 2);
    web["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
    let manifests = [
        ("of-argo-cd", config_map("of-argo-cd", &[("a", "1"), ("b", "2")]), MANAGER),
        ("of-kubectl", config_map("of-kubectl", &[("a", "1"), ("b", "2")]), "kubectl-client-side-apply"),
        ("web", web.clone(), MANAGER),
    ];
    for (file, manifest, manager) in &manifests {
        repo.write(&format!("app/{file}.json"), manifest.to_string());
        make_client_side(cluster, manager, &tracked(manifest.clone())).await;
    }
    // What the kubectl of the control plane really leaves behind.
    let real = config_map("of-real-kubectl", &[("a", "1"), ("b", "2")]);
    repo.write("app/of-real-kubectl.json", real.to_string());
    std::fs::write(env.directory().join("real.json"), tracked(real).to_string()).unwrap();
    let applied = cluster.kubectl(env.directory(), &["apply", "--filename", "real.json"]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let config_maps = ["of-argo-cd", "of-kubectl", "of-real-kubectl"];
    for name in config_maps {
        let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": work, "labels": {"operated": "yes"}}, "data": {"theirs": "3"}});
        cluster.apply_as("operator", &theirs).await;
    }
    let commit = repo.commit("first");

    let recorder = ApiProxy::start(&env).await;
    let daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).start().await;
    cluster.apply(&app_of(&env, shop, "app", &work).automated().self_heal().prune().build()).await;
    let app = env.wait_app(shop, "Synced at once", |app| has_sync(app, "Synced")).await;
    assert_eq!((&app["status"]["sync"]["revision"], &app["status"]["operationState"]), (&json!(commit), &Value::Null));
    wait_explained(&daemon, env.namespace(), shop, "Synced").await;
    let writes = writes_to(&recorder, &work, &work);
    assert!(writes.is_empty(), "the takeover alone is no reason to write:\n{}", listed(&writes));

    for name in config_maps {
        repo.write(&format!("app/{name}.json"), config_map(name, &[("a", "1")]).to_string());
    }
    web["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap().pop();
    let second = repo.write("app/web.json", web.to_string()).commit("second");
    wait_settled(&env, shop, &second).await;
    for name in config_maps {
        let live = cluster.get(&object("v1", "ConfigMap", &work, name)).await;
        assert_eq!(live["data"], json!({"a": "1", "theirs": "3"}), "{name}");
        assert_eq!((&live["metadata"]["labels"]["operated"], updaters(&live)), (&json!("yes"), vec![]), "{name}");
        assert_eq!(tracking_id(&live), format!("{shop}:/ConfigMap:{work}/{name}"));
    }
    let live = cluster.get(&object("apps/v1", "Deployment", &work, "web")).await;
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["env"], json!([{"name": "A", "value": "1"}]));
    assert!(!updaters(&live).contains(&MANAGER), "{:?}", updaters(&live));
    recorder.forget();
    env.refresh(shop, "normal").await;
    env.wait_app(shop, "an answered refresh", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null()
    })
    .await;
    let writes = writes_to(&recorder, &work, &work);
    assert!(writes.is_empty(), "it is done once:\n{}", listed(&writes));
}
