//! The shell around the pure reconciler: it performs the effects and feeds what came of them back as events.
//!
//! Start reading at [`run`]. One task owns the [`reconciler::State`] and takes every decision, one batch of events after the
//! other; whatever takes time runs in tasks of its own, so that nothing blocks that one. Nothing is decided here: which object
//! is applied, when, and what a failure means is the reconciler's. What is added is how a request is made to succeed when the
//! failure passes, that a daemon without the Lease changes nothing, and what readers, traces and metrics see.

mod engine;
mod hands;
mod in_force;
mod labels;
mod leader;
mod local_repos;
mod options;
mod perform;
mod publishing;
mod records;
mod renders;
mod repos;
mod requests;
mod retrying;
mod settings_watch;
mod spans;
mod surveys;
#[cfg(test)]
mod test_hands;
mod turns;
mod urgency;
mod watches;
mod writes;

pub use engine::{Sources, run};
pub use options::{ControllerError, ControllerOptions};
