//! The names of settings in each source.

use crate::Layer;

/// A setting and its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    /// Name as a flag and in the config file.
    pub name: &'static str,
    /// Argo CD's ConfigMap and key, if it has one.
    pub config_map: Option<(Layer, &'static str)>,
    /// Text of the default; empty when there is none.
    pub default: &'static str,
}

impl Setting {
    /// Returns the name of the environment variable.
    pub fn variable(&self) -> String {
        format!("DRIFTLESS_{}", self.name.to_uppercase().replace('-', "_"))
    }
}

macro_rules! settings {
    ($($constant:ident = $name:literal $(, $layer:ident $key:literal)?; $default:literal)+) => {
        $(pub(crate) const $constant: Setting = Setting {
            name: $name,
            config_map: settings!(@key $($layer $key)?),
            default: $default,
        };)+
        const ALL: &[Setting] = &[$($constant),+];
    };
    (@key) => { None };
    (@key $layer:ident $key:literal) => { Some((Layer::$layer, $key)) };
}

settings! {
    KUBECONFIG = "kubeconfig"; ""
    NAMESPACE = "namespace"; "argocd"
    DATA_DIR = "data-dir"; ""
    HTTP_LISTEN = "http-listen"; "127.0.0.1:8080"
    METRICS_LISTEN = "metrics-listen"; "0.0.0.0:8082"
    LOG_FORMAT = "log-format", CommandParams "controller.log.format"; ""
    LOG_LEVEL = "log-level", CommandParams "controller.log.level"; "info"

    RECONCILIATION_TIMEOUT = "reconciliation-timeout", ArgocdCm "timeout.reconciliation"; "120s"
    RECONCILIATION_JITTER = "reconciliation-jitter", ArgocdCm "timeout.reconciliation.jitter"; "60s"
    HARD_RECONCILIATION_TIMEOUT = "hard-reconciliation-timeout", ArgocdCm "timeout.hard.reconciliation"; "0"
    APPLICATION_NAMESPACES = "application-namespaces", CommandParams "application.namespaces"; ""
    TRACKING_METHOD = "tracking-method", ArgocdCm "application.resourceTrackingMethod"; "annotation"
    INSTANCE_LABEL_KEY = "instance-label-key", ArgocdCm "application.instanceLabelKey"; "app.kubernetes.io/instance"
    IN_CLUSTER_ENABLED = "in-cluster-enabled", ArgocdCm "cluster.inClusterEnabled"; "true"
    IMPERSONATION = "sync-impersonation", ArgocdCm "application.sync.impersonation.enabled"; "false"
    IMPERSONATION_ENFORCED =
        "sync-impersonation-enforced", ArgocdCm "application.sync.impersonation.enforced"; "true"

    RESOURCE_EXCLUSIONS = "resource-exclusions", ArgocdCm "resource.exclusions"; "[]"
    RESOURCE_INCLUSIONS = "resource-inclusions", ArgocdCm "resource.inclusions"; "[]"
    RESPECT_RBAC = "resource-respect-rbac", ArgocdCm "resource.respectRBAC"; "off"
    COMPARE_OPTIONS = "resource-compare-options", ArgocdCm "resource.compareoptions"; "{}"
    MASK_ANNOTATIONS = "resource-mask-annotations", ArgocdCm "resource.sensitive.mask.annotations"; ""

    SELF_HEAL_TIMEOUT = "self-heal-timeout", CommandParams "controller.self.heal.timeout.seconds"; "0"
    SELF_HEAL_BACKOFF = "self-heal-backoff", CommandParams "controller.self.heal.backoff.timeout.seconds"; "2"
    SELF_HEAL_BACKOFF_FACTOR = "self-heal-backoff-factor", CommandParams "controller.self.heal.backoff.factor"; "3"
    SELF_HEAL_BACKOFF_CAP = "self-heal-backoff-cap", CommandParams "controller.self.heal.backoff.cap.seconds"; "300"
    SYNC_TIMEOUT = "sync-timeout", CommandParams "controller.sync.timeout.seconds"; "0"
    SYNC_WAVE_DELAY = "sync-wave-delay", CommandParams "controller.sync.wave.delay.seconds"; "2"
    MAX_PRUNE = "max-prune"; ""
    PRUNE_APPROVAL_KINDS = "prune-approval-kinds"; ""
    REPO_ERROR_GRACE =
        "repo-error-grace-period", CommandParams "controller.repo.error.grace.period.seconds"; "180"
    RESOURCE_HEALTH_PERSIST = "resource-health-persist", CommandParams "controller.resource.health.persist"; "false"

    MAX_MANIFESTS_SIZE =
        "max-combined-directory-manifests-size", CommandParams "reposerver.max.combined.directory.manifests.size"; "10M"
    HELM_ENABLED = "helm-enabled", ArgocdCm "helm.enable"; "true"
    KUSTOMIZE_ENABLED = "kustomize-enabled", ArgocdCm "kustomize.enable"; "true"
    JSONNET_ENABLED = "jsonnet-enabled", ArgocdCm "jsonnet.enable"; "true"
    HELM_SCHEMES = "helm-values-file-schemes", ArgocdCm "helm.valuesFileSchemes"; "https,http"
    KUSTOMIZE_BUILD_OPTIONS = "kustomize-build-options", ArgocdCm "kustomize.buildOptions"; ""
}

/// Returns every setting: for the command line, the documentation and the check of names.
pub fn all_settings() -> &'static [Setting] {
    ALL
}

/// What a key of a ConfigMap means to this controller, if no [`Setting`] has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyUse {
    /// Read elsewhere in this crate.
    Read,
    /// It belongs to another component, or changes how fast things go and not what comes out.
    Elsewhere,
    /// It is read, and nothing acts on it yet.
    NotYet,
    /// It would change the result and is not supported.
    Unsupported,
    /// Not a key of Argo CD.
    Unknown,
}

/// Keys that are read and not acted on yet.
const NOT_YET: [(Layer, &str); 8] = [
    (Layer::ArgocdCm, "application.instanceLabelKey"),
    (Layer::ArgocdCm, "resource.compareoptions"),
    (Layer::ArgocdCm, "resource.customizations.ignoreDifferences."),
    (Layer::ArgocdCm, "resource.respectRBAC"),
    (Layer::ArgocdCm, "resource.sensitive.mask.annotations"),
    (Layer::ArgocdCm, "timeout.hard.reconciliation"),
    (Layer::CommandParams, "application.namespaces"),
    (Layer::ArgocdCm, "kustomize.buildOptions"),
];

const UNSUPPORTED_CM: [&str; 9] = [
    "globalProjects",
    "installationID",
    "kustomize.buildOptions.",
    "kustomize.path.",
    "kustomize.version.",
    "resource.customLabels",
    "resource.customizations.knownTypeFields.",
    "resource.excludeEventLabelKeys",
    "resource.includeEventLabelKeys",
];

const ELSEWHERE_CM: [&str; 28] = [
    "accounts.",
    "additionalUrls",
    "admin.",
    "application.allowedNodeLabels",
    "application.links",
    "application.sync.requireOverridePrivilegeForRevisionSync",
    "commit.author.",
    "dex.",
    "exec.",
    "extension.config",
    "ga.",
    "help.",
    "oidc.",
    "passwordPattern",
    "project.links",
    "repositories",
    "repository.credentials",
    "resource.customizations.actions.",
    "resource.customizations.ignoreResourceUpdates.",
    "resource.ignoreResourceUpdatesEnabled",
    "resource.links",
    "server.",
    "sourceHydrator.",
    "statusbadge.",
    "ui.",
    "url",
    "users.",
    "webhook.",
];

const READ_CM: [&str; 4] = [
    "resource.customizations",
    "resource.customizations.health.",
    "resource.customizations.ignoreDifferences.",
    "resource.customizations.useOpenLibs.",
];

const ELSEWHERE_PARAMS: [&str; 13] = [
    "application.",
    "applicationsetcontroller.",
    "commit.",
    "commitserver.",
    "controller.",
    "dexserver.",
    "hydrator.",
    "ignore.normalizer.",
    "log.",
    "notificationscontroller.",
    "otlp.",
    "redis.",
    "server.",
];

/// Tells what a key of argocd-cm or argocd-cmd-params-cm means here. An entry that ends in a dot stands for all keys below.
pub(crate) fn key_use(layer: Layer, key: &str) -> KeyUse {
    let among =
        |list: &[&str]| list.iter().any(|own| if own.ends_with('.') { key.starts_with(own) } else { key == *own });
    if NOT_YET.iter().any(|(own, name)| *own == layer && among(&[name])) {
        return KeyUse::NotYet;
    }
    if ALL.iter().any(|setting| setting.config_map == Some((layer, key))) {
        return KeyUse::Read;
    }
    match layer {
        Layer::ArgocdCm if among(&READ_CM) => KeyUse::Read,
        Layer::ArgocdCm if among(&UNSUPPORTED_CM) => KeyUse::Unsupported,
        Layer::ArgocdCm if among(&ELSEWHERE_CM) => KeyUse::Elsewhere,
        Layer::CommandParams
            if among(&ELSEWHERE_PARAMS) || key.starts_with("reposerver.") || key.starts_with("repo.") =>
        {
            KeyUse::Elsewhere
        }
        _ => KeyUse::Unknown,
    }
}
