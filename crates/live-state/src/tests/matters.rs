//! Which differences between two versions matter.

use super::*;

fn managed_fields(manager: &str, fields: Value) -> Value {
    json!([{"manager": manager, "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields}])
}

/// Checks what changes when `before` becomes `after` on an object that an application renders.
#[track_caller]
fn check_kind(api_version: &str, kind: &str, before: Value, after: Value, expected: &str) {
    let mut state = LiveState::new();
    let object = |version, more| {
        let base = json!({"apiVersion": api_version, "kind": kind, "metadata": {"generation": version, "managedFields": managed_fields("argocd-controller", json!({"f:spec": {}}))},
            "spec": {"replicas": 1}, "status": {"observedGeneration": version}});
        thing("a", "u1", version, all([base, more]))
    };
    state.set_targets(&app("web"), [object(1, json!({})).key(cluster())]);
    apply(&mut state, &object(1, before));
    assert_eq!(apply(&mut state, &object(2, after.clone())).replace(" web:Compare", ""), expected, "{after}");
    let live = state.get(&object(2, json!({})).key(cluster())).unwrap();
    assert_eq!(live.resource_version.number(), Some(2));
    assert_eq!(live.body.held().unwrap().decode().resource_version(), "2");
}

#[track_caller]
fn check(before: Value, after: Value, expected: &str) {
    check_kind("example.com/v1", "Thing", before, after, expected);
}

#[test]
fn of_a_managed_object_all_but_status_matters() {
    check(json!({}), json!({}), "-");
    check(json!({}), json!({"status": {"conditions": [{"type": "Ready"}]}}), "-");
    check(json!({}), json!({"spec": {"replicas": 2}}), "{DesiredState}");
    check(json!({}), json!({"metadata": {"labels": {"a": "b"}}}), "{DesiredState}");
    check(json!({}), json!({"metadata": {"finalizers": ["x"]}}), "{DesiredState}");
    check(json!({}), json!({"apiVersion": "example.com/v2"}), "{DesiredState}");
    check(json!({"data": {"a": "1", "b": "2"}}), json!({"data": {"b": "2", "a": "1"}}), "-");
    check(
        json!({}),
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        "{DesiredState, Health, Deletion}",
    );
    check(json!({}), json!({"metadata": {"ownerReferences": [{"uid": "o"}]}}), "{DesiredState, Owners}");
    check(json!({}), tracked("web", "example.com/Thing", "a"), "{DesiredState, Tracking}");
}

#[test]
fn status_matters_through_health() {
    let status = |ready: &str| json!({"spec": null, "status": {"phase": ready, "noise": ready}});
    for (before, after, expected) in
        [("Pending", "Bound", "{Health}"), ("Bound", "Lost", "{Health}"), ("Odd", "Other", "-")]
    {
        check_kind("v1", "PersistentVolumeClaim", status(before), status(after), expected);
    }
}

#[test]
fn ownership_matters_but_not_its_times_and_not_of_status() {
    let fields = |entries: Vec<Value>| json!({"metadata": {"managedFields": entries}});
    let entry = |manager: &str, more: Value| {
        all([
            json!({"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
            more,
        ])
    };
    let ours = || entry("argocd-controller", json!({}));
    let status = |field: &str| {
        entry("kubelet", json!({"subresource": "status", "fieldsV1": {"f:spec": null, "f:status": {field: {}}}}))
    };
    let check = |before, after, expected| check(fields(before), fields(after), expected);
    check(vec![ours()], vec![entry("argocd-controller", json!({"time": "2026-02-02T00:00:00Z"}))], "-");
    check(vec![ours()], vec![ours(), status("f:phase")], "-");
    check(vec![ours(), status("f:phase")], vec![status("f:ready"), ours()], "-");
    check(vec![ours()], vec![entry("kubectl", json!({}))], "{DesiredState}");
    check(vec![ours()], vec![entry("argocd-controller", json!({"operation": "Apply"}))], "{DesiredState}");
    check(
        vec![ours()],
        vec![entry("argocd-controller", json!({"fieldsV1": {"f:spec": {"f:image": {}}}}))],
        "{DesiredState}",
    );
    check(vec![ours()], vec![ours(), entry("hpa", json!({"subresource": "scale"}))], "{DesiredState}");
}

#[test]
fn the_workings_of_a_child_application_do_not_wake_its_parent() {
    let check = |before, after, expected| check_kind("argoproj.io/v1alpha1", "Application", before, after, expected);
    let refresh = || json!({"argocd.argoproj.io/refresh": "normal"});
    let owned = |annotations: Value| json!([{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {"f:annotations": annotations}}}]);
    check(json!({}), json!({"status": {"health": {"status": "Degraded"}, "sync": {}}}), "-");
    check(json!({}), json!({"operation": {"sync": {}}}), "-");
    check(json!({}), json!({"metadata": {"annotations": refresh()}}), "-");
    check(
        json!({"metadata": {"managedFields": owned(json!({".": {}}))}}),
        json!({"metadata": {"annotations": refresh(), "managedFields": owned(json!({".": {}, "f:argocd.argoproj.io/refresh": {}}))}}),
        "-",
    );
    check(
        json!({"metadata": {"managedFields": owned(json!({}))}}),
        json!({"metadata": {"managedFields": owned(json!({"f:other": {}}))}}),
        "{DesiredState}",
    );
    check(json!({}), json!({"metadata": {"annotations": {"other": "x"}}}), "{DesiredState}");
    check(json!({}), json!({"spec": {"project": "p"}}), "{DesiredState}");
}

#[test]
fn of_other_objects_only_what_is_kept_matters() {
    let mut state = LiveState::new();
    let pod = |version, more| {
        thing(
            "a",
            "u1",
            version,
            all([json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": "x"}]}}), more]),
        )
    };
    assert_eq!(apply(&mut state, &pod(1, json!({}))), "Added");
    assert_eq!(apply(&mut state, &pod(2, json!({"metadata": {"labels": {"a": "b"}}, "spec": {"nodeName": "n"}}))), "-");
    assert_eq!(apply(&mut state, &pod(3, json!({"spec": {"containers": [{"image": "y"}]}}))), "{Images}");
    assert_eq!(apply(&mut state, &pod(4, json!({"status": {"phase": "Failed"}}))), "{Health, Images}");
    assert_eq!(state.get(&key("", "Pod", "a")).unwrap().body, Body::NotHeld);
}
