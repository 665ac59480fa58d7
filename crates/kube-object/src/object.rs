use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ClusterId, GroupKind, Gvk, ObjectKey, ObjectMeta};

/// A Kubernetes object: a JSON map with `apiVersion`, `kind` and `metadata`.
///
/// `Debug` prints the identity only, so that an object body never reaches a log.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object(Map<String, Value>);

impl Object {
    /// Takes a JSON value as an object; gives the value back when it is not a map.
    pub fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            other => Err(other),
        }
    }

    /// Returns the object as a JSON value.
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// Returns the fields of the object.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Returns the fields of the object for change.
    pub fn fields_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }

    /// Returns `apiVersion`, or an empty string.
    pub fn api_version(&self) -> &str {
        self.text("apiVersion")
    }

    /// Returns `kind`, or an empty string.
    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    /// Returns group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::from_api_version(self.api_version(), self.kind())
    }

    /// Returns group and kind.
    pub fn group_kind(&self) -> GroupKind {
        let group = self.api_version().split_once('/').map_or("", |(group, _)| group);
        GroupKind::new(group, self.kind())
    }

    /// Returns `metadata.name`, or an empty string.
    pub fn name(&self) -> &str {
        self.meta_text("name")
    }

    /// Returns `metadata.namespace`, or an empty string.
    pub fn namespace(&self) -> &str {
        self.meta_text("namespace")
    }

    /// Returns `metadata.uid`, or an empty string.
    pub fn uid(&self) -> &str {
        self.meta_text("uid")
    }

    /// Returns `metadata.resourceVersion`, or an empty string.
    pub fn resource_version(&self) -> &str {
        self.meta_text("resourceVersion")
    }

    /// Tells whether deletion of the object has been requested.
    pub fn is_deleting(&self) -> bool {
        self.metadata_map().and_then(|meta| meta.get("deletionTimestamp")).is_some_and(|at| !at.is_null())
    }

    /// Returns the typed view of `metadata`; fields of the wrong type read as absent.
    pub fn metadata(&self) -> ObjectMeta {
        self.0.get("metadata").and_then(|meta| ObjectMeta::deserialize(meta).ok()).unwrap_or_else(|| ObjectMeta {
            name: self.name().to_owned(),
            namespace: self.namespace().to_owned(),
            ..ObjectMeta::default()
        })
    }

    /// Returns one annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata_map()?.get("annotations")?.get(name)?.as_str()
    }

    /// Returns one label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.metadata_map()?.get("labels")?.get(name)?.as_str()
    }

    /// Returns the identity of the object in `cluster`.
    pub fn key(&self, cluster: ClusterId) -> ObjectKey {
        ObjectKey::new(cluster, self.group_kind(), self.namespace(), self.name())
    }

    /// Returns the value at a path of map keys.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.0.get(*first)?, |value, key| value.get(*key))
    }

    /// Sets `metadata.name`, in the place of a name to be generated.
    pub fn set_name(&mut self, name: &str) {
        let meta = self.metadata_map_mut();
        meta.remove("generateName");
        meta.insert("name".to_owned(), name.into());
    }

    /// Sets the resourceVersion that a write is based on.
    pub fn set_resource_version(&mut self, version: &str) {
        self.metadata_map_mut().insert("resourceVersion".to_owned(), version.into());
    }

    /// Sets `metadata.namespace`; an empty namespace removes the field.
    pub fn set_namespace(&mut self, namespace: &str) {
        let meta = self.metadata_map_mut();
        if namespace.is_empty() {
            meta.remove("namespace");
        } else {
            meta.insert("namespace".to_owned(), Value::from(namespace));
        }
    }

    /// Sets one annotation; annotations of another type than a map are replaced.
    pub fn set_annotation(&mut self, name: &str, value: &str) {
        let meta = self.metadata_map_mut();
        let annotations = meta.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
        if !annotations.is_object() {
            *annotations = Value::Object(Map::new());
        }
        if let Value::Object(map) = annotations {
            map.insert(name.to_owned(), Value::from(value));
        }
    }

    /// Returns `metadata` for change; made when absent.
    pub fn metadata_map_mut(&mut self) -> &mut Map<String, Value> {
        let meta = self.0.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if !meta.is_object() {
            *meta = Value::Object(Map::new());
        }
        match meta {
            Value::Object(map) => map,
            _ => unreachable!("made a map just above"),
        }
    }

    fn metadata_map(&self) -> Option<&Map<String, Value>> {
        self.0.get("metadata")?.as_object()
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn meta_text(&self, field: &str) -> &str {
        self.metadata_map().and_then(|meta| meta.get(field)).and_then(Value::as_str).unwrap_or_default()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} {}/{})", self.gvk(), self.namespace(), self.name())
    }
}
