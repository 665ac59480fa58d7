use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

/// A source of settings; earlier ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The command line.
    Flag,
    /// Environment variables `DRIFTLESS_…`.
    Environment,
    /// The file named by `--config`.
    ConfigFile,
    /// The ConfigMap argocd-cmd-params-cm.
    CommandParams,
    /// The ConfigMap argocd-cm.
    ArgocdCm,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "the command line",
            Self::Environment => "the environment",
            Self::ConfigFile => "the config file",
            Self::CommandParams => "ConfigMap argocd-cmd-params-cm",
            Self::ArgocdCm => "ConfigMap argocd-cm",
        })
    }
}

/// All sources of settings as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// Flags that were given, by name without dashes in front, such as `reconciliation-timeout`.
    pub flags: BTreeMap<String, String>,
    /// Environment variables; others than `DRIFTLESS_…` do not matter.
    pub environment: BTreeMap<String, String>,
    /// The config file, by the names of flags; see [`parse_config_file`].
    pub config_file: BTreeMap<String, String>,
    /// Data of argocd-cmd-params-cm.
    pub command_params: BTreeMap<String, String>,
    /// Data of argocd-cm.
    pub argocd_cm: BTreeMap<String, String>,
}

/// The config file cannot be read as a map of settings. Keep the last good one until the file changes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("config file: {0}; expected a YAML map from setting to value")]
pub struct ConfigFileError(pub String);

/// Reads the config file: a YAML map whose keys are the names of flags. A list of plain values is joined with commas; other
/// values stay YAML.
pub fn parse_config_file(text: &str) -> Result<BTreeMap<String, String>, ConfigFileError> {
    let document: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| ConfigFileError(error.to_string()))?;
    let map = match document {
        serde_yaml::Value::Null => return Ok(BTreeMap::new()),
        serde_yaml::Value::Mapping(map) => map,
        _ => return Err(ConfigFileError("it is not a map".to_owned())),
    };
    map.into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| {
            let key = key.as_str().ok_or_else(|| ConfigFileError(format!("the key {key:?} is not text")))?.to_owned();
            let text = as_text(&value).map_err(|error| ConfigFileError(format!("{key}: {error}")))?;
            Ok((key, text))
        })
        .collect()
}

fn as_text(value: &serde_yaml::Value) -> Result<String, serde_yaml::Error> {
    if let Some(text) = scalar(value) {
        return Ok(text);
    }
    if let Some(items) = value.as_sequence().and_then(|items| items.iter().map(scalar).collect::<Option<Vec<_>>>()) {
        return Ok(items.join(","));
    }
    serde_yaml::to_string(value)
}

fn scalar(value: &serde_yaml::Value) -> Option<String> {
    match value {
        serde_yaml::Value::Bool(flag) => Some(flag.to_string()),
        serde_yaml::Value::Number(number) => Some(number.to_string()),
        serde_yaml::Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_file_is_a_map_of_texts() {
        let text = "reconciliation-timeout: 30s\nself-heal-backoff-factor: 3\nresource-health-persist: true\n\
            application-namespaces: [team-*, other]\nresource-exclusions:\n- kinds: [Lease]\nnamespace:\n";
        let expected: BTreeMap<String, String> = [
            ("reconciliation-timeout", "30s"),
            ("self-heal-backoff-factor", "3"),
            ("resource-health-persist", "true"),
            ("application-namespaces", "team-*,other"),
            ("resource-exclusions", "- kinds:\n  - Lease\n"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        assert_eq!(parse_config_file(text), Ok(expected));
        assert_eq!(parse_config_file("# nothing\n"), Ok(BTreeMap::new()));
    }

    #[test]
    fn other_documents_are_errors() {
        for (text, expected) in [("- a", "it is not a map"), ("1: a", "is not text"), ("a: [", "did not find")] {
            let error = parse_config_file(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
