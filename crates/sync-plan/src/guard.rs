//! The guard against deleting more than usual (`driftless.dev/max-prune`), which asks a person first.

use kube_object::{Digest, GroupKind, ObjectKey};
use thiserror::Error;

/// Objects that a message names.
const NAMED: usize = 5;
/// Characters of the digest that a person has to repeat.
const DIGEST_LENGTH: usize = 16;

/// What deletes of an operation need a person's approval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneGuard {
    /// More prunes than this need it; none when any number is fine.
    pub most: Option<MaxPrune>,
    /// Prunes of these kinds need it always.
    pub kinds: Vec<PrunedKind>,
    /// Digest of the render that the operation is about; none when it is not known.
    pub render: Option<Digest>,
    /// What `driftless.dev/approve-prune` says.
    pub approved: Option<String>,
}

/// The most objects that an operation may delete without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxPrune {
    /// So many.
    Count(usize),
    /// This part, in percent, of the objects that the Application has in the cluster.
    Percent(u8),
}

/// A kind that needs approval, as people write it: `Namespace`, or `PersistentVolumeClaim`, or `apps/Deployment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunedKind {
    group: Option<String>,
    kind: String,
}

/// Why a guard cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GuardError {
    /// It is neither a number nor a percentage.
    #[error("{0:?} is neither a number of objects nor a percentage such as 10%")]
    MaxPrune(String),
    /// A kind is missing.
    #[error("{0:?} is no list of kinds such as Namespace,PersistentVolumeClaim,apps/Deployment")]
    Kinds(String),
}

impl MaxPrune {
    /// Reads `25` or `10%`.
    pub fn parse(text: &str) -> Result<Self, GuardError> {
        let text = text.trim();
        let error = || GuardError::MaxPrune(text.to_owned());
        match text.strip_suffix('%') {
            Some(percent) => {
                percent.trim().parse().ok().filter(|percent| *percent <= 100).map(Self::Percent).ok_or_else(error)
            }
            None => text.parse().map(Self::Count).map_err(|_| error()),
        }
    }

    fn permits(self, pruned: usize, of: usize) -> bool {
        match self {
            Self::Count(most) => pruned <= most,
            Self::Percent(percent) => pruned.saturating_mul(100) <= of.saturating_mul(usize::from(percent)),
        }
    }

    fn told(self) -> String {
        match self {
            Self::Count(most) => most.to_string(),
            Self::Percent(percent) => format!("{percent}%"),
        }
    }
}

impl PrunedKind {
    /// Reads `Namespace,PersistentVolumeClaim,apps/Deployment`.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, GuardError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let (group, kind) = match entry.split_once('/') {
                    Some((group, kind)) => (Some(group.to_owned()), kind),
                    None => (None, entry),
                };
                let is_kind = kind.starts_with(|first: char| first.is_ascii_uppercase())
                    && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if is_kind {
                    Ok(Self { group, kind: kind.to_owned() })
                } else {
                    Err(GuardError::Kinds(text.to_owned()))
                }
            })
            .collect()
    }

    fn is_of(&self, kind: &GroupKind) -> bool {
        self.kind == kind.kind && self.group.as_ref().is_none_or(|group| *group == kind.group)
    }
}

impl PruneGuard {
    /// Says what is waited for, when the operation would delete more than it may without being asked.
    ///
    /// `open` are the objects it would delete, `done` how many it has deleted, `live` how many the Application has in the cluster, the
    /// open ones included.
    pub(crate) fn holds(&self, open: &[&ObjectKey], done: usize, live: usize) -> Option<String> {
        let (count, live) = (open.len() + done, live + done);
        let too_many = self.most.filter(|most| !most.permits(count, live));
        let mut named: Vec<&ObjectKey> =
            open.iter().copied().filter(|key| self.kinds.iter().any(|kind| kind.is_of(&key.group_kind()))).collect();
        if open.is_empty() || too_many.is_none() && named.is_empty() {
            return None;
        }
        let digest = self.approval();
        if digest.is_some() && digest == self.approved.as_deref().map(str::trim).map(str::to_owned) {
            return None;
        }
        let why = match too_many {
            Some(most) => format!("driftless.dev/max-prune allows {}", most.told()),
            None => "their kinds need it".to_owned(),
        };
        // What needs approval by its kind is named first.
        named.extend(open.iter().copied().filter(|key| !named.contains(key)).collect::<Vec<_>>());
        let first: Vec<String> =
            named.iter().take(NAMED).map(|key| format!("{}/{}/{}", key.group, key.kind, key.name)).collect();
        let more = match named.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let remedy = match digest {
            Some(digest) => format!("annotate the Application with driftless.dev/approve-prune: {digest} to go on"),
            None => "the digest to approve is not known yet".to_owned(),
        };
        Some(format!(
            "waiting for pruning confirmation of {count} of {live} objects ({}{more}): {why}; {remedy}",
            first.join(", ")
        ))
    }

    /// Returns what a person repeats to approve the deletes of this render.
    pub fn approval(&self) -> Option<String> {
        let text = self.render?.to_string();
        Some(text.trim_start_matches("sha256:").chars().take(DIGEST_LENGTH).collect())
    }
}
