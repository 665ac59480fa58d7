//! Hooks: their phases, their objects, and what failures and crashes make of them.

use application_api::{OperationPhase, SyncPhase, SyncStrategy, SyncStrategyForce};

use super::hook_items::{HookItem, hook};
use super::model::*;
use crate::hook_name;

const DONE: &str = "Succeeded: successfully synced (no more tasks)";
const PRE: &[SyncPhase] = &[SyncPhase::PreSync];
const SYNC: &[SyncPhase] = &[SyncPhase::Sync];
const POST: &[SyncPhase] = &[SyncPhase::PostSync];
const FAIL: &[SyncPhase] = &[SyncPhase::SyncFail];

fn job(name: &str, phases: &[SyncPhase]) -> HookItem {
    hook(&format!("batch.x/Job/{name}"), phases, STARTS)
}

#[test]
fn phases_follow_each_other_and_each_hook_is_waited_for() {
    check(
        sync([new("Secret/a").health(STARTS)]).hooks([job("after", POST), job("before", PRE), job("failed", FAIL)]),
        &[
            "run Job/before",
            "waiting for completion of hook batch.x/Job/before",
            "store, release Job/before",
            "store, apply Secret/a",
            "waiting for healthy state of /Secret/a",
            "store, run Job/after",
            "waiting for completion of hook batch.x/Job/after",
            "store, release Job/after",
            DONE,
        ],
    );
}

#[test]
fn hooks_of_the_sync_phase_run_with_its_objects() {
    // In a single step only the hook is waited for.
    check(
        sync([new("Secret/a").health(PENDING)]).hooks([job("with", SYNC)]),
        &[
            "apply Secret/a",
            "run Job/with",
            "waiting for completion of hook batch.x/Job/with",
            "store, release Job/with",
            DONE,
        ],
    );
    // In the last of several, everything is.
    let sim = check(
        sync([new("Secret/a"), new("Secret/b").wave(1).health(STARTS)]).hooks([hook(
            "batch.x/Job/with",
            SYNC,
            HEALTHY,
        )
        .wave(1)]),
        &[
            "apply Secret/a",
            "waiting for healthy state of /Secret/a",
            "store, apply Secret/b",
            "run Job/with",
            "waiting for completion of hook batch.x/Job/with",
            "store, release Job/with",
            "waiting for healthy state of /Secret/b",
            DONE,
        ],
    );
    assert_eq!(sim.results()[2], "Job/with Synced Succeeded: a message");
    assert_eq!(results(&sim.state)[2].hook_type, Some(application_api::HookType::Sync));
}

#[test]
fn a_hook_that_fails_ends_the_operation_after_the_hooks_for_that() {
    let broken = || hook("batch.x/Job/before", PRE, BREAKS);
    let failed = "Failed: one or more synchronization tasks completed unsuccessfully";
    check(
        sync([new("Secret/a")]).hooks([broken()]),
        &["run Job/before", "waiting for completion of hook batch.x/Job/before", "store, release Job/before", failed],
    );
    check(
        sync([new("Secret/a")]).hooks([broken().policy(true, false, true), job("sorry", FAIL)]),
        &[
            "run Job/before",
            "waiting for completion of hook batch.x/Job/before",
            "store, release Job/before",
            "store, run Job/sorry",
            "waiting for completion of hook batch.x/Job/sorry",
            "store, release Job/sorry",
            "store, delete Job/before",
            failed,
        ],
    );
    // The hooks for failures may fail as well.
    check(
        sync([new("Secret/a").fails("denied")]).hooks([hook("batch.x/Job/sorry", FAIL, BREAKS)]),
        &[
            "apply Secret/a",
            "store, run Job/sorry",
            "waiting for completion of hook batch.x/Job/sorry",
            "store, release Job/sorry",
            "Failed: one or more objects failed to apply, reason: denied\none or more SyncFail hooks failed, reason: a message",
        ],
    );
}

#[test]
fn health_decides_what_a_hook_has_come_to() {
    let end = |healths, expected: &str| {
        let sim = sync([]).hooks([hook("batch.x/Job/it", PRE, healths)]).run();
        assert_eq!(sim.lines.last().map(String::as_str), Some(expected), "{healths:?}");
    };
    let failed = "Failed: one or more synchronization tasks completed unsuccessfully";
    end(HEALTHY, DONE);
    end(&[None], DONE);
    end(DEGRADED, failed);
    end(&[Some(crate::PlanHealth::Unknown)], failed);
    end(PENDING, "stays so");
}

#[test]
fn delete_policies_say_when_objects_go() {
    for (policy, expected) in [
        ((false, true, false), "store, delete Job/it"),
        ((true, true, true), "store, delete Job/it"),
        ((false, false, true), "store, release Job/it"),
        ((true, false, false), "store, release Job/it"),
    ] {
        let (before, succeeded, failed) = policy;
        let sim = sync([]).hooks([job("it", PRE).policy(before, succeeded, failed)]).run();
        assert_eq!(sim.lines[sim.lines.len() - 2], expected, "{policy:?}");
        assert_eq!(sim.state.phase, OperationPhase::Succeeded);
    }
}

#[test]
fn what_an_earlier_operation_left_is_replaced_first() {
    check(
        sync([]).hooks([hook("batch.x/Job/it", PRE, HEALTHY).left(true).lingers(2)]),
        &[
            "release Job/it",
            "delete Job/it",
            "waiting for deletion of hook batch.x/Job/it",
            "run Job/it",
            "waiting for completion of hook batch.x/Job/it",
            "store, release Job/it",
            DONE,
        ],
    );
    // Without that policy it is applied as it is.
    check(
        sync([]).hooks([hook("batch.x/Job/it", PRE, HEALTHY).left(false).policy(false, false, true)]),
        &["run Job/it", "waiting for completion of hook batch.x/Job/it", "store, release Job/it", DONE],
    );
}

#[test]
fn one_object_may_run_in_several_phases() {
    let sim = sync([new("Secret/a")])
        .hooks([hook("batch.x/Job/it", &[SyncPhase::PreSync, SyncPhase::PostSync], HEALTHY)])
        .run();
    assert_eq!(sim.lines.last().map(String::as_str), Some(DONE), "{:#?}", sim.lines);
    assert_eq!(sim.hooks[0].made.values().copied().collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_time_to_live_does_not_make_a_hook_run_twice() {
    let sim = sync([new("Secret/a")]).hooks([job("it", PRE).ttl()]).run();
    assert_eq!((sim.lines.last().map(String::as_str), sim.hooks[0].made.len()), (Some(DONE), 1), "{:#?}", sim.lines);
}

#[test]
fn hooks_do_not_run_in_partial_syncs_nor_with_the_strategy_apply() {
    let sim = || sync([new("Secret/a")]).hooks([job("it", PRE)]);
    let done = "Succeeded: successfully synced (all tasks run)";
    check(sim().selects(&["Secret/a"]), &["apply Secret/a", done]);
    let apply = Some(SyncStrategyForce::default());
    check(
        sim().operation(|sync| sync.sync_strategy = Some(SyncStrategy { apply, hook: None })),
        &["apply Secret/a", done],
    );
    check(sim().dry_run(), &["dry-run run Job/it", "store, dry-run apply Secret/a", DONE]);
}

#[test]
fn a_terminated_operation_takes_its_hooks_with_it() {
    let mut sim = sync([new("Secret/a")]).hooks([hook("batch.x/Job/it", PRE, PENDING)]);
    for _ in 0..3 {
        sim.advance();
    }
    sim.terminate();
    sim.lines.clear();
    let sim = check(sim, &["release Job/it", "delete Job/it", "Failed: Operation terminated"]);
    assert_eq!(sim.results(), ["Job/it Synced Succeeded: Deleted"]);
    assert!(sim.hooks[0].live.is_none());
}

#[test]
fn the_namespace_is_made_before_the_first_hook_in_it() {
    check(
        sync([]).creates_namespace("ns").hooks([hook("batch.x/Job/ns/it", PRE, HEALTHY).wave(-5)]),
        &[
            "create Namespace/ns",
            "run Job/it",
            "waiting for completion of hook batch.x/Job/it",
            "store, release Job/it",
            DONE,
        ],
    );
}

#[test]
fn whoever_ends_a_retry_knows_of_its_hooks() {
    let it = || hook("batch.x/Job/it", PRE, PENDING);
    let mut sim = sync([new("Secret/a").fails("denied").wave(1)]).hooks([job("fails", PRE).fails("denied")]).retry(1);
    sim.advance();
    sim.advance();
    assert!(sim.state.finished_at.is_some(), "{:#?}", sim.lines);
    // The daemon dies right after it has made the hook of the second attempt.
    sim.hooks = vec![it()];
    sim.kills = vec![sim.events + 3];
    sim.advance();
    assert_eq!(sim.lines.last().map(String::as_str), Some("store, run Job/it"));
    sim.terminate();
    sim.lines.clear();
    check(sim, &["release Job/it", "delete Job/it", "Failed: Operation terminated"]);
}

#[test]
fn nothing_ends_before_the_hooks_that_run() {
    let wait = "waiting for completion of hook batch.x/Job/it";
    // The project refuses something meanwhile.
    let mut sim = sync([new("Secret/a")]).hooks([job("it", PRE)]);
    sim.advance();
    sim.items[0] = new("Secret/a").refused("no");
    sim.lines.clear();
    check(sim, &[wait, "store, release Job/it", "Failed: one or more synchronization tasks are not valid: no"]);
    // Another Application has something meanwhile.
    let mut sim = sync([new("Secret/a")]).hooks([job("it", PRE)]);
    sim.advance();
    sim.input.shared = vec!["ours".to_owned()];
    sim.lines.clear();
    check(sim, &[wait, "store, release Job/it", "Failed: Shared resource found: ours"]);
}

#[test]
fn a_hook_for_failures_that_is_done_before_it_is_known_ends_the_operation() {
    let sim = || sync([new("Secret/a").fails("denied")]).hooks([hook("batch.x/Job/sorry", FAIL, HEALTHY)]);
    let calm = sim().run();
    for at in 0..calm.events {
        let mut killed = sim();
        killed.kills = vec![at];
        let killed = killed.run();
        assert_eq!(killed.lines.last(), calm.lines.last(), "killed at {at}: {:#?}", killed.lines);
    }
}

#[test]
fn each_attempt_runs_hooks_once_whenever_the_daemon_dies() {
    let sim = || {
        sync([new("Secret/a").health(STARTS), gone("Secret/b"), new("Secret/c").wave(1)]).retry(1).hooks([
            job("before", PRE).ttl(),
            job("with", SYNC),
            hook("batch.x/Job/both", &[SyncPhase::PreSync, SyncPhase::PostSync], HEALTHY).wave(1),
            hook("batch.x/Job/after", POST, BREAKS).policy(false, false, true),
            job("sorry", FAIL).policy(true, true, false),
        ])
    };
    let calm = sim().run();
    for at in 0..calm.events {
        let mut killed = sim();
        killed.kills = vec![at];
        let killed = killed.run();
        assert_eq!(killed.results(), calm.results(), "killed at {at}: {:#?}", killed.lines);
        assert_eq!(killed.state.message, calm.state.message);
        for (hook, calm) in killed.hooks.iter().zip(&calm.hooks) {
            assert_eq!(hook.made, calm.made, "killed at {at}: {:#?}", killed.lines);
            assert_eq!(hook.live.is_some(), calm.live.is_some(), "killed at {at}: {:#?}", killed.lines);
        }
    }
}

#[test]
fn a_hook_that_cannot_be_made_fails_the_operation() {
    check(
        sync([new("Secret/a")]).hooks([job("it", PRE).fails("denied")]),
        &["run Job/it", "Failed: one or more objects failed to apply, reason: denied"],
    );
    check(
        sync([]).hooks([job("it", PRE).left(false).fails("denied")]),
        &["delete Job/it", "Failed: one or more objects failed to apply, reason: failed to delete resource: denied"],
    );
}

#[test]
fn generated_names_are_the_same_for_the_whole_attempt() {
    let name = |revision: &str| hook_name("migrate-", revision, &SyncPhase::PreSync, START);
    assert_eq!(name("0123456789abcdef"), "migrate-0123456-presync-1767268800");
    assert_eq!(name("v1.2.3"), "migrate-v1.2.3-presync-1767268800");
}
