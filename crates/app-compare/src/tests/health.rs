use kube_object::{ClusterId, GroupKind, ObjectKey};
use object_health::{Health, HealthStatus};
use serde_json::{Value, json};

use super::{World, config_map};
use crate::health::aggregate;
use crate::{LiveFacts, ResourceComparison};

/// A row; an upper-case letter after the colon is its health: `Kind/name:D`. `-` stands for none, `M` is not live.
fn row(text: &str) -> ResourceComparison {
    let (id, health) = text.split_once(':').unwrap();
    let (kind, name) = id.split_once('/').unwrap();
    let status = HealthStatus::ALL.into_iter().find(|status| status.as_str().starts_with(health));
    let group_kind = match kind {
        "Application" => GroupKind::new("argoproj.io", kind),
        _ => GroupKind::new("", kind),
    };
    let key = ObjectKey::new(ClusterId::in_cluster(), group_kind, "ns", name);
    let world = World::new(&[config_map("a", "1")], &[]);
    let template = world.compare().comparison.resources.remove(0);
    let facts = || LiveFacts {
        uid: "u".to_owned(),
        resource_version: "1".to_owned(),
        api_version: "v1".to_owned(),
        deleting: false,
    };
    let live = (health != "M").then(facts);
    ResourceComparison { key, health: status.map(Health::from), live, ..template }
}

fn check(rows: &[&str], expected: &str) {
    let rows: Vec<_> = rows.iter().map(|text| row(text)).collect();
    let own = ObjectKey::new(ClusterId::in_cluster(), GroupKind::new("argoproj.io", "Application"), "ns", "own");
    let health = aggregate(&rows, &own);
    assert_eq!(format!("{} {}", health.status, health.message).trim(), expected);
}

#[test]
fn the_worst_object_decides() {
    check(&[], "Healthy");
    check(&["Pod/a:H", "Pod/b:-"], "Healthy");
    check(&["Pod/a:H", "Pod/b:D", "Pod/c:P"], "Degraded Caused by Pod:ns/b");
    check(
        &["Pod/a:P", "Pod/b:P", "Pod/c:P", "Pod/d:P", "Pod/e:P"],
        "Progressing Caused by Pod:ns/a, Pod:ns/b, Pod:ns/c and 2 more",
    );
    check(&["Pod/a:U", "Pod/b:D"], "Unknown Caused by Pod:ns/a");
}

#[test]
fn what_is_missing_counts_only_when_nothing_is_live() {
    check(&["Pod/a:M", "Pod/b:H"], "Healthy");
    check(&["Pod/a:M", "Pod/b:M"], "Missing");
    check(&["Pod/a:M", "Pod/b:S"], "Suspended Caused by Pod:ns/b");
}

#[test]
fn children_that_are_not_settled_and_the_application_itself_do_not_count() {
    check(&["Application/child:U"], "Healthy");
    check(&["Application/child:D"], "Degraded Caused by argoproj.io/Application:ns/child");
    check(&["Application/own:D"], "Healthy");
}

#[test]
fn an_annotation_takes_an_object_out() {
    let service = |annotations: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer"},
            "metadata": {"name": "s", "namespace": "shop", "uid": "u", "resourceVersion": "5", "annotations": annotations},
        })
    };
    let target = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}});
    let health = |annotations: Value| {
        World::new(std::slice::from_ref(&target), &[service(annotations)]).compare().comparison.health.unwrap()
    };
    assert_eq!(health(json!({})).status, HealthStatus::Progressing);
    assert_eq!(health(json!({"argocd.argoproj.io/ignore-healthcheck": "true"})).status, HealthStatus::Healthy);
}
