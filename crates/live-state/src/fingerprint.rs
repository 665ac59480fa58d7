//! A digest of what matters in the body of a managed object.
//!
//! Left out is what moves without meaning: `resourceVersion`, `generation`, the times in `managedFields`, `status`
//! and who owns it. Who owns any other field is in: an apply by somebody else that takes a field over changes the
//! verdict.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;

use kube_object::Object;
use serde_json::{Map, Value};

/// What the daemon itself writes into an Application to run it; no parent compares it.
const REFRESH_ANNOTATION: &str = "argocd.argoproj.io/refresh";

/// Returns the digest; the same in every process.
pub(crate) fn fingerprint(object: &Object) -> NonZeroU64 {
    let skip = Skip::of(object);
    let mut hasher = DefaultHasher::new();
    for (name, value) in object.fields() {
        match (name.as_str(), value) {
            ("status", _) => {}
            ("operation", _) if skip == Skip::Workings => {}
            ("metadata", Value::Object(meta)) => hash_metadata(meta, skip, &mut hasher),
            _ => (name, value).hash(&mut hasher),
        }
    }
    NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN)
}

/// Whether the kind carries the workings of the daemon beside its spec.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Skip {
    Nothing,
    Workings,
}

impl Skip {
    fn of(object: &Object) -> Self {
        let is_application = object.kind() == "Application" && object.api_version().starts_with("argoproj.io/");
        if is_application { Self::Workings } else { Self::Nothing }
    }

    fn covers_annotation(self, name: &str) -> bool {
        self == Self::Workings && name == REFRESH_ANNOTATION
    }
}

fn hash_metadata(meta: &Map<String, Value>, skip: Skip, hasher: &mut DefaultHasher) {
    for (name, value) in meta {
        match (name.as_str(), value) {
            ("resourceVersion" | "generation", _) => {}
            ("managedFields", Value::Array(entries)) => {
                // A sum, since the order of the entries follows their times.
                let sum = entries.iter().filter_map(|entry| ownership(entry, skip)).fold(0, u64::wrapping_add);
                ("managedFields", sum).hash(hasher);
            }
            ("annotations", Value::Object(annotations)) => {
                annotations.iter().filter(|(name, _)| !skip.covers_annotation(name)).for_each(|one| one.hash(hasher));
            }
            _ => (name, value).hash(hasher),
        }
    }
}

/// Returns a digest of one entry of `managedFields`; none when it owns nothing that matters.
fn ownership(entry: &Value, skip: Skip) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let mut is_owner = false;
    for (name, fields) in entry.get("fieldsV1")?.as_object()? {
        match (name.as_str(), fields) {
            ("f:status", _) => {}
            ("f:operation", _) if skip == Skip::Workings => {}
            ("f:metadata", Value::Object(meta)) if skip == Skip::Workings => {
                is_owner |= hash_owned_metadata(meta, &mut hasher);
            }
            _ => {
                is_owner = true;
                (name, fields).hash(&mut hasher);
            }
        }
    }
    for field in ["manager", "operation", "apiVersion", "subresource"] {
        entry.get(field).hash(&mut hasher);
    }
    is_owner.then(|| hasher.finish())
}

/// Hashes the owned metadata of an Application, except the refresh annotation; tells whether there was anything.
fn hash_owned_metadata(meta: &Map<String, Value>, hasher: &mut DefaultHasher) -> bool {
    let mut is_owner = false;
    for (name, fields) in meta {
        if let ("f:annotations", Value::Object(annotations)) = (name.as_str(), fields) {
            let skipped = |name: &str| name == "." || name.strip_prefix("f:") == Some(REFRESH_ANNOTATION);
            for one in annotations.keys().filter(|name| !skipped(name)) {
                is_owner = true;
                one.hash(hasher);
            }
        } else {
            is_owner = true;
            (name, fields).hash(hasher);
        }
    }
    is_owner
}
