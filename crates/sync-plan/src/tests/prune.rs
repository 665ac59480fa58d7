use super::model::*;
use crate::plan::{ClusterAction, PruneRule};

const DONE: &str = "Succeeded: successfully synced (all tasks run)";

#[test]
fn prunes_go_after_applies_of_their_wave() {
    let sim = check(
        sync([new("Secret/a"), gone("apps.x/Deployment/b").lingers(3), gone("ConfigMap/c")]),
        // Nothing waits for what lingers.
        &["apply Secret/a", "prune ConfigMap/c, prune Deployment/b", DONE],
    );
    assert_eq!(
        sim.results(),
        [
            "Secret/a Synced Running: secret/a serverside-applied",
            "ConfigMap/c Pruned Succeeded: pruned",
            "Deployment/b Pruned Succeeded: pruned"
        ]
    );
}

#[test]
fn nothing_is_pruned_where_an_apply_failed() {
    let sim = check(
        sync([new("Secret/a").fails("invalid"), new("ConfigMap/b"), gone("ConfigMap/c"), gone("Secret/d").wave(1)]),
        // What can be applied of the wave is.
        &["apply Secret/a", "apply ConfigMap/b", "Failed: one or more objects failed to apply, reason: invalid"],
    );
    assert_eq!(
        sim.results(),
        ["Secret/a SyncFailed Failed: invalid", "ConfigMap/b Synced Running: configmap/b serverside-applied"]
    );
}

#[test]
fn a_prune_carries_its_preconditions() {
    let action = sync([gone("Secret/ns/a")]).step().actions.remove(0);
    let ClusterAction::Prune { uid, resource_version, version, .. } = action else { panic!("{action:?}") };
    assert_eq!((uid.as_str(), resource_version.as_str(), version.as_str()), ("uid", "1", "v1"));
}

#[test]
fn a_later_wave_waits_for_deletions() {
    check(
        sync([gone("Secret/a").lingers(2), gone("Secret/b"), new("Secret/c").wave(1)]),
        &["prune Secret/a, prune Secret/b", "waiting for deletion of /Secret/a", "apply Secret/c", DONE],
    );
}

#[test]
fn nothing_is_pruned_unless_asked_and_allowed() {
    let rule = |rule| move |live: &mut crate::plan::PlanLive| live.prune = Some(rule);
    let results = |sim: Sim| check(sim, &[DONE]).results();
    assert_eq!(
        results(
            sync([gone("Secret/a"), gone("Secret/b").with_live(rule(PruneRule::Confirm))])
                .operation(|sync| sync.prune = false)
        ),
        [
            "Secret/a PruneSkipped Succeeded: ignored (requires pruning)",
            "Secret/b PruneSkipped Succeeded: ignored (requires pruning)"
        ]
    );
    let protected = ["Secret/a PruneSkipped Succeeded: ignored (no prune)"];
    assert_eq!(results(sync([gone("Secret/a").with_live(rule(PruneRule::Disabled))])), protected);
    let off = |sim: Sim| sim.input(|input| input.prune_default = PruneRule::Disabled);
    assert_eq!(results(off(sync([gone("Secret/a")]))), protected);
    // The object's own word goes before the Application's.
    check(off(sync([gone("Secret/a").with_live(rule(PruneRule::Allowed))])), &["prune Secret/a", DONE]);
}

#[test]
fn prunes_wait_for_confirmation_and_all_of_their_wave_with_them() {
    let confirm = |text: &str| gone(text).with_live(|live| live.prune = Some(PruneRule::Confirm));
    check(
        sync([confirm("Secret/a"), confirm("Secret/b"), gone("Secret/c"), new("Secret/d")]),
        &["waiting for pruning confirmation of /Secret/a and 1 more resources", "stays so"],
    );
    let confirmed = gone("Secret/a").with_live(|live| live.prune = Some(PruneRule::Confirmed));
    check(sync([confirmed]), &["prune Secret/a", DONE]);
}

#[test]
fn what_is_being_deleted_is_not_deleted_again() {
    let sim = check(
        sync([
            gone("Secret/a").lingers(1).with_live(|live| live.deleting = true),
            gone("Secret/b"),
            new("Secret/c").wave(1),
        ]),
        &["prune Secret/b", "waiting for deletion of /Secret/a", "apply Secret/c", DONE],
    );
    assert_eq!(sim.results()[0], "Secret/a Pruned Succeeded: pruned");
}

#[test]
fn a_failed_prune_fails_the_operation_and_stops_later_waves() {
    let sim = check(
        sync([gone("Secret/a").fails("denied"), gone("Secret/b"), new("Secret/c").wave(1)]),
        &["prune Secret/a, prune Secret/b", "Failed: one or more objects failed to apply, reason: denied"],
    );
    assert_eq!(sim.results(), ["Secret/a SyncFailed Failed: denied", "Secret/b Pruned Succeeded: pruned"]);
    // One that is to be looked at again is, before the others are given up.
    check(
        sync([gone("Secret/a").fails("denied"), gone("Secret/b").stale(1), new("Secret/c").wave(1)]),
        &[
            "prune Secret/a, prune Secret/b",
            "prune Secret/b",
            "Failed: one or more objects failed to apply, reason: denied",
        ],
    );
}

#[test]
fn a_prune_of_what_is_gone_already_succeeds() {
    use crate::plan::{ActionOutcome, ActionResult};
    let mut sim = sync([gone("Secret/a")]);
    "v1beta1".clone_into(&mut sim.items[0].resource.version);
    let first = sim.step();
    // The watch may have said so before the answer came.
    sim.items.clear();
    let action = first.actions[0].clone();
    let outcome = ActionOutcome { action, result: ActionResult::AlreadyGone };
    let state = crate::record(&sim.plan(), first.next, &[outcome.clone(), outcome]);
    let [result] = results(&state) else { panic!("one object has one result: {state:?}") };
    assert_eq!((result.message.as_str(), result.version.as_str()), ("pruned", "v1beta1"));
}

#[test]
fn a_message_of_many_failures_counts_the_rest() {
    const LONG: &str = match std::str::from_utf8(&[b'x'; 1_000]) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    };
    let sim = sync((0..30).map(|n| new(&format!("Secret/s{n:02}")).fails(LONG))).run();
    let message = &sim.state.message;
    assert!(message.len() < 10_000 && message.ends_with("xxx and 21 more"), "{message}");
}
