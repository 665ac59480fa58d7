//! The deployment history (Argo CD semantics, 1.6).

use application_api::{OperationPhase, OperationState, RevisionHistory};

/// Returns the history with a completed operation added and the oldest entries beyond `limit` dropped.
///
/// Dry runs, partial syncs and failures leave it as it is.
pub fn with_deployment(history: &[RevisionHistory], state: &OperationState, limit: usize) -> Vec<RevisionHistory> {
    let mut all = history.to_vec();
    let (Some(sync), Some(result), Some(finished_at)) = (&state.operation.sync, &state.sync_result, state.finished_at)
    else {
        return all;
    };
    if state.phase != OperationPhase::Succeeded || sync.dry_run || !sync.resources.is_empty() {
        return all;
    }
    all.push(RevisionHistory {
        id: history.last().map_or(0, |last| last.id + 1),
        revision: result.revision.clone(),
        revisions: result.revisions.clone(),
        source: result.source.clone(),
        sources: result.sources.clone(),
        deploy_started_at: Some(state.started_at),
        deployed_at: finished_at,
        initiated_by: state.operation.initiated_by.clone(),
    });
    let surplus = all.len().saturating_sub(limit);
    all.drain(..surplus);
    all
}
