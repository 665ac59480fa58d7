use kube_object::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::{is_default, string_enum};
use crate::{ApplicationSource, Info, ManagedNamespaceMetadata, RetryStrategy, SyncOptions, schema};

/// A request to do something with an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Operation {
    /// A sync.
    #[serde(skip_serializing_if = "is_default")]
    pub sync: Option<SyncOperation>,
    /// Who asked.
    pub initiated_by: OperationInitiator,
    /// Facts for people.
    #[serde(skip_serializing_if = "is_default")]
    pub info: Vec<Info>,
    /// What happens after a failure.
    pub retry: RetryStrategy,
}

/// Who asked for an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct OperationInitiator {
    /// Name of the user.
    #[serde(skip_serializing_if = "is_default")]
    pub username: String,
    /// Whether the controller asked.
    #[serde(skip_serializing_if = "is_default")]
    pub automated: bool,
}

/// A request to sync.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SyncOperation {
    /// Revision to sync to; empty means that of the source.
    #[serde(skip_serializing_if = "is_default")]
    pub revision: String,
    /// Revisions to sync to, one for each source.
    #[serde(skip_serializing_if = "is_default")]
    pub revisions: Vec<String>,
    /// Whether objects that left the source are deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub prune: bool,
    /// Whether nothing is written.
    #[serde(skip_serializing_if = "is_default")]
    pub dry_run: bool,
    /// How to sync.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_strategy: Option<SyncStrategy>,
    /// The objects to sync; all when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Vec<SyncOperationResource>,
    /// Source to sync instead of the application's.
    #[serde(skip_serializing_if = "is_default")]
    pub source: Option<ApplicationSource>,
    /// Sources to sync instead of the application's.
    #[serde(skip_serializing_if = "is_default")]
    pub sources: Vec<ApplicationSource>,
    /// Manifests to sync instead of rendered ones, as JSON text.
    #[serde(skip_serializing_if = "is_default")]
    pub manifests: Vec<String>,
    /// Options, each `Key=value`.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_options: SyncOptions,
    /// Number of self-heal attempts so far.
    #[serde(rename = "autoHealAttemptsCount", skip_serializing_if = "is_default")]
    pub self_heal_attempts_count: i64,
}

/// An object selected for a sync. An empty namespace means any; group, kind and name may be `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["kind", "name"]))]
pub struct SyncOperationResource {
    /// API group.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
}

impl SyncOperationResource {
    /// Tells whether an object is selected (semantics, section 2.1).
    pub fn selects(&self, group: &str, kind: &str, namespace: &str, name: &str) -> bool {
        let same = |own: &str, other: &str| own == "*" || own == other;
        same(&self.group, group)
            && same(&self.kind, kind)
            && same(&self.name, name)
            && (self.namespace.is_empty() || self.namespace == namespace)
    }
}

/// How to sync: with hooks unless told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SyncStrategy {
    /// Without hooks.
    #[serde(skip_serializing_if = "is_default")]
    pub apply: Option<SyncStrategyForce>,
    /// With hooks.
    #[serde(skip_serializing_if = "is_default")]
    pub hook: Option<SyncStrategyForce>,
}

/// Whether objects that cannot be changed are made anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SyncStrategyForce {
    /// Whether to delete and create what cannot be changed.
    #[serde(skip_serializing_if = "is_default")]
    pub force: bool,
}

string_enum! {
    /// How far an operation, or one object in it, has come.
    OperationPhase {
        /// Not done; waiting for a retry when `finishedAt` is set.
        Running = "Running",
        /// To be ended.
        Terminating = "Terminating",
        /// Done, with success.
        Succeeded = "Succeeded",
        /// Done, without success.
        Failed = "Failed",
        /// Done, because of an error.
        Error = "Error",
    }
}

impl OperationPhase {
    /// Tells whether the operation has ended.
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Error)
    }

    /// Tells whether the operation goes on: running or terminating.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running | Self::Terminating)
    }
}

/// The last operation or the one that goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["operation", "phase", "startedAt"]))]
pub struct OperationState {
    /// The request.
    #[serde(default)]
    pub operation: Operation,
    /// How far it has come.
    pub phase: OperationPhase,
    /// What is to be said about it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub message: String,
    /// What the sync did.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sync_result: Option<SyncOperationResult>,
    /// When it started; retries do not change it.
    #[schemars(with = "schema::DateTime")]
    pub started_at: Time,
    /// When it, or the attempt before the next retry, ended.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "Option<schema::DateTime>")]
    pub finished_at: Option<Time>,
    /// Number of retries so far, a waiting one included.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry_count: i64,
}

impl OperationState {
    /// Tells whether the operation waits for a retry: running, yet finished (semantics, section 1.6).
    pub fn is_waiting_for_retry(&self) -> bool {
        self.phase.is_running() && self.finished_at.is_some()
    }
}

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["revision"]))]
pub struct SyncOperationResult {
    /// Results of objects.
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Vec<ResourceResult>,
    /// The revision.
    pub revision: String,
    /// The revisions, one for each source.
    #[serde(skip_serializing_if = "is_default")]
    pub revisions: Vec<String>,
    /// The source.
    pub source: ApplicationSource,
    /// The sources.
    #[serde(skip_serializing_if = "is_default")]
    pub sources: Vec<ApplicationSource>,
    /// Metadata of the namespace that the sync managed.
    #[serde(skip_serializing_if = "is_default")]
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
}

string_enum! {
    /// What a sync did with one object.
    ResultCode {
        /// Applied.
        Synced = "Synced",
        /// Failed to apply or to delete.
        SyncFailed = "SyncFailed",
        /// Deleted.
        Pruned = "Pruned",
        /// Kept although it left the source.
        PruneSkipped = "PruneSkipped",
    }
}

string_enum! {
    /// When a hook runs.
    HookType {
        /// Before the sync.
        PreSync = "PreSync",
        /// With the sync.
        Sync = "Sync",
        /// After the sync.
        PostSync = "PostSync",
        /// Never: the object is left alone.
        Skip = "Skip",
        /// After a failed sync.
        SyncFail = "SyncFail",
        /// Before the application is deleted.
        PreDelete = "PreDelete",
        /// After the application is deleted.
        PostDelete = "PostDelete",
    }
}

string_enum! {
    /// A part of a sync.
    SyncPhase {
        /// Before the objects.
        PreSync = "PreSync",
        /// The objects.
        Sync = "Sync",
        /// After the objects.
        PostSync = "PostSync",
        /// After a failure.
        SyncFail = "SyncFail",
    }
}

/// What a sync did with one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["group", "kind", "name", "namespace", "version"]))]
pub struct ResourceResult {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What was done; none until something was.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Option<ResultCode>,
    /// What is to be said about it.
    #[serde(skip_serializing_if = "is_default")]
    pub message: String,
    /// The type of a hook.
    #[serde(skip_serializing_if = "is_default")]
    pub hook_type: Option<HookType>,
    /// How far the object has come, hook or not.
    #[serde(skip_serializing_if = "is_default")]
    pub hook_phase: Option<OperationPhase>,
    /// The part of the sync.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_phase: Option<SyncPhase>,
    /// Images of the object.
    #[serde(skip_serializing_if = "is_default")]
    pub images: Vec<String>,
}
