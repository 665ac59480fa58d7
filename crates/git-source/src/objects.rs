use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gix::{
    ObjectId,
    objs::{Exists as _, Find as _, FindHeader as _, Kind},
    odb::{HandleArc, Store, pack::cache::lru::StaticLinkedList},
};

use crate::{
    tree::{EntryId, TreeError},
    tree_cache::{Tree, TreeShelf},
};

/// Bytes that one handle may keep of decoded objects, to resolve deltas against.
const DELTA_BASES: usize = 4 << 20;

/// The objects of a repository as they were when it was opened, for any number of readers at once.
///
/// Objects that are there never go away for a reader: packs stay mapped, and a mirror's directory stays as long as
/// something holds its [`Home`].
pub(crate) struct Objects {
    store: Arc<Store>,
    handles: Mutex<Vec<HandleArc>>,
    trees: TreeShelf,
    home: Arc<Home>,
}

/// A repository directory that is in use.
#[derive(Debug, Default)]
pub(crate) struct Home {
    /// A mirror's directory, to be deleted with the last user once it is obsolete.
    mirror: Option<std::path::PathBuf>,
    obsolete: AtomicBool,
    /// Something that should be there could not be read.
    suspect: AtomicBool,
}

impl Home {
    /// Makes the home of a mirror.
    pub(crate) fn mirror(directory: &Path) -> Arc<Self> {
        Arc::new(Self { mirror: Some(directory.to_owned()), obsolete: false.into(), suspect: false.into() })
    }

    /// Lets the directory go when its last user does.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Release);
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Acquire)
    }

    pub(crate) fn suspect(&self) {
        self.suspect.store(true, Ordering::Release);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(directory) = self.mirror.as_ref().filter(|_| self.obsolete.load(Ordering::Acquire))
            && let Err(error) = std::fs::remove_dir_all(directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(directory = %directory.display(), %error, "cannot delete an old mirror");
        }
    }
}

/// What is kept of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) tree: ObjectId,
    pub(crate) has_parents: bool,
    pub(crate) author: String,
    pub(crate) seconds: i64,
    pub(crate) message: String,
}

impl Objects {
    /// Opens the objects of an open repository.
    pub(crate) fn of(repository: &gix::ThreadSafeRepository, trees: TreeShelf, home: Arc<Home>) -> Self {
        Self { store: Arc::clone(&repository.objects), handles: Mutex::default(), trees, home }
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// Makes a handle of its own for a caller that needs one for long.
    pub(crate) fn handle(&self) -> HandleArc {
        let mut handle = self.store.to_cache_arc();
        handle.set_pack_cache(|| Box::new(StaticLinkedList::<64>::new(DELTA_BASES)));
        handle
    }

    /// Lends a handle; it keeps its caches for the next one.
    fn with<T>(&self, read: impl FnOnce(&HandleArc) -> T) -> T {
        let free = self.handles.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let handle = free.unwrap_or_else(|| self.handle());
        let result = read(&handle);
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if handles.len() < 4 {
            handles.push(handle);
        }
        result
    }

    /// Tells whether an object is there.
    pub(crate) fn contains(&self, id: &ObjectId) -> bool {
        self.with(|handle| handle.exists(id))
    }

    /// Reads a commit; `None` when it is not there or is no commit.
    pub(crate) fn commit(&self, id: &ObjectId) -> Result<Option<Commit>, TreeError> {
        let decoded = self.with(|handle| -> gix::Result<Option<Commit>> {
            let mut buffer = Vec::new();
            let Some(data) = handle.try_find(id, &mut buffer)?.filter(|data| data.kind == Kind::Commit) else {
                return Ok(None);
            };
            let commit = gix::objs::CommitRef::from_bytes(data.data, gix::hash::Kind::Sha1)?;
            let author = commit.author()?;
            Ok(Some(Commit {
                tree: commit.tree(),
                has_parents: commit.parents().next().is_some(),
                author: format!("{} <{}>", author.name, author.email),
                seconds: author.seconds(),
                message: commit.message.to_string(),
            }))
        });
        decoded.map_err(|error| self.unreadable(id, error))
    }

    /// Reads and decodes a tree.
    pub(crate) fn tree(&self, id: &ObjectId) -> Result<Arc<Tree>, TreeError> {
        if let Some(tree) = self.trees.get(id) {
            return Ok(tree);
        }
        let tree = self.with(|handle| {
            let mut buffer = Vec::new();
            match handle.try_find(id, &mut buffer) {
                Ok(Some(data)) if data.kind == Kind::Tree => Tree::decode(data.data).map_err(Into::into),
                Ok(Some(data)) => Err(format!("it is a {}, not a tree", data.kind).into()),
                Ok(None) => Err("it is missing".into()),
                Err(error) => Err(error.into()),
            }
        });
        let tree = tree.map_err(|error: Box<dyn std::error::Error + Send + Sync>| self.unreadable(id, error))?;
        let tree = Arc::new(tree);
        self.trees.insert(*id, Arc::clone(&tree));
        Ok(tree)
    }

    /// Reads a blob of at most `limit` bytes.
    pub(crate) fn blob(&self, id: &ObjectId, limit: u64) -> Result<Vec<u8>, TreeError> {
        let mut buffer = Vec::new();
        let read = self.with(|handle| -> Result<Result<(), u64>, Box<dyn std::error::Error + Send + Sync>> {
            let header = handle.try_header(id)?.ok_or("it is missing")?;
            if header.kind != Kind::Blob {
                return Err(format!("it is a {}, not a blob", header.kind).into());
            }
            if header.size > limit {
                return Ok(Err(header.size));
            }
            handle.try_find(id, &mut buffer)?.ok_or("it is missing")?;
            Ok(Ok(()))
        });
        match read.map_err(|error| self.unreadable(id, error))? {
            Ok(()) => Ok(buffer),
            Err(size) => Err(TreeError::TooLarge { size, limit, id: entry_id(id) }),
        }
    }

    /// Finds the commits whose ids begin with some hexadecimal digits.
    pub(crate) fn commits_with_prefix(&self, digits: &str) -> Result<Vec<ObjectId>, TreeError> {
        let found = self.with(|handle| -> gix::Result<Vec<ObjectId>> {
            let mut candidates = std::collections::HashSet::new();
            handle.lookup_prefix(gix::hash::Prefix::from_hex(digits)?, Some(&mut candidates))?;
            let is_commit =
                |id: &ObjectId| matches!(handle.try_header(id), Ok(Some(header)) if header.kind == Kind::Commit);
            Ok(candidates.into_iter().filter(is_commit).collect())
        });
        found.map_err(|error| TreeError::Read {
            what: format!("commits that begin with {digits}"),
            source: error.into(),
        })
    }

    fn unreadable(&self, id: &ObjectId, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TreeError {
        self.home.suspect();
        TreeError::Read { what: format!("object {id}"), source: error.into() }
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("path", &self.store.path()).finish_non_exhaustive()
    }
}

pub(crate) fn entry_id(id: &ObjectId) -> EntryId {
    EntryId::from_bytes(id.as_bytes()).expect("an object id has 20 or 32 bytes")
}
