//! The API server that the simulator models, held against the real one: the same requests get the same answers and leave the same
//! objects, with the same owners of the same fields.

mod both;

use application_api::PropagationPolicy;
use integration_tests::{Environment, ObjectRef, object};
use kube_object::Object;
use serde_json::{Value, json};
use test_kit::config_map;
use test_kit::sim::{self, Force};

use both::{Both, GIT, Given, PERSON, Request, STATUS, UID_OF, key_of};

fn map(namespace: &str, name: &str, data: &[(&str, &str)]) -> Value {
    let mut map = config_map(name, data);
    map["metadata"]["namespace"] = namespace.into();
    if data.is_empty() {
        map.as_object_mut().unwrap().remove("data");
    }
    map
}

fn force(manifest: Value) -> Request {
    Request::Apply(GIT, Force::Yes, manifest)
}

fn delete(target: &ObjectRef) -> Request {
    Request::Delete(target.clone(), PropagationPolicy::Background, Given::Nothing)
}

fn finalizers(names: &[&str]) -> Value {
    json!({"metadata": {"finalizers": names}})
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_have_the_same_owners_in_the_model() {
    let env = Environment::new("model-owners").await;
    let ns = env.workload_namespace().await;
    let mut both = Both::new(&env, &[&ns]);
    let target = object("v1", "ConfigMap", &ns, "a");
    let data = |data: Value| Request::Patch(PERSON, target.clone(), json!({ "data": data }));
    both.check(Request::Create(map(&ns, "a", &[("x", "1"), ("y", "1")]))).await;
    both.check(Request::Create(map(&ns, "a", &[("x", "1")]))).await;
    both.check(force(map(&ns, "a", &[("x", "1"), ("z", "1")]))).await;
    both.check(force(map(&ns, "a", &[("x", "1"), ("z", "1")]))).await;
    both.check(data(json!({"z": "theirs"}))).await;
    both.check(data(json!({"z": "theirs"}))).await;
    both.check(Request::Apply(GIT, Force::No, map(&ns, "a", &[("z", "1")]))).await;
    both.check(force(map(&ns, "a", &[("z", "1")]))).await;
    both.check(Request::Apply("rival", Force::No, map(&ns, "a", &[("z", "1")]))).await;
    both.check(Request::Apply("rival", Force::Yes, map(&ns, "a", &[("z", "2"), ("w", "1")]))).await;
    both.check(force(map(&ns, "a", &[("z", "2"), ("w", "1")]))).await;
    both.check(Request::Apply("rival", Force::Yes, map(&ns, "a", &[]))).await;
    both.check(force(map(&ns, "a", &[]))).await;
    both.check(data(json!({"x": null, "y": null}))).await;
    both.check(delete(&target)).await;
    both.check(data(json!({"x": "1"}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions_and_finalizers_hold_in_the_model_as_well() {
    let env = Environment::new("model-going").await;
    let ns = env.workload_namespace().await;
    let mut both = Both::new(&env, &[&ns]);
    let target = object("v1", "ConfigMap", &ns, "a");
    both.check(force(map(&ns, "a", &[("x", "1")]))).await;
    for given in [Given::AnotherUid, Given::AnotherVersion] {
        both.check(Request::Delete(target.clone(), PropagationPolicy::Background, given)).await;
    }
    let stale = json!({"metadata": {"resourceVersion": "1"}, "data": {"x": "2"}});
    both.check(Request::Patch(PERSON, target.clone(), stale)).await;
    both.check(Request::Patch("guard", target.clone(), finalizers(&["example.com/one", "example.com/two"]))).await;
    both.check(delete(&target)).await;
    both.check(delete(&target)).await;
    both.check(force(map(&ns, "a", &[("x", "2")]))).await;
    both.check(Request::Patch("guard", target.clone(), finalizers(&["example.com/two"]))).await;
    both.check(Request::Patch("guard", target.clone(), finalizers(&[]))).await;
    both.check(delete(&target)).await;
    both.check(force(map("model-nowhere", "a", &[]))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dependents_go_in_the_model_as_they_do() {
    let env = Environment::new("model-owned").await;
    let ns = env.workload_namespace().await;
    let mut both = Both::new(&env, &[&ns]);
    for (owner, propagation) in [("a", PropagationPolicy::Background), ("b", PropagationPolicy::Foreground)] {
        let below = format!("{owner}-below");
        both.check(force(map(&ns, owner, &[]))).await;
        let mut dependent = map(&ns, &below, &[("x", "1")]);
        dependent["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": format!("{UID_OF}{owner}"),
            "blockOwnerDeletion": true,
        }]);
        both.check(Request::Create(dependent)).await;
        let held = object("v1", "ConfigMap", &ns, &below);
        both.check(Request::Patch("guard", held.clone(), finalizers(&["example.com/one"]))).await;
        let target = object("v1", "ConfigMap", &ns, owner);
        both.check(Request::Delete(target, propagation, Given::Nothing)).await;
        both.check(Request::Patch("guard", held, finalizers(&[]))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_written_in_the_model_as_it_is() {
    let env = Environment::new("model-app").await;
    let ns = env.namespace().to_owned();
    let mut both = Both::new(&env, &[&ns]);
    let mut manifest = sim::application("child");
    manifest["metadata"]["namespace"] = ns.clone().into();
    manifest["metadata"]["finalizers"] = json!(["resources-finalizer.argocd.argoproj.io"]);
    let target = ObjectRef::of(&manifest);
    let patch = |manager, patch| Request::Patch(manager, target.clone(), patch);
    both.check(force(manifest.clone())).await;
    let compared = json!({"status": {
        "sync": {"status": "OutOfSync", "comparedTo": {
            "source": manifest["spec"]["source"], "destination": manifest["spec"]["destination"],
        }},
        "health": {"status": "Missing"},
    }});
    both.check(patch(STATUS, compared.clone())).await;
    both.check(patch(STATUS, compared)).await;
    both.check(patch(STATUS, json!({"operation": {"sync": {"prune": true}, "initiatedBy": {"automated": true}}})))
        .await;
    both.check(force(manifest.clone())).await;
    let refresh = |value: Value| json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": value}}});
    both.check(patch(PERSON, refresh("hard".into()))).await;
    both.check(patch(STATUS, refresh(Value::Null))).await;
    both.check(patch(STATUS, json!({"operation": null, "status": {"health": {"status": "Healthy"}}}))).await;
    both.check(patch(PERSON, json!({"spec": {"project": "theirs"}}))).await;
    both.check(force(manifest)).await;
    both.check(Request::Delete(target.clone(), PropagationPolicy::Foreground, Given::Nothing)).await;
    both.check(patch(STATUS, finalizers(&[]))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_namespace_goes_with_it_in_the_model() {
    let env = Environment::new("model-space").await;
    let ns = env.workload_namespace().await;
    let mut both = Both::new(&env, &[&ns]);
    let held = object("v1", "ConfigMap", &ns, "held");
    both.check(force(map(&ns, "a", &[("x", "1")]))).await;
    both.check(force(map(&ns, "held", &[("x", "1")]))).await;
    both.check(Request::Patch("guard", held.clone(), finalizers(&["example.com/one"]))).await;
    let space = object("v1", "Namespace", "", &ns);
    both.cluster.delete(&space).await;
    let _ = both.server.delete(&key_of(&space), "", "", PropagationPolicy::Background);
    both.cluster.wait_for(&held, "to be going", |live| live["metadata"]["deletionTimestamp"].is_string()).await;
    both.check(force(map(&ns, "new", &[]))).await;
    both.check(force(map(&ns, "held", &[("x", "2")]))).await;
    both.check(Request::Patch("guard", held, finalizers(&[]))).await;
    both.cluster.wait_gone(&space).await;
    assert!(both.server.get(&key_of(&space)).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_comes_and_goes_with_its_objects_in_the_model() {
    let env = Environment::new("model-kind").await;
    let ns = env.workload_namespace().await;
    let mut both = Both::new(&env, &[&ns]);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "modelleds.model.example.com"},
        "spec": {
            "group": "model.example.com", "scope": "Namespaced",
            "names": {"kind": "Modelled", "plural": "modelleds"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    let custom = |size: u64| {
        force(json!({
            "apiVersion": "model.example.com/v1", "kind": "Modelled",
            "metadata": {"name": "m", "namespace": ns}, "spec": {"size": size, "colour": "red"},
        }))
    };
    let target = custom(1).target();
    let named = ObjectRef::of(&definition);
    assert!(both.server.apply(&Object::from_value(definition.clone()).unwrap()).is_ok());
    both.cluster.apply(&definition).await;
    let is_established = |live: &Value| {
        let conditions = live["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Established" && one["status"] == "True"))
    };
    both.cluster.wait_for(&named, "to be established", is_established).await;
    both.cluster.wait_for(&target, "to be of a kind that is served", Value::is_null).await;
    both.check(custom(1)).await;
    both.check(custom(2)).await;
    both.check(Request::Patch(PERSON, target.clone(), json!({"spec": {"size": 3}, "status": {"ready": true}}))).await;
    both.check(custom(2)).await;
    both.cluster.delete(&named).await;
    both.cluster.wait_gone(&named).await;
    let _ = both.server.delete(&key_of(&named), "", "", PropagationPolicy::Background);
    assert!(both.server.get(&key_of(&target)).is_none());
    assert_eq!(both.send(&custom(4)).await, both.model(&custom(4)));
}
