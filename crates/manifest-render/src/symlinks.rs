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
    // Nothing on the way to what is there is a link.
    if let Some(entry) = look_up(recorder, path)?.filter(|entry| entry.mode != EntryMode::Symlink) {
        return Ok(Resolved::Found(path.to_owned(), entry.mode, entry));
    }
    let mut links = 0;
    // What is mounted is a tree of its own.
    let top = recorder.mount_of(path).unwrap_or_default().to_owned();
    let mut at = top.clone();
    let mut ahead: Vec<String> = parts(&path[top.len()..]);
    while let Some(part) = ahead.pop() {
        // What is above a link is told by where it leads, not by how that is written.
        if part == ".." {
            let Some(above) = parent(&at).filter(|_| at != top) else {
                return Err(RenderError::OutOfBoundsSymlink { file: path.to_owned() });
            };
            at.truncate(above.len());
            continue;
        }
        let next = if at.is_empty() { part } else { format!("{at}/{part}") };
        match look_up(recorder, &next)? {
            Some(entry) if entry.mode == EntryMode::Symlink => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(RenderError::SymlinkLoop { file: path.to_owned(), most: MOST_LINKS });
                }
                ahead.extend(target_parts(recorder, &next, &entry)?);
            }
            Some(_) => at = next,
            None => {
                let rest = ahead.iter().rev().map(String::as_str).collect::<Vec<_>>().join("/");
                return Ok(Resolved::Missing(join(&next, &rest).unwrap_or(next)));
            }
        }
    }
    Ok(match look_up(recorder, &at)? {
        Some(entry) => Resolved::Found(at, entry.mode, entry),
        None => Resolved::Missing(at),
    })
}

/// Splits a path into its parts, the first one last.
fn parts(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
}

/// Returns the parts of a link's target, the first one last, once it is known to stay inside.
fn target_parts(recorder: &Recorder<'_>, link: &str, entry: &TreeEntry) -> Result<Vec<String>, RenderError> {
    check_bounds(recorder, link, entry)?;
    Ok(parts(&recorder.link_target(link, entry)?))
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
    use crate::tests::mem_tree::MemTree;

    #[test]
    fn what_is_above_a_link_is_told_by_where_it_leads() {
        let files = [
            ("c/d", "->../other/sub"),
            ("c/values.yaml", "->d/../v.yaml"),
            ("c/v.yaml", "wrong"),
            ("other/v.yaml", "right"),
            ("other/sub/x", ""),
            ("loop", "->loop"),
        ];
        let tree = MemTree::new(&files);
        let found = |path: &str| match resolve(&mut Recorder::new(&tree), path) {
            Ok(Resolved::Found(at, ..)) => at,
            Ok(Resolved::Missing(at)) => format!("missing {at}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(found("c/values.yaml"), "other/v.yaml");
        assert_eq!(found("c/d/x"), "other/sub/x");
        assert_eq!(found("c/d/none/y"), "missing other/sub/none/y");
        assert!(found("loop").starts_with("loop: the symbolic link leads to itself"));
    }

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
