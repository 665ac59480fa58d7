//! Whether an automated sync starts (Argo CD semantics, 1.8, in its order).

use jiff::Timestamp;

use application_api::{
    ApplicationSource, Operation, OperationInitiator, OperationPhase, OperationState, Reason, RetryStrategy,
    SyncOperation, SyncOperationResource, SyncOptions, SyncPolicyAutomated, SyncStatusCode,
};
use kube_object::ObjectKey;

use crate::heal::HealState;

/// What the decision is made from.
#[derive(Clone, Debug)]
pub struct AutoSyncInput<'a> {
    /// `spec.syncPolicy.automated`.
    pub automated: Option<&'a SyncPolicyAutomated>,
    /// `spec.syncPolicy.syncOptions`.
    pub sync_options: &'a SyncOptions,
    /// `spec.syncPolicy.retry`.
    pub retry: Option<&'a RetryStrategy>,
    /// Verdict of the comparison.
    pub sync_status: &'a SyncStatusCode,
    /// Commit of the comparison.
    pub revision: &'a str,
    /// Source of the comparison.
    pub source: &'a ApplicationSource,
    /// Objects of the comparison.
    pub resources: &'a [AutoSyncResource<'a>],
    /// The last operation.
    pub last: Option<&'a OperationState>,
    /// Whether the desired state is in doubt: the newest revision could not be read or rendered. Nothing is pruned then.
    pub desired: Desired,
}

/// Whether the desired state is the one of the newest revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// It is.
    Verified,
    /// It is the last good one, because the newest could not be read or rendered.
    LastGood,
}

/// One object of the comparison.
#[derive(Clone, Debug)]
pub struct AutoSyncResource<'a> {
    /// Identity.
    pub key: &'a ObjectKey,
    /// Whether it differs from Git.
    pub out_of_sync: bool,
    /// Whether it is no longer in Git.
    pub requires_pruning: bool,
    /// When it may be healed.
    pub heal: HealState,
    /// Who changed it, as far as that is known.
    pub changed_by: Option<String>,
}

/// The decision.
#[derive(Clone, Debug, PartialEq)]
pub enum AutoSync {
    /// Start this operation.
    Start(Box<Operation>),
    /// Look again then.
    Wait(Timestamp, Reason),
    /// Do not start one.
    No(Reason),
}

/// Decides whether an automated sync starts. The caller has checked that no operation runs and the Application stays.
pub fn auto_sync(input: &AutoSyncInput<'_>, now: Timestamp) -> AutoSync {
    let synced = || AutoSync::No(Reason::Synced { revision: input.revision.to_owned() });
    let out_of_sync: Vec<&AutoSyncResource<'_>> =
        input.resources.iter().filter(|resource| resource.out_of_sync).collect();
    if *input.sync_status != SyncStatusCode::OutOfSync {
        return synced();
    }
    let Some(automated) = input.automated.filter(|automated| automated.enabled != Some(false)) else {
        return AutoSync::No(Reason::AutoSyncOff { out_of_sync: out_of_sync.len() });
    };
    let prune = automated.prune == Some(true) && input.desired == Desired::Verified;
    if !prune && !out_of_sync.is_empty() && out_of_sync.iter().all(|resource| resource.requires_pruning) {
        return AutoSync::No(Reason::PruneOff { objects: out_of_sync.len() });
    }
    let mut operation = operation(input, prune);
    match attempted(input) {
        Attempt::Never => {
            if input.desired == Desired::LastGood {
                return AutoSync::No(Reason::SelfHealOff { out_of_sync: out_of_sync.len() });
            }
        }
        Attempt::Failed(message) => {
            return AutoSync::No(Reason::LastSyncFailed { revision: input.revision.to_owned(), message });
        }
        Attempt::Succeeded if automated.self_heal != Some(true) => {
            return AutoSync::No(Reason::SelfHealOff { out_of_sync: out_of_sync.len() });
        }
        Attempt::Succeeded => match heal(input, &out_of_sync, now) {
            Ok((resources, attempts)) => {
                if let Some(sync) = &mut operation.sync {
                    sync.resources = resources;
                    sync.self_heal_attempts_count = attempts;
                }
            }
            Err(wait) => return wait,
        },
    }
    let wipes_out =
        prune && !input.resources.is_empty() && input.resources.iter().all(|resource| resource.requires_pruning);
    if wipes_out && automated.allow_empty != Some(true) {
        return AutoSync::No(Reason::WouldWipeOut { revision: input.revision.to_owned() });
    }
    AutoSync::Start(Box::new(operation))
}

fn operation(input: &AutoSyncInput<'_>, prune: bool) -> Operation {
    Operation {
        sync: Some(SyncOperation {
            revision: input.revision.to_owned(),
            source: Some(input.source.clone()),
            prune,
            sync_options: input.sync_options.clone(),
            ..SyncOperation::default()
        }),
        initiated_by: OperationInitiator { automated: true, ..OperationInitiator::default() },
        retry: input.retry.cloned().unwrap_or_else(|| RetryStrategy {
            limit: Some(RetryStrategy::AUTOMATED_LIMIT),
            ..RetryStrategy::default()
        }),
        ..Operation::default()
    }
}

enum Attempt {
    Never,
    Failed(String),
    Succeeded,
}

/// Tells whether this revision of this source was synced before, by the memory that the last operation is.
fn attempted(input: &AutoSyncInput<'_>) -> Attempt {
    let Some(last) = input.last else { return Attempt::Never };
    let same = match &last.sync_result {
        None => !matches!(last.phase, OperationPhase::Running | OperationPhase::Terminating),
        Some(result) => result.revision == input.revision && result.source == *input.source,
    };
    match (same, &last.phase) {
        (false, _) => Attempt::Never,
        (true, OperationPhase::Succeeded) => Attempt::Succeeded,
        (true, _) => Attempt::Failed(last.message.clone()),
    }
}

/// Selects what is healed at once; what is changed back again and again waits.
fn heal(
    input: &AutoSyncInput<'_>,
    out_of_sync: &[&AutoSyncResource<'_>],
    now: Timestamp,
) -> Result<(Vec<SyncOperationResource>, i64), AutoSync> {
    let due: Vec<SyncOperationResource> = out_of_sync
        .iter()
        .filter(|resource| resource.heal.allowed_at() <= now)
        .map(|resource| SyncOperationResource {
            group: resource.key.group.clone(),
            kind: resource.key.kind.clone(),
            name: resource.key.name.clone(),
            namespace: resource.key.namespace.clone(),
        })
        .collect();
    if due.is_empty() {
        let Some(next) = out_of_sync.iter().min_by_key(|resource| resource.heal.allowed_at()) else {
            // Nothing differs but the Application itself, such as its destination: the whole is synced again.
            return Ok((Vec::new(), attempts(input)));
        };
        let until = next.heal.allowed_at();
        let manager = next.changed_by.clone().unwrap_or_else(|| "unknown".to_owned());
        return Err(AutoSync::Wait(until, Reason::SelfHealBackoff { object: next.key.to_string(), manager, until }));
    }
    Ok((due, attempts(input)))
}

fn attempts(input: &AutoSyncInput<'_>) -> i64 {
    let last = input.last.and_then(|last| last.operation.sync.as_ref());
    last.map_or(0, |sync| sync.self_heal_attempts_count) + 1
}
