use std::collections::BTreeMap;

use git_source::{EntryId, EntryMode, SourceTree, TreeEntry, TreeError};
use kube_object::Digest;

/// What the content of a symbolic link starts with; its target follows.
pub(super) const LINK: &str = "->";

/// The content of a submodule.
const SUBMODULE: &str = "@";

/// A commit in memory: the id of a directory stands for everything below it, as in Git.
pub(crate) struct MemTree {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemTree {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec())).collect() }
    }

    fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a Vec<u8>)> {
        self.files.iter().filter_map(move |(file, content)| {
            let rest = file.strip_prefix(path)?;
            let rest = if path.is_empty() { rest } else { rest.strip_prefix('/')? };
            Some((rest, content))
        })
    }
}

fn id(digest: Digest) -> EntryId {
    EntryId::from_bytes(digest.as_bytes()).unwrap()
}

impl SourceTree for MemTree {
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        if let Some(content) = self.files.get(path) {
            let mode = match content.as_slice() {
                content if content.starts_with(LINK.as_bytes()) => EntryMode::Symlink,
                content if content == SUBMODULE.as_bytes() => EntryMode::Submodule,
                _ => EntryMode::File,
            };
            return Ok(Some(TreeEntry { mode, id: id(Digest::of_bytes(content)) }));
        }
        let below: Vec<&[u8]> = self.below(path).flat_map(|(name, content)| [name.as_bytes(), content]).collect();
        let directory = || TreeEntry { mode: EntryMode::Directory, id: id(Digest::of_parts(below.iter().copied())) };
        Ok((!below.is_empty()).then(directory))
    }

    fn list(&self, path: &str) -> Result<Vec<(String, TreeEntry)>, TreeError> {
        let mut names: Vec<&str> = self.below(path).map(|(rest, _)| rest.split('/').next().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        let child = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        names.into_iter().map(|name| Ok((name.to_owned(), self.entry(&child(name))?.unwrap()))).collect()
    }

    fn blob(&self, entry: &TreeEntry, limit: u64) -> Result<Vec<u8>, TreeError> {
        let content = self.files.values().find(|content| id(Digest::of_bytes(content)) == entry.id).unwrap();
        let content = content.strip_prefix(LINK.as_bytes()).unwrap_or(content).to_vec();
        let size = content.len() as u64;
        if size > limit { Err(TreeError::TooLarge { size, limit, id: entry.id }) } else { Ok(content) }
    }

    fn commit(&self) -> Option<&str> {
        Some("0123456789012345678901234567890123456789")
    }
}
