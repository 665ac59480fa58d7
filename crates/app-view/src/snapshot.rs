use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use kube_object::{CompactObject, Object};
use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{AppSummary, WhyLine};

/// How the JSON of an Application begins, in the order in which objects are written.
const HEAD: &[u8] = br#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Application","#;

/// One application at one time, as readers see it. Clones share the bytes.
#[derive(Clone)]
pub struct AppSnapshot {
    namespace: Arc<str>,
    name: Arc<str>,
    uid: Box<str>,
    resource_version: Box<str>,
    /// As stored; who manages its fields is not shown.
    object: CompactObject,
    /// `status.sync.revision`, as stored.
    revision: Arc<str>,
    verified_revision: Option<Arc<str>>,
    why: Arc<[WhyLine]>,
}

/// The JSON of one application, as the API shows it.
#[derive(Clone, Debug)]
pub struct AppJson(Vec<u8>);

impl AppJson {
    /// Reads the parts that tables, filters and metrics show; an Application in an unknown shape reads as empty.
    pub fn summary(&self) -> AppSummary<'_> {
        AppSummary::read(&self.0).unwrap_or_default()
    }
}

impl AppSnapshot {
    /// Takes an Application as the cluster stores it.
    ///
    /// Kept is what the API shows: `metadata` without `managedFields`, `spec`, `status`, `operation`; `apiVersion` and
    /// `kind` are absent from Argo CD's answers too.
    pub fn new(application: &Object) -> Self {
        Self::of(CompactObject::of(application), application)
    }

    /// Takes an Application that is kept, and shares its bytes.
    pub fn shared(object: CompactObject) -> Self {
        let application = object.decode();
        Self::of(object, &application)
    }

    fn of(object: CompactObject, application: &Object) -> Self {
        let stored = application.fields().get("status").and_then(|status| status["sync"]["revision"].as_str());
        Self {
            namespace: application.namespace().into(),
            name: application.name().into(),
            uid: application.uid().into(),
            resource_version: application.resource_version().into(),
            object,
            revision: stored.unwrap_or_default().into(),
            verified_revision: None,
            why: Arc::default(),
        }
    }

    /// Adds the revision that was last verified to be what the cluster holds.
    pub fn with_verified_revision(mut self, revision: Option<Arc<str>>) -> Self {
        // Most often it is the stored one.
        self.verified_revision =
            revision.map(|verified| if verified == self.revision { self.revision.clone() } else { verified });
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
        self.verified_revision.as_deref().unwrap_or(&self.revision)
    }

    /// Returns the explanations.
    pub fn why(&self) -> &[WhyLine] {
        &self.why
    }

    /// Decodes the Application's JSON as stored; [`Self::append_json`] shows the revision last verified in it.
    pub fn json(&self) -> AppJson {
        let json = self.object.to_json();
        if let Some(rest) = json.strip_prefix(HEAD) {
            let hidden = managed_fields(rest);
            return AppJson([b"{", &rest[..hidden.start], &rest[hidden.end..]].concat());
        }
        let mut application = self.object.decode();
        application.metadata_map_mut().remove("managedFields");
        let json = serde_json::to_vec(&ApiView(application.fields()));
        AppJson(json.expect("because a JSON map with string keys always serialises"))
    }

    /// Appends the Application's JSON with the revision last verified in `status.sync.revision`.
    ///
    /// An Application that has no `status.sync.revision` yet is given none: its status is not known to be of a comparison.
    pub fn append_json(&self, out: &mut Vec<u8>) {
        let json = self.json();
        let verified = self.verified_revision.as_ref().filter(|verified| **verified != self.revision);
        let replaced = verified.and_then(|verified| {
            let summary = AppSummary::read(&json.0)?;
            Some((verified, position(&json.0, summary.revision.borrowed()?)?))
        });
        let Some((verified, at)) = replaced else {
            out.extend_from_slice(&json.0);
            return;
        };
        out.extend_from_slice(&json.0[..at.start - 1]);
        serde_json::to_writer(&mut *out, &**verified).expect("because writing a string to a vector does not fail");
        out.extend_from_slice(&json.0[at.end + 1..]);
    }

    /// Returns how many bytes [`Self::append_json`] appends, give or take a hundred.
    pub fn json_len(&self) -> usize {
        self.object.json_len()
    }

    /// Tells whether readers see the same in both.
    pub(crate) fn shows_the_same(&self, other: &Self) -> bool {
        self.uid == other.uid
            && self.revision() == other.revision()
            && self.why == other.why
            && self.object == other.object
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

/// Returns where `metadata.managedFields` lies in an Application's JSON, with its name and one comma; empty where there is none.
///
/// `rest` is the JSON as it is written without spaces, after [`HEAD`].
fn managed_fields(rest: &[u8]) -> Range<usize> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow, rename = "managedFields")]
        managed_fields: Option<&'a RawValue>,
    }
    const METADATA: &[u8] = b"\"metadata\":";
    const NAME: &[u8] = b"\"managedFields\":";
    let find = || {
        let from = rest.strip_prefix(METADATA)?;
        let metadata = Metadata::deserialize(&mut serde_json::Deserializer::from_slice(from)).ok()?;
        let value = position(rest, metadata.managed_fields?.get())?;
        let start = value.start.checked_sub(NAME.len()).filter(|start| rest[*start..].starts_with(NAME))?;
        Some(match (rest.get(value.end), start.checked_sub(1).map(|before| rest[before])) {
            (Some(b','), _) => start..value.end + 1,
            (_, Some(b',')) => start - 1..value.end,
            _ => start..value.end,
        })
    };
    find().unwrap_or_default()
}

/// Serialises an Application without what the API does not show.
struct ApiView<'a>(&'a Map<String, Value>);

impl Serialize for ApiView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0 {
            match key.as_str() {
                "apiVersion" | "kind" => {}
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
