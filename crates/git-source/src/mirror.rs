use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use gix::{
    ObjectId,
    odb::store::init::Slots,
    refs::{
        Target,
        transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog},
    },
};

use crate::{
    objects::{Home, Objects},
    remote::text,
    tree_cache::TreeShelf,
};

const PINS: &str = "refs/driftless/pins/";

/// A bare repository on disk that holds the commits in force, without their history.
///
/// A mirror lives in a numbered directory below the repository's own; it is built under another name and renamed when it
/// is complete, so that what has a number is whole. A successor has a higher number; the older one is deleted when its
/// last reader is done.
#[derive(Debug)]
pub(crate) struct Mirror {
    number: u64,
    directory: PathBuf,
    repository: gix::ThreadSafeRepository,
    objects: Arc<Objects>,
}

/// Why a mirror could not be used; the text says what happened.
pub(crate) type Broken = Box<dyn std::error::Error + Send + Sync>;

impl Mirror {
    /// Opens the newest mirror below `root` and deletes everything else there; `None` when there is none that can be used.
    pub(crate) fn open(root: &Path, trees: &TreeShelf) -> io::Result<Option<Self>> {
        let mut numbers = Vec::new();
        match fs::read_dir(root) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry?;
                    match entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()) {
                        Some(number) => numbers.push(number),
                        None => fs::remove_dir_all(entry.path())?,
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        numbers.sort_unstable();
        let newest = numbers.pop();
        for older in numbers {
            fs::remove_dir_all(root.join(older.to_string()))?;
        }
        let Some(number) = newest else { return Ok(None) };
        let directory = root.join(number.to_string());
        match clear_leftovers(&directory).map_err(Into::into).and_then(|()| Self::at(number, directory.clone(), trees))
        {
            Ok(mirror) => Ok(Some(mirror)),
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "a mirror cannot be opened and is fetched again");
                fs::remove_dir_all(directory)?;
                Ok(None)
            }
        }
    }

    fn at(number: u64, directory: PathBuf, trees: &TreeShelf) -> Result<Self, Broken> {
        let home = Home::mirror(&directory);
        let repository = open(&directory)?;
        let objects = Arc::new(Objects::of(&repository, trees.clone(), home));
        let mirror = Self { number, directory, repository, objects };
        for pin in mirror.pins()? {
            // A pin that cannot be read means that what it pins is damaged or gone.
            mirror.objects.commit(&pin)?.ok_or_else(|| format!("the pinned commit {pin} is missing"))?;
        }
        Ok(mirror)
    }

    /// Makes a mirror with a higher number than `previous`: `fill` puts objects into the empty repository it is given.
    pub(crate) fn build<E: From<Broken>>(
        root: &Path,
        previous: Option<u64>,
        trees: &TreeShelf,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Self, E> {
        let number = previous.map_or(0, |number| number + 1);
        let part = root.join(format!("{number}.part"));
        let directory = root.join(number.to_string());
        let prepared = remove_if_there(&part).and_then(|()| remove_if_there(&directory)).and_then(|()| create(&part));
        prepared.map_err(|error| E::from(error.into()))?;
        let built = fill(&part).and_then(|()| {
            fs::rename(&part, &directory).map_err(|error| E::from(error.into()))?;
            Self::at(number, directory, trees).map_err(E::from)
        });
        if built.is_err() {
            remove_if_there(&part).ok();
        }
        built
    }

    /// Opens the objects anew, so that new packs are seen and have room.
    pub(crate) fn reopen(&mut self, trees: &TreeShelf) -> Result<(), Broken> {
        let home = Arc::clone(self.objects.home());
        self.repository = open(&self.directory)?;
        self.objects = Arc::new(Objects::of(&self.repository, trees.clone(), home));
        Ok(())
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn objects(&self) -> &Arc<Objects> {
        &self.objects
    }

    /// Tells whether the mirror can still be worked with: its directory is there and nothing in it was found damaged.
    pub(crate) fn is_sound(&self) -> bool {
        !self.objects.home().is_suspect()
            && self.directory.join("HEAD").is_file()
            && self.directory.join("objects/pack").is_dir()
    }

    /// Lets the directory go with its last reader.
    pub(crate) fn retire(self) {
        self.objects.home().retire();
    }

    pub(crate) fn pack_count(&self) -> usize {
        packs(&self.directory).map_or(0, |packs| packs.len())
    }

    /// Reads which commits are pinned.
    pub(crate) fn pins(&self) -> Result<BTreeSet<ObjectId>, Broken> {
        let repository = self.repository.to_thread_local();
        let references = repository.references()?;
        let mut pins = BTreeSet::new();
        for reference in references.prefixed(PINS)? {
            pins.extend(reference?.try_id().map(gix::Id::detach));
        }
        Ok(pins)
    }

    /// Replaces the pinned commits.
    pub(crate) fn set_pins(&self, pins: &BTreeSet<ObjectId>) -> Result<(), Broken> {
        set_pins(&self.repository, &self.pins()?, pins)
    }
}

/// Pins the commits `next` in a repository where those of `previous` are pinned.
pub(crate) fn set_pins(
    repository: &gix::ThreadSafeRepository,
    previous: &BTreeSet<ObjectId>,
    next: &BTreeSet<ObjectId>,
) -> Result<(), Broken> {
    let mut edits = Vec::new();
    for pin in next.difference(previous) {
        let log = LogChange { mode: RefLog::AndReference, force_create_reflog: false, message: "pin".into() };
        let change = Change::Update { log, expected: PreviousValue::Any, new: Target::Object(*pin) };
        edits.push(RefEdit { change, name: format!("{PINS}{pin}").try_into()?, deref: false });
    }
    for pin in previous.difference(next) {
        let change = Change::Delete { expected: PreviousValue::Any, log: RefLog::AndReference };
        edits.push(RefEdit { change, name: format!("{PINS}{pin}").try_into()?, deref: false });
    }
    if !edits.is_empty() {
        repository.to_thread_local().edit_references_as(edits, None)?;
    }
    Ok(())
}

/// Writes the file that names the commits whose parents are missing on purpose.
///
/// It follows from the pins at any time, so that it cannot be left behind wrong.
pub(crate) fn write_shallow(directory: &Path, shallow: &[ObjectId]) -> io::Result<()> {
    let file = directory.join("shallow");
    if shallow.is_empty() {
        return match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let lines: Vec<u8> = shallow.iter().flat_map(|id| [id.to_string().as_bytes(), b"\n"].concat()).collect();
    let part = directory.join("shallow.part");
    fs::write(&part, lines)?;
    fs::rename(part, file)
}

/// Lists the packs of a repository with their sizes in bytes.
pub(crate) fn packs(directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut packs = Vec::new();
    for entry in fs::read_dir(directory.join("objects/pack"))? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "pack") {
            packs.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(packs)
}

/// Opens a repository without looking at anything but itself.
pub(crate) fn open(path: &Path) -> Result<gix::ThreadSafeRepository, Broken> {
    let slots = Slots::AsNeededByDiskState { multiplier: 2.0, minimum: 64 };
    let options = gix::open::Options::isolated().object_store_slots(slots).open_path_as_is(false);
    options.open(path).map_err(|error| text(&error).into())
}

fn create(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory.join("objects/pack"))?;
    fs::create_dir_all(directory.join("objects/info"))?;
    fs::create_dir_all(directory.join("refs/heads"))?;
    fs::write(directory.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
    fs::write(directory.join("HEAD"), "ref: refs/heads/main\n")
}

/// Deletes what a process that was killed in the middle of a fetch has left: locks and unfinished packs.
fn clear_leftovers(directory: &Path) -> io::Result<()> {
    let mut pending = vec![directory.join("refs"), directory.join("objects/pack")];
    let mut files = vec!["shallow.lock", "shallow.part", "packed-refs.lock", "HEAD.lock", "config.lock"]
        .into_iter()
        .map(|name| directory.join(name))
        .filter(|file| file.exists())
        .collect::<Vec<_>>();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() {
                pending.push(path);
            } else if extension == Some("lock") || (is_in_pack_dir(&path) && !is_whole_pack(&path)) {
                files.push(path);
            }
        }
    }
    files.into_iter().try_for_each(fs::remove_file)
}

fn is_in_pack_dir(path: &Path) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with("objects/pack"))
}

/// A pack counts once its index is there as well.
fn is_whole_pack(path: &Path) -> bool {
    matches!(path.extension().and_then(|extension| extension.to_str()), Some("pack" | "idx"))
        && path.with_extension("pack").is_file()
        && path.with_extension("idx").is_file()
}

fn remove_if_there(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
