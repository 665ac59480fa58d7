use kube_object::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::{is_default, string_enum};
use crate::{
    ApplicationCondition, ApplicationDestination, ApplicationSource, OperationInitiator, OperationState,
    ResourceIgnoreDifferences, SourceHydrator, SourceType, schema,
};

/// The observed state of an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// The managed objects, sorted by group, kind, namespace and name.
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Vec<ResourceStatus>,
    /// Whether the cluster is as the source says.
    pub sync: SyncStatus,
    /// Whether the application works.
    pub health: AppHealthStatus,
    /// Past deployments, oldest first.
    #[serde(skip_serializing_if = "is_default")]
    pub history: Vec<RevisionHistory>,
    /// Errors and warnings.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<ApplicationCondition>,
    /// When the last full comparison began.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "Option<schema::DateTime>")]
    pub reconciled_at: Option<Time>,
    /// The last operation or the one that goes on.
    #[serde(skip_serializing_if = "is_default")]
    pub operation_state: Option<OperationState>,
    /// Deprecated.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "Option<schema::DateTime>")]
    pub observed_at: Option<Time>,
    /// How the source was rendered.
    #[serde(skip_serializing_if = "is_default")]
    pub source_type: Option<SourceType>,
    /// How the sources were rendered.
    #[serde(skip_serializing_if = "is_default")]
    pub source_types: Vec<SourceType>,
    /// Links and images.
    pub summary: ApplicationSummary,
    /// Where the health of objects is kept.
    #[serde(skip_serializing_if = "is_default")]
    pub resource_health_source: ResourceHealthLocation,
    /// Namespace of the controller.
    #[serde(skip_serializing_if = "is_default")]
    pub controller_namespace: String,
    /// How hydration went.
    pub source_hydrator: SourceHydratorStatus,
}

string_enum! {
    /// Whether the cluster is as the source says.
    #[derive(Default)]
    SyncStatusCode {
        /// It is.
        Synced = "Synced",
        /// It is not.
        OutOfSync = "OutOfSync",
        /// Not known.
        #[default]
        Unknown = "Unknown",
    }
}

string_enum! {
    /// Whether an object or application works.
    HealthStatusCode {
        /// It works.
        Healthy = "Healthy",
        /// It gets there.
        Progressing = "Progressing",
        /// It failed.
        Degraded = "Degraded",
        /// It waits for somebody.
        Suspended = "Suspended",
        /// It is not in the cluster.
        Missing = "Missing",
        /// Not known.
        Unknown = "Unknown",
    }
}

string_enum! {
    /// Where the health of objects is kept.
    #[derive(Default)]
    ResourceHealthLocation {
        /// In `status.resources`.
        #[default]
        Inline = "",
        /// In the tree of the application.
        AppTree = "appTree",
    }
}

/// The outcome of a comparison and what was compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["status"]))]
pub struct SyncStatus {
    /// The outcome.
    pub status: SyncStatusCode,
    /// What was compared.
    pub compared_to: ComparedTo,
    /// The resolved revision.
    #[serde(skip_serializing_if = "is_default")]
    pub revision: String,
    /// The resolved revisions, one for each source.
    #[serde(skip_serializing_if = "is_default")]
    pub revisions: Vec<String>,
}

/// The part of the spec that a comparison used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["destination"]))]
pub struct ComparedTo {
    /// The source.
    pub source: ApplicationSource,
    /// The destination.
    pub destination: ApplicationDestination,
    /// The sources.
    #[serde(skip_serializing_if = "is_default")]
    pub sources: Vec<ApplicationSource>,
    /// Differences that did not count.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_differences: Vec<ResourceIgnoreDifferences>,
}

/// The health of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct AppHealthStatus {
    /// The health.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Option<HealthStatusCode>,
    /// What is to be said about it.
    #[serde(skip_serializing_if = "is_default")]
    pub message: String,
    /// When the health last changed.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "Option<schema::DateTime>")]
    pub last_transition_time: Option<Time>,
}

/// The health of an object.
pub type HealthStatus = AppHealthStatus;

/// A managed object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceStatus {
    /// API group.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// API version.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    /// Kind.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Whether it is as the source says; none for hooks.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Option<SyncStatusCode>,
    /// Its health.
    #[serde(skip_serializing_if = "is_default")]
    pub health: Option<HealthStatus>,
    /// Whether it is a hook.
    #[serde(skip_serializing_if = "is_default")]
    pub hook: bool,
    /// Whether it left the source.
    #[serde(skip_serializing_if = "is_default")]
    pub requires_pruning: bool,
    /// Its wave.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_wave: i64,
    /// Whether its deletion needs a confirmation.
    #[serde(skip_serializing_if = "is_default")]
    pub requires_deletion_confirmation: bool,
}

/// A past deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["deployedAt", "id"]))]
pub struct RevisionHistory {
    /// The revision.
    #[serde(default, skip_serializing_if = "is_default")]
    pub revision: String,
    /// The revisions, one for each source.
    #[serde(default, skip_serializing_if = "is_default")]
    pub revisions: Vec<String>,
    /// When the sync ended.
    #[schemars(with = "schema::DateTime")]
    pub deployed_at: Time,
    /// Number of the deployment, from 0.
    #[serde(default)]
    pub id: i64,
    /// The source.
    #[serde(default)]
    pub source: ApplicationSource,
    /// The sources.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sources: Vec<ApplicationSource>,
    /// When the sync started.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "Option<schema::DateTime>")]
    pub deploy_started_at: Option<Time>,
    /// Who asked.
    #[serde(default)]
    pub initiated_by: OperationInitiator,
}

/// Links and images of an application, each list sorted and without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ApplicationSummary {
    /// Links.
    #[serde(rename = "externalURLs", skip_serializing_if = "is_default")]
    pub external_urls: Vec<String>,
    /// Images.
    #[serde(skip_serializing_if = "is_default")]
    pub images: Vec<String>,
    /// Whether the application has applications as children.
    #[serde(skip_serializing_if = "is_default")]
    pub is_app_of_apps: bool,
}

/// How hydration went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SourceHydratorStatus {
    /// The last hydration with success.
    #[serde(skip_serializing_if = "is_default")]
    pub last_successful_operation: Option<SuccessfulHydrateOperation>,
    /// The last hydration or the one that goes on.
    #[serde(skip_serializing_if = "is_default")]
    pub current_operation: Option<HydrateOperation>,
    /// The dry revision last looked at.
    #[serde(skip_serializing_if = "is_default")]
    pub last_compared_dry_revision: String,
}

string_enum! {
    /// How far a hydration has come.
    HydratePhase {
        /// Not done.
        Hydrating = "Hydrating",
        /// Done, without success.
        Failed = "Failed",
        /// Done, with success.
        Hydrated = "Hydrated",
    }
}

/// A hydration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["message", "phase"]))]
pub struct HydrateOperation {
    /// When it started.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "Option<schema::DateTime>")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "Option<schema::DateTime>")]
    pub finished_at: Option<Time>,
    /// How far it has come.
    #[schemars(schema_with = "schema::hydrate_phase")]
    pub phase: HydratePhase,
    /// What is to be said about it.
    #[serde(default)]
    pub message: String,
    /// The dry revision.
    #[serde(rename = "drySHA", default, skip_serializing_if = "is_default")]
    pub dry_sha: String,
    /// The revision with rendered manifests.
    #[serde(rename = "hydratedSHA", default, skip_serializing_if = "is_default")]
    pub hydrated_sha: String,
    /// The hydrator as in the spec.
    #[serde(default)]
    pub source_hydrator: SourceHydrator,
}

/// A hydration with success.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SuccessfulHydrateOperation {
    /// The dry revision.
    #[serde(rename = "drySHA", skip_serializing_if = "is_default")]
    pub dry_sha: String,
    /// The revision with rendered manifests.
    #[serde(rename = "hydratedSHA", skip_serializing_if = "is_default")]
    pub hydrated_sha: String,
    /// The hydrator as in the spec.
    pub source_hydrator: SourceHydrator,
}
