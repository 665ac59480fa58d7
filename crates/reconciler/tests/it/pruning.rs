//! What happens to objects that Git no longer has.

use application_api::OperationPhase;
use serde_json::json;
use test_kit::sim::{World, annotated, application_with, config_map, in_wave};

#[test]
fn an_object_that_left_git_is_pruned() {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1")]);
    world.commit(&[("web", &[config_map("a", "1")])]);
    world.assert_well("web");
    assert!(world.exists("a") && !world.exists("b"));
    assert_eq!(world.take(&["delete", "apply"]), ["delete Foreground ConfigMap/b for web"]);
}

#[test]
fn without_prune_the_object_stays_and_the_application_is_out_of_sync() {
    let manual = application_with("web", |app| app["spec"]["syncPolicy"]["automated"]["prune"] = false.into());
    let mut world = World::synced_with(manual, &[config_map("a", "1"), config_map("b", "1")]);
    world.commit(&[("web", &[config_map("a", "1")])]);
    world.seconds(600);
    assert_eq!(world.verdict("web"), "OutOfSync/Healthy");
    assert!(world.exists("b"));
    assert_eq!(world.take(&["delete", "apply"]), Vec::<String>::new());
    let row = &world.application("web").status.unwrap().resources[1];
    assert!(row.requires_pruning && row.name == "b");
}

#[test]
fn an_object_that_forbids_it_is_not_pruned() {
    let keep = |name| annotated(config_map(name, "1"), "argocd.argoproj.io/sync-options", "Prune=false");
    let mut world = World::synced("web", &[config_map("a", "1"), keep("b")]);
    world.commit(&[("web", &[config_map("a", "1")])]);
    world.seconds(600);
    assert!(world.exists("b"));
    assert_eq!(world.verdict("web"), "OutOfSync/Healthy");
    // No operation is started for it, now or later.
    assert_eq!(world.take(&["write", "apply", "delete"]).len(), 1);
    world.seconds(3600);
    assert_eq!(world.take(&["write"]), Vec::<String>::new());
    // Others are pruned beside it.
    world.commit(&[("web", &[config_map("c", "1")])]);
    world.seconds(5);
    assert!(world.exists("b") && !world.exists("a"));
    let result = world.application("web").status.unwrap().operation_state.unwrap().sync_result.unwrap();
    let messages: Vec<&str> = result.resources.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(messages, ["configmap/c serverside-applied", "ignored (no prune)", "pruned"]);
}

#[test]
fn everything_is_pruned_only_when_that_is_allowed() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    let commit = world.commit(&[("web", &[])]);
    world.seconds(300);
    assert!(world.exists("a"));
    let skipping = format!("SyncError: Skipping sync attempt to [{commit}]: auto-sync will wipe out all resources");
    assert_eq!(world.conditions("web"), [skipping]);
    world.edit_application("web", |app| app["spec"]["syncPolicy"]["automated"]["allowEmpty"] = true.into());
    world.seconds(1);
    assert!(!world.exists("a"));
    world.assert_well("web");
    assert_eq!(world.conditions("web"), Vec::<String>::new());
}

#[test]
fn a_prune_waits_for_a_persons_approval_when_the_object_asks_for_it() {
    let guarded = |name| annotated(config_map(name, "1"), "argocd.argoproj.io/sync-options", "Prune=confirm");
    let mut world = World::synced("web", &[config_map("a", "1"), guarded("b")]);
    world.commit(&[("web", &[config_map("a", "1")])]);
    world.seconds(300);
    assert!(world.exists("b"));
    assert_eq!(world.operation_message("web"), "waiting for pruning confirmation of /ConfigMap/b");
    let now = world.now.to_string();
    world.edit_application("web", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/deletion-approved"] = now.into();
    });
    world.seconds(1);
    assert!(!world.exists("b"));
    world.assert_well("web");
}

#[test]
fn prunes_run_in_the_opposite_order_of_waves() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1"), config_map("b", "1"), in_wave(config_map("c", "1"), 1)])]);
    world.server.create(application_with("web", |_| ()));
    world.start();
    world.seconds(10);
    world.assert_well("web");
    world.log.clear();
    world.commit(&[("web", &[config_map("a", "1")])]);
    world.seconds(10);
    world.assert_well("web");
    let deleted = world.take(&["delete"]);
    assert_eq!(deleted, ["delete Foreground ConfigMap/c for web", "delete Foreground ConfigMap/b for web"]);
}

#[test]
fn a_prune_is_decided_anew_when_the_object_changed_meanwhile() {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1")]);
    // Somebody changes the object while the delete is on its way.
    world.faults = Box::new(|effect| {
        let is_delete = matches!(effect, reconciler::Effect::Request { request, .. } if matches!(request.call, reconciler::Call::Delete { .. }));
        is_delete.then_some(test_kit::sim::Fault::Held)
    });
    world.commit(&[("web", &[config_map("a", "1")])]);
    world.edit_map("b", "theirs");
    world.release();
    world.run();
    world.assert_well("web");
    assert!(!world.exists("b"));
    assert_eq!(world.take(&["delete", "get"]).len(), 3);
    assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded));
}

#[test]
fn an_object_of_another_owner_or_without_own_tracking_is_left_alone() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    let copied = "web:/ConfigMap:shop/a";
    world.server.create(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "copy", "namespace": "shop", "annotations": {"argocd.argoproj.io/tracking-id": copied}},
    }));
    world.run();
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(60);
    assert!(world.exists("copy"));
    world.assert_well("web");
}
