//! Prints the memory that the index takes for each object, measured by the kernel: `cargo run -p live-state --example footprint`.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring tool, no part of the crate")]

use kube_object::{ClusterId, Object};
use live_state::{Detail, LiveState};
use serde_json::{Value, json};

const COUNT: u32 = 50_000;

fn main() {
    // All are kept to the end, so that none is made of memory that another gave back.
    let _kept = [
        measure("Pod below a managed object", Detail::Full, |number| pod(number, &uid(2, number % 1000))),
        measure("tracked ConfigMap of 1 KiB", Detail::Full, config_map),
        measure("tracked ConfigMap, metadata only", Detail::MetadataOnly, config_map),
    ];
}

/// Applies objects and prints what the index grew by.
fn measure(what: &str, detail: Detail, make: impl Fn(u32) -> Object) -> LiveState {
    let mut state = LiveState::new();
    state.apply(&ClusterId::in_cluster(), &make(COUNT), detail);
    let before = resident();
    for number in 0..COUNT {
        state.apply(&ClusterId::in_cluster(), &make(number), detail);
    }
    let grown = resident().saturating_sub(before) / u64::from(COUNT);
    let stats = state.stats();
    let per_object = |bytes: usize| bytes / COUNT as usize;
    let (bodies, index) = stats.kinds.values().fold((0, 0), |(b, i), kind| (b + kind.body_bytes, i + kind.index_bytes));
    println!(
        "{what}: {grown} bytes an object resident; counted: body {}, index {}, tables {}",
        per_object(bodies),
        per_object(index),
        per_object(stats.table_bytes)
    );
    state
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the example runs on Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("statm is numbers") * 4096
}

fn uid(kind: u32, number: u32) -> String {
    format!("0f8fad5b-d9cb-469f-{kind:04x}-{number:012x}")
}

fn managed_fields(manager: &str, fields: &Value) -> Value {
    json!([{"manager": manager, "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields}])
}

fn pod(number: u32, owner: &str) -> Object {
    object(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("web-7c5ddbdf54-{number:05}"), "namespace": format!("team-{}", number % 10), "uid": uid(1, number),
            "resourceVersion": number.to_string(), "ownerReferences": [{"uid": owner}], "labels": {"app": "web"}},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "web", "image": format!("registry.example.com/web:{}", number % 100)}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    }))
}

fn config_map(number: u32) -> Object {
    let (namespace, name) = (format!("team-{}", number % 10), format!("app-{number:05}-config"));
    let tracking = format!("app-{:05}:/ConfigMap:{namespace}/{name}", number / 3);
    object(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "uid": uid(3, number), "resourceVersion": number.to_string(),
            "annotations": {"argocd.argoproj.io/tracking-id": tracking},
            "managedFields": managed_fields("argocd-controller", &json!({"f:data": {"f:text": {}}}))},
        "data": {"text": "x".repeat(1024)}
    }))
}

fn object(value: Value) -> Object {
    Object::from_value(value).expect("made of a map")
}
