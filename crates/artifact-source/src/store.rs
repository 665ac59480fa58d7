//! Bytes on disk under keys: verified when they are read, bounded in all, and never more than a cache.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

/// Links are not followed.
const NO_FOLLOW: OFlags = OFlags::NOFOLLOW;
/// Bytes of the digest that each file starts with.
const DIGEST: usize = 32;

/// A directory of entries. What cannot be read, or is not what was written, is not there; what cannot be written is only not kept.
#[derive(Clone, Debug)]
pub struct DiskStore {
    /// Where the entries of this folder are.
    directory: PathBuf,
    inner: Arc<Inner>,
}

/// What all folders of a store share.
#[derive(Debug)]
struct Inner {
    root: PathBuf,
    most_bytes: u64,
    /// Bytes there are, as far as is known; counted when the first entry is written.
    bytes: OnceLock<AtomicU64>,
}

impl DiskStore {
    /// Opens the store in a directory, which is made when it is first written to. At most `most_bytes` are kept: those that were not
    /// used for longest go first.
    pub fn open(directory: PathBuf, most_bytes: u64) -> Self {
        let inner = Inner { root: directory.clone(), most_bytes, bytes: OnceLock::new() };
        Self { directory, inner: Arc::new(inner) }
    }

    /// Returns a folder of the store: its entries are listed by themselves, and count together with those of all folders.
    #[must_use]
    pub fn folder(&self, name: &[u8; 32]) -> Self {
        Self { directory: self.inner.root.join(hex(name)), inner: Arc::clone(&self.inner) }
    }

    /// Tells whether there is an entry of a key, which may still be damaged; blocks.
    pub fn contains(&self, key: &[u8; 32]) -> bool {
        fs::symlink_metadata(self.path(key)).is_ok_and(|metadata| metadata.is_file())
    }

    /// Removes the entries of all other keys of this folder; blocks.
    pub fn retain(&self, keys: &BTreeSet<[u8; 32]>) {
        let kept: BTreeSet<PathBuf> = keys.iter().map(|key| self.path(key)).collect();
        for (_, length, path) in files(&self.directory, Depth::Folder) {
            if !kept.contains(&path) {
                self.remove_file(&path, length);
            }
        }
        if kept.is_empty() {
            // It may not be there, or hold what is none of ours.
            let _ = fs::remove_dir(&self.directory);
        }
    }

    /// Reads the entry of a key; blocks. A damaged one is removed.
    pub fn get(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        let path = self.path(key);
        let mut file = fs::File::options().read(true).custom_flags(NO_FOLLOW.bits().cast_signed()).open(&path).ok()?;
        let mut content = Vec::new();
        let read = file.metadata().and_then(|metadata| {
            if metadata.len() > self.inner.most_bytes + DIGEST as u64 {
                return Err(io::Error::other("it is too large"));
            }
            file.read_to_end(&mut content)
        });
        let is_whole = read.is_ok() && content.len() >= DIGEST && {
            let (digest, bytes) = content.split_at(DIGEST);
            *digest == *Sha256::digest(bytes)
        };
        if !is_whole {
            tracing::warn!(path = %path.display(), "a cached file is damaged; it is made again");
            self.remove(key);
            return None;
        }
        // The time of last use decides what goes first; that it cannot be set is of no consequence.
        let _ = file.set_modified(SystemTime::now());
        content.drain(..DIGEST);
        Some(content)
    }

    /// Writes the entry of a key; blocks. Readers see all of it or nothing.
    pub fn put(&self, key: &[u8; 32], bytes: &[u8]) {
        if bytes.len() as u64 > self.inner.most_bytes {
            return;
        }
        if let Err(error) = self.write(key, bytes) {
            tracing::warn!(directory = %self.directory.display(), %error, "a file cannot be cached");
        }
    }

    /// Removes the entry of a key; blocks.
    pub fn remove(&self, key: &[u8; 32]) {
        let path = self.path(key);
        let length = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
        self.remove_file(&path, length);
    }

    fn remove_file(&self, path: &Path, length: u64) {
        if fs::remove_file(path).is_ok()
            && let Some(bytes) = self.inner.bytes.get()
        {
            subtract(bytes, length);
        }
    }

    fn write(&self, key: &[u8; 32], bytes: &[u8]) -> io::Result<()> {
        let directory = &self.directory;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let known = self.inner.bytes.get_or_init(|| AtomicU64::new(total(&self.inner.root)));
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
        file.write_all(&Sha256::digest(bytes))?;
        file.write_all(bytes)?;
        let path = self.path(key);
        let before = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
        file.persist(&path).map_err(|error| error.error)?;
        subtract(known, before);
        let after = known.fetch_add((bytes.len() + DIGEST) as u64, Ordering::Relaxed) + (bytes.len() + DIGEST) as u64;
        if after > self.inner.most_bytes {
            known.store(shrink(&self.inner.root, self.inner.most_bytes), Ordering::Relaxed);
        }
        Ok(())
    }

    fn path(&self, key: &[u8; 32]) -> PathBuf {
        self.directory.join(hex(key))
    }
}

fn hex(key: &[u8; 32]) -> String {
    key.iter().fold(String::with_capacity(64), |name, byte| name + &format!("{byte:02x}"))
}

/// How far down files are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Folder,
    Folders,
}

fn subtract(bytes: &AtomicU64, length: u64) {
    let less = |bytes: u64| Some(bytes.saturating_sub(length));
    // The closure always answers.
    let _ = bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
}

/// Lists the files there are: when each was last used, its length, and where it is.
fn files(directory: &Path, depth: Depth) -> Vec<(i64, u64, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
        // Of a link this is about the link itself.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            let used_at = metadata.mtime() * 1_000 + metadata.mtime_nsec() / 1_000_000;
            found.push((used_at, metadata.len(), entry.path()));
        } else if metadata.is_dir() && depth == Depth::Folders {
            found.extend(files(&entry.path(), Depth::Folder));
        }
    }
    found
}

fn total(directory: &Path) -> u64 {
    files(directory, Depth::Folders).iter().map(|(_, length, _)| length).sum()
}

/// Removes what was not used for longest, down to nine tenths of the limit; returns how much is left.
fn shrink(directory: &Path, most_bytes: u64) -> u64 {
    let mut all = files(directory, Depth::Folders);
    all.sort_unstable();
    let mut left: u64 = all.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in all {
        if left <= most_bytes / 10 * 9 {
            break;
        }
        if fs::remove_file(&path).is_ok() {
            left = left.saturating_sub(length);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: u8) -> [u8; 32] {
        [name; 32]
    }

    #[test]
    fn what_is_damaged_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path().join("new"), 1000);
        assert_eq!(store.get(&key(1)), None);
        store.put(&key(1), b"content");
        assert_eq!(store.get(&key(1)).as_deref(), Some(&b"content"[..]));
        store.put(&key(1), b"other");
        assert_eq!(DiskStore::open(directory.path().join("new"), 1000).get(&key(1)).as_deref(), Some(&b"other"[..]));
        for damage in [&b""[..], b"short", &[7; 60]] {
            store.put(&key(1), b"content");
            fs::write(store.path(&key(1)), damage).unwrap();
            assert_eq!(store.get(&key(1)), None, "{damage:?}");
            assert!(!store.path(&key(1)).exists());
        }
        fs::write(directory.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(directory.path().join("secret"), store.path(&key(2))).unwrap();
        assert_eq!(store.get(&key(2)), None);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path().to_owned(), 1000);
        let at = |name, seconds| {
            let file = fs::File::options().write(true).open(store.path(&key(name))).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
        };
        for name in 1..=3 {
            store.put(&key(name), &[name; 250]);
            at(name, u64::from(name));
        }
        // Reading is using.
        assert!(store.get(&key(1)).is_some());
        store.put(&key(4), &[4; 250]);
        let left: Vec<u8> = (1..=4).filter(|name| store.get(&key(*name)).is_some()).collect();
        assert_eq!(left, [1, 3, 4]);
        store.put(&key(5), &[5; 2000]);
        assert_eq!(store.get(&key(5)), None);
        assert!(total(directory.path()) <= 1000);
    }

    #[test]
    fn folders_are_listed_by_themselves_and_count_together() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path().to_owned(), 1000);
        let [one, other] = [1, 2].map(|name| store.folder(&key(name)));
        for name in 1..=2 {
            one.put(&key(name), &[name; 100]);
            other.put(&key(name), &[name; 100]);
        }
        assert!(one.contains(&key(1)) && !store.contains(&key(1)) && store.get(&key(1)).is_none());
        assert_eq!(store.inner.bytes.get().unwrap().load(Ordering::Relaxed), total(directory.path()));
        one.retain(&BTreeSet::from([key(2), key(7)]));
        let there = |folder: &DiskStore| [1, 2].map(|name| folder.contains(&key(name)));
        assert_eq!((there(&one), there(&other)), ([false, true], [true, true]));
        assert_eq!(store.inner.bytes.get().unwrap().load(Ordering::Relaxed), total(directory.path()));
        one.retain(&BTreeSet::new());
        assert!(!one.directory.exists());
        // What is too much in one folder is taken from any.
        one.put(&key(3), &[3; 800]);
        assert!(one.contains(&key(3)) && total(directory.path()) <= 1000);
        assert_eq!(there(&other), [false, false]);
    }
}
