use serde_json::{Value, json};

use super::status_patch;
use crate::crd::tests::{schema, validate};
use crate::{ApplicationStatus, parse};

fn status(value: &Value) -> ApplicationStatus {
    parse(value).unwrap()
}

fn full() -> Value {
    json!({
        "sync": {
            "status": "Synced",
            "revision": "a",
            "comparedTo": {"source": {"repoURL": "u", "path": "p"}, "destination": {"server": "s"}},
        },
        "health": {"status": "Healthy"},
        "history": [{"id": 0, "deployedAt": "2026-08-22T18:31:32Z", "source": {"repoURL": "u"}}],
        "operationState": {
            "operation": {"sync": {"revision": "a"}, "retry": {}},
            "phase": "Running",
            "startedAt": "2026-08-22T18:31:32Z",
            "syncResult": {"revision": "a", "source": {"repoURL": "u"}},
        },
        "sourceHydrator": {
            "currentOperation": {
                "phase": "Hydrating",
                "message": "m",
                "sourceHydrator": {
                    "drySource": {"repoURL": "u", "path": "p", "targetRevision": "main"},
                    "syncSource": {"targetBranch": "b", "path": "p"},
                },
            },
        },
    })
}

/// Changes one value and checks that the patch leads there, and that each map in it is valid on its own.
fn check(pointer: &str, value: Value, expected: Option<Value>) {
    let (old, mut new) = (full(), full());
    *new.pointer_mut(pointer).unwrap() = value;
    let patch = status_patch(Some(&status(&old)), &status(&new));
    if let Some(expected) = expected {
        assert_eq!(patch, Some(expected), "{pointer}");
    }
    let patch = patch.unwrap();
    let mut patched = serde_json::to_value(status(&old)).unwrap();
    kube_object::apply_merge_patch(&mut patched, &patch);
    assert_eq!(status(&patched), status(&new), "{pointer}");

    // As if everything had been cleared in the meantime.
    let mut alone = Value::Null;
    kube_object::apply_merge_patch(&mut alone, &patch);
    let mut problems = Vec::new();
    validate(".status", &schema("Application")["properties"]["status"], &alone, &mut problems);
    assert_eq!(problems, [""; 0], "{pointer}");
}

#[test]
fn a_patch_holds_the_change_and_what_is_required_beside_it() {
    check("/health/status", json!("Degraded"), Some(json!({"health": {"status": "Degraded"}})));
    check("/sync/revision", json!("b"), Some(json!({"sync": {"status": "Synced", "revision": "b"}})));
    check(
        "/sync/comparedTo/source/path",
        json!("q"),
        Some(json!({
            "sync": {
                "status": "Synced",
                "comparedTo": {"destination": {"server": "s"}, "source": {"repoURL": "u", "path": "q"}},
            },
        })),
    );
    check(
        "/operationState/phase",
        json!("Succeeded"),
        Some(json!({
            "operationState": {
                "operation": {"sync": {"revision": "a"}, "retry": {}, "initiatedBy": {}},
                "phase": "Succeeded",
                "startedAt": "2026-08-22T18:31:32Z",
            },
        })),
    );
    for (pointer, value) in [
        ("/operationState/syncResult/source/path", json!("q")),
        ("/operationState/operation/retry/limit", json!(1)),
        ("/sourceHydrator/currentOperation/message", json!("n")),
        ("/sourceHydrator/currentOperation/sourceHydrator/drySource/path", json!("q")),
        ("/sourceHydrator/currentOperation/sourceHydrator/syncSource/path", json!("q")),
        ("/history", json!([])),
        ("/operationState", Value::Null),
        ("/operationState/syncResult", Value::Null),
    ] {
        check_added(pointer, value);
    }
}

/// Like [`check`], for a field that may be absent before.
fn check_added(pointer: &str, value: Value) {
    let (map, name) = pointer.rsplit_once('/').unwrap();
    let mut parent = full().pointer(map).unwrap().clone();
    parent[name] = value;
    check(map, parent, None);
}

#[test]
fn equal_statuses_need_no_patch() {
    assert_eq!(status_patch(Some(&status(&full())), &status(&full())), None);
}

#[test]
fn the_first_status_is_written_whole() {
    let patch = status_patch(None, &status(&full())).unwrap();
    assert_eq!(patch["sync"]["status"], "Synced");
    assert_eq!(patch["summary"], json!({}));
}

#[test]
fn fields_of_newer_versions_are_left_alone() {
    let mut old = full();
    old["tomorrow"] = json!({"a": 1});
    old["sync"]["tomorrow"] = json!(1);
    let mut new = status(&old);
    new.health.message = "m".to_owned();
    let patch = status_patch(Some(&status(&old)), &new).unwrap();
    assert_eq!(patch, json!({"health": {"message": "m"}}));
}
