//! The index of a chart repository.

use std::collections::BTreeMap;

use git_source::{highest_version, is_constraint};
use serde::Deserialize;

/// What an index says of its charts.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Index {
    #[serde(default)]
    entries: BTreeMap<String, Vec<IndexEntry>>,
}

/// One version of a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct IndexEntry {
    #[serde(default)]
    pub(crate) version: String,
    /// Where the archive is; relative ones from the index.
    #[serde(default)]
    pub(crate) urls: Vec<String>,
    /// SHA-256 of the archive, if given.
    #[serde(default)]
    pub(crate) digest: String,
}

/// Why an index has no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Chart,
    Version,
}

impl Index {
    /// Reads an index; it is YAML, of which JSON is a part that is read faster.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
            return serde_json::from_slice(bytes).map_err(|error| error.to_string());
        }
        serde_yaml::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// Finds a version: that very one, else the highest that a constraint allows.
    pub(crate) fn find(&self, chart: &str, revision: &str) -> Result<&IndexEntry, Absent> {
        let versions = self.entries.get(chart).ok_or(Absent::Chart)?;
        let named = |text: &str| versions.iter().find(|entry| entry.version == text);
        if let Some(entry) = named(revision) {
            return Ok(entry);
        }
        if is_constraint(revision) {
            let texts = versions.iter().map(|entry| entry.version.as_str());
            return highest_version(revision, texts).and_then(named).ok_or(Absent::Version);
        }
        // `v1.2.3` and `1.2.3` are one version.
        let bare = |text: &str| text.strip_prefix('v').unwrap_or(text).to_owned();
        versions.iter().find(|entry| bare(&entry.version) == bare(revision)).ok_or(Absent::Version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "apiVersion: v1\nentries:\n  web:\n  - {version: 1.9.0, urls: [web-1.9.0.tgz], digest: ab}\n  \
        - {version: 1.10.0, urls: [x]}\n  - {version: 2.0.0-rc.1, urls: [x]}\n  - {version: v3.0.0+build, urls: [x]}\n";

    #[test]
    fn versions_are_found_as_helm_finds_them() {
        let index = Index::read(YAML.as_bytes()).unwrap();
        for (chart, revision, expected) in [
            ("web", "1.9.0", Ok("1.9.0")),
            ("web", "1.x", Ok("1.10.0")),
            ("web", ">=1.0.0, <1.10.0", Ok("1.9.0")),
            ("web", "*", Ok("v3.0.0+build")),
            ("web", ">=2.0.0-0, <3.0.0-0", Ok("2.0.0-rc.1")),
            ("web", "v1.9.0", Ok("1.9.0")),
            ("web", "4.x", Err(Absent::Version)),
            ("web", "1.8.0", Err(Absent::Version)),
            ("db", "1.0.0", Err(Absent::Chart)),
        ] {
            let found = index.find(chart, revision).map(|entry| entry.version.as_str());
            assert_eq!(found, expected, "{chart} {revision}");
        }
        let entry =
            IndexEntry { version: "1.9.0".to_owned(), urls: vec!["web-1.9.0.tgz".to_owned()], digest: "ab".to_owned() };
        assert_eq!(index.find("web", "1.9.0"), Ok(&entry));
        assert!(Index::read(br#"{"entries": {"a": [{"version": "1.0.0"}]}}"#).unwrap().find("a", "1.0.0").is_ok());
        assert!(Index::read(b"<html>").is_err());
    }
}
