use crate::Reason;

impl Reason {
    /// Says the reason in one sentence on one line, whatever messages it is made of.
    pub fn sentence(&self) -> String {
        match self {
            Self::Following { .. }
            | Self::SkipReconcile
            | Self::CachesFilling { .. }
            | Self::InvalidSpec { .. }
            | Self::ResolvingRevision { .. }
            | Self::RepositoryFailed { .. }
            | Self::RevisionUnknown { .. }
            | Self::Rendering { .. }
            | Self::RenderFailed { .. }
            | Self::ListingKinds { .. }
            | Self::Sweeping
            | Self::DryRunning { .. } => self.of_finding_out(),
            Self::Synced { .. }
            | Self::AutoSyncOff { .. }
            | Self::NothingToSync { .. }
            | Self::DesiredInDoubt { .. }
            | Self::PruneOff { .. }
            | Self::WouldWipeOut { .. }
            | Self::LastSyncFailed { .. }
            | Self::SelfHealOff { .. }
            | Self::SelfHealBackoff { .. }
            | Self::PrunesHeld
            | Self::BlockedByWindow { .. }
            | Self::BlockedByDependencies { .. } => self.of_deciding(),
            Self::OperationRunning { .. }
            | Self::RetryWaiting { .. }
            | Self::Deleting { .. }
            | Self::DependentsDeleting { .. }
            | Self::DeletionFailed { .. }
            | Self::DeletionUnapproved { .. }
            | Self::FinalizersOfOthers { .. }
            | Self::WriteFailed { .. } => self.of_acting(),
            Self::ObjectSame
            | Self::ObjectOwnershipOnly
            | Self::ObjectDifferent { .. }
            | Self::ObjectMissing
            | Self::ObjectRequiresPruning
            | Self::ObjectKept { .. }
            | Self::ObjectIsHook
            | Self::ObjectDeleting
            | Self::ObjectShared { .. }
            | Self::ObjectHandedOver { .. }
            | Self::ObjectNotPermitted { .. }
            | Self::ObjectKindUnknown { .. }
            | Self::ObjectInvalid { .. } => self.of_object(),
        }
    }

    fn of_finding_out(&self) -> String {
        match self {
            Self::Following { holder } if holder.is_empty() => "No daemon holds the Lease yet.".to_owned(),
            Self::Following { holder } => format!("Another daemon, {holder}, holds the Lease and acts."),
            Self::SkipReconcile => {
                "The annotation argocd.argoproj.io/skip-reconcile stops all work on this Application.".to_owned()
            }
            Self::CachesFilling { missing } => ended("The daemon has just started and still waits for", " ", missing),
            Self::InvalidSpec { message } => ended("The Application cannot be processed", ": ", message),
            Self::ResolvingRevision { repo, revision } => format!("Revision {revision} is being looked up in {repo}."),
            Self::RepositoryFailed { repo, message, .. } if message.contains(repo.as_str()) => {
                ended("The repository could not be read", ": ", message)
            }
            Self::RepositoryFailed { repo, message, .. } => {
                ended(&format!("Repository {repo} could not be read"), ": ", message)
            }
            Self::RevisionUnknown { repo, revision } => format!("There is no revision {revision} in {repo}."),
            Self::Rendering { revision } => format!("Manifests of commit {revision} are being rendered."),
            Self::RenderFailed { revision, message } => {
                ended(&format!("Manifests of commit {revision} could not be rendered"), ": ", message)
            }
            Self::ListingKinds { kinds } => ended("Live objects are being listed", ": ", &kinds.join(", ")),
            Self::Sweeping => {
                "The cluster is being searched for objects that already belong to this Application.".to_owned()
            }
            Self::DryRunning { objects } => {
                format!("The API server is asked by dry run about {}.", counted(*objects, "object", "objects"))
            }
            _ => format!("{}.", self.rule()),
        }
    }

    fn of_deciding(&self) -> String {
        match self {
            Self::Synced { revision } => format!("The cluster is as commit {revision} says."),
            Self::AutoSyncOff { out_of_sync } => {
                format!("{} from Git, and automated sync is off.", counted(*out_of_sync, "object differs", "objects differ"))
            }
            Self::NothingToSync { revision } => {
                format!("The Application differs from commit {revision}, but in nothing that a sync would change.")
            }
            Self::DesiredInDoubt { revision, out_of_sync } => format!(
                "{} from commit {revision}, but the newest commit could not be read or rendered, so nothing is pruned and no first \
                 sync starts.",
                counted(*out_of_sync, "object differs", "objects differ")
            ),
            Self::PruneOff { objects } => format!(
                "{} no longer in Git, and automated sync does not prune.",
                counted(*objects, "object is", "objects are")
            ),
            Self::WouldWipeOut { revision } => {
                format!("Syncing commit {revision} would delete every object of the Application, and allowEmpty is off.")
            }
            Self::LastSyncFailed { revision, message, .. } => {
                ended(&format!("The last sync of commit {revision} failed"), ": ", message)
            }
            Self::SelfHealOff { out_of_sync } => format!(
                "{} changed after this commit was synced, and selfHeal is off.",
                counted(*out_of_sync, "object was", "objects were")
            ),
            Self::SelfHealBackoff { object, manager, .. } => {
                format!("{object} is changed back again and again by field manager {manager}, so healing waits.")
            }
            Self::PrunesHeld => {
                "Objects are no longer rendered here, and it is not sure yet that they are to go: other Applications, which may render them, \
                 are still being read, or the API server does not answer for a group that a chart may ask for."
                    .to_owned()
            }
            Self::BlockedByWindow { windows, .. } => {
                ended("The sync waits for its time, by the sync windows of the project", ": ", &windows.join("; "))
            }
            Self::BlockedByDependencies { dependencies } => {
                ended("The sync is blocked by dependencies", ": ", &dependencies.join(", "))
            }
            _ => format!("{}.", self.rule()),
        }
    }

    fn of_acting(&self) -> String {
        match self {
            Self::OperationRunning { message } => ended("An operation is running", ": ", message),
            Self::RetryWaiting { attempt, message, .. } => {
                // The operation's own message ends with the attempt as well.
                let failed = message.split(". Retrying attempt #").next().unwrap_or_default();
                format!("The operation failed ({}) and waits for attempt {attempt}.", inner(failed))
            }
            Self::Deleting { message } => ended("The Application is being deleted", ": ", message),
            Self::DependentsDeleting { dependents } => ended(
                "The Application is being deleted, and Applications that depend on it go first",
                ": ",
                &dependents.join(", "),
            ),
            Self::DeletionFailed { message, .. } => ended("Deleting the Application's objects failed", ": ", message),
            Self::DeletionUnapproved { object } => {
                format!("The Application is being deleted, and {object} may only be deleted when somebody approves it.")
            }
            Self::FinalizersOfOthers { finalizers } => ended(
                "The Application is being deleted, and only finalizers of others hold it",
                ": ",
                &finalizers.join(", "),
            ),
            Self::WriteFailed { message, .. } => ended("The Application could not be written", ": ", message),
            _ => format!("{}.", self.rule()),
        }
    }

    fn of_object(&self) -> String {
        match self {
            Self::ObjectOwnershipOnly => {
                "Its values are as Git says; some fields are owned by another manager and are taken over with the next apply."
                    .to_owned()
            }
            Self::ObjectDifferent { fields } => ended("It differs from Git", " in ", &fields.join(", ")),
            Self::ObjectMissing => "It is in Git and not in the cluster.".to_owned(),
            Self::ObjectRequiresPruning => "It belongs to this Application and is no longer in Git.".to_owned(),
            Self::ObjectKept { option } => format!("It is no longer in Git, and {option} keeps it."),
            Self::ObjectIsHook => "It was made by a hook, and is neither compared nor pruned.".to_owned(),
            Self::ObjectDeleting => "It is being deleted.".to_owned(),
            Self::ObjectShared { other } => format!("It is also claimed by Application {other}, which had it first."),
            Self::ObjectHandedOver { other } => {
                format!("Application {other} renders it now and takes it over; it is not pruned.")
            }
            Self::ObjectNotPermitted { message } => ended("The project does not permit it", ": ", message),
            Self::ObjectKindUnknown { kind } => format!("The API server does not serve {kind}."),
            Self::ObjectInvalid { message } => ended("The API server rejects it", ": ", message),
            Self::ObjectSame => "Applying it would change nothing.".to_owned(),
            _ => format!("{}.", self.rule()),
        }
    }
}

/// Ends a sentence with a message, if there is one, and one full stop.
fn ended(beginning: &str, joint: &str, message: &str) -> String {
    match inner(message).as_str() {
        "" => format!("{beginning}."),
        message => format!("{beginning}{joint}{message}."),
    }
}

/// Brings a message of somebody else onto one line, without the full stop that a sentence around it has.
fn inner(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ").trim_end_matches(['.', ' ']).to_owned()
}

fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
