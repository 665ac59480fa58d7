use application_api::{OperationInitiator, OperationPhase, OperationState, RevisionHistory, SyncOperationResource};
use kube_object::Time;

use super::model::*;
use crate::with_deployment;

fn history(count: i64) -> Vec<RevisionHistory> {
    let mut all = Vec::new();
    for _ in 0..count {
        all = with_deployment(&all, &succeeded(), 100);
    }
    all
}

fn succeeded() -> OperationState {
    let mut state = sync([]).run().state;
    state.operation.initiated_by = OperationInitiator { username: "anna".to_owned(), automated: false };
    state
}

#[test]
fn a_deployment_is_numbered_and_the_oldest_are_dropped() {
    for (before, limit, expected) in
        [(0, 10, &[0][..]), (1, 10, &[0, 1]), (3, 3, &[1, 2, 3]), (5, 2, &[4, 5]), (2, 0, &[])]
    {
        let ids: Vec<i64> =
            with_deployment(&history(before), &succeeded(), limit).iter().map(|entry| entry.id).collect();
        assert_eq!(ids, expected, "{before} before, {limit} kept");
    }
    let entry = history(1).remove(0);
    assert_eq!((entry.revision.as_str(), entry.initiated_by.username.as_str()), ("abc", "anna"));
    assert_eq!((entry.deploy_started_at, entry.deployed_at), (Some(Time::new(START)), Time::new(START)));
}

#[test]
fn other_operations_leave_the_history_alone() {
    let changes: [fn(&mut OperationState); 5] = [
        |state| state.phase = OperationPhase::Failed,
        |state| state.operation.sync.as_mut().unwrap().dry_run = true,
        |state| state.operation.sync.as_mut().unwrap().resources = vec![SyncOperationResource::default()],
        |state| state.sync_result = None,
        |state| state.finished_at = None,
    ];
    for change in changes {
        let mut state = succeeded();
        change(&mut state);
        assert_eq!(with_deployment(&history(3), &state, 2), history(3));
    }
}
