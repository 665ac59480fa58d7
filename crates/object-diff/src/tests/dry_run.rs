use kube_object::{ApiError, Object, StatusCause};
use serde_json::{Value, json};

use super::{entry, live_of, of_kind};
use crate::{
    DryRunBody, DryRunVerdict, OUR_MANAGER, Takeover, Verdict, compare_dry_run, dry_runs, stepping_stone, verdict,
};

fn check(change: impl FnOnce(&mut Object), expected: &str) {
    let body = json!({"metadata": {"generation": 1}, "data": {"a": "1"}, "spec": {"containers": [{"name": "x", "image": "1"}, {"name": "y"}]}});
    let entries = vec![
        entry("one", "Update", "v1", &json!({"f:data": {"f:a": {}}})),
        entry("two", "Update", "v1", &json!({"f:spec": {"f:containers": {"k:{\"name\":\"x\"}": {"f:image": {}}}}})),
    ];
    let live = live_of("v1", "Thing", &body, entries);
    let mut result = live.clone();
    change(&mut result);
    let says = match compare_dry_run(&live, &result) {
        DryRunVerdict::NoOp => "no-op".to_owned(),
        DryRunVerdict::OwnershipOnly => "ownership".to_owned(),
        DryRunVerdict::Stale => "stale".to_owned(),
        DryRunVerdict::Change(all) => all
            .iter()
            .map(|change| format!("{} by {}", change.path, change.owner.as_ref().map_or("nobody", |owner| &owner.name)))
            .collect::<Vec<_>>()
            .join(", "),
    };
    assert_eq!(says, expected);
}

fn set(result: &mut Object, pointer: &str, value: Value) {
    let mut whole = std::mem::take(result).into_value();
    *whole.pointer_mut(pointer).unwrap() = value;
    *result = Object::from_value(whole).unwrap();
}

#[test]
fn a_dry_run_is_read_without_bookkeeping() {
    check(|_| {}, "no-op");
    check(|result| set(result, "/metadata/generation", json!(2)), "no-op");
    check(|result| set(result, "/metadata/managedFields/0/time", json!("2030-01-01T00:00:00Z")), "no-op");
    check(
        |result| {
            let mut entries = result.get(&["metadata", "managedFields"]).unwrap().clone();
            entries.as_array_mut().unwrap().reverse();
            set(result, "/metadata/managedFields", entries);
        },
        "no-op",
    );
    check(|result| set(result, "/metadata/managedFields/0/manager", json!("three")), "ownership");
    check(|result| set(result, "/metadata/resourceVersion", json!("8")), "stale");
    check(|result| set(result, "/metadata/uid", json!("u-2")), "stale");
    check(|result| set(result, "/data/a", json!("2")), ".data.a by one");
    check(|result| set(result, "/spec/containers/0/image", json!("2")), ".spec.containers[name=\"x\"].image by two");
    check(
        |result| set(result, "/spec/containers", json!([{"name": "y"}, {"name": "x", "image": "1"}])),
        ".spec.containers by two",
    );
    check(
        |result| set(result, "/spec/containers", json!([{"name": "x", "image": "1"}, {"name": "z"}])),
        ".spec.containers[name=\"y\"] by nobody, .spec.containers[name=\"z\"] by nobody",
    );
}

#[test]
fn doubts_about_legacy_values_ask_for_their_removal() {
    let says = |desired: Value, manager: &str, operation: &str| {
        let body = json!({"data": {"a": "1", "b/c": "2"}, "list": [{"name": "x"}, {"name": "y"}, {"name": "z"}]});
        let item = |name: &str| format!("k:{{\"name\":\"{name}\"}}");
        let fields = json!({
            "f:data": {"f:a": {}, "f:b/c": {}}, "f:list": {item("x"): {}, item("y"): {}, item("z"): {}},
        });
        let live = live_of("v1", "Thing", &body, vec![entry(manager, operation, "v1", &fields)]);
        match verdict(&of_kind("v1", "Thing", &desired), &live, &Takeover::default()) {
            Verdict::Doubt(doubts) => dry_runs(&live, &doubts),
            other => panic!("{other:?}"),
        }
    };
    let kept = json!({"data": {"a": "1"}, "list": [{"name": "y"}]});
    let patch = DryRunBody::JsonPatch(json!([
        {"op": "remove", "path": "/list/2"}, {"op": "remove", "path": "/list/0"}, {"op": "remove", "path": "/data/b~1c"},
    ]));
    assert_eq!(says(kept.clone(), "kubectl-client-side-apply", "Update"), std::slice::from_ref(&patch));
    assert_eq!(says(kept, OUR_MANAGER, "Apply"), [DryRunBody::Apply]);
    let changed = json!({"data": {"a": "9"}, "list": [{"name": "y"}]});
    assert_eq!(says(changed, "kubectl-client-side-apply", "Update"), [DryRunBody::Apply, patch]);
}

#[test]
fn refusals_that_one_step_removes_name_the_step() {
    let error = |code: u16, field: &str, message: &str| ApiError {
        causes: vec![StatusCause { field: field.to_owned(), message: message.to_owned(), ..StatusCause::default() }],
        code,
        ..ApiError::no_answer("")
    };
    let check = |desired: Value, live: Value, error: ApiError, expected: Option<Value>| {
        let (desired, live) = (of_kind("v1", "It", &desired), of_kind("v1", "It", &live));
        let step = stepping_stone(&desired, &live, &error);
        assert_eq!(step.map(Object::into_value), expected.map(|body| of_kind("v1", "It", &body).into_value()));
    };
    let null = "Invalid value: \"null\": spec.map in body must be of type object: \"null\"";
    let emptied = json!({"spec": {"map": {}, "a": 1}});
    let full = json!({"spec": {"map": {"a": "b"}, "a": 1}});
    check(emptied.clone(), full.clone(), error(422, "spec.map", null), Some(json!({"spec": {"a": 1}})));
    check(full.clone(), full.clone(), error(422, "spec.map", null), None);
    check(emptied.clone(), full.clone(), error(422, "spec.a", "Invalid value"), None);
    check(emptied, full, error(500, "spec.map", null), None);
    let rolling = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}}});
    let recreate = json!({"spec": {"strategy": {"type": "Recreate"}}});
    let forbidden = || error(422, "spec.strategy.rollingUpdate", "Forbidden: may not be specified");
    check(recreate, rolling.clone(), forbidden(), Some(rolling.clone()));
    check(rolling.clone(), rolling, forbidden(), None);
}
