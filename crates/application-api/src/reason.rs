//! Why the engine decided, waits or refuses: one closed list, rendered for people in one place.

mod sentence;
mod wake;

use jiff::Timestamp;
use serde::Serialize;

use kube_object::Time;

/// Why a decision was taken, a wait goes on or a request was refused: the rule with its inputs.
///
/// Conditions, log lines, the API and `driftless why` are renderings of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another daemon holds the Lease.
    Following {
        /// Identity of the holder; empty when unknown.
        holder: String,
    },
    /// The annotation `argocd.argoproj.io/skip-reconcile` is set.
    SkipReconcile,
    /// The caches that decisions need are being filled.
    CachesFilling {
        /// What is still missing.
        missing: String,
    },
    /// The Application cannot be read or asks for something that is not permitted or not supported.
    InvalidSpec {
        /// What is wrong.
        message: String,
    },
    /// The revision is being looked up in Git.
    ResolvingRevision {
        /// Repository, without credentials.
        repo: String,
        /// Revision as written.
        revision: String,
    },
    /// The repository could not be read.
    RepositoryFailed {
        /// Repository, without credentials.
        repo: String,
        /// What failed.
        message: String,
        /// When it is tried again.
        next_attempt: Timestamp,
    },
    /// The repository has no such revision.
    RevisionUnknown {
        /// Repository, without credentials.
        repo: String,
        /// Revision as written.
        revision: String,
    },
    /// Manifests are being rendered.
    Rendering {
        /// Commit.
        revision: String,
    },
    /// Rendering failed.
    RenderFailed {
        /// Commit.
        revision: String,
        /// What failed, with file and line.
        message: String,
    },
    /// Live objects of these kinds have not been listed yet.
    ListingKinds {
        /// Kinds, as `group/Kind`.
        kinds: Vec<String>,
    },
    /// The cluster is being searched for objects of the Application in all kinds.
    Sweeping,
    /// Doubts about objects are being settled by dry runs.
    DryRunning {
        /// How many answers are awaited.
        objects: usize,
    },
    /// Everything is as Git says.
    Synced {
        /// Commit last verified.
        revision: String,
    },
    /// Objects differ and automated sync is off.
    AutoSyncOff {
        /// How many objects differ.
        out_of_sync: usize,
    },
    /// The Application is out of sync, but no object that it may change is.
    NothingToSync {
        /// Commit.
        revision: String,
    },
    /// The newest desired state is not known: from the last good one nothing is pruned and no first sync starts.
    DesiredInDoubt {
        /// The last good commit.
        revision: String,
        /// How many objects differ from it.
        out_of_sync: usize,
    },
    /// Only prunes are left and automated sync does not prune.
    PruneOff {
        /// How many objects would be pruned.
        objects: usize,
    },
    /// All objects would be pruned and `allowEmpty` is off.
    WouldWipeOut {
        /// Commit.
        revision: String,
    },
    /// The last sync of this revision failed and is not tried again, unless an object that failed would be accepted now.
    LastSyncFailed {
        /// Commit.
        revision: String,
        /// Message of the operation.
        message: String,
        /// When the objects that failed are tried out next; none when they are not.
        tried_out_at: Option<Timestamp>,
    },
    /// The revision was synced, objects differ again, and `selfHeal` is off.
    SelfHealOff {
        /// How many objects differ.
        out_of_sync: usize,
    },
    /// Objects are changed back again and again: healing waits.
    SelfHealBackoff {
        /// Object, as `Kind namespace/name`.
        object: String,
        /// Who changes it back.
        manager: String,
        /// When it is healed next.
        until: Timestamp,
    },
    /// Objects would be pruned while the manifests of other Applications, which may render them, are on their way.
    PrunesHeld,
    /// A sync waits for its time.
    BlockedByWindow {
        /// The windows, such as `deny 0 22 * * * for 8h`.
        windows: Vec<String>,
        /// When it is looked at again; none when only a change of the project helps.
        until: Option<Timestamp>,
    },
    /// A sync waits until the Applications that this one depends on are ready.
    BlockedByDependencies {
        /// The Applications that are not ready, as `namespace/name (why)`.
        dependencies: Vec<String>,
    },
    /// An operation runs.
    OperationRunning {
        /// Its message.
        message: String,
    },
    /// A failed operation waits for its next attempt.
    RetryWaiting {
        /// Number of the attempt, from 1.
        attempt: i64,
        /// When it starts.
        at: Timestamp,
        /// Why the last attempt failed.
        message: String,
    },
    /// The Application is being deleted and waits for its objects to go.
    Deleting {
        /// What is waited for.
        message: String,
    },
    /// The Application is being deleted, and so are Applications that depend on it: they go first.
    DependentsDeleting {
        /// Those Applications, as `namespace/name`.
        dependents: Vec<String>,
    },
    /// Deleting the Application's objects failed.
    DeletionFailed {
        /// What failed.
        message: String,
        /// When it is tried again.
        next_attempt: Timestamp,
    },
    /// The Application is being deleted, and an object of it may only go when somebody says so.
    DeletionUnapproved {
        /// Object, as `Kind namespace/name`.
        object: String,
    },
    /// The Application is being deleted, and only finalizers of others hold it.
    FinalizersOfOthers {
        /// The finalizers.
        finalizers: Vec<String>,
    },
    /// Writing the Application failed.
    WriteFailed {
        /// The API server's message.
        message: String,
        /// When it is tried again.
        next_attempt: Timestamp,
    },
    /// An object would not change by applying it.
    ObjectSame,
    /// An object's values are right, but another manager owns some of its fields.
    ObjectOwnershipOnly,
    /// An object differs.
    ObjectDifferent {
        /// Fields, each with who changed it where that is known.
        fields: Vec<String>,
    },
    /// An object is in Git and not in the cluster.
    ObjectMissing,
    /// An object is in the cluster and no longer in Git.
    ObjectRequiresPruning,
    /// An object is in the cluster and no longer in Git, and an option keeps it.
    ObjectKept {
        /// The option.
        option: &'static str,
    },
    /// An object was made by a hook.
    ObjectIsHook,
    /// An object is being deleted.
    ObjectDeleting,
    /// An object is claimed by another Application.
    ObjectShared {
        /// The other Application.
        other: String,
    },
    /// An object that is no longer rendered here is rendered by another Application now.
    ObjectHandedOver {
        /// The other Application.
        other: String,
    },
    /// An object is not permitted in the project.
    ObjectNotPermitted {
        /// The refusal.
        message: String,
    },
    /// An object of this kind cannot be compared, because the API server does not serve the kind.
    ObjectKindUnknown {
        /// The kind.
        kind: String,
    },
    /// The API server rejects the object.
    ObjectInvalid {
        /// The server's message.
        message: String,
    },
}

/// What ends a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Nothing is waited for.
    Settled,
    /// Something outside happens; the text says what.
    Event(&'static str),
    /// Something that happens at a point in time; the text says what.
    At(&'static str, Timestamp),
}

/// A reason as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The object it is about, as `Kind namespace/name`; absent when it is about the Application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Name of the rule.
    pub rule: &'static str,
    /// One sentence.
    pub sentence: String,
    /// What is waited for, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// When it is looked at again, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wakes_at: Option<Time>,
}

impl Reason {
    /// Returns the name of the rule, for logs and metrics.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Following { .. } => "Following",
            Self::SkipReconcile => "SkipReconcile",
            Self::CachesFilling { .. } => "CachesFilling",
            Self::InvalidSpec { .. } => "InvalidSpec",
            Self::ResolvingRevision { .. } => "ResolvingRevision",
            Self::RepositoryFailed { .. } => "RepositoryFailed",
            Self::RevisionUnknown { .. } => "RevisionUnknown",
            Self::Rendering { .. } => "Rendering",
            Self::RenderFailed { .. } => "RenderFailed",
            Self::ListingKinds { .. } => "ListingKinds",
            Self::Sweeping => "Sweeping",
            Self::DryRunning { .. } => "DryRunning",
            Self::Synced { .. } => "Synced",
            Self::AutoSyncOff { .. } => "AutoSyncOff",
            Self::NothingToSync { .. } => "NothingToSync",
            Self::DesiredInDoubt { .. } => "DesiredInDoubt",
            Self::PruneOff { .. } => "PruneOff",
            Self::WouldWipeOut { .. } => "WouldWipeOut",
            Self::LastSyncFailed { .. } => "LastSyncFailed",
            Self::SelfHealOff { .. } => "SelfHealOff",
            Self::SelfHealBackoff { .. } => "SelfHealBackoff",
            Self::PrunesHeld => "PrunesHeld",
            Self::BlockedByWindow { .. } => "BlockedByWindow",
            Self::BlockedByDependencies { .. } => "BlockedByDependencies",
            Self::OperationRunning { .. } => "OperationRunning",
            Self::RetryWaiting { .. } => "RetryWaiting",
            Self::Deleting { .. } => "Deleting",
            Self::DependentsDeleting { .. } => "DependentsDeleting",
            Self::DeletionFailed { .. } => "DeletionFailed",
            Self::DeletionUnapproved { .. } => "DeletionUnapproved",
            Self::FinalizersOfOthers { .. } => "FinalizersOfOthers",
            Self::WriteFailed { .. } => "WriteFailed",
            Self::ObjectSame => "ObjectSame",
            Self::ObjectOwnershipOnly => "ObjectOwnershipOnly",
            Self::ObjectDifferent { .. } => "ObjectDifferent",
            Self::ObjectMissing => "ObjectMissing",
            Self::ObjectRequiresPruning => "ObjectRequiresPruning",
            Self::ObjectKept { .. } => "ObjectKept",
            Self::ObjectIsHook => "ObjectIsHook",
            Self::ObjectDeleting => "ObjectDeleting",
            Self::ObjectShared { .. } => "ObjectShared",
            Self::ObjectHandedOver { .. } => "ObjectHandedOver",
            Self::ObjectNotPermitted { .. } => "ObjectNotPermitted",
            Self::ObjectKindUnknown { .. } => "ObjectKindUnknown",
            Self::ObjectInvalid { .. } => "ObjectInvalid",
        }
    }

    /// Renders the reason for the API; `object` names what it is about.
    pub fn explain(&self, object: Option<String>) -> Explanation {
        let (waits_for, wakes_at) = match self.wake() {
            Wake::Settled => (None, None),
            Wake::Event(text) => (Some(text.to_owned()), None),
            Wake::At(text, at) => (Some(text.to_owned()), Some(Time::new(at))),
        };
        Explanation { object, rule: self.rule(), sentence: self.sentence(), waits_for, wakes_at }
    }
}

#[cfg(test)]
mod tests;
