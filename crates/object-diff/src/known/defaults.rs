use serde_json::Value;

/// A value the server fills in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ServerDefault {
    /// This text.
    Text(&'static str),
    /// This number.
    Number(i64),
    /// This truth value.
    Bool(bool),
    /// A map with nothing in it but defaults.
    Map,
}

impl ServerDefault {
    /// Tells whether a scalar is the default; a map is looked into by the caller.
    pub(crate) fn is(self, value: &Value) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::Number(number) => value.as_i64() == Some(number),
            Self::Bool(truth) => value.as_bool() == Some(truth),
            Self::Map => value.is_object(),
        }
    }
}

use ServerDefault::{Bool, Map, Number, Text};

/// Defaults by type and path inside the type. `PodSpec` stands for the pod template's spec of every workload, with
/// `initContainers` and `ephemeralContainers` written as `containers`; `ClaimTemplate` for a claim and every template
/// of one.
pub(crate) const DEFAULTS: &[(&str, &[(&str, ServerDefault)])] = &[
    ("PodSpec", POD_SPEC),
    ("ClaimTemplate", CLAIM),
    (
        "Deployment",
        &[
            ("spec.replicas", Number(1)),
            ("spec.progressDeadlineSeconds", Number(600)),
            ("spec.revisionHistoryLimit", Number(10)),
            ("spec.strategy", Map),
            ("spec.strategy.type", Text("RollingUpdate")),
            ("spec.strategy.rollingUpdate", Map),
            ("spec.strategy.rollingUpdate.maxSurge", Text("25%")),
            ("spec.strategy.rollingUpdate.maxUnavailable", Text("25%")),
        ],
    ),
    ("ReplicaSet", &[("spec.replicas", Number(1))]),
    (
        "DaemonSet",
        &[
            ("spec.revisionHistoryLimit", Number(10)),
            ("spec.updateStrategy", Map),
            ("spec.updateStrategy.type", Text("RollingUpdate")),
            ("spec.updateStrategy.rollingUpdate", Map),
            ("spec.updateStrategy.rollingUpdate.maxSurge", Number(0)),
            ("spec.updateStrategy.rollingUpdate.maxUnavailable", Number(1)),
        ],
    ),
    (
        "StatefulSet",
        &[
            ("spec.replicas", Number(1)),
            ("spec.podManagementPolicy", Text("OrderedReady")),
            ("spec.revisionHistoryLimit", Number(10)),
            ("spec.updateStrategy", Map),
            ("spec.updateStrategy.type", Text("RollingUpdate")),
            ("spec.updateStrategy.rollingUpdate", Map),
            ("spec.updateStrategy.rollingUpdate.partition", Number(0)),
            ("spec.persistentVolumeClaimRetentionPolicy", Map),
            ("spec.persistentVolumeClaimRetentionPolicy.whenDeleted", Text("Retain")),
            ("spec.persistentVolumeClaimRetentionPolicy.whenScaled", Text("Retain")),
        ],
    ),
    (
        "Job",
        &[("spec.backoffLimit", Number(6)), ("spec.completionMode", Text("NonIndexed")), ("spec.suspend", Bool(false))],
    ),
    (
        "CronJob",
        &[
            ("spec.concurrencyPolicy", Text("Allow")),
            ("spec.suspend", Bool(false)),
            ("spec.successfulJobsHistoryLimit", Number(3)),
            ("spec.failedJobsHistoryLimit", Number(1)),
        ],
    ),
    (
        "Service",
        &[
            ("spec.type", Text("ClusterIP")),
            ("spec.sessionAffinity", Text("None")),
            ("spec.internalTrafficPolicy", Text("Cluster")),
            ("spec.ports.*.protocol", Text("TCP")),
        ],
    ),
    (
        "NetworkPolicy",
        &[("spec.ingress.*.ports.*.protocol", Text("TCP")), ("spec.egress.*.ports.*.protocol", Text("TCP"))],
    ),
    (
        "RoleBinding",
        &[
            ("roleRef.apiGroup", Text("rbac.authorization.k8s.io")),
            ("subjects.*.apiGroup", Text("rbac.authorization.k8s.io")),
        ],
    ),
    (
        "WebhookConfiguration",
        &[
            ("webhooks.*.failurePolicy", Text("Fail")),
            ("webhooks.*.matchPolicy", Text("Equivalent")),
            ("webhooks.*.namespaceSelector", Map),
            ("webhooks.*.objectSelector", Map),
            ("webhooks.*.reinvocationPolicy", Text("Never")),
            ("webhooks.*.timeoutSeconds", Number(10)),
            ("webhooks.*.clientConfig.service.port", Number(443)),
            ("webhooks.*.rules.*.scope", Text("*")),
        ],
    ),
    (
        "AdmissionPolicy",
        &[
            ("spec.failurePolicy", Text("Fail")),
            ("spec.matchConstraints.matchPolicy", Text("Equivalent")),
            ("spec.matchConstraints.namespaceSelector", Map),
            ("spec.matchConstraints.objectSelector", Map),
            ("spec.matchConstraints.resourceRules.*.scope", Text("*")),
            ("spec.matchConstraints.excludeResourceRules.*.scope", Text("*")),
        ],
    ),
    ("PersistentVolume", &[("spec.volumeMode", Text("Filesystem"))]),
    ("StorageClass", &[("reclaimPolicy", Text("Delete")), ("volumeBindingMode", Text("Immediate"))]),
    ("Secret", &[("type", Text("Opaque"))]),
];

const POD_SPEC: &[(&str, ServerDefault)] = &[
    ("restartPolicy", Text("Always")),
    ("dnsPolicy", Text("ClusterFirst")),
    ("schedulerName", Text("default-scheduler")),
    ("terminationGracePeriodSeconds", Number(30)),
    ("securityContext", Map),
    ("containers.*.terminationMessagePath", Text("/dev/termination-log")),
    ("containers.*.terminationMessagePolicy", Text("File")),
    ("containers.*.resources", Map),
    ("containers.*.ports.*.protocol", Text("TCP")),
    ("containers.*.env.*.valueFrom.fieldRef.apiVersion", Text("v1")),
    ("containers.*.env.*.valueFrom.resourceFieldRef.divisor", Text("0")),
    ("containers.*.livenessProbe.timeoutSeconds", Number(1)),
    ("containers.*.livenessProbe.periodSeconds", Number(10)),
    ("containers.*.livenessProbe.successThreshold", Number(1)),
    ("containers.*.livenessProbe.failureThreshold", Number(3)),
    ("containers.*.livenessProbe.httpGet.scheme", Text("HTTP")),
    ("containers.*.livenessProbe.httpGet.path", Text("/")),
    ("containers.*.readinessProbe.timeoutSeconds", Number(1)),
    ("containers.*.readinessProbe.periodSeconds", Number(10)),
    ("containers.*.readinessProbe.successThreshold", Number(1)),
    ("containers.*.readinessProbe.failureThreshold", Number(3)),
    ("containers.*.readinessProbe.httpGet.scheme", Text("HTTP")),
    ("containers.*.readinessProbe.httpGet.path", Text("/")),
    ("containers.*.startupProbe.timeoutSeconds", Number(1)),
    ("containers.*.startupProbe.periodSeconds", Number(10)),
    ("containers.*.startupProbe.successThreshold", Number(1)),
    ("containers.*.startupProbe.failureThreshold", Number(3)),
    ("containers.*.startupProbe.httpGet.scheme", Text("HTTP")),
    ("containers.*.startupProbe.httpGet.path", Text("/")),
    ("volumes.*.configMap.defaultMode", Number(420)),
    ("volumes.*.secret.defaultMode", Number(420)),
    ("volumes.*.downwardAPI.defaultMode", Number(420)),
    ("volumes.*.downwardAPI.items.*.fieldRef.apiVersion", Text("v1")),
    ("volumes.*.downwardAPI.items.*.resourceFieldRef.divisor", Text("0")),
    ("volumes.*.projected.defaultMode", Number(420)),
    ("volumes.*.projected.sources.*.serviceAccountToken.expirationSeconds", Number(3600)),
    ("volumes.*.projected.sources.*.downwardAPI.items.*.fieldRef.apiVersion", Text("v1")),
    ("volumes.*.projected.sources.*.downwardAPI.items.*.resourceFieldRef.divisor", Text("0")),
    ("volumes.*.hostPath.type", Text("")),
];

const CLAIM: &[(&str, ServerDefault)] = &[
    ("apiVersion", Text("v1")),
    ("kind", Text("PersistentVolumeClaim")),
    ("spec.volumeMode", Text("Filesystem")),
    ("status", Map),
    ("status.phase", Text("Pending")),
];
