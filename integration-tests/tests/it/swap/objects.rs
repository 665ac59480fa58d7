//! Objects as Argo CD and people leave them, and what controllers write into them afterwards.

use std::path::Path;

use integration_tests::{Cluster, ObjectRef, object};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

const EVERYTHING: &str = include_str!("everything.yaml");
/// The field manager of Argo CD's applies.
pub(super) const MANAGER: &str = "argocd-controller";

/// How the objects of an Application came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By Argo CD's client-side apply, which is its default.
    ClientSide,
    /// By Argo CD with `ServerSideApply=true`.
    ServerSide,
    /// By Argo CD's client-side apply, until the Application got `ServerSideApply=true`.
    Turned,
    /// By people's `kubectl apply`, and then synced by Argo CD.
    Adopted,
    /// By people's `kubectl apply`, and then only annotated with the tracking id.
    Annotated,
}

impl Way {
    pub(super) const ALL: [Self; 5] =
        [Self::ClientSide, Self::ServerSide, Self::Turned, Self::Adopted, Self::Annotated];

    /// Gives a name for Applications and directories.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ClientSide => "client",
            Self::ServerSide => "server",
            Self::Turned => "turned",
            Self::Adopted => "adopted",
            Self::Annotated => "annotated",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::ClientSide | Self::Adopted => &["apply", "--field-manager=argocd-controller"],
            Self::ServerSide | Self::Turned => {
                &["apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller"]
            }
            Self::Annotated => &["apply"],
        }
    }
}

/// Gives the manifests of the first commit, for a destination namespace.
pub(super) fn first(id: &str) -> String {
    let lines = EVERYTHING.lines().map(|line| line.split(" # ").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n").replace("{id}", id)
}

/// Gives the manifests of the second commit.
pub(super) fn second(id: &str) -> String {
    let lines = EVERYTHING.lines().filter_map(|line| match line.split_once(" # ") {
        Some((_, "removed")) => None,
        Some((head, note)) => {
            let key = head.rsplit_once(": ").map(|(key, _)| key);
            Some(
                note.strip_prefix("becomes ")
                    .zip(key)
                    .map_or(head.to_owned(), |(value, key)| format!("{key}: {value}")),
            )
        }
        None => Some(line.to_owned()),
    });
    lines.collect::<Vec<_>>().join("\n").replace("{id}", id)
}

/// Gives the objects of manifests with namespaces, as an Application applies them, without tracking.
pub(super) fn plain(manifests: &str, id: &str) -> Vec<Value> {
    let documents = kube_yaml::decode("everything.yaml", manifests.as_bytes(), &kube_yaml::Limits::default()).unwrap();
    let mut objects: Vec<Value> = documents.into_iter().map(|document| document.value).collect();
    for object in &mut objects {
        let without = ["Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "PriorityClass"];
        let kind = object["kind"].as_str().unwrap();
        let is_cluster_scoped = without.contains(&kind) || kind == "ValidatingWebhookConfiguration";
        if !is_cluster_scoped && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = id.into();
        }
    }
    objects
}

/// Adds Argo CD's tracking id: of an object without a namespace it has that of the destination, and a definition has none.
pub(super) fn tracked(app: &str, id: &str, mut objects: Vec<Value>) -> Vec<Value> {
    for object in objects.iter_mut().filter(|object| object["kind"] != "CustomResourceDefinition") {
        let named = ObjectRef::of(object);
        let group = named.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let namespace = named.namespace.as_deref().unwrap_or(id);
        let value = format!("{app}:{group}/{}:{namespace}/{}", named.kind, named.name);
        if !object["metadata"]["annotations"].is_object() {
            object["metadata"]["annotations"] = json!({});
        }
        object["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = value.into();
    }
    objects
}

/// Runs kubectl on objects, their definitions first.
pub(super) fn kubectl(cluster: &Cluster, directory: &Path, arguments: &[&str], objects: &[Value]) {
    let is_definition =
        |object: &&Value| matches!(&object["kind"], kind if kind == "CustomResourceDefinition" || kind == "Namespace");
    let (first, then): (Vec<&Value>, Vec<&Value>) = objects.iter().partition(is_definition);
    for part in [first, then].into_iter().filter(|part| !part.is_empty()) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": part});
        std::fs::write(directory.join("list.json"), list.to_string()).unwrap();
        let run = cluster.kubectl(directory, &[arguments, &["--filename", "list.json"]].concat());
        assert!(run.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        for definition in part.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
            let resource = definition["metadata"]["name"].as_str().unwrap();
            integration_tests::devcluster::poll("the kind to be served", || {
                cluster.kubectl(directory, &["get", resource, "--all-namespaces"]).status.success()
            });
        }
    }
}

/// Makes the objects of an Application in one of the ways.
pub(super) async fn leave(cluster: &Cluster, directory: &Path, way: Way, app: &str, id: &str) {
    let objects = plain(&first(id), id);
    let with_tracking = tracked(app, id, objects.clone());
    match way {
        Way::ClientSide | Way::ServerSide => {
            // An earlier sync had a label more, and other data.
            let mut earlier = with_tracking.clone();
            for object in earlier.iter_mut().filter(|object| object["kind"] == "ConfigMap") {
                object["metadata"]["labels"] = json!({"earlier": "yes"});
                object["data"]["earlier"] = "yes".into();
            }
            kubectl(cluster, directory, way.arguments(), &earlier);
            kubectl(cluster, directory, way.arguments(), &with_tracking);
        }
        Way::Turned => {
            kubectl(cluster, directory, Way::ClientSide.arguments(), &with_tracking);
            kubectl(cluster, directory, way.arguments(), &with_tracking);
        }
        Way::Adopted => {
            kubectl(cluster, directory, Way::Annotated.arguments(), &objects);
            kubectl(cluster, directory, way.arguments(), &with_tracking);
        }
        Way::Annotated => {
            kubectl(cluster, directory, way.arguments(), &objects);
            for object in with_tracking.iter().filter(|object| object["kind"] != "CustomResourceDefinition") {
                let annotation = &object["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"];
                let patch = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": annotation}}});
                cluster.edit(&ObjectRef::of(object), &patch).await;
            }
        }
    }
}

/// Applies as Argo CD does in one of the ways.
pub(super) fn apply_again(cluster: &Cluster, directory: &Path, way: Way, objects: &[Value]) {
    let way = if matches!(way, Way::ServerSide | Way::Turned) { way } else { Way::ClientSide };
    kubectl(cluster, directory, way.arguments(), objects);
}

/// Writes as others do to what Argo CD manages: an autoscaler, people, an injector, operators, controllers.
pub(super) async fn others_write(cluster: &Cluster, directory: &Path, id: &str) {
    let by = |manager: &str| PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    let web = object("apps/v1", "Deployment", id, "web");
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    web.api(cluster.client()).patch_scale("web", &by("kube-controller-manager"), &scale).await.unwrap();
    let restarted = cluster.kubectl(directory, &["rollout", "restart", "deployment/web", "--namespace", id]);
    assert!(restarted.status.success(), "{}", String::from_utf8_lossy(&restarted.stderr));
    let injected = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": id},
        "spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "INJECTED", "value": "yes"}]}]}}}});
    cluster.apply_as("injector", &injected).await;
    let operated = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": id, "labels": {"operated": "yes"}, "finalizers": ["example.com/kept"]},
        "data": {"theirs": "3"}});
    cluster.apply_as("operator", &operated).await;

    let update = async |target: ObjectRef, manager: &str, patch: Patch<Value>| {
        let done = target.api(cluster.client()).patch(&target.name, &by(manager), &patch).await;
        done.unwrap_or_else(|e| panic!("{manager} writes {target}: {e}"));
    };
    let note = json!({"metadata": {"annotations": {"balancer.example/id": "lb-1"}}});
    update(object("v1", "Service", id, "web"), "cloud-controller", Patch::Merge(note)).await;
    let pull = json!({"imagePullSecrets": [{"name": "registry"}]});
    update(object("v1", "ServiceAccount", id, "builder"), "pull-secret-controller", Patch::Merge(pull)).await;
    let webhooks = "admissionregistration.k8s.io/v1";
    let bundle =
        json!({"webhooks": [{"name": format!("nothing.{id}.example"), "clientConfig": {"caBundle": CA_BUNDLE}}]});
    let injector = Patch::Strategic(bundle);
    update(object(webhooks, "ValidatingWebhookConfiguration", "", id), "cainjector", injector).await;
    let gadget = json!({"metadata": {"finalizers": ["example.com/kept"]}, "spec": {"options": {"theirs": "3"}}});
    update(object(&format!("{id}.example/v1"), "Gadget", id, "mine"), "gadget-operator", Patch::Merge(gadget)).await;
    let address = Patch::Merge(json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}));
    let ingress = object("networking.k8s.io/v1", "Ingress", id, "web");
    ingress.api(cluster.client()).patch_status("web", &by("ingress-controller"), &address).await.unwrap();
}

/// A self-signed certificate in PEM, as base64, since the API server reads it.
const CA_BUNDLE: &str = include_str!("ca-bundle.txt").trim_ascii();

/// Waits until controllers have done all they do about the objects.
pub(super) async fn wait_healthy(cluster: &Cluster, id: &str) {
    let available = |replicas: i64| {
        move |live: &Value| {
            let status = &live["status"];
            status["observedGeneration"] == live["metadata"]["generation"]
                && ["availableReplicas", "updatedReplicas", "replicas"].iter().all(|field| status[field] == replicas)
        }
    };
    cluster.wait_for(&object("apps/v1", "Deployment", id, "web"), "rolled out", available(3)).await;
    cluster.wait_for(&object("apps/v1", "Deployment", id, "sparse"), "rolled out", available(1)).await;
    let observed = |live: &Value| live["status"]["observedGeneration"] == live["metadata"]["generation"];
    cluster.wait_for(&object("apps/v1", "StatefulSet", id, "store"), "observed", observed).await;
    let complete = |live: &Value| live["status"]["succeeded"] == 1 && !live["status"]["completionTime"].is_null();
    cluster.wait_for(&object("batch/v1", "Job", id, "migrate"), "complete", complete).await;
    let budget = object("policy/v1", "PodDisruptionBudget", id, "web");
    cluster.wait_for(&budget, "observed", |live| live["status"]["currentHealthy"] == 3).await;
    let aggregated = object("rbac.authorization.k8s.io/v1", "ClusterRole", "", id);
    cluster.wait_for(&aggregated, "aggregated", |live| !live["rules"][0].is_null()).await;
}

/// Asserts that what others wrote is there.
pub(super) async fn assert_others_kept(cluster: &Cluster, id: &str) {
    let get = async |api: &str, kind: &str, name: &str| cluster.get(&object(api, kind, id, name)).await;
    let web = get("apps/v1", "Deployment", "web").await;
    let template = &web["spec"]["template"];
    assert_eq!(web["spec"]["replicas"], 3, "{id}: an autoscaler's replicas");
    assert!(template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string(), "{id}: a restart");
    let env = template["spec"]["containers"][0]["env"].as_array().unwrap();
    assert!(env.contains(&json!({"name": "INJECTED", "value": "yes"})), "{id}: {env:?}");
    let settings = get("v1", "ConfigMap", "settings").await;
    assert_eq!(
        (&settings["data"]["theirs"], &settings["metadata"]["labels"]["operated"]),
        (&json!("3"), &json!("yes"))
    );
    assert_eq!(settings["metadata"]["finalizers"], json!(["example.com/kept"]));
    assert_eq!(get("v1", "Service", "web").await["metadata"]["annotations"]["balancer.example/id"], "lb-1");
    assert_eq!(get("v1", "ServiceAccount", "builder").await["imagePullSecrets"], json!([{"name": "registry"}]));
    let gadget = get(&format!("{id}.example/v1"), "Gadget", "mine").await;
    assert_eq!((&gadget["spec"]["options"]["theirs"], &gadget["spec"]["mode"]), (&json!("3"), &json!("plain")), "{id}");
    let hooks = object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", id);
    assert_eq!(cluster.get(&hooks).await["webhooks"][0]["clientConfig"]["caBundle"], CA_BUNDLE, "{id}");
}

/// Asserts that the fields that left Git are gone and that new values are there.
pub(super) async fn assert_second(cluster: &Cluster, id: &str) {
    let gadgets = format!("{id}.example/v1");
    let rbac = "rbac.authorization.k8s.io/v1";
    let template = "/spec/template";
    let main = "/spec/template/spec/containers/0";
    let (none, ports) = (Value::Null, json!([{"name": "http", "containerPort": 8080, "protocol": "TCP"}]));
    let cases = [
        (object("v1", "Namespace", "", &format!("{id}-extra")), "/metadata/labels/team".to_owned(), none.clone()),
        (object(&gadgets, "Gadget", id, "mine"), "/spec/color".to_owned(), none.clone()),
        (object(&gadgets, "Gadget", id, "mine"), "/spec/options".to_owned(), json!({"kept": "yes", "theirs": "3"})),
        (object(&gadgets, "Gadget", id, "mine"), "/spec/parts".to_owned(), json!([{"name": "a", "weight": 2}])),
        (object("v1", "ConfigMap", id, "settings"), "/data".to_owned(), json!({"a": "1", "c": "new", "theirs": "3"})),
        (object("v1", "ConfigMap", id, "settings"), "/metadata/annotations/note".to_owned(), none.clone()),
        (object("v1", "Secret", id, "login"), "/data".to_owned(), json!({"user": "YWRtaW4=", "password": "c2Vjb25k"})),
        (object("v1", "ServiceAccount", id, "builder"), "/metadata/annotations/account".to_owned(), none.clone()),
        (object("v1", "Service", id, "web"), "/metadata/annotations/balancer".to_owned(), none.clone()),
        (object("v1", "Service", id, "web"), "/spec/ports/1".to_owned(), none.clone()),
        (object("apps/v1", "Deployment", id, "web"), "/metadata/labels".to_owned(), json!({"app": "web"})),
        (object("apps/v1", "Deployment", id, "web"), "/spec/revisionHistoryLimit".to_owned(), json!(10)),
        (object("apps/v1", "Deployment", id, "web"), format!("{template}/metadata/annotations/note"), none.clone()),
        (object("apps/v1", "Deployment", id, "web"), format!("{template}/metadata/annotations/checksum"), json!("two")),
        (object("apps/v1", "Deployment", id, "web"), format!("{main}/ports"), ports),
        (object("apps/v1", "Deployment", id, "web"), format!("{main}/env/0/name"), json!("A")),
        (object("apps/v1", "Deployment", id, "web"), format!("{main}/env/3"), none.clone()),
        (
            object("apps/v1", "StatefulSet", id, "store"),
            format!("{template}/metadata/annotations"),
            json!({"kept": "yes"}),
        ),
        (object("batch/v1", "CronJob", id, "nightly"), "/metadata/labels".to_owned(), json!({"app": "nightly"})),
        (object("networking.k8s.io/v1", "Ingress", id, "web"), "/metadata/annotations/class".to_owned(), none.clone()),
        (
            object("networking.k8s.io/v1", "NetworkPolicy", id, "web"),
            "/spec/ingress/0/ports/1".to_owned(),
            none.clone(),
        ),
        (object("autoscaling/v2", "HorizontalPodAutoscaler", id, "web"), "/spec/minReplicas".to_owned(), json!(1)),
        (object(rbac, "Role", id, "reader"), "/rules/1".to_owned(), none.clone()),
        (object(rbac, "RoleBinding", id, "reader"), "/subjects/1".to_owned(), none),
    ];
    for (target, pointer, expected) in cases {
        let live = cluster.get(&target).await;
        assert_eq!(live.pointer(&pointer).unwrap_or(&Value::Null), &expected, "{target} {pointer}");
    }
}
