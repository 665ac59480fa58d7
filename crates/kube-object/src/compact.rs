use std::borrow::Cow;
use std::sync::Arc;

use lz4_flex::block::{compress_with_dict, decompress_with_dict};

use crate::{Digest, Object};

/// Texts that recur in objects, `managedFields` above all. What is kept refers to them instead of repeating them.
static DICTIONARY: &[u8] = include_bytes!("compact/dictionary.txt");

/// An object as compressed JSON: what is kept of the many, decoded when one is looked at.
///
/// Equal objects have equal bytes, and clones share them. The bytes are for this process only.
#[derive(Clone, PartialEq, Eq)]
pub struct CompactObject {
    bytes: Arc<[u8]>,
    /// Length of the JSON text.
    len: usize,
}

impl CompactObject {
    /// Encodes an object.
    pub fn of(object: &Object) -> Self {
        Self::of_json(&serde_json::to_vec(object).expect("a JSON map with string keys always serialises"))
    }

    fn of_json(json: &[u8]) -> Self {
        let compressed = compress_with_dict(json, DICTIONARY);
        // What does not become smaller is kept as it is; the length tells.
        let bytes = if compressed.len() < json.len() { compressed.into() } else { json.into() };
        Self { bytes, len: json.len() }
    }

    /// Decodes the object.
    pub fn decode(&self) -> Object {
        serde_json::from_slice(&self.to_json()).expect("the bytes come from `of`, which wrote valid JSON")
    }

    /// Returns the JSON text of the object.
    pub fn to_json(&self) -> Cow<'_, [u8]> {
        if self.bytes.len() == self.len {
            return Cow::Borrowed(&self.bytes);
        }
        let json = decompress_with_dict(&self.bytes, self.len, DICTIONARY);
        Cow::Owned(json.expect("the bytes come from `of`, which compressed them with the same dictionary"))
    }

    /// Returns the length of the JSON text in bytes.
    pub fn json_len(&self) -> usize {
        self.len
    }

    /// Returns the bytes that are kept: equal for equal objects, in this process.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest of the canonical JSON.
    pub fn digest(&self) -> Digest {
        Digest::of_bytes(&self.to_json())
    }
}

impl std::fmt::Debug for CompactObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CompactObject({} bytes of JSON)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(value: Value) -> CompactObject {
        let object = Object::from_value(value).unwrap();
        let compact = CompactObject::of(&object);
        assert_eq!(compact.decode(), object);
        assert_eq!(*compact.to_json(), serde_json::to_vec(&object).unwrap());
        assert_eq!(compact, CompactObject::of(&compact.decode()));
        compact
    }

    #[test]
    fn an_object_comes_back_as_it_was() {
        check(json!({}));
        check(json!({"a": 1}));
        check(json!({"kind": "ConfigMap", "data": {"a": "x".repeat(100_000), "ü": "\u{1F600}\n\\\""}}));
        let letters = (0_u32..4000).map(|at| u8::try_from(33 + (at.wrapping_mul(2_654_435_761) >> 20) % 90).unwrap());
        let noise: String = letters.map(char::from).collect();
        check(json!({"data": noise}));
        assert_ne!(check(json!({"a": "1"})), check(json!({"a": "2"})));
    }

    #[test]
    fn what_objects_have_in_common_is_not_kept_with_each() {
        let entry = json!({
            "apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "argocd-controller", "operation": "Apply",
            "fieldsV1": {"f:metadata": {"f:annotations": {"f:argocd.argoproj.io/tracking-id": {}}}}, "time": "2026-03-01T12:00:00Z",
        });
        let object = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "web", "namespace": "shop", "uid": "1b3c", "managedFields": [entry]},
        });
        let compact = check(object);
        let (kept, len) = (compact.as_bytes().len(), compact.to_json().len());
        assert!(kept * 3 < len, "{kept} of {len} bytes");
    }
}
