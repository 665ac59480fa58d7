use kube_object::ObjectKey;
use object_health::{Health, HealthStatus};

use crate::ResourceComparison;

/// How many objects a message names.
const NAMED: usize = 3;

/// Adds up the health of an application from that of its objects (semantics, section 4.3).
pub(crate) fn aggregate(resources: &[ResourceComparison], own: &ObjectKey) -> Health {
    let counted = || {
        resources
            .iter()
            .filter(|resource| !resource.ignore_health && resource.key != *own && resource.live.is_some())
            .filter_map(|resource| Some((resource, resource.health.as_ref()?.status)))
            .filter(|(resource, status)| !is_unsettled_child(&resource.key, *status))
    };
    let mut worst = counted().map(|(_, status)| status).fold(HealthStatus::Healthy, HealthStatus::worst);
    let nothing_live = !resources.is_empty() && resources.iter().all(|resource| resource.live.is_none());
    if nothing_live {
        worst = worst.worst(HealthStatus::Missing);
    }
    let causes: Vec<_> = counted().filter(|(_, status)| *status == worst).map(|(resource, _)| &resource.key).collect();
    if worst == HealthStatus::Healthy || causes.is_empty() {
        return Health::from(worst);
    }
    Health::new(worst, message(&causes))
}

/// A child Application that has not been looked at yet says nothing about its parent.
fn is_unsettled_child(key: &ObjectKey, status: HealthStatus) -> bool {
    key.group == "argoproj.io"
        && key.kind == "Application"
        && matches!(status, HealthStatus::Missing | HealthStatus::Unknown)
}

fn message(causes: &[&ObjectKey]) -> String {
    let name = |key: &&ObjectKey| {
        let namespace = if key.namespace.is_empty() { String::new() } else { format!("{}/", key.namespace) };
        format!("{}:{namespace}{}", key.group_kind(), key.name)
    };
    let named: Vec<String> = causes.iter().take(NAMED).map(name).collect();
    let more = match causes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("Caused by {}{more}", named.join(", "))
}
