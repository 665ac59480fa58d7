#![expect(clippy::needless_pass_by_value, reason = "cases are written in place")]

mod consistency;
mod folds;
mod managed;
mod matters;
mod simulation;
mod trees;

use kube_object::{ClusterId, GroupKind, InstanceName, Object, ObjectKey};
use serde_json::{Value, json};

use super::*;

fn cluster() -> ClusterId {
    ClusterId::in_cluster()
}

fn app(name: &str) -> InstanceName {
    InstanceName::new(name)
}

/// Makes an object of kind `Thing` (or as `more` says) with a uid and version; `more` is merged over it.
fn thing(name: &str, uid: &str, version: u64, more: Value) -> Object {
    let mut object = json!({"apiVersion": "example.com/v1", "kind": "Thing",
        "metadata": {"namespace": "shop", "name": name, "uid": uid, "resourceVersion": version.to_string()}});
    kube_object::apply_merge_patch(&mut object, &more);
    Object::from_value(object).unwrap()
}

/// The patch that makes an object tracked by an application.
fn tracked(instance: &str, kind: &str, name: &str) -> Value {
    json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": format!("{instance}:{kind}:shop/{name}")}}})
}

/// Merges patches into one.
fn all<const N: usize>(patches: [Value; N]) -> Value {
    let mut sum = json!({});
    for patch in &patches {
        kube_object::apply_merge_patch(&mut sum, patch);
    }
    sum
}

fn key(group: &str, kind: &str, name: &str) -> ObjectKey {
    ObjectKey::new(cluster(), GroupKind::new(group, kind), "shop", name)
}

fn thing_key(name: &str) -> ObjectKey {
    key("example.com", "Thing", name)
}

fn things() -> GroupKind {
    GroupKind::new("example.com", "Thing")
}

fn apply(state: &mut LiveState, object: &Object) -> String {
    shown(state.apply(&cluster(), object, Detail::Full))
}

/// Keeps of an object what a metadata-only list gives.
fn metadata_of(object: &Object) -> Object {
    let mut fields = object.fields().clone();
    fields.retain(|name, _| ["apiVersion", "kind", "metadata"].contains(&name.as_str()));
    Object::from_value(Value::Object(fields)).unwrap()
}

fn apply_metadata(state: &mut LiveState, object: &Object) -> String {
    shown(state.apply(&cluster(), &metadata_of(object), Detail::MetadataOnly))
}

/// Shows a change as `kind {aspects} app:Level …`, or `-`.
fn shown(change: Option<Change>) -> String {
    let Some(Change { kind, wakes, .. }) = change else { return "-".to_owned() };
    let kind = match kind {
        ChangeKind::Modified(aspects) => format!("{aspects:?}"),
        other => format!("{other:?}"),
    };
    wakes.iter().fold(kind, |text, (instance, level)| format!("{text} {instance}:{level:?}"))
}

fn names(keys: impl IntoIterator<Item = ObjectKey>) -> String {
    keys.into_iter().map(|key| key.name).collect::<Vec<_>>().join(" ")
}
