use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use gix::{ObjectId, objs::TreeRefIter};

use crate::tree::{EntryId, EntryMode, TreeEntry, names};

/// A tree object, decoded so that names are found by bisection.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The object as stored: mode, space, name, NUL, id, for each entry.
    raw: Box<[u8]>,
    /// Where each name is in `raw`, and the kind, ordered by the bytes of the names.
    entries: Box<[Entry]>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    length: u32,
    mode: EntryMode,
}

impl Tree {
    /// Decodes a tree object; the error says what is wrong with it.
    pub(crate) fn decode(raw: &[u8]) -> Result<Self, String> {
        let mut entries = Vec::new();
        for entry in TreeRefIter::from_bytes(raw, gix::hash::Kind::Sha1) {
            let entry = entry.map_err(|error| error.to_string())?;
            let start = entry.filename.as_ptr().addr() - raw.as_ptr().addr();
            entries.push(Entry {
                start: u32::try_from(start).map_err(|_| "it is larger than 4 GiB".to_owned())?,
                length: u32::try_from(entry.filename.len()).map_err(|_| "a name is too long".to_owned())?,
                mode: mode(entry.mode),
            });
        }
        let name = |entry: &Entry| &raw[entry.start as usize..][..entry.length as usize];
        // Git orders directories as if their names ended in a slash.
        entries.sort_unstable_by(|left, right| name(left).cmp(name(right)));
        Ok(Self { raw: raw.into(), entries: entries.into() })
    }

    fn name(&self, entry: Entry) -> &[u8] {
        &self.raw[entry.start as usize..][..entry.length as usize]
    }

    fn entry(&self, entry: Entry) -> TreeEntry {
        let id = &self.raw[entry.start as usize + entry.length as usize + 1..][..20];
        TreeEntry { mode: entry.mode, id: EntryId::from_bytes(id).expect("20 bytes are an id") }
    }

    /// Finds the entry that a path's component means.
    pub(crate) fn find(&self, component: &str) -> Option<TreeEntry> {
        let exact = self.entries.binary_search_by(|entry| self.name(*entry).cmp(component.as_bytes()));
        match exact {
            Ok(at) => Some(self.entry(self.entries[at])),
            Err(_) if component.contains(char::REPLACEMENT_CHARACTER) => {
                self.entries.iter().find(|entry| names(self.name(**entry), component)).map(|entry| self.entry(*entry))
            }
            Err(_) => None,
        }
    }

    /// Walks the entries in the byte order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], TreeEntry)> {
        self.entries.iter().map(|entry| (self.name(*entry), self.entry(*entry)))
    }

    fn weight(&self) -> usize {
        self.raw.len() + size_of_val(&*self.entries) + 128
    }
}

fn mode(mode: gix::objs::tree::EntryMode) -> EntryMode {
    use gix::objs::tree::EntryKind;
    match mode.kind() {
        EntryKind::Tree => EntryMode::Directory,
        EntryKind::Blob => EntryMode::File,
        EntryKind::BlobExecutable => EntryMode::Executable,
        EntryKind::Link => EntryMode::Symlink,
        EntryKind::Commit => EntryMode::Submodule,
    }
}

/// The part of a [`TreeCache`] that belongs to one repository as one credential sees it.
#[derive(Clone, Debug)]
pub(crate) struct TreeShelf {
    cache: Arc<TreeCache>,
    shelf: u64,
}

impl TreeShelf {
    pub(crate) fn get(&self, id: &ObjectId) -> Option<Arc<Tree>> {
        self.cache.get(&(self.shelf, *id))
    }

    pub(crate) fn insert(&self, id: ObjectId, tree: Arc<Tree>) {
        self.cache.insert((self.shelf, id), tree);
    }
}

type Key = (u64, ObjectId);

/// Decoded trees by id, up to a number of bytes for all repositories; what was not used for a while goes first.
#[derive(Debug)]
pub(crate) struct TreeCache {
    limit: usize,
    shelves: AtomicU64,
    generations: Mutex<Generations>,
}

/// New and reused trees are in `young`; when it is full it becomes `old`, and what was `old` is dropped.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, Arc<Tree>>,
    old: HashMap<Key, Arc<Tree>>,
    young_bytes: usize,
}

impl TreeCache {
    /// Makes a cache that holds at most about `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, shelves: AtomicU64::new(0), generations: Mutex::default() }
    }

    /// Makes a part that shares nothing but the limit with others: an id alone must not lead to another's tree.
    pub(crate) fn shelf(self: &Arc<Self>) -> TreeShelf {
        TreeShelf { cache: Arc::clone(self), shelf: self.shelves.fetch_add(1, Ordering::Relaxed) }
    }

    fn get(&self, id: &Key) -> Option<Arc<Tree>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = generations.young.get(id) {
            return Some(Arc::clone(tree));
        }
        let tree = generations.old.remove(id)?;
        self.put(&mut generations, *id, Arc::clone(&tree));
        Some(tree)
    }

    fn insert(&self, id: Key, tree: Arc<Tree>) {
        self.put(&mut self.generations.lock().unwrap_or_else(PoisonError::into_inner), id, tree);
    }

    fn put(&self, generations: &mut Generations, id: Key, tree: Arc<Tree>) {
        let weight = tree.weight();
        if weight > self.limit / 2 {
            return;
        }
        if generations.young_bytes + weight > self.limit / 2 {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        if generations.young.insert(id, tree).is_none() {
            generations.young_bytes += weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(names: &[(&str, &str)]) -> Vec<u8> {
        names
            .iter()
            .flat_map(|(mode, name)| [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[7; 20]].concat())
            .collect()
    }

    #[test]
    fn names_are_found_and_listed_in_byte_order() {
        let raw = tree(&[("100644", "a.b"), ("40000", "a"), ("120000", "link"), ("160000", "mod"), ("100755", "run")]);
        let tree = Tree::decode(&raw).unwrap();
        let listed: Vec<_> = tree.iter().map(|(name, entry)| (name.to_vec(), entry.mode)).collect();
        let expected = [
            ("a", EntryMode::Directory),
            ("a.b", EntryMode::File),
            ("link", EntryMode::Symlink),
            ("mod", EntryMode::Submodule),
            ("run", EntryMode::Executable),
        ];
        assert_eq!(listed, expected.map(|(name, mode)| (name.as_bytes().to_vec(), mode)));
        assert_eq!(tree.find("a").map(|entry| entry.mode), Some(EntryMode::Directory));
        assert_eq!(tree.find("b"), None);
        assert!(Tree::decode(b"100644 a\0short").is_err());
    }

    #[test]
    fn the_cache_keeps_what_is_used_within_its_limit() {
        let small = || Arc::new(Tree::decode(&tree(&[("100644", "a")])).unwrap());
        let weight = small().weight();
        let id = |number: u8| ObjectId::from_bytes_or_panic(&[number; 20]);
        let cache = Arc::new(TreeCache::new(weight * 8));
        let (shelf, other) = (cache.shelf(), cache.shelf());
        for number in 0..100 {
            shelf.insert(id(number), small());
            assert!(shelf.get(&id(0)).is_some(), "used all the time, after {number}");
        }
        assert!(shelf.get(&id(50)).is_none());
        assert!(other.get(&id(0)).is_none());
        let generations = cache.generations.lock().unwrap();
        assert!((generations.young.len() + generations.old.len()) * weight <= weight * 8);
    }
}
