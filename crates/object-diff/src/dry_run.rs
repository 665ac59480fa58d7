use std::borrow::Cow;

use kube_object::Object;
use serde_json::{Map, Value, json};

use crate::field_path::{render_field, render_index, render_keys};
use crate::managed_fields::{raw_entries, who_changed};
use crate::verdict::{Doubt, DoubtCause, FieldDifference};

/// What the server said to a dry run.
#[derive(Clone, Debug, PartialEq)]
pub enum DryRunVerdict {
    /// Nothing would change.
    NoOp,
    /// Only `managedFields` would change.
    OwnershipOnly,
    /// These fields would change.
    Change(Vec<FieldDifference>),
    /// The answer was computed on another state than `live`: wait for the watch event and look again.
    Stale,
}

/// A request that tells, without changing anything, what is in doubt.
#[derive(Clone, Debug, PartialEq)]
pub enum DryRunBody {
    /// A forced server-side apply of the desired object.
    Apply,
    /// This JSON patch, which takes away what only a migration would give up.
    JsonPatch(Value),
}

/// Returns the dry runs that settle doubts; the object changes when any of them says so.
pub fn dry_runs(live: &Object, doubts: &[Doubt]) -> Vec<DryRunBody> {
    let (legacy, plain): (Vec<_>, Vec<_>) =
        doubts.iter().partition(|doubt| doubt.cause == DoubtCause::LegacyNotDesired);
    let mut bodies = Vec::new();
    if plain.iter().any(|doubt| !doubt.cause.is_ownership_only()) {
        bodies.push(DryRunBody::Apply);
    }
    let mut targets: Vec<_> = legacy.iter().filter_map(|doubt| locate(live, &doubt.keys)).collect();
    // Later items first, so that positions stay true while the patch runs.
    targets.sort_unstable_by(|one, other| other.cmp(one));
    if !targets.is_empty() {
        let removals = targets.iter().map(|target| json!({"op": "remove", "path": pointer(target)}));
        bodies.push(DryRunBody::JsonPatch(removals.collect()));
    }
    bodies
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Key(String),
    Index(usize),
}

/// Finds the place of a `fieldsV1` path in an object.
fn locate(live: &Object, keys: &[String]) -> Option<Vec<Place>> {
    let (first, rest) = keys.split_first()?;
    let name = first.strip_prefix("f:")?;
    let mut places = vec![Place::Key(name.to_owned())];
    let mut at = live.fields().get(name)?;
    for key in rest {
        let (place, next) = match key.split_at_checked(2)? {
            ("f:", name) => (Place::Key(name.to_owned()), at.get(name)?),
            ("k:", wanted) => {
                let wanted: Map<String, Value> = serde_json::from_str(wanted).ok()?;
                let has = |item: &Value| wanted.iter().all(|(name, value)| item.get(name) == Some(value));
                let index = at.as_array()?.iter().position(has)?;
                (Place::Index(index), at.get(index)?)
            }
            ("v:", wanted) => {
                let wanted: Value = serde_json::from_str(wanted).ok()?;
                let index = at.as_array()?.iter().position(|item| *item == wanted)?;
                (Place::Index(index), at.get(index)?)
            }
            _ => return None,
        };
        places.push(place);
        at = next;
    }
    Some(places)
}

fn pointer(places: &[Place]) -> String {
    places.iter().fold(String::new(), |mut out, place| {
        out.push('/');
        match place {
            Place::Key(name) => out.push_str(&name.replace('~', "~0").replace('/', "~1")),
            Place::Index(index) => out.push_str(&index.to_string()),
        }
        out
    })
}

/// Reads the answer to a dry run (server-side apply facts, section 3).
pub fn compare_dry_run(live: &Object, result: &Object) -> DryRunVerdict {
    let moved = |one: &str, other: &str| !one.is_empty() && one != other;
    if moved(live.resource_version(), result.resource_version()) || moved(live.uid(), result.uid()) {
        return DryRunVerdict::Stale;
    }
    let changes = differences(live, result);
    if !changes.is_empty() {
        DryRunVerdict::Change(changes)
    } else if same_entries(raw_entries(live), raw_entries(result)) {
        DryRunVerdict::NoOp
    } else {
        DryRunVerdict::OwnershipOnly
    }
}

/// Lists the fields in which a result differs from the live object, bookkeeping left aside: `desired` is the result's
/// value.
pub fn differences(live: &Object, result: &Object) -> Vec<FieldDifference> {
    let mut finder = Finder { live, changes: Vec::new() };
    finder.maps(live.fields(), result.fields(), &mut String::new(), Depth::Object);
    finder.changes
}

fn same_entries(one: &[Value], other: &[Value]) -> bool {
    let timeless = |entries: &[Value]| {
        let mut texts: Vec<String> = entries
            .iter()
            .map(|entry| {
                let mut entry = entry.clone();
                if let Some(entry) = entry.as_object_mut() {
                    entry.remove("time");
                }
                entry.to_string()
            })
            .collect();
        texts.sort_unstable();
        texts
    };
    one == other || (one.len() == other.len() && timeless(one) == timeless(other))
}

#[derive(Clone, Copy, PartialEq)]
enum Depth {
    Object,
    Metadata,
    Below,
}

struct Finder<'a> {
    live: &'a Object,
    changes: Vec<FieldDifference>,
}

impl Finder<'_> {
    fn maps(&mut self, live: &Map<String, Value>, result: &Map<String, Value>, path: &mut String, depth: Depth) {
        let keys = live.keys().chain(result.keys().filter(|key| !live.contains_key(*key)));
        for key in keys {
            if depth == Depth::Metadata && matches!(key.as_str(), "managedFields" | "resourceVersion" | "generation") {
                continue;
            }
            let below = if depth == Depth::Object && key == "metadata" { Depth::Metadata } else { Depth::Below };
            let before = path.len();
            render_field(path, key);
            self.values(live.get(key), result.get(key), path, below);
            path.truncate(before);
        }
    }

    fn values(&mut self, live: Option<&Value>, result: Option<&Value>, path: &mut String, depth: Depth) {
        match (live, result) {
            _ if live == result => {}
            (Some(Value::Object(live)), Some(Value::Object(result))) => self.maps(live, result, path, depth),
            (Some(Value::Array(old)), Some(Value::Array(new))) => self.lists(old, new, path),
            _ => self.change(live, result, path),
        }
    }

    fn lists(&mut self, old: &[Value], new: &[Value], path: &mut String) {
        let Some(names) = KEYS.iter().find(|names| all_keyed(old, names) && all_keyed(new, names)) else {
            if old.len() != new.len() || !old.iter().chain(new).all(Value::is_object) {
                let (old, new) = (Value::from(old), Value::from(new));
                return self.change(Some(&old), Some(&new), path);
            }
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                let before = path.len();
                render_index(path, index);
                self.values(Some(old), Some(new), path, Depth::Below);
                path.truncate(before);
            }
            return;
        };
        let same = |one: &Value, other: &Value| names.iter().all(|name| one.get(name) == other.get(name));
        let changes = self.changes.len();
        let added = new.iter().filter(|item| !old.iter().any(|known| same(known, item)));
        for item in old.iter().chain(added) {
            let before = path.len();
            render_keys(path, names.iter().filter_map(|name| Some((*name, item.get(name)?))));
            let find = |list: &[Value]| list.iter().find(|other| same(other, item)).cloned();
            self.values(find(old).as_ref(), find(new).as_ref(), path, Depth::Below);
            path.truncate(before);
        }
        if self.changes.len() == changes {
            // The same items in another order.
            let (old, new) = (Value::from(old), Value::from(new));
            self.change(Some(&old), Some(&new), path);
        }
    }

    fn change(&mut self, live: Option<&Value>, result: Option<&Value>, path: &str) {
        let secret = self.live.kind() == "Secret" && !path.starts_with(".metadata");
        let keep = |value: Option<&Value>| value.filter(|_| !secret).cloned();
        let owner = who_changed(self.live, path);
        self.changes.push(FieldDifference { path: path.to_owned(), desired: keep(result), live: keep(live), owner });
    }
}

/// Keys of the lists people know by key.
const KEYS: [&[&str]; 6] =
    [&["name"], &["containerPort", "protocol"], &["port", "protocol"], &["mountPath"], &["uid"], &["ip"]];

fn all_keyed(items: &[Value], names: &[&str]) -> bool {
    let key = |item: &Value| -> Option<String> {
        names.iter().map(|name| item.get(name).map(Value::to_string)).collect::<Option<Vec<_>>>().map(|k| k.join(","))
    };
    let mut keys: Vec<Cow<'_, str>> = Vec::with_capacity(items.len());
    for item in items {
        match key(item) {
            Some(key) => keys.push(key.into()),
            None => return false,
        }
    }
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair[0] != pair[1])
}
