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
    ChartReference, Failed, FailureKind, Found, HelmDependency, HelmFile, HelmJob, HelmValue, InflationJob, Job,
    JsonnetJob, JsonnetValue, KustomizeJob, KustomizePatch, Limits, LookUp, Operation, Rendered,
};
