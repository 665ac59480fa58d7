//! The loop as a state machine: what to fetch, render, compare, sync and write, and when to wake.
//!
//! [`handle`] takes one event in and answers with effects; it never waits, reads a clock or touches the network. The shell performs
//! the effects and feeds their outcomes back. Files are split by decision: `absorb` takes events in, `pass` orders the
//! decisions about one Application, `spec`, `desired`, `comparing`, `operate`, `answers`, `action_requests`, `plan`, `hooks`, `guard`,
//! `windows`, `depends_on`, `preempt`, `probe`, `handover`, `deletion`, `deletion_hooks` and `status`
//! take them, `sources` says where sources are, `rendering` when they are rendered anew, `kept` what is deployed of the past and may be needed again, `resting` spares Applications at rest a pass when only their commit moves on, `repos`, `clusters` and `sweeps` know what is asked of the outside once for all Applications.

mod absorb;
mod action_requests;
mod answers;
mod app;
mod app_key;
mod clusters;
mod comparing;
mod deletion;
mod deletion_hooks;
mod depends_on;
mod desired;
mod effect;
mod event;
mod guard;
mod handover;
mod hooks;
mod inspect;
mod jitter;
mod kept;
mod lookups;
mod memo;
mod operate;
mod pass;
mod plan;
mod preempt;
mod probe;
mod publish;
mod reading;
mod records;
mod rendering;
mod repos;
mod resting;
mod sources;
mod spec;
mod state;
mod status;
mod sweeps;
mod windows;

pub use app_key::{AppKey, Ticket};
pub use effect::{ActingAs, Call, ClusterRequest, DryRun, Effect, Published, Record, Reuse, Severity, Validation};
pub use event::{Answer, Event, Leadership, RenderFailure, RepoFailure, WatchChange};
pub use inspect::Awaited;
pub use kept::{DeployedRender, Deployment, KeepMode};
pub use rendering::{Dependence, RenderContext, RenderedIn, Rendering};
pub use sources::{SourceRepo, wanted_chart};
pub use state::{Config, State, handle, handle_all};
