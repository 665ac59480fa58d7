//! The swap: Driftless starts on objects and Applications as Argo CD leaves them and writes nothing, then goes on from there.

mod differences;
mod objects;
mod statuses;

use std::collections::BTreeMap;

use integration_tests::{ApiProxy, ApiRequest, Environment, ObjectRef, listed, object};
use serde_json::{Value, json};
use test_kit::FixtureRepo;

use crate::reading::{app_of, wait_explained, wait_settled};
use objects::{MANAGER, Way};
use statuses::Past;

const IMAGES: [&str; 3] = ["registry.example/migrate:1", "registry.example/sparse:1", "registry.example/web:1"];

/// One Application whose objects came to be in one way.
struct Member {
    way: Way,
    app: String,
    /// Its destination, and part of the names of what has no namespace.
    id: String,
}

impl Member {
    fn targets(&self, manifests: &str) -> Vec<Value> {
        objects::tracked(&self.app, &self.id, objects::plain(manifests, &self.id))
    }

    fn manifest(&self, env: &Environment) -> Value {
        let mut app = app_of(env, &self.app, self.way.name(), &self.id).automated().self_heal().prune();
        if matches!(self.way, Way::ServerSide | Way::Turned) {
            app = app.sync_option("ServerSideApply=true");
        }
        app.build()
    }

    /// Tells whether a request is for one of its objects.
    fn is_about(&self, request: &ApiRequest) -> bool {
        request.path.split('/').any(|part| part.contains(&self.id))
    }
}

/// What a test starts from.
struct Left {
    env: Environment,
    repo: FixtureRepo,
    members: Vec<Member>,
}

/// Makes objects and Applications, with a root that has the others as its objects.
async fn leave_everything(name: &str) -> Left {
    let env = Environment::new(name).await;
    let repo = env.repo("app");
    let mut members = Vec::new();
    for way in Way::ALL {
        let id = env.workload_namespace().await;
        let app = env.app_name(way.name());
        objects::leave(env.cluster(), env.directory(), way, &app, &id).await;
        objects::others_write(env.cluster(), env.directory(), &id).await;
        repo.write(&format!("{}/everything.yaml", way.name()), objects::first(&id));
        members.push(Member { way, app, id });
    }
    let children: Vec<Value> = members.iter().map(|member| member.manifest(&env)).collect();
    for child in &children {
        repo.write(&format!("root/{}.json", child["metadata"]["name"].as_str().unwrap()), child.to_string());
    }
    let commit = repo.commit("first");
    for member in &members {
        objects::wait_healthy(env.cluster(), &member.id).await;
    }
    env.cluster().apply(&project(&env)).await;
    leave_applications(&env, &members, children, &commit).await;
    Left { env, repo, members }
}

fn project(env: &Environment) -> Value {
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "default", "namespace": env.namespace()},
        "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}]}})
}

async fn leave_applications(env: &Environment, members: &[Member], children: Vec<Value>, commit: &str) {
    let cluster = env.cluster();
    let root = app_of(env, &env.app_name("root"), "root", env.namespace()).automated().self_heal().prune().build();
    objects::kubectl(cluster, env.directory(), &["apply"], std::slice::from_ref(&root));
    let children = objects::tracked(root["metadata"]["name"].as_str().unwrap(), env.namespace(), children);
    objects::apply_again(cluster, env.directory(), Way::ClientSide, &children);
    for (member, app) in members.iter().zip(&children) {
        let targets = member.targets(&objects::first(&member.id));
        let past = Past { app, targets: &targets, commit, images: &IMAGES, out_of_sync: &[] };
        statuses::write(cluster, app, &statuses::status(env, &past)).await;
    }
    let past = Past { app: &root, targets: &children, commit, images: &[], out_of_sync: &[] };
    statuses::write(cluster, &root, &statuses::status(env, &past)).await;
}

/// Counts requests by who they are for and by resource.
fn counted<'r>(members: &[Member], requests: impl Iterator<Item = &'r ApiRequest>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let of = members.iter().find(|member| member.is_about(request)).map_or("none", |member| member.way.name());
        let resource = request.path.rsplit('/').nth(1).unwrap_or_default();
        *counts.entry(format!("{of} {resource}")).or_default() += 1;
    }
    counts
}

fn dry_runs(members: &[Member], recorder: &ApiProxy) -> BTreeMap<String, usize> {
    let requests = recorder.requests();
    counted(members, requests.iter().filter(|request| request.query.contains("dryRun=")))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_argo_cd_left_is_taken_over_without_a_write() {
    let Left { env, repo, members } = leave_everything("swap").await;
    let recorder = ApiProxy::start(&env).await;
    let mut daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).start().await;
    for app in members.iter().map(|member| &member.app).chain([&env.app_name("root")]) {
        wait_explained(&daemon, env.namespace(), app, "Synced").await;
    }
    let writes = recorder.writes();
    let asked = dry_runs(&members, &recorder);
    let counts = counted(&members, writes.iter());
    assert!(writes.is_empty(), "the start writes nothing: {counts:#?}\nit asks {asked:#?}\n{}", listed(&writes));
    assert_eq!(asked, BTreeMap::new(), "nothing has to be asked");

    recorder.forget();
    for member in &members {
        repo.write(&format!("{}/everything.yaml", member.way.name()), objects::second(&member.id));
    }
    let second = repo.commit("second");
    for member in &members {
        wait_settled(&env, &member.app, &second).await;
        objects::assert_second(env.cluster(), &member.id).await;
        objects::assert_others_kept(env.cluster(), &member.id).await;
        check_writes(&env, member, &recorder).await;
    }
    daemon.terminate().await;
    for member in &members {
        check_way_back(&env, member).await;
        clean_up(&env, member).await;
    }
}

fn bodies(requests: &[ApiRequest]) -> String {
    let bodies: Vec<String> = requests.iter().map(|request| format!("{:#}", request.body)).collect();
    bodies.join("\n")
}

/// Asserts that each object that changed in Git was applied once, with its ownership moved right before, and no other was written.
async fn check_writes(env: &Environment, member: &Member, recorder: &ApiProxy) {
    let (before, after) = (member.targets(&objects::first(&member.id)), member.targets(&objects::second(&member.id)));
    let requests = recorder.requests();
    let mut expected = 0;
    for (old, new) in before.iter().zip(&after) {
        let named = ObjectRef::of(new);
        let is_meant = |request: &&ApiRequest| {
            request.is_write()
                && request.path.ends_with(&format!("/{}", named.name))
                && request.is_about(&plural(&named.kind))
                && (named.namespace.is_none()
                    || request.path.contains(&format!("/namespaces/{}/", named.namespace.as_deref().unwrap())))
        };
        let writes: Vec<ApiRequest> = requests.iter().filter(is_meant).cloned().collect();
        let migrations = writes.iter().filter(|write| write.body.is_array()).count();
        let shown = listed(&writes);
        if old == new {
            assert!(writes.is_empty(), "{named} did not change:\n{shown}");
            continue;
        }
        expected += writes.len();
        assert!(migrations <= 1 && writes.len() == migrations + 1, "{named} is applied once:\n{shown}");
        assert!(writes.last().unwrap().body.is_object(), "ownership moves before the apply:\n{shown}");
        let live = env.cluster().get(&named).await;
        assert_eq!(legacy(&live), Vec::<&str>::new(), "{named}");
        assert!(last_applied(&live).is_null(), "{named}: what client-side apply noted is no longer true");
    }
    let all: Vec<ApiRequest> =
        requests.into_iter().filter(|request| request.is_write() && member.is_about(request)).collect();
    assert_eq!(all.len(), expected, "nothing else is written:\n{}", listed(&all));
}

fn plural(kind: &str) -> String {
    match kind {
        "Ingress" => "ingresses".to_owned(),
        kind if kind.ends_with('y') => format!("{}ies", kind[..kind.len() - 1].to_lowercase()),
        kind if kind.ends_with('s') => format!("{}es", kind.to_lowercase()),
        kind => format!("{}s", kind.to_lowercase()),
    }
}

fn last_applied(object: &Value) -> &Value {
    &object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
}

/// Gives the client-side appliers that own anything but status.
fn legacy(object: &Value) -> Vec<&str> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["operation"] == "Update" && entry["subresource"].is_null())
        .filter_map(|entry| entry["manager"].as_str())
        .filter(|manager| [MANAGER, "kubectl-client-side-apply"].contains(manager))
        .collect()
}

/// Asserts that Argo CD can go on where Driftless ended: its first apply changes no value, and what then leaves Git goes.
async fn check_way_back(env: &Environment, member: &Member) {
    let cluster = env.cluster();
    let targets = member.targets(&objects::second(&member.id));
    let values = async |target: &Value| {
        let mut live = cluster.get(&ObjectRef::of(target)).await;
        for annotation in ["kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision"] {
            live["metadata"]["annotations"].as_object_mut().map(|all| all.remove(annotation));
        }
        live.as_object_mut().unwrap().remove("status");
        for field in ["managedFields", "resourceVersion", "generation"] {
            live["metadata"].as_object_mut().unwrap().remove(field);
        }
        live
    };
    let mut before = Vec::new();
    for target in &targets {
        before.push(values(target).await);
    }
    objects::apply_again(cluster, env.directory(), member.way, &targets);
    for (target, before) in targets.iter().zip(before) {
        assert_eq!(values(target).await, before, "{}", ObjectRef::of(target));
    }
    let is_settings = |target: &&Value| target["kind"] == "ConfigMap" && target["metadata"]["name"] == "settings";
    let mut settings = targets.iter().find(is_settings).unwrap().clone();
    settings["data"].as_object_mut().unwrap().remove("c");
    objects::apply_again(cluster, env.directory(), member.way, std::slice::from_ref(&settings));
    let live = cluster.get(&ObjectRef::of(&settings)).await;
    assert_eq!(live["data"], json!({"a": "1", "theirs": "3"}), "{:?}", member.way);
}

/// Deletes what the namespace does not take with it, and lets go of what waits for its operator.
async fn clean_up(env: &Environment, member: &Member) {
    let (cluster, id) = (env.cluster(), &member.id);
    let without = json!({"metadata": {"finalizers": null}});
    cluster.edit(&object("v1", "ConfigMap", id, "settings"), &without).await;
    cluster.edit(&object(&format!("{id}.example/v1"), "Gadget", id, "mine"), &without).await;
    for target in member.targets(&objects::second(id)).iter().filter(|target| target["metadata"]["namespace"].is_null())
    {
        cluster.delete(&ObjectRef::of(target)).await;
    }
}
