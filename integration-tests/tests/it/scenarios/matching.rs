//! Whether a live value is as a partial description says.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

/// Values that descriptions have named, for later steps.
pub(super) type Kept = BTreeMap<String, String>;

/// Compares a live object, null if there is none, with a description of some of it, and keeps what the description names.
///
/// # Errors
/// Names the first place that differs, and how.
pub(super) fn matches(live: &Value, wanted: &Value, kept: &mut Kept) -> Result<(), String> {
    if live.is_null() && !wanted.is_null() {
        return Err(" does not exist".to_owned());
    }
    value_matches(live, wanted, kept)
}

/// Compares a value. A description that only says what is absent fits where its parent is absent as well.
fn value_matches(live: &Value, wanted: &Value, kept: &mut Kept) -> Result<(), String> {
    match wanted {
        Value::Null if live.is_null() => Ok(()),
        Value::Null => Err(format!(": expected none, is {}", brief(live))),
        Value::Object(fields) if fields.keys().any(|key| key.starts_with('$')) => all_matchers(live, fields, kept),
        Value::Object(fields) => {
            if !live.is_object() && !live.is_null() {
                return Err(format!(": expected an object, is {}", brief(live)));
            }
            let mut fields = fields.iter();
            fields.try_for_each(|(key, wanted)| {
                value_matches(&live[key], wanted, kept).map_err(|difference| format!(".{key}{difference}"))
            })
        }
        Value::Array(wanted) => {
            let live = live.as_array().ok_or_else(|| format!(": expected a list, is {}", brief(live)))?;
            if live.len() != wanted.len() {
                let live = brief(&Value::Array(live.clone()));
                return Err(format!(": expected a list of {}, is {live}", wanted.len()));
            }
            let mut pairs = live.iter().zip(wanted).enumerate();
            pairs.try_for_each(|(at, (live, wanted))| {
                value_matches(live, wanted, kept).map_err(|difference| format!("[{at}]{difference}"))
            })
        }
        scalar if scalar == live => Ok(()),
        scalar => Err(format!(": expected {scalar}, is {}", brief(live))),
    }
}

fn all_matchers(live: &Value, matchers: &Map<String, Value>, kept: &mut Kept) -> Result<(), String> {
    let mut matchers = matchers.iter();
    matchers.try_for_each(|(matcher, wanted)| one_matcher(live, matcher, wanted, kept))
}

fn one_matcher(live: &Value, matcher: &str, wanted: &Value, kept: &mut Kept) -> Result<(), String> {
    let fails = |how: &str| Err(format!(": {how}, is {}", brief(live)));
    match (matcher, wanted) {
        ("$matches", Value::String(pattern)) => {
            let regex = Regex::new(pattern).map_err(|e| format!(": {e}"))?;
            let Some(found) = live.as_str().and_then(|live| regex.captures(live)) else {
                return fails(&format!("expected text that matches {pattern}"));
            };
            let named = regex.capture_names().flatten();
            kept.extend(named.filter_map(|name| Some((name.to_owned(), found.name(name)?.as_str().to_owned()))));
            Ok(())
        }
        ("$contains", part) => contains(live, part, kept).or_else(|part| fails(&format!("expected to contain {part}"))),
        ("$exists", Value::Bool(true)) if live.is_null() => fails("expected something"),
        ("$not", refused) if value_matches(live, refused, &mut kept.clone()).is_ok() => {
            fails(&format!("expected not {refused}"))
        }
        ("$exists", Value::Bool(true)) | ("$not", _) => Ok(()),
        ("$size", Value::Number(wanted)) => match live.as_array().map_or(0, Vec::len) {
            size if Some(size as u64) == wanted.as_u64() => Ok(()),
            _ => fails(&format!("expected a list of {wanted}")),
        },
        ("$as", Value::String(name)) => {
            let text = match live {
                Value::Null => return fails("expected something"),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            kept.insert(name.clone(), text);
            Ok(())
        }
        _ => Err(format!(
            ": {matcher}: {wanted} is no matcher; there are $matches, $contains, $exists, $not, $size, $as"
        )),
    }
}

/// Tells whether a text has a part, or a list has elements that match each of the parts, in any order.
fn contains(live: &Value, part: &Value, kept: &mut Kept) -> Result<(), String> {
    if let (Value::String(live), Value::String(part)) = (live, part) {
        return if live.contains(part.as_str()) { Ok(()) } else { Err(format!("{part:?}")) };
    }
    let parts = part.as_array().map_or(std::slice::from_ref(part), Vec::as_slice);
    let elements = live.as_array().map(Vec::as_slice).unwrap_or_default();
    let missing = parts.iter().find(|part| !elements.iter().any(|element| value_matches(element, part, kept).is_ok()));
    missing.map_or(Ok(()), |part| Err(part.to_string()))
}

/// Gives the beginning of a value's JSON.
fn brief(value: &Value) -> String {
    let text = if value.is_null() { "absent".to_owned() } else { value.to_string() };
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

#[test]
fn descriptions_are_partial() {
    let live = serde_json::json!({
        "name": "web", "phase": "Running", "count": 2, "labels": {"a": "b", "c": "d"}, "nothing": null,
        "rows": [{"kind": "Job", "name": "one"}, {"kind": "Service", "name": "two"}],
        "message": "waits for approval of 0a1b",
    });
    let cases = [
        ("{}", None),
        ("{name: web, labels: {a: b}}", None),
        ("{name: api}", Some(r#".name: expected "api", is "web""#)),
        ("{labels: {a: x}}", Some(r#".labels.a: expected "x", is "b""#)),
        ("{none: {a: null, b: {c: null}}}", None),
        ("{none: {a: null, b: c}}", Some(r#".none.b: expected "c", is absent"#)),
        ("{labels: {e: f}}", Some(r#".labels.e: expected "f", is absent"#)),
        ("{name: {a: b}}", Some(r#".name: expected an object, is "web""#)),
        ("{count: 2, other: null, nothing: null}", None),
        ("{name: null}", Some(r#".name: expected none, is "web""#)),
        ("{rows: [{kind: Job}, {name: two}]}", None),
        ("{rows: [{kind: Job}, {name: one}]}", Some(r#".rows[1].name: expected "one", is "two""#)),
        ("{rows: [{name: one}]}", Some(".rows: expected a list of 1, is")),
        ("{rows: {$contains: {name: two}}}", None),
        ("{rows: {$contains: [{name: two}, {kind: Job}]}}", None),
        ("{rows: {$contains: [{name: two, kind: Job}]}}", Some(".rows: expected to contain")),
        ("{message: {$contains: approval}}", None),
        ("{message: {$contains: refusal}}", Some(r#".message: expected to contain "refusal""#)),
        ("{none: {$contains: approval}}", Some(".none: expected to contain")),
        ("{rows: {$size: 2}, none: {$size: 0}}", None),
        ("{rows: {$size: 3}}", Some(".rows: expected a list of 3")),
        ("{message: {$matches: '^waits .* [0-9a-f]+$'}}", None),
        ("{message: {$matches: '^approval'}}", Some(".message: expected text that matches")),
        ("{count: {$matches: '2'}}", Some(".count: expected text that matches")),
        ("{name: {$exists: true}}", None),
        ("{other: {$exists: true}}", Some(".other: expected something")),
        ("{name: {$not: api}, rows: {$not: {$contains: {name: three}}}}", None),
        ("{name: {$not: web}}", Some(r#".name: expected not "web""#)),
        ("{other: {$as: it}}", Some(".other: expected something")),
        ("{name: {$is: web}}", Some("is no matcher")),
        ("{name: {$matches: web, $not: web}}", Some("expected not")),
    ];
    let none = matches(&Value::Null, &serde_json::json!({"metadata": {"labels": null}}), &mut Kept::new());
    assert_eq!(none, Err(" does not exist".to_owned()));
    for (wanted, difference) in cases {
        let description = crate::yaml::documents(wanted.as_bytes()).remove(0);
        let found = matches(&live, &description, &mut Kept::new()).err();
        let as_expected = match (&found, difference) {
            (Some(found), Some(difference)) => found.contains(difference),
            (None, None) => true,
            _ => false,
        };
        assert!(as_expected, "{wanted}: {found:?}");
    }
}

#[test]
fn what_is_named_is_kept() {
    let live = serde_json::json!({"uid": "12", "number": 3, "message": "approve 0a1b now"});
    let wanted = serde_json::json!({
        "uid": {"$as": "uid"}, "number": {"$as": "n"}, "message": {"$matches": "approve (?P<digest>[0-9a-f]+)"},
    });
    let mut kept = Kept::new();
    matches(&live, &wanted, &mut kept).unwrap();
    let kept: Vec<_> = kept.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(kept, [("digest", "0a1b"), ("n", "3"), ("uid", "12")]);
}
