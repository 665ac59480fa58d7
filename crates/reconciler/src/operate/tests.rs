use application_api::Operation;

use super::*;

#[test]
fn a_run_whose_start_is_not_stored_gives_way_to_another_that_is() {
    let operation = |prune| Operation {
        sync: Some(application_api::SyncOperation { prune, ..application_api::SyncOperation::default() }),
        ..Operation::default()
    };
    let state = |second: i64| OperationState {
        operation: operation(true),
        phase: OperationPhase::Running,
        message: String::new(),
        sync_result: None,
        started_at: Time::new(Timestamp::from_second(second).unwrap()),
        finished_at: None,
        retry_count: 0,
    };
    let check = |stored: Option<i64>, asked: bool, expected: bool| {
        let application = Application { operation: Some(operation(asked)), ..Application::default() };
        let stored = stored.map(state);
        assert_eq!(is_superseded(&Run::new(state(14)), stored.as_ref(), &application), expected, "{stored:?} {asked}");
    };
    check(None, true, false);
    check(None, false, true);
    check(Some(14), true, false);
    // An equal operation that started earlier: the write that started it landed late.
    check(Some(4), true, true);
}
