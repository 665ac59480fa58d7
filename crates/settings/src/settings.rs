use std::collections::BTreeMap;
use std::sync::Arc;

use application_api::{MaxPrune, Pattern, PatternKind, PrunedKind, ResourceHealthLocation, ResourceIgnoreDifferences};
use jiff::SignedDuration;
use kube_object::GroupKind;

use crate::customizations::Customizations;
use crate::keys;
use crate::reader::Reader;
use crate::values::{boolean, bytes, list, optional_duration, wait};
use crate::{CompareOptions, FilteredResource, Layers, Problem, ProblemKind, ResourceFilter, SelfHealBackoff};

/// Settings of the controller, read again whenever a source changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Time between comparisons with Git; none means never by time.
    pub reconciliation_timeout: Option<SignedDuration>,
    /// Longest random addition to [`Settings::reconciliation_timeout`].
    pub reconciliation_jitter: SignedDuration,
    /// Time between comparisons without caches; none means never by time.
    pub hard_reconciliation_timeout: Option<SignedDuration>,
    /// Namespaces besides the control plane's in which Applications are looked at.
    pub application_namespaces: ApplicationNamespaces,
    /// The label that names an object's application.
    pub instance_label_key: String,
    /// Whether the cluster of the daemon is a destination.
    pub in_cluster_enabled: bool,
    /// Whether syncs act as service accounts.
    pub impersonation: Impersonation,
    /// Which kinds are looked at.
    pub resource_filter: ResourceFilter,
    /// What a missing permission to list means.
    pub respect_rbac: RespectRbac,
    /// What comparisons leave out everywhere.
    pub compare_options: CompareOptions,
    /// Differences that do not count in any application.
    pub ignore_differences: Vec<ResourceIgnoreDifferences>,
    /// Lua scripts for health, by group and kind; both may hold globs.
    pub health_overrides: BTreeMap<GroupKind, String>,
    /// Annotations whose values are masked in Secrets.
    pub mask_annotations: Vec<String>,
    /// How long to wait before a self-heal attempt.
    pub self_heal: SelfHealBackoff,
    /// Longest time of a sync; none means no limit.
    pub sync_timeout: Option<SignedDuration>,
    /// Pause after a wave of a sync.
    pub sync_wave_delay: SignedDuration,
    /// The most objects that a sync deletes without asking; none means any number.
    pub max_prune: Option<MaxPrune>,
    /// Kinds whose objects a sync never deletes without asking.
    pub prune_approval_kinds: Vec<PrunedKind>,
    /// How long errors of a repository are not reported after the first.
    pub repo_error_grace: SignedDuration,
    /// Where the health of objects is kept.
    pub resource_health: ResourceHealthLocation,
    /// How manifests are rendered.
    pub tools: ToolSettings,
}

/// Namespaces in which Applications are looked at: globs or `/regular expressions/`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplicationNamespaces(pub Vec<Pattern>);

impl ApplicationNamespaces {
    /// Tells whether Applications of a namespace are looked at; those of the control plane's always are.
    pub fn contains(&self, namespace: &str, control: &str) -> bool {
        namespace == control || self.0.iter().any(|pattern| pattern.matches(namespace))
    }
}

/// Whether syncs act as service accounts (semantics, section 2.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Impersonation {
    /// Never.
    Off,
    /// Where the project names one.
    Optional,
    /// Always: a project that names none is an error.
    Enforced,
}

/// What a missing permission to list a kind means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RespectRbac {
    /// The cluster cannot be used.
    Off,
    /// The kind is left out.
    Normal,
    /// The kind is left out after a review of access says so.
    Strict,
}

/// How manifests are rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSettings {
    /// Bytes of all manifests of a directory together; 0 means no limit.
    pub max_manifests_bytes: u64,
    /// Whether Helm charts are recognised.
    pub helm_enabled: bool,
    /// Whether kustomizations are recognised.
    pub kustomize_enabled: bool,
    /// Whether Jsonnet files are recognised.
    pub jsonnet_enabled: bool,
    /// Schemes of remote values files that are allowed.
    pub helm_values_file_schemes: Arc<[String]>,
    /// Options of `kustomize build`.
    pub kustomize_build_options: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::resolve(&Layers::default()).0
    }
}

impl Settings {
    /// Reads the settings from all sources. Of a setting, the first of flag, environment, config file and ConfigMap that
    /// can be read wins; what cannot be read or is not supported is a problem.
    pub fn resolve(layers: &Layers) -> (Self, Vec<Problem>) {
        let mut reader = Reader::new(layers);
        let reader = &mut reader;
        reader.report_keys();
        read_tracking_method(reader);
        let customizations = Customizations::read(reader);
        let persist = reader.read(&keys::RESOURCE_HEALTH_PERSIST, boolean);
        let settings = Self {
            reconciliation_timeout: reader.read(&keys::RECONCILIATION_TIMEOUT, optional_duration),
            reconciliation_jitter: reader.read(&keys::RECONCILIATION_JITTER, wait),
            hard_reconciliation_timeout: reader.read(&keys::HARD_RECONCILIATION_TIMEOUT, optional_duration),
            application_namespaces: read_application_namespaces(reader),
            instance_label_key: reader.read(&keys::INSTANCE_LABEL_KEY, |text| Ok(text.to_owned())),
            in_cluster_enabled: reader.read(&keys::IN_CLUSTER_ENABLED, boolean),
            impersonation: read_impersonation(reader),
            resource_filter: ResourceFilter {
                exclusions: reader.read(&keys::RESOURCE_EXCLUSIONS, FilteredResource::parse_list),
                inclusions: reader.read(&keys::RESOURCE_INCLUSIONS, FilteredResource::parse_list),
            },
            respect_rbac: reader.read(&keys::RESPECT_RBAC, |text| match text {
                "off" => Ok(RespectRbac::Off),
                "normal" => Ok(RespectRbac::Normal),
                "strict" => Ok(RespectRbac::Strict),
                _ => Err(format!("`{text}` is neither `normal` nor `strict`")),
            }),
            compare_options: reader.read(&keys::COMPARE_OPTIONS, CompareOptions::parse),
            ignore_differences: customizations.ignore_differences,
            health_overrides: customizations.health,
            mask_annotations: reader.read(&keys::MASK_ANNOTATIONS, |text| Ok(list(text))),
            self_heal: read_self_heal(reader),
            sync_timeout: reader.read(&keys::SYNC_TIMEOUT, optional_duration),
            sync_wave_delay: reader.read(&keys::SYNC_WAVE_DELAY, wait),
            max_prune: reader.read(&keys::MAX_PRUNE, |text| match text {
                "" => Ok(None),
                text => MaxPrune::parse(text).map(Some).map_err(|error| error.to_string()),
            }),
            prune_approval_kinds: reader.read(&keys::PRUNE_APPROVAL_KINDS, |text| {
                PrunedKind::parse_list(text).map_err(|error| error.to_string())
            }),
            repo_error_grace: reader.read(&keys::REPO_ERROR_GRACE, wait),
            resource_health: if persist { ResourceHealthLocation::Inline } else { ResourceHealthLocation::AppTree },
            tools: read_tools(reader),
        };
        (settings, std::mem::take(&mut reader.problems))
    }
}

fn read_tracking_method(reader: &mut Reader<'_>) {
    if let Some((layer, key, text)) = reader.text(&keys::TRACKING_METHOD).filter(|(_, _, text)| *text != "annotation") {
        let message = format!("tracking method `{text}` is not supported; `annotation` is used instead");
        reader.problem(layer, key, ProblemKind::Unsupported, message);
    }
}

/// Reads the namespaces one by one, so that a bad pattern does not hide the applications of the others.
fn read_application_namespaces(reader: &mut Reader<'_>) -> ApplicationNamespaces {
    let Some((layer, key, text)) = reader.text(&keys::APPLICATION_NAMESPACES) else {
        return ApplicationNamespaces::default();
    };
    let mut patterns = Vec::new();
    for item in list(text) {
        match Pattern::new(&item, PatternKind::GlobOrRegex) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let message = format!("{error}; the other entries are used");
                reader.problem(layer, key.clone(), ProblemKind::Invalid, message);
            }
        }
    }
    ApplicationNamespaces(patterns)
}

fn read_impersonation(reader: &mut Reader<'_>) -> Impersonation {
    let is_enforced = reader.read(&keys::IMPERSONATION_ENFORCED, boolean);
    match (reader.read(&keys::IMPERSONATION, boolean), is_enforced) {
        (false, _) => Impersonation::Off,
        (true, false) => Impersonation::Optional,
        (true, true) => Impersonation::Enforced,
    }
}

fn read_self_heal(reader: &mut Reader<'_>) -> SelfHealBackoff {
    let first = reader.read(&keys::SELF_HEAL_BACKOFF, wait);
    let factor = reader.read(&keys::SELF_HEAL_BACKOFF_FACTOR, |text| {
        text.parse().map_err(|_| format!("`{text}` is not a whole number of 0 or more"))
    });
    let cap = reader.read(&keys::SELF_HEAL_BACKOFF_CAP, wait);
    let fixed = reader.read(&keys::SELF_HEAL_TIMEOUT, wait);
    if first.is_zero() { SelfHealBackoff::Fixed(fixed) } else { SelfHealBackoff::Exponential { first, factor, cap } }
}

fn read_tools(reader: &mut Reader<'_>) -> ToolSettings {
    ToolSettings {
        max_manifests_bytes: reader.read(&keys::MAX_MANIFESTS_SIZE, bytes),
        helm_enabled: reader.read(&keys::HELM_ENABLED, boolean),
        kustomize_enabled: reader.read(&keys::KUSTOMIZE_ENABLED, boolean),
        jsonnet_enabled: reader.read(&keys::JSONNET_ENABLED, boolean),
        helm_values_file_schemes: reader.read(&keys::HELM_SCHEMES, |text| Ok(list(text).into())),
        kustomize_build_options: reader
            .read(&keys::KUSTOMIZE_BUILD_OPTIONS, |text| Ok(text.split_whitespace().map(str::to_owned).collect())),
    }
}

#[cfg(test)]
mod tests;
