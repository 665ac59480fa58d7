//! What a render needs from elsewhere: it says so, and is asked again when that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use application_api::RepoUrl;
use git_source::{EntryId, EntryMode, Remedy, SourceTree, TreeEntry, TreeError};
use kube_object::Digest;

use crate::LookUps;

/// Something from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A file by its URL.
    File(RepoUrl),
    /// What a kustomization names by a URL: a file, or a directory of a Git repository.
    Remote(RepoUrl),
    /// The archive of a chart.
    Chart {
        /// Repository of charts, or of a registry.
        repository: RepoUrl,
        /// Name of the chart.
        name: String,
        /// Version, or a constraint.
        version: String,
    },
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(url) | Self::Remote(url) => url.fmt(f),
            Self::Chart { repository, name, version } => write!(f, "chart {name} {version} of {repository}"),
        }
    }
}

/// What was got for a need.
#[derive(Clone)]
pub enum Supply {
    /// A file.
    File {
        /// Its name.
        name: String,
        /// Its content.
        content: Arc<[u8]>,
    },
    /// A directory of a repository.
    Directory {
        /// The repository at a commit.
        tree: Arc<dyn SourceTree>,
        /// Path of the directory in it.
        path: String,
        /// The commit.
        commit: String,
    },
    /// It could not be got.
    Failed {
        /// Why.
        message: String,
        /// What to do about it.
        remedy: Remedy,
    },
}

impl Supply {
    /// Tells what it is by its content: equal ones render equally.
    pub fn identity(&self) -> Digest {
        match self {
            Self::File { name, content } => Digest::of_parts([b"file".as_slice(), name.as_bytes(), content]),
            Self::Directory { path, commit, .. } => {
                Digest::of_parts([b"directory".as_slice(), path.as_bytes(), commit.as_bytes()])
            }
            Self::Failed { message, .. } => Digest::of_parts([b"failed".as_slice(), message.as_bytes()]),
        }
    }
}

/// What is there for a render from elsewhere, beside its own tree.
#[derive(Clone, Default)]
pub struct Elsewhere {
    /// Trees of the other sources that it may refer to as `$name`; none where the Application has a single source.
    pub refs: Option<BTreeMap<String, Arc<dyn SourceTree>>>,
    /// What was got for needs that an earlier try had.
    pub supplies: BTreeMap<Need, Supply>,
}

/// Where things from elsewhere are mounted: below this directory, which the worker knows.
const MOUNTED: &str = ".driftless";

impl Elsewhere {
    /// Lists what is mounted: path of each, and its tree.
    pub(crate) fn mounts(&self) -> Vec<(String, Arc<dyn SourceTree>)> {
        let refs = self.refs.iter().flatten().map(|(name, tree)| (ref_mount(name), Arc::clone(tree)));
        let supplied = self.supplies.iter().enumerate().filter_map(|(at, (need, supply))| {
            let tree: Arc<dyn SourceTree> = match supply {
                Supply::File { name, content } => Arc::new(OneFile::new(name, content)),
                Supply::Directory { tree, .. } => Arc::clone(tree),
                Supply::Failed { .. } => return None,
            };
            Some((supply_mount(need, at), tree))
        });
        refs.chain(supplied).collect()
    }

    /// Returns the path of what was got for a need; none where nobody has tried.
    pub(crate) fn path_of(&self, need: &Need) -> Option<Result<String, Unmet>> {
        let at = self.supplies.keys().position(|known| known == need)?;
        let mount = supply_mount(need, at);
        Some(match self.supplies.get(need)? {
            Supply::File { name, .. } => Ok(format!("{mount}/{name}")),
            Supply::Directory { path, .. } if path.is_empty() => Ok(mount),
            Supply::Directory { path, .. } => Ok(format!("{mount}/{path}")),
            Supply::Failed { message, remedy } => {
                Err(Unmet { need: need.clone(), message: message.clone(), remedy: *remedy })
            }
        })
    }

    /// Tells which supplies were used: those that were asked anything.
    pub(crate) fn used(&self, mounted: &BTreeMap<String, LookUps>) -> BTreeMap<Need, Digest> {
        let numbered = self.supplies.iter().enumerate();
        let used = numbered.filter(|(at, (need, _))| mounted.contains_key(&supply_mount(need, *at)));
        used.map(|(_, (need, supply))| (need.clone(), supply.identity())).collect()
    }

    /// Takes the look-ups in other sources, by the names of those.
    pub(crate) fn refs_of(&self, mut mounted: BTreeMap<String, LookUps>) -> BTreeMap<String, LookUps> {
        let names = self.refs.iter().flat_map(BTreeMap::keys);
        names.filter_map(|name| Some((name.clone(), mounted.remove(&ref_mount(name))?))).collect()
    }

    /// Returns the path of a file in another source, by what is written after `$`; none where no source has the name.
    pub(crate) fn ref_path(&self, name: &str) -> Option<String> {
        self.refs.as_ref()?.contains_key(name).then(|| ref_mount(name))
    }
}

/// A need that could not be met.
#[derive(Clone, Debug)]
pub(crate) struct Unmet {
    pub(crate) need: Need,
    pub(crate) message: String,
    pub(crate) remedy: Remedy,
}

fn ref_mount(name: &str) -> String {
    format!("{MOUNTED}/refs/{name}")
}

fn supply_mount(need: &Need, at: usize) -> String {
    let kind = match need {
        Need::File(_) => "files",
        // The worker keeps kustomizations inside what is mounted here.
        Need::Remote(_) => "remotes",
        Need::Chart { .. } => "charts",
    };
    format!("{MOUNTED}/{kind}/{at}")
}

/// Splits a path into the mount that it may be in and what follows: mounts are three names deep.
pub(crate) fn split_mount(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(MOUNTED)?.strip_prefix('/')?;
    let kind = rest.find('/')?;
    let name = rest[kind + 1..].find('/').map_or(rest.len(), |end| kind + 1 + end);
    let end = MOUNTED.len() + 1 + name;
    Some((&path[..end], path[end..].trim_start_matches('/')))
}

/// Collects needs while a source is looked at, so that as many as possible are got at once.
#[derive(Debug, Default)]
pub(crate) struct Wants(BTreeSet<Need>);

impl Wants {
    pub(crate) fn add(&mut self, need: Need) {
        self.0.insert(need);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_needs(self) -> Vec<Need> {
        self.0.into_iter().collect()
    }
}

/// A tree of one file.
struct OneFile {
    name: String,
    content: Arc<[u8]>,
    id: EntryId,
}

impl OneFile {
    fn new(name: &str, content: &Arc<[u8]>) -> Self {
        let digest = Digest::of_bytes(content);
        let id = EntryId::from_bytes(digest.as_bytes()).expect("a digest has 32 bytes");
        Self { name: name.to_owned(), content: Arc::clone(content), id }
    }

    fn file(&self) -> TreeEntry {
        TreeEntry { mode: EntryMode::File, id: self.id }
    }
}

impl SourceTree for OneFile {
    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        Ok(match path {
            "" => Some(TreeEntry { mode: EntryMode::Directory, id: self.id }),
            name if name == self.name => Some(self.file()),
            _ => None,
        })
    }

    fn list(&self, path: &str) -> Result<Vec<(String, TreeEntry)>, TreeError> {
        if path.is_empty() {
            return Ok(vec![(self.name.clone(), self.file())]);
        }
        Err(TreeError::NotFound { path: path.to_owned(), commit: None })
    }

    fn blob(&self, entry: &TreeEntry, limit: u64) -> Result<Vec<u8>, TreeError> {
        let size = self.content.len() as u64;
        if size > limit {
            return Err(TreeError::TooLarge { size, limit, id: entry.id });
        }
        Ok(self.content.to_vec())
    }

    fn commit(&self) -> Option<&str> {
        // Its one directory has its one file: the id covers everything.
        Some("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_which_mount_it_is_in() {
        for (path, expected) in [
            (".driftless/refs/env/a/b.yaml", Some((".driftless/refs/env", "a/b.yaml"))),
            (".driftless/refs/env", Some((".driftless/refs/env", ""))),
            (".driftless/refs", None),
            (".driftless", None),
            (".driftlessx/refs/env", None),
            ("apps/.driftless/refs/env", None),
        ] {
            assert_eq!(split_mount(path), expected, "{path}");
        }
    }
}
