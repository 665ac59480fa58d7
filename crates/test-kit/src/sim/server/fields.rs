//! Who owns which fields of an object: paths of plain keys, written out as `managedFields`.

use std::collections::{BTreeMap, BTreeSet};

use kube_object::Object;
use serde_json::{Map, Value, json};

/// Where a field is: one key a level; an item of a set is `v:` and its JSON.
pub(super) type Path = Vec<String>;

/// Whose entry of `managedFields` it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    pub(super) manager: String,
    pub(super) operation: &'static str,
    pub(super) subresource: &'static str,
}

impl Owner {
    pub(super) fn applying(manager: &str) -> Self {
        Self { manager: manager.to_owned(), operation: "Apply", subresource: "" }
    }

    pub(super) fn updating(manager: &str) -> Self {
        Self { manager: manager.to_owned(), operation: "Update", subresource: "" }
    }

    pub(super) fn updating_status(manager: &str) -> Self {
        Self { subresource: "status", ..Self::updating(manager) }
    }
}

/// Paths by owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Owners(BTreeMap<Owner, BTreeSet<Path>>);

impl Owners {
    pub(super) fn of(&self, owner: &Owner) -> impl Iterator<Item = &Path> {
        self.0.get(owner).into_iter().flatten()
    }

    pub(super) fn set(&mut self, owner: Owner, paths: BTreeSet<Path>) {
        self.0.insert(owner, paths);
    }

    pub(super) fn add(&mut self, owner: &Owner, path: Path) {
        self.0.entry(owner.clone()).or_default().insert(path);
    }

    /// Takes a field whose value changes from everybody but one owner.
    pub(super) fn take_from_others(&mut self, path: &[String], taker: &Owner) {
        for (_, paths) in self.0.iter_mut().filter(|(owner, _)| *owner != taker) {
            paths.retain(|other| !is_related(other, path));
        }
    }

    /// Returns who else owns a field.
    pub(super) fn others_at(&self, path: &[String], but: &Owner) -> impl Iterator<Item = &Owner> {
        let others = self.0.iter().filter(move |(owner, _)| *owner != but);
        others.filter(move |(_, paths)| paths.iter().any(|other| is_related(other, path))).map(|(owner, _)| owner)
    }

    pub(super) fn forget_unless(&mut self, keep: impl Fn(&Path) -> bool) {
        self.0.values_mut().for_each(|paths| paths.retain(|path| keep(path)));
    }

    pub(super) fn holds_below(&self, path: &[String]) -> bool {
        self.0.values().flatten().any(|other| other.starts_with(path))
    }

    /// Forgets who owns nothing.
    pub(super) fn without_empty(mut self) -> Self {
        self.0.retain(|_, paths| !paths.is_empty());
        self
    }

    /// Writes `metadata.managedFields`.
    pub(super) fn entries(&self, api_version: &str) -> Value {
        let entry = |(owner, paths): (&Owner, &BTreeSet<Path>)| {
            let mut entry = json!({
                "manager": owner.manager, "operation": owner.operation, "apiVersion": api_version,
                "fieldsType": "FieldsV1", "time": "2026-01-01T00:00:00Z",
            });
            entry["fieldsV1"] = tree(paths);
            if !owner.subresource.is_empty() {
                entry["subresource"] = owner.subresource.into();
            }
            entry
        };
        self.0.iter().map(entry).collect()
    }
}

fn is_related(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn tree(paths: &BTreeSet<Path>) -> Value {
    let mut root = Map::new();
    for path in paths {
        let mut node = &mut root;
        for key in path {
            let key = if key.starts_with("v:") { key.clone() } else { ["f:", key].concat() };
            let next = node.entry(key).or_insert_with(|| Value::Object(Map::new()));
            node = next.as_object_mut().unwrap();
        }
    }
    Value::Object(root)
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
pub(super) fn leaves(object: &Object) -> BTreeMap<Path, &Value> {
    let mut all = BTreeMap::new();
    for (name, value) in object.fields().iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind")) {
        collect(value, &mut vec![name.clone()], &mut all);
    }
    all
}

fn collect<'a>(value: &'a Value, at: &mut Path, all: &mut BTreeMap<Path, &'a Value>) {
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
            all.extend(items.iter().map(|item| (path(item), item)));
        }
        Value::Null => {}
        Value::Object(_) if *at == ["metadata"] => {}
        value => _ = all.insert(at.clone(), value),
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
    let empty = || json!({});
    let Some((first, rest)) = path.split_first() else { panic!("a field has a parent") };
    let mut at = object.fields_mut().entry(first.clone()).or_insert_with(empty);
    for (depth, key) in rest.iter().enumerate() {
        let make = || if depth + 1 == rest.len() { last() } else { empty() };
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
