//! Who owns which fields of an object: paths of plain keys, written out as `managedFields`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube_object::Object;
use serde_json::{Map, Value, json};

/// Where a field is: its keys, with [`BETWEEN`] between them; an item of a set is `v:` and its JSON.
pub(super) type Path = Arc<str>;
/// Stands between the keys of a path: no key has it.
const BETWEEN: char = '\u{0}';

/// Whose entry of `managedFields` it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    pub(super) manager: Arc<str>,
    pub(super) operation: &'static str,
    pub(super) subresource: &'static str,
}

impl Owner {
    pub(super) fn applying(manager: &str) -> Self {
        Self { manager: manager.into(), operation: "Apply", subresource: "" }
    }

    pub(super) fn updating(manager: &str) -> Self {
        Self { manager: manager.into(), operation: "Update", subresource: "" }
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
    pub(super) fn take_from_others(&mut self, path: &str, taker: &Owner) {
        for (_, paths) in self.0.iter_mut().filter(|(owner, _)| *owner != taker) {
            paths.retain(|other| !is_related(other, path));
        }
    }

    /// Returns who else owns a field.
    pub(super) fn others_at(&self, path: &str, but: &Owner) -> impl Iterator<Item = &Owner> {
        let others = self.0.iter().filter(move |(owner, _)| *owner != but);
        others.filter(move |(_, paths)| paths.iter().any(|other| is_related(other, path))).map(|(owner, _)| owner)
    }

    pub(super) fn forget_unless(&mut self, keep: impl Fn(&Path) -> bool) {
        self.0.values_mut().for_each(|paths| paths.retain(|path| keep(path)));
    }

    pub(super) fn holds_below(&self, path: &str) -> bool {
        self.0.values().flatten().any(|other| is_below(other, path))
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
                "manager": &*owner.manager, "operation": owner.operation, "apiVersion": api_version,
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

/// Tells whether one path is another or leads on from it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(BETWEEN))
}

fn is_related(one: &str, other: &str) -> bool {
    is_below(one, other) || is_below(other, one)
}

fn tree(paths: &BTreeSet<Path>) -> Value {
    let mut root = Map::new();
    for path in paths {
        let mut node = &mut root;
        for key in path.split(BETWEEN) {
            let key = if key.starts_with("v:") { key.to_owned() } else { ["f:", key].concat() };
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
    let mut path = String::new();
    for (name, value) in object.fields().iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind")) {
        path.clear();
        path.push_str(name);
        collect(value, &mut path, &mut all);
    }
    all
}

fn collect<'a>(value: &'a Value, at: &mut String, all: &mut BTreeMap<Path, &'a Value>) {
    let length = at.len();
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                if at == "metadata" && UNOWNED.contains(&name.as_str()) {
                    continue;
                }
                at.push(BETWEEN);
                at.push_str(name);
                collect(value, at, all);
                at.truncate(length);
            }
        }
        Value::Array(items) if at == "metadata\u{0}finalizers" => {
            all.extend(items.iter().map(|item| (format!("{at}{BETWEEN}v:{item}").into(), item)));
        }
        Value::Null => {}
        Value::Object(_) if at == "metadata" => {}
        value => _ = all.insert(at.as_str().into(), value),
    }
}

pub(super) fn set_leaf(object: &mut Object, path: &str, value: &Value) {
    let (parents, last) = path.rsplit_once(BETWEEN).unwrap_or(("", path));
    if last.starts_with("v:") {
        let list = node(object, parents, || json!([]));
        list.as_array_mut().unwrap().push(value.clone());
    } else if parents.is_empty() {
        object.fields_mut().insert(last.to_owned(), value.clone());
    } else {
        let parent = node(object, parents, || json!({}));
        if !parent.is_object() {
            *parent = json!({});
        }
        parent[last] = value.clone();
    }
}

fn node<'a>(object: &'a mut Object, path: &str, last: impl Fn() -> Value) -> &'a mut Value {
    let keys: Vec<&str> = path.split(BETWEEN).collect();
    let make = |depth: usize| if depth + 1 == keys.len() { last() } else { json!({}) };
    let mut at = object.fields_mut().entry(keys[0]).or_insert_with(|| make(0));
    for (depth, key) in keys.iter().enumerate().skip(1) {
        at = at.as_object_mut().unwrap().entry(*key).or_insert_with(|| make(depth));
    }
    at
}

pub(super) fn remove_leaf(object: &mut Object, path: &str) {
    let keys: Vec<&str> = path.split(BETWEEN).collect();
    remove(object.fields_mut(), &keys);
}

/// Removes a field, and maps that are empty then.
fn remove(map: &mut Map<String, Value>, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else { return };
    match (map.get_mut(*first), rest) {
        (Some(Value::Array(items)), [last]) => items.retain(|item| format!("v:{item}") != *last),
        (Some(Value::Object(below)), [_, ..]) => {
            remove(below, rest);
            if below.is_empty() {
                map.remove(*first);
            }
        }
        _ => _ = map.remove(*first),
    }
}
