//! The guard against deleting more than usual (`driftless.dev/max-prune`), which asks a person first.

use application_api::{MaxPrune, PrunedKind};
use kube_object::{Digest, ObjectKey};

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
            Some(most) => format!("driftless.dev/max-prune allows {most}"),
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
