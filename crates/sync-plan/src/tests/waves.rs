use super::model::*;
use crate::plan::{Change, KindState, PlanHealth};

const DONE: &str = "Succeeded: successfully synced (all tasks run)";

#[test]
fn one_wave_is_applied_kind_by_kind_and_not_waited_for() {
    let sim = check(
        sync([
            new("Service/s"),
            new("apps.x/Deployment/b").health(PENDING),
            new("apps.x/Deployment/a").health(DEGRADED),
            new("Secret/c"),
        ]),
        &["apply Secret/c", "apply Service/s", "apply Deployment/a, apply Deployment/b", DONE],
    );
    assert_eq!(
        sim.results(),
        [
            "Secret/c Synced Running: secret/c serverside-applied",
            "Service/s Synced Running: service/s serverside-applied",
            "Deployment/a Synced Running: deployment.apps.x/a serverside-applied",
            "Deployment/b Synced Running: deployment.apps.x/b serverside-applied",
        ]
    );
}

#[test]
fn nothing_to_do_succeeds_at_once() {
    check(sync([]), &["Succeeded: successfully synced (no more tasks)"]);
    let sim = check(sync([same("Secret/a").health(DEGRADED), same("Secret/b")]), &[DONE]);
    assert_eq!(
        sim.results(),
        ["Secret/a Synced Running: secret/a unchanged", "Secret/b Synced Succeeded: secret/b unchanged"]
    );
}

#[test]
fn a_later_wave_waits_for_health_and_is_stored_first() {
    let sim = check(
        sync([
            new("Secret/a").wave(-1).health(STARTS),
            new("Secret/b").wave(-1).health(STARTS),
            new("Secret/c").wave(-1),
            new("Service/d"),
            new("Job/e"),
            new("Job/f").wave(1),
        ]),
        &[
            "apply Secret/a, apply Secret/b, apply Secret/c",
            // Controllers get their two seconds before anything is judged.
            "waiting for healthy state of /Secret/a and 2 more resources",
            "waiting for healthy state of /Secret/a and 1 more resources",
            "store, apply Service/d",
            "apply Job/e",
            "waiting for healthy state of /Service/d and 1 more resources",
            "store, apply Job/f",
            DONE,
        ],
    );
    assert_eq!(sim.results()[0], "Secret/a Synced Succeeded: secret/a serverside-applied");
    check(
        sync([new("Secret/a").health(PENDING), new("Secret/b").wave(1)]),
        &["apply Secret/a", "waiting for healthy state of /Secret/a", "stays so"],
    );
}

#[test]
fn the_delay_between_waves_comes_before_the_judgement() {
    // It is still healthy from before when it is applied, and breaks a moment later.
    const TURNS: Healths = &[Some(PlanHealth::Healthy), Some(PlanHealth::Degraded)];
    let mut sim = sync([changed("Secret/a").health(TURNS), new("Secret/b").wave(1)]);
    let first = sim.step();
    let outcomes = first.actions.into_iter().map(|action| crate::plan::ActionOutcome {
        action,
        result: crate::plan::ActionResult::Done("configured".to_owned()),
    });
    sim.state = crate::record(&sim.plan(), first.next, &outcomes.collect::<Vec<_>>());
    sim.input.last_action_at = Some(START);
    for (seconds, wake_at, sent) in [(0, Some(2), 0), (1, Some(2), 0), (2, None, 1)] {
        sim.now = START + jiff::SignedDuration::from_secs(seconds);
        let next = sim.step();
        assert_eq!(next.wake_at.map(|at| at.duration_since(START).as_secs()), wake_at, "after {seconds} s");
        assert_eq!(next.actions.len(), sent, "after {seconds} s");
    }
    sim.items[0].resource.live.as_mut().unwrap().health = Some(PlanHealth::Degraded);
    let message = sim.step().next.message;
    assert_eq!(message, "one or more synchronization tasks completed unsuccessfully");
    // After a restart nobody knows when the last action was.
    sim.input.last_action_at = None;
    sim.now = START;
    assert_eq!(sim.step().next.message, message);
}

#[test]
fn unchanged_objects_are_judged_at_once() {
    check(
        sync([same("Secret/a").health(HEALTHY), same("Secret/b").wave(1), new("Secret/c").wave(2)]),
        &["store, apply Secret/c", DONE],
    );
    check(
        sync([same("Secret/a").health(STARTS), new("Secret/c").wave(2)]),
        &["waiting for healthy state of /Secret/a", "store, apply Secret/c", DONE],
    );
    check(
        sync([same("Secret/a").health(DEGRADED), new("Secret/c").wave(2)]),
        &["Failed: one or more synchronization tasks completed unsuccessfully"],
    );
    let sim = check(sync([new("Secret/a"), same("Service/b").health(HEALTHY)]), &["apply Secret/a", DONE]);
    assert_eq!(sim.results()[1], "Service/b Synced Succeeded: service/b unchanged");
    // What Git and the cluster are said to share, but the cluster does not have, is applied.
    let mut lost = new("Secret/a");
    lost.resource.change = Change::None;
    check(sync([lost]), &["apply Secret/a", DONE]);
    let mut owned = same("Secret/a");
    owned.resource.change = Change::Ownership;
    check(sync([owned]), &["apply Secret/a", DONE]);
}

#[test]
fn a_wave_of_which_only_a_part_changed_is_stored_first_all_the_same() {
    check(
        sync([new("Secret/a"), same("Secret/b").wave(1), new("Service/c").wave(1)]),
        &["apply Secret/a", "waiting for healthy state of /Secret/a", "store, apply Service/c", DONE],
    );
}

#[test]
fn a_broken_object_stops_the_waves_after_it() {
    let sim = check(
        sync([new("Secret/a").health(BREAKS), new("Secret/b").wave(1)]),
        &[
            "apply Secret/a",
            "waiting for healthy state of /Secret/a",
            "Failed: one or more synchronization tasks completed unsuccessfully",
        ],
    );
    assert_eq!(sim.results(), ["Secret/a Synced Failed: it does not start"]);
}

#[test]
fn an_object_that_is_gone_stops_the_waves_after_it() {
    let sim = check(
        sync([new("apps.x/Deployment/a").health(PENDING).vanishes(), new("Secret/b").wave(1)]),
        &[
            "apply Deployment/a",
            "waiting for healthy state of apps.x/Deployment/a",
            "Failed: one or more synchronization tasks completed unsuccessfully, reason: Resource apps.x/Deployment/a is missing, \
             it might have been deleted",
        ],
    );
    assert_eq!(
        sim.results(),
        ["Deployment/a SyncFailed Error: Resource apps.x/Deployment/a is missing, it might have been deleted"]
    );
}

#[test]
fn a_failed_kind_stops_later_waves_but_not_its_own() {
    let sim = check(
        sync([
            new("Secret/a").fails("denied"),
            new("Secret/b"),
            new("Service/c").fails("invalid"),
            new("Job/d"),
            new("Job/e").wave(1),
        ]),
        &[
            "apply Secret/a, apply Secret/b",
            "apply Service/c",
            "apply Job/d",
            "Failed: one or more objects failed to apply, reason: denied,invalid",
        ],
    );
    assert_eq!(sim.results()[0], "Secret/a SyncFailed Failed: denied");
    check(
        sync([new("Secret/a").fails("denied")]),
        &["apply Secret/a", "Failed: one or more objects failed to apply, reason: denied"],
    );
}

#[test]
fn a_stale_decision_is_taken_again() {
    check(
        sync([new("Secret/a").stale(1), new("Secret/b")]),
        &["apply Secret/a, apply Secret/b", "apply Secret/a", DONE],
    );
}

#[test]
fn the_namespace_is_created_first() {
    let sim = check(
        sync([new("Secret/ns/a")]).creates_namespace("ns"),
        &["create Namespace/ns", "store, apply Secret/a", DONE],
    );
    assert_eq!(
        sim.results(),
        ["Namespace/ns Synced Succeeded: namespace/ns created", "Secret/a Synced Running: secret/a serverside-applied"]
    );
    let mut failing = sync([new("Secret/ns/a")]).creates_namespace("ns");
    failing.namespace_error = Some("quota");
    check(failing, &["create Namespace/ns", "Failed: the namespace failed to apply, reason: quota"]);
}

#[test]
fn objects_wait_for_their_kind() {
    let definition = || new("apiextensions.k8s.io/CustomResourceDefinition/foos").defines("x.io", "Foo");
    check(
        sync([definition(), new("x.io/Foo/f").awaited(2), new("z.io/Zoo/z")]),
        &[
            "apply CustomResourceDefinition/foos",
            "waiting for the API server to serve x.io/Foo",
            "apply Foo/f",
            "apply Zoo/z",
            DONE,
        ],
    );
    let late = "The API server does not serve x.io/Foo yet: its CustomResourceDefinition is not established. Look at the conditions of \
                the CustomResourceDefinition.";
    let failed = format!("Failed: one or more objects failed to apply, reason: {late}");
    let sim = check(
        sync([definition(), new("x.io/Foo/f").awaited(usize::MAX), new("z.io/Zoo/z")]),
        &[
            "apply CustomResourceDefinition/foos",
            "waiting for the API server to serve x.io/Foo",
            "apply Zoo/z",
            &failed,
        ],
    );
    assert!(sim.now.duration_since(START).as_secs() >= 60);
    // A definition that failed is not waited for.
    let sim = check(
        sync([definition().fails("invalid"), new("x.io/Foo/f").awaited(usize::MAX)]),
        &[
            "apply CustomResourceDefinition/foos",
            "Failed: one or more objects failed to apply, reason: invalid,The API server does not serve x.io/Foo: its \
             CustomResourceDefinition failed to apply.",
        ],
    );
    assert!(sim.now.duration_since(START).as_secs() < 60);
    // Of one kind name in two groups, only the one that is not served waits.
    check(
        sync([new("x.io/Foo/f").awaited(1), new("y.io/Foo/g")]),
        &["apply Foo/g", "waiting for the API server to serve x.io/Foo", "apply Foo/f", DONE],
    );
}

#[test]
fn the_wait_for_a_kind_ends_without_a_last_action() {
    let mut sim = sync([new("x.io/Foo/f").awaited(usize::MAX)]);
    assert_eq!(sim.items[0].resource.kind, KindState::Awaited);
    for (seconds, phase) in [(0, "Running"), (59, "Running"), (60, "Failed")] {
        sim.now = START + jiff::SignedDuration::from_secs(seconds);
        assert_eq!(sim.step().next.phase.as_str(), phase, "after {seconds} s");
    }
}
