use crate::{Digest, Object};

/// An object as compact JSON bytes: what is kept of the many, decoded when one is looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct CompactObject(Box<[u8]>);

impl CompactObject {
    /// Encodes an object.
    pub fn of(object: &Object) -> Self {
        Self(serde_json::to_vec(object).expect("a JSON map with string keys always serialises").into_boxed_slice())
    }

    /// Decodes the object.
    pub fn decode(&self) -> Object {
        serde_json::from_slice(&self.0).expect("the bytes come from `of`, which wrote valid JSON")
    }

    /// Returns the JSON text of the object.
    pub fn as_json(&self) -> &[u8] {
        &self.0
    }

    /// Returns the digest of the canonical JSON.
    pub fn digest(&self) -> Digest {
        Digest::of_bytes(&self.0)
    }
}

impl std::fmt::Debug for CompactObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CompactObject({} bytes)", self.0.len())
    }
}
