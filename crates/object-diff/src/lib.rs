//! Whether applying an object would change it, decided from the object itself: owned-field comparison, migration of
//! legacy ownership, and what to tell people about a difference.
//!
//! [`prepare`] makes the one form of an object that is compared and sent. [`verdict`] walks it beside our entry in the
//! live object's `managedFields`, which names the list keys and the atomic fields, so no schema is needed. Nothing
//! here performs I/O: when only the server knows the answer, the verdict is doubt, and [`compare_dry_run`] reads what
//! the server said.

mod dry_run;
mod equality;
mod field_path;
mod known;
mod last_applied;
mod managed_fields;
mod memo;
mod migration;
mod prepare;
mod recovery;
mod takeover;
mod verdict;
mod walk;

#[cfg(test)]
mod tests;

pub use dry_run::{DryRunBody, DryRunVerdict, compare_dry_run, differences, dry_runs};
pub use known::is_builtin_group;
pub use managed_fields::{Manager, OUR_MANAGER, Operation, field_managers, who_changed};
pub use memo::memo_key;
pub use migration::{migration_patch, repair_versions_patch};
pub use prepare::{KindFacts, Warning, prepare};
pub use recovery::stepping_stone;
pub use takeover::Takeover;
pub use verdict::{AfterApply, Doubt, DoubtCause, FieldDifference, Verdict, after_apply, verdict};
