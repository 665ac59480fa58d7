//! The built-in rules, by group and kind. Messages are Argo CD's to the letter: people and scripts match on them.

mod apps;
mod autoscaling;
mod batch;
mod core;
mod extension;
mod pod;
mod workflow;

use kube_object::{Gvk, Object};

use crate::{Health, HealthStatus};

type Rule = fn(&Object) -> Health;

/// Applies the built-in rule for the kind of `object`; none when there is none.
pub(crate) fn health(object: &Object) -> Option<Health> {
    let gvk = object.gvk();
    let (rule, versions, name): (Rule, &[&str], &str) = match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", "Deployment") => (apps::deployment, &["v1"], "Deployment"),
        ("apps", "StatefulSet") => (apps::stateful_set, &["v1"], "StatefulSet"),
        ("apps", "ReplicaSet") => (apps::replica_set, &["v1"], "ReplicaSet"),
        ("apps", "DaemonSet") => (apps::daemon_set, &["v1"], "DaemonSet"),
        ("", "Pod") => (pod::pod, &["v1"], "Pod"),
        ("", "Service") => (core::service, &["v1"], "Service"),
        ("", "PersistentVolumeClaim") => (core::persistent_volume_claim, &["v1"], "PersistentVolumeClaim"),
        ("networking.k8s.io" | "extensions", "Ingress") => (core::ingress, &[], "Ingress"),
        ("batch", "Job") => (batch::job, &["v1"], "Job"),
        ("autoscaling", "HorizontalPodAutoscaler") => (autoscaling::autoscaler, &["v1", "v2"], "HPA"),
        ("apiregistration.k8s.io", "APIService") => (extension::api_service, &["v1", "v1beta1"], "APIService"),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => (extension::custom_resource_definition, &[], "CRD"),
        ("argoproj.io", "Workflow") => (workflow::workflow, &[], "Workflow"),
        _ => return None,
    };
    let readable = versions.is_empty() || versions.contains(&gvk.version.as_str());
    Some(if readable { rule(object) } else { unsupported(name, &gvk) })
}

fn unsupported(name: &str, gvk: &Gvk) -> Health {
    let Gvk { group, version, kind } = gvk;
    Health::new(HealthStatus::Unknown, format!("unsupported {name} GVK: {group}/{version}, Kind={kind}"))
}
