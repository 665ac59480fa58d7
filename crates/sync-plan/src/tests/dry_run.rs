use super::model::*;
use crate::plan::PruneRule;

const DONE: &str = "Succeeded: successfully synced (all tasks run)";

#[test]
fn a_dry_run_tries_all_and_waits_for_nothing() {
    let sim = check(
        sync([
            new("Secret/a").health(PENDING),
            same("Secret/b").wave(1).health(DEGRADED),
            gone("Secret/c").wave(1),
            gone("Secret/d").wave(2).with_live(|live| live.prune = Some(PruneRule::Confirm)),
            gone("Secret/e").lingers(9).with_live(|live| live.deleting = true),
            new("Secret/f").wave(3),
        ])
        .dry_run(),
        &[
            "dry-run apply Secret/a",
            "dry-run prune Secret/d",
            "store, dry-run prune Secret/c",
            "store, dry-run apply Secret/f",
            DONE,
        ],
    );
    assert_eq!(
        sim.results(),
        [
            "Secret/a Synced Succeeded: secret/a serverside-applied (dry run)",
            "Secret/d Pruned Succeeded: pruned (dry run)",
            "Secret/b Synced Succeeded: secret/b unchanged (dry run)",
            "Secret/c Pruned Succeeded: pruned (dry run)",
            "Secret/e Pruned Succeeded: pruned (dry run)",
            "Secret/f Synced Succeeded: secret/f serverside-applied (dry run)",
        ]
    );
}

#[test]
fn a_dry_run_creates_nothing_and_does_not_fail_for_it() {
    let sim = check(
        sync([
            new("Secret/ns/a"),
            new("Namespace/own"),
            new("Secret/own/b"),
            new("Secret/other/c"),
            new("x.io/Foo/f").awaited(usize::MAX),
        ])
        .creates_namespace("ns")
        .dry_run(),
        &["store, dry-run apply Namespace/own", "dry-run apply Secret/c", DONE],
    );
    assert_eq!(
        sim.results(),
        [
            "Namespace/ns Synced Succeeded: namespace/ns created (dry run)",
            "Namespace/own Synced Succeeded: namespace/own serverside-applied (dry run)",
            "Secret/a Synced Succeeded: secret/a not tried, because its namespace does not exist yet (dry run)",
            "Secret/b Synced Succeeded: secret/b not tried, because its namespace does not exist yet (dry run)",
            "Secret/c Synced Succeeded: secret/c serverside-applied (dry run)",
            "Foo/f Synced Succeeded: foo.x.io/f not tried, because its kind is not served yet (dry run)",
        ]
    );
}

#[test]
fn a_failed_dry_run_fails() {
    check(
        sync([new("Secret/a").fails("invalid"), new("Secret/b").wave(1)]).dry_run(),
        &["dry-run apply Secret/a", "Failed: one or more objects failed to apply, reason: invalid"],
    );
}
