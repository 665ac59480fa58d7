use std::collections::BTreeMap;

use application_api::ResourceIgnoreDifferences;
use kube_object::GroupKind;
use serde::Deserialize;

use crate::reader::Reader;
use crate::values::{boolean, yaml};
use crate::{Layer, ProblemKind};

/// `resource.compareoptions`: what comparisons leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompareOptions {
    /// Objects whose status is left out.
    pub ignored_status: StatusFields,
    /// Whether rules of aggregated ClusterRoles are left out.
    pub ignore_aggregated_roles: bool,
}

/// Objects whose status a comparison leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StatusFields {
    /// All.
    #[default]
    All,
    /// CustomResourceDefinitions.
    Crd,
    /// None.
    None,
}

impl CompareOptions {
    /// Reads the options from YAML.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Options {
            ignore_resource_status_field: Option<serde_yaml::Value>,
            ignore_aggregated_roles: Option<bool>,
        }
        let options: Options = yaml::<Option<Options>>(text)?.unwrap_or_default();
        let ignored_status = match options.ignore_resource_status_field {
            None | Some(serde_yaml::Value::Null) => StatusFields::All,
            // YAML 1.1 reads `off` as a boolean.
            Some(serde_yaml::Value::Bool(false)) => StatusFields::None,
            Some(serde_yaml::Value::String(text)) => match text.as_str() {
                "all" | "" => StatusFields::All,
                "crd" => StatusFields::Crd,
                "none" | "off" | "false" => StatusFields::None,
                other => return Err(format!("ignoreResourceStatusField `{other}` is none of `all`, `crd` and `none`")),
            },
            Some(_) => return Err("ignoreResourceStatusField is none of `all`, `crd` and `none`".to_owned()),
        };
        Ok(Self { ignored_status, ignore_aggregated_roles: options.ignore_aggregated_roles.unwrap_or(false) })
    }
}

/// `resource.customizations` in both its forms.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Customizations {
    pub(crate) health: BTreeMap<GroupKind, String>,
    pub(crate) ignore_differences: Vec<ResourceIgnoreDifferences>,
}

/// An entry of the map `resource.customizations`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Override {
    #[serde(rename = "health.lua")]
    health: Option<String>,
    #[serde(rename = "health.lua.useOpenLibs")]
    use_open_libs: Option<bool>,
    #[serde(rename = "ignoreDifferences")]
    ignore_differences: Option<String>,
    #[serde(rename = "knownTypeFields")]
    known_type_fields: Option<serde_yaml::Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct IgnoreDifferences {
    json_pointers: Option<Vec<String>>,
    jq_path_expressions: Option<Vec<String>>,
    managed_fields_managers: Option<Vec<String>>,
}

const MAP: &str = "resource.customizations";

impl Customizations {
    /// Reads all customizations of argocd-cm; keys of their own win over the map.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let mut all = Self::default();
        // One rule for each kind: a key of its own replaces the rule of the map.
        let mut ignored = BTreeMap::new();
        let data = reader.config_map(Layer::ArgocdCm);
        if let Some(text) = data.get(MAP) {
            match yaml::<Option<BTreeMap<String, Override>>>(text) {
                Ok(overrides) => {
                    for (kind, entry) in overrides.unwrap_or_default() {
                        all.add_override(reader, &kind, entry, &mut ignored);
                    }
                }
                Err(error) => invalid(reader, MAP, &error),
            }
        }
        for (key, text) in data {
            let Some((about, kind)) =
                key.strip_prefix("resource.customizations.").and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            match (about, group_kind(kind, '_')) {
                ("health" | "ignoreDifferences" | "useOpenLibs", Err(error)) => invalid(reader, key, &error),
                ("health", Ok(kind)) => {
                    all.health.insert(kind, text.clone());
                }
                ("ignoreDifferences", Ok(kind)) => match rule(&kind, text) {
                    Ok(rule) => {
                        ignored.insert(kind, rule);
                    }
                    Err(error) => invalid(reader, key, &error),
                },
                ("useOpenLibs", Ok(_)) => match boolean(text) {
                    Ok(false) => {}
                    Ok(true) => open_libraries(reader, key),
                    Err(error) => invalid(reader, key, &error),
                },
                _ => {}
            }
        }
        all.ignore_differences = ignored.into_values().collect();
        all
    }

    fn add_override(
        &mut self,
        reader: &mut Reader<'_>,
        name: &str,
        entry: Override,
        ignored: &mut BTreeMap<GroupKind, ResourceIgnoreDifferences>,
    ) {
        let kind = match group_kind(name, '/') {
            Ok(kind) => kind,
            Err(error) => return invalid(reader, MAP, &error),
        };
        if let Some(script) = entry.health.filter(|script| !script.trim().is_empty()) {
            self.health.insert(kind.clone(), script);
        }
        if entry.use_open_libs == Some(true) {
            open_libraries(reader, MAP);
        }
        if entry.known_type_fields.is_some_and(|fields| !fields.is_null()) {
            let message = format!("knownTypeFields of {name} is not supported; it has no effect");
            reader.problem(Layer::ArgocdCm, MAP, ProblemKind::Unsupported, message);
        }
        match entry.ignore_differences.map(|text| rule(&kind, &text)) {
            Some(Ok(rule)) => {
                ignored.insert(kind, rule);
            }
            Some(Err(error)) => invalid(reader, MAP, &format!("{name}: {error}")),
            None => {}
        }
    }
}

fn invalid(reader: &mut Reader<'_>, key: &str, error: &str) {
    reader.problem(Layer::ArgocdCm, key, ProblemKind::Invalid, format!("{error}; it has no effect"));
}

fn open_libraries(reader: &mut Reader<'_>, key: &str) {
    let message = "further Lua libraries are not supported; scripts run with the base and table libraries".to_owned();
    reader.problem(Layer::ArgocdCm, key, ProblemKind::Unsupported, message);
}

/// Reads the kind of a customization: `group<separator>Kind`, `Kind` for the core group, or `all`.
fn group_kind(text: &str, separator: char) -> Result<GroupKind, String> {
    let mut parts = text.split(separator);
    match (parts.next(), parts.next(), parts.next()) {
        (Some("all"), None, None) => Ok(GroupKind::new("*", "*")),
        (Some(kind), None, None) if !kind.is_empty() => Ok(GroupKind::new("", kind)),
        (Some(group), Some(kind), None) if !kind.is_empty() => Ok(GroupKind::new(group, kind)),
        _ => Err(format!("`{text}` is not a kind: expected `Kind` or `group{separator}Kind`")),
    }
}

fn rule(kind: &GroupKind, text: &str) -> Result<ResourceIgnoreDifferences, String> {
    let fields: IgnoreDifferences = yaml::<Option<_>>(text)?.unwrap_or_default();
    Ok(ResourceIgnoreDifferences {
        group: kind.group.clone(),
        kind: kind.kind.clone(),
        json_pointers: fields.json_pointers.unwrap_or_default(),
        jq_path_expressions: fields.jq_path_expressions.unwrap_or_default(),
        managed_fields_managers: fields.managed_fields_managers.unwrap_or_default(),
        ..ResourceIgnoreDifferences::default()
    })
}
