use git_source::{EntryMode, TreeEntry};

use crate::RenderError;
use crate::lookups::Recorder;

/// Links that are followed one after the other, as operating systems bound it.
const MOST_LINKS: usize = 40;

/// Where a path leads.
pub(crate) enum Resolved {
    /// To an entry that is no link, at this path.
    Found(String, EntryMode, TreeEntry),
    /// To nothing, at this path.
    Missing(String),
}

/// Follows symbolic links, at the end of a path and on the way, inside the tree.
pub(crate) fn resolve(recorder: &mut Recorder<'_>, path: &str) -> Result<Resolved, RenderError> {
    let mut at = path.to_owned();
    for _ in 0..=MOST_LINKS {
        let Some((link, entry, rest)) = first_link(recorder, &at)? else {
            return Ok(match look_up(recorder, &at)? {
                Some(entry) => Resolved::Found(at, entry.mode, entry),
                None => Resolved::Missing(at),
            });
        };
        let target = check_bounds(recorder, &link, &entry)?;
        let leads = join(&target, &rest).filter(|at| recorder.mount_of(at) == recorder.mount_of(&link));
        at = leads.ok_or_else(|| RenderError::OutOfBoundsSymlink { file: link.clone() })?;
    }
    Err(RenderError::SymlinkLoop { file: path.to_owned(), most: MOST_LINKS })
}

/// Checks that a link stays inside the tree on every step of its target; returns the path that it points at.
///
/// An absolute target is outside even if it would lead back.
pub(crate) fn check_bounds(recorder: &Recorder<'_>, link: &str, entry: &TreeEntry) -> Result<String, RenderError> {
    let target = recorder.link_target(link, entry)?;
    let out_of_bounds = || RenderError::OutOfBoundsSymlink { file: link.to_owned() };
    if target.starts_with('/') {
        return Err(out_of_bounds());
    }
    let leads = join(parent(link).unwrap_or_default(), &target);
    // What is mounted ends at its own root.
    leads.filter(|at| recorder.mount_of(at) == recorder.mount_of(link)).ok_or_else(out_of_bounds)
}

/// Finds the first component of a path that is a link: its path, itself, and what follows it.
fn first_link(recorder: &mut Recorder<'_>, path: &str) -> Result<Option<(String, TreeEntry, String)>, RenderError> {
    if look_up(recorder, path)?.is_some_and(|entry| entry.mode != EntryMode::Symlink) {
        return Ok(None);
    }
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    for end in ends {
        if let Some(entry) = look_up(recorder, &path[..end])?.filter(|entry| entry.mode == EntryMode::Symlink) {
            return Ok(Some((path[..end].to_owned(), entry, path[end..].trim_start_matches('/').to_owned())));
        }
    }
    Ok(None)
}

/// Looks up an entry. Directories are not recorded: what is read inside them is.
fn look_up(recorder: &mut Recorder<'_>, path: &str) -> Result<Option<TreeEntry>, RenderError> {
    match recorder.unrecorded_entry(path)? {
        Some(entry) if entry.mode == EntryMode::Directory => Ok(Some(entry)),
        _ => recorder.entry(path),
    }
}

/// Joins a path to a directory, resolving `.` and `..` by the text; `None` when it leaves the root.
pub(crate) fn join(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Returns the directory of a path; `None` for the root.
pub(crate) fn parent(path: &str) -> Option<&str> {
    if path.is_empty() { None } else { Some(path.rsplit_once('/').map_or("", |(parent, _)| parent)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_by_their_text() {
        for (directory, path, expected) in [
            ("", "a/b", Some("a/b")),
            ("", "./a//b/", Some("a/b")),
            ("", ".", Some("")),
            ("a/b", "../c", Some("a/c")),
            ("a", "../..", None),
            ("", "a/../../a", None),
        ] {
            assert_eq!(join(directory, path).as_deref(), expected, "{directory} {path}");
        }
    }
}
