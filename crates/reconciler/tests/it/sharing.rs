//! Objects that several Applications render, at once or one after the other.

use reconciler::{Effect, RenderFailure};
use serde_json::Value;
use test_kit::sim::{Fault, Order, Rng, World, annotated, application, application_with, config_map};

fn owner(world: &World, name: &str) -> Option<String> {
    let id = world.server.get(&test_kit::sim::map_key(name))?.annotation("argocd.argoproj.io/tracking-id")?.to_owned();
    Some(id.split(':').next().unwrap_or_default().to_owned())
}

/// A world with two Applications, each synced with its own directory.
fn two(first: &[Value], second: &[Value]) -> World {
    let mut world = World::new();
    world.git.commit(&[("one", first), ("two", second)]);
    world.server.create(application("one"));
    world.start();
    world.seconds(1);
    world.server.create(application("two"));
    world.seconds(10);
    world.assert_well("one");
    world.log.clear();
    world
}

#[test]
fn the_later_of_two_claimants_warns_and_leaves_the_object_alone() {
    let mut world = two(&[config_map("a", "1")], &[config_map("a", "2"), config_map("b", "1")]);
    let shared = "SharedResourceWarning: ConfigMap/a is part of applications argocd/two and one";
    assert_eq!(world.conditions("two"), [shared]);
    assert_eq!(world.conditions("one"), Vec::<String>::new());
    assert_eq!(world.verdict("two"), "OutOfSync/Healthy");
    assert!(world.exists("b"));
    world.seconds(3600);
    assert_eq!(world.take(&["write", "apply", "delete"]), Vec::<String>::new());
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    // What the first one does not ask for any more is the second one's.
    world.commit(&[("one", &[config_map("z", "1")])]);
    world.seconds(10);
    world.assert_well("two");
    world.assert_well("one");
    assert_eq!((world.map_value("a").as_deref(), owner(&world, "a").as_deref()), (Some("2"), Some("two")));
    assert_eq!(world.take(&["delete"]), Vec::<String>::new());
}

#[test]
fn of_two_that_come_together_one_has_the_object_and_the_other_warns() {
    for seed in 0..40 {
        let mut world = World::new();
        world.order = Order::Drawn(Rng::new(seed));
        world.git.commit(&[("one", &[config_map("a", "1")]), ("two", &[config_map("a", "2")])]);
        for name in ["one", "two"] {
            world.server.create(application(name));
        }
        world.start();
        world.seconds(60);
        let holder = owner(&world, "a").unwrap();
        let other = if holder == "one" { "two" } else { "one" };
        world.assert_well(&holder);
        assert_eq!(world.conditions(&holder), Vec::<String>::new(), "seed {seed}");
        assert_eq!(world.verdict(other), "OutOfSync/Healthy", "seed {seed}");
        assert!(world.conditions(other)[0].starts_with("SharedResourceWarning: "), "seed {seed}");
        let applied = world.take(&["apply"]).len();
        assert!(applied <= 2, "seed {seed}: {applied}");
    }
}

#[test]
fn a_shared_object_that_is_equal_but_for_its_tracking_is_not_fought_over() {
    let mut world = two(&[config_map("a", "1")], &[config_map("a", "1")]);
    world.seconds(3600);
    assert_eq!(world.take(&["write", "apply", "delete"]), Vec::<String>::new());
    assert_eq!(owner(&world, "a").as_deref(), Some("one"));
}

#[test]
fn an_object_that_moves_in_one_commit_is_never_deleted() {
    for seed in 0..150 {
        let mut world = two(&[config_map("a", "1"), config_map("m", "1")], &[config_map("b", "1")]);
        world.order = Order::Drawn(Rng::new(seed));
        world.git.commit(&[("one", &[config_map("a", "2")]), ("two", &[config_map("b", "2"), config_map("m", "1")])]);
        world.push_webhook();
        world.seconds(30);
        assert_eq!(world.server.gone, [], "seed {seed}");
        assert_eq!(owner(&world, "m").as_deref(), Some("two"), "seed {seed}");
        world.assert_well("one");
        world.assert_well("two");
        // And back, with a daemon that has just started.
        world.git.commit(&[("one", &[config_map("a", "2"), config_map("m", "2")]), ("two", &[config_map("b", "2")])]);
        world.restart();
        world.seconds(30);
        assert_eq!(world.server.gone, [], "seed {seed}");
        assert_eq!(owner(&world, "m").as_deref(), Some("one"), "seed {seed}");
        world.assert_well("one");
        world.assert_well("two");
    }
}

#[test]
fn a_move_waits_for_the_render_of_the_other_application() {
    for (from, to) in [("one", "two"), ("two", "one")] {
        let mut world = two(&[config_map("a", "1")], &[config_map("b", "1")]);
        world.commit(&[(from, &[config_map(from, "1"), config_map("m", "1")])]);
        world.seconds(5);
        assert_eq!(owner(&world, "m").as_deref(), Some(from));
        let held = to.to_owned();
        world.faults = Box::new(move |effect| match effect {
            Effect::Render { app, .. } if *app.name == *held => Some(Fault::Held),
            _ => None,
        });
        world.commit(&[(from, &[config_map(from, "1")]), (to, &[config_map(to, "1"), config_map("m", "1")])]);
        world.seconds(100);
        assert!(world.exists("m"));
        world.release();
        world.seconds(5);
        assert_eq!(owner(&world, "m").as_deref(), Some(to));
        let gone: Vec<&str> = world.server.gone.iter().map(|key| key.name.as_str()).collect();
        assert!(!gone.contains(&"m"), "{gone:?}");
    }
}

#[test]
fn a_move_waits_while_a_write_keeps_the_other_application_from_rendering() {
    let mut world = two(&[config_map("a", "1"), config_map("m", "1")], &[config_map("b", "1")]);
    world.faults = Box::new(|effect| match effect {
        Effect::Write { app, .. } if &*app.name == "two" => Some(Fault::Held),
        _ => None,
    });
    // The heal of the second Application starts with a write.
    world.edit_map("b", "x");
    world.commit(&[("one", &[config_map("a", "1")]), ("two", &[config_map("b", "1"), config_map("m", "1")])]);
    world.seconds(100);
    assert!(world.exists("m"));
    world.release();
    world.seconds(10);
    assert_eq!(owner(&world, "m").as_deref(), Some("two"));
    assert_eq!(world.server.gone, []);
}

#[test]
fn a_move_waits_while_the_commit_cannot_be_read_for_the_other_application() {
    let mut world = two(&[config_map("a", "1"), config_map("m", "1")], &[config_map("b", "1")]);
    world.git.broken.insert("two".to_owned(), RenderFailure::Unavailable("late".to_owned()));
    world.commit(&[("one", &[config_map("a", "1")]), ("two", &[config_map("b", "1"), config_map("m", "1")])]);
    world.seconds(30);
    assert!(world.exists("m"));
    world.git.broken.clear();
    world.seconds(60);
    assert_eq!(owner(&world, "m").as_deref(), Some("two"));
    assert_eq!(world.server.gone, []);
}

#[test]
fn an_application_that_can_never_render_does_not_hold_the_prunes_of_others() {
    let mut world = two(&[config_map("a", "1"), config_map("m", "1")], &[config_map("b", "1")]);
    world.server.create(application_with("bad", |app| app["spec"]["project"] = "none".into()));
    world.server.create(application("empty"));
    world.server.create(application_with("skip", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/skip-reconcile"] = "true".into();
    }));
    world.server.create(application_with("branch", |app| app["spec"]["source"]["targetRevision"] = "gone".into()));
    world.git.broken.insert("empty".to_owned(), RenderFailure::Unsupported("no".to_owned()));
    world.seconds(5);
    world.commit(&[("one", &[config_map("a", "1")])]);
    world.seconds(5);
    assert!(!world.exists("m"));
    world.assert_well("one");
}

#[test]
fn an_object_that_only_lost_its_tracking_is_adopted_again() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.server.edit(&test_kit::sim::map_key("a"), "kubectl-edit", |map| {
        map["metadata"]["annotations"].as_object_mut().unwrap().clear();
    });
    world.seconds(5);
    assert_eq!(owner(&world, "a").as_deref(), Some("web"));
    world.assert_well("web");
}

#[test]
fn an_object_that_exists_already_is_taken_over() {
    let mut world = World::new();
    let mut existing = annotated(config_map("a", "old"), "note", "theirs");
    existing["metadata"]["namespace"] = "shop".into();
    world.server.create(existing);
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application("web"));
    world.start();
    world.assert_well("web");
    let map = world.server.get(&test_kit::sim::map_key("a")).unwrap();
    assert_eq!(map.annotation("note"), Some("theirs"));
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
}

#[test]
fn who_waits_for_an_application_between_two_sources_hears_what_the_new_one_has() {
    let mut world = two(&[config_map("a", "1")], &[config_map("z", "1")]);
    world.commit(&[("alt", &[config_map("x", "1")])]);
    world.edit_application("one", |app| {
        app["spec"]["source"]["path"] = "alt".into();
        app["spec"]["syncPolicy"]["automated"] = serde_json::json!({});
    });
    world.seconds(5);
    assert_eq!(owner(&world, "a").as_deref(), Some("one"));
    world.faults =
        Box::new(|effect| matches!(effect, Effect::Render { app, .. } if &*app.name == "one").then_some(Fault::Held));
    world.edit_application("one", |app| app["spec"] = application("one")["spec"].clone());
    world.commit(&[("one", &[config_map("y", "1")]), ("two", &[config_map("z", "1"), config_map("a", "2")])]);
    world.seconds(1);
    assert_eq!(owner(&world, "a").as_deref(), Some("one"));
    world.release();
    world.seconds(10);
    world.assert_well("two");
    assert_eq!((owner(&world, "a").as_deref(), world.map_value("a").as_deref()), (Some("two"), Some("2")));
}

#[test]
fn an_application_that_is_refused_and_then_moved_does_not_hold_the_prunes_of_others() {
    let mut world = two(&[config_map("a", "1"), config_map("b", "1")], &[config_map("c", "1")]);
    let mut nameless = config_map("", "1");
    nameless["metadata"] = serde_json::json!({"generateName": "c-"});
    world.commit(&[("two", &[nameless])]);
    world.seconds(5);
    assert!(world.conditions("two")[0].starts_with("InvalidSpecError"), "{:?}", world.conditions("two"));
    world.edit_application("two", |app| app["spec"]["destination"]["namespace"] = "default".into());
    world.seconds(5);
    world.commit(&[("one", &[config_map("a", "1")])]);
    world.seconds(10);
    assert!(!world.exists("b"), "the prune of one goes through");
    assert!(world.exists("c"), "nothing of what is refused is touched");
    world.assert_well("one");
}
