//! Takes out of an object what the index keeps.

use std::sync::Arc;

use kube_object::{InstanceName, Object, Time, TrackingId};
use object_health::{Health, Overrides, health, pending_deletion};
use serde_json::{Map, Value};

use crate::interner::Interner;
use crate::kinds::Role;
use crate::{Detail, ResourceVersion, Tracking, TrackingOf, Uid};

/// What is read of one version of an object.
pub(crate) struct Reading {
    pub(crate) uid: Uid,
    pub(crate) resource_version: ResourceVersion,
    pub(crate) api_version: Arc<str>,
    pub(crate) created_at: Option<Time>,
    pub(crate) owners: Box<[Uid]>,
    pub(crate) tracking: Option<Tracking>,
    pub(crate) is_deleting: bool,
    pub(crate) detail: Detail,
    /// Of metadata alone: only that of an object that is being deleted.
    pub(crate) health: Option<Health>,
    pub(crate) images: Box<[Arc<str>]>,
    pub(crate) claims: Box<[Box<str>]>,
}

/// Reads an object.
pub(crate) fn read(
    object: &Object,
    role: Role,
    detail: Detail,
    overrides: &Overrides,
    texts: &mut Interner,
) -> Reading {
    let is_full = detail == Detail::Full;
    Reading {
        uid: Uid::new(object.uid()),
        resource_version: ResourceVersion::new(object.resource_version()),
        api_version: texts.share(object.api_version()),
        created_at: object.get(&["metadata", "creationTimestamp"]).and_then(Value::as_str).and_then(Time::parse),
        owners: owners(object),
        tracking: tracking(object),
        is_deleting: object.is_deleting(),
        detail,
        health: if is_full { health(object, overrides) } else { pending_deletion(object) },
        images: if is_full && role == Role::Pod { images(object, texts) } else { Box::default() },
        claims: if is_full && role == Role::StatefulSet { claims(object) } else { Box::default() },
    }
}

fn list<'a>(object: &'a Object, path: &[&str]) -> &'a [Value] {
    object.get(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn owners(object: &Object) -> Box<[Uid]> {
    let references = list(object, &["metadata", "ownerReferences"]).iter();
    references.map(|owner| Uid::new(owner.get("uid").and_then(Value::as_str).unwrap_or_default())).collect()
}

fn tracking(object: &Object) -> Option<Tracking> {
    let id = TrackingId::of_live(object)?;
    let is_own = id.is_of(&object.group_kind(), object.namespace(), object.name());
    Some(Tracking { instance: id.instance, of: if is_own { TrackingOf::Itself } else { TrackingOf::Another } })
}

fn images(object: &Object, texts: &mut Interner) -> Box<[Arc<str>]> {
    let containers = list(object, &["spec", "containers"]).iter().chain(list(object, &["spec", "initContainers"]));
    let images = containers.filter_map(|container| container.get("image")?.as_str());
    let mut images: Vec<_> = images.map(|image| texts.share(image)).collect();
    images.sort_unstable();
    images.dedup();
    images.into()
}

fn claims(object: &Object) -> Box<[Box<str>]> {
    let templates = list(object, &["spec", "volumeClaimTemplates"]).iter();
    let names = templates.filter_map(|template| template.get("metadata")?.get("name")?.as_str());
    names.map(|template| format!("{template}-{}", object.name()).into()).collect()
}

/// Returns what the name of a StatefulSet's volume claim starts with: the name without the ordinal at its end.
pub(crate) fn claim_of(name: &str) -> Option<&str> {
    let (claim, ordinal) = name.rsplit_once('-')?;
    (!ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit())).then_some(claim)
}

/// Replaces the instance name by the copy that all objects of the application share.
pub(crate) fn share_instance(tracking: &mut Option<Tracking>, known: Option<&InstanceName>) {
    if let (Some(tracking), Some(known)) = (tracking, known) {
        tracking.instance = known.clone();
    }
}

/// Returns a CustomResourceDefinition without schemas and `managedFields`: what discovery and health need.
pub(crate) fn outline(object: &Object) -> Object {
    let mut kept = Object::default();
    for (name, value) in object.fields() {
        let value = match (name.as_str(), value) {
            ("metadata", Value::Object(meta)) => without(meta, &["managedFields", "annotations"]),
            ("spec", Value::Object(spec)) => outline_spec(spec),
            _ => value.clone(),
        };
        kept.fields_mut().insert(name.clone(), value);
    }
    kept
}

fn outline_spec(spec: &Map<String, Value>) -> Value {
    let mut kept = without(spec, &["versions", "validation"]);
    if let Some(Value::Array(versions)) = spec.get("versions") {
        let versions =
            versions.iter().map(|version| version.as_object().map_or(Value::Null, |map| without(map, &["schema"])));
        kept["versions"] = versions.collect();
    }
    kept
}

fn without(map: &Map<String, Value>, names: &[&str]) -> Value {
    let kept = map.iter().filter(|(name, _)| !names.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}
