use kube_object::{Object, Time};
use serde_json::{Map, Value};

use crate::field_path::render_raw;

/// The field manager under which desired state is applied (Argo CD's own, so that ownership carries over).
pub const OUR_MANAGER: &str = "argocd-controller";

/// Who wrote fields of an object, as `managedFields` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// Name of the manager, such as `kubectl-edit`.
    pub name: String,
    /// How it wrote.
    pub operation: Operation,
    /// Subresource it wrote through; empty for the object itself.
    pub subresource: String,
    /// When it last changed what it owns; none when the entry says nothing readable.
    pub time: Option<Time>,
}

/// How a manager wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Any other write.
    Update,
}

/// One entry of `managedFields`, read in place.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) raw: &'a Map<String, Value>,
    pub(crate) fields: &'a Map<String, Value>,
}

impl<'a> Entry<'a> {
    pub(crate) fn manager(&self) -> &'a str {
        self.text("manager")
    }

    pub(crate) fn api_version(&self) -> &'a str {
        self.text("apiVersion")
    }

    pub(crate) fn subresource(&self) -> &'a str {
        self.text("subresource")
    }

    pub(crate) fn time(&self) -> &'a str {
        self.text("time")
    }

    pub(crate) fn operation(&self) -> Operation {
        if self.text("operation") == "Apply" { Operation::Apply } else { Operation::Update }
    }

    /// Tells whether this is the entry of our applies.
    pub(crate) fn is_ours(&self) -> bool {
        self.operation() == Operation::Apply && self.manager() == OUR_MANAGER && self.subresource().is_empty()
    }

    pub(crate) fn to_manager(self) -> Manager {
        Manager {
            name: self.manager().to_owned(),
            operation: self.operation(),
            subresource: self.subresource().to_owned(),
            time: Time::parse(self.time()),
        }
    }

    fn text(&self, key: &str) -> &'a str {
        self.raw.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Reads the entries of an object one by one; entries without `fieldsV1` are passed over.
pub(crate) fn entries(object: &Object) -> impl Iterator<Item = Entry<'_>> {
    raw_entries(object).iter().filter_map(|entry| {
        let raw = entry.as_object()?;
        Some(Entry { raw, fields: raw.get("fieldsV1")?.as_object()? })
    })
}

/// Returns `metadata.managedFields` as it is; empty when absent.
pub(crate) fn raw_entries(object: &Object) -> &[Value] {
    object.get(&["metadata", "managedFields"]).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Lists the managers of an object's fields in the order of its entries.
pub fn field_managers(live: &Object) -> Vec<Manager> {
    entries(live).map(Entry::to_manager).collect()
}

/// Names the manager that owns the field at `path` (the form of
/// [`FieldDifference::path`](crate::FieldDifference::path)).
///
/// Of several owners, another manager is named rather than ours, and of those the one that wrote last.
pub fn who_changed(live: &Object, path: &str) -> Option<Manager> {
    let mut best: Option<Entry<'_>> = None;
    for entry in entries(live).filter(|entry| owns(entry.fields, &mut String::new(), path)) {
        let rank = |entry: &Entry<'_>| (!entry.is_ours(), entry.time().to_owned());
        if best.as_ref().is_none_or(|known| rank(&entry) > rank(known)) {
            best = Some(entry);
        }
    }
    best.map(Entry::to_manager)
}

/// Tells whether a tree names `target`, something it holds whole, or something below it.
fn owns(tree: &Map<String, Value>, at: &mut String, target: &str) -> bool {
    for (raw, node) in tree.iter().filter(|(raw, _)| *raw != ".") {
        let before = at.len();
        render_raw(at, raw);
        let rest = target.strip_prefix(at.as_str());
        let found = match rest {
            Some("") => true,
            Some(rest) if rest.starts_with(['.', '[']) => {
                node.as_object().is_none_or(|kids| is_leaf(kids) || owns(kids, at, target))
            }
            _ => false,
        };
        at.truncate(before);
        if found {
            return true;
        }
    }
    false
}

/// Tells whether a node of a tree has no children: an atomic value, or a map that was empty when applied.
pub(crate) fn is_leaf(node: &Map<String, Value>) -> bool {
    node.keys().all(|key| key == ".")
}
