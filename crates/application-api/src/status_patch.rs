use serde_json::{Map, Value};

use crate::ApplicationStatus;
use crate::wire::to_value;

/// Returns the merge patch of `/status` that leads from one status to another; none when they are equal.
///
/// Beside a changed field, the patch holds the siblings that the CRD requires: somebody may have removed the whole map in
/// the meantime (a new operation clears `operationState`), and a patch must not leave half an object then. Fields that only
/// a newer version knows are left alone.
pub fn status_patch(old: Option<&ApplicationStatus>, new: &ApplicationStatus) -> Option<Value> {
    let Some(old) = old else { return Some(to_value(new)) };
    if old == new {
        return None;
    }
    let new = to_value(new);
    let mut patch = kube_object::merge_patch(&to_value(old), &new)?;
    if let (Value::Object(patch), Value::Object(new)) = (&mut patch, &new) {
        complete(patch, new);
    }
    Some(patch)
}

/// Fields that the CRD requires in the map of a name, wherever a status has one.
fn required(name: &str) -> &'static [&'static str] {
    match name {
        "comparedTo" => &["destination"],
        "currentOperation" => &["message", "phase"],
        "drySource" => &["path", "repoURL", "targetRevision"],
        "hydrateTo" => &["targetBranch"],
        "operationState" => &["operation", "phase", "startedAt"],
        "source" => &["repoURL"],
        "sourceHydrator" => &["drySource", "syncSource"],
        "sync" => &["status"],
        "syncResult" => &["revision"],
        "syncSource" => &["path", "targetBranch"],
        _ => &[],
    }
}

fn complete(patch: &mut Map<String, Value>, new: &Map<String, Value>) {
    for (name, change) in patch {
        let (Value::Object(change), Some(Value::Object(new))) = (change, new.get(name)) else { continue };
        for field in required(name) {
            // `sync` of an operation and `sourceHydrator` of the status have other fields than their namesakes.
            if let (false, Some(value)) = (change.contains_key(*field), new.get(*field)) {
                change.insert((*field).to_owned(), value.clone());
            }
        }
        complete(change, new);
    }
}

#[cfg(test)]
mod tests;
