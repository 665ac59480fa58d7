mod dry_run;
mod migration;
mod model;
mod prepare;
mod takeover;
mod walk;

use kube_object::Object;
use serde_json::{Value, json};

/// Makes an object of a JSON literal.
fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

/// Makes an entry of `managedFields`.
fn entry(manager: &str, operation: &str, api_version: &str, fields: &Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": api_version, "time": "2026-01-02T03:04:05Z",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
}

/// Makes an object of a kind with the fields of `body` beside its identity.
fn of_kind(api_version: &str, kind: &str, body: &Value) -> Object {
    let mut object = object(body.clone());
    object.fields_mut().insert("apiVersion".to_owned(), api_version.into());
    object.fields_mut().insert("kind".to_owned(), kind.into());
    object.metadata_map_mut().insert("name".to_owned(), "it".into());
    object.metadata_map_mut().insert("namespace".to_owned(), "ns".into());
    object
}

/// Makes a live object with its entries.
fn live_of(api_version: &str, kind: &str, body: &Value, entries: Vec<Value>) -> Object {
    let mut live = of_kind(api_version, kind, body);
    live.metadata_map_mut().insert("resourceVersion".to_owned(), "7".into());
    live.metadata_map_mut().insert("uid".to_owned(), "u-1".into());
    live.metadata_map_mut().insert("managedFields".to_owned(), Value::Array(entries));
    live
}
