use application_api::{Pattern, PatternKind, SourceType};
use git_source::{EntryMode, TreeEntry};

use crate::lookups::Recorder;
use crate::symlinks::{Resolved, check_bounds, resolve};
use crate::{Counted, HiddenDirectories, RenderError, RenderLimits, RenderRequest, detect};

/// The files of a source, in the order in which they are read.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<ManifestFile>,
    pub(crate) warnings: Vec<String>,
}

/// A file to read: its path in the repository, and the entry that holds its content.
#[derive(Debug)]
pub(crate) struct ManifestFile {
    pub(crate) path: String,
    pub(crate) content: TreeEntry,
}

/// Which files of a directory count by their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extensions {
    /// Those that end in `.yaml`, `.yml`, `.json` or `.jsonnet`.
    Manifests,
    /// All.
    Any,
}

impl Extensions {
    fn read(self, name: &str) -> bool {
        let is_manifest = || [".yaml", ".yml", ".json", ".jsonnet"].iter().any(|extension| name.ends_with(extension));
        self == Self::Any || is_manifest()
    }

    /// Tells whether the outcome depends on a file with this name.
    pub(crate) fn count(self, name: &str) -> bool {
        self.read(name) || detect::is_kustomization(name)
    }
}

/// Finds the files to read in the directory of an application.
///
/// The order is that of names, directories among the files. Links to directories are not followed.
pub(crate) fn find(
    recorder: &mut Recorder<'_>,
    directory: &str,
    request: &RenderRequest,
) -> Result<Found, RenderError> {
    let options = &request.directory;
    let mut walk = Walk {
        recorder,
        top: directory,
        request,
        extensions: if options.disable_extension_filter { Extensions::Any } else { Extensions::Manifests },
        include: glob(&options.include, "include")?,
        exclude: glob(&options.exclude, "exclude")?,
        found: Found::default(),
        entries: 0,
    };
    walk.directory(directory, 0)?;
    Ok(walk.found)
}

fn glob(text: &str, field: &'static str) -> Result<Option<Pattern>, RenderError> {
    if text.is_empty() {
        return Ok(None);
    }
    Pattern::new(text, PatternKind::Glob).map(Some).map_err(|source| RenderError::Glob { field, source })
}

struct Walk<'a, 'tree> {
    recorder: &'a mut Recorder<'tree>,
    top: &'a str,
    request: &'a RenderRequest,
    extensions: Extensions,
    include: Option<Pattern>,
    exclude: Option<Pattern>,
    found: Found,
    entries: usize,
}

impl Walk<'_, '_> {
    fn directory(&mut self, path: &str, depth: usize) -> Result<(), RenderError> {
        let limits = &self.request.limits;
        if depth > limits.depth {
            return Err(exceeded(path, Counted::Depth, limits.depth));
        }
        let entries = if self.request.directory.recurse {
            self.recorder.list_below(self.top, path, self.extensions)?
        } else {
            self.recorder.list(path, self.extensions)?
        };
        self.entries += entries.len();
        if self.entries > limits.entries {
            return Err(exceeded(path, Counted::Entries, limits.entries));
        }
        for (name, entry) in entries {
            let child = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            match entry.mode {
                EntryMode::Directory if self.descends(&name) => self.directory(&child, depth + 1)?,
                EntryMode::Submodule if self.descends(&name) => return Err(RenderError::Submodule { path: child }),
                EntryMode::Directory | EntryMode::Submodule => {}
                EntryMode::File | EntryMode::Executable => self.file(child, &name, entry)?,
                EntryMode::Symlink => self.link(child, &name, &entry)?,
            }
        }
        Ok(())
    }

    fn descends(&self, name: &str) -> bool {
        self.request.directory.recurse
            && (self.request.hidden_directories == HiddenDirectories::Read || !name.starts_with('.'))
    }

    fn link(&mut self, path: String, name: &str, entry: &TreeEntry) -> Result<(), RenderError> {
        check_bounds(self.recorder, &path, entry)?;
        if !self.is_wanted(&path, name) {
            return Ok(());
        }
        match resolve(self.recorder, &path)? {
            Resolved::Found(_, mode, target) if mode.is_file() => self.file(path, name, target),
            Resolved::Found(target, mode, _) => {
                self.found
                    .warnings
                    .push(format!("{path}: skipped, because the link points at {target}, which is a {mode}"));
                Ok(())
            }
            Resolved::Missing(target) => {
                self.found
                    .warnings
                    .push(format!("{path}: skipped, because the link points at {target}, which does not exist"));
                Ok(())
            }
        }
    }

    fn file(&mut self, path: String, name: &str, content: TreeEntry) -> Result<(), RenderError> {
        if !self.is_wanted(&path, name) {
            return Ok(());
        }
        if is_jsonnet(name) && !self.request.is_enabled(&SourceType::Directory) {
            return Ok(());
        }
        let RenderLimits { files, .. } = self.request.limits;
        if self.found.files.len() >= files {
            return Err(exceeded(&path, Counted::Files, files));
        }
        self.found.files.push(ManifestFile { path, content });
        Ok(())
    }

    fn is_wanted(&self, path: &str, name: &str) -> bool {
        let relative = path.strip_prefix(self.top).unwrap_or(path).trim_start_matches('/');
        self.extensions.read(name)
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.matches(relative))
            && self.include.as_ref().is_none_or(|include| include.matches(relative))
    }
}

/// Tells whether a file is evaluated, not read.
pub(crate) fn is_jsonnet(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extension == "jsonnet")
}

fn exceeded(path: &str, what: Counted, limit: usize) -> RenderError {
    RenderError::Limit { path: path.to_owned(), what, limit: limit as u64 }
}
