//! Hooks: when they run, what becomes of their objects, and that each runs once.

use application_api::{HookType, OperationPhase};
use kube_object::ObjectKey;
use reconciler::{Call, Effect};
use serde_json::json;
use test_kit::sim::{Fault, JOB_ANNOTATION, World, annotated, application_with, config_map, hook, in_wave, key};

const POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
const RUN: &str = "driftless.dev/hook-run";

fn job(name: &str) -> ObjectKey {
    key("batch", "Job", "shop", name)
}

fn started(objects: &[serde_json::Value]) -> World {
    let mut world = prepared(objects);
    world.start();
    world
}

/// A world that has not begun, with an Application that is not tried again.
fn prepared(objects: &[serde_json::Value]) -> World {
    let mut world = World::new();
    world.git.commit(&[("web", objects)]);
    world.server.create(application_with("web", |app| app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0})));
    world
}

/// Returns what was asked of the API server about Jobs and ConfigMaps.
fn asked(world: &mut World) -> Vec<String> {
    let lines = world.take(&["apply", "patch", "delete", "replace"]);
    lines.into_iter().map(|line| line.trim_end_matches(" for web").to_owned()).collect()
}

#[test]
fn each_phase_runs_after_the_one_before() {
    let mut world = started(&[
        config_map("a", "1"),
        hook("before", "PreSync"),
        hook("with", "Sync"),
        hook("after", "PostSync"),
        hook("failed", "SyncFail"),
    ]);
    world.seconds(60);
    world.assert_well("web");
    assert_eq!(
        asked(&mut world),
        [
            "apply Job/before",
            "patch Job/before",
            "apply ConfigMap/a",
            "apply Job/with",
            "patch Job/with",
            "apply Job/after",
            "patch Job/after",
        ]
    );
    let status = world.application("web").status.unwrap();
    let state = status.operation_state.unwrap();
    let results = state.sync_result.unwrap().resources;
    let told: Vec<String> = results
        .iter()
        .map(|result| {
            let (phase, hook) = (result.sync_phase.as_ref().unwrap(), result.hook_type.as_ref());
            let hook = hook.map_or_else(String::new, HookType::to_string);
            format!("{} {phase} {hook} {}: {}", result.name, result.hook_phase.as_ref().unwrap(), result.message)
        })
        .collect();
    assert_eq!(
        told,
        [
            "before PreSync PreSync Succeeded: a message",
            "a Sync  Succeeded: configmap/a serverside-applied",
            "with Sync Sync Succeeded: a message",
            "after PostSync PostSync Succeeded: a message",
        ]
    );
    // They are shown, and neither compared nor pruned.
    let rows: Vec<_> =
        status.resources.iter().filter(|row| row.hook).map(|row| (&*row.name, row.status.clone())).collect();
    assert_eq!(rows, [("after", None), ("before", None), ("with", None)]);
    assert_eq!(world.server.get(&job("before")).unwrap().metadata().finalizers, Vec::<String>::new());
    // The next commit runs them again, and the next look does not.
    world.commit(&[("web", &[config_map("a", "2"), hook("before", "PreSync")])]);
    world.seconds(60);
    assert_eq!(
        asked(&mut world),
        ["delete Foreground Job/before", "apply Job/before", "patch Job/before", "apply ConfigMap/a"]
    );
    world.seconds(600);
    assert_eq!(asked(&mut world), Vec::<String>::new());
}

#[test]
fn healing_runs_no_hooks() {
    let mut world = World::synced("web", &[config_map("a", "1"), hook("before", "PreSync")]);
    world.edit_map("a", "x");
    world.seconds(60);
    assert_eq!(asked(&mut world), ["apply ConfigMap/a"]);
}

#[test]
fn a_failed_hook_fails_the_sync_and_runs_those_for_failures() {
    let mut world = started(&[
        config_map("a", "1"),
        annotated(annotated(hook("before", "PreSync"), JOB_ANNOTATION, "fails"), POLICY, "HookFailed"),
        hook("sorry", "SyncFail"),
    ]);
    world.seconds(60);
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert_eq!(world.operation_message("web"), "one or more synchronization tasks completed unsuccessfully");
    assert_eq!((world.exists("a"), world.server.get(&job("before")).is_some()), (false, false));
    assert!(world.server.get(&job("sorry")).is_some());
}

#[test]
fn delete_policies_are_kept() {
    let mut world = started(&[
        config_map("a", "1"),
        annotated(hook("gone", "PreSync"), POLICY, "HookSucceeded"),
        annotated(hook("stays", "PostSync"), POLICY, "HookFailed"),
    ]);
    world.seconds(60);
    world.assert_well("web");
    assert_eq!((world.server.get(&job("gone")).is_some(), world.server.get(&job("stays")).is_some()), (false, true));
}

#[test]
fn generated_names_hold_for_the_whole_operation() {
    let mut generated = hook("", "PreSync");
    generated["metadata"].as_object_mut().unwrap().remove("name");
    generated["metadata"]["generateName"] = "migrate-".into();
    let mut world = started(&[config_map("a", "1"), generated]);
    world.seconds(60);
    world.assert_well("web");
    let names: Vec<String> = (world.server.objects())
        .filter(|object| object.kind() == "Job")
        .map(|object| object.name().to_owned())
        .collect();
    assert_eq!(names.len(), 1);
    assert!(names[0].starts_with("migrate-") && names[0].contains("-presync-"), "{names:?}");
}

#[test]
fn a_hook_runs_once_though_the_daemon_dies_and_a_time_to_live_removes_it() {
    let mut short_lived = hook("before", "PreSync");
    short_lived["spec"]["ttlSecondsAfterFinished"] = 0.into();
    let objects = [config_map("a", "1"), short_lived, in_wave(hook("with", "Sync"), 1)];
    let mut calm = started(&objects);
    let mut steps = 0;
    while calm.phase("web") != Some(OperationPhase::Succeeded) {
        calm.seconds(1);
        steps += 1;
        assert!(steps < 100, "{}", calm.operation_message("web"));
    }
    for at in 0..steps {
        let mut world = started(&objects);
        world.faults = Box::new(|_| None);
        for _ in 0..at {
            world.seconds(1);
        }
        world.restart();
        let mut runs = Vec::new();
        for _ in 0..60 {
            world.seconds(1);
            let job = world.server.get(&job("before")).and_then(|job| job.annotation(RUN)).map(str::to_owned);
            runs.extend(job);
        }
        runs.dedup();
        assert!(runs.len() <= 1, "{runs:?}");
        assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded), "killed after {at} s: {:#?}", world.log);
        let made = |name: &str| world.server.gone.iter().filter(|key| key.name == name).count();
        assert_eq!(made("before"), 1, "killed after {at} s");
        assert_eq!(made("with"), 0, "killed after {at} s");
    }
}

#[test]
fn a_hook_is_kept_until_its_end_is_stored() {
    let mut world = started(&[config_map("a", "1"), hook("before", "PreSync")]);
    // The write that says so does not come through.
    world.faults = Box::new(|effect| {
        let ends = |patch: &serde_json::Value| patch.to_string().contains("a message");
        matches!(effect, Effect::Write { patch, .. } if ends(patch))
            .then(|| Fault::Refused(test_kit::sim::error(500, "InternalError", "no")))
    });
    world.seconds(30);
    let finalizers = world.server.get(&job("before")).unwrap().metadata().finalizers;
    assert_eq!(finalizers, ["argocd.argoproj.io/hook-finalizer"]);
    world.faults = Box::new(|_| None);
    world.seconds(120);
    world.assert_well("web");
}

#[test]
fn terminating_takes_running_hooks_away() {
    let mut world = started(&[config_map("a", "1"), annotated(hook("before", "PreSync"), JOB_ANNOTATION, "runs")]);
    world.seconds(30);
    assert_eq!(world.operation_message("web"), "waiting for completion of hook batch/Job/before");
    world.edit_application("web", |app| app["status"]["operationState"]["phase"] = "Terminating".into());
    world.seconds(10);
    assert_eq!(
        (world.phase("web"), world.operation_message("web").as_str()),
        (Some(OperationPhase::Failed), "Operation terminated")
    );
    assert!(world.server.get(&job("before")).is_none() && !world.exists("a"));
}

#[test]
fn a_refused_hook_is_told() {
    let mut world = prepared(&[config_map("a", "1"), hook("before", "PreSync")]);
    world.faults = Box::new(|effect| {
        let is_job = matches!(effect, Effect::Request { request, .. } if request.key.kind == "Job" && matches!(request.call, Call::Apply { .. }));
        is_job.then(|| Fault::Refused(test_kit::sim::error(403, "Forbidden", "jobs are forbidden")))
    });
    world.start();
    world.seconds(30);
    assert_eq!(world.operation_message("web"), "one or more objects failed to apply, reason: jobs are forbidden");
}
