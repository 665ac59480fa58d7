//! What an AppProject permits: sources, destinations, kinds, namespaces of Applications, service accounts.
//!
//! Patterns are compiled once a project. A pattern that cannot be read never widens what is permitted: it allows nothing, and
//! where it was to deny something it denies everything its list is about. Nothing here knows a cluster or a user.

mod project;
mod refusal;
mod rules;

pub use project::{Cluster, Project, ScopedCluster, ServiceAccount, default_project_spec};
pub use refusal::Refusal;
