//! What one Application asks for against what its cluster has.
//!
//! [`targets`] turns rendered manifests into the objects that are compared and applied; [`compare`] puts them beside
//! the live objects and says of each whether it is as Git says, and of the application whether it is in sync and
//! healthy. Nothing here performs I/O: a fact that only the cluster has is asked for as data ([`Needed`]), and the
//! comparison is made again with the answer.

mod annotations;
mod answer;
mod claims;
mod compare;
mod health;
mod images;
mod live;
mod rows;
mod status;
mod targets;
mod types;

#[cfg(test)]
mod tests;

pub use annotations::hook_of;
pub use answer::dry_run_answer;
pub use claims::{Claims, Standing};
pub use compare::compare;
pub use targets::{TargetsError, targets, tracking_id};
pub use types::{
    Answers, CompareInput, Compared, Comparison, Destination, DoubtPolicy, DryRunAnswer, HookDeletion, HookTarget,
    LiveFacts, LiveLookup, LiveRef, ManagedNamespace, Needed, ObjectOptions, ObjectPermission, ObjectVerdict,
    ResourceComparison, SelfReference, Target, TargetContext, TargetKind, Targets,
};
