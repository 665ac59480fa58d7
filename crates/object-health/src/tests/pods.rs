use serde_json::{Value, json};

use super::check;

fn pod(policy: &str, annotations: Value, status: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations": annotations}, "spec": {"restartPolicy": policy}, "status": status})
}

#[track_caller]
fn table(policy: &str, annotations: Value, cases: Vec<(Value, &str)>) {
    for (status, expected) in cases {
        check(pod(policy, annotations.clone(), status), expected);
    }
}

fn waiting(reason: &str) -> Value {
    json!({"phase": "Pending", "message": "starting", "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": "no image"}}}]})
}

fn running(ready: &str, last_state: Value) -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": ready}], "containerStatuses": [{"lastState": last_state}]})
}

#[test]
fn long_lived_pods() {
    table(
        "Always",
        Value::Null,
        vec![
            (waiting("ErrImagePull"), "Degraded: no image"),
            (waiting("CreateContainerConfigError"), "Degraded: no image"),
            (waiting("CrashLoopBackOff"), "Degraded: no image"),
            (waiting("ContainerCreating"), "Progressing: starting"),
            (
                json!({"phase": "Running", "containerStatuses": [
                    {"state": {"waiting": {"reason": "ErrX", "message": "one"}}}, {"state": {"waiting": {"reason": "ErrY", "message": "two"}}}]}),
                "Degraded: one, two",
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}),
                "Progressing",
            ),
            (running("True", json!({"terminated": {"exitCode": 1}})), "Healthy"),
            (running("False", json!({"terminated": {"exitCode": 1}})), "Degraded"),
            (running("False", json!({})), "Progressing"),
            (json!({"phase": "Succeeded", "message": "done"}), "Healthy: done"),
            (json!({}), "Unknown"),
        ],
    );
}

#[test]
fn pods_that_end() {
    for policy in ["OnFailure", "Never"] {
        table(
            policy,
            Value::Null,
            vec![
                (waiting("ErrImagePull"), "Progressing: starting"),
                (running("True", json!({})), "Progressing"),
                (json!({"phase": "Succeeded"}), "Healthy"),
            ],
        );
    }
    table("", Value::Null, vec![(running("True", json!({})), "Unknown")]);
}

#[test]
fn failed_pods_say_why() {
    let container = |terminated: Value| json!([{"name": "app", "state": {"terminated": terminated}}]);
    table(
        "Never",
        Value::Null,
        vec![
            (
                json!({"phase": "Failed", "message": "evicted", "containerStatuses": container(json!({"message": "x"}))}),
                "Degraded: evicted",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": container(json!({"message": "x", "exitCode": 1}))}),
                "Degraded: x",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": container(json!({"reason": "OOMKilled", "exitCode": 137}))}),
                "Degraded: OOMKilled",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": container(json!({"exitCode": 3}))}),
                "Degraded: container \"app\" failed with exit code 3",
            ),
            (json!({"phase": "Failed", "containerStatuses": container(json!({"exitCode": 0}))}), "Degraded"),
            (
                json!({"phase": "Failed", "initContainerStatuses": container(json!({"message": "init"})), "containerStatuses": container(json!({"message": "x"}))}),
                "Degraded: init",
            ),
        ],
    );
}

#[test]
fn a_restart_policy_can_be_ignored_but_not_on_hooks() {
    let annotated = |more: Value| {
        let mut annotations = json!({"argocd.argoproj.io/ignore-restart-policy": "true"});
        annotations.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        annotations
    };
    let ready = || running("True", json!({}));
    for (annotations, expected) in [
        (json!({}), "Healthy"),
        (json!({"argocd.argoproj.io/ignore-restart-policy": "yes"}), "Progressing"),
        (json!({"argocd.argoproj.io/hook": "PreSync"}), "Progressing"),
        (json!({"argocd.argoproj.io/hook": "Skip"}), "Healthy"),
        (json!({"helm.sh/hook": "post-install"}), "Progressing"),
        (json!({"helm.sh/hook": "crd-install"}), "Healthy"),
    ] {
        table("Never", annotated(annotations), vec![(ready(), expected)]);
    }
}
