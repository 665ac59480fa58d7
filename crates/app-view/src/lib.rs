//! The read model of applications and its change feed.
//!
//! The controller publishes; the API server reads and never calls back. An application is held as compressed JSON,
//! which the reconciler shares, and decoded when it is shown. Readers get shared snapshots and never block a publisher for longer
//! than a map look-up. Deliberately absent: any decision, any I/O, any knowledge of the cluster.

mod feed;
mod snapshot;
mod summary;
mod view;
mod why;

pub use feed::{Change, ChangeFeed};
pub use snapshot::{AppJson, AppSnapshot};
pub use summary::{AppSummary, ConditionSummary, Text};
pub use view::{AppView, Readiness};
pub use why::WhyLine;
