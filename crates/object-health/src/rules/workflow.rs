//! Workflows of Argo Workflows.

use kube_object::Object;

use crate::fields::text;
use crate::{Health, HealthStatus};

pub(super) fn workflow(object: &Object) -> Health {
    let status = match text(object, &["status", "phase"]) {
        "" | "Pending" | "Running" => HealthStatus::Progressing,
        "Succeeded" => HealthStatus::Healthy,
        "Failed" | "Error" => HealthStatus::Degraded,
        _ => HealthStatus::Unknown,
    };
    Health::new(status, text(object, &["status", "message"]))
}
