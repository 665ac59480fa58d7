use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;
use crate::wire::is_default;

/// How to build a kustomization.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ApplicationSourceKustomize {
    /// Prefix for names.
    #[serde(skip_serializing_if = "is_default")]
    pub name_prefix: String,
    /// Suffix for names.
    #[serde(skip_serializing_if = "is_default")]
    pub name_suffix: String,
    /// Image overrides, each `[old=]new[:tag][@digest]`.
    #[serde(skip_serializing_if = "is_default")]
    pub images: Vec<String>,
    /// Replica overrides.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Vec<KustomizeReplica>,
    /// Labels added to all objects.
    #[serde(skip_serializing_if = "is_default")]
    pub common_labels: BTreeMap<String, String>,
    /// Annotations added to all objects.
    #[serde(skip_serializing_if = "is_default")]
    pub common_annotations: BTreeMap<String, String>,
    /// Whether variables in annotation values are substituted.
    #[serde(skip_serializing_if = "is_default")]
    pub common_annotations_envsubst: bool,
    /// Whether labels replace existing ones.
    #[serde(skip_serializing_if = "is_default")]
    pub force_common_labels: bool,
    /// Whether annotations replace existing ones.
    #[serde(skip_serializing_if = "is_default")]
    pub force_common_annotations: bool,
    /// Whether labels are kept out of selectors.
    #[serde(skip_serializing_if = "is_default")]
    pub label_without_selector: bool,
    /// Whether labels are added to templates.
    #[serde(skip_serializing_if = "is_default")]
    pub label_include_templates: bool,
    /// Namespace of all objects.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Version of Kustomize.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    /// Patches.
    #[serde(skip_serializing_if = "is_default")]
    pub patches: Vec<KustomizePatch>,
    /// Components to add.
    #[serde(skip_serializing_if = "is_default")]
    pub components: Vec<String>,
    /// Whether components may be missing.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_missing_components: bool,
    /// Kubernetes version for charts of the kustomization.
    #[serde(skip_serializing_if = "is_default")]
    pub kube_version: String,
    /// API versions for charts of the kustomization.
    #[serde(skip_serializing_if = "is_default")]
    pub api_versions: Vec<String>,
}

/// Replicas of one workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["count", "name"]))]
pub struct KustomizeReplica {
    /// Name of the workload.
    #[serde(default)]
    pub name: String,
    /// Number of replicas.
    #[schemars(schema_with = "schema::int_or_string")]
    pub count: IntOrString,
}

/// A number that may be written as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(i64),
    /// Text.
    String(String),
}

/// One patch of a kustomization, inline or in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct KustomizePatch {
    /// File with the patch.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// Text of the patch.
    #[serde(skip_serializing_if = "is_default")]
    pub patch: String,
    /// Objects to patch.
    #[serde(skip_serializing_if = "is_default")]
    pub target: Option<KustomizeSelector>,
    /// Options of the patch.
    #[serde(skip_serializing_if = "is_default")]
    pub options: BTreeMap<String, bool>,
}

/// Selects objects of a kustomization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct KustomizeSelector {
    /// API group.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// API version.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    /// Kind.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Selector on annotations.
    #[serde(skip_serializing_if = "is_default")]
    pub annotation_selector: String,
    /// Selector on labels.
    #[serde(skip_serializing_if = "is_default")]
    pub label_selector: String,
}
