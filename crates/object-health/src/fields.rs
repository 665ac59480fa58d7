//! Reads fields of a JSON object the way Go's typed structs would: what is absent or of another type is zero.

use kube_object::Object;
use serde_json::Value;

/// Returns the integer at `path`; none when absent.
pub(crate) fn integer_if_set(object: &Object, path: &[&str]) -> Option<i64> {
    object.get(path).and_then(Value::as_i64)
}

/// Returns the integer at `path`, or 0.
pub(crate) fn integer(object: &Object, path: &[&str]) -> i64 {
    integer_if_set(object, path).unwrap_or_default()
}

/// Returns the text at `path`, or an empty one.
pub(crate) fn text<'a>(object: &'a Object, path: &[&str]) -> &'a str {
    object.get(path).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the list at `path`, or an empty one.
pub(crate) fn list<'a>(object: &'a Object, path: &[&str]) -> &'a [Value] {
    object.get(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns the texts of the list at `path`.
pub(crate) fn texts<'a>(object: &'a Object, path: &[&str]) -> impl Iterator<Item = &'a str> {
    list(object, path).iter().filter_map(Value::as_str)
}

/// Returns the text of one field of a JSON map, or an empty one.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// One entry of a list of conditions.
#[derive(Clone, Copy)]
pub(crate) struct Condition<'a> {
    /// Type.
    pub(crate) kind: &'a str,
    /// `True`, `False` or `Unknown`.
    pub(crate) status: &'a str,
    /// Reason, one word.
    pub(crate) reason: &'a str,
    /// Message for a person.
    pub(crate) message: &'a str,
}

impl<'a> Condition<'a> {
    /// Reads one entry.
    pub(crate) fn of(value: &'a Value) -> Self {
        Self {
            kind: field(value, "type"),
            status: field(value, "status"),
            reason: field(value, "reason"),
            message: field(value, "message"),
        }
    }

    /// Tells whether the status is `True`.
    pub(crate) fn is_true(&self) -> bool {
        self.status == "True"
    }
}

/// Returns the entries of `status.conditions`.
pub(crate) fn conditions(object: &Object) -> impl Iterator<Item = Condition<'_>> {
    list(object, &["status", "conditions"]).iter().map(Condition::of)
}

/// Returns the first condition of a type.
pub(crate) fn condition<'a>(object: &'a Object, kind: &str) -> Option<Condition<'a>> {
    conditions(object).find(|condition| condition.kind == kind)
}
