//! The files that a worker sees, and what it was told about them.

use git_source::{EntryMode, TreeEntry};
use serde_json::json;

use crate::lookups::Recorder;
use crate::symlinks::{Resolved, join, resolve};
use crate::worker::{Found, LookUp, Operation};
use crate::{Counted, RenderError, RenderLimits};

/// Answers a worker's questions from a tree, recording each.
pub(crate) struct Mounts<'a, 'tree> {
    recorder: &'a mut Recorder<'tree>,
    limits: RenderLimits,
    bytes_read: u64,
    entries: usize,
    /// The first question that could not be answered, with why.
    pub(crate) failure: Option<RenderError>,
}

impl<'a, 'tree> Mounts<'a, 'tree> {
    pub(crate) fn new(recorder: &'a mut Recorder<'tree>, limits: RenderLimits) -> Self {
        Self { recorder, limits, bytes_read: 0, entries: 0, failure: None }
    }

    /// Answers a question.
    pub(crate) fn answer(&mut self, lookup: &LookUp) -> Found {
        match self.look_up(lookup) {
            Ok(found) => found,
            Err(error) => {
                let message = error.to_string();
                self.failure.get_or_insert(error);
                Found::Failed(message)
            }
        }
    }

    fn look_up(&mut self, lookup: &LookUp) -> Result<Found, RenderError> {
        let Some(asked) = lookup.path.strip_prefix('/').and_then(|path| join("", path)) else {
            return Ok(Found::Nothing);
        };
        let (path, found) = match resolve(self.recorder, &asked)? {
            Resolved::Missing(_) => return Ok(Found::Nothing),
            Resolved::Found(path, EntryMode::Submodule, _) => return Err(RenderError::Submodule { path }),
            Resolved::Found(path, EntryMode::Directory, _) => {
                let found = self.directory(lookup.op, &path)?;
                (path, found)
            }
            Resolved::Found(path, _, entry) => {
                let is_read = lookup.op == Operation::Read;
                let content = if is_read { self.content(&path, &entry)? } else { Vec::new() };
                (path, Found::File(content))
            }
        };
        if path == asked {
            return Ok(found);
        }
        Ok(Found::Elsewhere { path: format!("/{path}"), found: Box::new(found) })
    }

    fn directory(&mut self, operation: Operation, path: &str) -> Result<Found, RenderError> {
        let listing = match operation {
            Operation::Read | Operation::Stat => {
                self.recorder.directory(path);
                return Ok(Found::Directory(Vec::new()));
            }
            Operation::List => {
                let entries = self.recorder.list_all(path)?;
                let shown = entries.iter().map(|(name, entry)| {
                    let is_directory = self.leads_to_directory(path, name, entry)?;
                    Ok(json!({"name": name, "dir": is_directory}))
                });
                shown.collect::<Result<Vec<_>, RenderError>>()?
            }
            Operation::Tree => {
                let mut files = Vec::new();
                self.recorder.list_all(path)?;
                self.walk(path, "", 0, &mut files)?;
                files.sort_unstable();
                files.into_iter().map(serde_json::Value::from).collect()
            }
        };
        Ok(Found::Directory(serde_json::Value::from(listing).to_string().into_bytes()))
    }

    fn leads_to_directory(&self, path: &str, name: &str, entry: &TreeEntry) -> Result<bool, RenderError> {
        if entry.mode != EntryMode::Symlink {
            return Ok(entry.mode == EntryMode::Directory);
        }
        let child = join(path, name).unwrap_or_default();
        // What the link leads to is recorded when it is read; the link itself is part of the directory.
        let resolved = resolve(&mut self.recorder.aside(), &child)?;
        Ok(matches!(resolved, Resolved::Found(_, EntryMode::Directory, _)))
    }

    /// Collects the files below a directory that is recorded as a whole.
    fn walk(&mut self, path: &str, below: &str, depth: usize, files: &mut Vec<String>) -> Result<(), RenderError> {
        let exceeded =
            |what, limit: usize| Err(RenderError::Limit { path: path.to_owned(), what, limit: limit as u64 });
        if depth > self.limits.depth {
            return exceeded(Counted::Depth, self.limits.depth);
        }
        let entries = self.recorder.list_unrecorded(path)?;
        self.entries += entries.len();
        if self.entries > self.limits.entries {
            return exceeded(Counted::Entries, self.limits.entries);
        }
        for (name, entry) in entries {
            let child = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let shown = if below.is_empty() { name } else { format!("{below}/{name}") };
            match entry.mode {
                EntryMode::File | EntryMode::Executable => files.push(shown),
                EntryMode::Directory => self.walk(&child, &shown, depth + 1, files)?,
                EntryMode::Submodule => return Err(RenderError::Submodule { path: child }),
                // What a link leads to may lie outside the directory.
                EntryMode::Symlink => match resolve(self.recorder, &child)? {
                    Resolved::Found(at, EntryMode::Directory, _) => {
                        self.recorder.list_all(&at)?;
                        self.walk(&at, &shown, depth + 1, files)?;
                    }
                    Resolved::Found(_, EntryMode::Submodule, _) => return Err(RenderError::Submodule { path: child }),
                    Resolved::Found(..) => files.push(shown),
                    // Helm does without no file that is named.
                    Resolved::Missing(target) => return Err(RenderError::DanglingSymlink { file: child, target }),
                },
            }
        }
        Ok(())
    }

    fn content(&mut self, path: &str, entry: &TreeEntry) -> Result<Vec<u8>, RenderError> {
        let limit = self.limits.tool_bytes;
        let content = self.recorder.content(path, entry, limit - self.bytes_read.min(limit));
        let content = content.map_err(|error| match error {
            // What is left of it says nothing to people.
            RenderError::Limit { path, what, .. } => RenderError::Limit { path, what, limit },
            error => error,
        })?;
        self.bytes_read += content.len() as u64;
        if content.starts_with(b"version https://git-lfs.github.com/spec/") {
            return Err(RenderError::LargeFileStorage { file: path.to_owned() });
        }
        Ok(content)
    }
}
