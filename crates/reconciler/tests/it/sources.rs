//! Where desired state comes from, and what happens when it does not come.

use application_api::SourceType;
use kube_object::Stability;
use reconciler::RenderFailure;
use serde_json::json;
use test_kit::sim::{NEEDS, World, annotated, application, application_with, config_map, definition};

fn refresh(world: &mut World, kind: &str) {
    world.edit_application("web", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/refresh"] = kind.into();
        app["metadata"]["annotations"]["argocd.argoproj.io/refresh-timestamp"] = "2026-03-01T12:00:11Z".into();
    });
}

fn requested(world: &World) -> bool {
    world.application("web").requested_refresh().is_some()
}

#[test]
fn a_refresh_is_answered_after_a_fresh_poll() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    let commit = world.git.commit(&[("web", &[config_map("a", "2")])]);
    refresh(&mut world, "normal");
    assert!(!requested(&world));
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
    assert_eq!(world.application("web").status.unwrap().sync.revision, commit);
    let log = world.take(&["poll", "render"]);
    assert_eq!(log, ["poll", "render web"]);
}

#[test]
fn a_hard_refresh_renders_again_and_records_when() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.seconds(60);
    world.log.clear();
    refresh(&mut world, "hard");
    assert!(!requested(&world));
    let log = world.take(&["poll", "render", "write", "apply"]);
    assert_eq!((log[0].as_str(), log[1].as_str(), log.len()), ("poll", "render web", 3), "{log:?}");
    assert_eq!(world.application("web").status.unwrap().reconciled_at.unwrap().timestamp(), world.now);
}

#[test]
fn a_refresh_asked_for_while_another_is_answered_has_its_own_poll() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.faults =
        Box::new(|effect| matches!(effect, reconciler::Effect::Write { .. }).then_some(test_kit::sim::Fault::Held));
    refresh(&mut world, "normal");
    // The first refresh has polled and is about to be cleared; now there is a new commit and a new request.
    world.seconds(1);
    world.git.commit(&[("web", &[config_map("a", "2")])]);
    world.edit_application("web", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/refresh-timestamp"] = "2026-03-01T12:00:12Z".into();
    });
    world.release();
    world.run();
    assert!(!requested(&world));
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
}

#[test]
fn what_is_wrong_with_a_spec_is_said_and_nothing_is_applied() {
    let source = |change: fn(&mut serde_json::Value)| application_with("web", move |app| change(&mut app["spec"]));
    let cases = [
        (source(|spec| spec["project"] = "none".into()), "Application referencing project none which does not exist"),
        (
            source(|spec| spec["project"] = "strict".into()),
            "application repo https://git.example/shop.git is not permitted in project 'strict'",
        ),
        (
            source(|spec| spec["source"]["plugin"] = json!({"name": "x"})),
            "sources of type Plugin are not supported yet",
        ),
        (source(|spec| spec["source"]["path"] = "".into()), "spec.source.repoURL and either"),
        (source(|spec| spec["destination"]["server"] = "https://other".into()), "cluster https://other is not known"),
        (
            source(|spec| spec["syncPolicy"]["syncOptions"] = json!(["RespectIgnoreDifferences=true"])),
            "sync option RespectIgnoreDifferences=true",
        ),
        (source(|spec| spec["source"] = json!(7)), "spec.source"),
    ];
    for (application, expected) in cases {
        let mut world = World::new();
        world.git.commit(&[("web", &[config_map("a", "1")])]);
        world.server.create(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": "strict", "namespace": "argocd"},
            "spec": {"sourceRepos": [], "destinations": [{"server": "*", "namespace": "*"}]},
        }));
        world.server.create(application.clone());
        world.start();
        world.seconds(30);
        assert_eq!(world.take(&["apply"]), Vec::<String>::new(), "{expected}");
        if application["spec"]["source"].is_object() {
            assert_eq!(world.verdict("web"), "Unknown/Unknown", "{expected}");
            let conditions = world.conditions("web");
            let said = conditions.iter().any(|line| line.starts_with("InvalidSpecError: ") && line.contains(expected));
            assert!(said, "{expected}: {conditions:?}");
        }
        // Once it is right, the Application goes on by itself.
        world.edit_application("web", |app| {
            app["spec"] = test_kit::sim::application("web")["spec"].clone();
        });
        world.seconds(5);
        world.assert_well("web");
        assert_eq!(world.conditions("web"), Vec::<String>::new());
    }
}

#[test]
fn a_project_that_comes_later_wakes_its_applications() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application_with("web", |app| app["spec"]["project"] = "late".into()));
    world.start();
    world.server.create(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "late", "namespace": "argocd"},
        "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "shop"}]},
    }));
    world.seconds(1);
    world.assert_well("web");
}

#[test]
fn an_object_that_the_project_refuses_fails_the_sync() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1"), config_map("b", "1")])]);
    world.server.create(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "small", "namespace": "argocd"},
        "spec": {
            "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "shop"}],
            "namespaceResourceBlacklist": [{"group": "", "kind": "ConfigMap"}],
        },
    }));
    world.server.create(application_with("web", |app| app["spec"]["project"] = "small".into()));
    world.start();
    world.seconds(600);
    assert_eq!(world.take(&["apply"]), Vec::<String>::new());
    assert_eq!(world.verdict("web"), "OutOfSync/Missing");
    let told = "one or more synchronization tasks are not valid: resource :ConfigMap is not permitted in project small";
    assert_eq!(world.operation_message("web"), format!("{told} (retried 5 times)."));
}

#[test]
fn an_object_without_a_name_is_refused() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.commit(&[("web", &[config_map("a", "2"), nameless()])]);
    world.seconds(300);
    assert_eq!(world.take(&["apply", "delete"]), Vec::<String>::new());
    let conditions = world.conditions("web");
    assert!(
        conditions[0].starts_with("InvalidSpecError: ") && conditions[0].contains("has no metadata.name"),
        "{conditions:?}"
    );
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(1);
    world.assert_well("web");
}

fn problem(world: &World) -> bool {
    world.conditions("web").iter().any(|line| {
        line.starts_with(
            "ComparisonError: Failed to load target state: failed to generate manifest for source 1 of 1: ",
        )
    })
}

/// Fails, waits out the grace period, heals meanwhile, prunes nothing, and recovers.
fn check_failing_source(fail: fn(&mut World), recover: fn(&mut World)) {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1")]);
    fail(&mut world);
    world.commit(&[("web", &[config_map("a", "1")])]);
    world.seconds(170);
    world.assert_well("web");
    assert!(!problem(&world));
    world.edit_map("a", "x");
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    world.seconds(130);
    assert!(problem(&world), "{:?}", world.conditions("web"));
    assert_eq!(world.verdict("web"), "Unknown/Healthy");
    world.edit_map("a", "y");
    world.seconds(5);
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    assert!(world.exists("b"));
    // A restart in between does not forget the last good commit.
    recover(&mut world);
    world.seconds(300);
    world.assert_well("web");
    assert!(!world.exists("b") && !problem(&world));
}

#[test]
fn a_failing_repository_leaves_the_last_good_commit_in_force() {
    check_failing_source(
        |world| world.git.failure = Some("connection refused".to_owned()),
        |world| world.git.failure = None,
    );
}

#[test]
fn a_commit_that_cannot_be_read_leaves_the_last_good_one_in_force() {
    check_failing_source(
        |world| _ = world.git.broken.insert("web".to_owned(), RenderFailure::Unavailable("late".to_owned())),
        |world| world.git.broken.clear(),
    );
}

#[test]
fn a_commit_that_does_not_render_leaves_the_last_good_one_in_force() {
    check_failing_source(
        |world| _ = world.git.broken.insert("web".to_owned(), RenderFailure::Content("all.yaml:3: no".to_owned())),
        |world| {
            world.git.broken.clear();
            let head = world.git.head()["web"].clone();
            world.commit(&[("web", &head)]);
        },
    );
}

#[test]
fn after_a_restart_the_recorded_commit_is_in_force_while_the_repository_fails() {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1")]);
    world.git.commit(&[("web", &[config_map("a", "2")])]);
    world.git.failure = Some("connection refused".to_owned());
    world.restart();
    world.run();
    world.edit_map("a", "x");
    world.seconds(600);
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    assert!(world.exists("b") && problem(&world));
    world.git.failure = None;
    world.seconds(120);
    world.assert_well("web");
    assert_eq!((world.map_value("a").as_deref(), world.exists("b")), (Some("2"), false));
}

#[test]
fn a_new_application_of_a_failing_repository_says_so_at_once() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.git.failure = Some("connection refused".to_owned());
    world.server.create(application("web"));
    world.start();
    assert!(problem(&world));
    assert_eq!(world.verdict("web"), "Unknown/Unknown");
    world.seconds(600);
    assert!(world.take(&["write"]).len() <= 2);
    world.git.failure = None;
    world.seconds(120);
    world.assert_well("web");
}

#[test]
fn another_source_is_another_desired_state() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.git.commit(&[("next", &[config_map("b", "1")])]);
    world.push_webhook();
    world.edit_application("web", |app| app["spec"]["source"]["path"] = "next".into());
    world.seconds(5);
    world.assert_well("web");
    assert_eq!((world.exists("a"), world.exists("b")), (false, true));
    assert_eq!(world.application("web").status.unwrap().sync.compared_to.source.path, "next");
}

#[test]
fn a_repository_that_nobody_needs_is_not_polled_any_more() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    // The poll is under way when the Application goes.
    world.faults =
        Box::new(|effect| matches!(effect, reconciler::Effect::PollRepo { .. }).then_some(test_kit::sim::Fault::Held));
    world.push_webhook();
    world.delete_application("web");
    world.release();
    world.run();
    world.log.clear();
    world.seconds(3600);
    assert_eq!(world.take(&["poll"]), Vec::<String>::new());
    world.server.create(application("web"));
    world.seconds(5);
    world.assert_well("web");
}

#[test]
fn another_project_is_asked_what_it_permits() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.server.create(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "small", "namespace": "argocd"},
        "spec": {
            "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "shop"}],
            "namespaceResourceBlacklist": [{"group": "", "kind": "ConfigMap"}],
        },
    }));
    world.run();
    world.edit_application("web", |app| app["spec"]["project"] = "small".into());
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(1);
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    assert!(world.operation_message("web").contains("resource :ConfigMap is not permitted in project small"));
    world.edit_application("web", |app| app["spec"]["project"] = "default".into());
    world.seconds(30);
    world.assert_well("web");
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
}

#[test]
fn a_chart_is_rendered_anew_when_the_cluster_serves_another_kind() {
    let extra = || annotated(config_map("extra", "1"), NEEDS, "example.com/v1/Widget");
    for (source, starts_with, ends_with) in [("helm", false, true), ("directory", true, true)] {
        let application = application_with("web", |app| app["spec"]["source"][source] = json!({}));
        let mut world = World::synced_with(application, &[config_map("a", "1"), extra()]);
        assert_eq!(world.exists("extra"), starts_with, "{source}");
        world.take(&[""]);
        world.server.create(definition("Widget"));
        world.seconds(30);
        world.assert_well("web");
        assert_eq!(world.exists("extra"), ends_with, "{source}");
        let renders = world.take(&["render"]).len();
        assert_eq!(renders > 0, source == "helm", "{source} was rendered {renders} times");
        let expected = if source == "helm" { SourceType::Helm } else { SourceType::Directory };
        assert_eq!(world.application("web").status.unwrap().source_type, Some(expected));
        // Where settings of tools change, everything is asked for once more.
        world.set_settings(&[("kustomize.buildOptions", "--load-restrictor LoadRestrictionsNone")]);
        world.run();
        assert_eq!(world.take(&["render"]).len(), 1, "{source}");
        // It rests again.
        world.seconds(300);
        assert_eq!(world.take(&["render", "apply", "write"]), [""; 0], "{source}");
    }
}

#[test]
fn a_chart_is_rendered_anew_though_discovery_lags_behind_the_definition() {
    let extra = annotated(config_map("extra", "1"), NEEDS, "example.com/v1/Widget");
    let application = application_with("web", |app| app["spec"]["source"]["helm"] = json!({}));
    let mut world = World::synced_with(application, &[config_map("a", "1"), extra]);
    world.server.create(definition("Widget"));
    // The definition is there and established, and the answer is still the old one.
    world.server.lagging = vec!["example.com/v1".to_owned()];
    world.run();
    assert!(!world.exists("extra"));
    world.server.lagging.clear();
    world.seconds(30);
    world.assert_well("web");
    assert!(world.exists("extra"));
    world.take(&[""]);
    world.seconds(300);
    assert_eq!(world.take(&["discover"]), [""; 0]);
}

#[test]
fn a_chart_that_renders_differently_each_time_is_told() {
    let application = application_with("web", |app| app["spec"]["source"]["helm"] = json!({}));
    let mut world = World::synced_with(application, &[config_map("a", "1")]);
    let told = |world: &World| world.conditions("web").iter().any(|line| line.starts_with("UnstableRenderWarning: "));
    for (stability, expected) in [(Stability::Unstable, true), (Stability::Stable, false)] {
        world.git.stability = stability;
        world.commit(&[("other", &[config_map("b", "1")])]);
        world.seconds(1);
        assert_eq!(told(&world), expected, "{stability:?}");
        assert_eq!(world.verdict("web"), "Synced/Healthy");
    }
}

#[test]
fn a_chart_loses_nothing_because_a_group_cannot_be_reached() {
    let extra = annotated(config_map("extra", "1"), NEEDS, "example.com/v1/Widget");
    let mut world = World::synced_with(
        application_with("web", |app| app["spec"]["source"]["helm"] = json!({})),
        &[config_map("a", "1"), extra],
    );
    world.server.create(definition("Widget"));
    world.seconds(30);
    assert!(world.exists("extra"));
    // Another daemon begins while the group does not answer.
    world.server.unreachable = vec!["example.com/v1".to_owned()];
    world.restart();
    world.seconds(300);
    assert!(world.exists("extra"));
    assert_eq!(world.verdict("web"), "OutOfSync/Healthy");
    world.server.unreachable.clear();
    world.seconds(300);
    world.assert_well("web");
    assert!(world.exists("extra"));
}

#[test]
fn a_render_that_overruns_is_tried_again_after_long() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.git.broken.insert("web".to_owned(), RenderFailure::Overrun("rendering took longer than 60 s".to_owned()));
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(50);
    assert_eq!(world.take(&["render"]).len(), 1);
    world.seconds(3600);
    assert!(world.conditions("web").iter().any(|line| line.contains("rendering took longer than 60 s")));
    let tries = world.take(&["render"]).len();
    assert!((2..=4).contains(&tries), "{tries} tries in an hour");
    world.git.broken.clear();
    world.seconds(3700);
    world.assert_well("web");
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
}

#[test]
fn a_verified_commit_is_not_taken_from_an_application_that_changes_meanwhile() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.faults =
        Box::new(|effect| matches!(effect, reconciler::Effect::Render { .. }).then_some(test_kit::sim::Fault::Held));
    let commit = world.commit(&[("other", &[config_map("b", "1")])]);
    refresh(&mut world, "normal");
    world.release();
    world.run();
    assert!(!requested(&world));
    assert_eq!(world.application("web").status.unwrap().sync.revision, commit);
    assert_eq!(world.take(&["verified"]), [""; 0]);
}

/// An object that only a hook could be: its name is generated.
fn nameless() -> serde_json::Value {
    let mut object = config_map("", "1");
    object["metadata"] = json!({"generateName": "h-"});
    object
}
