use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};
use kube_object::Quantity;
use serde_json::{Map, Value};

use crate::known::{Place, ServerDefault};

/// Decodes what the API server decodes: line breaks are passed over, stray bits behind the last byte ignored.
const DECODER: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Tells whether the server stores `desired` as `live`, as far as that is known without asking it.
///
/// Numbers are compared by value in every kind. In built-in kinds, which have a `place`, quantities and base64 are
/// compared by value, and inside an atomic value the live side may have the server's defaults. A field of `desired`
/// that is absent live is a difference, since a zero value inside an atomic map may have a meaning (`podSelector:
/// {}`).
pub(crate) fn stored_as(place: Option<&Place<'_>>, desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => maps(place, desired, live),
        (Value::Array(desired), Value::Array(live)) => {
            let items = place.map(|place| place.child("*"));
            desired.len() == live.len() && desired.iter().zip(live).all(|(d, l)| stored_as(items.as_ref(), d, l))
        }
        (Value::Array(desired), Value::Null) => place.is_some() && desired.is_empty(),
        (Value::Number(desired), Value::Number(live)) => same_number(desired, live),
        (Value::String(_) | Value::Number(_), Value::String(live)) if place.is_some_and(Place::is_quantity) => {
            quantity(desired).is_some_and(|desired| Some(desired) == Quantity::canonical(live))
        }
        (Value::String(desired), Value::String(live)) => {
            desired == live
                || place.is_some_and(Place::is_base64) && decode(desired).is_some_and(|d| Some(d) == decode(live))
        }
        _ => desired == live,
    }
}

fn maps(place: Option<&Place<'_>>, desired: &Map<String, Value>, live: &Map<String, Value>) -> bool {
    if desired.is_empty() && place.is_some_and(Place::is_granular) {
        return true;
    }
    let within = |(key, value): (&String, &Value)| match live.get(key) {
        Some(live) => stored_as(place.map(|place| place.child(key)).as_ref(), value, live),
        None => value.is_null(),
    };
    let extra = |(key, value): (&String, &Value)| {
        desired.contains_key(key)
            || place.is_some_and(|place| is_default(&place.child(key), value) || copied(place, desired, key, value))
    };
    desired.iter().all(within) && live.iter().all(extra)
}

/// Tells whether a live value is what the server fills in when nobody sets the field.
pub(crate) fn is_default(place: &Place<'_>, live: &Value) -> bool {
    match (place.default(), live) {
        (Some(ServerDefault::Map), Value::Object(fields)) => {
            fields.iter().all(|(key, value)| is_default(&place.child(key), value))
        }
        (Some(ServerDefault::Map) | None, _) => false,
        (Some(default), live) => default.is(live),
    }
}

/// Tells whether a field absent in Git is one the server copies from a sibling: `defaultRequest` of a LimitRange from
/// `default`.
fn copied(place: &Place<'_>, desired: &Map<String, Value>, key: &str, live: &Value) -> bool {
    let child = place.child("defaultRequest");
    key == "defaultRequest"
        && child.is("LimitRange", "spec.limits.*.defaultRequest")
        && !desired.contains_key("min")
        && desired.get("default").is_some_and(|default| stored_as(Some(&child), default, live))
}

fn same_number(one: &serde_json::Number, other: &serde_json::Number) -> bool {
    // Integers beyond 2^53 must not meet in a float.
    let whole = |number: &serde_json::Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.as_f64() == other.as_f64(),
    }
}

/// Tells whether two values of a list key or a set are the same.
pub(crate) fn same_key(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one, other),
        _ => one == other,
    }
}

fn quantity(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Quantity::canonical(text.trim()),
        Value::Number(number) => Quantity::canonical(&number.to_string()),
        _ => None,
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.contains(['\n', '\r']) {
        return DECODER.decode(text.replace(['\n', '\r'], "")).ok();
    }
    DECODER.decode(text).ok()
}
