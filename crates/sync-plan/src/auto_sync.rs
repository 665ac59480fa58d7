//! Whether an automated sync starts (Argo CD semantics, 1.8, in its order).

use jiff::Timestamp;

use application_api::{
    Operation, OperationInitiator, OperationPhase, OperationState, Reason, RetryStrategy, SourceSet, SyncOperation,
    SyncOperationResource, SyncOptions, SyncPolicyAutomated, SyncStatusCode,
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
    /// Revision of the comparison; those of several sources are joined.
    pub revision: &'a str,
    /// Sources of the comparison.
    pub sources: &'a SourceSet,
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

/// One object of the comparison. Objects that belong to other applications are left out.
#[derive(Clone, Debug)]
pub struct AutoSyncResource<'a> {
    /// Identity.
    pub key: &'a ObjectKey,
    /// Whether a sync would change it: it differs from Git, or it is no longer there and may be pruned.
    ///
    /// False for what `Prune=false` protects: a sync leaves it as it is, and would be started for it again and again.
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
    /// Do not start this one: the revision was synced before, and failed. It may start once an object that failed would be accepted.
    Failed(Reason, Box<Operation>),
}

/// Decides whether an automated sync starts.
///
/// The caller has compared without errors and has checked that no operation runs and that the Application stays.
pub fn auto_sync(input: &AutoSyncInput<'_>, now: Timestamp) -> AutoSync {
    match decide(input, now) {
        Ok(operation) => AutoSync::Start(Box::new(operation)),
        Err(Refusal::Wait(until, reason)) => AutoSync::Wait(until, reason),
        Err(Refusal::No(reason)) => AutoSync::No(reason),
        Err(Refusal::Failed(reason, operation)) => AutoSync::Failed(reason, operation),
    }
}

enum Refusal {
    Wait(Timestamp, Reason),
    No(Reason),
    Failed(Reason, Box<Operation>),
}

fn decide(input: &AutoSyncInput<'_>, now: Timestamp) -> Result<Operation, Refusal> {
    let no = |reason| Err(Refusal::No(reason));
    let revision = || input.revision.to_owned();
    if *input.sync_status != SyncStatusCode::OutOfSync {
        return no(Reason::Synced { revision: revision() });
    }
    let out_of_sync = input.resources.iter().filter(|resource| resource.out_of_sync).count();
    let Some(automated) = input.automated.filter(|automated| automated.enabled != Some(false)) else {
        return no(Reason::AutoSyncOff { out_of_sync });
    };
    if out_of_sync == 0 {
        return no(Reason::NothingToSync { revision: revision() });
    }
    let prune = automated.prune == Some(true) && input.desired == Desired::Verified;
    // What a sync could settle: it would be started again and again for anything else.
    let settleable: Vec<&AutoSyncResource<'_>> = input
        .resources
        .iter()
        .filter(|resource| resource.out_of_sync && (prune || !resource.requires_pruning))
        .collect();
    let in_doubt = || Reason::DesiredInDoubt { revision: revision(), out_of_sync };
    if settleable.is_empty() {
        return no(if automated.prune == Some(true) { in_doubt() } else { Reason::PruneOff { objects: out_of_sync } });
    }
    let wipes_out = prune
        && automated.allow_empty != Some(true)
        && input.resources.iter().all(|resource| resource.requires_pruning);
    let mut operation = operation(input, prune);
    match attempted(input) {
        Attempt::Never if input.desired == Desired::LastGood => return no(in_doubt()),
        Attempt::Never => {}
        Attempt::Failed(message) => {
            let reason = Reason::LastSyncFailed { revision: revision(), message, tried_out_at: None };
            // A trial that succeeds is no leave to delete everything.
            if let Some(sync) = operation.sync.as_mut().filter(|_| wipes_out) {
                sync.prune = false;
            }
            return Err(Refusal::Failed(reason, Box::new(operation)));
        }
        Attempt::Succeeded if automated.self_heal != Some(true) => return no(Reason::SelfHealOff { out_of_sync }),
        Attempt::Succeeded => {
            let resources = heal(&settleable, now)?;
            if let Some(sync) = &mut operation.sync {
                sync.resources = resources;
                sync.self_heal_attempts_count = attempts(input);
            }
        }
    }
    if wipes_out {
        return no(Reason::WouldWipeOut { revision: revision() });
    }
    Ok(operation)
}

fn operation(input: &AutoSyncInput<'_>, prune: bool) -> Operation {
    let (revision, revisions) = input.sources.revision_fields(input.revision);
    Operation {
        sync: Some(SyncOperation {
            revision,
            revisions,
            source: (!input.sources.is_list()).then(|| input.sources.source_field()),
            sources: input.sources.sources_field(),
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
///
/// An operation that ended before it had a revision counts as an attempt at any.
fn attempted(input: &AutoSyncInput<'_>) -> Attempt {
    let Some(last) = input.last else { return Attempt::Never };
    let same = match last.sync_result.as_ref().filter(|result| result.has_revision()) {
        None => last.phase.is_completed(),
        Some(result) => result.joined_revision() == input.revision && SourceSet::of_result(result) == *input.sources,
    };
    match (same, &last.phase) {
        (false, _) => Attempt::Never,
        (true, OperationPhase::Succeeded) => Attempt::Succeeded,
        (true, _) => Attempt::Failed(last.message.clone()),
    }
}

/// Selects what is healed at once; what is changed back again and again waits.
fn heal(settleable: &[&AutoSyncResource<'_>], now: Timestamp) -> Result<Vec<SyncOperationResource>, Refusal> {
    let due: Vec<SyncOperationResource> = settleable
        .iter()
        .filter(|resource| resource.heal.allowed_at() <= now)
        .map(|resource| SyncOperationResource {
            group: resource.key.group.clone(),
            kind: resource.key.kind.clone(),
            name: resource.key.name.clone(),
            namespace: resource.key.namespace.clone(),
        })
        .collect();
    match settleable.iter().min_by_key(|resource| resource.heal.allowed_at()) {
        Some(next) if due.is_empty() => {
            let until = next.heal.allowed_at();
            let manager = next.changed_by.clone().unwrap_or_else(|| "unknown".to_owned());
            Err(Refusal::Wait(until, Reason::SelfHealBackoff { object: next.key.to_string(), manager, until }))
        }
        _ => Ok(due),
    }
}

fn attempts(input: &AutoSyncInput<'_>) -> i64 {
    let last = input.last.and_then(|last| last.operation.sync.as_ref());
    last.map_or(0, |sync| sync.self_heal_attempts_count).saturating_add(1)
}
