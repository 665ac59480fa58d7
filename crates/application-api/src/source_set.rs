use std::borrow::Cow;

use crate::{ApplicationSource, ApplicationSpec, SyncOperation, SyncOperationResult};

/// All sources of an application as one desired state: the single source of a spec, or the list of one with several.
///
/// The two forms are written to different fields (`source` and `revision`, or `sources` and `revisions`), also where the list has
/// one source only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceSet {
    all: Box<[ApplicationSource]>,
    is_list: bool,
}

/// What stands between the revisions of several sources where they are written as one. No commit, chart version or digest has it.
const SEPARATOR: char = ',';

impl SourceSet {
    /// Takes the single source of a spec.
    pub fn single(source: ApplicationSource) -> Self {
        Self { all: Box::new([source]), is_list: false }
    }

    /// Takes the sources of a list.
    pub fn list(sources: Vec<ApplicationSource>) -> Self {
        Self { all: sources.into(), is_list: true }
    }

    /// Returns what a spec says is synced: a hydrator's source, else the list, else the single source; none where it names nothing.
    pub fn of_spec(spec: &ApplicationSpec) -> Option<Self> {
        if spec.has_multiple_sources() {
            return Some(Self::list(spec.sources.clone()));
        }
        spec.source().map(Cow::into_owned).map(Self::single)
    }

    /// Returns the sources that an operation names instead of those of the spec, if any.
    pub fn of_operation(sync: &SyncOperation) -> Option<Self> {
        match &sync.source {
            _ if !sync.sources.is_empty() => Some(Self::list(sync.sources.clone())),
            Some(source) => Some(Self::single(source.clone())),
            None => None,
        }
    }

    /// Returns the sources that an operation worked with.
    pub fn of_result(result: &SyncOperationResult) -> Self {
        if result.sources.is_empty() { Self::single(result.source.clone()) } else { Self::list(result.sources.clone()) }
    }

    /// Returns the sources in their order.
    pub fn all(&self) -> &[ApplicationSource] {
        &self.all
    }

    /// Tells whether they are those of a list.
    pub fn is_list(&self) -> bool {
        self.is_list
    }

    /// Returns what the field `source` holds: nothing for a list.
    pub fn source_field(&self) -> ApplicationSource {
        if self.is_list { ApplicationSource::default() } else { self.all.first().cloned().unwrap_or_default() }
    }

    /// Returns what the field `sources` holds: nothing for a single source.
    pub fn sources_field(&self) -> Vec<ApplicationSource> {
        if self.is_list { self.all.to_vec() } else { Vec::new() }
    }

    /// Returns what the fields `revision` and `revisions` hold for a [joined](join_revisions) revision.
    pub fn revision_fields(&self, joined: &str) -> (String, Vec<String>) {
        match self.is_list {
            true if joined.is_empty() => (String::new(), Vec::new()),
            true => (String::new(), split_revisions(joined).map(str::to_owned).collect()),
            false => (joined.to_owned(), Vec::new()),
        }
    }

    /// Returns the revisions that an operation asks for, one for each source: its own, else those of the sources.
    pub fn wanted_revisions(&self, sync: &SyncOperation) -> Vec<String> {
        if !sync.revisions.is_empty() && sync.revisions.len() == self.all.len() {
            return sync.revisions.clone();
        }
        if !self.is_list && !sync.revision.is_empty() {
            return vec![sync.revision.clone()];
        }
        self.all.iter().map(|source| source.target_revision.clone()).collect()
    }
}

/// Writes the resolved revisions of several sources as one; that of a single source stays as it is.
pub fn join_revisions<'a>(revisions: impl IntoIterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for (at, revision) in revisions.into_iter().enumerate() {
        if at > 0 {
            joined.push(SEPARATOR);
        }
        joined.push_str(revision);
    }
    joined
}

/// Reads what [`join_revisions`] wrote.
pub fn split_revisions(joined: &str) -> impl Iterator<Item = &str> {
    joined.split(SEPARATOR)
}

impl SyncOperationResult {
    /// Returns the revisions as [one](join_revisions); empty when there is none yet.
    pub fn joined_revision(&self) -> String {
        if self.revisions.is_empty() {
            self.revision.clone()
        } else {
            join_revisions(self.revisions.iter().map(String::as_str))
        }
    }

    /// Tells whether the operation came as far as a revision.
    pub fn has_revision(&self) -> bool {
        !self.revision.is_empty() || !self.revisions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(spec: serde_json::Value) -> SourceSet {
        SourceSet::of_spec(&serde_json::from_value(spec).unwrap()).unwrap()
    }

    #[test]
    fn each_form_is_written_to_its_own_fields() {
        let single = set(json!({"source": {"repoURL": "a"}}));
        let list = set(json!({"sources": [{"repoURL": "b"}, {"repoURL": "c"}]}));
        assert_eq!((single.source_field().repo_url.as_str(), single.sources_field().len()), ("a", 0));
        assert_eq!((list.source_field().repo_url.as_str(), list.sources_field().len()), ("", 2));
        let joined = join_revisions(["1", "2"]);
        assert_eq!(single.revision_fields("1"), ("1".to_owned(), vec![]));
        assert_eq!(list.revision_fields(&joined), (String::new(), vec!["1".to_owned(), "2".to_owned()]));
        assert_eq!(list.revision_fields(""), (String::new(), vec![]));
        assert_ne!(set(json!({"sources": [{"repoURL": "a"}]})), single);
        assert_eq!(SourceSet::of_spec(&ApplicationSpec::default()), None);
    }

    #[test]
    fn an_operation_names_its_own_revisions_or_none() {
        let list = set(json!({"sources": [{"targetRevision": "x"}, {"targetRevision": "y"}]}));
        let single = set(json!({"source": {"targetRevision": "x"}}));
        for (set, sync, expected) in [
            (&list, json!({}), vec!["x", "y"]),
            (&list, json!({"revisions": ["1", "2"]}), vec!["1", "2"]),
            (&list, json!({"revisions": ["1"]}), vec!["x", "y"]),
            (&list, json!({"revision": "1"}), vec!["x", "y"]),
            (&single, json!({}), vec!["x"]),
            (&single, json!({"revision": "1"}), vec!["1"]),
        ] {
            let sync: SyncOperation = serde_json::from_value(sync.clone()).unwrap();
            assert_eq!(set.wanted_revisions(&sync), expected, "{sync:?}");
        }
    }
}
