//! The index of live objects of all clusters.
//!
//! Everything that is known of the clusters is folded in by `apply`, `delete` and the reset pair; every fold tells
//! what changed and which applications it wakes. Little is kept of an object: identity, owners, tracking, health,
//! images; a body, as compact bytes, only where a comparison needs it. Nothing here asks a cluster for anything.

mod change;
mod fingerprint;
mod fold;
mod handles;
mod interner;
mod kinds;
mod live_object;
mod overrides;
mod read;
mod reset;
mod slots;
mod state;
mod stats;
mod targets;
mod tree;
mod version;
mod wakes;

pub use change::{Aspect, Aspects, Change, ChangeKind, WakeLevel};
pub use live_object::{Body, Detail, LiveObject, Tracking, TrackingOf};
pub use state::LiveState;
pub use stats::{KindStats, Stats};
pub use targets::TargetsChange;
pub use version::{ResourceVersion, Uid};

#[cfg(test)]
mod tests;
