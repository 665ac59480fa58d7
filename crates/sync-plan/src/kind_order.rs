//! The order in which kinds are applied within a wave.

/// Kinds that are applied in this order; kinds that are not listed come after all of these (Argo CD, sync engine).
const ORDER: [&str; 34] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
];

/// Returns the place of a kind: smaller is earlier.
pub(crate) fn rank(kind: &str) -> usize {
    match kind {
        "APIService" => ORDER.len(),
        _ => ORDER.iter().position(|k| *k == kind).unwrap_or(ORDER.len() + 1),
    }
}
