//! Objects of syncs that failed for good are tried out again.

use application_api::OperationPhase;
use reconciler::{Call, Effect};
use serde_json::{Value, json};
use test_kit::sim::{Fault, Faults, World, application_with, config_map, custom, definition, error};

/// Refuses everything about one ConfigMap; trials only where that is asked for.
fn refuse(trials: bool) -> Faults {
    Box::new(move |effect| {
        let is_meant = matches!(effect, Effect::Request { request, .. } if request.key.name == "a" && match request.call {
            Call::Apply { .. } => true,
            Call::DryRun { .. } => trials,
            _ => false,
        });
        is_meant.then(|| Fault::Refused(error(403, "Forbidden", "the policy forbids it")))
    })
}

fn failed(change: impl FnOnce(&mut Value)) -> World {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1"), config_map("b", "1")])]);
    world.server.create(application_with("web", |app| {
        app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0});
        change(app);
    }));
    world.faults = refuse(true);
    world.start();
    world.seconds(30);
    world
}

fn starts(world: &mut World) -> usize {
    world.take(&["event web OperationStarted"]).len()
}

#[test]
fn an_object_that_is_accepted_later_starts_one_operation() {
    let mut world = failed(|_| {});
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert_eq!(starts(&mut world), 1);
    world.seconds(600);
    assert_eq!(starts(&mut world), 0, "it is refused all the time");
    assert_eq!(
        world.conditions("web"),
        [
            "SyncError: Failed last sync attempt to [00000000000000000000000000000000000000c0]: one or more objects failed to apply, \
          reason: the policy forbids it"
        ]
    );
    world.faults = Box::new(|_| None);
    world.seconds(181);
    world.assert_well("web");
    assert_eq!(starts(&mut world), 1);
    let operation = world.application("web").status.unwrap().operation_state.unwrap().operation;
    assert!(operation.info[0].value.ends_with("a would be accepted now"), "{:?}", operation.info);
    assert!(operation.initiated_by.automated && operation.sync.unwrap().resources.is_empty());
}

#[test]
fn what_passes_trials_and_fails_for_real_is_tried_less_and_less() {
    let mut world = failed(|_| {});
    world.faults = refuse(false);
    let mut times = Vec::new();
    starts(&mut world);
    for minute in 0..60 {
        world.seconds(60);
        if starts(&mut world) > 0 {
            times.push(minute);
        }
    }
    assert!((3..=6).contains(&times.len()), "{times:?}");
    let gaps: Vec<i32> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.windows(2).all(|pair| pair[1] > pair[0]), "{times:?}");
}

#[test]
fn nothing_is_tried_out_where_nothing_would_start() {
    for change in [(|app| app["spec"]["syncPolicy"]["automated"] = Value::Null) as fn(&mut Value), |app| {
        app["spec"]["syncPolicy"]["automated"]["enabled"] = false.into();
    }] {
        let mut world = failed(|_| {});
        world.edit_application("web", change);
        world.take(&["try"]);
        world.seconds(1000);
        assert_eq!(world.take(&["try ConfigMap/a", "event web OperationStarted"]), Vec::<String>::new());
    }
    // A person's sync that failed is a person's to try again.
    let mut world = failed(|_| {});
    world.edit_application("web", |app| app["operation"] = json!({"sync": {}}));
    world.seconds(30);
    world.take(&["try"]);
    world.seconds(1000);
    assert_eq!(world.take(&["try ConfigMap/a"]), Vec::<String>::new());
}

#[test]
fn a_kind_or_a_namespace_that_comes_is_tried_at_once() {
    let mut world = World::new();
    world.git.commit(&[("web", &[custom("Widget", "w")])]);
    world.server.create(application_with("web", |app| app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0})));
    world.start();
    world.seconds(30);
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    world.server.create(definition("Widget"));
    world.seconds(70);
    world.assert_well("web");

    let mut world = World::new();
    let mut elsewhere = config_map("a", "1");
    elsewhere["metadata"]["namespace"] = "late".into();
    world.git.commit(&[("web", &[elsewhere])]);
    world.server.create(application_with("web", |app| app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0})));
    world.start();
    world.seconds(30);
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    world.server.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late"}}));
    world.seconds(5);
    world.assert_well("web");
}

#[test]
fn trials_go_on_after_a_restart() {
    let mut world = failed(|_| {});
    world.restart();
    world.seconds(30);
    world.faults = Box::new(|_| None);
    world.seconds(200);
    world.assert_well("web");
}
