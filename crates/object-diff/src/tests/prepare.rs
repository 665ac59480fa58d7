use serde_json::{Value, json};

use super::{object, of_kind};
use crate::{KindFacts, prepare};

fn check(mut input: Value, expected: Value, warned: &[&str]) {
    let facts = KindFacts { has_status_subresource: input["kind"] == "Widget" || input["apiVersion"] == "apps/v1" };
    input["metadata"]["name"] = "it".into();
    let mut expected = expected;
    expected["apiVersion"] = input["apiVersion"].clone();
    expected["kind"] = input["kind"].clone();
    expected["metadata"]["name"] = "it".into();
    let mut prepared = object(input.clone());
    let warnings = prepare(&mut prepared, &facts);
    assert_eq!(prepared.into_value(), expected, "{input}");
    assert_eq!(warnings.iter().map(|warning| warning.path.as_str()).collect::<Vec<_>>(), warned, "{input}");
}

#[test]
fn only_what_the_server_cannot_take_is_changed() {
    let widget = |body: Value| of_kind("example.com/v1", "Widget", &body).into_value();
    check(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "creationTimestamp": null, "generation": 3, "selfLink": "x", "managedFields": [], "resourceVersion": "1", "uid": "u",
            "labels": {}, "annotations": null, "finalizers": [], "ownerReferences": [],
        }}),
        json!({"metadata": {}}),
        &[],
    );
    check(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": {"a": "b"}, "generateName": "x-"}}),
        json!({"metadata": {"labels": {"a": "b"}, "generateName": "x-"}}),
        &[],
    );
    check(widget(json!({"status": {"a": 1}})), json!({"metadata": {"namespace": "ns"}}), &[]);
    check(
        json!({"apiVersion": "example.com/v1", "kind": "Loose", "status": {"a": 1}}),
        json!({"status": {"a": 1}, "metadata": {}}),
        &[],
    );
    let role = "rbac.authorization.k8s.io/v1";
    check(
        json!({"apiVersion": role, "kind": "ClusterRole", "rules": [], "aggregationRule": {"clusterRoleSelectors": []}}),
        json!({"aggregationRule": {"clusterRoleSelectors": []}, "metadata": {}}),
        &[],
    );
    check(json!({"apiVersion": role, "kind": "ClusterRole", "rules": []}), json!({"rules": [], "metadata": {}}), &[]);
}

#[test]
fn string_data_becomes_data() {
    for (body, expected) in [
        (json!({"stringData": {"a": "x"}}), json!({"data": {"a": "eA=="}})),
        (
            json!({"stringData": {"a": "x"}, "data": {"a": "b2xk", "b": "Yg=="}}),
            json!({"data": {"a": "eA==", "b": "Yg=="}}),
        ),
        (json!({"stringData": {"a": null}, "data": null}), json!({"data": {"a": ""}})),
        (json!({"stringData": {}}), json!({})),
        (json!({"stringData": null, "data": {"a": "eA=="}}), json!({"data": {"a": "eA=="}})),
        // The server names what it cannot read.
        (json!({"stringData": {"a": 1, "b": "x"}}), json!({"stringData": {"a": 1}, "data": {"b": "eA=="}})),
        (json!({"stringData": "x"}), json!({"stringData": "x"})),
    ] {
        let (mut input, mut expected) = (body, expected);
        input["apiVersion"] = "v1".into();
        input["kind"] = "Secret".into();
        expected["metadata"] = json!({});
        check(input, expected, &[]);
    }
}

#[test]
fn of_items_with_the_same_key_the_last_wins() {
    let pod = |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "spec": spec});
    let container = |fields: Value| json!({"containers": [fields]});
    check(
        pod(container(
            json!({"name": "web", "env": [{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A", "value": "2"}]}),
        )),
        json!({"metadata": {}, "spec": container(json!({"name": "web", "env": [{"name": "B"}, {"name": "A", "value": "2"}]}))}),
        &[".spec.containers[name=\"web\"].env[name=\"A\"]"],
    );
    // A key that is left out has its default.
    check(
        pod(container(
            json!({"name": "web", "ports": [{"containerPort": 80}, {"containerPort": 80.0, "protocol": "TCP"}, {"containerPort": 80, "protocol": "UDP"}]}),
        )),
        json!({"metadata": {}, "spec": container(json!({"name": "web", "ports": [{"containerPort": 80.0, "protocol": "TCP"}, {"containerPort": 80, "protocol": "UDP"}]}))}),
        &[".spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"]"],
    );
    check(
        pod(json!({"initContainers": [{"name": "a"}, {"name": "a"}], "tolerations": [{"key": "k"}, {"key": "k"}]})),
        json!({"metadata": {}, "spec": {"initContainers": [{"name": "a"}], "tolerations": [{"key": "k"}, {"key": "k"}]}}),
        &[".spec.initContainers[name=\"a\"]"],
    );
    // Of a custom resource only metadata is known.
    check(
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"finalizers": ["x", "x"]}, "spec": {"containers": [{"name": "a"}, {"name": "a"}]}}),
        json!({"metadata": {"finalizers": ["x"]}, "spec": {"containers": [{"name": "a"}, {"name": "a"}]}}),
        &[".metadata.finalizers[=\"x\"]"],
    );
}
