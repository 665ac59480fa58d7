use std::collections::HashSet;

use application_api::SyncStatusCode;
use kube_object::ObjectKey;

use crate::health::aggregate;
use crate::rows::Rows;
use crate::{CompareInput, Compared, Comparison, ObjectVerdict};

/// Compares what an application wants with what its cluster has (semantics, section 3.1). With answers to what is
/// needed, compare again.
pub fn compare(input: &CompareInput<'_>) -> Compared {
    let mut rows = Rows::new(input);
    for position in 0..input.targets.items.len() {
        rows.target(position);
    }
    for key in extras(input) {
        rows.extra(&key);
    }
    let open = rows.resources.iter().any(|row| row.verdict == ObjectVerdict::Undecided);
    let sync = match (rows.differs, open) {
        (true, _) => SyncStatusCode::OutOfSync,
        (false, true) => SyncStatusCode::Unknown,
        (false, false) => SyncStatusCode::Synced,
    };
    let comparison = Comparison {
        sync: Some(sync),
        health: Some(aggregate(&rows.resources, input.application)),
        conditions: input.targets.conditions.iter().cloned().chain(rows.conditions).collect(),
        resources: rows.resources,
    };
    Compared { comparison, needed: rows.needed }
}

/// Returns the tracked objects that are not among the targets, each uid once: an object served by two groups is one
/// object.
fn extras(input: &CompareInput<'_>) -> Vec<ObjectKey> {
    let uid = |key: &ObjectKey| input.live.live(key).map(|live| live.uid);
    let mut keys = input.live.tracked_by(input.instance);
    keys.retain(|key| !input.targets.contains(key));
    if keys.is_empty() {
        return keys;
    }
    let mut seen: HashSet<String> = input.targets.items.iter().filter_map(|target| uid(&target.key)).collect();
    keys.retain(|key| uid(key).is_some_and(|uid| uid.is_empty() || seen.insert(uid)));
    keys
}
