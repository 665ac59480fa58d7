use std::{
    collections::{BTreeSet, HashSet},
    fs,
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use gix::{
    ObjectId,
    objs::{Find as _, Kind},
    odb::{HandleArc, pack},
    progress::Discard,
    zlib::{Compression, stream::deflate},
};

use crate::{
    mirror::{Broken, packs},
    objects::Objects,
    tree::EntryMode,
};

/// Copies the objects of some commits, without their history, from one repository into an empty one.
///
/// The largest pack is taken over as it is when most of it is still needed, so that the work follows what has changed since;
/// all else becomes one new pack. Returns the commits whose parents are missing.
pub(crate) fn copy_commits(
    objects: &Objects,
    from: &Path,
    to: &Path,
    commits: &BTreeSet<ObjectId>,
    interrupt: &AtomicBool,
) -> Result<Vec<ObjectId>, Broken> {
    let mut shallow = Vec::new();
    let mut needed = HashSet::new();
    for id in commits {
        let commit = objects.commit(id)?.ok_or_else(|| format!("commit {id} is missing"))?;
        if commit.has_parents {
            shallow.push(*id);
        }
        needed.insert(*id);
        collect(objects, commit.tree, &mut needed)?;
    }
    if let Some(largest) = largest_pack(from)? {
        let index = pack::index::File::at(largest.with_extension("idx"), gix::hash::Kind::Sha1)?;
        let kept = needed.iter().filter(|id| index.lookup(id).is_some()).count();
        if kept * 2 >= usize::try_from(index.num_objects()).unwrap_or(usize::MAX) {
            needed.retain(|id| index.lookup(id).is_none());
            for file in [largest.with_extension("idx"), largest.clone()] {
                let name = file.file_name().ok_or("a pack has no name")?;
                let target = to.join("objects/pack").join(name);
                fs::hard_link(&file, &target).or_else(|_| fs::copy(&file, &target).map(drop))?;
            }
        }
    }
    if !needed.is_empty() {
        write_pack(objects.handle(), needed.into_iter().collect(), &to.join("objects/pack"), interrupt)?;
    }
    Ok(shallow)
}

/// Adds a tree and all below it.
fn collect(objects: &Objects, root: ObjectId, needed: &mut HashSet<ObjectId>) -> Result<(), Broken> {
    let mut pending = vec![root];
    while let Some(id) = pending.pop() {
        if !needed.insert(id) {
            continue;
        }
        for (_, entry) in objects.tree(&id)?.iter() {
            let id = ObjectId::try_from(entry.id.as_bytes())?;
            match entry.mode {
                EntryMode::Directory => pending.push(id),
                EntryMode::Submodule => {}
                _ => {
                    needed.insert(id);
                }
            }
        }
    }
    Ok(())
}

fn largest_pack(directory: &Path) -> io::Result<Option<PathBuf>> {
    Ok(packs(directory)?.into_iter().max_by_key(|(_, size)| *size).map(|(path, _)| path))
}

fn write_pack(
    handle: HandleArc,
    objects: Vec<ObjectId>,
    directory: &Path,
    interrupt: &AtomicBool,
) -> Result<(), Broken> {
    let mut stream = io::BufReader::new(PackStream::new(handle, objects)?);
    let options = pack::bundle::write::Options { thread_limit: Some(1), ..Default::default() };
    let none = None::<HandleArc>;
    let kind = gix::hash::Kind::Sha1;
    let written =
        pack::Bundle::write_to_directory(&mut stream, Some(directory), &mut Discard, interrupt, none, kind, options)?;
    Ok(written.keep_path.map_or(Ok(()), fs::remove_file)?)
}

/// A pack with whole objects only, made while it is read (gitformat-pack, "pack-*.pack files have the following format").
struct PackStream {
    handle: HandleArc,
    objects: std::vec::IntoIter<ObjectId>,
    hasher: Option<gix::hash::Hasher>,
    ready: io::Cursor<Vec<u8>>,
}

impl PackStream {
    fn new(handle: HandleArc, objects: Vec<ObjectId>) -> Result<Self, Broken> {
        let mut header = b"PACK".to_vec();
        header.extend_from_slice(&2_u32.to_be_bytes());
        header.extend_from_slice(&u32::try_from(objects.len())?.to_be_bytes());
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&header);
        Ok(Self { handle, objects: objects.into_iter(), hasher: Some(hasher), ready: io::Cursor::new(header) })
    }

    /// Prepares the next object, or the checksum at the end; empty after that.
    fn advance(&mut self) -> io::Result<Vec<u8>> {
        let Some(hasher) = &mut self.hasher else { return Ok(Vec::new()) };
        if let Some(id) = self.objects.next() {
            let mut buffer = Vec::new();
            let found = self.handle.try_find(&id, &mut buffer).map_err(io::Error::other)?;
            let data = found.ok_or_else(|| io::Error::other(format!("object {id} is missing")))?;
            let mut deflate = deflate::Write::new(entry_header(data.kind, data.data.len()), Compression::DEFAULT);
            deflate.write_all(data.data)?;
            deflate.flush()?;
            let entry = deflate.into_inner();
            hasher.update(&entry);
            return Ok(entry);
        }
        let hasher = self.hasher.take().expect("looked at above");
        Ok(hasher.try_finalize().map_err(io::Error::other)?.as_bytes().to_vec())
    }
}

impl Read for PackStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.position() >= self.ready.get_ref().len() as u64 {
            self.ready = io::Cursor::new(self.advance()?);
        }
        self.ready.read(buffer)
    }
}

/// Kind and size of an object: three bits of kind, then the size, four bits first and seven for each byte that follows.
fn entry_header(kind: Kind, size: usize) -> Vec<u8> {
    let kind: u8 = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let low = |size: usize, bits: u32| u8::try_from(size & ((1 << bits) - 1)).expect("fewer than eight bits");
    let mut header = vec![kind << 4 | low(size, 4)];
    let mut rest = size >> 4;
    while rest > 0 {
        *header.last_mut().expect("never empty") |= 0x80;
        header.push(low(rest, 7));
        rest >>= 7;
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_the_format_of_packs() {
        assert_eq!(entry_header(Kind::Blob, 0), [0x30]);
        assert_eq!(entry_header(Kind::Commit, 15), [0x1f]);
        assert_eq!(entry_header(Kind::Tree, 16), [0xa0, 0x01]);
        assert_eq!(entry_header(Kind::Tag, 0x12345), [0xc5, 0xb4, 0x24]);
    }
}
