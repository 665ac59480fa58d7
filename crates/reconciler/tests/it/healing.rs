//! What happens to objects that somebody else changes.

use test_kit::sim::{World, application_with, config_map, map_key};

#[test]
fn a_change_by_hand_is_healed_at_once_by_a_sync_of_that_object() {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1")]);
    world.edit_map("a", "x");
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    world.assert_well("web");
    let log = world.take(&["write", "apply", "try", "get", "delete"]);
    assert_eq!(log.iter().filter(|line| line.starts_with("apply")).count(), 1, "{log:#?}");
    assert_eq!(log.len(), 3, "{log:#?}");
    let status = world.application("web").status.unwrap();
    let sync = status.operation_state.unwrap().operation.sync.unwrap();
    assert_eq!(sync.self_heal_attempts_count, 1);
    assert_eq!(sync.resources.iter().map(|one| (&*one.kind, &*one.name)).collect::<Vec<_>>(), [("ConfigMap", "a")]);
    assert_eq!(status.history.len(), 1);
}

#[test]
fn a_deleted_object_comes_back() {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1")]);
    let _ = world.server.delete(&map_key("a"), "", "", application_api::PropagationPolicy::Background);
    world.run();
    assert!(world.exists("a"));
    world.assert_well("web");
}

#[test]
fn without_self_heal_the_difference_is_shown_and_stays() {
    let manual = application_with("web", |app| app["spec"]["syncPolicy"]["automated"]["selfHeal"] = false.into());
    let mut world = World::synced_with(manual, &[config_map("a", "1")]);
    world.edit_map("a", "x");
    world.seconds(600);
    assert_eq!(world.verdict("web"), "OutOfSync/Healthy");
    assert_eq!(world.map_value("a").as_deref(), Some("x"));
    assert_eq!(world.take(&["apply", "write"]).len(), 1);
}

#[test]
fn a_fight_is_slowed_down_and_named() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    for round in 0..40 {
        if world.map_value("a").as_deref() == Some("1") {
            world.server.edit(&map_key("a"), "rival", |map| map["data"]["key"] = format!("x{round}").into());
        }
        world.run();
    }
    let heals = world.take(&["apply"]).len();
    // 24 heals are free; after each further one the next waits.
    assert_eq!(heals, 25);
    let conditions = world.conditions("web");
    assert_eq!(conditions.len(), 1, "{conditions:?}");
    assert!(
        conditions[0].starts_with("SyncError: ") && conditions[0].contains("field manager rival"),
        "{conditions:?}"
    );
    assert_eq!(world.map_value("a").as_deref(), Some("x25"));
    world.seconds(2);
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    // Left alone, the fight is over and forgotten.
    world.seconds(3600);
    world.assert_well("web");
    world.edit_map("a", "late");
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    assert_eq!(world.conditions("web"), Vec::<String>::new());
}
