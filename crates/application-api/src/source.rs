use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema;
use crate::wire::{is_default, string_enum};
use crate::{ApplicationSourceKustomize, RepoUrl, SpecError};

/// Where manifests come from: a Git repository, a Helm repository or an OCI registry, and how to render them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["repoURL"]))]
pub struct ApplicationSource {
    /// URL of the repository or registry.
    #[serde(rename = "repoURL")]
    pub repo_url: RepoUrl,
    /// Directory in the repository.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// Branch, tag, commit, or version range; empty means HEAD for Git.
    #[serde(skip_serializing_if = "is_default")]
    pub target_revision: String,
    /// Name of a Helm chart.
    #[serde(skip_serializing_if = "is_default")]
    pub chart: String,
    /// Name under which other sources refer to the files of this one.
    #[serde(rename = "ref", skip_serializing_if = "is_default")]
    pub ref_name: String,
    /// Name of the source, unique within the application.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Prefix of Git tags to strip before a version range is matched.
    #[serde(skip_serializing_if = "is_default")]
    pub tag_prefix: String,
    /// Helm options.
    #[serde(skip_serializing_if = "is_default")]
    pub helm: Option<Box<ApplicationSourceHelm>>,
    /// Kustomize options.
    #[serde(skip_serializing_if = "is_default")]
    pub kustomize: Option<Box<ApplicationSourceKustomize>>,
    /// Options for a directory of manifests.
    #[serde(skip_serializing_if = "is_default")]
    pub directory: Option<Box<ApplicationSourceDirectory>>,
    /// Options for a config management plugin.
    #[serde(skip_serializing_if = "is_default")]
    pub plugin: Option<Box<ApplicationSourcePlugin>>,
}

string_enum! {
    /// How a source is rendered.
    SourceType {
        /// A Helm chart.
        Helm = "Helm",
        /// A kustomization.
        Kustomize = "Kustomize",
        /// Plain manifests and Jsonnet.
        Directory = "Directory",
        /// A config management plugin.
        Plugin = "Plugin",
    }
}

/// What kind of repository a source is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepoKind {
    /// A Git repository.
    Git,
    /// A chart repository: an index and archives, over HTTP.
    Charts,
    /// Charts in an OCI registry: the chart's name completes the URL.
    ChartRegistry,
    /// One artifact of an OCI registry: the URL names it.
    Artifact,
}

impl ApplicationSource {
    /// Returns the kind of repository: a `chart` is in a chart repository, or in a registry where the URL starts with `oci://` or
    /// has no scheme (as Argo CD writes registries of charts).
    pub fn repo_kind(&self) -> RepoKind {
        let has_scheme = self.repo_url.as_str().contains("://");
        match (self.is_helm(), self.is_oci()) {
            (true, true) => RepoKind::ChartRegistry,
            (true, false) if !has_scheme => RepoKind::ChartRegistry,
            (true, false) => RepoKind::Charts,
            (false, true) => RepoKind::Artifact,
            (false, false) => RepoKind::Git,
        }
    }

    /// Tells whether the source is a chart of a Helm repository.
    pub fn is_helm(&self) -> bool {
        !self.chart.is_empty()
    }

    /// Tells whether the source is an artifact of an OCI registry.
    pub fn is_oci(&self) -> bool {
        self.repo_url.as_str().starts_with("oci://")
    }

    /// Tells whether other sources refer to the files of this one.
    pub fn is_ref(&self) -> bool {
        !self.ref_name.is_empty()
    }

    /// Returns the type that the source's options name, if any; options of several types are an error.
    pub fn explicit_type(&self) -> Result<Option<SourceType>, SpecError> {
        let named: Vec<SourceType> = [
            (SourceType::Helm, self.helm.is_some()),
            (SourceType::Kustomize, self.kustomize.is_some()),
            (SourceType::Directory, self.directory.is_some()),
            (SourceType::Plugin, self.plugin.is_some()),
        ]
        .into_iter()
        .filter_map(|(source_type, is_set)| is_set.then_some(source_type))
        .collect();
        if named.len() > 1 {
            return Err(SpecError::MultipleSourceTypes(named));
        }
        Ok(named.into_iter().next())
    }

    /// Drops tool options that are present but say nothing, so that a source can change its type.
    pub fn normalize(&mut self) {
        if self.helm.as_ref().is_some_and(is_default) {
            self.helm = None;
        }
        if self.kustomize.as_ref().is_some_and(is_default) {
            self.kustomize = None;
        }
        if self.directory.as_ref().is_some_and(is_default) {
            self.directory = None;
        }
    }
}

/// How to render a Helm chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ApplicationSourceHelm {
    /// Values files, later ones win.
    #[serde(skip_serializing_if = "is_default")]
    pub value_files: Vec<String>,
    /// Single values, as with `--set`.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<HelmParameter>,
    /// Values read from files, as with `--set-file`.
    #[serde(skip_serializing_if = "is_default")]
    pub file_parameters: Vec<HelmFileParameter>,
    /// Name of the release; empty means the application's name.
    #[serde(skip_serializing_if = "is_default")]
    pub release_name: String,
    /// Values as YAML text.
    #[serde(skip_serializing_if = "is_default")]
    pub values: String,
    /// Values as an object; wins over the text.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(schema_with = "schema::any_object")]
    pub values_object: Option<Value>,
    /// Version of Helm.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    /// Whether credentials are sent to all hosts.
    #[serde(skip_serializing_if = "is_default")]
    pub pass_credentials: bool,
    /// Whether values files may be missing.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_missing_value_files: bool,
    /// Whether CRDs of the chart are left out.
    #[serde(skip_serializing_if = "is_default")]
    pub skip_crds: bool,
    /// Whether test hooks of the chart are left out.
    #[serde(skip_serializing_if = "is_default")]
    pub skip_tests: bool,
    /// Whether values are not checked against the chart's schema.
    #[serde(skip_serializing_if = "is_default")]
    pub skip_schema_validation: bool,
    /// Namespace to render with; empty means the destination's.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Kubernetes version to render for; empty means the cluster's.
    #[serde(skip_serializing_if = "is_default")]
    pub kube_version: String,
    /// API versions to render for; empty means the cluster's.
    #[serde(skip_serializing_if = "is_default")]
    pub api_versions: Vec<String>,
}

/// One value of a Helm chart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmParameter {
    /// Path of the value.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// The value.
    #[serde(skip_serializing_if = "is_default")]
    pub value: String,
    /// Whether the value stays a string.
    #[serde(skip_serializing_if = "is_default")]
    pub force_string: bool,
}

/// One value of a Helm chart that is read from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmFileParameter {
    /// Path of the value.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// The file.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
}

/// How to read a directory of manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ApplicationSourceDirectory {
    /// Whether subdirectories are read.
    #[serde(skip_serializing_if = "is_default")]
    pub recurse: bool,
    /// Glob of files to leave out.
    #[serde(skip_serializing_if = "is_default")]
    pub exclude: String,
    /// Glob of files to read.
    #[serde(skip_serializing_if = "is_default")]
    pub include: String,
    /// Whether files of any extension are read.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_extension_filter: bool,
    /// Jsonnet options.
    #[serde(skip_serializing_if = "is_default")]
    pub jsonnet: ApplicationSourceJsonnet,
}

/// How to evaluate Jsonnet files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ApplicationSourceJsonnet {
    /// External variables.
    #[serde(skip_serializing_if = "is_default")]
    pub ext_vars: Vec<JsonnetVar>,
    /// Top-level arguments.
    #[serde(skip_serializing_if = "is_default")]
    pub tlas: Vec<JsonnetVar>,
    /// Library directories.
    #[serde(skip_serializing_if = "is_default")]
    pub libs: Vec<String>,
}

/// A variable for Jsonnet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["name", "value"]))]
pub struct JsonnetVar {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// Whether the value is Jsonnet code, not text.
    #[serde(skip_serializing_if = "is_default")]
    pub code: bool,
}

/// How to run a config management plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ApplicationSourcePlugin {
    /// Name of the plugin; empty means discovery.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Environment variables.
    #[serde(skip_serializing_if = "is_default")]
    pub env: Vec<EnvEntry>,
    /// Parameters.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<PluginParameter>,
}

/// An environment variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["name", "value"]))]
pub struct EnvEntry {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A parameter of a config management plugin: text, a list or a map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PluginParameter {
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Text.
    #[serde(skip_serializing_if = "is_default")]
    pub string: Option<String>,
    /// List.
    #[serde(skip_serializing_if = "is_default")]
    pub array: Option<Vec<String>>,
    /// Map.
    #[serde(skip_serializing_if = "is_default")]
    pub map: Option<BTreeMap<String, String>>,
}
