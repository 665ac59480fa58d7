//! A Kubernetes object as JSON: its identity, metadata, patches, quantities and digests.
//!
//! Objects stay JSON ([`Object`]) because the engine must carry every field of every kind unharmed; typed views are taken
//! only of the parts that decisions need. Nothing here performs I/O.

mod api_error;
mod api_resource;
mod compact;
mod digest;
mod identity;
mod metadata;
mod object;
mod patch;
mod quantity;
mod rendered;
mod time;
mod tracking;

pub use api_error::{ApiError, ErrorClass, StatusCause};
pub use api_resource::{ApiResource, ApiResources, ClusterVersions, Scope};
pub use compact::CompactObject;
pub use digest::{Digest, canonical_json};
pub use identity::{ClusterId, GroupKind, Gvk, ObjectKey};
pub use metadata::{ObjectMeta, OwnerReference};
pub use object::Object;
pub use patch::{apply_merge_patch, merge_patch};
pub use quantity::{Quantity, QuantityError};
pub use rendered::{RenderedManifests, RenderedObject, Stability};
pub use time::Time;
pub use tracking::{InstanceName, TRACKING_ANNOTATION, TrackingId};
