use kube_object::Object;
use serde_json::{Map, Value, json};

use crate::managed_fields::{OUR_MANAGER, raw_entries};
use crate::takeover::{Owned, Takeover, stays, unite};

/// Makes the JSON patch that moves legacy ownership into our apply entry; none when nothing is due.
///
/// It replaces `managedFields` and `resourceVersion` in one request, so that a stale read is answered with 409
/// Conflict. Entries of subresources and of other managers stay, and so do `status` and an Application's `operation`:
/// an entry that holds them is split (server-side apply facts, section 5). What an entry of client-side apply holds beyond its last
/// configuration, which are defaults, becomes nobody's.
pub fn migration_patch(live: &Object, takeover: &Takeover) -> Option<Value> {
    let owned = Owned::of(live, takeover);
    if owned.legacy.is_empty() && !owned.names_string_data {
        return None;
    }
    let time = owned.ours.as_ref().or(owned.legacy.first())?.raw.get("time").cloned();
    let mut entry = Map::new();
    entry.insert("manager".to_owned(), OUR_MANAGER.into());
    entry.insert("operation".to_owned(), "Apply".into());
    entry.insert("apiVersion".to_owned(), owned.api_version.into());
    entry.extend(time.map(|time| ("time".to_owned(), time)));
    entry.insert("fieldsType".to_owned(), "FieldsV1".into());
    entry.insert("fieldsV1".to_owned(), Value::Object(owned.fields.clone().into_owned()));

    let mut entries = vec![Value::Object(entry)];
    for value in raw_entries(live) {
        let is = |known: &Map<String, Value>| value.as_object().is_some_and(|raw| std::ptr::eq(raw, known));
        if owned.ours.is_some_and(|ours| is(ours.raw)) {
            continue;
        }
        if owned.legacy.iter().any(|legacy| is(legacy.raw)) {
            entries.extend(remainder(live, value));
        } else {
            entries.push(value.clone());
        }
    }
    Some(replace_entries(live, &entries))
}

/// Returns what a legacy entry keeps; none when nothing is left.
fn remainder(live: &Object, entry: &Value) -> Option<Value> {
    let mut rest = entry.clone();
    let fields = rest.get_mut("fieldsV1")?.as_object_mut()?;
    fields.retain(|key, _| stays(live, key));
    (!fields.is_empty()).then_some(rest)
}

/// Makes the JSON patch that rewrites entries naming a version the server no longer knows; none when there is none
/// (trap T8).
///
/// `known_versions` are the `apiVersion` values of the object's kind, as discovery lists them. Unknown ones are
/// rewritten to the version the object was read in. Without it every apply and dry run of the object fails.
pub fn repair_versions_patch(live: &Object, known_versions: &[&str]) -> Option<Value> {
    let knows = |entry: &Value| {
        entry.get("apiVersion").and_then(Value::as_str).is_none_or(|version| known_versions.contains(&version))
    };
    let entries = raw_entries(live);
    if known_versions.is_empty() || entries.iter().all(knows) {
        return None;
    }
    let mut rewritten: Vec<Value> = entries.iter().filter(|entry| knows(entry)).cloned().collect();
    for entry in entries.iter().filter(|entry| !knows(entry)) {
        let mut entry = entry.clone();
        entry["apiVersion"] = live.api_version().into();
        // Two entries of one writer in one version would replace each other.
        match rewritten.iter_mut().find(|known| same_writer(known, &entry)) {
            Some(known) => {
                if let (Some(into), Some(from)) = (known["fieldsV1"].as_object_mut(), entry["fieldsV1"].as_object()) {
                    unite(into, from.iter());
                }
            }
            None => rewritten.push(entry),
        }
    }
    Some(replace_entries(live, &rewritten))
}

fn same_writer(one: &Value, other: &Value) -> bool {
    ["manager", "operation", "subresource", "apiVersion"].iter().all(|key| one.get(key) == other.get(key))
}

fn replace_entries(live: &Object, entries: &[Value]) -> Value {
    json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version()},
    ])
}
