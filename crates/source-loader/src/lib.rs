//! Everything that a render reads: the tree of a source, those of the sources it refers to, and what it turns out to need from
//! elsewhere.
//!
//! Start with [`Loader::render`]: it renders, gets what the render says it lacks, and renders again. What was got is kept for a
//! while, so that Applications which need the same share it.

mod got;
mod loader;
mod origin;
mod remote_base;
mod remotes;

pub use got::Freshness;
pub use loader::{LoadError, Loader, RenderTask};
pub use origin::{Origin, artifact_repository};
