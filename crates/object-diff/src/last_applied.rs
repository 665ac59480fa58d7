use std::borrow::Cow;

use kube_object::Object;
use serde_json::{Map, Value};

use crate::equality::same_key;
use crate::managed_fields::{Entry, is_leaf};

/// The annotation in which client-side apply notes what it was given.
pub(crate) const LAST_APPLIED_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What the last client-side apply was given.
///
/// An `Update` entry holds the defaults of its time as well, which nobody asked for: they are not taken over, as client-side
/// apply itself removes only what its last configuration had.
pub(crate) struct LastApplied(Map<String, Value>);

impl LastApplied {
    /// Reads the annotation of an object; none when there is none that can be read.
    pub(crate) fn of(live: &Object) -> Option<Self> {
        let text = live.get(&["metadata", "annotations", LAST_APPLIED_ANNOTATION])?.as_str()?;
        let Value::Object(mut config) = serde_json::from_str(text).ok()? else { return None };
        if live.kind() == "Secret"
            && let Some(Value::Object(texts)) = config.remove("stringData")
        {
            match config.entry("data").or_insert(Value::Null) {
                Value::Object(data) => data.extend(texts),
                data => *data = Value::Object(texts),
            }
        }
        Some(Self(config))
    }

    /// Returns the part of an entry's tree that the configuration names, and the annotation itself; none when the two are
    /// written in different versions.
    pub(crate) fn named(&self, entry: &Entry<'_>) -> Option<Map<String, Value>> {
        let api_version = self.0.get("apiVersion").and_then(Value::as_str)?;
        (api_version == entry.api_version()).then(|| {
            let mut named = fields(entry.fields, &self.0);
            keep_annotation(entry.fields, &mut named);
            named
        })
    }
}

fn keep_annotation(tree: &Map<String, Value>, named: &mut Map<String, Value>) {
    let annotation = format!("f:{LAST_APPLIED_ANNOTATION}");
    let path = ["f:metadata", "f:annotations"];
    let owned = path.iter().try_fold(tree, |tree, key| tree.get(*key)?.as_object());
    let Some(node) = owned.and_then(|annotations| annotations.get(&annotation)) else { return };
    let map = |parent: &mut Map<String, Value>, key: &str| {
        let child = parent.entry(key).or_insert_with(|| Value::Object(Map::new()));
        child.as_object_mut().map(std::mem::take).unwrap_or_default()
    };
    let mut metadata = map(named, path[0]);
    let mut annotations = map(&mut metadata, path[1]);
    annotations.insert(annotation, node.clone());
    metadata.insert(path[1].to_owned(), Value::Object(annotations));
    named.insert(path[0].to_owned(), Value::Object(metadata));
}

/// Keeps of a map's tree what the configuration has.
fn fields(tree: &Map<String, Value>, config: &Map<String, Value>) -> Map<String, Value> {
    let keep = |(raw, node): (&String, &Value)| {
        let value = raw.strip_prefix("f:").and_then(|name| config.get(name));
        let kept = if raw == "." { Some(Cow::Borrowed(node)) } else { below(node, value?) };
        Some((raw.clone(), kept?.into_owned()))
    };
    tree.iter().filter_map(keep).collect()
}

/// Keeps of a node what a value of the configuration has; none when that is nothing.
fn below<'t>(node: &'t Value, value: &Value) -> Option<Cow<'t, Value>> {
    let whole = Some(Cow::Borrowed(node));
    let Some(kids) = node.as_object().filter(|kids| !is_leaf(kids)) else {
        return whole.filter(|_| !value.is_null());
    };
    let kept = match value {
        Value::Null => return None,
        Value::Object(config) => fields(kids, config),
        Value::Array(config) => items(kids, config),
        // The server reads the value as something else than what was written.
        _ => return whole,
    };
    (!is_leaf(&kept)).then_some(Cow::Owned(Value::Object(kept)))
}

fn items(tree: &Map<String, Value>, config: &[Value]) -> Map<String, Value> {
    let keep = |(raw, node): (&String, &Value)| {
        let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
        let kept = match raw.split_at_checked(2)? {
            ("k:", text) => {
                let keys = parse(text)?;
                let keys = keys.as_object()?;
                let spells_out = |item: &&Value| {
                    keys.iter().all(|(name, value)| item.get(name).is_some_and(|there| same_key(there, value)))
                };
                // An item may leave a key to its default, unless another one spells it out.
                let agrees = |item: &&Value| {
                    keys.iter().all(|(name, value)| item.get(name).is_none_or(|there| same_key(there, value)))
                };
                // The item is named even if nothing in it but its keys is.
                let item = config.iter().find(spells_out).or_else(|| config.iter().find(agrees))?;
                below(node, item).map_or_else(|| Value::Object(Map::new()), Cow::into_owned)
            }
            ("v:", text) => {
                let value = parse(text)?;
                config.iter().any(|item| same_key(item, &value)).then(|| node.clone())?
            }
            _ => node.clone(),
        };
        Some((raw.clone(), kept))
    };
    tree.iter().filter_map(keep).collect()
}
