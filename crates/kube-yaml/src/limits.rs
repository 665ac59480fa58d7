/// Bounds on one file, so that no input takes unbounded time or memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file in bytes.
    pub max_bytes: usize,
    /// Nesting of maps and lists; never above [`Limits::DEPTH_CEILING`].
    pub max_depth: usize,
    /// YAML documents in the file.
    pub max_documents: usize,
    /// Scalars, maps and lists in the whole file, aliases expanded.
    pub max_values: usize,
    /// Bytes of text that aliases may add when they are expanded.
    pub max_alias_bytes: usize,
}

impl Limits {
    /// The deepest nesting that any limit allows: serde_json reads at most 127 levels back.
    pub const DEPTH_CEILING: usize = 120;

    pub(crate) fn depth(&self) -> usize {
        self.max_depth.min(Self::DEPTH_CEILING)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 16 << 20,
            max_depth: 100,
            max_documents: 20_000,
            max_values: 2_000_000,
            max_alias_bytes: 16 << 20,
        }
    }
}
