//! Who owns which fields of an object: paths of plain keys, written out as `managedFields`.

use std::collections::{BTreeMap, BTreeSet};

use kube_object::Object;
use serde_json::{Map, Value, json};

/// Paths by manager and operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Owners(BTreeMap<(String, String), BTreeSet<Vec<String>>>);

impl Owners {
    pub(super) fn of(&self, manager: &str, operation: &str) -> Vec<Vec<String>> {
        let paths = self.0.get(&(manager.to_owned(), operation.to_owned()));
        paths.into_iter().flatten().cloned().collect()
    }

    pub(super) fn set(&mut self, manager: &str, operation: &str, paths: BTreeSet<Vec<String>>) {
        self.0.insert((manager.to_owned(), operation.to_owned()), paths);
    }

    pub(super) fn add(&mut self, manager: &str, operation: &str, path: Vec<String>) {
        self.0.entry((manager.to_owned(), operation.to_owned())).or_default().insert(path);
    }

    /// Takes a field whose value changes from everybody but one manager.
    pub(super) fn take_from_others(&mut self, path: &[String], manager: &str) {
        let related = |other: &Vec<String>| other.starts_with(path) || path.starts_with(other);
        for ((name, _), paths) in &mut self.0 {
            if name != manager {
                paths.retain(|other| !related(other));
            }
        }
        self.drop_empty();
    }

    pub(super) fn forget_unless(&mut self, keep: impl Fn(&Vec<String>) -> bool) {
        self.0.values_mut().for_each(|paths| paths.retain(|path| keep(path)));
        self.drop_empty();
    }

    pub(super) fn holds_below(&self, path: &[String]) -> bool {
        self.0.values().flatten().any(|other| other.starts_with(path))
    }

    /// Writes `metadata.managedFields`.
    pub(super) fn entries(&self, api_version: &str) -> Value {
        let entry = |((manager, operation), paths): (&(String, String), &BTreeSet<Vec<String>>)| {
            json!({
                "manager": manager, "operation": operation, "apiVersion": api_version, "fieldsType": "FieldsV1",
                "time": "2026-01-01T00:00:00Z", "fieldsV1": tree(paths),
            })
        };
        self.0.iter().map(entry).collect()
    }

    fn drop_empty(&mut self) {
        self.0.retain(|_, paths| !paths.is_empty());
    }
}

fn tree(paths: &BTreeSet<Vec<String>>) -> Value {
    let mut root = json!({});
    for path in paths {
        let mut node = &mut root;
        for key in path {
            let key = if key.starts_with("v:") { key.clone() } else { format!("f:{key}") };
            node = node.as_object_mut().unwrap().entry(key).or_insert_with(|| json!({}));
        }
    }
    root
}

const UNOWNED: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "generateName",
];

/// Lists the fields of an object that can be owned. Lists are one value, except finalizers, which are a set.
pub(super) fn leaves(object: &Object) -> Vec<(Vec<String>, Value)> {
    let mut all = Vec::new();
    for (name, value) in object.fields().iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind")) {
        collect(value, &mut vec![name.clone()], &mut all);
    }
    all
}

fn collect(value: &Value, at: &mut Vec<String>, all: &mut Vec<(Vec<String>, Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                if at.len() == 1 && at[0] == "metadata" && UNOWNED.contains(&name.as_str()) {
                    continue;
                }
                at.push(name.clone());
                collect(value, at, all);
                at.pop();
            }
        }
        Value::Array(items) if *at == ["metadata", "finalizers"] => {
            let path = |item: &Value| [at.as_slice(), &[format!("v:{item}")]].concat();
            all.extend(items.iter().map(|item| (path(item), item.clone())));
        }
        Value::Null => {}
        Value::Object(_) if *at == ["metadata"] => {}
        value => all.push((at.clone(), value.clone())),
    }
}

pub(super) fn set_leaf(object: &mut Object, path: &[String], value: &Value) {
    let (last, parents) = path.split_last().unwrap();
    if last.starts_with("v:") {
        let list = node(object, parents, || json!([]));
        list.as_array_mut().unwrap().push(value.clone());
    } else {
        let parent = node(object, parents, || json!({}));
        if !parent.is_object() {
            *parent = json!({});
        }
        parent[last] = value.clone();
    }
}

fn node<'a>(object: &'a mut Object, path: &[String], last: impl Fn() -> Value) -> &'a mut Value {
    let (first, rest) = path.split_first().unwrap_or_else(|| panic!("a field has a parent"));
    let mut at = object.fields_mut().entry(first.clone()).or_insert_with(|| json!({}));
    for (depth, key) in rest.iter().enumerate() {
        let make = || if depth + 1 == rest.len() { last() } else { json!({}) };
        at = at.as_object_mut().unwrap().entry(key.clone()).or_insert_with(make);
    }
    at
}

pub(super) fn remove_leaf(object: &mut Object, path: &[String]) {
    remove(object.fields_mut(), path);
}

/// Removes a field, and maps that are empty then.
fn remove(map: &mut Map<String, Value>, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    match (map.get_mut(first), rest) {
        (Some(Value::Array(items)), [last]) => items.retain(|item| format!("v:{item}") != *last),
        (Some(Value::Object(below)), [_, ..]) => {
            remove(below, rest);
            if below.is_empty() {
                map.remove(first);
            }
        }
        _ => _ = map.remove(first),
    }
}
