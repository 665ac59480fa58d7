//! The hands of the engine: what one API server is asked, and what it answers.
//!
//! Start reading at [`Cluster`]. Every request is made of JSON objects ([`kube_object::Object`]), so that no field is lost, and
//! every failure is an [`kube_object::ApiError`]. Nothing is decided here: no request is repeated, except that a watch
//! ([`Cluster::watch`]) keeps itself alive. Leadership among replicas ([`run_lease`]) is the one loop that writes on its own.

mod access;
mod answer;
mod backoff;
mod cluster;
mod connect;
mod discovery;
mod lease;
mod lines;
mod observe;
mod options;
mod read;
mod sweep;
mod transport;
mod watch;
mod write;

#[cfg(test)]
mod scripted;

pub use access::{ActingAs, Detail, DryRun, FieldValidation, ObjectRef, Selector};
pub use cluster::Cluster;
pub use connect::{ConnectError, ConnectOptions};
pub use lease::{
    Leadership, LeaseAction, LeaseClient, LeaseEnd, LeaseOptions, LeaseRecord, LeaseTiming, ObservedLease, decide,
    run_lease,
};
pub use observe::{ObservedRequest, RequestObserver, Verb};
pub use options::ClientOptions;
pub use read::{ListRequest, Page};
pub use sweep::SweepEvent;
pub use transport::{RequestBody, ResponseBody};
pub use watch::{Phase, WatchEvent, WatchRequest};
pub use write::{ApplyRequest, Conflicts, DeleteRequest, Deleted, Effect, Propagation, WriteOptions, Written};
