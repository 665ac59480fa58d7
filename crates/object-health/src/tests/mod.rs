#![expect(clippy::needless_pass_by_value, reason = "cases are written in place")]

mod apps;
mod others;
mod overrides;
mod pods;

use serde_json::Value;

use super::*;

/// Checks the health that the built-in rule gives: `Status: message`, `Status`, or `-` for none.
#[track_caller]
fn check(object: Value, expected: &str) {
    check_with(&Overrides::default(), object, expected);
}

#[track_caller]
fn check_with(overrides: &Overrides, object: Value, expected: &str) {
    let text = object.to_string();
    assert_eq!(shown(health(&Object::from_value(object).unwrap(), overrides)), expected, "{text}");
}

fn shown(health: Option<Health>) -> String {
    match health {
        None => "-".to_owned(),
        Some(Health { status, message }) if message.is_empty() => status.to_string(),
        Some(Health { status, message }) => format!("{status}: {message}"),
    }
}

/// Makes an object of a kind named `web` with a spec and a status.
fn object(api_version: &str, kind: &str, spec: Value, status: Value) -> Value {
    serde_json::json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "generation": 2}, "spec": spec, "status": status})
}

#[test]
fn statuses_are_ordered_and_written_as_their_words() {
    for (better, worse) in HealthStatus::ALL.iter().zip(&HealthStatus::ALL[1..]) {
        assert_eq!(better.worst(*worse), *worse);
        assert_eq!(worse.worst(*better), *worse);
    }
    for status in HealthStatus::ALL {
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        assert_eq!(HealthStatus::parse(status.as_str()), Some(status));
    }
    assert_eq!(HealthStatus::parse("healthy"), None);
    assert_eq!(serde_json::to_string(&Health::from(HealthStatus::Healthy)).unwrap(), r#"{"status":"Healthy"}"#);
}

#[test]
fn deletion_comes_first_except_for_hooks() {
    let deleting = |finalizers: Value| serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": finalizers}});
    check(deleting(Value::Null), "Progressing: Pending deletion");
    check(deleting(serde_json::json!(["other"])), "Progressing: Pending deletion");
    check(deleting(serde_json::json!(["argocd.argoproj.io/hook-finalizer"])), "Healthy");
    let always = Overrides::from_scripts([("Service", "return {status = \"Degraded\"}")]);
    check_with(&always, deleting(Value::Null), "Progressing: Pending deletion");
}

#[test]
fn kinds_without_a_rule_have_no_health() {
    check(object("v1", "ConfigMap", Value::Null, Value::Null), "-");
    check(
        object(
            "argoproj.io/v1alpha1",
            "Application",
            Value::Null,
            serde_json::json!({"health": {"status": "Degraded"}}),
        ),
        "-",
    );
    check(object("example.com/v1", "Deployment", Value::Null, Value::Null), "-");
}

#[test]
fn unreadable_versions_are_named() {
    for (api_version, kind, expected) in [
        ("apps/v1beta2", "Deployment", "Unknown: unsupported Deployment GVK: apps/v1beta2, Kind=Deployment"),
        ("v2", "Pod", "Unknown: unsupported Pod GVK: /v2, Kind=Pod"),
        ("batch/v1beta1", "Job", "Unknown: unsupported Job GVK: batch/v1beta1, Kind=Job"),
        (
            "autoscaling/v2beta2",
            "HorizontalPodAutoscaler",
            "Unknown: unsupported HPA GVK: autoscaling/v2beta2, Kind=HorizontalPodAutoscaler",
        ),
    ] {
        check(object(api_version, kind, Value::Null, Value::Null), expected);
    }
}

#[test]
fn objects_of_the_wrong_shape_do_not_panic() {
    for kind in ["Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"] {
        let odd = serde_json::json!({"apiVersion": "apps/v1", "kind": kind, "metadata": 1, "spec": [], "status": {"conditions": {}, "replicas": "x"}});
        assert!(health(&Object::from_value(odd).unwrap(), &Overrides::default()).is_some());
    }
    let low = serde_json::json!({"replicas": i64::MAX, "updatedReplicas": i64::MIN, "observedGeneration": 2});
    check(
        object("apps/v1", "Deployment", Value::Null, low),
        "Progressing: Waiting for rollout to finish: 9223372036854775807 old replicas are pending termination...",
    );
}
