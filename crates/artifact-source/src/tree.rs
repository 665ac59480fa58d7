use std::collections::BTreeMap;
use std::sync::Arc;

use git_source::{EntryId, EntryMode, SourceTree, TreeEntry, TreeError};
use sha2::{Digest as _, Sha256};

/// The files of an artifact, in memory.
#[derive(Clone, Debug)]
pub struct ArtifactTree(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    version: String,
    /// What is at each path; the root is `""`.
    entries: BTreeMap<String, TreeEntry>,
    /// The names in each directory.
    directories: BTreeMap<String, Vec<String>>,
    blobs: BTreeMap<EntryId, Vec<u8>>,
}

/// A file or link of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) mode: EntryMode,
    pub(crate) content: Vec<u8>,
}

impl ArtifactTree {
    /// Puts files together by their paths.
    pub(crate) fn new(version: &str, files: BTreeMap<String, Packed>) -> Self {
        let mut inner = Inner {
            version: version.to_owned(),
            entries: BTreeMap::new(),
            directories: BTreeMap::from([(String::new(), Vec::new())]),
            blobs: BTreeMap::new(),
        };
        for (path, Packed { mode, content }) in files {
            let id = id_of(&[b"blob", &content]);
            inner.entries.insert(path.clone(), TreeEntry { mode, id });
            inner.blobs.insert(id, content);
            inner.place(&path);
        }
        inner.identify("");
        Self(Arc::new(inner))
    }
}

impl Inner {
    /// Puts a path into its directory, and that into its own.
    fn place(&mut self, path: &str) {
        let mut path = path;
        while !path.is_empty() {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            let names = self.directories.entry(directory.to_owned()).or_default();
            if names.iter().any(|known| known == name) {
                return;
            }
            names.push(name.to_owned());
            path = directory;
        }
    }

    /// Computes the id of a directory from those of everything in it, below it first.
    fn identify(&mut self, directory: &str) -> EntryId {
        let mut names = self.directories.get(directory).cloned().unwrap_or_default();
        names.sort_unstable();
        let mut text = Vec::new();
        for name in &names {
            let path = joined(directory, name);
            let entry = if self.directories.contains_key(&path) {
                TreeEntry { mode: EntryMode::Directory, id: self.identify(&path) }
            } else {
                self.entries[&path]
            };
            text.push(entry.mode as u8);
            text.extend_from_slice(name.as_bytes());
            text.push(0);
            text.extend_from_slice(entry.id.as_bytes());
        }
        let id = id_of(&[b"tree", &text]);
        self.directories.insert(directory.to_owned(), names);
        self.entries.insert(directory.to_owned(), TreeEntry { mode: EntryMode::Directory, id });
        id
    }
}

fn joined(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn id_of(parts: &[&[u8]]) -> EntryId {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
        hasher.update([0]);
    }
    EntryId::from_bytes(&hasher.finalize()).expect("the digest has 32 bytes")
}

impl SourceTree for ArtifactTree {
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        Ok(self.0.entries.get(path).copied())
    }

    fn list(&self, path: &str) -> Result<Vec<(String, TreeEntry)>, TreeError> {
        let commit = Some(self.0.version.clone());
        let Some(names) = self.0.directories.get(path) else {
            return Err(match self.0.entries.get(path) {
                Some(entry) => TreeError::NotADirectory { path: path.to_owned(), mode: entry.mode, commit },
                None => TreeError::NotFound { path: path.to_owned(), commit },
            });
        };
        Ok(names.iter().map(|name| (name.clone(), self.0.entries[&joined(path, name)])).collect())
    }

    fn blob(&self, entry: &TreeEntry, limit: u64) -> Result<Vec<u8>, TreeError> {
        let Some(content) = self.0.blobs.get(&entry.id) else {
            return Err(TreeError::NotABlob { mode: entry.mode, id: entry.id });
        };
        let size = content.len() as u64;
        if size > limit {
            return Err(TreeError::TooLarge { size, limit, id: entry.id });
        }
        Ok(content.clone())
    }

    fn commit(&self) -> Option<&str> {
        Some(&self.0.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> ArtifactTree {
        let packed = |content: &str| Packed { mode: EntryMode::File, content: content.as_bytes().to_vec() };
        ArtifactTree::new("1.0.0", files.iter().map(|(path, content)| ((*path).to_owned(), packed(content))).collect())
    }

    #[test]
    fn files_are_found_by_path_and_listed_by_name() {
        let tree = tree(&[("a-b/x", "1"), ("a/y", "2"), ("z", "3")]);
        let names = |path: &str| tree.list(path).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(
            (names(""), names("a")),
            (vec!["a".to_owned(), "a-b".to_owned(), "z".to_owned()], vec!["y".to_owned()])
        );
        let entry = tree.entry("a/y").unwrap().unwrap();
        assert_eq!(tree.blob(&entry, 10).unwrap(), b"2");
        assert!(matches!(tree.blob(&entry, 0), Err(TreeError::TooLarge { .. })));
        assert_eq!(tree.entry("a/none").unwrap(), None);
        assert!(matches!(tree.list("z"), Err(TreeError::NotADirectory { .. })));
    }

    #[test]
    fn the_id_of_a_directory_covers_what_is_below() {
        let root = |files: &[(&str, &str)]| tree(files).entry("").unwrap().unwrap().id;
        let before = root(&[("a/b/c", "1"), ("d", "2")]);
        assert_eq!(root(&[("d", "2"), ("a/b/c", "1")]), before);
        for other in [&[("a/b/c", "2"), ("d", "2")], &[("a/b/e", "1"), ("d", "2")], &[("a/c", "1"), ("d", "2")]] {
            assert_ne!(root(other), before);
        }
    }
}
