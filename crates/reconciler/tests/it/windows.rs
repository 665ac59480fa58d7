//! Sync windows of a project.

use application_api::OperationPhase;
use serde_json::{Value, json};
use test_kit::sim::{Rollouts, World, application_with, config_map, deployment, in_wave, key};

/// The model's clock begins at noon of 1 March 2026, a Sunday.
fn window(kind: &str, schedule: &str, duration: &str) -> Value {
    json!({"kind": kind, "schedule": schedule, "duration": duration, "applications": ["*"]})
}

fn with_windows(world: &mut World, windows: &[Value]) {
    world.edit_project("default", |spec| spec["syncWindows"] = json!(windows));
}

const BLOCKED: &str = "Sync operation blocked by sync window";

#[test]
fn a_window_holds_automated_syncs_and_their_healing_until_it_ends() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    with_windows(&mut world, &[window("deny", "0 12 * * *", "1h")]);
    world.edit_map("a", "x");
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(3000);
    assert_eq!(world.map_value("a").as_deref(), Some("x"));
    assert_eq!(world.verdict("web"), "OutOfSync/Healthy");
    // Nothing but its end is needed.
    world.seconds(660);
    world.assert_well("web");
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
}

#[test]
fn people_may_sync_where_the_window_says_so() {
    let request = |world: &mut World| {
        world.edit_application("web", |app| app["operation"] = json!({"sync": {}}));
        world.seconds(30);
    };
    let mut manual = window("deny", "0 12 * * *", "1h");
    for permitted in [true, false] {
        manual["manualSync"] = permitted.into();
        let mut world = World::synced("web", &[config_map("a", "1")]);
        with_windows(&mut world, std::slice::from_ref(&manual));
        world.commit(&[("web", &[config_map("a", "2")])]);
        request(&mut world);
        if permitted {
            world.assert_well("web");
            continue;
        }
        assert_eq!(
            (world.phase("web"), world.operation_message("web").as_str()),
            (Some(OperationPhase::Running), BLOCKED)
        );
        assert_eq!(world.map_value("a").as_deref(), Some("1"));
        // It can be ended, and its end is not held.
        world.edit_application("web", |app| app["status"]["operationState"]["phase"] = "Terminating".into());
        world.seconds(5);
        assert_eq!(world.operation_message("web"), "Operation terminated");
    }
}

#[test]
fn a_window_that_opens_between_two_waves_holds_the_second() {
    for overrun in [false, true] {
        let mut world = World::new();
        world.server.rollouts = Rollouts::WhenTold;
        world.git.commit(&[("web", &[deployment("d", 1), in_wave(config_map("later", "1"), 1)])]);
        world.server.create(application_with("web", |_| {}));
        world.start();
        let mut soon = window("deny", "1 12 * * *", "10m");
        soon["syncOverrun"] = overrun.into();
        with_windows(&mut world, &[soon]);
        world.seconds(120);
        world.server.roll_out(&key("apps", "Deployment", "shop", "d"));
        world.run();
        world.seconds(60);
        assert_eq!(world.exists("later"), overrun);
        if !overrun {
            assert_eq!(world.operation_message("web"), BLOCKED);
        }
        world.seconds(600);
        world.assert_well("web");
        assert!(world.exists("later"));
    }
}
