use std::hash::{DefaultHasher, Hash, Hasher};

use hashbrown::HashTable;

/// The hash of what a handle stands for. Different things may share one: whoever looks up compares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandleHash(u32);

impl HandleHash {
    /// Hashes a value; the same in every process.
    pub(crate) fn of(value: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any part of the hash will do")]
        Self(hasher.finish() as u32)
    }

    /// Spreads the hash over the bits that the table looks at.
    fn spread(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// Numbers by hash, many to one, 8 bytes an entry: what they stand for is kept elsewhere and not repeated here.
#[derive(Default)]
pub(crate) struct Handles(HashTable<(HandleHash, u32)>);

impl Handles {
    /// Adds an entry; the same may be added more than once.
    pub(crate) fn insert(&mut self, hash: HandleHash, number: u32) {
        self.0.insert_unique(hash.spread(), (hash, number), |(hash, _)| hash.spread());
    }

    /// Removes one entry.
    pub(crate) fn remove(&mut self, hash: HandleHash, number: u32) {
        if let Ok(entry) = self.0.find_entry(hash.spread(), |entry| *entry == (hash, number)) {
            entry.remove();
        }
    }

    /// Returns the numbers under a hash.
    pub(crate) fn candidates(&self, hash: HandleHash) -> impl Iterator<Item = u32> {
        self.0.iter_hash(hash.spread()).filter(move |(found, _)| *found == hash).map(|(_, number)| *number)
    }

    /// Returns the number of entries.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.0.allocation_size()
    }
}
