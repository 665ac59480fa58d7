use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use application_api::ConditionType;
use application_api::constants::{HOOK_FINALIZER, SYNC_OPTIONS_ANNOTATION};
use kube_object::{
    ApiResources, CompactObject, GroupKind, Gvk, InstanceName, Object, ObjectKey, RenderedManifests, RenderedObject,
    Scope, TRACKING_ANNOTATION, TrackingId,
};
use object_diff::{KindFacts, prepare};
use serde_json::json;
use thiserror::Error;

use crate::annotations::{Part, hook_deletion, part, wave};
use crate::images::images;
use crate::{Destination, HookTarget, ObjectOptions, Target, TargetContext, TargetKind, Targets};

/// Manifests of which nothing is applied, because leaving a part out would change the result. Give up until Git
/// changes; the message belongs into an `InvalidSpecError`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetsError {
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
        let part = part(&object);
        if part == Part::Ignored {
            continue;
        }
        let generate_name = if part == Part::Managed { "" } else { generate_name(&object) };
        if rendered.name.is_empty() && generate_name.is_empty() {
            let (file, line) = (rendered.file.clone(), rendered.line);
            return Err(TargetsError::NoName { kind: rendered.group_kind.to_string(), file, line });
        }
        let (kind, scope) = resolve(rendered, &defined, context.served);
        let generate_name = generate_name.to_owned();
        let key = identity(rendered, &generate_name, scope, context.destination);
        let (seen, count) = last.entry(key.clone()).or_default();
        (*seen, *count) = (position, *count + 1);
        candidates.push((position, key, kind, scope, rendered, object, part, generate_name));
    }
    let mut targets = Vec::with_capacity(candidates.len());
    let mut hooks = Vec::new();
    for (position, mut key, kind, scope, rendered, object, part, generate_name) in candidates {
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
        let Part::Hook(types) = part else {
            targets.push(finish(key, kind, scope, rendered, object, context, &mut conditions));
            continue;
        };
        let generate_name = if rendered.name.is_empty() { generate_name } else { String::new() };
        key.name.clone_from(&rendered.name);
        let deletion = hook_deletion(&object);
        let target = finish(key, kind, scope, rendered, with_hook_finalizer(object), context, &mut conditions);
        hooks.push(HookTarget { target, generate_name, types, deletion });
    }
    targets.extend(managed_namespace(context, &targets));
    let mut by_key: Vec<u32> = (0..).take(targets.len()).collect();
    by_key.sort_unstable_by(|one, other| targets[*one as usize].key.cmp(&targets[*other as usize].key));
    let all = targets.iter().chain(hooks.iter().map(|hook| &hook.target));
    let kinds: BTreeSet<Gvk> = all.filter(|target| target.kind == TargetKind::Served).map(Target::gvk).collect();
    let kinds = kinds.into_iter().collect();
    Ok(Targets { items: targets.into(), hooks: hooks.into(), by_key: by_key.into(), conditions, kinds })
}

/// Returns what the name of an object begins with, where it has none and one is to be generated.
fn generate_name(object: &Object) -> &str {
    object.get(&["metadata", "generateName"]).and_then(|name| name.as_str()).unwrap_or_default()
}

/// Adds the finalizer that keeps the object of a hook until it is known what it has come to.
fn with_hook_finalizer(object: Object) -> Object {
    let mut value = object.into_value();
    let metadata = &mut value["metadata"];
    let mut finalizers = metadata["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == HOOK_FINALIZER) {
        finalizers.push(HOOK_FINALIZER.into());
    }
    metadata["finalizers"] = finalizers.into();
    Object::from_value(value).expect("it was an object before")
}

/// Makes the target of the destination namespace whose metadata the Application manages, unless it is among the targets.
///
/// It is not tracked: it stays when the Application goes (semantics, section 2.3).
fn managed_namespace(context: &TargetContext<'_>, targets: &[Target]) -> Option<Target> {
    let managed = context.namespace?;
    let name = &context.destination.namespace;
    let group_kind = GroupKind::new("", "Namespace");
    let key = ObjectKey::new(context.destination.cluster.clone(), group_kind.clone(), "", name.clone());
    if name.is_empty() || targets.iter().any(|target| target.key == key) {
        return None;
    }
    let mut annotations = managed.annotations.clone();
    annotations.insert(SYNC_OPTIONS_ANNOTATION.to_owned(), "ServerSideApply=true".to_owned());
    let metadata = json!({ "name": name, "labels": managed.labels, "annotations": annotations });
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata });
    let body = CompactObject::of(&Object::from_value(object).ok()?);
    Some(Target {
        digest: body.digest(),
        wave: 0,
        options: ObjectOptions::default(),
        images: Vec::new(),
        defines: None,
        version: "v1".to_owned(),
        file: "spec.syncPolicy.managedNamespaceMetadata".into(),
        line: 0,
        refusal: context.permission.refusal(&group_kind, Scope::Cluster, "", name),
        key,
        scope: Scope::Cluster,
        body,
        kind: TargetKind::Served,
    })
}

fn slashed(key: &ObjectKey) -> String {
    format!("{}/{}/{}/{}", key.group, key.kind, key.namespace, key.name)
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
fn identity(rendered: &RenderedObject, generate_name: &str, scope: Scope, destination: &Destination) -> ObjectKey {
    let namespace = match scope {
        Scope::Cluster => "",
        Scope::Namespaced if rendered.namespace.is_empty() => &destination.namespace,
        Scope::Namespaced => &rendered.namespace,
    };
    let name = if rendered.name.is_empty() { generate_name } else { &rendered.name };
    ObjectKey::new(destination.cluster.clone(), rendered.group_kind.clone(), namespace, name)
}

/// Writes the tracking id of an object; cluster-scoped objects have the destination namespace in theirs.
pub fn tracking_id(instance: &InstanceName, key: &ObjectKey, namespace: &str) -> String {
    let id = TrackingId {
        instance: instance.clone(),
        group_kind: key.group_kind(),
        namespace: namespace.to_owned(),
        name: key.name.clone(),
    };
    id.to_string()
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
    if !is_definition(&rendered.group_kind) && !key.name.is_empty() {
        let namespace = if key.namespace.is_empty() { &context.destination.namespace } else { &key.namespace };
        object.set_annotation(TRACKING_ANNOTATION, &tracking_id(context.instance, &key, namespace));
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
