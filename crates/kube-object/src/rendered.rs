use std::sync::Arc;

use crate::{CompactObject, Digest, GroupKind, Object};

/// What one source renders to: objects in render order, before destination namespace and tracking are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedManifests {
    /// Objects in the order of their files and documents.
    pub objects: Vec<RenderedObject>,
    /// Digest of the canonical output: equal digests mean equal objects in equal order.
    pub digest: Digest,
    /// Digest of everything the render looked up, its options and the renderer's version: the cache key.
    pub input_key: Digest,
    /// Things to tell people that do not stop the render, each naming file and line.
    pub warnings: Vec<String>,
}

/// One rendered object and where it came from. Identity fields are kept beside the bytes, because they are asked for often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedObject {
    /// Group and kind.
    pub group_kind: GroupKind,
    /// `apiVersion` as written.
    pub api_version: String,
    /// Namespace as written; may be empty.
    pub namespace: String,
    /// Name as written; may be empty when `generateName` is set.
    pub name: String,
    /// File inside the repository.
    pub file: Arc<str>,
    /// Line of the document in the file, from 1.
    pub line: u32,
    /// The object.
    pub body: CompactObject,
}

/// Whether a source renders to the same each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stability {
    /// It does.
    #[default]
    Stable,
    /// It does not: a template uses random values or the time.
    Unstable,
}

impl RenderedObject {
    /// Keeps an object with its origin.
    pub fn new(object: &Object, file: Arc<str>, line: u32) -> Self {
        Self {
            group_kind: object.group_kind(),
            api_version: object.api_version().to_owned(),
            namespace: object.namespace().to_owned(),
            name: object.name().to_owned(),
            file,
            line,
            body: CompactObject::of(object),
        }
    }
}

impl RenderedManifests {
    /// Collects rendered objects and computes their digest.
    pub fn new(objects: Vec<RenderedObject>, input_key: Digest, warnings: Vec<String>) -> Self {
        let texts: Vec<_> = objects.iter().map(|object| object.body.to_json()).collect();
        let digest = Digest::of_parts(texts.iter().map(|text| &**text));
        Self { objects, digest, input_key, warnings }
    }

    /// Puts what several sources render to together, in the order of the sources.
    pub fn joined(parts: &[Arc<Self>]) -> Self {
        let objects = parts.iter().flat_map(|part| part.objects.iter().cloned()).collect();
        let input_key = Digest::of_parts(parts.iter().map(|part| part.input_key.as_bytes().as_slice()));
        let warnings = parts.iter().flat_map(|part| part.warnings.iter().cloned()).collect();
        Self::new(objects, input_key, warnings)
    }
}
