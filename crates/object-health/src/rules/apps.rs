//! Workloads of the `apps` group: they are healthy when their rollout is over.

use kube_object::Object;

use crate::fields::{Condition, condition, integer, integer_if_set, text};
use crate::{Health, HealthStatus};

fn waiting(message: impl Into<String>) -> Health {
    Health::new(HealthStatus::Progressing, message)
}

/// Tells whether the controller of the object has not yet looked at its present spec.
fn is_unobserved(object: &Object) -> bool {
    integer(object, &["metadata", "generation"]) > integer(object, &["status", "observedGeneration"])
}

pub(super) fn deployment(object: &Object) -> Health {
    if object.get(&["spec", "paused"]) == Some(&true.into()) {
        return Health::new(HealthStatus::Suspended, "Deployment is paused");
    }
    if is_unobserved(object) {
        return waiting("Waiting for rollout to finish: observed deployment generation less than desired generation");
    }
    if condition(object, "Progressing").is_some_and(|found| found.reason == "ProgressDeadlineExceeded") {
        let message = format!("Deployment \"{}\" exceeded its progress deadline", object.name());
        return Health::new(HealthStatus::Degraded, message);
    }
    let updated = integer(object, &["status", "updatedReplicas"]);
    let available = integer(object, &["status", "availableReplicas"]);
    let old = integer(object, &["status", "replicas"]).saturating_sub(updated);
    match integer_if_set(object, &["spec", "replicas"]) {
        Some(wanted) if updated < wanted => waiting(format!(
            "Waiting for rollout to finish: {updated} out of {wanted} new replicas have been updated..."
        )),
        _ if old > 0 => {
            waiting(format!("Waiting for rollout to finish: {old} old replicas are pending termination..."))
        }
        _ if available < updated => waiting(format!(
            "Waiting for rollout to finish: {available} of {updated} updated replicas are available..."
        )),
        _ => HealthStatus::Healthy.into(),
    }
}

pub(super) fn replica_set(object: &Object) -> Health {
    if is_unobserved(object) {
        return waiting("Waiting for rollout to finish: observed replica set generation less than desired generation");
    }
    if let Some(failure) = condition(object, "ReplicaFailure").filter(Condition::is_true) {
        return Health::new(HealthStatus::Degraded, failure.message);
    }
    let available = integer(object, &["status", "availableReplicas"]);
    match integer_if_set(object, &["spec", "replicas"]) {
        Some(wanted) if available < wanted => {
            waiting(format!("Waiting for rollout to finish: {available} out of {wanted} new replicas are available..."))
        }
        _ => HealthStatus::Healthy.into(),
    }
}

pub(super) fn daemon_set(object: &Object) -> Health {
    if is_unobserved(object) {
        return waiting("Waiting for rollout to finish: observed daemon set generation less than desired generation");
    }
    let name = object.name();
    let updated = integer(object, &["status", "updatedNumberScheduled"]);
    let wanted = integer(object, &["status", "desiredNumberScheduled"]);
    let available = integer(object, &["status", "numberAvailable"]);
    if text(object, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        let message = format!("daemon set {updated} out of {wanted} new pods have been updated");
        return Health::new(HealthStatus::Healthy, message);
    }
    if updated < wanted {
        return waiting(format!(
            "Waiting for daemon set \"{name}\" rollout to finish: {updated} out of {wanted} new pods have been updated..."
        ));
    }
    if available < wanted {
        return waiting(format!(
            "Waiting for daemon set \"{name}\" rollout to finish: {available} of {wanted} updated pods are available..."
        ));
    }
    HealthStatus::Healthy.into()
}

pub(super) fn stateful_set(object: &Object) -> Health {
    if integer(object, &["status", "observedGeneration"]) == 0 || is_unobserved(object) {
        return waiting("Waiting for statefulset spec update to be observed...");
    }
    let wanted = integer_if_set(object, &["spec", "replicas"]);
    let ready = integer(object, &["status", "readyReplicas"]);
    let updated = integer(object, &["status", "updatedReplicas"]);
    if let Some(missing) = wanted.map(|wanted| wanted.saturating_sub(ready)).filter(|missing| *missing > 0) {
        return waiting(format!("Waiting for {missing} pods to be ready..."));
    }
    let strategy = text(object, &["spec", "updateStrategy", "type"]);
    let rolling = object.get(&["spec", "updateStrategy", "rollingUpdate"]).filter(|rolling| rolling.is_object());
    if strategy == "RollingUpdate" && rolling.is_some() {
        let partition = integer_if_set(object, &["spec", "updateStrategy", "rollingUpdate", "partition"]);
        return partitioned(wanted.zip(partition).map(|(wanted, partition)| wanted.saturating_sub(partition)), updated);
    }
    if strategy == "OnDelete" {
        return Health::new(HealthStatus::Healthy, format!("statefulset has {ready} ready pods"));
    }
    let (update, current) = (text(object, &["status", "updateRevision"]), text(object, &["status", "currentRevision"]));
    if update != current {
        return waiting(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {update}..."
        ));
    }
    let at_current = integer(object, &["status", "currentReplicas"]);
    let message = format!("statefulset rolling update complete {at_current} pods at revision {current}...");
    Health::new(HealthStatus::Healthy, message)
}

fn partitioned(to_update: Option<i64>, updated: i64) -> Health {
    match to_update {
        Some(to_update) if updated < to_update => waiting(format!(
            "Waiting for partitioned roll out to finish: {updated} out of {to_update} new pods have been updated..."
        )),
        _ => Health::new(
            HealthStatus::Healthy,
            format!("partitioned roll out complete: {updated} new pods have been updated..."),
        ),
    }
}
