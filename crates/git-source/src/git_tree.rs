use std::sync::Arc;

use gix::ObjectId;

use crate::{
    CommitId,
    objects::{Objects, entry_id},
    tree::{EntryMode, SourceTree, TreeEntry, TreeError, components},
};

/// The tree of a commit, read from the object database without a checkout.
///
/// Cheap to clone. Any number of threads may read while the repository is fetched into; reading blocks on the disk.
#[derive(Clone, Debug)]
pub struct GitTree {
    objects: Arc<Objects>,
    commit: Arc<str>,
    root: ObjectId,
}

impl GitTree {
    pub(crate) fn new(objects: Arc<Objects>, commit: CommitId, root: ObjectId) -> Self {
        Self { objects, commit: commit.to_string().into(), root }
    }

    fn not_found(&self, path: &str) -> TreeError {
        TreeError::NotFound { path: path.to_owned(), commit: Some(self.commit.to_string()) }
    }
}

impl SourceTree for GitTree {
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        let Some(parts) = components(path) else { return Ok(None) };
        let mut entry = TreeEntry { mode: EntryMode::Directory, id: entry_id(&self.root) };
        for part in parts {
            if entry.mode != EntryMode::Directory {
                return Ok(None);
            }
            match self.objects.tree(&object_id(&entry))?.find(part) {
                Some(found) => entry = found,
                None => return Ok(None),
            }
        }
        Ok(Some(entry))
    }

    fn list(&self, path: &str) -> Result<Vec<(String, TreeEntry)>, TreeError> {
        let entry = self.entry(path)?.ok_or_else(|| self.not_found(path))?;
        if entry.mode != EntryMode::Directory {
            let commit = Some(self.commit.to_string());
            return Err(TreeError::NotADirectory { path: path.to_owned(), mode: entry.mode, commit });
        }
        let tree = self.objects.tree(&object_id(&entry))?;
        Ok(tree.iter().map(|(name, entry)| (String::from_utf8_lossy(name).into_owned(), entry)).collect())
    }

    fn blob(&self, entry: &TreeEntry, limit: u64) -> Result<Vec<u8>, TreeError> {
        match entry.mode {
            EntryMode::Directory | EntryMode::Submodule => Err(TreeError::NotABlob { mode: entry.mode, id: entry.id }),
            _ => self.objects.blob(&object_id(entry), limit),
        }
    }

    fn commit(&self) -> Option<&str> {
        Some(&self.commit)
    }
}

fn object_id(entry: &TreeEntry) -> ObjectId {
    ObjectId::try_from(entry.id.as_bytes()).unwrap_or_else(|_| ObjectId::null(gix::hash::Kind::Sha1))
}
