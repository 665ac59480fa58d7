use super::{Reason, Wake};

impl Reason {
    /// Says what ends the wait.
    pub fn wake(&self) -> Wake {
        match self {
            Self::Following { .. } => Wake::Event("the other daemon's Lease to end"),
            Self::SkipReconcile => Wake::Event("the annotation to be removed"),
            Self::CachesFilling { .. } => Wake::Event("the caches to be filled"),
            Self::InvalidSpec { .. } => Wake::Event("a change of the Application, its project or the settings"),
            Self::ResolvingRevision { .. } => Wake::Event("the answer of the repository"),
            Self::RevisionUnknown { .. } => Wake::Event("the revision to appear, or a change of the Application"),
            Self::Rendering { .. } => Wake::Event("the render to end"),
            Self::RenderFailed { .. } => Wake::Event("another commit, or a refresh"),
            Self::ListingKinds { .. } => Wake::Event("the lists to be complete"),
            Self::Sweeping => Wake::Event("the search to end"),
            Self::DryRunning { .. } => Wake::Event("the API server's answers"),
            Self::AutoSyncOff { .. } => Wake::Event("a sync to be requested"),
            Self::PruneOff { .. } => Wake::Event("a sync with prune to be requested"),
            Self::NothingToSync { .. } => Wake::Event("a change of an object, or another commit"),
            Self::DesiredInDoubt { .. } => Wake::Event("the newest commit to be rendered"),
            Self::LastSyncFailed { tried_out_at: Some(at), .. } => Wake::At(
                "another commit, a change of the source, a sync to be requested, or the objects that failed to be accepted",
                *at,
            ),
            Self::LastSyncFailed { tried_out_at: None, .. } => {
                Wake::Event("another commit, a change of the source, or a sync to be requested")
            }
            Self::WouldWipeOut { .. } | Self::SelfHealOff { .. } => {
                Wake::Event("a sync to be requested, or another commit")
            }
            Self::PrunesHeld => Wake::Event("the manifests of the other Applications"),
            Self::BlockedByWindow { until: Some(until), .. } => Wake::At("a window to open or close", *until),
            Self::BlockedByDependencies { .. } => Wake::Event("these Applications to be ready"),
            Self::OperationRunning { .. } => Wake::Event("the operation's objects"),
            Self::Deleting { .. } => Wake::Event("the objects to be gone"),
            Self::DependentsDeleting { .. } => Wake::Event("these Applications to be gone"),
            Self::DeletionUnapproved { .. } => Wake::Event("the annotation argocd.argoproj.io/deletion-approved"),
            Self::FinalizersOfOthers { .. } => Wake::Event("their owners to remove them"),
            Self::RepositoryFailed { next_attempt, .. }
            | Self::WriteFailed { next_attempt, .. }
            | Self::DeletionFailed { next_attempt, .. } => Wake::At("the next attempt", *next_attempt),
            Self::SelfHealBackoff { until, .. } => Wake::At("the next heal", *until),
            Self::RetryWaiting { at, .. } => Wake::At("the next attempt", *at),
            Self::ObjectDeleting => Wake::Event("its finalizers to be removed"),
            Self::ObjectKindUnknown { .. } => Wake::Event("the kind's CustomResourceDefinition to be established"),
            Self::ObjectNotPermitted { .. } | Self::BlockedByWindow { until: None, .. } => {
                Wake::Event("a change of the project")
            }
            Self::ObjectInvalid { .. } => Wake::Event("another commit"),
            Self::Synced { .. }
            | Self::ObjectSame
            | Self::ObjectOwnershipOnly
            | Self::ObjectDifferent { .. }
            | Self::ObjectMissing
            | Self::ObjectRequiresPruning
            | Self::ObjectKept { .. }
            | Self::ObjectIsHook
            | Self::ObjectShared { .. }
            | Self::ObjectHandedOver { .. } => Wake::Settled,
        }
    }
}
