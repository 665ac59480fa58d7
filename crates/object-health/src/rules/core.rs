//! Services, volume claims and ingresses: what waits for something outside to be given to it.

use kube_object::Object;

use crate::fields::{list, text};
use crate::{Health, HealthStatus};

pub(super) fn service(object: &Object) -> Health {
    if text(object, &["spec", "type"]) == "LoadBalancer" { ingress(object) } else { HealthStatus::Healthy.into() }
}

pub(super) fn ingress(object: &Object) -> Health {
    let has_address = !list(object, &["status", "loadBalancer", "ingress"]).is_empty();
    if has_address { HealthStatus::Healthy.into() } else { HealthStatus::Progressing.into() }
}

pub(super) fn persistent_volume_claim(object: &Object) -> Health {
    match text(object, &["status", "phase"]) {
        "Lost" => HealthStatus::Degraded,
        "Pending" => HealthStatus::Progressing,
        "Bound" => HealthStatus::Healthy,
        _ => HealthStatus::Unknown,
    }
    .into()
}
