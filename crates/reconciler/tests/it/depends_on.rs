//! Applications that depend on others, and parents whose waves count on children.

use application_api::OperationPhase;
use kube_object::ObjectKey;
use reconciler::{AppKey, Effect};
use serde_json::{Value, json};
use test_kit::sim::{
    Fault, Rollouts, World, app_key, application, application_with, config_map, deployment, in_wave, key,
};

const ON: &str = "driftless.dev/depends-on";
const READY: &str = "driftless.dev/depends-on-ready";
const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
/// The script that Argo CD's documentation gives for Applications.
const HEALTH: &str = "hs = {}\nhs.status = \"Progressing\"\nhs.message = \"\"\nif obj.status ~= nil then\n  if obj.status.health ~= nil then\n    hs.status = obj.status.health.status\n    if obj.status.health.message ~= nil then\n      hs.message = obj.status.health.message\n    end\n  end\nend\nreturn hs\n";

fn database() -> ObjectKey {
    key("apps", "Deployment", "shop", "d")
}

fn depending(name: &str, on: &str) -> Value {
    application_with(name, |app| app["metadata"]["annotations"] = json!({ON: on}))
}

/// A world in which `web` depends on `db`, whose Deployment rolls out when told.
fn world_with(web: Value) -> World {
    let mut world = World::new();
    world.server.rollouts = Rollouts::WhenTold;
    world.git.commit(&[
        ("db", &[deployment("d", 1)]),
        ("next", &[deployment("d", 1), config_map("n", "1")]),
        ("web", &[config_map("w", "1")]),
        ("other", &[config_map("o", "1")]),
    ]);
    world.server.create(application("db"));
    world.server.create(web);
    world
}

/// As [`world_with`], with both synced and well.
fn well(web: Value) -> World {
    let mut world = world_with(web);
    world.start();
    world.server.roll_out(&database());
    world.seconds(30);
    world.assert_well("db");
    world.assert_well("web");
    world.log.clear();
    world
}

/// Says why an Application is as it is.
fn why(world: &World, name: &str) -> String {
    world.state().reason(&app_key(name)).unwrap().sentence()
}

fn blocked(by: &str) -> String {
    format!("The sync is blocked by dependencies: {by}.")
}

fn hold_renders_of(world: &mut World, name: &'static str) {
    world.faults = Box::new(move |effect| {
        matches!(effect, Effect::Render { app, .. } if *app.name == *name).then_some(Fault::Held)
    });
}

#[test]
fn a_sync_starts_when_what_it_depends_on_is_synced_and_healthy() {
    let mut world = world_with(depending("web", "db"));
    world.start();
    world.seconds(3600);
    assert_eq!(world.verdict("db"), "Synced/Progressing");
    assert_eq!((world.phase("web"), world.exists("w")), (None, false));
    assert_eq!(why(&world, "web"), blocked("argocd/db (Progressing)"));
    // Nothing but the change of the Deployment is needed.
    world.server.roll_out(&database());
    world.run();
    world.assert_well("db");
    world.assert_well("web");
}

#[test]
fn several_are_named_and_all_are_waited_for() {
    let mut world = world_with(depending("web", "argocd/db, other,infra/redis"));
    world.start();
    world.seconds(60);
    let expected = "argocd/db (Progressing), argocd/other (it does not exist), infra/redis (it does not exist)";
    assert_eq!(why(&world, "web"), blocked(expected));
    world.server.roll_out(&database());
    world.seconds(60);
    assert!(!world.exists("w"));
    world.edit_application("web", |app| app["metadata"]["annotations"][ON] = "db,other".into());
    assert_eq!(why(&world, "web"), blocked("argocd/other (it does not exist)"));
    world.server.create(application("other"));
    world.run();
    world.assert_well("other");
    world.assert_well("web");
}

#[test]
fn a_status_of_another_spec_does_not_count() {
    let mut world = well(depending("web", "db"));
    hold_renders_of(&mut world, "db");
    world.edit_application("db", |app| app["spec"]["source"]["path"] = "next".into());
    assert_eq!(world.verdict("db"), "Synced/Healthy");
    world.commit(&[("web", &[config_map("w", "2")])]);
    world.seconds(60);
    assert_eq!(why(&world, "web"), blocked("argocd/db (its present spec is not compared yet)"));
    assert_eq!(world.map_value("w").as_deref(), Some("1"));
    world.release();
    world.run();
    assert!(world.exists("n"));
    assert_eq!(world.map_value("w").as_deref(), Some("2"));
    let log = world.take(&["apply"]);
    assert_eq!(log, ["apply ConfigMap/n for db", "apply ConfigMap/w for web"]);
}

#[test]
fn a_status_of_an_older_commit_does_not_count() {
    let mut world = well(depending("web", "db"));
    world.commit(&[("db", &[deployment("d", 2)]), ("web", &[config_map("w", "2")])]);
    world.seconds(600);
    assert_eq!(why(&world, "web"), blocked("argocd/db (Progressing)"));
    assert_eq!(world.map_value("w").as_deref(), Some("1"));
    world.server.roll_out(&database());
    world.run();
    assert_eq!(world.map_value("w").as_deref(), Some("2"));
    // The commit is known before it is rendered.
    hold_renders_of(&mut world, "db");
    world.commit(&[("db", &[deployment("d", 2)]), ("web", &[config_map("w", "3")])]);
    assert_eq!(world.verdict("db"), "Synced/Healthy");
    assert_eq!(why(&world, "web"), blocked("argocd/db (its newest commit is not compared yet)"));
    // It renders to what is there: no write tells of that.
    world.release();
    world.run();
    assert_eq!(world.map_value("w").as_deref(), Some("3"));
}

#[test]
fn drift_is_corrected_whatever_is_not_ready() {
    let mut world = well(depending("web", "db"));
    world.edit_application("db", |app| app["spec"]["source"]["path"] = "missing".into());
    world.server.edit(&database(), "kubectl-edit", |deployment| deployment["spec"]["replicas"] = 3.into());
    world.seconds(600);
    world.edit_map("w", "theirs");
    assert_eq!(world.map_value("w").as_deref(), Some("1"));
}

#[test]
fn after_a_restart_an_old_status_does_not_count() {
    let mut world = well(depending("web", "db"));
    hold_renders_of(&mut world, "db");
    world.git.commit(&[("db", &[deployment("d", 2)]), ("web", &[config_map("w", "2")])]);
    world.restart();
    world.seconds(10);
    assert_eq!(world.map_value("w").as_deref(), Some("1"));
    world.release();
    world.seconds(10);
    world.server.roll_out(&database());
    world.seconds(10);
    assert_eq!(world.map_value("w").as_deref(), Some("2"));
}

fn request(world: &mut World, name: &str) {
    world.edit_application(name, |app| {
        app["operation"] = json!({"sync": {}, "initiatedBy": {"username": "jo"}});
        app["status"].as_object_mut().unwrap().remove("operationState");
    });
}

#[test]
fn a_requested_sync_runs_and_waits_and_can_be_terminated() {
    let mut web = depending("web", "db");
    web["spec"]["syncPolicy"] = json!({});
    let mut world = world_with(web);
    world.start();
    world.seconds(10);
    request(&mut world, "web");
    world.seconds(3600);
    let message = "blocked by dependencies: argocd/db (Progressing)";
    assert_eq!((world.phase("web"), &*world.operation_message("web")), (Some(OperationPhase::Running), message));
    assert_eq!(why(&world, "web"), blocked("argocd/db (Progressing)"));
    assert!(!world.exists("w"));
    world.edit_application("web", |app| app["status"]["operationState"]["phase"] = "Terminating".into());
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert_eq!(world.operation_message("web"), "Operation terminated");
    request(&mut world, "web");
    world.restart();
    world.seconds(10);
    assert_eq!(world.operation_message("web"), message);
    world.server.roll_out(&database());
    world.run();
    assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded));
    world.assert_well("web");
}

#[test]
fn a_sync_that_has_begun_goes_on() {
    let mut world = world_with(depending("web", "db"));
    world.git.commit(&[("web", &[deployment("e", 1), in_wave(config_map("w", "1"), 1)])]);
    world.start();
    world.server.roll_out(&database());
    world.run();
    assert_eq!(world.phase("web"), Some(OperationPhase::Running));
    world.edit_application("db", |app| app["spec"]["source"]["path"] = "missing".into());
    world.server.roll_out(&key("apps", "Deployment", "shop", "e"));
    world.seconds(10);
    assert!(world.exists("w"));
}

#[test]
fn a_cycle_is_an_error_of_each_application_in_it() {
    let mut world = World::new();
    world.git.commit(&[("a", &[config_map("a", "1")]), ("b", &[config_map("b", "1")]), ("c", &[config_map("c", "1")])]);
    for (name, on) in [("a", "b"), ("b", "a"), ("c", "a")] {
        world.server.create(depending(name, on));
    }
    world.start();
    world.seconds(600);
    let error = |way: &str| {
        format!(
            "InvalidSpecError: annotation {ON} makes Applications wait for each other: {way}; expected no way back, so take one of them out"
        )
    };
    assert_eq!(world.conditions("a"), [error("argocd/a -> argocd/b -> argocd/a")]);
    assert_eq!(world.conditions("b"), [error("argocd/b -> argocd/a -> argocd/b")]);
    // It leads there and is not of it.
    assert_eq!(world.conditions("c"), Vec::<String>::new());
    assert!(why(&world, "c").starts_with("The sync is blocked by dependencies: argocd/a ("));
    assert!(["a", "b", "c"].iter().all(|name| !world.exists(name)));
    world.edit_application("b", |app| app["metadata"]["annotations"][ON] = "".into());
    for name in ["a", "b", "c"] {
        world.assert_well(name);
        assert_eq!(world.conditions(name), Vec::<String>::new());
    }
    // One that was well is stopped as well, and healed no more.
    world.edit_application("b", |app| app["metadata"]["annotations"][ON] = "c".into());
    assert_eq!(world.conditions("a"), [error("argocd/a -> argocd/b -> argocd/c -> argocd/a")]);
    world.delete_application("c");
    assert_eq!(world.conditions("a"), Vec::<String>::new());
}

#[test]
fn what_cannot_be_read_is_an_error_and_syncs_nothing() {
    for (on, ready, problem) in [
        ("db,", None, "annotation driftless.dev/depends-on has the entry ''; expected names of Applications"),
        ("db", Some("ap.x == 1"), "annotation driftless.dev/depends-on-ready names ap, but the only variable is app"),
        ("db", Some("app.x =="), "annotation driftless.dev/depends-on-ready cannot be read at 1:9"),
        (
            "web",
            None,
            "annotation driftless.dev/depends-on makes Applications wait for each other: argocd/web -> argocd/web",
        ),
    ] {
        let mut web = depending("web", on);
        if let Some(ready) = ready {
            web["metadata"]["annotations"][READY] = ready.into();
        }
        let mut world = world_with(web);
        world.server.rollouts = Rollouts::AtOnce;
        world.start();
        world.seconds(600);
        let conditions = world.conditions("web");
        assert!(
            conditions.len() == 1 && conditions[0].starts_with(&format!("InvalidSpecError: {problem}")),
            "{conditions:?}"
        );
        assert!(!world.exists("w"));
        request(&mut world, "web");
        assert_eq!(world.phase("web"), Some(OperationPhase::Error));
        world.edit_application("web", |app| app["metadata"]["annotations"] = json!({}));
        world.assert_well("web");
    }
}

#[test]
fn an_expression_says_when_a_dependency_is_ready() {
    let mut web = depending("web", "db");
    web["metadata"]["annotations"][READY] =
        "has(app.metadata.annotations) && app.metadata.annotations['shop/migrated'] == app.spec.source.path".into();
    let mut world = world_with(web);
    world.start();
    world.server.roll_out(&database());
    world.seconds(60);
    world.assert_well("db");
    assert_eq!(why(&world, "web"), blocked("argocd/db (driftless.dev/depends-on-ready is false)"));
    world.edit_application("db", |app| app["metadata"]["annotations"] = json!({"shop/migrated": "no"}));
    assert!(!world.exists("w"));
    world.edit_application("db", |app| app["metadata"]["annotations"]["shop/migrated"] = "db".into());
    world.assert_well("web");
}

fn cascading(name: &str, on: &str) -> Value {
    let mut app = depending(name, on);
    app["metadata"]["finalizers"] = json!([FINALIZER]);
    app
}

/// Three Applications, each of which depends on the one before.
fn chain(first_on: &str) -> World {
    let mut world = World::new();
    world.git.commit(&[("a", &[config_map("a", "1")]), ("b", &[config_map("b", "1")]), ("c", &[config_map("c", "1")])]);
    for (name, on) in [("a", ""), ("b", "a"), ("c", "b")] {
        world.server.create(cascading(name, on));
    }
    world.start();
    world.seconds(30);
    for name in ["a", "b", "c"] {
        world.assert_well(name);
    }
    world.edit_application("a", |app| app["metadata"]["annotations"][ON] = first_on.into());
    world.log.clear();
    world
}

#[test]
fn deletion_goes_the_other_way() {
    let mut world = chain("");
    world.server.edit(&test_kit::sim::map_key("c"), "guard", |map| {
        map["metadata"]["finalizers"] = json!(["example.com/guard"]);
    });
    for name in ["c", "b", "a"] {
        world.delete_application(name);
    }
    world.seconds(3600);
    assert!(world.exists("a") && world.exists("b"));
    assert_eq!(
        why(&world, "a"),
        "The Application is being deleted, and Applications that depend on it go first: argocd/b."
    );
    world.server.edit(&test_kit::sim::map_key("c"), "guard", |map| map["metadata"]["finalizers"] = json!([]));
    world.run();
    assert_eq!(world.state().applications().len(), 0);
    let log = world.take(&["delete"]);
    let expected = ["c", "b", "a"].map(|name| format!("delete Foreground ConfigMap/{name} for {name}"));
    assert_eq!(log, expected);
}

#[test]
fn a_dependent_that_stays_holds_no_deletion_up_and_is_blocked() {
    let mut world = chain("");
    world.delete_application("a");
    world.seconds(30);
    assert!(!world.has_application("a") && !world.exists("a") && world.exists("b"));
    world.commit(&[("b", &[config_map("b", "2")])]);
    assert_eq!(why(&world, "b"), blocked("argocd/a (it does not exist)"));
    assert_eq!(world.map_value("b").as_deref(), Some("1"));
}

#[test]
fn a_dependency_that_is_being_deleted_is_not_ready() {
    let mut world = chain("");
    world.server.edit(&test_kit::sim::map_key("a"), "guard", |map| {
        map["metadata"]["finalizers"] = json!(["example.com/guard"]);
    });
    world.delete_application("a");
    world.commit(&[("b", &[config_map("b", "2")])]);
    world.seconds(30);
    assert_eq!(why(&world, "b"), blocked("argocd/a (it is being deleted)"));
    // Who stops to depend on it stops to wait.
    world.edit_application("b", |app| app["metadata"]["annotations"] = json!({}));
    assert_eq!(world.map_value("b").as_deref(), Some("2"));
}

#[test]
fn applications_that_wait_for_each_other_can_be_deleted() {
    let mut world = chain("c");
    assert!(why(&world, "a").contains("wait for each other"));
    for name in ["a", "b", "c"] {
        world.delete_application(name);
    }
    world.seconds(30);
    assert_eq!(world.state().applications().len(), 0);
    assert!(["a", "b", "c"].iter().all(|name| !world.exists(name)));
}

#[test]
fn a_deletion_goes_on_when_its_dependent_depends_on_it_no_more() {
    let mut world = chain("");
    world.server.edit(&test_kit::sim::map_key("b"), "guard", |map| {
        map["metadata"]["finalizers"] = json!(["example.com/guard"]);
    });
    world.delete_application("b");
    world.delete_application("a");
    world.seconds(30);
    assert!(world.exists("a"));
    world.edit_application("b", |app| app["metadata"]["annotations"] = json!({}));
    assert!(!world.exists("a") && world.exists("b") && world.has_application("b"));
}

/// A parent with a child in each of two waves.
fn family(settings: &[(&str, &str)]) -> World {
    let mut world = World::with_settings(settings);
    world.server.rollouts = Rollouts::WhenTold;
    world.git.commit(&[
        ("root", &[in_wave(child("db"), 0), in_wave(child("web"), 1)]),
        ("db", &[deployment("d", 1)]),
        ("web", &[config_map("w", "1")]),
        ("other", &[config_map("o", "1")]),
    ]);
    world.server.create(application("root"));
    world.start();
    world.server.roll_out(&database());
    world.seconds(30);
    for name in ["root", "db", "web"] {
        world.assert_well(name);
    }
    world.log.clear();
    world
}

fn child(name: &str) -> Value {
    application_with(name, |app| app["metadata"]["namespace"] = "argocd".into())
}

/// The commit that changes what the first child renders, and the second child itself.
fn next_commit(world: &mut World, replicas: i64) {
    let mut web = in_wave(child("web"), 1);
    web["spec"]["source"]["path"] = "other".into();
    world.commit(&[("root", &[in_wave(child("db"), 0), web]), ("db", &[deployment("d", replicas)])]);
}

fn path_of(world: &World, name: &str) -> String {
    world.application(name).spec.source.unwrap().path
}

#[test]
fn a_wave_waits_for_a_child_whose_health_is_that_of_an_older_commit() {
    let mut world = family(&[("resource.customizations.health.argoproj.io_Application", HEALTH)]);
    hold_renders_of(&mut world, "db");
    next_commit(&mut world, 2);
    world.seconds(60);
    assert_eq!(world.verdict("db"), "Synced/Healthy");
    assert_eq!(path_of(&world, "web"), "web");
    assert_eq!(world.operation_message("root"), "waiting for healthy state of argoproj.io/Application/db");
    world.release();
    world.seconds(60);
    assert_eq!((world.verdict("db"), path_of(&world, "web")), ("Synced/Progressing".to_owned(), "web".to_owned()));
    world.server.roll_out(&database());
    world.seconds(10);
    assert_eq!(path_of(&world, "web"), "other");
    world.assert_well("root");
}

#[test]
fn a_wave_goes_on_when_a_child_turns_out_to_be_as_the_newest_commit_says() {
    let mut world = family(&[("resource.customizations.health.argoproj.io_Application", HEALTH)]);
    hold_renders_of(&mut world, "db");
    next_commit(&mut world, 1);
    world.seconds(60);
    assert_eq!(path_of(&world, "web"), "web");
    // No write tells of it: what was rendered is in force already.
    world.release();
    world.run();
    world.seconds(3);
    assert_eq!(path_of(&world, "web"), "other");
}

#[test]
fn without_a_health_script_no_wave_waits_for_a_child() {
    let mut world = family(&[]);
    hold_renders_of(&mut world, "db");
    next_commit(&mut world, 2);
    world.seconds(3);
    assert_eq!(path_of(&world, "web"), "other");
}

#[test]
fn a_child_may_depend_on_its_parent() {
    let mut world = family(&[("resource.customizations.health.argoproj.io_Application", HEALTH)]);
    let mut db = in_wave(child("db"), 0);
    db["metadata"]["annotations"][ON] = "root".into();
    let mut web = in_wave(child("web"), 1);
    web["spec"]["source"]["path"] = "other".into();
    hold_renders_of(&mut world, "db");
    world.commit(&[("root", &[db, web]), ("db", &[deployment("d", 2)])]);
    world.release();
    world.seconds(600);
    // The child was healthy as it is, so the parent went on, and then the child was no longer blocked.
    assert_eq!((path_of(&world, "web"), world.verdict("db")), ("other".to_owned(), "Synced/Progressing".to_owned()));
}

#[test]
fn only_those_that_wait_are_looked_at() {
    let mut world = well(depending("web", "db"));
    for at in 0..5 {
        let name = format!("n{at}");
        world.git.commit(&[(&name, &[config_map(&name, "1")])]);
        world.server.create(application(&name));
    }
    world.seconds(30);
    world.log.clear();
    world.edit_application("db", |app| app["metadata"]["labels"] = json!({"a": "b"}));
    let others: Vec<AppKey> = world.state().applications().filter(|key| *key.name != *"db").cloned().collect();
    assert_eq!(others.len(), 6);
    let log = world.take(&["write", "apply", "render"]);
    assert_eq!(log, Vec::<String>::new());
}
