//! Pods. One that is meant to end is never healthy while it runs: hooks wait for its end.

use kube_object::Object;
use serde_json::Value;

use crate::fields::{condition, field, list, text};
use crate::{Health, HealthStatus};

const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

pub(super) fn pod(object: &Object) -> Health {
    let is_long_lived = is_long_lived(object);
    if is_long_lived && let Some(messages) = container_errors(object) {
        return Health::new(HealthStatus::Degraded, messages);
    }
    let message = text(object, &["status", "message"]);
    let status = match text(object, &["status", "phase"]) {
        "Pending" => HealthStatus::Progressing,
        "Succeeded" => HealthStatus::Healthy,
        "Failed" if message.is_empty() => {
            return Health::new(HealthStatus::Degraded, failure(object).unwrap_or_default());
        }
        "Failed" => HealthStatus::Degraded,
        "Running" if is_long_lived => running(object),
        "Running" if matches!(restart_policy(object), "OnFailure" | "Never") => HealthStatus::Progressing,
        _ => HealthStatus::Unknown,
    };
    Health::new(status, message)
}

fn restart_policy(object: &Object) -> &str {
    text(object, &["spec", "restartPolicy"])
}

fn is_long_lived(object: &Object) -> bool {
    restart_policy(object) == "Always" || (object.annotation(IGNORE_RESTART_POLICY) == Some("true") && !is_hook(object))
}

/// Tells whether the object is a hook of Argo CD, other than one to skip, or of Helm.
fn is_hook(object: &Object) -> bool {
    match object.annotation("argocd.argoproj.io/hook") {
        Some(phases) => phases.trim() != "Skip",
        None => object.annotation("helm.sh/hook").is_some_and(|phase| phase != "crd-install"),
    }
}

fn containers(object: &Object) -> &[Value] {
    list(object, &["status", "containerStatuses"])
}

/// Returns the messages of the containers that cannot start; none when all can.
fn container_errors(object: &Object) -> Option<String> {
    let messages: Vec<&str> = containers(object)
        .iter()
        .filter_map(|container| container.get("state")?.get("waiting"))
        .filter(|waiting| {
            let reason = field(waiting, "reason");
            reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
        })
        .map(|waiting| field(waiting, "message"))
        .collect();
    (!messages.is_empty()).then(|| messages.join(", "))
}

/// Returns why the pod failed, from the first container that says so.
fn failure(object: &Object) -> Option<String> {
    list(object, &["status", "initContainerStatuses"]).iter().chain(containers(object)).find_map(|container| {
        let terminated = container.get("state")?.get("terminated")?;
        let exit_code = terminated.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
        match field(terminated, "message") {
            "" if field(terminated, "reason") == "OOMKilled" => Some("OOMKilled".to_owned()),
            "" if exit_code != 0 => {
                Some(format!("container \"{}\" failed with exit code {exit_code}", field(container, "name")))
            }
            "" => None,
            message => Some(message.to_owned()),
        }
    })
}

fn running(object: &Object) -> HealthStatus {
    if condition(object, "Ready").is_some_and(|ready| ready.is_true()) {
        return HealthStatus::Healthy;
    }
    let is_restarted = containers(object).iter().any(|container| {
        container.get("lastState").and_then(|state| state.get("terminated")).is_some_and(|t| !t.is_null())
    });
    if is_restarted { HealthStatus::Degraded } else { HealthStatus::Progressing }
}
