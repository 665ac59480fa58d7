use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use kube_object::Object;
use kube_yaml::{Document, Limits};
use object_health::{Health, Overrides};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Outcome;
use crate::cli::HealthArgs;
use crate::output;

/// Prefix of the keys of argocd-cm that hold one health script each.
const SCRIPT_PREFIX: &str = "resource.customizations.health.";
/// Key of argocd-cm that holds all customisations in one map.
const ALL_CUSTOMIZATIONS: &str = "resource.customizations";

/// Prints the health of the objects in the files, one JSON object a line.
pub(super) fn run(args: &HealthArgs) -> anyhow::Result<Outcome> {
    let overrides = match &args.config {
        Some(path) => overrides(path)?,
        None => Overrides::default(),
    };
    let mut out = String::new();
    for path in &args.files {
        for object in objects(path)? {
            let health = object_health::health(&object, &overrides);
            out.push_str(&line(&object, health.as_ref()).to_string());
            out.push('\n');
        }
    }
    output::print(&out)?;
    Ok(Outcome::Done)
}

fn line(object: &Object, health: Option<&Health>) -> Value {
    json!({
        "apiVersion": object.api_version(),
        "kind": object.kind(),
        "namespace": object.namespace(),
        "name": object.name(),
        "status": health.map(|health| health.status.as_str()),
        "message": health.map_or("", |health| &health.message),
    })
}

/// Reads the objects of a file, lists taken apart.
fn objects(path: &Path) -> anyhow::Result<Vec<Object>> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let mut objects = Vec::new();
    for document in kube_yaml::decode(&name, &bytes, &Limits::default())? {
        for Document { value, line } in kube_yaml::expand_lists(&name, document)? {
            match Object::from_value(value) {
                Ok(object) if !object.kind().is_empty() => objects.push(object),
                _ => bail!("{name}:{line}: expected an object with apiVersion and kind"),
            }
        }
    }
    Ok(objects)
}

fn overrides(path: &Path) -> anyhow::Result<Overrides> {
    let name = path.display();
    let config = objects(path)?;
    let [config] = config.as_slice() else {
        bail!("{name}: expected one ConfigMap, found {} objects", config.len());
    };
    if config.kind() != "ConfigMap" {
        bail!("{name}: expected a ConfigMap, found a {}", config.kind());
    }
    let scripts = scripts(config).with_context(|| format!("{name} cannot be used"))?;
    let overrides = Overrides::from_scripts(scripts.iter().map(|(key, script)| (key.as_str(), script.as_str())));
    for script in overrides.unsupported() {
        let kept = "the built-in rule is used";
        output::warning(&format!(
            "{name}: the health script of {} is not understood: {}; {kept}",
            script.key, script.reason
        ));
    }
    Ok(overrides)
}

/// Customisations of one kind, as far as health goes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Customization {
    #[serde(rename = "health.lua")]
    health: String,
}

/// Returns the health scripts of argocd-cm by `group/Kind`; a key of its own wins over the map (semantics, section 4.4).
fn scripts(config: &Object) -> anyhow::Result<BTreeMap<String, String>> {
    let Some(data) = config.fields().get("data").and_then(Value::as_object) else { return Ok(BTreeMap::new()) };
    let mut scripts = BTreeMap::new();
    if let Some(text) = data.get(ALL_CUSTOMIZATIONS).and_then(Value::as_str) {
        let all: BTreeMap<String, Customization> =
            serde_yaml::from_str(text).with_context(|| format!("key {ALL_CUSTOMIZATIONS}"))?;
        scripts.extend(all.into_iter().map(|(kind, customization)| (kind, customization.health)));
    }
    for (key, value) in data {
        if let (Some(kind), Some(script)) = (key.strip_prefix(SCRIPT_PREFIX), value.as_str()) {
            let kind = if kind == "all" { "*/*".to_owned() } else { kind.replacen('_', "/", 1) };
            scripts.insert(kind, script.to_owned());
        }
    }
    Ok(scripts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_scripts_are_found_under_both_forms_of_key() {
        let config = json!({
            "kind": "ConfigMap",
            "data": {
                "resource.customizations": "example.com/Widget:\n  health.lua: one\napps/Deployment:\n  health.lua: two\n",
                "resource.customizations.health.apps_Deployment": "three",
                "resource.customizations.health.Pod": "four",
                "resource.customizations.health.all": "five",
                "resource.customizations.actions.Pod": "no",
            },
        });
        let scripts = scripts(&Object::from_value(config).unwrap()).unwrap();
        let expected = [("*/*", "five"), ("Pod", "four"), ("apps/Deployment", "three"), ("example.com/Widget", "one")];
        let found: Vec<_> = scripts.iter().map(|(key, script)| (key.as_str(), script.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_kind_without_health_has_a_null_status() {
        let object =
            Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).unwrap();
        let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "namespace": "", "name": "a", "status": null, "message": ""});
        assert_eq!(line(&object, None), expected);
    }
}
