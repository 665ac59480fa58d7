use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use application_api::RepoUrl;
use reqwest::Client;
use sha2::{Digest as _, Sha256};
use tokio::sync::{oneshot, watch};

use crate::{
    CommitId, GitError, GitOptions, GitStep, GitTree, OnDisk, PollResult, Repository, RevisionName,
    objects::Objects,
    remote::{Route, text},
    tree_cache::TreeCache,
    url::{Place, place},
    watchdog::Watchdog,
    work::{Limits, Work},
};

/// How much longer than its deadline an operation is waited for, so that it can say itself what took so long.
const GRACE: Duration = Duration::from_millis(250);

/// Bytes of decoded trees that are kept for all repositories together.
const TREE_CACHE: usize = 8 << 20;

/// All repositories that are followed, and their mirrors below one directory.
///
/// Repositories do not wait for each other: each has one operation at a time, on a thread where blocking is allowed. An
/// operation that does not end with its deadline keeps its repository busy, but nothing else. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Repositories {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    options: GitOptions,
    client: Mutex<Option<Client>>,
    entries: Mutex<HashMap<Repository, Arc<Entry>>>,
    trees: Arc<TreeCache>,
    /// Ends work that nobody waits for.
    closing: Arc<AtomicBool>,
}

struct Entry {
    work: Arc<tokio::sync::Mutex<Work>>,
    current: watch::Receiver<Option<Arc<Objects>>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

/// Author, date and message of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitMetadata {
    /// `Name <address>`.
    pub author: String,
    /// When it was written, in seconds since 1970.
    pub seconds: i64,
    /// The whole message.
    pub message: String,
}

impl Repositories {
    /// Makes the set of repositories whose mirrors live below `data_dir`, which may be deleted at any time.
    pub fn new(data_dir: &Path, options: GitOptions) -> Self {
        let inner = Inner {
            directory: data_dir.join("git"),
            options,
            client: Mutex::default(),
            entries: Mutex::default(),
            trees: Arc::new(TreeCache::new(TREE_CACHE)),
            closing: Arc::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Resolves revisions and makes sure that their commits can be read.
    ///
    /// References are listed once, and not at all when every revision is a full commit id; only commits that are not there
    /// are fetched, without their history where the server allows it. They stay in force until [`pin`](Self::pin) says
    /// otherwise. Errors when the repository cannot be reached or opened; what concerns one revision is said there.
    pub async fn poll(
        &self,
        repository: &Repository,
        wanted: &[RevisionName],
        deadline: Instant,
    ) -> Result<PollResult, GitError> {
        let access = self.access(&repository.url)?;
        let options = &self.inner.options;
        let watchdog = Watchdog::new(deadline, options.idle_timeout);
        let limits = Limits::new(options, deadline);
        let wanted = wanted.to_vec();
        match access {
            Access::InPlace(path) => {
                self.run(repository, &watchdog, deadline, GitStep::ListReferences, move |work| {
                    work.poll_in_place(&path, &wanted)
                })
                .await
            }
            Access::Mirror(place) => {
                let route = Route {
                    url: repository.url.clone(),
                    client: self.client(&repository.url)?,
                    runtime: tokio::runtime::Handle::current(),
                    watchdog: Arc::clone(&watchdog),
                    addresses: self.inner.options.addresses.clone(),
                    directory: self.inner.directory.join(directory_name(repository)),
                    place,
                };
                self.run(repository, &watchdog, deadline, GitStep::ListReferences, move |work| {
                    work.poll(&route, limits, &wanted)
                })
                .await
            }
        }
    }

    /// Replaces the set of commits in force: these stay, and the server is told of them; others go sooner or later.
    ///
    /// Nothing happens to a repository that is read in place.
    pub async fn pin(&self, repository: &Repository, commits: &BTreeSet<CommitId>) -> Result<(), GitError> {
        if let Access::InPlace(_) = self.access(&repository.url)? {
            return Ok(());
        }
        let pins = commits.iter().map(|commit| commit.0).collect();
        let (watchdog, deadline) = self.own_limits();
        self.run(repository, &watchdog, deadline, GitStep::Pin, move |work| work.pin(pins)).await
    }

    /// Opens the tree of a commit that was polled before, in this run or an earlier one.
    ///
    /// Does not wait for a poll in progress, except for the first one.
    pub async fn tree(&self, repository: &Repository, commit: CommitId) -> Result<GitTree, GitError> {
        let objects = self.objects(repository, commit).await?;
        self.read(repository, commit, objects, move |found, objects| GitTree::new(objects, commit, found.tree)).await
    }

    /// Reads who wrote a commit, when and why.
    pub async fn metadata(&self, repository: &Repository, commit: CommitId) -> Result<CommitMetadata, GitError> {
        let objects = self.objects(repository, commit).await?;
        self.read(repository, commit, objects, |found, _| CommitMetadata {
            author: found.author,
            seconds: found.seconds,
            message: found.message,
        })
        .await
    }

    /// Forgets all other repositories and deletes their mirrors, once nobody reads them.
    pub async fn retain(&self, repositories: &[Repository]) {
        let dropped: Vec<Arc<Entry>> = {
            let mut entries = self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.extract_if(|repository, _| !repositories.contains(repository)).map(|(_, entry)| entry).collect()
        };
        for entry in dropped {
            let mut work = entry.work.lock().await;
            work.remove();
        }
        let kept: BTreeSet<String> = repositories.iter().map(directory_name).collect();
        let directory = self.inner.directory.clone();
        let entries = Arc::clone(&self.inner);
        let cleaned = tokio::task::spawn_blocking(move || remove_others(&directory, &kept, &entries)).await;
        if let Ok(Err(error)) = cleaned {
            tracing::warn!(%error, "cannot delete the mirrors of repositories that are no longer used");
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        repository: &Repository,
        commit: CommitId,
        objects: Arc<Objects>,
        with: impl FnOnce(crate::objects::Commit, Arc<Objects>) -> T + Send + 'static,
    ) -> Result<T, GitError> {
        let url = repository.url.clone();
        let read = tokio::task::spawn_blocking(move || match objects.commit(&commit.0) {
            Ok(Some(found)) => Ok(with(found, objects)),
            Ok(None) => Err(GitError::NotFetched { url, commit }),
            Err(error) => Err(GitError::Corrupt { url, step: GitStep::Read, detail: text(&error) }),
        });
        read.await.unwrap_or_else(|error| Err(self.broke_off(repository, GitStep::Read, &error.to_string())))
    }

    /// Finds the objects to read from, opening the mirror of an earlier run if need be.
    async fn objects(&self, repository: &Repository, commit: CommitId) -> Result<Arc<Objects>, GitError> {
        let access = self.access(&repository.url)?;
        let entry = self.entry(repository);
        let mut current = entry.current.clone();
        if current.borrow().is_none() {
            let (watchdog, deadline) = self.own_limits();
            let opening = self.run(repository, &watchdog, deadline, GitStep::Open, move |work| match access {
                Access::InPlace(path) => work.open_in_place(&path),
                Access::Mirror(_) => work.open(),
            });
            tokio::select! {
                opened = opening => opened?,
                // A poll that is in progress has opened it.
                _ = current.wait_for(Option::is_some) => {}
            }
        }
        let objects = current.borrow().clone();
        objects.ok_or_else(|| GitError::NotFetched { url: repository.url.clone(), commit })
    }

    /// Runs an operation of a repository when its turn comes, on a thread where blocking is allowed.
    async fn run<T: Send + 'static>(
        &self,
        repository: &Repository,
        watchdog: &Arc<Watchdog>,
        deadline: Instant,
        step: GitStep,
        operation: impl FnOnce(&mut Work) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let allowed = deadline.saturating_duration_since(Instant::now());
        let late = || GitError::TimedOut { url: repository.url.clone(), step, allowed };
        let entry = self.entry(repository);
        let turn = tokio::time::timeout_at(deadline.into(), Arc::clone(&entry.work).lock_owned());
        let mut work = turn.await.map_err(|_| late())?;
        let stop = StopOnDrop(Arc::clone(watchdog));
        let (sender, receiver) = oneshot::channel();
        let closing = Arc::clone(&self.inner.closing);
        let limit = self.inner.options.pack_limit;
        tokio::task::spawn_blocking(move || {
            let result = work.run(operation);
            // Nobody waits for the consolidation but the next operation of this repository.
            sender.send(result).ok();
            work.run(|work| work.consolidate(limit, &closing));
        });
        let result = tokio::time::timeout_at((deadline + GRACE).into(), receiver).await;
        drop(stop);
        match result {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(self.broke_off(repository, step, "the operation broke off, which is a defect")),
            Err(_) => Err(late()),
        }
    }

    fn broke_off(&self, repository: &Repository, step: GitStep, detail: &str) -> GitError {
        let path = self.inner.directory.clone();
        GitError::Local { url: repository.url.clone(), step, path, detail: detail.to_owned() }
    }

    fn own_limits(&self) -> (Arc<Watchdog>, Instant) {
        let deadline = Instant::now() + self.inner.options.fetch_timeout;
        (Watchdog::new(deadline, self.inner.options.idle_timeout), deadline)
    }

    fn entry(&self, repository: &Repository) -> Arc<Entry> {
        let mut entries = self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(repository.clone()).or_insert_with(|| {
            let (sender, current) = watch::channel(None);
            let root = self.inner.directory.join(directory_name(repository));
            let work = Work::new(repository.url.clone(), root, self.inner.trees.shelf(), sender);
            Arc::new(Entry { work: Arc::new(tokio::sync::Mutex::new(work)), current })
        });
        Arc::clone(entry)
    }

    fn access(&self, url: &RepoUrl) -> Result<Access, GitError> {
        Ok(match place(url)? {
            Place::Disk(path) if self.inner.options.on_disk == OnDisk::InPlace => Access::InPlace(path),
            place => Access::Mirror(place),
        })
    }

    /// The one HTTP client, made when it is first needed.
    fn client(&self, url: &RepoUrl) -> Result<Client, GitError> {
        let mut client = self.inner.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let unusable = |detail: String| GitError::Unsupported { url: url.clone(), detail };
        // The builder panics without one.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(unusable("the process has installed no TLS provider".to_owned()));
        }
        let built = Client::builder()
            .connect_timeout(self.inner.options.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(4)
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(self.inner.options.addresses.resolver())
            .build()
            .map_err(|error| unusable(format!("the HTTP client cannot be set up ({})", text(&error))))?;
        Ok(client.insert(built).clone())
    }
}

enum Access {
    InPlace(PathBuf),
    Mirror(Place),
}

/// Ends an operation whose caller has gone.
struct StopOnDrop(Arc<Watchdog>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The directory of a repository: what one credential fetched is apart from what another did.
fn directory_name(repository: &Repository) -> String {
    let mut hasher = Sha256::new();
    hasher.update(repository.url.as_str());
    hasher.update([0]);
    hasher.update(repository.credential.as_str());
    let half = u128::from_be_bytes(*hasher.finalize().first_chunk().expect("a digest has 32 bytes"));
    format!("{half:032x}")
}

fn remove_others(directory: &Path, kept: &BTreeSet<String>, inner: &Inner) -> std::io::Result<()> {
    let listed = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    for entry in listed {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let entries = inner.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // Those in use delete themselves; a repository may have come back meanwhile.
        let in_use = kept.contains(&name) || entries.keys().any(|repository| directory_name(repository) == name);
        if !in_use {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
