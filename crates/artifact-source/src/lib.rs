//! Charts and other artifacts by URL and version, as trees that can be read.
//!
//! Start with [`Artifacts`]. Chart repositories are asked for their index once a poll, registries for what is wanted of them; what
//! was downloaded is kept on disk, verified by its digest whenever it is read.

mod artifacts;
mod error;
mod http;
mod index;
mod oci;
mod options;
mod store;
mod tree;
mod unpack;

pub use artifacts::{Archive, Artifacts};
pub use error::ArtifactError;
pub use options::{ArtifactKind, ArtifactOptions, ArtifactRepository, Wanted};
pub use store::DiskStore;
pub use tree::ArtifactTree;
