use serde_json::{Map, Value};

/// Computes the JSON merge patch (RFC 7396) that turns `from` into `to`; none when they are equal.
///
/// A merge patch cannot set a field to null: a null in `to` reads as an absent field.
pub fn merge_patch(from: &Value, to: &Value) -> Option<Value> {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let mut patch = Map::new();
            for (key, old) in from {
                match to.get(key) {
                    None | Some(Value::Null) => {
                        if !old.is_null() {
                            patch.insert(key.clone(), Value::Null);
                        }
                    }
                    Some(new) => {
                        if let Some(change) = merge_patch(old, new) {
                            patch.insert(key.clone(), change);
                        }
                    }
                }
            }
            for (key, new) in to {
                if !new.is_null() && !from.contains_key(key) {
                    patch.insert(key.clone(), without_nulls(new));
                }
            }
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (from, to) => (from != to).then(|| without_nulls(to)),
    }
}

/// Applies a JSON merge patch (RFC 7396) to `target`.
pub fn apply_merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (key, change) in patch {
        if change.is_null() {
            fields.remove(key);
        } else {
            apply_merge_patch(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(from: Value, to: &Value, expected: Option<&Value>) {
        let patch = merge_patch(&from, to);
        assert_eq!(patch.as_ref(), expected, "patch from {from} to {to}");
        let mut patched = from;
        apply_merge_patch(&mut patched, &patch.unwrap_or_else(|| json!({})));
        assert_eq!(patched, without_nulls(to));
    }

    #[test]
    fn a_patch_leads_from_one_value_to_the_other() {
        check(json!({"a": 1}), &json!({"a": 1}), None);
        check(
            json!({"a": 1, "b": {"c": 2, "d": 3}}),
            &json!({"b": {"c": 2, "e": 4}}),
            Some(&json!({"a": null, "b": {"d": null, "e": 4}})),
        );
        check(json!({"a": [1, 2]}), &json!({"a": [1]}), Some(&json!({"a": [1]})));
        check(json!({"a": {"b": 1}}), &json!({"a": "x"}), Some(&json!({"a": "x"})));
        check(json!({"a": "x"}), &json!({"a": {"b": 1}}), Some(&json!({"a": {"b": 1}})));
        check(json!({}), &json!({"a": {"b": null, "c": 1}}), Some(&json!({"a": {"c": 1}})));
        check(json!({"a": 1}), &json!({"a": null}), Some(&json!({"a": null})));
    }
}
