//! What a sync is planned from, and what it wants done.

use jiff::Timestamp;
use kube_object::ObjectKey;

use application_api::{OperationState, PropagationPolicy, SyncPhase};

use crate::guard::PruneGuard;
use crate::hooks::PlanHook;

/// Everything one pass of an operation is decided from, besides the operation's own state.
#[derive(Clone, Debug)]
pub struct SyncInput {
    /// Targets in render order, then live objects that Git no longer has.
    pub resources: Vec<PlanResource>,
    /// Hooks, one for each phase of each.
    pub hooks: Vec<PlanHook>,
    /// The namespace to create first, when `CreateNamespace=true` and it is not among the targets.
    pub create_namespace: Option<NamespaceTask>,
    /// Prune rule of the Application for objects that say nothing themselves.
    pub prune_default: PruneRule,
    /// Whether all prunes run after everything else.
    pub prune_last: PruneOrder,
    /// How deletes of pruned objects propagate.
    pub propagation: PropagationPolicy,
    /// Seconds between waves, so that controllers can react to the objects of a wave before its health is judged.
    pub wave_delay_seconds: i64,
    /// When the last action of this operation was answered, if any was in this run of the daemon.
    pub last_action_at: Option<Timestamp>,
    /// What more prunes than usual need.
    pub guard: PruneGuard,
    /// How far the phases are tried out before their first change.
    pub preflight: Preflight,
    /// Objects that other Applications have as well, where that is to fail the operation (`FailOnSharedResource=true`).
    pub shared: Vec<String>,
}

/// Whether a phase is tried out by the API server before its first change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preflight {
    /// It is not.
    #[default]
    Off,
    /// It is; phases up to this one were tried out in this run of the daemon.
    On {
        /// The last phase that was; none at first.
        done: Option<u8>,
    },
}

/// One object of the Application as the planner sees it.
#[derive(Clone, Debug)]
pub struct PlanResource {
    /// Identity.
    pub key: ObjectKey,
    /// API version it is applied in; for prunes the version it was read in.
    pub version: String,
    /// What Git says of it; none when Git does not have it.
    pub target: Option<PlanTarget>,
    /// What the cluster says of it; none when the cluster does not have it.
    pub live: Option<PlanLive>,
    /// Whether applying the target would change the live object.
    pub change: Change,
    /// Why the object must not be touched, if so: a refusal of the project, or a kind that the server does not serve.
    pub refusal: Option<String>,
    /// Whether the kind is served yet.
    pub kind: KindState,
    /// Until when it is left alone, if the API server could not call a webhook for it.
    pub postponed: Option<Postponed>,
}

/// A write that the API server could not decide about, because it could not call a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponed {
    /// When it is tried again.
    pub until: Timestamp,
    /// What the API server said.
    pub message: String,
}

/// Whether the API server serves the kind of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KindState {
    /// It does.
    #[default]
    Served,
    /// It does not yet, but the CustomResourceDefinition is part of this sync or exists and is being established.
    Awaited,
    /// It does not.
    Unknown,
}

/// Whether an apply would change an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No: nothing is sent.
    None,
    /// Only ownership of fields would move; it is sent with the next operation.
    Ownership,
    /// Yes, or the object does not exist.
    Content,
}

/// The target of an object.
#[derive(Clone, Debug, Default)]
pub struct PlanTarget {
    /// Sync wave.
    pub wave: i64,
    /// For a CustomResourceDefinition: the group and kind that it defines.
    pub defines: Option<(String, String)>,
    /// Images the object runs, recorded in its result.
    pub images: Vec<String>,
    /// How it is changed.
    pub how: ApplyHow,
}

/// How an object is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplyHow {
    /// By server-side apply.
    #[default]
    Apply,
    /// By server-side apply; an object that cannot be changed so is deleted and made again (`Force=true`).
    ApplyOrRecreate,
    /// As a whole (`Replace=true`).
    Replace,
    /// It is deleted and made again (`Replace=true` and `Force=true`).
    Recreate,
}

impl ApplyHow {
    /// Tells whether the object is written as a whole.
    pub fn replaces(self) -> bool {
        matches!(self, Self::Replace | Self::Recreate)
    }

    /// Tells whether the object may be deleted and made again.
    pub fn may_recreate(self) -> bool {
        matches!(self, Self::ApplyOrRecreate | Self::Recreate)
    }
}

/// The live state of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanLive {
    /// Uid.
    pub uid: String,
    /// resourceVersion the decision is based on.
    pub resource_version: String,
    /// Whether deletion was requested.
    pub deleting: bool,
    /// Health; none when the kind has none.
    pub health: Option<PlanHealth>,
    /// Health message.
    pub health_message: String,
    /// Sync wave, for prunes.
    pub wave: i64,
    /// Prune rule of the object itself, if it has one.
    pub prune: Option<PruneRule>,
    /// Whether the object asks to be pruned last.
    pub prune_last: PruneOrder,
    /// The run of an operation that the object was made by as a hook, as its annotation says.
    pub run: Option<String>,
    /// Whether it has the finalizer of hooks.
    pub has_hook_finalizer: bool,
}

/// Health as far as waves care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanHealth {
    /// Done.
    Healthy,
    /// Broken.
    Degraded,
    /// It cannot be told: that fails a hook.
    Unknown,
    /// Anything that may still become one of the others.
    Pending,
}

/// Whether an object may be pruned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PruneRule {
    /// Yes.
    #[default]
    Allowed,
    /// Never (`Prune=false`).
    Disabled,
    /// Only once a person has approved it (`Prune=confirm`).
    Confirm,
    /// `Prune=confirm`, and the approval is there.
    Confirmed,
}

/// When a prune runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PruneOrder {
    /// In the wave of the object.
    #[default]
    InWave,
    /// After all waves (`PruneLast=true`).
    Last,
}

/// The creation of the destination namespace.
#[derive(Clone, Debug)]
pub struct NamespaceTask {
    /// Identity of the namespace.
    pub key: ObjectKey,
    /// Whether it exists.
    pub exists: bool,
}

/// Whether an action changes the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunMode {
    /// It does.
    Real,
    /// It is only tried out by the API server.
    DryRun,
    /// It is tried out by the API server before the phase begins: only a rejection counts.
    Preflight,
}

/// One thing the planner wants done in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterAction {
    /// Apply a target by server-side apply.
    Apply {
        /// Identity.
        key: ObjectKey,
        /// Phase the result is recorded under.
        phase: SyncPhase,
        /// Real or dry run.
        mode: RunMode,
    },
    /// Create the namespace that does not exist, or give it the metadata that the Application asks for.
    CreateNamespace {
        /// Identity.
        key: ObjectKey,
    },
    /// Make the object of a hook by server-side apply.
    RunHook {
        /// Identity; a generated name is filled in.
        key: ObjectKey,
        /// Phase it runs in.
        phase: SyncPhase,
        /// What the object is marked with, so that it is known again after a crash.
        run: String,
        /// Real or dry run.
        mode: RunMode,
    },
    /// Take the finalizer off the object of a hook.
    ReleaseHook {
        /// The object.
        hook: LiveHook,
    },
    /// Delete the object of a hook.
    DeleteHook {
        /// The object.
        hook: LiveHook,
        /// How the delete propagates.
        propagation: PropagationPolicy,
        /// Why.
        why: HookDeletion,
    },
    /// Delete an object that Git no longer has.
    Prune {
        /// Identity.
        key: ObjectKey,
        /// API version to delete it in.
        version: String,
        /// Precondition: uid.
        uid: String,
        /// Precondition: resourceVersion.
        resource_version: String,
        /// How the delete propagates.
        propagation: PropagationPolicy,
        /// Real or dry run.
        mode: RunMode,
    },
}

/// The live object of a hook that is acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveHook {
    /// Identity.
    pub key: ObjectKey,
    /// API version.
    pub version: String,
    /// Phase it runs in.
    pub phase: SyncPhase,
    /// Precondition: uid.
    pub uid: String,
    /// Precondition: resourceVersion.
    pub resource_version: String,
}

/// Why the object of a hook is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookDeletion {
    /// It is from an earlier run, and another is to take its place.
    BeforeCreation,
    /// Its delete policy says so.
    Policy,
    /// The operation is terminated.
    Termination,
}

impl ClusterAction {
    /// Returns the identity of the object acted on.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Self::Apply { key, .. }
            | Self::CreateNamespace { key }
            | Self::Prune { key, .. }
            | Self::RunHook { key, .. } => key,
            Self::ReleaseHook { hook } | Self::DeleteHook { hook, .. } => &hook.key,
        }
    }

    /// Returns the phase its result is recorded under.
    pub fn phase(&self) -> SyncPhase {
        match self {
            Self::Apply { phase, .. } | Self::RunHook { phase, .. } => phase.clone(),
            Self::ReleaseHook { hook } | Self::DeleteHook { hook, .. } => hook.phase.clone(),
            Self::CreateNamespace { .. } => SyncPhase::PreSync,
            Self::Prune { .. } => SyncPhase::Sync,
        }
    }

    /// Returns whether it changes the cluster.
    pub fn mode(&self) -> RunMode {
        match self {
            Self::Apply { mode, .. } | Self::Prune { mode, .. } | Self::RunHook { mode, .. } => *mode,
            Self::CreateNamespace { .. } | Self::ReleaseHook { .. } | Self::DeleteHook { .. } => RunMode::Real,
        }
    }
}

/// What came of one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionOutcome {
    /// The action.
    pub action: ClusterAction,
    /// How it ended.
    pub result: ActionResult,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionResult {
    /// The object was applied or created; the text says how, such as `serverside-applied`.
    Done(String),
    /// The object was gone already.
    AlreadyGone,
    /// What was tried out says nothing about the object itself: it could not be asked.
    Inconclusive,
    /// The object has changed since the decision: it is looked at again in the next pass, nothing is recorded.
    Stale,
    /// The action failed.
    Failed(String),
}

/// What one pass decided.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncStep {
    /// What to do in the cluster, all at once.
    pub actions: Vec<ClusterAction>,
    /// The operation's state after this pass, before the actions are answered.
    pub next: OperationState,
    /// Whether `next` must be stored before the actions are performed.
    pub persist: Persist,
    /// When to look again even if nothing happens.
    pub wake_at: Option<Timestamp>,
}

/// Whether the state has to be stored before the actions of a step start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persist {
    /// It must: a new wave begins, and after a crash the waves before must be known to be done.
    First,
    /// It need not: the actions belong to a wave that a restart would repeat harmlessly.
    Later,
}
