use std::fmt;

use thiserror::Error;

use crate::Remedy;

/// A directory tree of files that can be read without a checkout.
///
/// Paths are relative, separated by `/`, without a leading or trailing one; `""` is the root. Symbolic links are
/// entries of their own and are never followed, neither at the end of a path nor on the way. A path with an empty, `.`
/// or `..` component names nothing. A name that is not UTF-8 is listed with U+FFFD in place of the bad bytes, and found
/// under that name.
pub trait SourceTree: Send + Sync {
    /// Looks up what is at `path`; `None` when there is nothing.
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError>;

    /// Lists the entries of the directory at `path`, ordered by the bytes of their names.
    ///
    /// Errors when there is nothing at `path` or it is not a directory.
    fn list(&self, path: &str) -> Result<Vec<(String, TreeEntry)>, TreeError>;

    /// Reads the content of a file, or the target of a symbolic link.
    ///
    /// Errors when it is larger than `limit` bytes, before it is read, and when the entry is a directory or submodule.
    fn blob(&self, entry: &TreeEntry, limit: u64) -> Result<Vec<u8>, TreeError>;

    /// Returns the commit that the tree belongs to, as hexadecimal; `None` for a plain directory.
    fn commit(&self) -> Option<&str>;
}

/// One entry of a tree: what it is and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeEntry {
    /// Kind of the entry.
    pub mode: EntryMode,
    /// Identity of the content: two entries with equal ids hold the same.
    pub id: EntryId,
}

/// Kind of a tree entry, as Git's file modes tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryMode {
    /// A regular file (100644).
    File,
    /// A regular file with the executable bit (100755).
    Executable,
    /// A symbolic link (120000); its content is the target.
    Symlink,
    /// A directory (040000).
    Directory,
    /// A commit of another repository (160000), which is not part of this one.
    Submodule,
}

impl EntryMode {
    /// Tells whether the entry is a regular file, executable or not.
    pub fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Executable)
    }
}

impl fmt::Display for EntryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Executable => "executable file",
            Self::Symlink => "symbolic link",
            Self::Directory => "directory",
            Self::Submodule => "submodule",
        })
    }
}

/// An object id: 20 bytes (SHA-1) or 32 bytes (SHA-256), printed as hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    bytes: [u8; 32],
    length: u8,
}

impl EntryId {
    /// Makes an id of 20 or 32 bytes; `None` for another length.
    pub fn from_bytes(id: &[u8]) -> Option<Self> {
        if !matches!(id.len(), 20 | 32) {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..id.len()].copy_from_slice(id);
        Some(Self { bytes, length: u8::try_from(id.len()).ok()? })
    }

    /// Returns the id's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reading a tree failed.
#[derive(Debug, Error)]
pub enum TreeError {
    /// Nothing is at the path that was to be listed.
    #[error("there is no directory `{path}`{}", of_commit(.commit.as_deref()))]
    NotFound {
        /// The path as asked for.
        path: String,
        /// The commit, if the tree belongs to one.
        commit: Option<String>,
    },
    /// The path that was to be listed is not a directory.
    #[error("`{path}` is a {mode}, not a directory{}", of_commit(.commit.as_deref()))]
    NotADirectory {
        /// The path as asked for.
        path: String,
        /// What it is instead.
        mode: EntryMode,
        /// The commit, if the tree belongs to one.
        commit: Option<String>,
    },
    /// The entry that was to be read has no content.
    #[error("a {mode} has no content to read (object {id})")]
    NotABlob {
        /// What it is.
        mode: EntryMode,
        /// Its id.
        id: EntryId,
    },
    /// The file is larger than the caller allows.
    #[error("the file is {size} bytes large, the limit is {limit} (object {id}); make it smaller or raise the limit")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
        /// Its id.
        id: EntryId,
    },
    /// The file system or the object database could not be read.
    #[error("cannot read {what}")]
    Read {
        /// What was to be read.
        what: String,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TreeError {
    /// Answers what to do about the error.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::NotFound { .. } | Self::NotADirectory { .. } | Self::TooLarge { .. } => Remedy::WaitForChange,
            Self::NotABlob { .. } => Remedy::GiveUp,
            Self::Read { .. } => Remedy::Retry,
        }
    }
}

fn of_commit(commit: Option<&str>) -> String {
    commit.map_or_else(String::new, |commit| format!(" in commit {commit}"))
}

/// Splits a path into its components; `None` when it can name nothing.
pub(crate) fn components(path: &str) -> Option<Vec<&str>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    let parts: Vec<&str> = path.split('/').collect();
    parts.iter().all(|part| !matches!(*part, "" | "." | "..") && !part.contains('\0')).then_some(parts)
}

/// Tells whether an entry called `name` is what a path means by `component`.
pub(crate) fn names(name: &[u8], component: &str) -> bool {
    name == component.as_bytes()
        || (component.contains(char::REPLACEMENT_CHARACTER) && String::from_utf8_lossy(name) == component)
}
