//! Deletes that a person has to approve, and phases that are tried out first.

use application_api::OperationPhase;
use reconciler::{Call, Effect};
use serde_json::json;
use test_kit::sim::{Fault, World, annotated, application_with, config_map, error, in_wave, key};

fn maps(count: usize) -> Vec<serde_json::Value> {
    (0..count).map(|at| config_map(&format!("m{at}"), "1")).collect()
}

fn guarded(most: &str) -> World {
    let application = application_with("web", |app| {
        app["metadata"]["annotations"] = json!({"driftless.dev/max-prune": most});
        app["spec"]["syncPolicy"]["automated"]["prune"] = true.into();
    });
    World::synced_with(application, &maps(4))
}

#[test]
fn a_sync_that_deletes_too_much_waits_for_one_word() {
    let mut world = guarded("50%");
    world.commit(&[("web", &maps(1))]);
    world.seconds(600);
    assert_eq!(world.phase("web"), Some(OperationPhase::Running));
    let message = world.operation_message("web");
    assert!(
        message.starts_with("waiting for pruning confirmation of 3 of 4 objects (/ConfigMap/m1, /ConfigMap/m2"),
        "{message}"
    );
    assert!((1..4).all(|at| world.exists(&format!("m{at}"))));
    let digest = message.split("approve-prune: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    // A word for another render is none.
    world.edit_application("web", |app| {
        app["metadata"]["annotations"]["driftless.dev/approve-prune"] = "0123456789abcdef".into();
    });
    world.seconds(10);
    assert!(world.exists("m1"));
    world.edit_application("web", |app| {
        app["metadata"]["annotations"]["driftless.dev/approve-prune"] = digest.clone().into();
    });
    world.seconds(10);
    world.assert_well("web");
    assert!(world.exists("m0") && !world.exists("m1"));
}

#[test]
fn what_comes_back_to_git_ends_the_wait() {
    let mut world = guarded("1");
    world.commit(&[("web", &maps(1))]);
    world.seconds(60);
    assert!(world.operation_message("web").contains("pruning confirmation"));
    world.commit(&[("web", &maps(4))]);
    world.seconds(60);
    world.assert_well("web");
    assert_eq!(world.take(&["delete"]), Vec::<String>::new());
}

#[test]
fn the_project_guards_its_applications() {
    let mut world = World::synced_with(
        application_with("web", |app| app["spec"]["syncPolicy"]["automated"]["prune"] = true.into()),
        &maps(4),
    );
    let project = key("argoproj.io", "AppProject", "argocd", "default");
    world.server.edit(&project, "kubectl-edit", |project| {
        project["metadata"]["annotations"] = json!({"driftless.dev/prune-approval-kinds": "ConfigMap"});
    });
    world.run();
    world.commit(&[("web", &maps(3))]);
    world.seconds(60);
    assert!(world.operation_message("web").contains("their kinds need it"), "{}", world.operation_message("web"));
    world.edit_application("web", |app| {
        app["metadata"]["annotations"] = json!({"driftless.dev/max-prune": "many"});
    });
    world.seconds(60);
    assert_eq!(
        world.conditions("web"),
        [
            "InvalidSpecError: annotation driftless.dev/max-prune: \"many\" is neither a number of objects nor a percentage such as 10%"
        ]
    );
}

#[test]
fn nothing_of_a_phase_is_changed_when_a_part_of_it_is_rejected() {
    let mut world = World::new();
    let objects = [config_map("a", "1"), in_wave(annotated(config_map("bad", "1"), "x", "y"), 1)];
    world.git.commit(&[("web", &objects)]);
    world.server.create(application_with("web", |app| {
        app["metadata"]["annotations"] = json!({"driftless.dev/preflight": "true"});
        app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0});
    }));
    let refuse = |code: u16, reason: &'static str| {
        Box::new(move |effect: &Effect| {
            let is_meant = matches!(effect, Effect::Request { request, .. } if request.key.name == "bad" && matches!(request.call, Call::DryRun { .. }));
            is_meant.then(|| Fault::Refused(error(code, reason, "it is wrong")))
        })
    };
    world.faults = refuse(422, "Invalid");
    world.start();
    world.seconds(60);
    assert_eq!(
        world.operation_message("web"),
        "one or more objects failed to apply (dry run), reason: it is wrong (dry run)"
    );
    assert!(!world.exists("a"));
    // What is no verdict about the object does not block.
    world.faults = refuse(500, "InternalError");
    world.commit(&[("web", &[config_map("a", "2"), objects[1].clone()])]);
    world.seconds(60);
    world.assert_well("web");
    assert!(world.exists("a") && world.exists("bad"));
}
