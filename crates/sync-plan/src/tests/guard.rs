//! Deletes that a person has to approve, and phases that are tried out first.

use application_api::{MaxPrune, PrunedKind, SyncPhase};
use kube_object::Digest;

use super::hook_items::hook;
use super::model::*;
use crate::PruneGuard;
use crate::plan::Preflight;

fn guard(most: &str, kinds: &str, approved: &str) -> PruneGuard {
    PruneGuard {
        most: (!most.is_empty()).then(|| MaxPrune::parse(most).unwrap()),
        kinds: PrunedKind::parse_list(kinds).unwrap(),
        render: Some(Digest::of_bytes(b"render")),
        approved: Some(approved.to_owned()),
    }
}

#[test]
fn more_prunes_than_allowed_wait_before_anything_is_done() {
    let digest = guard("", "", "").approval().unwrap();
    assert_eq!(digest.len(), 16);
    let items = || [new("Secret/a"), same("Secret/b"), gone("Secret/c"), gone("ConfigMap/d")];
    let run = |guard: PruneGuard| sync(items()).input(|input| input.guard = guard).run().lines;
    let held = |why: &str, first: &str| {
        format!(
            "waiting for pruning confirmation of 2 of 3 objects ({first}): {why}; annotate the Application with driftless.dev/approve-prune: {digest} to go on"
        )
    };
    for (most, kinds, why, first) in [
        ("1", "", "driftless.dev/max-prune allows 1", "/Secret/c, /ConfigMap/d"),
        ("66%", "", "driftless.dev/max-prune allows 66%", "/Secret/c, /ConfigMap/d"),
        ("", "ConfigMap", "their kinds need it", "/ConfigMap/d, /Secret/c"),
        ("9", "/ConfigMap,Namespace", "their kinds need it", "/ConfigMap/d, /Secret/c"),
    ] {
        assert_eq!(run(guard(most, kinds, "")), [held(why, first), "stays so".to_owned()], "{most} {kinds}");
        assert_eq!(run(guard(most, kinds, "0000000000000000")).len(), 2, "another render needs another word");
        assert!(run(guard(most, kinds, &digest)).last().unwrap().starts_with("Succeeded"), "{most} {kinds}");
    }
    for (most, kinds) in [("2", ""), ("67%", "Namespace"), ("100%", "apps/ConfigMap"), ("", "")] {
        assert!(run(guard(most, kinds, "")).last().unwrap().starts_with("Succeeded"), "{most} {kinds}");
    }
    // Nothing is deleted without prune.
    let sim = sync(items()).operation(|sync| sync.prune = false).input(|input| input.guard = guard("0", "", ""));
    assert!(sim.run().lines.last().unwrap().starts_with("Succeeded"));
}

#[test]
fn what_is_still_going_is_counted_once() {
    let mut sim = sync([gone("Secret/a").wave(1).lingers(9), gone("Secret/b"), same("Secret/c"), same("Secret/d")])
        .input(|input| input.guard = guard("50%", "", ""));
    sim.advance();
    assert_eq!(sim.lines, ["prune Secret/a"]);
    // Another object leaves Git meanwhile.
    sim.items.push(gone("Secret/e"));
    sim.advance();
    assert!(
        sim.state.message.starts_with("waiting for pruning confirmation of 3 of 5 objects"),
        "{}",
        sim.state.message
    );
}

#[test]
fn a_phase_is_tried_out_before_its_first_change() {
    let on = |sim: Sim| sim.input(|input| input.preflight = Preflight::On { done: None });
    check(
        on(sync([new("Secret/a"), new("Secret/b").wave(1).fails("denied"), same("Secret/c")])),
        &[
            "try apply Secret/a, try apply Secret/b",
            "Failed: one or more objects failed to apply (dry run), reason: denied (dry run)",
        ],
    );
    check(
        on(sync([new("Secret/a"), gone("Secret/b"), changed("ConfigMap/c").wave(1)]).hooks([hook(
            "x.io/Job/it",
            &[SyncPhase::PreSync],
            HEALTHY,
        )])),
        &[
            "try run Job/it",
            "run Job/it",
            "waiting for completion of hook x.io/Job/it",
            "store, release Job/it",
            "try apply Secret/a, try prune Secret/b, try apply ConfigMap/c",
            "store, apply Secret/a",
            "prune Secret/b",
            "waiting for healthy state of /Secret/a",
            "store, apply ConfigMap/c",
            "Succeeded: successfully synced (no more tasks)",
        ],
    );
    // Whichever part of it is rejected.
    check(
        on(sync([new("Secret/a").fails("denied"), new("Secret/b").wave(1)]).hooks([hook(
            "x.io/Job/sorry",
            &[SyncPhase::SyncFail],
            HEALTHY,
        )])),
        &[
            "try apply Secret/a, try apply Secret/b",
            "Failed: one or more objects failed to apply (dry run), reason: denied (dry run)",
        ],
    );
    // What has run before is made good again by the hooks for that.
    check(
        on(sync([new("Secret/a").fails("denied")]).hooks([hook(
            "x.io/Job/it",
            &[SyncPhase::PreSync, SyncPhase::SyncFail],
            HEALTHY,
        )])),
        &[
            "try run Job/it",
            "run Job/it",
            "waiting for completion of hook x.io/Job/it",
            "store, release Job/it",
            "try apply Secret/a",
            "store, delete Job/it",
            "store, run Job/it",
            "waiting for completion of hook x.io/Job/it",
            "store, release Job/it",
            "Failed: one or more objects failed to apply (dry run), reason: denied (dry run)",
        ],
    );
    // What lives in a namespace that was made can be tried out.
    check(
        on(sync([new("Secret/ns/a").fails("denied")]).creates_namespace("ns")),
        &[
            "create Namespace/ns",
            "try apply Secret/a",
            "Failed: one or more objects failed to apply (dry run), reason: denied (dry run)",
        ],
    );
    // What needs no change needs no trial.
    check(on(sync([same("Secret/a")])), &["Succeeded: successfully synced (all tasks run)"]);
}

#[test]
fn objects_that_others_have_fail_the_operation_if_asked_to() {
    let shared = "ConfigMap/a is part of applications argocd/one and argocd/two".to_owned();
    check(
        sync([new("ConfigMap/a")]).input(|input| input.shared = vec![shared.clone()]),
        &[&format!("Failed: Shared resource found: {shared}")],
    );
}
