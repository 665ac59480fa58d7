//! The render worker: Helm and Kustomize as their own libraries, in processes that stay warm.
//!
//! `worker/PROTOCOL.md` beside this crate's sources says how the two talk. A worker can do nothing but answer: whatever goes wrong with
//! one costs the render that it was busy with, and the next render gets a new process.

mod frame;
mod pool;
mod process;
mod protocol;

pub use pool::{RenderWorkers, WorkerEnd, WorkerOptions};
pub use process::WorkerFault;

pub(crate) use protocol::{
    Failed, FailureKind, Found, HelmFile, HelmJob, HelmValue, Job, JsonnetJob, JsonnetValue, KustomizeJob,
    KustomizePatch, Limits, LookUp, Operation, Rendered,
};
