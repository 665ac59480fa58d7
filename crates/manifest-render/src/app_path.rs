use git_source::EntryMode;

use crate::lookups::Recorder;
use crate::symlinks::{Resolved, join, parent, resolve as resolve_links};
use crate::{PathProblem, RenderError};

/// Finds the directory that the path of an application names; returns its path in the tree, links followed.
pub(crate) fn resolve(recorder: &mut Recorder<'_>, path: &str) -> Result<String, RenderError> {
    let failed = |problem| Err(RenderError::Path { path: path.to_owned(), problem });
    if path.starts_with('/') {
        return failed(PathProblem::Absolute);
    }
    let Some(clean) = join("", path) else { return failed(PathProblem::OutsideRoot) };
    match resolve_links(recorder, &clean)? {
        Resolved::Found(at, EntryMode::Directory, _) => Ok(at),
        Resolved::Found(path, EntryMode::Submodule, _) => Err(RenderError::Submodule { path }),
        Resolved::Found(..) => failed(PathProblem::NotADirectory),
        Resolved::Missing(at) => match submodule_above(recorder, &at)? {
            Some(path) => Err(RenderError::Submodule { path }),
            None => failed(PathProblem::Missing),
        },
    }
}

fn submodule_above(recorder: &Recorder<'_>, path: &str) -> Result<Option<String>, RenderError> {
    let mut at = path;
    while let Some(above) = parent(at) {
        let entry = recorder.unrecorded_entry(above)?;
        if entry.is_some_and(|entry| entry.mode == EntryMode::Submodule) {
            return Ok(Some(above.to_owned()));
        }
        at = above;
    }
    Ok(None)
}
