//! Deletion of Applications.

use reconciler::{Call, Effect, Event};
use serde_json::{Value, json};
use test_kit::sim::{
    Fault, World, annotated, application_with, config_map, custom, definition, error, hook, in_wave, key, map_key,
};

const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

fn cascading(name: &str, finalizer: &str) -> Value {
    application_with(name, |app| app["metadata"]["finalizers"] = json!([finalizer]))
}

fn is_delete(effect: &Effect) -> bool {
    matches!(effect, Effect::Request { request, .. } if matches!(request.call, Call::Delete { .. }))
}

#[test]
fn with_the_finalizer_objects_go_first() {
    let cases = [
        (FINALIZER, "Foreground"),
        ("resources-finalizer.argocd.argoproj.io/foreground", "Foreground"),
        ("resources-finalizer.argocd.argoproj.io/background", "Background"),
    ];
    for (finalizer, propagation) in cases {
        let mut world = World::synced_with(cascading("web", finalizer), &[config_map("a", "1"), config_map("b", "1")]);
        world.delete_application("web");
        world.seconds(5);
        assert!(!world.has_application("web") && !world.exists("a") && !world.exists("b"));
        let expected = ["a", "b"].map(|name| format!("delete {propagation} ConfigMap/{name} for web"));
        assert_eq!(world.take(&["delete", "apply"]), expected);
        assert_eq!(world.state().applications().len(), 0);
    }
}

#[test]
fn without_a_finalizer_objects_stay() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.delete_application("web");
    world.seconds(600);
    assert!(!world.has_application("web") && world.exists("a"));
    assert_eq!(world.take(&["delete", "write", "apply"]), Vec::<String>::new());
}

#[test]
fn objects_that_are_to_be_kept_stay() {
    let kept = annotated(config_map("a", "1"), "argocd.argoproj.io/sync-options", "Delete=false");
    let helm = annotated(config_map("b", "1"), "helm.sh/resource-policy", "keep");
    let objects = [kept, helm, config_map("c", "1"), definition("Widget")];
    let mut world = World::synced_with(cascading("web", FINALIZER), &objects);
    world.delete_application("web");
    world.seconds(5);
    assert!(!world.has_application("web"));
    assert_eq!((world.exists("a"), world.exists("b"), world.exists("c")), (true, true, false));
    assert!(
        world.server.get(&key("apiextensions.k8s.io", "CustomResourceDefinition", "", "widgets.example.com")).is_some()
    );
}

#[test]
fn waves_go_in_the_opposite_order() {
    let objects = [config_map("a", "1"), in_wave(config_map("b", "1"), 1), in_wave(config_map("c", "1"), 2)];
    let mut world = World::synced_with(cascading("web", FINALIZER), &objects);
    // A finalizer of somebody else holds the last wave.
    world.server.edit(&map_key("c"), "guard", |map| map["metadata"]["finalizers"] = json!(["example.com/guard"]));
    world.delete_application("web");
    world.seconds(300);
    assert!(world.exists("b") && world.has_application("web"));
    assert_eq!(world.take(&["delete"]), ["delete Foreground ConfigMap/c for web"]);
    world.server.edit(&map_key("c"), "guard", |map| map["metadata"]["finalizers"] = json!([]));
    world.seconds(5);
    assert_eq!(
        world.take(&["delete"]),
        ["delete Foreground ConfigMap/b for web", "delete Foreground ConfigMap/a for web"]
    );
    assert!(!world.has_application("web"));
}

#[test]
fn a_kind_that_was_removed_unseen_does_not_hold_a_deletion() {
    let mut world = World::new();
    world.server.ghosts = vec![kube_object::Gvk::new("example.com", "v1", "Widget")];
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(cascading("web", FINALIZER));
    world.start();
    world.assert_well("web");
    // Nobody watches definitions here, so nothing tells of it.
    world.server.ghosts.clear();
    world.delete_application("web");
    world.seconds(10);
    assert!(!world.has_application("web") && !world.exists("a"));
}

#[test]
fn a_deletion_that_needs_approval_waits_for_it() {
    let guarded = annotated(config_map("a", "1"), "argocd.argoproj.io/sync-options", "Delete=confirm");
    let mut world = World::synced_with(cascading("web", FINALIZER), &[guarded, config_map("b", "1")]);
    world.delete_application("web");
    world.seconds(60);
    assert!(world.exists("a") && world.exists("b"));
    let now = world.now.to_string();
    world.edit_application("web", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/deletion-approved"] = now.into();
    });
    world.seconds(5);
    assert!(!world.has_application("web") && !world.exists("a"));
}

#[test]
fn a_search_that_is_not_complete_removes_no_finalizer() {
    let mut world = World::synced_with(cascading("web", FINALIZER), &[config_map("a", "1")]);
    world.seconds(600);
    world.faults = Box::new(|effect| {
        matches!(effect, Effect::Sweep { .. }).then(|| Fault::Refused(error(503, "ServiceUnavailable", "no")))
    });
    world.delete_application("web");
    world.seconds(600);
    assert!(world.has_application("web") && !world.exists("a"));
    world.faults = Box::new(|_| None);
    world.seconds(600);
    assert!(!world.has_application("web"));
}

#[test]
fn kinds_that_discovery_cannot_see_remove_no_finalizer() {
    let objects = [definition("Widget"), custom("Widget", "w")];
    let mut world = World::synced_with(cascading("web", FINALIZER), &objects);
    world.server.unreachable = vec!["example.com/v1".to_owned()];
    world.restart();
    world.run();
    world.delete_application("web");
    world.seconds(300);
    assert!(world.has_application("web"));
    world.server.unreachable.clear();
    world.seconds(600);
    assert!(!world.has_application("web"));
    assert!(world.server.get(&key("example.com", "Widget", "shop", "w")).is_none());
}

#[test]
fn failing_deletes_are_reported_and_tried_again() {
    let mut world = World::synced_with(cascading("web", FINALIZER), &[config_map("a", "1")]);
    world.faults =
        Box::new(|effect| is_delete(effect).then(|| Fault::Refused(error(403, "Forbidden", "you must not"))));
    world.delete_application("web");
    world.seconds(600);
    let conditions = world.conditions("web");
    assert_eq!(conditions.len(), 1);
    assert!(conditions[0].starts_with("DeletionError: ") && conditions[0].ends_with("you must not"), "{conditions:?}");
    let events = world.take(&["event"]);
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains("Unable to delete application resources: "));
    world.faults = Box::new(|_| None);
    world.seconds(120);
    assert!(!world.has_application("web") && !world.exists("a"));
}

#[test]
fn a_delete_that_crosses_a_change_is_decided_anew() {
    let mut world = World::synced_with(cascading("web", FINALIZER), &[config_map("a", "1")]);
    world.faults = Box::new(|effect| is_delete(effect).then_some(Fault::Held));
    world.delete_application("web");
    world.edit_map("a", "theirs");
    world.release();
    world.seconds(5);
    assert!(!world.has_application("web") && !world.exists("a"));
}

#[test]
fn a_restart_goes_on_with_the_deletion() {
    let objects = [config_map("a", "1"), in_wave(config_map("b", "1"), 1)];
    let mut world = World::synced_with(cascading("web", FINALIZER), &objects);
    world.faults = Box::new(|effect| is_delete(effect).then_some(Fault::Held));
    world.delete_application("web");
    world.restart();
    world.faults = Box::new(|_| None);
    world.seconds(30);
    assert!(!world.has_application("web") && !world.exists("a") && !world.exists("b"));
}

#[test]
fn a_running_operation_ends_with_the_deletion() {
    let mut world = World::new();
    world.server.rollouts = test_kit::sim::Rollouts::WhenTold;
    world.git.commit(&[("web", &[test_kit::sim::deployment("d", 1), in_wave(config_map("b", "1"), 1)])]);
    world.server.create(cascading("web", FINALIZER));
    world.start();
    world.seconds(5);
    world.delete_application("web");
    world.seconds(5);
    assert!(!world.has_application("web") && !world.exists("b"));
    assert!(world.server.get(&key("apps", "Deployment", "shop", "d")).is_none());
}

#[test]
fn an_object_that_another_application_renders_is_left_to_it() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1"), config_map("m", "1")]), ("next", &[config_map("m", "1")])]);
    world.server.create(cascading("web", FINALIZER));
    world.start();
    world.server.create(application_with("next", |_| ()));
    world.seconds(5);
    world.delete_application("web");
    world.seconds(5);
    assert!(!world.has_application("web") && !world.exists("a") && world.exists("m"));
    world.seconds(5);
    world.assert_well("next");
}

#[test]
fn after_a_restart_a_deletion_waits_until_it_is_known_what_others_render() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1"), config_map("m", "1")]), ("next", &[config_map("m", "1")])]);
    world.server.create(cascading("web", FINALIZER));
    world.start();
    world.server.create(application_with("next", |_| ()));
    world.seconds(400);
    world.server.edit(&key("argoproj.io", "Application", "argocd", "web"), "kubectl", |app| {
        app["metadata"]["deletionTimestamp"] = "2026-03-01T12:10:00Z".into();
    });
    world.faults = Box::new(|effect| matches!(effect, Effect::Render { .. }).then_some(Fault::Held));
    world.restart();
    world.seconds(30);
    assert!(world.exists("m"));
    world.release();
    world.seconds(30);
    assert!(!world.has_application("web") && !world.exists("a") && world.exists("m"));
    world.assert_well("next");
}

fn family() -> World {
    let child = |name: &str| {
        let mut app = cascading(name, FINALIZER);
        app["metadata"]["namespace"] = "argocd".into();
        app
    };
    let mut world = World::new();
    world.git.commit(&[
        ("root", &[child("one"), child("two")]),
        ("one", &[config_map("a", "1")]),
        ("two", &[config_map("b", "1")]),
    ]);
    world.server.create(cascading("root", FINALIZER));
    world.start();
    world.seconds(10);
    for name in ["root", "one", "two"] {
        world.assert_well(name);
    }
    world
}

#[test]
fn the_children_of_an_application_of_applications_go_with_their_objects() {
    let mut world = family();
    assert!(world.application("root").status.unwrap().summary.is_app_of_apps);
    world.delete_application("root");
    world.seconds(30);
    for name in ["root", "one", "two"] {
        assert!(!world.has_application(name), "{name}");
    }
    assert!(!world.exists("a") && !world.exists("b"));
}

#[test]
fn a_parent_and_its_children_are_at_rest() {
    let mut world = family();
    world.log.clear();
    world.seconds(3600);
    let log = world.take(&[""]);
    assert!(log.iter().all(|line| line == "poll"), "{log:#?}");
    world.edit_map("a", "x");
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    let log = world.take(&["apply", "write"]);
    assert!(log.iter().all(|line| !line.contains("root")), "{log:#?}");
}

#[test]
fn a_child_that_leaves_git_goes_with_its_objects() {
    let mut world = family();
    let kept = world.git.head()["root"][1].clone();
    world.commit(&[("root", &[kept])]);
    world.seconds(10);
    assert!(!world.has_application("one") && !world.exists("a"));
    assert!(world.has_application("two") && world.exists("b"));
    world.assert_well("root");
}

#[test]
fn an_application_of_the_same_name_starts_afresh() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    // The daemon does not hear of the deletion: its watch breaks, and it lists again.
    world
        .server
        .delete(
            &key("argoproj.io", "Application", "argocd", "web"),
            "",
            "",
            application_api::PropagationPolicy::Background,
        )
        .ok();
    world.git.commit(&[("web", &[config_map("b", "1")])]);
    world.server.create(application_with("web", |app| app["spec"]["syncPolicy"] = json!({})));
    world.server.take_told();
    world.break_watch(&kube_object::Gvk::new("argoproj.io", "v1alpha1", "Application"));
    world.push_webhook();
    world.seconds(5);
    assert_eq!(world.verdict("web"), "OutOfSync/Healthy");
    assert!(world.exists("a") && !world.exists("b"));
}

#[test]
fn an_object_that_another_application_moves_to_meanwhile_is_left_to_it() {
    let mut world = World::new();
    world.git.commit(&[("early", &[config_map("m", "1")]), ("web", &[config_map("m", "1")])]);
    world.server.create(cascading("early", FINALIZER));
    world.start();
    world.server.create(application_with("web", |app| app["spec"]["destination"]["namespace"] = "default".into()));
    world.seconds(60);
    world.assert_well("web");
    let app = |name| key("argoproj.io", "Application", "argocd", name);
    world.server.edit(&app("web"), "kubectl-edit", |app| app["spec"]["destination"]["namespace"] = "shop".into());
    assert!(world.server.delete(&app("early"), "", "", application_api::PropagationPolicy::Background).is_ok());
    // Both changes are seen together.
    let cluster = kube_object::ClusterId::in_cluster;
    let told = world.server.take_told().into_iter();
    world.handle(told.map(|(gvk, change)| Event::Watch { cluster: cluster(), gvk, change }).collect());
    world.seconds(10);
    assert!(!world.has_application("early") && world.exists("m"));
    assert!(!world.server.gone.contains(&map_key("m")));
    world.assert_well("web");
}

fn job(name: &str) -> kube_object::ObjectKey {
    key("batch", "Job", "shop", name)
}

/// An Application with hooks of its deletion, synced.
fn with_deletion_hooks(hooks: &[Value]) -> World {
    let mut objects = vec![config_map("a", "1")];
    objects.extend_from_slice(hooks);
    World::synced_with(cascading("web", FINALIZER), &objects)
}

fn finalizers(world: &World) -> Vec<String> {
    let mut finalizers = world.application("web").metadata.finalizers;
    finalizers.sort();
    finalizers
}

#[test]
fn hooks_of_deletion_run_before_and_after_the_objects_go() {
    let mut world = with_deletion_hooks(&[hook("before", "PreDelete"), hook("after", "PostDelete")]);
    assert_eq!(
        finalizers(&world),
        [
            "post-delete-finalizer.argocd.argoproj.io",
            "post-delete-finalizer.argocd.argoproj.io/cleanup",
            "pre-delete-finalizer.argocd.argoproj.io",
            "pre-delete-finalizer.argocd.argoproj.io/cleanup",
            FINALIZER,
        ]
    );
    assert!(world.server.get(&job("before")).is_none(), "a sync does not run them");
    world.delete_application("web");
    world.seconds(60);
    assert!(!world.has_application("web") && !world.exists("a"));
    let lines = world.take(&["apply", "delete", "patch"]);
    assert_eq!(
        lines,
        [
            "apply Job/before for web",
            "delete Foreground ConfigMap/a for web",
            "patch Job/before for web",
            "delete Foreground Job/before for web",
            "apply Job/after for web",
            "patch Job/after for web",
        ]
    );
    // What has no policy but the default is left behind, and nothing holds it.
    assert_eq!(world.server.get(&job("after")).unwrap().metadata().finalizers, Vec::<String>::new());
}

#[test]
fn hooks_that_leave_git_take_their_finalizers_with_them() {
    let mut world = with_deletion_hooks(&[hook("before", "PreDelete")]);
    world.commit(&[("web", &[config_map("a", "1")])]);
    world.seconds(30);
    assert_eq!(finalizers(&world), [FINALIZER]);
}

#[test]
fn a_failed_hook_keeps_the_objects_and_is_tried_again() {
    let fails = annotated(hook("before", "PreDelete"), "model/job", "fails");
    let mut world = with_deletion_hooks(&[fails]);
    world.delete_application("web");
    world.seconds(30);
    assert!(world.exists("a"));
    assert_eq!(world.conditions("web"), ["DeletionError: PreDelete hook(s) failed: shop/before"]);
    let tries = world.take(&["apply Job"]).len();
    assert!(tries > 1, "{tries}");
    world.commit(&[("web", &[config_map("a", "1"), hook("before", "PreDelete")])]);
    world.seconds(300);
    assert!(!world.has_application("web") && !world.exists("a"));
}

#[test]
fn policies_of_deletion_hooks_are_kept() {
    let goes = annotated(hook("after", "PostDelete"), "argocd.argoproj.io/hook-delete-policy", "HookSucceeded");
    let mut world = with_deletion_hooks(&[goes]);
    world.delete_application("web");
    world.seconds(60);
    assert!(!world.has_application("web") && world.server.get(&job("after")).is_none());
}

#[test]
fn what_holds_an_object_is_named() {
    let mut world = World::synced_with(cascading("web", FINALIZER), &[config_map("a", "1")]);
    world.server.edit(&map_key("a"), "guard", |map| map["metadata"]["finalizers"] = json!(["example.com/guard"]));
    world.delete_application("web");
    world.seconds(20);
    assert_eq!(world.conditions("web"), Vec::<String>::new());
    world.seconds(60);
    let conditions = world.conditions("web");
    assert!(
        conditions[0].contains("a cannot go before these finalizers are removed: example.com/guard"),
        "{conditions:?}"
    );
    world.server.edit(&map_key("a"), "guard", |map| map["metadata"]["finalizers"] = json!([]));
    world.seconds(5);
    assert!(!world.has_application("web"));
}

#[test]
fn a_hook_that_runs_when_its_application_goes_is_let_go() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1"), annotated(hook("before", "PreSync"), "model/job", "runs")])]);
    world.server.create(application_with("web", |_| {}));
    world.start();
    world.seconds(10);
    assert_eq!(world.server.get(&job("before")).unwrap().metadata().finalizers.len(), 1);
    world.delete_application("web");
    world.seconds(10);
    assert!(!world.has_application("web"));
    assert_eq!(world.server.get(&job("before")).unwrap().metadata().finalizers, Vec::<String>::new());
}
