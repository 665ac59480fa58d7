//! What was deployed is deployed again, and healed after a start, while the repository cannot be read: the shell keeps the renders.

use application_api::OperationPhase;
use reconciler::{RenderFailure, RenderedIn};
use serde_json::{Value, json};
use test_kit::sim::{World, application_with, config_map};

fn request(world: &mut World, sync: &Value) {
    let operation = json!({"sync": sync, "initiatedBy": {"username": "jo"}});
    world.edit_application("web", |app| app["operation"] = operation);
}

/// An Application that is not synced by itself, whose history has two commits.
fn deployed_twice() -> (World, [String; 2]) {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application_with("web", |app| app["spec"]["syncPolicy"] = json!({})));
    world.start();
    let commits = ["1", "2"].map(|value| {
        let commit = world.commit(&[("web", &[config_map("a", value), config_map("b", value)])]);
        request(&mut world, &json!({}));
        world.assert_well("web");
        commit
    });
    (world, commits)
}

fn source(world: &World) -> Value {
    serde_json::to_value(&world.application("web").spec.source).unwrap()
}

fn history(world: &World) -> Vec<String> {
    let status = world.application("web").status.unwrap();
    status.history.into_iter().map(|entry| entry.revision).collect()
}

#[test]
fn a_rollback_needs_no_answer_of_the_repository() {
    let fails: [fn(&mut World, &str); 4] = [
        |world, _| world.git.failure = Some("connection refused".to_owned()),
        |world, commit| _ = world.git.lost.insert(commit.to_owned()),
        // A daemon that has just started knows nothing of the repository.
        |world, _| {
            world.git.failure = Some("connection refused".to_owned());
            world.restart();
            world.run();
        },
        |world, _| {
            world.git.failure = Some("connection refused".to_owned());
            world.git.rendered_in = another();
        },
    ];
    for (at, fail) in fails.into_iter().enumerate() {
        let (mut world, [first, second]) = deployed_twice();
        fail(&mut world, &first);
        let source = source(&world);
        request(&mut world, &json!({"revision": first, "source": source, "syncStrategy": {"apply": {}}}));
        world.seconds(5);
        assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded), "{at}: {}", world.operation_message("web"));
        assert_eq!(world.map_value("a").as_deref(), Some("1"), "{at}");
        assert_eq!(history(&world), [first.clone(), second, first], "{at}");
    }
}

#[test]
fn a_rollback_after_a_start_prunes_only_when_all_can_be_read() {
    for prune in [false, true] {
        let (mut world, [first, _]) = deployed_twice();
        world.commit(&[("web", &[config_map("a", "3"), config_map("b", "3"), config_map("c", "3")])]);
        request(&mut world, &json!({}));
        world.assert_well("web");
        world.git.failure = Some("connection refused".to_owned());
        world.restart();
        world.run();
        request(&mut world, &json!({"revision": first, "prune": prune}));
        world.seconds(120);
        let value = if prune { "3" } else { "1" };
        assert_eq!((world.map_value("a").as_deref(), world.exists("c")), (Some(value), true), "{prune}");
        world.git.failure = None;
        world.seconds(120);
        assert_eq!((world.map_value("a").as_deref(), world.exists("c")), (Some("1"), !prune), "{prune}");
        assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded));
    }
}

#[test]
fn what_is_to_be_pruned_does_not_keep_the_rest_from_being_healed_after_a_start() {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1")]);
    world.edit_application("web", |app| app["spec"]["syncPolicy"]["automated"]["prune"] = false.into());
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.git.failure = Some("connection refused".to_owned());
    world.restart();
    world.run();
    world.edit_map("a", "x");
    world.seconds(20);
    assert_eq!((world.map_value("a").as_deref(), world.exists("b")), (Some("2"), true));
}

#[test]
fn what_was_not_deployed_needs_the_repository() {
    let (mut world, [first, _]) = deployed_twice();
    let never = world.git.commit(&[("web", &[config_map("a", "3")])]);
    let source = source(&world);
    let mut other = source.clone();
    other["targetRevision"] = "v1".into();
    world.git.failure = Some("connection refused".to_owned());
    world.git.unreadable.insert(first.clone());
    for (revision, source, expected) in [
        (&never, &source, "Failed to load target state: connection refused"),
        (&first, &other, "Failed to load target state: connection refused"),
        (&first, &source, "connection refused; what was deployed of this revision is not kept either"),
    ] {
        request(&mut world, &json!({"revision": revision, "source": source}));
        world.seconds(5);
        assert_eq!(world.phase("web"), Some(OperationPhase::Error));
        let message = world.operation_message("web");
        assert!(message.ends_with(expected), "{message}");
    }
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
}

#[test]
fn renders_are_kept_once_a_deployment() {
    let (mut world, [first, second]) = deployed_twice();
    let both = format!("{first} {second}");
    let expected = [format!("keep web [{first}] Replace"), format!("keep web [{both}] Replace")];
    assert_eq!(world.take(&["keep"]), expected);
    // What is no deployment is not kept.
    request(&mut world, &json!({"dryRun": true}));
    request(&mut world, &json!({"resources": [{"kind": "ConfigMap", "name": "b"}]}));
    world.edit_map("a", "x");
    world.seconds(600);
    assert_eq!(world.take(&["keep"]), Vec::<String>::new());
    // The render of a rollback is not the one in force.
    request(&mut world, &json!({"revision": first}));
    assert_eq!(world.take(&["keep"]), [format!("keep web [{both} {first}] Replace")]);
    world.restart();
    world.run();
    world.seconds(600);
    assert_eq!(world.take(&["keep"]), [format!("keep web [{both} {first}]")]);
    request(&mut world, &json!({}));
    world.restart();
    world.run();
    let expected = ["Replace", "IfMissing"].map(|mode| format!("keep web [{both} {first} {second}] {mode}"));
    assert_eq!(world.take(&["keep"]), expected);
}

#[test]
fn the_oldest_leaves_with_its_history() {
    let (mut world, _) = deployed_twice();
    world.edit_application("web", |app| app["spec"]["revisionHistoryLimit"] = 2.into());
    world.log.clear();
    let third = world.commit(&[("web", &[config_map("a", "3")])]);
    request(&mut world, &json!({}));
    let [_, second] = &history(&world)[..] else { panic!("{:?}", history(&world)) };
    assert_eq!(*second, third);
    assert_eq!(world.take(&["keep"]), [format!("keep web [{}] Replace", history(&world).join(" "))]);
}

/// An Application that heals itself; its recorded commit renders to what was deployed, and nobody can read that commit after a start.
fn recorded_later_than_deployed() -> (World, [String; 2]) {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1")]);
    let deployed = history(&world).remove(0);
    let recorded = world.git.commit(&[("other", &[])]);
    world.edit_application("web", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/refresh"] = "normal".into();
    });
    world.seconds(5);
    assert_eq!(world.application("web").status.unwrap().sync.revision, recorded);
    world.git.unreadable.insert(recorded.clone());
    world.git.commit(&[("web", &[config_map("a", "2")])]);
    world.git.failure = Some("connection refused".to_owned());
    (world, [deployed, recorded])
}

#[test]
fn the_last_deployment_heals_where_the_recorded_commit_cannot_be_read() {
    let (mut world, [deployed, _]) = recorded_later_than_deployed();
    world.restart();
    world.run();
    world.seconds(5);
    for value in ["x", "y"] {
        world.edit_map("a", value);
        world.seconds(20);
        assert_eq!(world.map_value("a").as_deref(), Some("1"));
    }
    world.log.clear();
    world.seconds(3600);
    assert_eq!(world.take(&["apply", "delete", "render"]), Vec::<String>::new());
    assert_eq!(world.application("web").status.unwrap().sync.revision, deployed);
    world.git.failure = None;
    world.seconds(200);
    world.assert_well("web");
    assert_eq!((world.map_value("a").as_deref(), world.exists("b")), (Some("2"), false));
}

#[test]
fn nothing_is_healed_where_nothing_deployed_can_be_read() {
    let (mut world, [deployed, _]) = recorded_later_than_deployed();
    world.git.unreadable.insert(deployed);
    world.restart();
    world.run();
    world.edit_map("a", "x");
    world.log.clear();
    world.seconds(3600);
    // Nothing but renders, a minute apart at last.
    let log = world.take(&["apply", "delete", "render"]);
    assert!((10..80).contains(&log.len()) && log.iter().all(|line| line == "render web"), "{log:?}");
    assert_eq!(world.map_value("a").as_deref(), Some("x"));
    assert_eq!(world.verdict("web"), "Unknown/Healthy");
}

#[test]
fn a_sync_after_the_last_deployment_leaves_doubt() {
    let (mut world, _) = recorded_later_than_deployed();
    world.edit_application("web", |app| {
        app["status"]["operationState"]["syncResult"]["revision"] = "c".repeat(40).into();
    });
    world.restart();
    world.run();
    world.edit_map("a", "x");
    world.log.clear();
    world.seconds(600);
    assert_eq!(world.take(&["apply", "delete"]), Vec::<String>::new());
    assert_eq!(world.verdict("web"), "Unknown/Healthy");
}

fn chart() -> Value {
    application_with("web", |app| app["spec"]["source"]["helm"] = json!({}))
}

fn another() -> RenderedIn {
    RenderedIn::Another { failure: RenderFailure::Unavailable("not in the mirror".to_owned()) }
}

/// A chart that heals itself, of which a restart finds only what was kept of another context. An object is no longer in Git.
fn kept_of_another_context() -> World {
    let mut world = World::synced_with(chart(), &[config_map("a", "1"), config_map("b", "1")]);
    world.edit_application("web", |app| app["spec"]["syncPolicy"]["automated"]["prune"] = false.into());
    world.commit(&[("web", &[config_map("a", "2")])]);
    assert_eq!((world.map_value("a").as_deref(), history(&world).len()), (Some("2"), 2));
    world.git.rendered_in = another();
    world.restart();
    world.edit_application("web", |app| app["spec"]["syncPolicy"]["automated"]["prune"] = true.into());
    world.run();
    world
}

#[test]
fn a_render_of_another_context_heals_and_prunes_nothing_until_it_is_rendered_again() {
    let mut world = kept_of_another_context();
    world.edit_map("a", "x");
    world.log.clear();
    world.seconds(600);
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
    assert!(world.exists("b"));
    let renders = world.take(&["render"]).len();
    assert!((5..15).contains(&renders), "{renders}");
    world.git.rendered_in = RenderedIn::TheContext;
    world.seconds(70);
    world.assert_well("web");
    assert!(!world.exists("b"));
    world.log.clear();
    world.seconds(600);
    assert_eq!(world.take(&["render"]), Vec::<String>::new());
}

#[test]
fn what_is_in_force_is_better_than_a_render_of_another_context() {
    let mut world = World::synced_with(chart(), &[config_map("a", "1")]);
    world.git.rendered_in = another();
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(300);
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    let told = world.conditions("web");
    assert!(told.iter().any(|line| line.ends_with("not in the mirror")), "{told:?}");
    world.git.rendered_in = RenderedIn::TheContext;
    world.seconds(200);
    world.assert_well("web");
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
}
