//! The comparison in the words of `status`.

use application_api::{AppHealthStatus, HealthStatusCode, RemovalOption, ResourceStatus};
use object_health::{Health, HealthStatus};

use crate::{Comparison, ResourceComparison};

impl Comparison {
    /// Returns the rows of `status.resources`, sorted by group, kind, namespace and name.
    pub fn resource_statuses(&self) -> Vec<ResourceStatus> {
        let mut rows: Vec<&ResourceComparison> = self.resources.iter().collect();
        rows.sort_by(|one, other| one.key.cmp(&other.key));
        rows.into_iter().map(ResourceComparison::resource_status).collect()
    }

    /// Returns `status.health`, without a time; empty before the first comparison.
    pub fn health_status(&self) -> AppHealthStatus {
        self.health.as_ref().map(health_status).unwrap_or_default()
    }
}

impl ResourceComparison {
    /// Returns the row of `status.resources`.
    pub fn resource_status(&self) -> ResourceStatus {
        let confirm = |option: Option<RemovalOption>| option == Some(RemovalOption::Confirm);
        ResourceStatus {
            group: self.key.group.clone(),
            version: self.version.clone(),
            kind: self.key.kind.clone(),
            namespace: self.key.namespace.clone(),
            name: self.key.name.clone(),
            status: self.status.clone(),
            health: self.health.as_ref().map(health_status),
            hook: false,
            requires_pruning: self.requires_pruning,
            sync_wave: self.wave,
            requires_deletion_confirmation: confirm(self.options.prune) || confirm(self.options.delete),
        }
    }
}

fn health_status(health: &Health) -> AppHealthStatus {
    let status = match health.status {
        HealthStatus::Healthy => HealthStatusCode::Healthy,
        HealthStatus::Suspended => HealthStatusCode::Suspended,
        HealthStatus::Progressing => HealthStatusCode::Progressing,
        HealthStatus::Missing => HealthStatusCode::Missing,
        HealthStatus::Degraded => HealthStatusCode::Degraded,
        HealthStatus::Unknown => HealthStatusCode::Unknown,
    };
    AppHealthStatus { status: Some(status), message: health.message.clone(), last_transition_time: None }
}
