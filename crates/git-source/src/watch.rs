use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::{
    GitError, GitStep, Repository,
    mirror::open,
    url::{Place, place},
};

/// How long changes are collected, since one command of Git touches several files.
const SETTLE: Duration = Duration::from_millis(30);

/// Tells which repositories of this machine have changed, as long as it is kept.
#[derive(Debug)]
pub struct LocalWatch {
    _watcher: notify::RecommendedWatcher,
    changed: mpsc::Receiver<Repository>,
}

impl LocalWatch {
    /// Waits for a repository whose references have changed, or may have: it is to be polled.
    ///
    /// Changes that come together are told once. `None` when the operating system reports no more.
    pub async fn changed(&mut self) -> Option<Repository> {
        self.changed.recv().await
    }
}

/// Watches the references of repositories of this machine; those elsewhere are left out.
///
/// Errors when one of them cannot be watched; polling finds its changes all the same. Has to be called within a runtime.
pub fn watch_local(repositories: &[Repository]) -> Result<LocalWatch, GitError> {
    let (sender, events) = mpsc::unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // The receiver is gone only when the watch is.
        sender.send(event).ok();
    })
    .map_err(|error| GitError::Local {
        url: repositories.first().map_or_else(application_api::RepoUrl::default, |repository| repository.url.clone()),
        step: GitStep::Watch,
        path: PathBuf::new(),
        detail: error.to_string(),
    })?;
    let mut owners: HashMap<PathBuf, Vec<Repository>> = HashMap::new();
    for repository in repositories {
        let Ok(Place::Disk(path)) = place(&repository.url) else { continue };
        let failed = |path: &Path, detail: String| GitError::Local {
            url: repository.url.clone(),
            step: GitStep::Watch,
            path: path.to_owned(),
            detail,
        };
        let opened = open(&path).map_err(|error| failed(&path, error.to_string()))?;
        let common = opened.common_dir.clone().unwrap_or_else(|| opened.git_dir().to_owned());
        let places = [
            (opened.git_dir().to_owned(), RecursiveMode::NonRecursive),
            (common.clone(), RecursiveMode::NonRecursive),
            (common.join("refs"), RecursiveMode::Recursive),
        ];
        for (place, mode) in places {
            // Events carry the path as it was given here, so that it has to be the real one.
            let place = place.canonicalize().map_err(|error| failed(&place, error.to_string()))?;
            let owners = owners.entry(place.clone()).or_default();
            if owners.is_empty() {
                watcher.watch(&place, mode).map_err(|error| failed(&place, error.to_string()))?;
            }
            if !owners.contains(repository) {
                owners.push(repository.clone());
            }
        }
    }
    let (changes, changed) = mpsc::channel(16);
    tokio::spawn(tell(events, owners, changes));
    Ok(LocalWatch { _watcher: watcher, changed })
}

async fn tell(
    mut events: mpsc::UnboundedReceiver<notify::Result<notify::Event>>,
    owners: HashMap<PathBuf, Vec<Repository>>,
    changes: mpsc::Sender<Repository>,
) {
    while let Some(event) = events.recv().await {
        let mut touched = BTreeSet::new();
        touch(event, &owners, &mut touched);
        if touched.is_empty() {
            continue;
        }
        tokio::time::sleep(SETTLE).await;
        while let Ok(event) = events.try_recv() {
            touch(event, &owners, &mut touched);
        }
        for repository in touched.into_iter().flat_map(|place| &owners[&place]).fold(Vec::new(), unique) {
            if changes.send(repository.clone()).await.is_err() {
                return;
            }
        }
    }
}

fn unique<'a>(mut all: Vec<&'a Repository>, next: &'a Repository) -> Vec<&'a Repository> {
    if !all.contains(&next) {
        all.push(next);
    }
    all
}

/// Adds the watched directories that an event concerns.
fn touch(
    event: notify::Result<notify::Event>,
    owners: &HashMap<PathBuf, Vec<Repository>>,
    touched: &mut BTreeSet<PathBuf>,
) {
    let Ok(event) = event else {
        // Something was missed: everything may have changed.
        touched.extend(owners.keys().cloned());
        return;
    };
    if event.need_rescan() {
        touched.extend(owners.keys().cloned());
    }
    if matches!(event.kind, EventKind::Access(_)) {
        return;
    }
    for path in event.paths.iter().filter(|path| concerns_references(path)) {
        touched.extend(path.ancestors().find(|place| owners.contains_key(*place)).map(Path::to_owned));
    }
}

/// Tells whether a path in a Git directory is a reference or holds some. Locks become references by being renamed.
fn concerns_references(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let below_refs = path.ancestors().skip(1).any(|parent| parent.file_name().is_some_and(|name| name == "refs"));
    path.extension().is_none_or(|extension| extension != "lock")
        && (below_refs || matches!(name, "HEAD" | "packed-refs"))
}
