use kube_object::{Quantity, TRACKING_ANNOTATION, Time};
use serde_json::{Map, Value};

use super::{Level, Values, Walk};
use crate::field_path::{Path, Step};
use crate::known::{Place, is_metadata_map, is_zero};
use crate::managed_fields::{Entry, Manager, is_leaf};
use crate::verdict::DoubtCause;

/// The nodes of other managers' trees at one path. They show where lists have keys and maps are granular.
pub(super) type Nodes<'n> = [(Entry<'n>, &'n Map<String, Value>)];

/// Returns the nodes below a key of `fieldsV1`.
pub(super) fn children<'n>(nodes: &Nodes<'n>, raw: &str) -> Vec<(Entry<'n>, &'n Map<String, Value>)> {
    nodes.iter().filter_map(|(entry, node)| Some((*entry, node.get(raw)?.as_object()?))).collect()
}

fn key_starting<'n>(nodes: &Nodes<'n>, prefix: &str) -> Option<&'n str> {
    nodes.iter().find_map(|(_, node)| node.keys().find(|key| key.starts_with(prefix))).map(String::as_str)
}

impl Walk<'_> {
    /// Judges a value of Git whose path is not ours.
    pub(super) fn unowned(&mut self, path: &Path<'_>, desired: &Value, live: Option<&Value>, nodes: &Nodes<'_>) {
        let values = Values { desired: Some(desired), live };
        let Some(live) = live else { return self.unowned_absent(path, desired) };
        if desired == live && path.segments() != ["metadata", "annotations"] {
            return self.not_owned_equal(path, values, nodes);
        }
        match (desired, live) {
            (Value::Object(desired), Value::Object(live))
                if key_starting(nodes, "f:").is_some() || is_metadata_map(&path.segments()) =>
            {
                self.fields_unowned(path, Level::Below, desired, live, nodes);
            }
            (Value::Array(desired), Value::Array(live)) if key_starting(nodes, "k:").is_some() => {
                self.items_unowned(path, desired, live, nodes);
            }
            (Value::Array(desired), Value::Array(live)) if key_starting(nodes, "v:").is_some() => {
                self.set_unowned(path, desired, live, nodes);
            }
            _ if self.explained(path, desired, live) => self.not_owned_equal(path, values, nodes),
            _ => self.not_owned_differs(path, values, nodes),
        }
    }

    /// Judges a value of Git that is not ours and that the cluster lacks.
    fn unowned_absent(&mut self, path: &Path<'_>, desired: &Value) {
        let left_out = || Place::of(self.kind, &path.segments()).is_left_out_when_empty();
        let cause = match is_zero(desired) {
            true if self.builtin && (desired.is_null() || desired.is_array() || left_out()) => return,
            true if self.builtin || desired.is_null() => DoubtCause::NotOwnedEmpty,
            _ => DoubtCause::NotOwnedAbsent,
        };
        self.doubt(path, cause, Values { desired: Some(desired), live: None });
    }

    /// Visits the fields of a granular map that is not ours.
    pub(super) fn fields_unowned(
        &mut self,
        path: &Path<'_>,
        level: Level,
        desired: &Map<String, Value>,
        live: &Map<String, Value>,
        nodes: &Nodes<'_>,
    ) {
        for (key, value) in desired.iter().filter(|(key, _)| !level.is_identity(key)) {
            let at = path.then(Step::Field(key));
            self.unowned(&at, value, live.get(key), &children(nodes, &format!("f:{key}")));
        }
        if desired.is_empty() {
            let (desired, live) = (Value::Object(Map::new()), Value::Null);
            self.not_owned_equal(path, Values { desired: Some(&desired), live: Some(&live) }, nodes);
        }
    }

    fn items_unowned(&mut self, path: &Path<'_>, desired: &[Value], live: &[Value], nodes: &Nodes<'_>) {
        let values = Values { desired: None, live: None };
        let mut last = None;
        for item in desired {
            // Each item is looked for by the keys that others' entries spell out for the live one.
            let found = nodes.iter().flat_map(|(_, node)| node.keys()).find_map(|raw| {
                let keys: Map<String, Value> = serde_json::from_str(raw.strip_prefix("k:")?).ok()?;
                keys.iter().all(|(name, value)| item.get(name) == Some(value)).then_some((raw, keys))
            });
            let Some((raw, keys)) = found else {
                return self.doubt(path, DoubtCause::Ambiguous, values);
            };
            let holds = |there: &Value| keys.iter().all(|(name, value)| there.get(name) == Some(value));
            let Some(position) = live.iter().position(holds) else {
                return self.doubt(path, DoubtCause::Ambiguous, values);
            };
            if last >= Some(position) || live[position + 1..].iter().any(holds) {
                return self.doubt(path, DoubtCause::Order, values);
            }
            last = Some(position);
            self.unowned(&path.then(Step::Raw(raw)), item, Some(&live[position]), &children(nodes, raw));
        }
    }

    fn set_unowned(&mut self, path: &Path<'_>, desired: &[Value], live: &[Value], nodes: &Nodes<'_>) {
        let mut last = None;
        for (index, value) in desired.iter().enumerate() {
            let at = path.then(Step::Index(index));
            let values = Values { desired: Some(value), live: None };
            match live.iter().position(|there| there == value) {
                None => self.doubt(&at, DoubtCause::NotOwnedAbsent, values),
                Some(position) if last >= Some(position) => return self.doubt(path, DoubtCause::Order, values),
                Some(position) => {
                    last = Some(position);
                    self.not_owned_equal(&at, Values { desired: Some(value), live: Some(value) }, nodes);
                }
            }
        }
    }

    /// Owning an equal value matters when it leaves Git: not where there is nothing to remove, nor of the tracking id, which never
    /// leaves.
    fn not_owned_equal(&mut self, path: &Path<'_>, values: Values<'_>, nodes: &Nodes<'_>) {
        let tracking = || path.segments() == ["metadata", "annotations", TRACKING_ANNOTATION];
        if (self.builtin && values.desired.is_some_and(is_nothing)) || tracking() {
            return;
        }
        self.doubt_of(path, DoubtCause::NotOwnedEqual, values, latest(nodes));
    }

    /// A leaf that another manager owns is its value: the difference is certain. Anything else may be a default or a
    /// list without keys.
    fn not_owned_differs(&mut self, path: &Path<'_>, values: Values<'_>, nodes: &Nodes<'_>) {
        let taken = !nodes.is_empty() && nodes.iter().all(|(_, node)| is_leaf(node));
        if taken && plain(values) {
            let difference = self.difference(path, values, latest(nodes));
            self.certain.push(difference);
        } else {
            let nothing = values.desired.is_some_and(is_nothing);
            let cause = if nothing { DoubtCause::NotOwnedEmpty } else { DoubtCause::NotOwnedDiffers };
            self.doubt_of(path, cause, values, latest(nodes));
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    !matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_)) && is_zero(value)
}

/// Tells whether a value asks for itself: null, zero values and texts that the server may write in another form are
/// for it to judge.
fn plain(values: Values<'_>) -> bool {
    match (values.desired, values.live) {
        (Some(Value::Bool(_)), Some(Value::Bool(_))) => true,
        (Some(desired), Some(_)) if is_zero(desired) => false,
        (Some(Value::Number(_)), Some(Value::Number(_))) => true,
        (Some(Value::String(desired)), Some(Value::String(live))) => {
            let same = |read: fn(&str) -> Option<String>| read(desired).is_some_and(|value| Some(value) == read(live));
            !same(Quantity::canonical) && !same(|text| Time::parse(text).map(|time| time.to_string()))
        }
        _ => false,
    }
}

fn latest(nodes: &Nodes<'_>) -> Option<Manager> {
    nodes.iter().map(|(entry, _)| *entry).max_by_key(Entry::time).map(Entry::to_manager)
}
