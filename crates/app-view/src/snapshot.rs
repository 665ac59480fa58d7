use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use kube_object::Object;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::{AppSummary, WhyLine};

/// One application at one time, as readers see it. Clones share the bytes.
#[derive(Clone)]
pub struct AppSnapshot {
    namespace: Arc<str>,
    name: Arc<str>,
    uid: Arc<str>,
    resource_version: Arc<str>,
    json: Bytes,
    /// Where the text of `status.sync.revision` is in `json`; none where it is not set.
    revision_at: Option<Range<usize>>,
    verified_revision: Option<Arc<str>>,
    why: Arc<[WhyLine]>,
}

impl AppSnapshot {
    /// Takes an Application as the cluster stores it.
    ///
    /// Kept is what the API shows: `metadata` without `managedFields`, `spec`, `status`, `operation`; `apiVersion` and
    /// `kind` are absent from Argo CD's answers too.
    pub fn new(application: &Object) -> Self {
        let fields = application.fields();
        // A buffer of the right size is not copied again when it is shared.
        let json = serde_json::to_vec(&ApiView(fields)).expect("because a JSON map with string keys always serialises");
        let json = Bytes::from(json.into_boxed_slice());
        let revision_at = AppSummary::read(&json).and_then(|summary| position(&json, summary.revision.borrowed()?));
        Self {
            namespace: application.namespace().into(),
            name: application.name().into(),
            uid: application.uid().into(),
            resource_version: application.resource_version().into(),
            json,
            revision_at,
            verified_revision: None,
            why: Arc::default(),
        }
    }

    /// Adds the revision that was last verified to be what the cluster holds.
    pub fn with_verified_revision(mut self, revision: Option<Arc<str>>) -> Self {
        self.verified_revision = revision;
        self
    }

    /// Adds the explanations of the present state.
    pub fn with_why(mut self, why: Arc<[WhyLine]>) -> Self {
        self.why = why;
        self
    }

    /// Returns the Application's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the Application's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the Application's uid.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Returns the version of the stored object.
    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }

    /// Tells whether this state was stored after `resource_version`, as far as the cluster's order of versions goes.
    pub fn is_newer_than(&self, resource_version: &str) -> bool {
        compare_versions(&self.resource_version, resource_version) == Ordering::Greater
    }

    /// Returns the revision to show: the one last verified, else `status.sync.revision`.
    pub fn revision(&self) -> &str {
        match (&self.verified_revision, &self.revision_at) {
            (Some(verified), _) => verified,
            (None, Some(range)) => {
                std::str::from_utf8(&self.json[range.clone()]).expect("because the range was taken from a string")
            }
            (None, None) => "",
        }
    }

    /// Returns the explanations.
    pub fn why(&self) -> &[WhyLine] {
        &self.why
    }

    /// Reads the parts that tables, filters and metrics show; an Application in an unknown shape reads as empty.
    pub fn summary(&self) -> AppSummary<'_> {
        AppSummary::read(&self.json).unwrap_or_default()
    }

    /// Appends the Application's JSON with the revision last verified in `status.sync.revision`.
    ///
    /// An Application that has no `status.sync.revision` yet is given none: its status is not known to be of a comparison.
    pub fn append_json(&self, out: &mut Vec<u8>) {
        match (&self.verified_revision, &self.revision_at) {
            (Some(verified), Some(range)) if self.json[range.clone()] != *verified.as_bytes() => {
                out.extend_from_slice(&self.json[..range.start - 1]);
                serde_json::to_writer(&mut *out, &**verified)
                    .expect("because writing a string to a vector does not fail");
                out.extend_from_slice(&self.json[range.end + 1..]);
            }
            _ => out.extend_from_slice(&self.json),
        }
    }

    /// Returns how many bytes [`Self::append_json`] appends, give or take the revision.
    pub fn json_len(&self) -> usize {
        self.json.len()
    }

    /// Tells whether readers see the same in both.
    pub(crate) fn shows_the_same(&self, other: &Self) -> bool {
        self.uid == other.uid && self.revision() == other.revision() && self.why == other.why && self.json == other.json
    }

    pub(crate) fn shared_names(&self) -> (Arc<str>, Arc<str>) {
        (self.namespace.clone(), self.name.clone())
    }
}

impl std::fmt::Debug for AppSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}@{}", self.namespace, self.name, self.resource_version)
    }
}

/// Compares resourceVersions as Kubernetes defines it for its own kinds: decimal numbers of any length.
pub(crate) fn compare_versions(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Returns where `part`, a slice of `whole`, lies in it.
fn position(whole: &[u8], part: &str) -> Option<Range<usize>> {
    if part.is_empty() {
        return None;
    }
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    Some(start..start + part.len())
}

/// Serialises an Application without what the API does not show.
struct ApiView<'a>(&'a Map<String, Value>);

impl Serialize for ApiView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0 {
            match (key.as_str(), value) {
                ("apiVersion" | "kind", _) => {}
                ("metadata", Value::Object(metadata)) => {
                    map.serialize_entry(key, &Without(metadata, "managedFields"))?;
                }
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

/// Serialises a map without one key.
struct Without<'a>(&'a Map<String, Value>, &'static str);

impl Serialize for Without<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter(|(key, _)| *key != self.1))
    }
}

#[cfg(test)]
mod tests;
