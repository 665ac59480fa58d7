mod poll;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use application_api::RepoUrl;
use gix::ObjectId;
use tokio::sync::watch;

pub(crate) use self::poll::Limits;
pub use self::poll::PollResult;
use crate::{
    CommitId, GitError, GitStep, RevisionName, Traffic,
    local::{open_in_place, references},
    mirror::{self, Broken, Mirror, set_pins, write_shallow},
    objects::Objects,
    repack::copy_commits,
    revision::{Resolution, resolve},
    tree_cache::TreeShelf,
};

/// The state of one repository, changed by one operation at a time.
pub(crate) struct Work {
    url: RepoUrl,
    /// Where mirrors of this repository live.
    root: PathBuf,
    trees: TreeShelf,
    mirror: Option<Mirror>,
    /// The number of the last mirror, so that none is used twice.
    number: Option<u64>,
    /// The commits in force; on disk they are references of the mirror.
    pins: BTreeSet<ObjectId>,
    /// What the references held when everything was fetched: what is not there then is nowhere.
    exhausted: Option<BTreeSet<ObjectId>>,
    opened: bool,
    /// Set while an operation runs: still set at the beginning of the next one, it tells of a panic.
    busy: bool,
    current: watch::Sender<Option<Arc<Objects>>>,
}

impl Work {
    /// Makes the state of a repository whose mirrors live below `root`; readers are told through `current`.
    pub(crate) fn new(
        url: RepoUrl,
        root: PathBuf,
        trees: TreeShelf,
        current: watch::Sender<Option<Arc<Objects>>>,
    ) -> Self {
        Self {
            url,
            root,
            trees,
            mirror: None,
            number: None,
            pins: BTreeSet::new(),
            exhausted: None,
            opened: false,
            busy: false,
            current,
        }
    }

    /// Runs an operation and notes whether it came to its end.
    pub(crate) fn run<T>(&mut self, operation: impl FnOnce(&mut Self) -> T) -> T {
        if self.busy {
            self.discard("the last operation broke off");
        }
        self.busy = true;
        let result = operation(self);
        self.busy = false;
        result
    }

    /// Resolves revisions in a repository of this machine.
    pub(crate) fn poll_in_place(&mut self, path: &Path, wanted: &[RevisionName]) -> Result<PollResult, GitError> {
        let (repository, objects) = open_in_place(&self.url, path, &self.trees)?;
        let references = references(&self.url, &repository, wanted)?;
        let find = |revision: &RevisionName| {
            let commit = match resolve(revision, &references) {
                Resolution::Commit(id) => Some(id),
                Resolution::Abbreviated(digits) => self.only_commit(&objects, &digits)?,
                Resolution::Unknown => None,
            };
            self.existing(&objects, revision, commit)
        };
        let commits = wanted.iter().map(|revision| (revision.clone(), find(revision))).collect();
        self.current.send_replace(Some(objects));
        Ok(PollResult { commits, traffic: Traffic::default() })
    }

    /// Opens a repository of this machine unless it is.
    pub(crate) fn open_in_place(&mut self, path: &Path) -> Result<(), GitError> {
        if self.current.borrow().is_none() {
            let (_, objects) = open_in_place(&self.url, path, &self.trees)?;
            self.current.send_replace(Some(objects));
        }
        Ok(())
    }

    /// Answers with a commit if it is one that can be read.
    fn existing(
        &self,
        objects: &Objects,
        revision: &RevisionName,
        commit: Option<ObjectId>,
    ) -> Result<CommitId, GitError> {
        let Some(id) = commit else { return Err(self.not_found(revision)) };
        match objects.commit(&id) {
            Ok(Some(_)) => Ok(CommitId(id)),
            Ok(None) => Err(self.not_found(revision)),
            Err(error) => Err(self.damaged(&error)),
        }
    }

    /// Finds the commit that some digits stand for, if there is exactly one.
    fn only_commit(&self, objects: &Objects, digits: &str) -> Result<Option<ObjectId>, GitError> {
        let found = objects.commits_with_prefix(digits).map_err(|error| self.damaged(&error))?;
        Ok(<[ObjectId; 1]>::try_from(found).ok().map(|[id]| id))
    }

    fn damaged(&self, error: &(dyn std::error::Error + 'static)) -> GitError {
        GitError::Corrupt { url: self.url.clone(), step: GitStep::Read, detail: crate::remote::text(error) }
    }

    fn not_found(&self, revision: &RevisionName) -> GitError {
        GitError::RevisionNotFound { url: self.url.clone(), revision: revision.to_string() }
    }

    fn adopt(&mut self, mirror: Mirror) {
        // What was fetched with its history may have lost it.
        self.exhausted = None;
        self.number = Some(mirror.number());
        self.current.send_replace(Some(Arc::clone(mirror.objects())));
        if let Some(old) = self.mirror.replace(mirror) {
            old.retire();
        }
    }

    /// Opens the mirror of an earlier run, and lets go of one that is damaged or gone.
    pub(crate) fn open(&mut self) -> Result<(), GitError> {
        if !self.opened {
            let mirror = Mirror::open(&self.root, &self.trees);
            let mirror = mirror.map_err(|error| local_error(&self.url, GitStep::Open, &self.root, &error))?;
            self.opened = true;
            if let Some(mirror) = mirror {
                self.pins = mirror.pins().unwrap_or_default();
                self.adopt(mirror);
            }
        }
        if self.mirror.as_ref().is_some_and(|mirror| !mirror.is_sound()) {
            self.discard("it is damaged or was deleted");
        }
        Ok(())
    }

    fn discard(&mut self, why: &str) {
        if let Some(mirror) = self.mirror.take() {
            tracing::warn!(repository = %self.url, why, "a mirror is fetched again");
            mirror.retire();
        }
    }

    /// Replaces the commits in force.
    pub(crate) fn pin(&mut self, pins: BTreeSet<ObjectId>) -> Result<(), GitError> {
        self.open()?;
        if self.pins == pins {
            return Ok(());
        }
        self.pins = pins;
        self.write_pins()
    }

    fn write_pins(&self) -> Result<(), GitError> {
        let Some(mirror) = &self.mirror else { return Ok(()) };
        // A reference to what is not there would make the mirror unusable.
        let present = self.pins.iter().filter(|pin| mirror.objects().contains(pin)).copied().collect();
        let written = mirror.set_pins(&present);
        written.map_err(|error| local_error(&self.url, GitStep::Pin, mirror.directory(), &*error))
    }

    /// Rewrites the mirror once it has `limit` packs: the commits in force stay, everything else goes.
    pub(crate) fn consolidate(&mut self, limit: usize, interrupt: &AtomicBool) {
        // A consolidated mirror has up to two packs.
        let limit = limit.max(4);
        let Some(mirror) = self.mirror.as_ref().filter(|mirror| mirror.pack_count() >= limit && mirror.is_sound())
        else {
            return;
        };
        let old = (Arc::clone(mirror.objects()), mirror.directory().to_owned());
        let pins: BTreeSet<ObjectId> = self.pins.iter().filter(|pin| old.0.contains(pin)).copied().collect();
        let built = Mirror::build(&self.root, self.number, &self.trees, |part| -> Result<(), Broken> {
            let shallow = copy_commits(&old.0, &old.1, part, &pins, interrupt)?;
            write_shallow(part, &shallow)?;
            set_pins(&mirror::open(part)?, &BTreeSet::new(), &pins)
        });
        match built {
            Ok(mirror) => {
                tracing::debug!(repository = %self.url, number = mirror.number(), "consolidated a mirror");
                self.adopt(mirror);
            }
            Err(error) => tracing::warn!(repository = %self.url, %error, "cannot consolidate a mirror"),
        }
    }

    /// Deletes the mirror as soon as nobody reads it.
    pub(crate) fn remove(&mut self) {
        self.discard("its repository is no longer used");
        self.current.send_replace(None);
        std::fs::remove_dir(&self.root).ok();
    }

    fn objects(&self) -> Option<Arc<Objects>> {
        self.mirror.as_ref().map(|mirror| Arc::clone(mirror.objects()))
    }

    fn contains(&self, id: &ObjectId) -> bool {
        self.mirror.as_ref().is_some_and(|mirror| mirror.objects().contains(id))
    }
}

fn local_error(url: &RepoUrl, step: GitStep, path: &Path, error: &(dyn std::error::Error + 'static)) -> GitError {
    GitError::Local { url: url.clone(), step, path: path.to_owned(), detail: crate::remote::text(error) }
}
