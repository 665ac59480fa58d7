use kube_yaml::Limits;

/// Bounds on one render, so that no repository takes unbounded time or memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderLimits {
    /// Bytes of all files that are read, as `reposerver.max.combined.directory.manifests.size`; 0 means no limit.
    pub combined_bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files that Helm or Kustomize read for one render.
    pub tool_bytes: u64,
    /// Files that are read.
    pub files: usize,
    /// Entries of directories that are looked at.
    pub entries: usize,
    /// Levels of directories below the application's.
    pub depth: usize,
    /// Objects of the source. What is recorded of more in an Application's status, and of their sync, would not fit into the
    /// 1.5 MB of an object that etcd stores.
    pub objects: usize,
}

impl Default for RenderLimits {
    fn default() -> Self {
        Self {
            combined_bytes: 10_000_000,
            file_bytes: 10_000_000,
            tool_bytes: 100 << 20,
            files: 100_000,
            entries: 1_000_000,
            depth: 64,
            objects: 10_000,
        }
    }
}

impl RenderLimits {
    /// Makes the usual bounds with another number of bytes for all files together; 0 means no limit. One file may have as many.
    pub fn of_combined_bytes(combined_bytes: u64) -> Self {
        let file_bytes = if combined_bytes == 0 { u64::MAX } else { combined_bytes };
        Self { combined_bytes, file_bytes, ..Self::default() }
    }

    /// Returns the bounds on decoding one file.
    pub(crate) fn decoding(&self) -> Limits {
        Limits { max_bytes: usize::try_from(self.file_bytes).unwrap_or(usize::MAX), ..Limits::default() }
    }

    /// Returns the bounds on decoding what a tool printed, which the worker has bounded.
    pub(crate) fn decoding_output(&self) -> Limits {
        Limits { max_bytes: usize::MAX, ..Limits::default() }
    }
}
