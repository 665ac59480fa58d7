use serde_json::Value;

use crate::error::DecodeStep;
use crate::{DecodeError, Document};

/// Replaces a list of objects (a kind that ends in `List`, with `items`) by its items, lists inside lists as well.
///
/// Null items are dropped; `items: null` is an empty list, unless `spec` or `status` shows that the kind means something
/// else. Any other document comes back as it is. Items get nothing from their list: each names its own kind.
pub fn expand_lists(file: &str, document: Document) -> Result<Vec<Document>, DecodeError> {
    let mut expanded = Vec::new();
    expand(file, document, &mut expanded)?;
    Ok(expanded)
}

fn expand(file: &str, document: Document, expanded: &mut Vec<Document>) -> Result<(), DecodeError> {
    let Document { mut value, line } = document;
    let Some(items) = take_items(&mut value) else {
        expanded.push(Document { value, line });
        return Ok(());
    };
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Value::Null => {}
            Value::Object(_) => expand(file, Document { value: item, line }, expanded)?,
            _ => {
                return Err(DecodeError {
                    file: file.to_owned(),
                    line,
                    column: 1,
                    step: DecodeStep::List,
                    problem: format!("items[{index}] of the list is not an object"),
                    advice: "write an object with apiVersion and kind there",
                });
            }
        }
    }
    Ok(())
}

fn take_items(value: &mut Value) -> Option<Vec<Value>> {
    let map = value.as_object_mut()?;
    if !map.get("kind")?.as_str()?.ends_with("List") {
        return None;
    }
    let has_body = map.contains_key("spec") || map.contains_key("status");
    match map.get_mut("items")? {
        Value::Array(items) => Some(std::mem::take(items)),
        Value::Null if !has_body => Some(Vec::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expanded(value: Value) -> Result<Vec<Value>, String> {
        let documents = expand_lists("f.yaml", Document { value, line: 7 }).map_err(|error| error.to_string())?;
        assert!(documents.iter().all(|document| document.line == 7));
        Ok(documents.into_iter().map(|document| document.value).collect())
    }

    #[test]
    fn lists_become_their_items() {
        let (a, b) = (json!({"kind": "A"}), json!({"kind": "B"}));
        let check = |value: Value, expected: &[&Value]| {
            assert_eq!(expanded(value.clone()).unwrap().iter().collect::<Vec<_>>(), expected, "{value}");
        };
        check(json!({"kind": "List", "items": [a, null, b]}), &[&a, &b]);
        check(json!({"kind": "ConfigMapList", "items": [{"kind": "List", "items": [a]}, b]}), &[&a, &b]);
        check(json!({"kind": "List", "items": []}), &[]);
        check(json!({"kind": "List", "items": null}), &[]);
        for other in [
            json!({"kind": "AllowList", "items": null, "spec": {}}),
            json!({"kind": "AllowList", "spec": {}}),
            json!({"kind": "ConfigMap", "items": [1]}),
            json!({"items": [1]}),
            json!(3),
        ] {
            check(other.clone(), &[&other]);
        }
    }

    #[test]
    fn an_item_that_is_no_object_is_named() {
        let error = expanded(json!({"kind": "List", "items": [{"kind": "A"}, 3]})).unwrap_err();
        assert_eq!(
            error,
            "f.yaml:7:1: items[1] of the list is not an object; write an object with apiVersion and kind there"
        );
    }
}
