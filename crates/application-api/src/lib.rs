//! The argoproj.io/v1alpha1 API: Application and AppProject as Argo CD reads and writes them, and their CRDs.
//!
//! JSON is Argo CD's to the letter: what Go's encoder omits is omitted, what it always writes is written. Unknown fields are
//! ignored and unknown values of enums kept, so that objects of newer versions still read. Nothing here decides what to do.

mod application;
mod conditions;
pub mod constants;
mod crd;
mod duration;
mod hydrator;
mod kustomize;
mod operation;
mod pattern;
mod project;
mod prune_rules;
mod reason;
mod repo_url;
mod schema;
mod source;
mod source_set;
mod status;
mod status_patch;
mod sync_policy;
mod wire;

pub use application::{
    Application, ApplicationDestination, ApplicationSpec, Info, RefreshKind, ResourceIgnoreDifferences, SpecError,
};
pub use conditions::{ApplicationCondition, ConditionType, format_conditions, merge_conditions};
pub use crd::crds;
pub use duration::{DurationError, parse_duration};
pub use hydrator::{DrySource, HydrateTo, SourceHydrator, SyncSource};
pub use kustomize::{ApplicationSourceKustomize, IntOrString, KustomizePatch, KustomizeReplica, KustomizeSelector};
pub use operation::{
    HookType, Operation, OperationInitiator, OperationPhase, OperationState, ResourceResult, ResultCode, SyncOperation,
    SyncOperationResource, SyncOperationResult, SyncPhase, SyncStrategy, SyncStrategyForce,
};
pub use pattern::{Pattern, PatternError, PatternKind};
pub use project::{
    AppProject, AppProjectSpec, AppProjectStatus, ClusterResourceRestriction, DestinationServiceAccount, GpgMode,
    GroupKindPattern, JwtToken, JwtTokens, OrphanedResourceKey, OrphanedResources, ProjectRole, SignatureKey,
    SourceIntegrity, SourceIntegrityGit, SourceIntegrityGpg, SourceIntegrityPolicy, SourceIntegrityRepo, SyncWindow,
    SyncWindowKind,
};
pub use prune_rules::{MaxPrune, PruneRuleError, PrunedKind};
pub use reason::{Explanation, Reason, Wake};
pub use repo_url::RepoUrl;
pub use source::{
    ApplicationSource, ApplicationSourceDirectory, ApplicationSourceHelm, ApplicationSourceJsonnet,
    ApplicationSourcePlugin, EnvEntry, HelmFileParameter, HelmParameter, JsonnetVar, PluginParameter, RepoKind,
    SourceType,
};
pub use source_set::{SourceSet, join_revisions, split_revisions};
pub use status::{
    AppHealthStatus, ApplicationStatus, ApplicationSummary, ComparedTo, HealthStatus, HealthStatusCode,
    HydrateOperation, HydratePhase, ResourceHealthLocation, ResourceStatus, RevisionHistory, SourceHydratorStatus,
    SuccessfulHydrateOperation, SyncStatus, SyncStatusCode,
};
pub use status_patch::status_patch;
pub use sync_policy::{
    Backoff, ManagedNamespaceMetadata, PropagationPolicy, RemovalOption, RetryStrategy, SyncOptions, SyncPolicy,
    SyncPolicyAutomated,
};
pub use wire::{FieldError, parse};
