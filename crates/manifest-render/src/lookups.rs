use std::collections::BTreeMap;

use git_source::{EntryId, EntryMode, SourceTree, TreeEntry, TreeError};
use kube_object::Digest;

use crate::RenderError;
use crate::files::Extensions;

/// Everything that a render looked up in a tree, by the ids of what was found. Sorted by path; kept of every Application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookUps {
    /// What is at a path, or that nothing is.
    entries: Box<[(Box<str>, Option<TreeEntry>)]>,
    /// Directories of which every file below counts.
    trees: Box<[(Box<str>, EntryId)]>,
    /// Directories of which the files directly inside count.
    listings: Box<[(Box<str>, Listing)]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listing {
    directory: EntryId,
    extensions: Extensions,
    files: Digest,
}

impl LookUps {
    /// Tells whether the same look-ups in another tree find the same, so that rendering it gives the same output.
    ///
    /// Compares ids; a directory is listed only when its id differs, and then nothing below it matters.
    pub fn unchanged_in(&self, tree: &dyn SourceTree) -> Result<bool, TreeError> {
        self.hold_in(tree, |path, expected| Ok(files_digest(&tree.list(path)?, expected.extensions) == expected.files))
    }

    /// Tells whether the same look-ups find the very same ids in another tree. Lists nothing: a directory that has changed in any way
    /// counts as different.
    pub fn has_same_ids_in(&self, tree: &dyn SourceTree) -> Result<bool, TreeError> {
        self.hold_in(tree, |_, _| Ok(false))
    }

    fn hold_in(
        &self,
        tree: &dyn SourceTree,
        has_same_files: impl Fn(&str, &Listing) -> Result<bool, TreeError>,
    ) -> Result<bool, TreeError> {
        for (path, expected) in &self.entries {
            if tree.entry(path)? != *expected {
                return Ok(false);
            }
        }
        for (path, expected) in &self.trees {
            if directory_id(tree, path)? != Some(*expected) {
                return Ok(false);
            }
        }
        for (path, expected) in &self.listings {
            let Some(id) = directory_id(tree, path)? else { return Ok(false) };
            let is_same = id == expected.directory && covers_contents(tree);
            if !is_same && !has_same_files(path, expected)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the digest of all look-ups.
    pub fn digest(&self) -> Digest {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for (path, entry) in &self.entries {
            parts.extend([
                b"entry".to_vec(),
                path.as_bytes().to_vec(),
                entry.as_ref().map(described).unwrap_or_default(),
            ]);
        }
        for (path, id) in &self.trees {
            parts.extend([b"tree".to_vec(), path.as_bytes().to_vec(), id.as_bytes().to_vec()]);
        }
        for (path, listing) in &self.listings {
            // Not the directory's id: files that do not count may change it.
            parts.extend([b"listing".to_vec(), path.as_bytes().to_vec(), listing.files.as_bytes().to_vec()]);
        }
        Digest::of_parts(parts.iter().map(Vec::as_slice))
    }
}

fn directory_id(tree: &dyn SourceTree, path: &str) -> Result<Option<EntryId>, TreeError> {
    Ok(tree.entry(path)?.filter(|entry| entry.mode == EntryMode::Directory).map(|entry| entry.id))
}

/// Tells whether the id of a directory stands for everything below it, as Git's do and those of a plain directory do not.
fn covers_contents(tree: &dyn SourceTree) -> bool {
    tree.commit().is_some()
}

fn files_digest(entries: &[(String, TreeEntry)], extensions: Extensions) -> Digest {
    // A link counts whatever its name: it must not lead out of the tree.
    let counts = |name: &str, mode: EntryMode| mode == EntryMode::Symlink || mode.is_file() && extensions.count(name);
    let counted = entries.iter().filter(|(name, entry)| counts(name, entry.mode));
    let parts: Vec<Vec<u8>> = counted.flat_map(|(name, entry)| [name.clone().into_bytes(), described(entry)]).collect();
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}

fn described(entry: &TreeEntry) -> Vec<u8> {
    let mode = match entry.mode {
        // The executable bit changes nothing about a manifest.
        EntryMode::File | EntryMode::Executable => b'f',
        EntryMode::Symlink => b'l',
        EntryMode::Directory => b'd',
        EntryMode::Submodule => b's',
    };
    [&[mode], entry.id.as_bytes()].concat()
}

/// A tree that remembers what it was asked.
pub(crate) struct Recorder<'a> {
    tree: &'a dyn SourceTree,
    entries: BTreeMap<Box<str>, Option<TreeEntry>>,
    trees: BTreeMap<Box<str>, EntryId>,
    listings: BTreeMap<Box<str>, Listing>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(tree: &'a dyn SourceTree) -> Self {
        Self { tree, entries: BTreeMap::new(), trees: BTreeMap::new(), listings: BTreeMap::new() }
    }

    pub(crate) fn into_lookups(self) -> LookUps {
        LookUps {
            entries: self.entries.into_iter().collect(),
            trees: self.trees.into_iter().collect(),
            listings: self.listings.into_iter().collect(),
        }
    }

    /// Looks up what is at a path.
    pub(crate) fn entry(&mut self, path: &str) -> Result<Option<TreeEntry>, RenderError> {
        let entry = self.unrecorded_entry(path)?;
        self.entries.insert(path.into(), entry);
        Ok(entry)
    }

    /// Looks up what is at a path of which only the kind matters, or that a listing covers.
    pub(crate) fn unrecorded_entry(&self, path: &str) -> Result<Option<TreeEntry>, RenderError> {
        self.tree.entry(path).map_err(|source| RenderError::Tree { path: path.to_owned(), source })
    }

    /// Reads the target of a symbolic link.
    pub(crate) fn link_target(&self, path: &str, link: &TreeEntry) -> Result<String, RenderError> {
        const LONGEST: u64 = 4096;
        let target =
            self.tree.blob(link, LONGEST).map_err(|source| RenderError::Tree { path: path.to_owned(), source })?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    /// Lists a directory of which the files directly inside count.
    pub(crate) fn list(&mut self, path: &str, extensions: Extensions) -> Result<Vec<(String, TreeEntry)>, RenderError> {
        let failed = |source| RenderError::Tree { path: path.to_owned(), source };
        let entries = self.tree.list(path).map_err(failed)?;
        if let Some(directory) = directory_id(self.tree, path).map_err(failed)? {
            let files = files_digest(&entries, extensions);
            self.listings.insert(path.into(), Listing { directory, extensions, files });
        }
        Ok(entries)
    }

    /// Lists a directory of which every file below counts; `top` is the first one of the walk.
    pub(crate) fn list_below(
        &mut self,
        top: &str,
        path: &str,
        extensions: Extensions,
    ) -> Result<Vec<(String, TreeEntry)>, RenderError> {
        let failed = |source| RenderError::Tree { path: path.to_owned(), source };
        if !covers_contents(self.tree) {
            // The directories inside count as well, which a listing leaves out.
            if let Some(directory) = directory_id(self.tree, path).map_err(failed)? {
                self.trees.insert(path.into(), directory);
            }
            return self.list(path, extensions);
        }
        if path == top
            && let Some(directory) = directory_id(self.tree, path).map_err(failed)?
        {
            self.trees.insert(path.into(), directory);
        }
        self.tree.list(path).map_err(failed)
    }
}
