use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::PermissionsExt as _,
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use gix::{hash::Kind, objs};

use crate::tree::{EntryId, EntryMode, SourceTree, TreeEntry, TreeError, components, names};

/// A plain directory on disk as a [`SourceTree`].
///
/// The id of a file is the one Git would give its content (SHA-1); files are read to find it out, when they are looked
/// up or listed. The id of a directory is a digest of the names and kinds directly in it, so unlike Git's it does not
/// tell whether something deeper changed. `.git` is left out, as Git does; sockets, pipes and devices are as well.
/// Nothing is kept but where each id that was handed out was found: make a tree for one reading, not for many.
#[derive(Debug)]
pub struct DirTree {
    root: PathBuf,
    found: Mutex<HashMap<EntryId, PathBuf>>,
}

impl DirTree {
    /// Makes a tree of the directory at `root`, which is read when something is looked up.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), found: Mutex::default() }
    }

    /// Walks down without following links; the path on disk and what is there.
    fn locate(&self, path: &str) -> Result<Option<(PathBuf, Metadata)>, TreeError> {
        let Some(parts) = components(path) else { return Ok(None) };
        let mut at = self.root.clone();
        // The root itself may be reached through a link: it is the caller's, not the tree's.
        let Some(mut metadata) = optional(fs::metadata(&at)).map_err(|error| cannot_read(&at, error))? else {
            return Ok(None);
        };
        for part in parts {
            if !metadata.is_dir() || part == ".git" {
                return Ok(None);
            }
            let Some(name) = name_on_disk(&at, part)? else { return Ok(None) };
            at.push(name);
            match optional(fs::symlink_metadata(&at)).map_err(|error| cannot_read(&at, error))? {
                Some(found) => metadata = found,
                None => return Ok(None),
            }
        }
        Ok(Some((at, metadata)))
    }

    /// Finds out the entry of what is at `at`; `None` for what Git does not track either.
    fn describe(&self, at: &Path, metadata: &Metadata) -> Result<Option<TreeEntry>, TreeError> {
        let Some(mode) = mode_of(metadata) else { return Ok(None) };
        let id = match mode {
            EntryMode::Directory => listing_id(at),
            EntryMode::Symlink => fs::read_link(at).and_then(|target| blob_id(target.as_os_str().as_bytes())),
            _ => file_id(at),
        };
        let id = id.map_err(|error| cannot_read(at, error))?;
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(id, at.to_owned());
        Ok(Some(TreeEntry { mode, id }))
    }
}

impl SourceTree for DirTree {
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        match self.locate(path)? {
            Some((at, metadata)) => self.describe(&at, &metadata),
            None => Ok(None),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<(String, TreeEntry)>, TreeError> {
        let Some((at, metadata)) = self.locate(path)? else {
            return Err(TreeError::NotFound { path: path.to_owned(), commit: None });
        };
        match mode_of(&metadata) {
            Some(EntryMode::Directory) => {}
            Some(mode) => return Err(TreeError::NotADirectory { path: path.to_owned(), mode, commit: None }),
            None => return Err(TreeError::NotFound { path: path.to_owned(), commit: None }),
        }
        let mut entries = Vec::new();
        for name in sorted_names(&at).map_err(|error| cannot_read(&at, error))? {
            let child = at.join(&name);
            let metadata = optional(fs::symlink_metadata(&child)).map_err(|error| cannot_read(&child, error))?;
            let Some(metadata) = metadata else { continue };
            if let Some(entry) = self.describe(&child, &metadata)? {
                entries.push((name.to_string_lossy().into_owned(), entry));
            }
        }
        Ok(entries)
    }

    fn blob(&self, entry: &TreeEntry, limit: u64) -> Result<Vec<u8>, TreeError> {
        if matches!(entry.mode, EntryMode::Directory | EntryMode::Submodule) {
            return Err(TreeError::NotABlob { mode: entry.mode, id: entry.id });
        }
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&entry.id).cloned();
        let at = found.ok_or_else(|| {
            let unknown = io::Error::new(io::ErrorKind::NotFound, "the entry is not from this directory");
            cannot_read(&self.root, unknown)
        })?;
        let content = read_content(&at, entry, limit)?;
        if blob_id(&content).map_err(|error| cannot_read(&at, error))? != entry.id {
            return Err(cannot_read(&at, io::Error::other("it changed while it was being read")));
        }
        Ok(content)
    }

    fn commit(&self) -> Option<&str> {
        None
    }
}

fn read_content(at: &Path, entry: &TreeEntry, limit: u64) -> Result<Vec<u8>, TreeError> {
    let read = || -> io::Result<Result<Vec<u8>, u64>> {
        if entry.mode == EntryMode::Symlink {
            let target = fs::read_link(at)?.into_os_string().into_vec();
            let size = target.len() as u64;
            return Ok(if size > limit { Err(size) } else { Ok(target) });
        }
        let file = File::open(at)?;
        let size = file.metadata()?.len();
        if size > limit {
            return Ok(Err(size));
        }
        let mut content = Vec::new();
        // One more than the limit, so that a file which grows meanwhile is noticed and not read without end.
        file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
        let size = content.len() as u64;
        Ok(if size > limit { Err(size) } else { Ok(content) })
    };
    read().map_err(|error| cannot_read(at, error))?.map_err(|size| TreeError::TooLarge { size, limit, id: entry.id })
}

/// Finds the name in `directory` that a path's component means.
fn name_on_disk(directory: &Path, component: &str) -> Result<Option<OsString>, TreeError> {
    if !component.contains(char::REPLACEMENT_CHARACTER) {
        return Ok(Some(component.into()));
    }
    let all = sorted_names(directory).map_err(|error| cannot_read(directory, error))?;
    Ok(all.into_iter().find(|name| names(name.as_bytes(), component)))
}

fn sorted_names(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name != ".git" {
            all.push(name);
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn mode_of(metadata: &Metadata) -> Option<EntryMode> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Some(EntryMode::Directory)
    } else if kind.is_symlink() {
        Some(EntryMode::Symlink)
    } else if kind.is_file() {
        // Git looks at the owner's bit only.
        Some(if metadata.permissions().mode() & 0o100 == 0 { EntryMode::File } else { EntryMode::Executable })
    } else {
        None
    }
}

fn listing_id(directory: &Path) -> io::Result<EntryId> {
    let mut listing = Vec::new();
    for name in sorted_names(directory)? {
        let Some(metadata) = optional(fs::symlink_metadata(directory.join(&name)))? else { continue };
        if let Some(mode) = mode_of(&metadata) {
            listing.push(mode as u8);
            listing.extend_from_slice(name.as_bytes());
            listing.push(0);
        }
    }
    object_id(objs::Kind::Tree, &listing)
}

fn blob_id(content: &[u8]) -> io::Result<EntryId> {
    object_id(objs::Kind::Blob, content)
}

fn object_id(kind: objs::Kind, content: &[u8]) -> io::Result<EntryId> {
    to_entry_id(objs::compute_hash(Kind::Sha1, kind, content).map_err(io::Error::other)?.as_bytes())
}

fn file_id(at: &Path) -> io::Result<EntryId> {
    let mut file = File::open(at)?;
    let size = file.metadata()?.len();
    let mut hasher = gix::hash::hasher(Kind::Sha1);
    hasher.update(&objs::encode::loose_header(objs::Kind::Blob, size));
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    to_entry_id(hasher.try_finalize().map_err(io::Error::other)?.as_bytes())
}

fn to_entry_id(bytes: &[u8]) -> io::Result<EntryId> {
    EntryId::from_bytes(bytes).ok_or_else(|| io::Error::other("an object id of unexpected length"))
}

fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        // A name too long for the file system names nothing either.
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => Ok(None),
        Err(error) => Err(error),
    }
}

fn cannot_read(at: &Path, error: io::Error) -> TreeError {
    TreeError::Read { what: format!("`{}`", at.display()), source: Box::new(error) }
}
