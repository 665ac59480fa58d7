use serde_json::{Value, json};

use super::{entry, live_of};
use crate::{OUR_MANAGER, Takeover, migration_patch, repair_versions_patch};

const CSA: &str = "kubectl-client-side-apply";

/// Lists the entries of a patch as `manager operation fields`.
fn entries(patch: Option<Value>) -> Vec<String> {
    let Some(patch) = patch else { return Vec::new() };
    assert_eq!(patch[1], json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}));
    assert_eq!((&patch[0]["op"], &patch[0]["path"]), (&json!("replace"), &json!("/metadata/managedFields")));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = patch[0]["value"].as_array().unwrap();
    list.iter()
        .map(|e| {
            format!("{} {} {} {}", text(&e["manager"]), text(&e["operation"]), text(&e["apiVersion"]), e["fieldsV1"])
        })
        .collect()
}

fn check(api_version: &str, before: Vec<Value>, expected: &[&str]) {
    let live = live_of(api_version, "Thing", &json!({}), before);
    assert_eq!(entries(migration_patch(&live, &Takeover::default())), expected);
}

#[test]
fn legacy_entries_are_united_with_ours() {
    let fields = |name: &str| json!({"f:data": {format!("f:{name}"): {}}});
    let mut scale = entry(CSA, "Update", "v1", &fields("s"));
    scale["subresource"] = "scale".into();
    check("v1", vec![entry("edit", "Update", "v1", &fields("a")), scale.clone()], &[]);
    check("v1", vec![entry(OUR_MANAGER, "Apply", "v1", &fields("a"))], &[]);
    check("v1", vec![entry("before-first-apply", "Update", "v1", &fields("a"))], &[]);
    check(
        "v1",
        vec![entry("edit", "Update", "v1", &fields("e")), entry(CSA, "Update", "v1", &fields("a")), scale],
        &[
            "argocd-controller Apply v1 {\"f:data\":{\"f:a\":{}}}",
            "edit Update v1 {\"f:data\":{\"f:e\":{}}}",
            "kubectl-client-side-apply Update v1 {\"f:data\":{\"f:s\":{}}}",
        ],
    );
    check(
        "v1",
        vec![
            entry(CSA, "Update", "v1", &fields("a")),
            entry(OUR_MANAGER, "Apply", "v1", &fields("b")),
            entry(OUR_MANAGER, "Update", "v1", &fields("c")),
        ],
        &["argocd-controller Apply v1 {\"f:data\":{\"f:a\":{},\"f:b\":{},\"f:c\":{}}}"],
    );
    // Another version names other fields: it stays.
    check(
        "v2",
        vec![entry(CSA, "Update", "v2", &fields("a")), entry(CSA, "Update", "v1", &fields("b"))],
        &[
            "argocd-controller Apply v2 {\"f:data\":{\"f:a\":{}}}",
            "kubectl-client-side-apply Update v1 {\"f:data\":{\"f:b\":{}}}",
        ],
    );
}

#[test]
fn status_and_operation_stay_with_their_owner() {
    let all = json!({"f:spec": {}, "f:status": {"f:sync": {}}, "f:operation": {}});
    check(
        "argoproj.io/v1alpha1",
        vec![entry(OUR_MANAGER, "Update", "argoproj.io/v1alpha1", &all)],
        &[
            "argocd-controller Apply argoproj.io/v1alpha1 {\"f:spec\":{}}",
            "argocd-controller Update argoproj.io/v1alpha1 {\"f:operation\":{},\"f:status\":{\"f:sync\":{}}}",
        ],
    );
    let status = json!({"f:status": {}});
    check("argoproj.io/v1alpha1", vec![entry(OUR_MANAGER, "Update", "argoproj.io/v1alpha1", &status)], &[]);
    check(
        "v1",
        vec![entry(CSA, "Update", "v1", &all)],
        &[
            "argocd-controller Apply v1 {\"f:operation\":{},\"f:spec\":{}}",
            "kubectl-client-side-apply Update v1 {\"f:status\":{\"f:sync\":{}}}",
        ],
    );
}

#[test]
fn entries_of_a_removed_version_are_rewritten() {
    let fields = |name: &str| json!({format!("f:{name}"): {}});
    let check = |known: &[&str], before: Vec<Value>, expected: &[&str]| {
        let live = live_of("g/v2", "Gizmo", &json!({}), before);
        assert_eq!(entries(repair_versions_patch(&live, known)), expected);
    };
    let ours = || entry(OUR_MANAGER, "Apply", "g/v1", &fields("a"));
    check(&["g/v1", "g/v2"], vec![ours()], &[]);
    check(&[], vec![ours()], &[]);
    check(&["g/v2"], vec![ours()], &["argocd-controller Apply g/v2 {\"f:a\":{}}"]);
    check(
        &["g/v2"],
        vec![entry("edit", "Update", "g/v1", &fields("a")), entry("edit", "Update", "g/v2", &fields("b"))],
        &["edit Update g/v2 {\"f:a\":{},\"f:b\":{}}"],
    );
}
