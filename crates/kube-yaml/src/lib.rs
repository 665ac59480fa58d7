//! Manifest bytes to JSON values exactly as Kubernetes' Go tooling reads them, and back.
//!
//! The reference is apimachinery's `NewYAMLOrJSONDecoder` over `sigs.k8s.io/yaml` over go-yaml v2, as Argo CD reads the files
//! of a directory: textual document splitting, JSON streams, YAML 1.1 scalars, merge keys in document order. libyaml supplies
//! the grammar ([`libyaml_rs`], wrapped in one module), everything above it is resolved here. `tests/go_oracle.rs` compares
//! this crate with the Go code.
//!
//! No input makes it panic, and [`Limits`] bound its time and memory.

mod base64;
mod construct;
mod decode;
mod encoding;
mod error;
mod events;
mod json;
mod limits;
mod list;
mod number;
mod resolve;
mod source;
mod split;
mod timestamp;
mod tree;
mod write;

pub use decode::{Document, decode, decode_json};
pub use encoding::looks_like_manifest;
pub use error::{DecodeError, DecodeStep};
pub use limits::Limits;
pub use list::expand_lists;
pub use write::to_yaml;

#[cfg(test)]
mod tests;
