//! Operations: retries, requests by people, their end, and writes that do not come through.

use application_api::OperationPhase;
use kube_object::ApiError;
use reconciler::{Call, Effect, Event, Leadership};
use serde_json::{Value, json};
use test_kit::sim::{
    Fault, Order, Rng, Rollouts, World, annotated, application, application_with, config_map, conflict, deployment,
    error, hook, in_wave, key, repo,
};

fn is_apply(effect: &Effect) -> bool {
    matches!(effect, Effect::Request { request, .. } if matches!(request.call, Call::Apply { .. }))
}

fn is_write(effect: &Effect) -> bool {
    matches!(effect, Effect::Write { .. })
}

fn refuse_applies(world: &mut World) {
    world.faults = Box::new(|effect| is_apply(effect).then(|| Fault::Refused(error(422, "Invalid", "it is wrong"))));
}

fn heal_faults(world: &mut World) {
    world.faults = Box::new(|_| None);
}

/// Fails the next effects of a kind, then no more.
fn fail_next(world: &mut World, is: fn(&Effect) -> bool, fault: &Fault, times: usize) {
    let (fault, mut left) = (fault.clone(), times);
    // Each effect is looked at twice: when it is asked for and when it is performed.
    world.faults = Box::new(move |effect| {
        if !is(effect) || left == 0 {
            return None;
        }
        if !matches!(fault, Fault::Held) {
            left -= 1;
        }
        Some(fault.clone())
    });
}

fn request(world: &mut World, name: &str, sync: &Value) {
    let operation = json!({"sync": sync, "initiatedBy": {"username": "jo"}});
    world.edit_application(name, |app| {
        app["operation"] = operation;
        app["status"].as_object_mut().unwrap().remove("operationState");
    });
}

fn manual(name: &str) -> Value {
    application_with(name, |app| {
        app["spec"]["syncPolicy"] = json!({});
    })
}

fn world_with_manual(objects: &[Value]) -> World {
    let mut world = World::new();
    world.git.commit(&[("web", objects)]);
    world.server.create(manual("web"));
    world.start();
    world.log.clear();
    world
}

#[test]
fn a_failed_apply_is_tried_again_after_the_promised_waits_and_then_given_up() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application("web"));
    refuse_applies(&mut world);
    world.start();
    let failed = "one or more objects failed to apply, reason: it is wrong";
    assert_eq!(world.operation_message("web"), format!("{failed}. Retrying attempt #1 at 12:00PM."));
    for wait in [5, 10, 20, 40, 80] {
        assert_eq!(world.take(&["apply"]).len(), 1);
        assert_eq!(world.phase("web"), Some(OperationPhase::Running));
        world.seconds(wait - 1);
        assert_eq!(world.take(&["apply"]), Vec::<String>::new());
        world.seconds(1);
    }
    assert_eq!(world.take(&["apply"]).len(), 1);
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert_eq!(world.operation_message("web"), format!("{failed} (retried 5 times)."));
    let commit = world.application("web").status.unwrap().sync.revision;
    let given_up = format!("SyncError: Failed last sync attempt to [{commit}]: {failed} (retried 5 times).");
    assert_eq!(world.conditions("web"), [given_up]);
    // It is tried out now and then, and nothing more, as long as it is refused.
    world.faults = Box::new(|effect| {
        let is_try = matches!(effect, Effect::Request { request, .. } if matches!(request.call, Call::DryRun { .. }));
        (is_try || is_apply(effect)).then(|| Fault::Refused(error(422, "Invalid", "it is wrong")))
    });
    world.seconds(3600);
    assert_eq!(world.take(&["apply"]), Vec::<String>::new());
    heal_faults(&mut world);
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.assert_well("web");
    assert_eq!(world.conditions("web"), Vec::<String>::new());
}

#[test]
fn a_restart_goes_on_waiting_for_the_retry() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application("web"));
    refuse_applies(&mut world);
    world.start();
    world.seconds(5);
    heal_faults(&mut world);
    world.log.clear();
    world.restart();
    world.seconds(9);
    assert_eq!(world.take(&["apply"]), Vec::<String>::new());
    world.seconds(1);
    world.assert_well("web");
    let state = world.application("web").status.unwrap().operation_state.unwrap();
    assert_eq!((state.retry_count, state.phase), (2, OperationPhase::Succeeded));
}

#[test]
fn a_retry_is_recorded_although_its_first_write_fails() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application("web"));
    let mut writes = 0;
    world.faults = Box::new(move |effect| {
        writes += usize::from(is_write(effect));
        // Each write is looked at twice; the third and fourth look are about the one that records the failure.
        match effect {
            Effect::Request { .. } if is_apply(effect) => Some(Fault::Refused(error(422, "Invalid", "it is wrong"))),
            Effect::Write { .. } if matches!(writes, 3 | 4) => Some(Fault::Refused(error(500, "InternalError", "no"))),
            _ => None,
        }
    });
    world.start();
    assert_eq!(world.operation_message("web"), "");
    world.seconds(2);
    assert!(world.operation_message("web").contains("Retrying attempt #1"), "{}", world.operation_message("web"));
}

#[test]
fn a_person_syncs_an_older_commit_with_prune() {
    let mut world = world_with_manual(&[config_map("a", "1")]);
    let first = world.application("web").status.unwrap().sync.revision;
    world.commit(&[("web", &[config_map("a", "2"), config_map("b", "2")])]);
    request(&mut world, "web", &json!({}));
    world.assert_well("web");
    request(&mut world, "web", &json!({"revision": first, "prune": true}));
    assert_eq!((world.map_value("a").as_deref(), world.exists("b")), (Some("1"), false));
    assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded));
    // What the Application asks for is the newest commit still.
    assert_eq!(world.verdict("web"), "OutOfSync/Healthy");
    let status = world.application("web").status.unwrap();
    assert_eq!(status.history.last().unwrap().revision, first);
    assert_eq!(status.history.last().unwrap().initiated_by.username, "jo");
}

#[test]
fn a_sync_without_prune_leaves_what_left_git() {
    let mut world = world_with_manual(&[config_map("a", "1"), config_map("b", "1")]);
    request(&mut world, "web", &json!({}));
    world.commit(&[("web", &[config_map("a", "2")])]);
    request(&mut world, "web", &json!({}));
    assert_eq!((world.map_value("a").as_deref(), world.exists("b")), (Some("2"), true));
    let result = world.application("web").status.unwrap().operation_state.unwrap().sync_result.unwrap();
    assert_eq!(result.resources[1].message, "ignored (requires pruning)");
}

#[test]
fn a_dry_run_changes_nothing_and_leaves_no_history() {
    let mut world = world_with_manual(&[config_map("a", "1")]);
    request(&mut world, "web", &json!({"dryRun": true}));
    assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded));
    assert!(!world.exists("a"));
    assert_eq!(world.application("web").status.unwrap().history, []);
    assert_eq!(world.take(&["apply", "try"]), ["try ConfigMap/a for web"]);
}

#[test]
fn a_sync_of_selected_objects_touches_only_those() {
    let mut world = world_with_manual(&[config_map("a", "1"), config_map("b", "1")]);
    request(&mut world, "web", &json!({"resources": [{"kind": "ConfigMap", "name": "b"}]}));
    assert_eq!((world.exists("a"), world.exists("b")), (false, true));
    assert_eq!(world.verdict("web"), "OutOfSync/Healthy");
    assert!(world.take(&["event"]).iter().any(|line| line.contains("jo initiated partial sync to")));
}

#[test]
fn an_unknown_revision_ends_the_operation_with_an_error() {
    let mut world = world_with_manual(&[config_map("a", "1")]);
    request(&mut world, "web", &json!({"revision": "nowhere"}));
    assert_eq!(world.phase("web"), Some(OperationPhase::Error));
    let message = world.operation_message("web");
    assert!(message.contains("unable to resolve 'nowhere'"), "{message}");
    assert!(world.application("web").operation.is_none());
}

#[test]
fn what_is_not_built_yet_ends_the_operation_with_its_name() {
    let mut world = world_with_manual(&[config_map("a", "1")]);
    request(&mut world, "web", &json!({"manifests": ["{}"]}));
    assert_eq!(world.phase("web"), Some(OperationPhase::Error));
    assert_eq!(world.operation_message("web"), "operation.sync.manifests (local sync) is not supported yet");
    assert_eq!(world.take(&["apply"]), Vec::<String>::new());
}

/// A world in which the first of two waves does not become healthy.
fn stuck_in_a_wave() -> World {
    let mut world = World::new();
    world.server.rollouts = Rollouts::WhenTold;
    world.git.commit(&[("web", &[deployment("a", 1), in_wave(config_map("b", "1"), 1)])]);
    world.server.create(application("web"));
    world.start();
    world.seconds(5);
    world
}

fn terminate(world: &mut World) {
    world.edit_application("web", |app| app["status"]["operationState"]["phase"] = "Terminating".into());
}

#[test]
fn a_terminated_operation_ends_and_is_not_retried() {
    let mut world = stuck_in_a_wave();
    terminate(&mut world);
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert_eq!(world.operation_message("web"), "Operation terminated");
    world.server.roll_out(&key("apps", "Deployment", "shop", "a"));
    world.seconds(600);
    assert!(!world.exists("b"));
    assert!(world.application("web").operation.is_none());
}

#[test]
fn a_termination_ends_the_wait_for_a_retry() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application("web"));
    refuse_applies(&mut world);
    world.start();
    heal_faults(&mut world);
    terminate(&mut world);
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    world.seconds(600);
    assert!(!world.exists("a"));
}

#[test]
fn a_termination_that_crosses_a_write_is_not_lost() {
    let mut world = stuck_in_a_wave();
    // The write about the next wave is on its way when the person asks.
    world.faults = Box::new(|effect| is_write(effect).then_some(Fault::Held));
    world.server.roll_out(&key("apps", "Deployment", "shop", "a"));
    world.seconds(3);
    world.server.edit(&key("argoproj.io", "Application", "argocd", "web"), "argocd-server", |app| {
        app["status"]["operationState"]["phase"] = "Terminating".into();
    });
    world.release();
    world.run();
    world.seconds(60);
    assert_eq!(world.operation_message("web"), "Operation terminated");
    assert!(!world.exists("b"));
}

#[test]
fn a_termination_holds_although_the_write_of_its_end_fails() {
    for fault in [Fault::Refused(error(500, "InternalError", "no")), Fault::AnswerLost] {
        let mut world = stuck_in_a_wave();
        fail_next(&mut world, is_write, &fault, 2);
        terminate(&mut world);
        world.server.roll_out(&key("apps", "Deployment", "shop", "a"));
        world.seconds(60);
        assert!(!world.exists("b"), "{fault:?}");
        assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
        assert_eq!(world.operation_message("web"), "Operation terminated");
    }
}

#[test]
fn a_conflict_is_read_again_and_decided_again() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.faults = Box::new(|effect| is_write(effect).then_some(Fault::Held));
    world.commit(&[("web", &[config_map("a", "2")])]);
    // Meanwhile automated sync is switched off.
    world.server.edit(&key("argoproj.io", "Application", "argocd", "web"), "kubectl-edit", |app| {
        app["spec"]["syncPolicy"] = json!({});
    });
    world.release();
    world.run();
    assert_eq!(world.verdict("web"), "OutOfSync/Healthy");
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    assert_eq!(world.take(&["apply"]), Vec::<String>::new());
    assert!(world.application("web").operation.is_none());
}

#[test]
fn every_kind_of_failing_write_is_got_over() {
    let faults = [
        Fault::Refused(error(500, "InternalError", "no")),
        Fault::Refused(ApiError::no_answer("reset")),
        Fault::Refused(error(429, "TooManyRequests", "slow down")),
        Fault::Refused(error(403, "Forbidden", "not now")),
        Fault::Refused(conflict()),
        Fault::AnswerLost,
    ];
    for fault in faults {
        for times in 1..8 {
            let mut world = World::new();
            world.git.commit(&[("web", &[config_map("a", "1"), in_wave(config_map("b", "1"), 1)])]);
            world.server.create(application("web"));
            fail_next(&mut world, is_write, &fault, times);
            world.start();
            world.seconds(300);
            world.assert_well("web");
            let status = world.application("web").status.unwrap();
            assert_eq!(status.operation_state.unwrap().phase, OperationPhase::Succeeded, "{fault:?}");
            assert_eq!(status.history.len(), 1, "{fault:?}");
            assert!(world.application("web").operation.is_none());
        }
    }
}

#[test]
fn every_kind_of_failing_request_is_got_over() {
    let faults = [
        Fault::Refused(error(500, "InternalError", "no")),
        Fault::Refused(ApiError::no_answer("reset")),
        Fault::Refused(conflict()),
        Fault::AnswerLost,
    ];
    for fault in faults {
        for times in 1..4 {
            let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1")]);
            fail_next(&mut world, |effect| matches!(effect, Effect::Request { .. }), &fault, times);
            world.commit(&[("web", &[config_map("a", "2"), config_map("c", "1")])]);
            world.seconds(300);
            world.assert_well("web");
            assert_eq!((world.map_value("a").as_deref(), world.exists("b")), (Some("2"), false), "{fault:?}");
        }
    }
}

#[test]
fn a_new_leader_takes_an_operation_over() {
    let mut world = stuck_in_a_wave();
    world.handle(vec![Event::Leadership(Leadership::Following { holder: "other".to_owned() })]);
    world.server.roll_out(&key("apps", "Deployment", "shop", "a"));
    world.seconds(60);
    assert!(!world.exists("b"));
    world.handle(vec![Event::Leadership(Leadership::Leading)]);
    world.seconds(5);
    world.assert_well("web");
}

#[test]
fn an_operation_that_never_had_a_revision_does_not_stop_automated_syncs() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.git.failure = Some("connection refused".to_owned());
    world.server.create(application("web"));
    world.start();
    request(&mut world, "web", &json!({}));
    assert_eq!(world.phase("web"), Some(OperationPhase::Error));
    world.git.failure = None;
    world.seconds(150);
    world.assert_well("web");
}

#[test]
fn a_sync_that_is_requested_while_the_start_of_another_fails_is_not_lost() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.faults = Box::new(|effect| is_write(effect).then(|| Fault::Refused(ApiError::no_answer("connection reset"))));
    world.commit(&[("web", &[config_map("a", "2")])]);
    assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded));
    world.edit_application("web", |app| {
        app["operation"] = json!({"sync": {"dryRun": true}, "initiatedBy": {"username": "admin"}});
        app["status"].as_object_mut().unwrap().remove("operationState");
    });
    heal_faults(&mut world);
    world.log.clear();
    world.seconds(5);
    let events = world.take(&["event"]);
    assert!(events.iter().any(|line| line.contains("admin initiated")), "{events:#?}");
    world.assert_well("web");
}

#[test]
fn a_sync_of_the_newest_commit_does_not_prune_what_a_later_commit_has_again() {
    let mut world = world_with_manual(&[config_map("a", "1"), in_wave(config_map("b", "1"), 1)]);
    request(&mut world, "web", &json!({}));
    world.seconds(5);
    world.assert_well("web");
    world.server.rollouts = Rollouts::WhenTold;
    world.commit(&[("web", &[config_map("a", "1"), deployment("d", 1)])]);
    request(&mut world, "web", &json!({"prune": true}));
    assert_eq!(world.phase("web"), Some(OperationPhase::Running));
    world.commit(&[("web", &[config_map("a", "1"), deployment("d", 1), in_wave(config_map("b", "1"), 1)])]);
    world.server.roll_out(&key("apps", "Deployment", "shop", "d"));
    world.seconds(5);
    assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded));
    assert_eq!(world.server.gone, []);
    world.assert_well("web");
}

#[test]
fn a_termination_whose_end_is_not_stored_holds_when_the_spec_cannot_be_used_any_more() {
    let mut world = World::new();
    world.server.rollouts = Rollouts::WhenTold;
    world.git.commit(&[("web", &[deployment("d", 1), in_wave(config_map("b", "1"), 1)])]);
    world.server.create(application("web"));
    world.start();
    world.faults = Box::new(|effect| is_write(effect).then(|| Fault::Refused(ApiError::no_answer("connection reset"))));
    world.edit_application("web", |app| app["status"]["operationState"]["phase"] = "Terminating".into());
    world.edit_application("web", |app| app["spec"]["project"] = "none".into());
    heal_faults(&mut world);
    world.seconds(5);
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert_eq!(world.operation_message("web"), "Operation terminated");
    assert!(world.application("web").operation.is_none());
}

#[test]
fn an_operation_on_a_spec_that_cannot_be_used_waits_between_its_attempts() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.edit_application("web", |app| {
        app["spec"]["project"] = "none".into();
        app["operation"] = json!({"sync": {}, "retry": {"limit": 2}});
    });
    let attempts = |world: &World| world.application("web").status.unwrap().operation_state.unwrap().retry_count;
    for expected in [1, 2] {
        world.seconds(1);
        assert_eq!((attempts(&world), world.phase("web")), (expected, Some(OperationPhase::Running)));
        world.seconds(10);
    }
    assert_eq!(world.phase("web"), Some(OperationPhase::Error));
    assert!(world.application("web").operation.is_none());
}

#[test]
fn an_operation_goes_on_when_the_branch_moves_to_the_same_manifests_before_it_starts() {
    for seed in 0..60 {
        let mut world = world_with_manual(&[config_map("a", "1")]);
        request(&mut world, "web", &json!({}));
        world.assert_well("web");
        // What is in force stays the commit that the manifests came with; the operation is about the newest one.
        world.commit(&[("other", &[config_map("z", "1")])]);
        world.order = Order::Drawn(Rng::new(seed));
        world.server.edit(&key("argoproj.io", "Application", "argocd", "web"), "argocd-server", |app| {
            app["operation"] = json!({"sync": {}});
        });
        for _ in 0..seed % 12 {
            world.step();
        }
        world.git.commit(&[("other", &[config_map("z", "2")])]);
        world.handle(vec![Event::RepoChanged(repo())]);
        world.seconds(30);
        assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded), "seed {seed}");
        assert!(world.application("web").operation.is_none(), "seed {seed}");
    }
}

/// A world in which the first of two waves never becomes healthy, and a newer commit that would.
fn stuck_and_repaired(change: impl FnOnce(&mut Value)) -> World {
    let mut world = World::new();
    world.server.rollouts = Rollouts::WhenTold;
    world.git.commit(&[("web", &[deployment("d", 1), in_wave(config_map("later", "1"), 1)])]);
    world.server.create(application_with("web", change));
    world.start();
    world.seconds(30);
    assert_eq!(world.operation_message("web"), "waiting for healthy state of apps/Deployment/d");
    world.commit(&[("web", &[in_wave(config_map("later", "2"), 1)])]);
    world.seconds(30);
    world
}

#[test]
fn a_newer_commit_takes_over_where_it_may() {
    for change in
        [(|app| app["metadata"]["annotations"] = json!({"driftless.dev/preempt": "true"})) as fn(&mut Value), |app| {
            app["spec"]["syncPolicy"]["retry"] = json!({"limit": 1, "refresh": true});
        }]
    {
        let world = stuck_and_repaired(change);
        world.assert_well("web");
        assert_eq!(world.map_value("later").as_deref(), Some("2"));
        let state = world.application("web").status.unwrap().operation_state.unwrap();
        assert_eq!((state.phase, state.retry_count), (OperationPhase::Succeeded, 0));
    }
    let world = stuck_and_repaired(|_| {});
    assert_eq!(world.operation_message("web"), "waiting for healthy state of apps/Deployment/d");
    assert!(!world.exists("later"));
}

#[test]
fn an_operation_that_gives_way_takes_its_hooks_down() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1"), annotated(hook("before", "PreSync"), "model/job", "runs")])]);
    world.server.create(application_with("web", |app| {
        app["metadata"]["annotations"] = json!({"driftless.dev/preempt": "true"});
    }));
    world.start();
    world.seconds(30);
    assert_eq!(world.operation_message("web"), "waiting for completion of hook batch/Job/before");
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(30);
    world.assert_well("web");
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
    assert!(world.server.get(&key("batch", "Job", "shop", "before")).is_none());
}
