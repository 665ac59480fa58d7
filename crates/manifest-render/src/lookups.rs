use std::collections::{BTreeMap, BTreeSet};

use git_source::{EntryId, EntryMode, SourceTree, TreeEntry, TreeError};
use kube_object::Digest;

use crate::context::ContextUse;
use crate::files::Extensions;
use crate::supplies::split_mount;
use crate::{Counted, RenderContext, RenderError};

/// Everything that a render looked up in a tree, by the ids of what was found. Sorted by path; kept of every Application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookUps {
    /// What is at a path, or that nothing is.
    pub(crate) entries: Box<[(Box<str>, Option<TreeEntry>)]>,
    /// Directories of which every file below counts.
    pub(crate) trees: Box<[(Box<str>, EntryId)]>,
    /// Directories of which the files directly inside count.
    pub(crate) listings: Box<[(Box<str>, Listing)]>,
    /// Paths of which it only counts that a directory is there.
    pub(crate) directories: Box<[Box<str>]>,
    /// What was used beside the files; none when nothing was.
    pub(crate) context: Option<Box<(ContextUse, Digest)>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) directory: EntryId,
    pub(crate) extensions: Extensions,
    pub(crate) files: Digest,
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

    /// Tells whether what the render used beside the files is the same in another context.
    pub fn hold_in_context(&self, context: &RenderContext) -> bool {
        self.context.as_deref().is_none_or(|(used, digest)| context.digest(*used) == *digest)
    }

    /// Returns what the render used beside the files.
    pub fn context_use(&self) -> ContextUse {
        self.context.as_deref().map(|(used, _)| *used).unwrap_or_default()
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
        for path in &self.directories {
            if directory_id(tree, path)?.is_none() {
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
        for path in &self.directories {
            parts.extend([b"directory".to_vec(), path.as_bytes().to_vec()]);
        }
        if let Some((_, digest)) = self.context.as_deref() {
            parts.extend([b"context".to_vec(), digest.as_bytes().to_vec()]);
        }
        Digest::of_parts(parts.iter().map(Vec::as_slice))
    }
}

fn failed(path: &str, source: TreeError) -> RenderError {
    RenderError::Tree { path: path.to_owned(), source }
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

/// A tree, with others mounted in it, that remembers what it was asked.
pub(crate) struct Recorder<'a> {
    own: Record<'a>,
    /// By path.
    mounts: BTreeMap<String, Record<'a>>,
}

/// What one tree was asked.
struct Record<'a> {
    tree: &'a dyn SourceTree,
    entries: BTreeMap<Box<str>, Option<TreeEntry>>,
    trees: BTreeMap<Box<str>, EntryId>,
    listings: BTreeMap<Box<str>, Listing>,
    directories: BTreeSet<Box<str>>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(tree: &'a dyn SourceTree) -> Self {
        Self { own: Record::new(tree), mounts: BTreeMap::new() }
    }

    /// Shows another tree at a path; what that has there of its own is hidden.
    pub(crate) fn mount(&mut self, path: String, tree: &'a dyn SourceTree) {
        self.mounts.insert(path, Record::new(tree));
    }

    /// Makes a recorder of the same trees, for look-ups that need not be recorded.
    pub(crate) fn aside(&self) -> Self {
        let mounts = self.mounts.iter().map(|(path, record)| (path.clone(), Record::new(record.tree)));
        Self { own: Record::new(self.own.tree), mounts: mounts.collect() }
    }

    /// Returns the mount that a path is in; none for the tree itself.
    pub(crate) fn mount_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        split_mount(path).map(|(mount, _)| mount).filter(|mount| self.mounts.contains_key(*mount))
    }

    fn at<'s, 'p>(&'s self, path: &'p str) -> (&'s Record<'a>, &'p str) {
        let mounted = split_mount(path).and_then(|(mount, below)| Some((self.mounts.get(mount)?, below)));
        mounted.unwrap_or((&self.own, path))
    }

    fn at_mut<'s, 'p>(&'s mut self, path: &'p str) -> (&'s mut Record<'a>, &'p str) {
        match split_mount(path).filter(|(mount, _)| self.mounts.contains_key(*mount)) {
            Some((mount, below)) => (self.mounts.get_mut(mount).expect("it is there, as was asked above"), below),
            None => (&mut self.own, path),
        }
    }

    /// Ends the recording, with what of the context was used beside the files: look-ups in the tree itself, and in each mounted one
    /// that was asked anything.
    pub(crate) fn into_lookups(
        self,
        context: &RenderContext,
        used: ContextUse,
    ) -> (LookUps, BTreeMap<String, LookUps>) {
        let uses_any = used != ContextUse::default();
        let mut own = self.own.into_lookups();
        own.context = uses_any.then(|| Box::new((used, context.digest(used))));
        let mounted = self.mounts.into_iter().map(|(path, record)| (path, record.into_lookups()));
        (own, mounted.filter(|(_, lookups)| *lookups != LookUps::default()).collect())
    }

    /// Looks up what is at a path.
    pub(crate) fn entry(&mut self, path: &str) -> Result<Option<TreeEntry>, RenderError> {
        let (record, below) = self.at_mut(path);
        record.entry(below).map_err(|source| failed(path, source))
    }

    /// Notes that a path is a directory, whatever is in it.
    pub(crate) fn directory(&mut self, path: &str) {
        let (record, below) = self.at_mut(path);
        record.directory(below);
    }

    /// Lists a directory of which everything below counts.
    pub(crate) fn list_all(&mut self, path: &str) -> Result<Vec<(String, TreeEntry)>, RenderError> {
        let (record, below) = self.at_mut(path);
        record.list_all(below).map_err(|source| failed(path, source))
    }

    /// Lists a directory that is recorded otherwise.
    pub(crate) fn list_unrecorded(&self, path: &str) -> Result<Vec<(String, TreeEntry)>, RenderError> {
        let (record, below) = self.at(path);
        record.tree.list(below).map_err(|source| failed(path, source))
    }

    /// Reads a file of at most `limit` bytes.
    pub(crate) fn content(&self, path: &str, entry: &TreeEntry, limit: u64) -> Result<Vec<u8>, RenderError> {
        self.at(path).0.tree.blob(entry, limit).map_err(|source| match source {
            TreeError::TooLarge { .. } => RenderError::Limit { path: path.to_owned(), what: Counted::ToolBytes, limit },
            source => failed(path, source),
        })
    }

    /// Looks up what is at a path of which only the kind matters, or that a listing covers.
    pub(crate) fn unrecorded_entry(&self, path: &str) -> Result<Option<TreeEntry>, RenderError> {
        let (record, below) = self.at(path);
        record.tree.entry(below).map_err(|source| failed(path, source))
    }

    /// Reads the target of a symbolic link.
    pub(crate) fn link_target(&self, path: &str, link: &TreeEntry) -> Result<String, RenderError> {
        const LONGEST: u64 = 4096;
        let target = self.at(path).0.tree.blob(link, LONGEST).map_err(|source| failed(path, source))?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    /// Lists a directory of which the files directly inside count.
    pub(crate) fn list(&mut self, path: &str, extensions: Extensions) -> Result<Vec<(String, TreeEntry)>, RenderError> {
        let (record, below) = self.at_mut(path);
        record.list(below, extensions).map_err(|source| failed(path, source))
    }

    /// Lists a directory of which every file below counts; `top` is the first one of the walk, and of the same tree.
    pub(crate) fn list_below(
        &mut self,
        top: &str,
        path: &str,
        extensions: Extensions,
    ) -> Result<Vec<(String, TreeEntry)>, RenderError> {
        let (record, below) = self.at_mut(path);
        record.list_below(below, extensions, path == top).map_err(|source| failed(path, source))
    }
}

impl<'a> Record<'a> {
    fn new(tree: &'a dyn SourceTree) -> Self {
        Self {
            tree,
            entries: BTreeMap::new(),
            trees: BTreeMap::new(),
            listings: BTreeMap::new(),
            directories: BTreeSet::new(),
        }
    }

    fn into_lookups(self) -> LookUps {
        LookUps {
            entries: self.entries.into_iter().collect(),
            trees: self.trees.into_iter().collect(),
            listings: self.listings.into_iter().collect(),
            directories: self.directories.into_iter().collect(),
            context: None,
        }
    }

    fn entry(&mut self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        let entry = self.tree.entry(path)?;
        if !self.is_covered(path) {
            self.entries.insert(path.into(), entry);
        }
        Ok(entry)
    }

    /// Tells whether a directory above a path is recorded with everything below it.
    fn is_covered(&self, path: &str) -> bool {
        let is_above =
            |tree: &str| tree.is_empty() || path.strip_prefix(tree).is_some_and(|rest| rest.starts_with('/'));
        covers_contents(self.tree) && self.trees.keys().any(|tree| is_above(tree))
    }

    fn directory(&mut self, path: &str) {
        if !path.is_empty() && !self.is_covered(path) {
            self.directories.insert(path.into());
        }
    }

    fn list_all(&mut self, path: &str) -> Result<Vec<(String, TreeEntry)>, TreeError> {
        if !self.is_covered(path)
            && let Some(directory) = directory_id(self.tree, path)?
        {
            self.trees.insert(path.into(), directory);
        }
        self.tree.list(path)
    }

    fn list(&mut self, path: &str, extensions: Extensions) -> Result<Vec<(String, TreeEntry)>, TreeError> {
        let entries = self.tree.list(path)?;
        if let Some(directory) = directory_id(self.tree, path)? {
            let files = files_digest(&entries, extensions);
            self.listings.insert(path.into(), Listing { directory, extensions, files });
        }
        Ok(entries)
    }

    fn list_below(
        &mut self,
        path: &str,
        extensions: Extensions,
        is_top: bool,
    ) -> Result<Vec<(String, TreeEntry)>, TreeError> {
        if !covers_contents(self.tree) {
            // The directories inside count as well, which a listing leaves out.
            if let Some(directory) = directory_id(self.tree, path)? {
                self.trees.insert(path.into(), directory);
            }
            return self.list(path, extensions);
        }
        if is_top && let Some(directory) = directory_id(self.tree, path)? {
            self.trees.insert(path.into(), directory);
        }
        self.tree.list(path)
    }
}
