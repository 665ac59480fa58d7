//! What adds kinds to the API server: aggregated APIs and CustomResourceDefinitions.

use kube_object::Object;

use crate::fields::{condition, conditions};
use crate::{Health, HealthStatus};

pub(super) fn api_service(object: &Object) -> Health {
    let Some(available) = condition(object, "Available") else {
        return Health::new(HealthStatus::Progressing, "Waiting to be processed");
    };
    let status = if available.is_true() { HealthStatus::Healthy } else { HealthStatus::Progressing };
    Health::new(status, format!("{}: {}", available.reason, available.message))
}

/// The first condition that says something bad decides, in the order of the list (Argo CD's shipped rule for the kind).
pub(super) fn custom_resource_definition(object: &Object) -> Health {
    if object.is_deleting() {
        return Health::new(HealthStatus::Progressing, "CRD is terminating");
    }
    let (mut is_any, mut is_established) = (false, false);
    for condition in conditions(object) {
        is_any = true;
        let because = |words: &str| format!("{words}: {}", condition.message);
        match (condition.kind, condition.status) {
            ("Terminating", "True") => {
                return Health::new(HealthStatus::Progressing, because("CRD is terminating"));
            }
            ("NamesAccepted", "False") => {
                return Health::new(HealthStatus::Degraded, because("CRD names have not been accepted"));
            }
            ("NonStructuralSchema", "True") => {
                return Health::new(HealthStatus::Degraded, because("Schema violations found"));
            }
            ("Established", "True") => is_established = true,
            ("Established", _) if condition.reason == "Installing" => {
                return Health::new(HealthStatus::Progressing, "CRD is being installed");
            }
            _ => {}
        }
    }
    match (is_any, is_established) {
        (false, _) => Health::new(HealthStatus::Progressing, "Status conditions not found"),
        (true, false) => Health::new(HealthStatus::Degraded, "CRD is not established"),
        (true, true) => Health::new(HealthStatus::Healthy, "CRD is healthy"),
    }
}
