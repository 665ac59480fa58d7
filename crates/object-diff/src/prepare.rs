use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_object::{ApiResource, Object};
use serde_json::{Map, Value};

use crate::equality::same_key;
use crate::field_path::{render_field, render_index, render_keys};
use crate::known::{ListKeys, Place, is_builtin_group, list_keys};

/// What discovery says of a kind, as far as it decides how an object is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindFacts {
    /// Whether the kind has the subresource `status`, so that `status` in an apply is ignored.
    pub has_status_subresource: bool,
}

impl KindFacts {
    /// Takes the facts from discovery.
    pub fn of(resource: &ApiResource) -> Self {
        Self { has_status_subresource: resource.has_subresource("status") }
    }
}

/// Something in a manifest that was changed so that it can be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The field, such as `.spec.containers[name="web"].env[name="A"]`.
    pub path: String,
    /// One sentence for people.
    pub message: String,
}

/// Brings a rendered object into the form that is both compared and sent, and tells what had to be changed.
///
/// Only what the server would refuse, ignore, or write again each time is changed here (server-side apply facts, T1,
/// T5, T6, and section 4 on duplicates). Quantities, base64 and numbers are sent as written and compared by value
/// instead: what the server makes of them depends on the schema, and in a custom resource `1000m` may be a plain
/// string.
pub fn prepare(desired: &mut Object, facts: &KindFacts) -> Vec<Warning> {
    strip_metadata(desired);
    if facts.has_status_subresource {
        desired.fields_mut().remove("status");
    }
    let group_kind = desired.group_kind();
    match (group_kind.group.as_str(), group_kind.kind.as_str()) {
        ("", "Secret") => fold_string_data(desired.fields_mut()),
        ("rbac.authorization.k8s.io", "ClusterRole")
            if desired.fields().get("aggregationRule").is_some_and(|rule| !rule.is_null()) =>
        {
            desired.fields_mut().remove("rules");
        }
        _ => {}
    }
    let mut lists = Duplicates {
        kind: &group_kind.kind,
        builtin: is_builtin_group(&group_kind.group),
        segments: Vec::new(),
        warnings: Vec::new(),
    };
    lists.map(desired.fields_mut(), &mut String::new());
    lists.warnings
}

fn strip_metadata(desired: &mut Object) {
    let metadata = desired.metadata_map_mut();
    let noise =
        ["creationTimestamp", "generation", "selfLink", "managedFields", "resourceVersion", "uid", "deletionTimestamp"];
    for field in noise {
        metadata.remove(field);
    }
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = metadata.get(field).is_some_and(|value| match value {
            Value::Null => true,
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        });
        if empty {
            metadata.remove(field);
        }
    }
}

/// Turns `stringData` into `data`, which the server does on every write without owning what it makes.
fn fold_string_data(fields: &mut Map<String, Value>) {
    match fields.remove("stringData") {
        Some(Value::Object(texts)) => {
            // A value that is no text stays where it was, so that the server names it in its refusal.
            let (texts, wrong): (Map<_, _>, Map<_, _>) =
                texts.into_iter().partition(|(_, value)| value.is_string() || value.is_null());
            if !wrong.is_empty() {
                fields.insert("stringData".to_owned(), Value::Object(wrong));
            }
            if texts.is_empty() {
                return;
            }
            let data = fields.entry("data").or_insert(Value::Null);
            if data.is_null() {
                *data = Value::Object(Map::new());
            }
            if let Value::Object(data) = data {
                let encode = |value: Value| STANDARD.encode(value.as_str().unwrap_or_default()).into();
                data.extend(texts.into_iter().map(|(key, value)| (key, encode(value))));
            }
        }
        Some(Value::Null) | None => {}
        Some(wrong) => {
            fields.insert("stringData".to_owned(), wrong);
        }
    }
}

/// Walks an object and drops list items whose keys come again, which the server refuses.
struct Duplicates<'k> {
    kind: &'k str,
    builtin: bool,
    segments: Vec<String>,
    warnings: Vec<Warning>,
}

impl Duplicates<'_> {
    fn map(&mut self, fields: &mut Map<String, Value>, path: &mut String) {
        for (key, value) in fields {
            // Of a custom resource only the lists of its metadata are known.
            if !self.builtin && self.segments.is_empty() && key != "metadata" {
                continue;
            }
            let before = path.len();
            render_field(path, key);
            self.segments.push(key.clone());
            self.value(value, path);
            self.segments.pop();
            path.truncate(before);
        }
    }

    fn value(&mut self, value: &mut Value, path: &mut String) {
        match value {
            Value::Object(fields) => self.map(fields, path),
            Value::Array(items) => {
                if items.len() > 1 {
                    let segments: Vec<&str> = self.segments.iter().map(String::as_str).collect();
                    let keys = list_keys(self.builtin, &Place::of(self.kind, &segments));
                    if let Some(keys) = keys {
                        self.drop_earlier(items, keys, path);
                    }
                }
                self.segments.push("*".to_owned());
                for (index, item) in items.iter_mut().enumerate() {
                    let before = path.len();
                    match item.get("name") {
                        Some(name @ Value::String(_)) => render_keys(path, std::iter::once(("name", name))),
                        _ => render_index(path, index),
                    }
                    self.value(item, path);
                    path.truncate(before);
                }
                self.segments.pop();
            }
            _ => {}
        }
    }

    fn drop_earlier(&mut self, items: &mut Vec<Value>, keys: ListKeys, path: &str) {
        let mut index = 0;
        while index < items.len() {
            let again = items[index + 1..].iter().any(|later| same_item(&items[index], later, keys));
            if again {
                let dropped = items.remove(index);
                let mut at = path.to_owned();
                let defaults: Vec<_> = keys.iter().map(|(name, default)| (*name, Value::from(*default))).collect();
                if keys.is_empty() {
                    at = format!("{path}[={dropped}]");
                } else {
                    render_keys(&mut at, defaults.iter().map(|(name, or)| (*name, dropped.get(name).unwrap_or(or))));
                }
                let message = format!("{at} appears more than once; the last one is used");
                self.warnings.push(Warning { path: at, message });
            } else {
                index += 1;
            }
        }
    }
}

fn same_item(one: &Value, other: &Value, keys: ListKeys) -> bool {
    if keys.is_empty() {
        return !one.is_object() && same_key(one, other);
    }
    keys.iter().all(|(name, default)| {
        let get = |item: &Value| item.get(name).filter(|value| !value.is_null()).cloned().or(default.map(Value::from));
        match (get(one), get(other)) {
            (Some(one), Some(other)) => same_key(&one, &other),
            // Without its key the item is refused in any case.
            _ => false,
        }
    })
}
