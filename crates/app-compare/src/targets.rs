use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use application_api::ConditionType;
use kube_object::{
    ApiResources, CompactObject, GroupKind, Gvk, Object, ObjectKey, RenderedManifests, RenderedObject, Scope,
    TRACKING_ANNOTATION, TrackingId,
};
use object_diff::{KindFacts, prepare};
use thiserror::Error;

use crate::annotations::{Part, part, wave};
use crate::images::images;
use crate::{Destination, ObjectOptions, Target, TargetContext, TargetKind, Targets};

/// Manifests of which nothing is applied, because leaving a part out would change the result. Give up until Git
/// changes; the message belongs into an `InvalidSpecError`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetsError {
    /// An object is a hook.
    #[error(
        "{object} ({file}:{line}) is a hook ({types}), and hooks are not supported yet; nothing is applied until the \
         annotation {annotation} is removed"
    )]
    Hook {
        /// The object, as `Kind namespace/name`.
        object: String,
        /// File inside the repository.
        file: Arc<str>,
        /// Line of the document.
        line: u32,
        /// The hook's types as written.
        types: String,
        /// The annotation that makes it a hook.
        annotation: &'static str,
    },
    /// An object has no name.
    #[error("{kind} ({file}:{line}) has no metadata.name, which every object but a hook needs; nothing is applied")]
    NoName {
        /// Its kind.
        kind: String,
        /// File inside the repository.
        file: Arc<str>,
        /// Line of the document.
        line: u32,
    },
}

/// Makes the targets of an application from what its sources render to, in source order (semantics, section 3.1).
///
/// Of objects with the same identity the last wins, at its own position. An error means that nothing may be applied.
pub fn targets(rendered: &[Arc<RenderedManifests>], context: &TargetContext<'_>) -> Result<Targets, TargetsError> {
    let objects = || rendered.iter().flat_map(|manifests| &manifests.objects);
    let defined = defined_kinds(objects());
    let mut last: HashMap<ObjectKey, (usize, u32)> = HashMap::new();
    let mut candidates = Vec::new();
    let mut conditions = Vec::new();
    for (position, rendered) in objects().enumerate() {
        let object = rendered.body.decode();
        match part(&object) {
            Part::Ignored => continue,
            Part::Hook { types, annotation } => return Err(hook_error(rendered, &object, types, annotation)),
            Part::Managed => {}
        }
        if rendered.name.is_empty() {
            let (file, line) = (rendered.file.clone(), rendered.line);
            return Err(TargetsError::NoName { kind: rendered.group_kind.to_string(), file, line });
        }
        let (kind, scope) = resolve(rendered, &defined, context.served);
        let key = identity(rendered, scope, context.destination);
        let (seen, count) = last.entry(key.clone()).or_default();
        (*seen, *count) = (position, *count + 1);
        candidates.push((position, key, kind, scope, rendered, object));
    }
    let mut targets = Vec::with_capacity(candidates.len());
    for (position, key, kind, scope, rendered, object) in candidates {
        let (latest, count) = last[&key];
        if latest != position {
            continue;
        }
        if count > 1 {
            let message = format!("Resource {} appeared {count} times among application resources.", slashed(&key));
            conditions.push((ConditionType::RepeatedResourceWarning, message));
        }
        if context.permission.is_excluded(&rendered.group_kind) {
            let message = format!("Resource {}/{} {} is excluded in the settings", key.group, key.kind, key.name);
            conditions.push((ConditionType::ExcludedResourceWarning, message));
            continue;
        }
        targets.push(finish(key, kind, scope, rendered, object, context, &mut conditions));
    }
    let mut by_key: Vec<u32> = (0..).take(targets.len()).collect();
    by_key.sort_unstable_by(|one, other| targets[*one as usize].key.cmp(&targets[*other as usize].key));
    let kinds: BTreeSet<Gvk> =
        targets.iter().filter(|target| target.kind == TargetKind::Served).map(Target::gvk).collect();
    let kinds = kinds.into_iter().collect();
    Ok(Targets { items: targets.into(), by_key: by_key.into(), conditions, kinds })
}

fn slashed(key: &ObjectKey) -> String {
    format!("{}/{}/{}/{}", key.group, key.kind, key.namespace, key.name)
}

fn hook_error(rendered: &RenderedObject, object: &Object, types: String, annotation: &'static str) -> TargetsError {
    let name = if object.name().is_empty() { "(generated name)" } else { object.name() };
    let place = if object.namespace().is_empty() { String::new() } else { format!("{}/", object.namespace()) };
    TargetsError::Hook {
        object: format!("{} {place}{name}", object.kind()),
        file: rendered.file.clone(),
        line: rendered.line,
        types,
        annotation,
    }
}

/// Reads which kinds the CustomResourceDefinitions among the manifests define, and their scope.
fn defined_kinds<'a>(objects: impl Iterator<Item = &'a RenderedObject>) -> HashMap<GroupKind, Scope> {
    objects
        .filter(|object| is_definition(&object.group_kind))
        .filter_map(|object| defined(&object.body.decode()))
        .collect()
}

fn is_definition(group_kind: &GroupKind) -> bool {
    group_kind.group == "apiextensions.k8s.io" && group_kind.kind == "CustomResourceDefinition"
}

fn defined(definition: &Object) -> Option<(GroupKind, Scope)> {
    let text = |path: &[&str]| definition.get(path)?.as_str();
    let group_kind = GroupKind::new(text(&["spec", "group"])?, text(&["spec", "names", "kind"])?);
    let scope = if text(&["spec", "scope"]) == Some("Cluster") { Scope::Cluster } else { Scope::Namespaced };
    Some((group_kind, scope))
}

fn resolve(
    rendered: &RenderedObject,
    defined: &HashMap<GroupKind, Scope>,
    resources: &ApiResources,
) -> (TargetKind, Scope) {
    let gvk = Gvk::from_api_version(&rendered.api_version, &rendered.group_kind.kind);
    if let Some(resource) = resources.get(&gvk) {
        return (TargetKind::Served, resource.scope);
    }
    let served = resources.preferred(&rendered.group_kind).map(|resource| resource.scope);
    match defined.get(&rendered.group_kind) {
        Some(scope) => (TargetKind::DefinedHere, *scope),
        None => (TargetKind::Unknown, served.unwrap_or(Scope::Namespaced)),
    }
}

/// Fills the namespace in.
fn identity(rendered: &RenderedObject, scope: Scope, destination: &Destination) -> ObjectKey {
    let namespace = match scope {
        Scope::Cluster => "",
        Scope::Namespaced if rendered.namespace.is_empty() => &destination.namespace,
        Scope::Namespaced => &rendered.namespace,
    };
    ObjectKey::new(destination.cluster.clone(), rendered.group_kind.clone(), namespace, rendered.name.clone())
}

fn finish(
    key: ObjectKey,
    kind: TargetKind,
    scope: Scope,
    rendered: &RenderedObject,
    mut object: Object,
    context: &TargetContext<'_>,
    conditions: &mut Vec<(ConditionType, String)>,
) -> Target {
    object.set_namespace(&key.namespace);
    if !is_definition(&rendered.group_kind) {
        let namespace = if key.namespace.is_empty() { &context.destination.namespace } else { &key.namespace };
        let id = TrackingId {
            instance: context.instance.clone(),
            group_kind: rendered.group_kind.clone(),
            namespace: namespace.clone(),
            name: key.name.clone(),
        };
        object.set_annotation(TRACKING_ANNOTATION, &id.to_string());
    }
    let resource = context.served.get(&object.gvk());
    let facts = resource.map_or(KindFacts { has_status_subresource: false }, KindFacts::of);
    for warning in prepare(&mut object, &facts) {
        let message = format!("{}/{}: {}", key.kind, key.name, warning.message);
        conditions.push((ConditionType::RepeatedResourceWarning, message));
    }
    let mut refusal = context.permission.refusal(&rendered.group_kind, scope, &key.namespace, &key.name);
    if kind != TargetKind::Unknown && scope == Scope::Namespaced && key.namespace.is_empty() {
        let gvk = object.gvk();
        let message =
            format!("Namespace for {} {}/{}, Kind={} is missing.", key.name, gvk.group, gvk.version, gvk.kind);
        conditions.push((ConditionType::InvalidSpecError, message.clone()));
        refusal = Some(message);
    }
    let body = CompactObject::of(&object);
    Target {
        digest: body.digest(),
        wave: wave(&object),
        options: ObjectOptions::of(&object),
        images: images(&object),
        defines: is_definition(&rendered.group_kind).then(|| defined(&object)).flatten().map(|(kind, _)| kind),
        version: object.gvk().version,
        file: rendered.file.clone(),
        line: rendered.line,
        key,
        scope,
        body,
        kind,
        refusal,
    }
}
