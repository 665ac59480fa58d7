//! The deployment history (Argo CD semantics, 1.6).

use application_api::{OperationPhase, OperationState, RevisionHistory};
use kube_object::Time;

/// Returns the history with a completed operation added; unchanged for dry runs, partial syncs and failures.
pub fn with_deployment(history: &[RevisionHistory], state: &OperationState, limit: usize) -> Vec<RevisionHistory> {
    let mut all = history.to_vec();
    if let (Some(sync), Some(result), Some(finished_at)) =
        (&state.operation.sync, &state.sync_result, state.finished_at)
        && state.phase == OperationPhase::Succeeded
        && !sync.dry_run
        && sync.resources.is_empty()
    {
        all.push(RevisionHistory {
            id: history.last().map_or(0, |last| last.id + 1),
            revision: result.revision.clone(),
            revisions: result.revisions.clone(),
            source: result.source.clone(),
            sources: result.sources.clone(),
            deploy_started_at: Some(Time::new(state.started_at.timestamp())),
            deployed_at: finished_at,
            initiated_by: state.operation.initiated_by.clone(),
        });
    }
    let surplus = all.len().saturating_sub(limit);
    all.drain(..surplus);
    all
}
