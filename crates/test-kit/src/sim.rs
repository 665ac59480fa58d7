//! Whole installations in one thread from one seed: the real loop, a model of the API server, Git, a clock, faults and crashes.
//!
//! Scripted tests make a [`World`], tell it what happens, and look at its log and its objects. [`schedule::run`] draws what happens
//! from a seed and checks what must hold whatever happens; `tests/schedules.rs` of this crate runs many of them.
//!
//! ```
//! use test_kit::sim::{World, config_map};
//!
//! let mut world = World::synced("web", &[config_map("a", "1")]);
//! world.edit_map("a", "x");
//! assert_eq!(world.map_value("a").as_deref(), Some("1"));
//! ```

#![expect(clippy::unwrap_used, clippy::panic, reason = "a model that cannot go on fails the test")]

mod build;
mod checks;
mod daemon;
mod git;
mod lives;
mod perform;
mod rng;
pub mod schedule;
mod server;
mod world;

pub use build::{
    annotated, app_key, application, application_with, config_map, custom, definition, deployment, hook, in_wave,
    map_key, service_account,
};
pub use git::{Directories, Git, NEEDS, REPO, repo};
pub use rng::Rng;
pub use server::{Deleted, Establishing, Force, JOB_ANNOTATION, Rollouts, Server, conflict, error, key};
pub use world::{Fault, Faults, Noting, Order, Rollbacks, World, application_key};
