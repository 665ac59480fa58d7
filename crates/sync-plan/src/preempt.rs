//! Giving way to a newer commit: an operation that waits takes its hooks down and begins again with the newest revision.

use jiff::Timestamp;

use application_api::{OperationState, SyncOperation};

use crate::plan::{ClusterAction, SyncInput};
use crate::record::{give_results, take_results};
use crate::step::Pass;

/// Tells whether an operation waits for the health of objects or for a hook: there it may give way to a newer commit.
pub fn may_give_way(state: &OperationState) -> bool {
    let waits = ["waiting for healthy state of ", "waiting for completion of hook "];
    let is_whole = |sync: &SyncOperation| !sync.dry_run && sync.resources.is_empty();
    waits.iter().any(|wait| state.message.starts_with(wait)) && state.operation.sync.as_ref().is_some_and(is_whole)
}

/// Takes down the hooks that an attempt runs; none when there are none left.
pub fn take_down(input: &SyncInput, state: &mut OperationState, now: Timestamp) -> Vec<ClusterAction> {
    let Some(sync) = state.operation.sync.clone() else { return Vec::new() };
    let results = take_results(state);
    let mut pass = Pass::new(input, &sync, state, results, now);
    let actions = pass.terminate_hooks();
    let results = pass.into_results();
    give_results(state, results);
    actions
}

/// Begins anew with the newest revision: results are forgotten, and the revision is looked up again. It is no retry.
pub fn give_way(mut state: OperationState, newest: &str) -> OperationState {
    state.message = format!("a newer revision takes over: {newest}");
    state.sync_result = None;
    if let Some(sync) = &mut state.operation.sync {
        sync.revision.clear();
        sync.revisions.clear();
    }
    state
}
