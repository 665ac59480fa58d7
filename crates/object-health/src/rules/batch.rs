//! Jobs.

use kube_object::Object;

use crate::fields::conditions;
use crate::{Health, HealthStatus};

/// `Failed` and `Complete` count by their type alone, whatever their status, as Argo CD reads them.
pub(super) fn job(object: &Object) -> Health {
    let (mut failure, mut is_over, mut is_suspended, mut message) = (None, false, false, "");
    for condition in conditions(object) {
        match condition.kind {
            "Failed" => failure = Some(condition.message),
            "Complete" => message = condition.message,
            "Suspended" => {
                message = condition.message;
                is_suspended |= condition.is_true();
            }
            _ => continue,
        }
        is_over = true;
    }
    match failure {
        _ if !is_over => Health::new(HealthStatus::Progressing, message),
        Some(failure) => Health::new(HealthStatus::Degraded, failure),
        None if is_suspended => Health::new(HealthStatus::Suspended, message),
        None => Health::new(HealthStatus::Healthy, message),
    }
}
