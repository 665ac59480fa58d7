use serde_json::{Value, json};

use super::{check, object};

#[track_caller]
fn table(kind: &str, cases: Vec<(Value, Value, &str)>) {
    for (spec, status, expected) in cases {
        check(object("apps/v1", kind, spec, status), expected);
    }
}

#[test]
fn deployments() {
    let done = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
    let over_deadline = json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]});
    let all = json!({"replicas": 3});
    table(
        "Deployment",
        vec![
            (json!({"paused": true}), json!({}), "Suspended: Deployment is paused"),
            (
                all.clone(),
                json!({"observedGeneration": 1}),
                "Progressing: Waiting for rollout to finish: observed deployment generation less than desired generation",
            ),
            (all.clone(), over_deadline, "Degraded: Deployment \"web\" exceeded its progress deadline"),
            (
                all.clone(),
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1}),
                "Progressing: Waiting for rollout to finish: 1 out of 3 new replicas have been updated...",
            ),
            (
                all.clone(),
                json!({"observedGeneration": 2, "replicas": 5, "updatedReplicas": 3, "availableReplicas": 3}),
                "Progressing: Waiting for rollout to finish: 2 old replicas are pending termination...",
            ),
            (
                all.clone(),
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 2}),
                "Progressing: Waiting for rollout to finish: 2 of 3 updated replicas are available...",
            ),
            (all, done.clone(), "Healthy"),
            (json!({}), json!({"observedGeneration": 2}), "Healthy"),
            (json!({"replicas": 0}), json!({"observedGeneration": 3}), "Healthy"),
        ],
    );
}

#[test]
fn replica_sets() {
    let failing = |status| json!({"observedGeneration": 2, "availableReplicas": 1, "conditions": [{"type": "ReplicaFailure", "status": status, "message": "quota"}]});
    table(
        "ReplicaSet",
        vec![
            (
                json!({"replicas": 1}),
                json!({"observedGeneration": 1}),
                "Progressing: Waiting for rollout to finish: observed replica set generation less than desired generation",
            ),
            (json!({"replicas": 1}), failing("True"), "Degraded: quota"),
            (json!({"replicas": 1}), failing("False"), "Healthy"),
            (
                json!({"replicas": 2}),
                failing("False"),
                "Progressing: Waiting for rollout to finish: 1 out of 2 new replicas are available...",
            ),
            (json!({}), json!({"observedGeneration": 2}), "Healthy"),
        ],
    );
}

#[test]
fn daemon_sets() {
    let status = |updated, available| json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": available});
    table(
        "DaemonSet",
        vec![
            (
                json!({}),
                json!({"observedGeneration": 1}),
                "Progressing: Waiting for rollout to finish: observed daemon set generation less than desired generation",
            ),
            (
                json!({"updateStrategy": {"type": "OnDelete"}}),
                status(1, 0),
                "Healthy: daemon set 1 out of 2 new pods have been updated",
            ),
            (
                json!({"updateStrategy": {"type": "RollingUpdate"}}),
                status(1, 2),
                "Progressing: Waiting for daemon set \"web\" rollout to finish: 1 out of 2 new pods have been updated...",
            ),
            (
                json!({}),
                status(2, 1),
                "Progressing: Waiting for daemon set \"web\" rollout to finish: 1 of 2 updated pods are available...",
            ),
            (json!({}), status(2, 2), "Healthy"),
        ],
    );
}

#[test]
fn stateful_sets() {
    let status = |ready, updated| json!({"observedGeneration": 2, "readyReplicas": ready, "updatedReplicas": updated, "currentReplicas": 3, "currentRevision": "web-1", "updateRevision": "web-1"});
    let rolling =
        |update: Value| json!({"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": update}});
    let not_observed = "Progressing: Waiting for statefulset spec update to be observed...";
    let complete = "Healthy: partitioned roll out complete: 1 new pods have been updated...";
    table(
        "StatefulSet",
        vec![
            (json!({}), json!({}), not_observed),
            (json!({}), json!({"observedGeneration": 1}), not_observed),
            (json!({"replicas": 3}), status(1, 3), "Progressing: Waiting for 2 pods to be ready..."),
            (
                rolling(json!({"partition": 1})),
                status(3, 1),
                "Progressing: Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...",
            ),
            (rolling(json!({"partition": 2})), status(3, 1), complete),
            (rolling(json!({})), status(3, 1), complete),
            (
                json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}}),
                status(3, 0),
                "Healthy: statefulset has 3 ready pods",
            ),
            (
                rolling(Value::Null),
                json!({"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 1, "currentRevision": "web-1", "updateRevision": "web-2"}),
                "Progressing: waiting for statefulset rolling update to complete 1 pods at revision web-2...",
            ),
            (
                rolling(Value::Null),
                status(3, 0),
                "Healthy: statefulset rolling update complete 3 pods at revision web-1...",
            ),
        ],
    );
}
