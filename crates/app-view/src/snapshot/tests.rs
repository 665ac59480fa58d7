use kube_object::Time;
use serde_json::json;

use super::*;

fn snapshot(application: Value) -> AppSnapshot {
    AppSnapshot::new(&Object::from_value(application).unwrap())
}

fn shown(snapshot: &AppSnapshot) -> Value {
    let mut out = b"before".to_vec();
    snapshot.append_json(&mut out);
    serde_json::from_slice(&out["before".len()..]).unwrap()
}

#[test]
fn the_api_shows_metadata_spec_status_and_operation() {
    let snapshot = snapshot(json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd", "uid": "u", "resourceVersion": "7", "managedFields": [{}]},
        "spec": {"project": "default", "kind": "kept"},
        "operation": {"sync": {}},
    }));
    let expected = json!({
        "metadata": {"name": "web", "namespace": "argocd", "uid": "u", "resourceVersion": "7"},
        "spec": {"project": "default", "kind": "kept"},
        "operation": {"sync": {}},
    });
    assert_eq!(shown(&snapshot), expected);
    assert_eq!(
        (snapshot.namespace(), snapshot.name(), snapshot.uid(), snapshot.resource_version()),
        ("argocd", "web", "u", "7")
    );
}

#[test]
fn who_manages_fields_is_not_shown() {
    fn check(metadata: &Value, expected: &Value) {
        let values = json!({"metadata": {"managedFields": ["kept"]}, "text": "\"managedFields\":[1]"});
        let application = |metadata: &Value| json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": values});
        let shown = shown(&snapshot(application(metadata)));
        assert_eq!(shown, json!({"metadata": expected, "spec": values}));
    }
    let fields = json!([{"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:managedFields": {}}}}]);
    check(&json!({"managedFields": fields, "name": "web"}), &json!({"name": "web"}));
    check(&json!({"labels": {"a": "b"}, "managedFields": fields}), &json!({"labels": {"a": "b"}}));
    check(&json!({"a": 1, "managedFields": fields, "name": "web"}), &json!({"a": 1, "name": "web"}));
    check(&json!({"managedFields": fields}), &json!({}));
    check(&json!({"annotations": {"managedFields": "x"}}), &json!({"annotations": {"managedFields": "x"}}));
}

#[test]
fn the_revision_last_verified_replaces_the_stored_one() {
    fn check(stored: &Value, verified: Option<&str>, expected: &Value, revision: &str) {
        let app = snapshot(json!({"metadata": {}, "status": {"sync": stored}, "tail": "old"}))
            .with_verified_revision(verified.map(Arc::from));
        assert_eq!(shown(&app), json!({"metadata": {}, "status": {"sync": expected}, "tail": "old"}));
        assert_eq!(app.revision(), revision);
    }
    let with = |revision: &str| json!({"revision": revision, "status": "Synced"});
    check(&with("old"), None, &with("old"), "old");
    check(&with("old"), Some("old"), &with("old"), "old");
    check(&with("old"), Some("newer-and-longer"), &with("newer-and-longer"), "newer-and-longer");
    check(&with("old"), Some("a\"b"), &with("a\"b"), "a\"b");
    check(&json!({"status": "Unknown"}), Some("new"), &json!({"status": "Unknown"}), "new");
    check(&json!({"revision": ""}), Some("new"), &json!({"revision": ""}), "new");
}

#[test]
fn the_summary_reads_what_tables_and_metrics_show() {
    let snapshot = snapshot(json!({
        "metadata": {"labels": {"team": "a\"b"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "project": "shop",
            "source": {"repoURL": "https://example.com/a"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"automated": {}},
        },
        "operation": {},
        "status": {
            "sync": {"status": "OutOfSync", "revision": "abc"},
            "health": {"status": "Degraded", "message": "down", "lastTransitionTime": "2026-01-03T00:00:00Z"},
            "operationState": {"phase": "Failed", "message": "no", "startedAt": "2026-01-02T00:00:00Z"},
            "conditions": [{"type": "SyncError", "message": "bad", "lastTransitionTime": "2026-01-02T00:00:00Z"}],
        },
    }));
    let json = snapshot.json();
    let summary = json.summary();
    let labels: Vec<_> = summary.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(labels, [("team", "a\"b")]);
    assert_eq!(
        (&*summary.project, &*summary.dest_namespace, &*summary.repos[0]),
        ("shop", "shop", "https://example.com/a")
    );
    assert_eq!((&*summary.sync_status, &*summary.revision, &*summary.health_status), ("OutOfSync", "abc", "Degraded"));
    assert!(summary.autosync_enabled);
    assert_eq!(summary.operation(), "sync");
    assert_eq!(summary.message(), "SyncError: bad");
    assert_eq!(summary.changed_at, Time::parse("2026-01-03T00:00:00Z"));
}

#[test]
fn messages_fall_back_from_conditions_to_the_operation_to_health() {
    fn check(status: &Value, expected: &str) {
        assert_eq!(snapshot(json!({ "status": status })).json().summary().message(), expected);
    }
    let health = json!({"message": "down"});
    check(&json!({"health": health, "operationState": {"phase": "Failed", "message": "no"}}), "no");
    check(&json!({"health": health, "operationState": {"phase": "Succeeded", "message": "fine"}}), "down");
    check(&json!({"conditions": [{"type": "A", "message": "x"}, {"type": "B", "message": "y"}]}), "A: x; B: y");
    check(&json!({}), "");
}

#[test]
fn odd_shapes_read_as_empty() {
    let nulls = json!({
        "metadata": {"labels": null},
        "spec": {"source": null, "sources": null, "destination": null, "syncPolicy": {"automated": null}},
        "status": {"sync": {"revision": null, "status": "Synced"}, "conditions": null, "operationState": null},
        "operation": null,
    });
    let app = snapshot(nulls);
    let json = app.json();
    let summary = json.summary();
    assert_eq!((&*summary.sync_status, &*summary.project, summary.operation()), ("Synced", "default", ""));
    assert!(!summary.autosync_enabled);
    assert_eq!(snapshot(json!({"status": 3})).json().summary(), AppSummary::default());
    let disabled = json!({"spec": {"syncPolicy": {"automated": {"enabled": false}}}});
    assert!(!snapshot(disabled).json().summary().autosync_enabled);
}
