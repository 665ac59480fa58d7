//! Why the engine decided, waits or refuses: one closed list, rendered for people in one place.

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
    /// The last sync of this revision failed and is not tried again.
    LastSyncFailed {
        /// Commit.
        revision: String,
        /// Message of the operation.
        message: String,
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
    /// A point in time.
    At(Timestamp),
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
            Self::OperationRunning { .. } => "OperationRunning",
            Self::RetryWaiting { .. } => "RetryWaiting",
            Self::Deleting { .. } => "Deleting",
            Self::WriteFailed { .. } => "WriteFailed",
            Self::ObjectSame => "ObjectSame",
            Self::ObjectOwnershipOnly => "ObjectOwnershipOnly",
            Self::ObjectDifferent { .. } => "ObjectDifferent",
            Self::ObjectMissing => "ObjectMissing",
            Self::ObjectRequiresPruning => "ObjectRequiresPruning",
            Self::ObjectShared { .. } => "ObjectShared",
            Self::ObjectHandedOver { .. } => "ObjectHandedOver",
            Self::ObjectNotPermitted { .. } => "ObjectNotPermitted",
            Self::ObjectKindUnknown { .. } => "ObjectKindUnknown",
            Self::ObjectInvalid { .. } => "ObjectInvalid",
        }
    }

    /// Says the reason in one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Following { holder } if holder.is_empty() => "No daemon holds the Lease yet.".to_owned(),
            Self::Following { holder } => format!("Another daemon, {holder}, holds the Lease and acts."),
            Self::SkipReconcile => "The annotation argocd.argoproj.io/skip-reconcile stops all work on this Application.".to_owned(),
            Self::CachesFilling { missing } => format!("The daemon has just started and still waits for {missing}."),
            Self::InvalidSpec { message } => format!("The Application cannot be processed: {message}"),
            Self::ResolvingRevision { repo, revision } => format!("Revision {revision} is being looked up in {repo}."),
            Self::RepositoryFailed { repo, message, .. } => format!("{repo} could not be read: {message}"),
            Self::Rendering { revision } => format!("Manifests of commit {revision} are being rendered."),
            Self::RenderFailed { revision, message } => format!("Manifests of commit {revision} could not be rendered: {message}"),
            Self::ListingKinds { kinds } => format!("Live objects are being listed: {}.", kinds.join(", ")),
            Self::Sweeping => "The cluster is being searched for objects that already belong to this Application.".to_owned(),
            Self::DryRunning { objects } => format!("The API server is asked by dry run about {objects} object(s)."),
            Self::Synced { revision } => format!("The cluster is as commit {revision} says."),
            Self::AutoSyncOff { out_of_sync } => format!("{out_of_sync} object(s) differ from Git, and automated sync is off."),
            Self::NothingToSync { revision } => {
                format!("The Application differs from commit {revision}, but in nothing that a sync would change.")
            }
            Self::DesiredInDoubt { revision, out_of_sync } => format!(
                "{out_of_sync} object(s) differ from commit {revision}, but the newest commit could not be read or rendered, so nothing \
                 is pruned and no first sync starts."
            ),
            Self::PruneOff { objects } => format!("{objects} object(s) are no longer in Git, and automated sync does not prune."),
            Self::WouldWipeOut { revision } => {
                format!("Syncing commit {revision} would delete every object of the Application, and allowEmpty is off.")
            }
            Self::LastSyncFailed { revision, message } => format!("The last sync of commit {revision} failed: {message}"),
            Self::SelfHealOff { out_of_sync } => {
                format!("{out_of_sync} object(s) were changed after this commit was synced, and selfHeal is off.")
            }
            Self::SelfHealBackoff { object, manager, .. } => {
                format!("{object} is changed back again and again by field manager {manager}, so healing waits.")
            }
            Self::PrunesHeld => "Objects are no longer rendered here, and other Applications, which may render them, are still being read.".to_owned(),
            Self::OperationRunning { message } if message.is_empty() => "An operation is running.".to_owned(),
            Self::OperationRunning { message } => format!("An operation is running: {}.", unstopped(message)),
            Self::RetryWaiting { attempt, message, .. } => {
                format!("The operation failed ({}) and waits for attempt {attempt}.", unstopped(message))
            }
            Self::Deleting { message } => format!("The Application is being deleted: {}.", unstopped(message)),
            Self::WriteFailed { message, .. } => format!("The Application could not be written: {message}"),
            Self::ObjectSame => "Applying it would change nothing.".to_owned(),
            Self::ObjectOwnershipOnly => {
                "Its values are as Git says; some fields are owned by another manager and are taken over with the next apply.".to_owned()
            }
            Self::ObjectDifferent { fields } => format!("It differs from Git in {}.", fields.join(", ")),
            Self::ObjectMissing => "It is in Git and not in the cluster.".to_owned(),
            Self::ObjectRequiresPruning => "It belongs to this Application and is no longer in Git.".to_owned(),
            Self::ObjectShared { other } => format!("It is also claimed by Application {other}, which had it first."),
            Self::ObjectHandedOver { other } => format!("Application {other} renders it now and takes it over; it is not pruned."),
            Self::ObjectNotPermitted { message } => format!("The project does not permit it: {message}"),
            Self::ObjectKindUnknown { kind } => format!("The API server does not serve {kind}."),
            Self::ObjectInvalid { message } => format!("The API server rejects it: {message}"),
        }
    }

    /// Says what ends the wait.
    pub fn wake(&self) -> Wake {
        match self {
            Self::Following { .. } => Wake::Event("the other daemon's Lease to end"),
            Self::SkipReconcile => Wake::Event("the annotation to be removed"),
            Self::CachesFilling { .. } => Wake::Event("the caches to be filled"),
            Self::InvalidSpec { .. } => Wake::Event("a change of the Application, its project or the settings"),
            Self::ResolvingRevision { .. } => Wake::Event("the answer of the repository"),
            Self::Rendering { .. } => Wake::Event("the render to end"),
            Self::RenderFailed { .. } => Wake::Event("another commit, or a refresh"),
            Self::ListingKinds { .. } => Wake::Event("the lists to be complete"),
            Self::Sweeping => Wake::Event("the search to end"),
            Self::DryRunning { .. } => Wake::Event("the API server's answers"),
            Self::AutoSyncOff { .. } => Wake::Event("a sync to be requested"),
            Self::PruneOff { .. } => Wake::Event("a sync with prune to be requested"),
            Self::NothingToSync { .. } => Wake::Event("a change of an object, or another commit"),
            Self::DesiredInDoubt { .. } => Wake::Event("the newest commit to be rendered"),
            Self::LastSyncFailed { .. } => {
                Wake::Event("another commit, a change of the source, or a sync to be requested")
            }
            Self::WouldWipeOut { .. } | Self::SelfHealOff { .. } => {
                Wake::Event("a sync to be requested, or another commit")
            }
            Self::PrunesHeld => Wake::Event("the manifests of the other Applications"),
            Self::OperationRunning { .. } => Wake::Event("the operation's objects"),
            Self::Deleting { .. } => Wake::Event("the objects to be gone"),
            Self::RepositoryFailed { next_attempt, .. } | Self::WriteFailed { next_attempt, .. } => {
                Wake::At(*next_attempt)
            }
            Self::SelfHealBackoff { until, .. } => Wake::At(*until),
            Self::RetryWaiting { at, .. } => Wake::At(*at),
            Self::ObjectKindUnknown { .. } => Wake::Event("the kind's CustomResourceDefinition to be established"),
            Self::ObjectNotPermitted { .. } => Wake::Event("a change of the project"),
            Self::ObjectInvalid { .. } => Wake::Event("another commit"),
            Self::Synced { .. }
            | Self::ObjectSame
            | Self::ObjectOwnershipOnly
            | Self::ObjectDifferent { .. }
            | Self::ObjectMissing
            | Self::ObjectRequiresPruning
            | Self::ObjectShared { .. }
            | Self::ObjectHandedOver { .. } => Wake::Settled,
        }
    }

    /// Renders the reason for the API; `object` names what it is about.
    pub fn explain(&self, object: Option<String>) -> Explanation {
        let (waits_for, wakes_at) = match self.wake() {
            Wake::Settled => (None, None),
            Wake::Event(text) => (Some(text.to_owned()), None),
            Wake::At(at) => (Some(format!("{} to pass", Time::new(at))), Some(Time::new(at))),
        };
        Explanation { object, rule: self.rule(), sentence: self.sentence(), waits_for, wakes_at }
    }
}

/// Cuts the full stop off a message that a sentence goes on after.
fn unstopped(message: &str) -> &str {
    message.strip_suffix('.').unwrap_or(message)
}

#[cfg(test)]
mod tests;
