//! Leadership among replicas through a `coordination.k8s.io/v1` Lease, as client-go's leader election does it.

mod client;
mod decision;
mod record;
mod runner;

pub use client::LeaseClient;
pub use decision::{LeaseAction, LeaseTiming, ObservedLease, decide};
pub use record::LeaseRecord;
pub use runner::{Leadership, LeaseEnd, LeaseOptions, run_lease};
