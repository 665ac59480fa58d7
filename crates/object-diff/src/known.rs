//! What is known of built-in kinds without a schema: defaults, quantities, base64 fields, keyed lists, granular maps.
//!
//! Everything here only takes doubt away: a field that no table names costs a dry run, never a wrong answer. Source:
//! the API types of Kubernetes 1.36 and server-side apply facts, sections 1 and 4.

mod defaults;
mod lists;

use serde_json::Value;

pub(crate) use defaults::{DEFAULTS, ServerDefault};
pub(crate) use lists::{ListKeys, list_keys};

/// Tells whether an API group is served by Kubernetes itself, so that its kinds are typed and drop zero values.
pub fn is_builtin_group(group: &str) -> bool {
    matches!(
        group,
        "" | "apps"
            | "batch"
            | "autoscaling"
            | "policy"
            | "extensions"
            | "networking.k8s.io"
            | "rbac.authorization.k8s.io"
            | "storage.k8s.io"
            | "admissionregistration.k8s.io"
            | "apiextensions.k8s.io"
            | "apiregistration.k8s.io"
            | "certificates.k8s.io"
            | "coordination.k8s.io"
            | "discovery.k8s.io"
            | "events.k8s.io"
            | "flowcontrol.apiserver.k8s.io"
            | "node.k8s.io"
            | "resource.k8s.io"
            | "scheduling.k8s.io"
            | "storagemigration.k8s.io"
            | "authentication.k8s.io"
            | "authorization.k8s.io"
    )
}

/// Where a field is, in terms of the tables: the type it belongs to and the path inside that type.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    root: &'a str,
    at: Vec<&'a str>,
}

impl<'a> Place<'a> {
    /// Finds the place of a path (segments, `*` for list items) in a built-in kind.
    pub(crate) fn of(kind: &'a str, segments: &[&'a str]) -> Self {
        let mut place = Self { root: kind, at: segments.to_vec() };
        let pod = pod_template(kind);
        if let Some(rest) = pod.and_then(|prefix| strip(segments, prefix)) {
            if let Some(("spec", spec)) = rest.split_first().map(|(first, rest)| (*first, rest)) {
                place = Self { root: "PodSpec", at: spec.to_vec() };
                if let Some(first) = place.at.first_mut()
                    && matches!(*first, "initContainers" | "ephemeralContainers")
                {
                    *first = "containers";
                }
            } else if rest.first() == Some(&"metadata") {
                place = Self { root: kind, at: rest.to_vec() };
            }
        }
        if matches!(kind, "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") {
            place.root = "WebhookConfiguration";
        } else if matches!(kind, "MutatingAdmissionPolicy" | "ValidatingAdmissionPolicy") {
            place.root = "AdmissionPolicy";
        } else if matches!(kind, "RoleBinding" | "ClusterRoleBinding") {
            place.root = "RoleBinding";
        }
        if let Some(rest) = claim_prefix(&place).and_then(|prefix| strip(&place.at, prefix)) {
            place = Self { root: "ClaimTemplate", at: rest.to_vec() };
        }
        place
    }

    /// Returns the place of a child; `*` for a list item.
    pub(crate) fn child(&self, name: &'a str) -> Self {
        let mut child = self.clone();
        child.at.push(name);
        // A claim template may begin below this place.
        match claim_prefix(&child).and_then(|prefix| strip(&child.at, prefix)) {
            Some(rest) => Self { root: "ClaimTemplate", at: rest.to_vec() },
            None => child,
        }
    }

    pub(crate) fn is(&self, root: &str, pattern: &str) -> bool {
        self.root == root && matches_pattern(&self.at, pattern)
    }

    /// Returns the value the server gives the field when nobody sets it.
    pub(crate) fn default(&self) -> Option<&'static ServerDefault> {
        let root = DEFAULTS.iter().find(|(root, _)| *root == self.root)?.1;
        root.iter().find(|(pattern, _)| matches_pattern(&self.at, pattern)).map(|(_, value)| value)
    }

    /// Tells whether the field is a `resource.Quantity`.
    pub(crate) fn is_quantity(&self) -> bool {
        QUANTITIES.iter().any(|(root, pattern)| self.is(root, pattern))
    }

    /// Tells whether the field is bytes, written as base64.
    pub(crate) fn is_base64(&self) -> bool {
        BASE64.iter().any(|(root, pattern)| self.is(root, pattern))
    }

    /// Tells whether the field is a map with strings as values.
    pub(crate) fn is_string_map(&self) -> bool {
        matches!(self.at.as_slice(), ["metadata", "labels" | "annotations"])
            || (matches!(self.root, "ConfigMap" | "Secret") && matches!(self.at.as_slice(), ["data" | "binaryData"]))
    }

    /// Tells whether the server's types leave the field out when it is empty, false or zero, so that nothing tells its absence from
    /// such a value.
    pub(crate) fn is_left_out_when_empty(&self) -> bool {
        self.is_string_map() || LEFT_OUT.iter().any(|(root, pattern)| self.is(root, pattern))
    }

    /// Tells whether the field is a map whose fields are owned one by one, so that an empty map in Git asks for
    /// nothing.
    pub(crate) fn is_granular(&self) -> bool {
        self.is_string_map() || GRANULAR.iter().any(|(root, pattern)| self.is(root, pattern))
    }
}

/// Tells whether a path leads to labels or annotations of an object or of its pod template, which are granular in
/// every kind.
pub(crate) fn is_metadata_map(segments: &[&str]) -> bool {
    matches!(segments, ["metadata"] | ["metadata", "labels" | "annotations"])
}

/// Tells whether a value is one that the server's types leave out when they are written.
pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Array(value) => value.is_empty(),
        Value::Object(value) => value.is_empty(),
    }
}

/// Returns where a kind holds its pod template (an object with `metadata` and `spec`).
pub(crate) fn pod_template(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "Pod" => Some(&[]),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
            Some(&["spec", "template"])
        }
        "CronJob" => Some(&["spec", "jobTemplate", "spec", "template"]),
        "PodTemplate" => Some(&["template"]),
        _ => None,
    }
}

fn claim_prefix(place: &Place<'_>) -> Option<&'static [&'static str]> {
    match place.root {
        "StatefulSet" => Some(&["spec", "volumeClaimTemplates", "*"]),
        "PodSpec" => Some(&["volumes", "*", "ephemeral", "volumeClaimTemplate"]),
        "PersistentVolumeClaim" => Some(&[]),
        _ => None,
    }
}

fn strip<'s, 'a>(segments: &'s [&'a str], prefix: &[&str]) -> Option<&'s [&'a str]> {
    segments.split_at_checked(prefix.len()).filter(|(head, _)| *head == prefix).map(|(_, rest)| rest)
}

fn matches_pattern(at: &[&str], pattern: &str) -> bool {
    let mut parts = pattern.split('.');
    at.iter().all(|segment| parts.next().is_some_and(|part| part == "*" || part == *segment)) && parts.next().is_none()
}

const QUANTITIES: &[(&str, &str)] = &[
    ("PodSpec", "containers.*.resources.limits.*"),
    ("PodSpec", "containers.*.resources.requests.*"),
    ("PodSpec", "containers.*.env.*.valueFrom.resourceFieldRef.divisor"),
    ("PodSpec", "resources.limits.*"),
    ("PodSpec", "resources.requests.*"),
    ("PodSpec", "overhead.*"),
    ("PodSpec", "volumes.*.emptyDir.sizeLimit"),
    ("PodSpec", "volumes.*.downwardAPI.items.*.resourceFieldRef.divisor"),
    ("PodSpec", "volumes.*.projected.sources.*.downwardAPI.items.*.resourceFieldRef.divisor"),
    ("ClaimTemplate", "spec.resources.requests.*"),
    ("ClaimTemplate", "spec.resources.limits.*"),
    ("PersistentVolume", "spec.capacity.*"),
    ("ResourceQuota", "spec.hard.*"),
    ("LimitRange", "spec.limits.*.default.*"),
    ("LimitRange", "spec.limits.*.defaultRequest.*"),
    ("LimitRange", "spec.limits.*.max.*"),
    ("LimitRange", "spec.limits.*.min.*"),
    ("LimitRange", "spec.limits.*.maxLimitRequestRatio.*"),
    ("HorizontalPodAutoscaler", "spec.metrics.*.*.target.averageValue"),
    ("HorizontalPodAutoscaler", "spec.metrics.*.*.target.value"),
    ("HorizontalPodAutoscaler", "spec.behavior.*.tolerance"),
    ("RuntimeClass", "overhead.podFixed.*"),
];

const BASE64: &[(&str, &str)] = &[
    ("Secret", "data.*"),
    ("ConfigMap", "binaryData.*"),
    ("WebhookConfiguration", "webhooks.*.clientConfig.caBundle"),
    ("APIService", "spec.caBundle"),
    ("CustomResourceDefinition", "spec.conversion.webhook.clientConfig.caBundle"),
    ("CertificateSigningRequest", "spec.request"),
];

const GRANULAR: &[(&str, &str)] = &[
    ("Deployment", "spec.strategy"),
    ("Deployment", "spec.strategy.rollingUpdate"),
    ("DaemonSet", "spec.updateStrategy"),
    ("DaemonSet", "spec.updateStrategy.rollingUpdate"),
    ("StatefulSet", "spec.updateStrategy"),
    ("StatefulSet", "spec.updateStrategy.rollingUpdate"),
    ("PodSpec", "securityContext"),
    ("PodSpec", "containers.*.securityContext"),
    ("PodSpec", "containers.*.resources"),
    ("PodSpec", "containers.*.resources.limits"),
    ("PodSpec", "containers.*.resources.requests"),
    ("PodSpec", "volumes.*.emptyDir"),
    ("ResourceQuota", "spec.hard"),
];

const LEFT_OUT: &[(&str, &str)] = &[
    ("ConfigMap", "data"),
    ("ConfigMap", "binaryData"),
    ("Secret", "data"),
    ("Deployment", "spec.minReadySeconds"),
    ("Deployment", "spec.paused"),
    ("StatefulSet", "spec.minReadySeconds"),
    ("DaemonSet", "spec.minReadySeconds"),
    ("PodSpec", "nodeSelector"),
    ("PodSpec", "nodeName"),
    ("PodSpec", "hostNetwork"),
    ("PodSpec", "hostPID"),
    ("PodSpec", "hostIPC"),
    ("PodSpec", "hostname"),
    ("PodSpec", "subdomain"),
    ("PodSpec", "priorityClassName"),
    ("PodSpec", "overhead"),
    ("PodSpec", "containers.*.resources.limits"),
    ("PodSpec", "containers.*.resources.requests"),
    ("PodSpec", "containers.*.workingDir"),
    ("PodSpec", "containers.*.stdin"),
    ("PodSpec", "containers.*.stdinOnce"),
    ("PodSpec", "containers.*.tty"),
    ("PodSpec", "containers.*.env.*.value"),
    ("PodSpec", "containers.*.volumeMounts.*.readOnly"),
    ("PodSpec", "containers.*.volumeMounts.*.subPath"),
    ("Service", "spec.selector"),
    ("Service", "spec.externalName"),
    ("Service", "spec.loadBalancerIP"),
    ("Service", "spec.publishNotReadyAddresses"),
    ("PriorityClass", "globalDefault"),
];

/// Tells whether a live value is the default that the server derives from fields beside it.
pub(crate) fn is_derived_default(place: &Place<'_>, beside: &serde_json::Map<String, Value>, live: &Value) -> bool {
    if place.is("PodSpec", "containers.*.imagePullPolicy") {
        let image = beside.get("image").and_then(Value::as_str).unwrap_or_default();
        return live.as_str() == Some(pull_policy(image));
    }
    if place.is("Service", "spec.ports.*.targetPort") {
        return beside.get("port") == Some(live);
    }
    if place.is("PodSpec", "serviceAccount") {
        return beside.get("serviceAccountName") == Some(live);
    }
    let counted = |key: &str| beside.contains_key(key);
    (place.is("Job", "spec.completions") || place.is("Job", "spec.parallelism"))
        && !counted("completions")
        && !counted("parallelism")
        && live.as_i64() == Some(1)
}

fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let floating = match name.split_once('@') {
        Some(_) => false,
        None => name.split_once(':').is_none_or(|(_, tag)| tag == "latest"),
    };
    if floating { "Always" } else { "IfNotPresent" }
}
