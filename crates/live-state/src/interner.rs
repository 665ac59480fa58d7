use std::collections::HashSet;
use std::sync::Arc;

/// Keeps one copy of texts that repeat over many objects.
#[derive(Default)]
pub(crate) struct Interner {
    texts: HashSet<Arc<str>>,
    /// Number of texts at which those nobody uses are dropped.
    purge_at: usize,
}

/// Below this many texts nothing is dropped.
const SMALLEST_PURGE: usize = 1024;

impl Interner {
    /// Returns the shared copy of a text.
    pub(crate) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        if self.texts.len() >= self.purge_at.max(SMALLEST_PURGE) {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.purge_at = self.texts.len() * 2;
        }
        let shared: Arc<str> = Arc::from(text);
        self.texts.insert(shared.clone());
        shared
    }
}

#[cfg(test)]
impl Interner {
    /// Returns the number of texts kept.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }
}
