//! Archives into memory: bounded while they expand, and nothing in them may lead anywhere else.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use git_source::EntryMode;
use tar::EntryType;

use crate::tree::Packed;
use crate::{ArtifactError, ArtifactOptions};

/// What is taken from an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The one directory at the top, which is a chart.
    Chart,
    /// Everything.
    Whole,
}

/// Bytes of a path.
const PATH_BYTES: usize = 4096;

/// Takes an archive apart, compressed or not; `artifact` names it in messages.
pub(crate) fn unpack(
    artifact: &str,
    bytes: &[u8],
    layout: Layout,
    options: &ArtifactOptions,
) -> Result<BTreeMap<String, Packed>, ArtifactError> {
    let plain: Box<dyn Read> =
        if bytes.starts_with(&[0x1f, 0x8b]) { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
    // What is around the files of an archive counts as well: a thousand bytes for each, and the end.
    let most = options.extracted_bytes.saturating_add(options.entries as u64 * 1024 + (1 << 20));
    let mut reader = tar::Archive::new(Bounded { inner: plain, left: most });
    let broken = |error: &io::Error| {
        if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Exceeded>) {
            return extracted(artifact, "bytes", options.extracted_bytes);
        }
        ArtifactError::Archive { artifact: artifact.to_owned(), detail: error.to_string() }
    };
    let mut unpacking = Unpacking { artifact, layout, options, files: BTreeMap::new(), entries: 0, bytes: 0 };
    for entry in reader.entries().map_err(|error| broken(&error))? {
        let mut entry = entry.map_err(|error| broken(&error))?;
        unpacking.entry(&mut entry).map_err(|error| match error {
            Failure::Io(error) => broken(&error),
            Failure::Refused(error) => error,
        })?;
    }
    let files = unpacking.files;
    if layout == Layout::Chart && !files.contains_key("Chart.yaml") {
        let detail = "it has no Chart.yaml in a directory at its top, so it is no chart".to_owned();
        return Err(ArtifactError::Archive { artifact: artifact.to_owned(), detail });
    }
    check_links(artifact, &files)?;
    Ok(files)
}

enum Failure {
    Io(io::Error),
    Refused(ArtifactError),
}

struct Unpacking<'a> {
    artifact: &'a str,
    layout: Layout,
    options: &'a ArtifactOptions,
    files: BTreeMap<String, Packed>,
    entries: usize,
    bytes: u64,
}

impl Unpacking<'_> {
    fn entry(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), Failure> {
        let written = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refused = |problem| Failure::Refused(refused(self.artifact, &written, problem));
        self.entries += 1;
        if self.entries > self.options.entries {
            let limit = self.options.entries as u64;
            return Err(Failure::Refused(extracted(self.artifact, "files and directories", limit)));
        }
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            return Ok(());
        }
        let path = clean(&written).map_err(refused)?;
        let path = match self.layout {
            Layout::Whole => path,
            // What lies beside the directory of the chart is no part of it.
            Layout::Chart => match path.split_once('/') {
                Some((_, path)) => path.to_owned(),
                None => return Ok(()),
            },
        };
        let mode = match kind {
            EntryType::Directory => return Ok(()),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mode = entry.header().mode().unwrap_or_default();
                if mode & 0o100 == 0 { EntryMode::File } else { EntryMode::Executable }
            }
            EntryType::Symlink => EntryMode::Symlink,
            EntryType::Link => return Err(refused("is a hard link")),
            _ => return Err(refused("is neither a file nor a directory nor a link")),
        };
        if path.is_empty() {
            return Ok(());
        }
        let content = if mode == EntryMode::Symlink {
            entry.link_name_bytes().unwrap_or_default().into_owned()
        } else {
            let left = self.options.extracted_bytes - self.bytes;
            let mut content = Vec::new();
            entry.take(left + 1).read_to_end(&mut content).map_err(Failure::Io)?;
            if content.len() as u64 > left {
                let limit = self.options.extracted_bytes;
                return Err(Failure::Refused(extracted(self.artifact, "bytes", limit)));
            }
            content
        };
        self.bytes += content.len() as u64;
        self.files.insert(path, Packed { mode, content });
        Ok(())
    }
}

fn refused(artifact: &str, entry: &str, problem: &'static str) -> ArtifactError {
    let entry: String = entry.chars().take(200).collect();
    ArtifactError::Entry { artifact: artifact.to_owned(), entry, problem }
}

fn extracted(artifact: &str, what: &'static str, limit: u64) -> ArtifactError {
    ArtifactError::Extracted { artifact: artifact.to_owned(), what, limit }
}

/// Checks a path; returns it without `.` and empty parts.
fn clean(path: &str) -> Result<String, &'static str> {
    if path.len() > PATH_BYTES {
        return Err("has a path that is too long");
    }
    if path.starts_with('/') || path.contains('\\') || path.get(1..3) == Some(":/") {
        return Err("has an absolute path, or one of another system");
    }
    if path.contains('\0') {
        return Err("has a path with a NUL");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err("leads out of the archive");
    }
    Ok(parts.join("/"))
}

/// Checks that no file lies below another, and that links stay inside.
fn check_links(artifact: &str, files: &BTreeMap<String, Packed>) -> Result<(), ArtifactError> {
    for (path, packed) in files {
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        if above.into_iter().any(|above| files.contains_key(above)) {
            return Err(refused(artifact, path, "lies below a file or link"));
        }
        if packed.mode != EntryMode::Symlink {
            continue;
        }
        let target = String::from_utf8_lossy(&packed.content);
        let mut depth = path.matches('/').count();
        let mut leaves = target.starts_with('/');
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => leaves = true,
                },
                _ => depth += 1,
            }
        }
        if leaves {
            return Err(refused(artifact, path, "is a link that leads out of the archive"));
        }
    }
    Ok(())
}

/// Too much came out of a compressed archive.
#[derive(Debug, thiserror::Error)]
#[error("the archive expands to too much")]
struct Exceeded;

/// A reader that fails after a number of bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(Exceeded))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
