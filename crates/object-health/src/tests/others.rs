use serde_json::{Value, json};

use super::{check, object};

#[track_caller]
fn table(api_version: &str, kind: &str, cases: Vec<(Value, Value, &str)>) {
    for (spec, status, expected) in cases {
        check(object(api_version, kind, spec, status), expected);
    }
}

/// A list of conditions, each `type status reason message`.
fn conditions(lines: &[&str]) -> Value {
    let condition = |line: &&str| {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        json!({"type": word(), "status": word(), "reason": word(), "message": word()})
    };
    json!({"conditions": lines.iter().map(condition).collect::<Vec<_>>()})
}

#[test]
fn services_and_ingresses() {
    let address = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}});
    let none = json!({"loadBalancer": {}});
    table(
        "v1",
        "Service",
        vec![
            (json!({}), none.clone(), "Healthy"),
            (json!({"type": "LoadBalancer"}), none.clone(), "Progressing"),
            (json!({"type": "LoadBalancer"}), address.clone(), "Healthy"),
        ],
    );
    for api_version in ["networking.k8s.io/v1", "extensions/v1beta1"] {
        table(
            api_version,
            "Ingress",
            vec![(json!({}), none.clone(), "Progressing"), (json!({}), address.clone(), "Healthy")],
        );
    }
}

#[test]
fn volume_claims() {
    let cases = [("Lost", "Degraded"), ("Pending", "Progressing"), ("Bound", "Healthy"), ("", "Unknown")];
    table(
        "v1",
        "PersistentVolumeClaim",
        cases.map(|(phase, expected)| (json!({}), json!({"phase": phase}), expected)).to_vec(),
    );
}

#[test]
fn jobs() {
    let cases: [(&[&str], &str); 7] = [
        (&[], "Progressing"),
        (&["Complete True r done"], "Healthy: done"),
        (&["Complete False r done"], "Healthy: done"),
        (&["Failed False r broken", "Complete True r done"], "Degraded: broken"),
        (&["Suspended True r paused"], "Suspended: paused"),
        (&["Suspended False r resumed"], "Healthy: resumed"),
        (&["FailureTarget True r soon"], "Progressing"),
    ];
    table("batch/v1", "Job", cases.map(|(lines, expected)| (json!({}), conditions(lines), expected)).to_vec());
}

#[test]
fn autoscalers() {
    let cases: [(&[&str], &str); 6] = [
        (&[], "Progressing: Waiting to Autoscale"),
        (&["AbleToScale True ok fine", "ScalingActive False InvalidSelector selector"], "Degraded: selector"),
        (&["AbleToScale False FailedUpdateScale update"], "Degraded: update"),
        (&["ScalingLimited True r limited"], "Healthy: limited"),
        (&["AbleToScale False r x"], "Progressing: Waiting to Autoscale"),
        (&["ScalingActive False ScalingDisabled x"], "Progressing: Waiting to Autoscale"),
    ];
    for (lines, expected) in cases {
        let status = conditions(lines);
        let annotation = status["conditions"].to_string();
        check(object("autoscaling/v2", "HorizontalPodAutoscaler", json!({}), status), expected);
        check(annotated_autoscaler(&annotation), expected);
    }
    check(
        object("autoscaling/v1", "HorizontalPodAutoscaler", json!({}), json!({})),
        "Progressing: Waiting to Autoscale",
    );
    check(
        annotated_autoscaler("{}"),
        "Unknown: failed to convert conditions annotation to typed: invalid type: map, expected a sequence at line 1 column 0",
    );
}

fn annotated_autoscaler(conditions: &str) -> Value {
    json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "annotations": {"autoscaling.alpha.kubernetes.io/conditions": conditions}}})
}

#[test]
fn api_services() {
    let cases: [(&[&str], &str); 3] = [
        (&[], "Progressing: Waiting to be processed"),
        (&["Available True Passed all checks passed"], "Healthy: Passed: all checks passed"),
        (&["Available False MissingEndpoints none"], "Progressing: MissingEndpoints: none"),
    ];
    let cases = cases.map(|(lines, expected)| (json!({}), conditions(lines), expected)).to_vec();
    table("apiregistration.k8s.io/v1", "APIService", cases);
}

#[test]
fn custom_resource_definitions() {
    let cases: [(&[&str], &str); 8] = [
        (&[], "Progressing: Status conditions not found"),
        (&["NamesAccepted True r ok", "Established True r ok"], "Healthy: CRD is healthy"),
        (&["NamesAccepted True r ok", "Established False Installing wait"], "Progressing: CRD is being installed"),
        (&["NamesAccepted True r ok", "Established False NotAccepted x"], "Degraded: CRD is not established"),
        (&["NamesAccepted True r ok"], "Degraded: CRD is not established"),
        (
            &["NamesAccepted False Conflict taken", "Established True r ok"],
            "Degraded: CRD names have not been accepted: taken",
        ),
        (&["Established True r ok", "NonStructuralSchema True V bad"], "Degraded: Schema violations found: bad"),
        (&["Established True r ok", "Terminating True r going"], "Progressing: CRD is terminating: going"),
    ];
    let cases = cases.map(|(lines, expected)| (json!({}), conditions(lines), expected)).to_vec();
    table("apiextensions.k8s.io/v1", "CustomResourceDefinition", cases);
}

#[test]
fn workflows() {
    let cases = [
        ("", "Progressing: m"),
        ("Pending", "Progressing: m"),
        ("Running", "Progressing: m"),
        ("Succeeded", "Healthy: m"),
        ("Failed", "Degraded: m"),
        ("Error", "Degraded: m"),
        ("Omitted", "Unknown: m"),
    ];
    let cases = cases.map(|(phase, expected)| (json!({}), json!({"phase": phase, "message": "m"}), expected)).to_vec();
    table("argoproj.io/v1alpha1", "Workflow", cases);
}
