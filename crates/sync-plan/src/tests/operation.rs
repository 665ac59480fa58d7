use application_api::{Backoff, OperationPhase, SyncOperationResource};
use jiff::SignedDuration;
use kube_object::Time;

use super::model::*;
use crate::plan::Persist;
use crate::{RetryState, begin_retry, complete, retry_state};

const DONE: &str = "Succeeded: successfully synced (all tasks run)";

#[test]
fn only_selected_objects_are_touched() {
    let items = || [new("Secret/x/a"), new("Secret/y/a"), gone("Secret/x/b"), new("apps.x/Deployment/x/a")];
    for (selected, expected) in [
        (&["Secret/a"][..], &["apply Secret/a, apply Secret/a", DONE][..]),
        (&["Secret/x/a"], &["apply Secret/a", DONE]),
        (&["Secret/b", "apps.x/Deployment/a"], &["apply Deployment/a", "prune Secret/b", DONE]),
        (&["Deployment/a"], &["Succeeded: successfully synced (no more tasks)"]),
        (&["Secret/*"], &["apply Secret/a, apply Secret/a", "prune Secret/b", DONE]),
    ] {
        check(sync(items()).selects(selected), expected);
    }
    // What is not selected is not waited for either, but the namespace is made.
    check(
        sync([same("Secret/a").wave(-1).health(DEGRADED), new("Secret/ns/b")])
            .selects(&["Secret/b"])
            .creates_namespace("ns"),
        &["create Namespace/ns", "store, apply Secret/b", DONE],
    );
    let operation = application_api::SyncOperation {
        resources: vec![SyncOperationResource {
            group: "*".to_owned(),
            kind: "Deployment".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert!(!crate::is_selected(&operation, &new("apps.x/Deployment/a").resource));
}

#[test]
fn what_cannot_run_is_refused_before_anything_is_sent() {
    let sim = check(
        sync([
            new("Secret/a"),
            new("Secret/b").refused("Secret b is not permitted"),
            new("Secret/c").refused("Secret b is not permitted"),
            new("x.io/Foo/ns/f").unknown(),
            new("x.io/Foo/ns/g").refused("Foo g is not permitted"),
            gone("y.io/Bar/f").unknown(),
        ]),
        &[
            "Failed: one or more synchronization tasks are not valid: Foo g is not permitted; Secret b is not permitted; The Kubernetes API could not find x.io/Foo \
           for requested resource ns/f. Make sure the \"Foo\" CRD is installed on the destination cluster.",
        ],
    );
    assert_eq!(sim.results().len(), 4);
    check(sync([new("Secret/a"), new("Secret/b").refused("no")]).selects(&["Secret/a"]), &["apply Secret/a", DONE]);
}

#[test]
fn a_failed_operation_is_tried_again_after_the_promised_wait() {
    let failed = "one or more objects failed to apply, reason: denied";
    let sim = check(
        sync([new("Secret/a").fails("denied")]).retry(3),
        &[
            "apply Secret/a",
            &format!("retry 5s: {failed}. Retrying attempt #1 at 12:00PM."),
            "apply Secret/a",
            &format!("retry 10s: {failed}. Retrying attempt #2 at 12:00PM."),
            "apply Secret/a",
            &format!("retry 20s: {failed}. Retrying attempt #3 at 12:00PM."),
            "apply Secret/a",
            &format!("Failed: {failed} (retried 3 times)."),
        ],
    );
    assert_eq!(sim.state.retry_count, 3);
    assert_eq!(sim.state.started_at, Time::new(START), "retries do not move the start");
}

#[test]
fn the_wait_that_is_promised_is_the_wait_that_is_kept() {
    let mut sim = sync([]).retry(9);
    for (afternoon, count, duration, wait_millis, said) in [
        (0, 0, "", 5_000, "12:00PM"),
        (12 * 3600 - 300, 4, "", 80_000, "11:56PM"),
        (12 * 3600 - 10, 2, "10s", 40_000, "12:00AM"),
        (13 * 3600, 0, "10m", 180_000, "1:03AM"),
        (3600, 0, "soon", 5_000, "1:00PM"),
        // Kubernetes keeps whole seconds, so that is what the promise is made from.
        (59, 0, "500ms", 500, "12:00PM"),
    ] {
        let backoff = Backoff { duration: duration.to_owned(), ..Backoff::default() };
        sim.state.operation.retry.backoff = (!duration.is_empty()).then_some(backoff);
        sim.state.retry_count = count;
        let now = START + SignedDuration::from_secs(afternoon) + SignedDuration::from_millis(700);
        let state = complete(sim.state.clone(), OperationPhase::Failed, "no", now);
        assert_eq!(state.message, format!("no. Retrying attempt #{} at {said}.", count + 1));
        let due = START + SignedDuration::from_secs(afternoon) + SignedDuration::from_millis(wait_millis);
        assert_eq!(retry_state(&state, START), RetryState::WaitingUntil(due));
        assert_eq!(retry_state(&state, due), RetryState::Due);
        // Asked for its next step, it waits on.
        sim.state = state;
        sim.now = due - SignedDuration::from_millis(1);
        assert_eq!((sim.step().next, sim.step().wake_at), (sim.state.clone(), Some(due)));
        sim.now = due;
        assert_eq!(sim.step().actions, []);
    }
    assert_eq!(retry_state(&sync([]).state, START), RetryState::NotWaiting);
}

#[test]
fn a_retry_begins_afresh() {
    for (refresh, message, revision) in [
        (false, "Retrying operation. Attempt #2", "main"),
        (true, "Retrying operation with latest revisions. Attempt #2", ""),
    ] {
        let mut state = sync([]).operation(|sync| sync.revision = "main".to_owned()).retry(5).state;
        state.operation.retry.refresh = refresh;
        state.retry_count = 1;
        let state = begin_retry(complete(state, OperationPhase::Failed, "no", START));
        assert_eq!(state.message, message);
        assert_eq!(state.operation.sync.unwrap().revision, revision);
        assert_eq!((state.sync_result, state.finished_at, state.phase), (None, None, OperationPhase::Running));
    }
}

#[test]
fn a_terminated_operation_ends_and_is_not_tried_again() {
    let mut running = sync([new("Secret/a").health(PENDING), new("Secret/b").wave(1)]).retry(5).run();
    running.lines.clear();
    running.state.phase = OperationPhase::Terminating;
    for (message, expected) in [
        ("operation is terminating", "Failed: Operation terminated"),
        (
            "operation is terminating due to timeout",
            "Failed: Operation terminated, triggered by controller sync timeout",
        ),
    ] {
        let mut sim = running.clone();
        message.clone_into(&mut sim.state.message);
        let sim = check(sim, &[expected]);
        assert_eq!(sim.results().len(), 1);
        assert_eq!(sim.state.finished_at, Some(Time::new(sim.now)));
    }
    // Also while it waits for its retry.
    let mut waiting = sync([]).retry(5);
    waiting.state = complete(waiting.state, OperationPhase::Failed, "no", START);
    waiting.state.phase = OperationPhase::Terminating;
    check(waiting, &["Failed: Operation terminated"]);
}

#[test]
fn an_operation_that_asks_for_nothing_is_an_error() {
    let mut sim = sync([]);
    sim.state.operation.sync = None;
    check(sim, &["Error: Invalid operation request: no operation specified"]);
}

#[test]
fn a_completed_operation_stays_as_it_is() {
    let sim = sync([new("Secret/a")]).run();
    let next = sim.step();
    assert_eq!((next.actions.len(), next.persist, next.next), (0, Persist::Later, sim.state));
}

#[test]
fn a_result_that_says_nothing_counts_for_nothing() {
    for item in [new("Secret/a"), same("Secret/a")] {
        let mut sim = sync([item]);
        let mut other = sim.clone().run().state.sync_result;
        other.iter_mut().flat_map(|result| &mut result.resources).for_each(|result| result.status = None);
        sim.state.sync_result = other;
        assert_eq!(
            sim.clone().run().lines,
            {
                sim.state.sync_result = None;
                sim.clone()
            }
            .run()
            .lines
        );
        assert_eq!(sim.run().results().len(), 1);
    }
}

#[test]
fn an_end_is_stored() {
    assert_eq!(sync([]).step().persist, Persist::First);
}
