use std::fmt;

use kube_object::{InstanceName, ObjectKey};

/// What a fold changed, and whom it wakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub key: ObjectKey,
    /// What happened to it.
    pub kind: ChangeKind,
    /// The applications it concerns, sorted, each once with the higher level.
    pub wakes: Vec<(InstanceName, WakeLevel)>,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new to the index.
    Added,
    /// It changed in something that matters.
    Modified(Aspects),
    /// It is gone from the cluster.
    Deleted,
    /// It is no longer observed. It may still exist: never take this as a deletion.
    Forgotten,
}

/// How much an application has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WakeLevel {
    /// An object below a managed one changed: health, images and tree.
    Tree,
    /// A managed object changed: the comparison too.
    Compare,
}

/// One thing about an object that matters to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Its body apart from status, or who owns fields of it.
    DesiredState,
    /// Its health.
    Health,
    /// The application it says it belongs to.
    Tracking,
    /// Its owners.
    Owners,
    /// The container images it runs.
    Images,
    /// Its deletion was requested.
    Deletion,
    /// Another object took its name.
    Identity,
    /// Its body came to be held, or is no longer known in its newest version.
    Body,
}

impl Aspect {
    const ALL: [Self; 8] = [
        Self::DesiredState,
        Self::Health,
        Self::Tracking,
        Self::Owners,
        Self::Images,
        Self::Deletion,
        Self::Identity,
        Self::Body,
    ];
}

/// A set of [`Aspect`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Aspects(u8);

impl Aspects {
    /// Tells whether an aspect is in the set.
    pub fn contains(self, aspect: Aspect) -> bool {
        self.0 & bit(aspect) != 0
    }

    /// Tells whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the aspects in the set, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = Aspect> {
        Aspect::ALL.into_iter().filter(move |aspect| self.contains(*aspect))
    }
}

fn bit(aspect: Aspect) -> u8 {
    1 << aspect as u8
}

impl FromIterator<Aspect> for Aspects {
    fn from_iter<T: IntoIterator<Item = Aspect>>(aspects: T) -> Self {
        Self(aspects.into_iter().fold(0, |set, aspect| set | bit(aspect)))
    }
}

impl fmt::Debug for Aspects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
