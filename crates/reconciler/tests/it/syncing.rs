//! From a new Application to one that is as Git says, and how little that takes.

use application_api::OperationPhase;
use reconciler::{Effect, Event, Leadership};
use serde_json::json;
use test_kit::sim::{
    Establishing, Fault, Rollouts, World, application, application_with, config_map, custom, definition, deployment,
    error, in_wave, key, service_account,
};

#[test]
fn a_new_application_becomes_synced_with_two_writes_and_one_request_an_object() {
    let mut world = World::new();
    let commit = world.git.commit(&[("web", &[config_map("a", "1"), service_account("b")])]);
    world.server.create(application("web"));
    world.start();
    world.assert_well("web");
    let log = world.take(&["write", "apply", "try", "get", "event", "delete"]);
    let count = |start: &str| log.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("write web"), count("apply"), count("event")), (2, 2, 2), "{log:#?}");
    assert_eq!(log.len(), 6, "{log:#?}");
    let status = world.application("web").status.unwrap();
    let state = status.operation_state.unwrap();
    assert_eq!(state.phase, OperationPhase::Succeeded);
    assert_eq!(state.message, "successfully synced (all tasks run)");
    assert!(state.finished_at.is_some() && state.operation.initiated_by.automated);
    let result = state.sync_result.unwrap();
    assert_eq!((result.revision.as_str(), result.resources.len()), (commit.as_str(), 2));
    assert_eq!(status.history.len(), 1);
    assert_eq!((status.history[0].id, status.history[0].revision.as_str()), (0, commit.as_str()));
    assert_eq!((status.sync.revision.as_str(), status.resources.len()), (commit.as_str(), 2));
    assert!(world.application("web").operation.is_none());
}

#[test]
fn a_restart_with_everything_in_sync_writes_nothing() {
    let mut world = World::synced("web", &[config_map("a", "1"), deployment("b", 2)]);
    world.restart();
    world.seconds(600);
    world.assert_well("web");
    assert_eq!(world.take(&["write", "apply", "try", "get", "event", "delete", "sweep"]), Vec::<String>::new());
}

#[test]
fn a_commit_that_changes_nothing_here_writes_nothing() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    let commit = world.commit(&[("other", &[config_map("z", "1")])]);
    assert_eq!(world.take(&[""]), ["poll", "render web", &format!("verified web {commit}")]);
    // It is in force as before: drift from it is healed, and the next commit is applied.
    world.edit_map("a", "drifted");
    world.seconds(10);
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(10);
    world.assert_well("web");
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
}

#[test]
fn a_commit_that_changes_one_object_syncs_that_object() {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("b", "1"), deployment("c", 1)]);
    let commit = world.commit(&[("web", &[config_map("a", "1"), config_map("b", "2"), deployment("c", 1)])]);
    world.assert_well("web");
    assert_eq!(world.map_value("b").as_deref(), Some("2"));
    let log = world.take(&["write", "apply", "try", "get", "delete"]);
    assert_eq!(log.iter().filter(|line| !line.starts_with("write")).collect::<Vec<_>>(), ["apply ConfigMap/b for web"]);
    assert_eq!(log.len(), 3, "{log:#?}");
    let status = world.application("web").status.unwrap();
    assert_eq!(status.sync.revision, commit);
    assert_eq!(status.history.iter().map(|entry| entry.id).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn an_idle_hour_is_polls_and_nothing_else() {
    let mut world = World::synced("web", &[config_map("a", "1"), deployment("b", 1)]);
    world.seconds(3600);
    let log = world.take(&[""]);
    assert!(log.iter().all(|line| line == "poll"), "{log:#?}");
    // The interval is 120 s with a jitter of up to a quarter of it.
    assert!((24..=30).contains(&log.len()), "{}", log.len());
}

#[test]
fn nothing_is_written_while_another_daemon_leads() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application("web"));
    world.begin(Leadership::Following { holder: "other".to_owned() });
    world.seconds(600);
    let log = world.take(&["write", "apply", "delete", "create", "reread", "event", "sweep", "poll", "render"]);
    assert_eq!(log, Vec::<String>::new());
    world.handle(vec![Event::Leadership(Leadership::Leading)]);
    world.run();
    world.assert_well("web");
    world.handle(vec![Event::Leadership(Leadership::Following { holder: "other".to_owned() })]);
    world.log.clear();
    world.edit_map("a", "x");
    assert_eq!(world.take(&["write", "apply"]), Vec::<String>::new());
}

#[test]
fn a_wave_waits_until_the_one_before_is_healthy() {
    let mut world = World::new();
    world.server.rollouts = Rollouts::WhenTold;
    world.git.commit(&[("web", &[in_wave(config_map("b", "1"), 1), deployment("a", 1)])]);
    world.server.create(application("web"));
    world.start();
    world.seconds(300);
    assert!(!world.exists("b"));
    assert_eq!(world.phase("web"), Some(OperationPhase::Running));
    assert_eq!(world.operation_message("web"), "waiting for healthy state of apps/Deployment/a");
    world.server.roll_out(&key("apps", "Deployment", "shop", "a"));
    world.run();
    assert!(world.exists("b"));
    world.assert_well("web");
    assert_eq!(world.phase("web"), Some(OperationPhase::Succeeded));
}

#[test]
fn waves_are_apart_by_the_time_that_the_settings_give() {
    let mut world = World::new();
    world.git.commit(&[("web", &[in_wave(config_map("b", "1"), 1), config_map("a", "1")])]);
    world.server.create(application("web"));
    world.start();
    assert_eq!((world.exists("a"), world.exists("b")), (true, false));
    world.seconds(1);
    assert!(!world.exists("b"));
    world.seconds(1);
    assert!(world.exists("b"));
    world.assert_well("web");
}

#[test]
fn a_killed_daemon_goes_on_where_the_waves_were() {
    let mut world = World::new();
    world.server.rollouts = Rollouts::WhenTold;
    world.git.commit(&[("web", &[in_wave(config_map("b", "1"), 1), deployment("a", 1)])]);
    world.server.create(application("web"));
    world.start();
    let started_at = world.application("web").status.unwrap().operation_state.unwrap().started_at;
    world.seconds(60);
    world.restart();
    world.server.roll_out(&key("apps", "Deployment", "shop", "a"));
    world.log.clear();
    world.run();
    world.seconds(2);
    world.assert_well("web");
    assert_eq!(world.take(&["apply", "try", "get"]), ["apply ConfigMap/b for web"]);
    assert_eq!(world.application("web").status.unwrap().operation_state.unwrap().started_at, started_at);
}

#[test]
fn the_namespace_is_created_first_when_that_is_asked_for() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application_with("web", |app| {
        app["spec"]["destination"]["namespace"] = "new".into();
        app["spec"]["syncPolicy"]["syncOptions"] = json!(["CreateNamespace=true"]);
    }));
    world.start();
    world.seconds(5);
    world.assert_well("web");
    let log = world.take(&["create N", "apply"]);
    assert_eq!(log, ["create Namespace/new for web", "apply ConfigMap/a for web"]);
    // It is no object of the Application: nothing prunes it.
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(600);
    world.assert_well("web");
    assert_eq!(world.take(&["delete"]), Vec::<String>::new());
}

#[test]
fn a_missing_namespace_fails_the_sync() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application_with("web", |app| {
        app["spec"]["destination"]["namespace"] = "new".into();
        app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0});
    }));
    world.start();
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert_eq!(
        world.operation_message("web"),
        "one or more objects failed to apply, reason: namespaces \"new\" not found"
    );
}

#[test]
fn an_object_waits_for_the_kind_that_the_same_application_defines() {
    let mut world = World::new();
    world.server.establishing = Establishing::WhenTold;
    world.git.commit(&[("web", &[custom("Widget", "w"), definition("Widget")])]);
    world.server.create(application("web"));
    world.start();
    world.seconds(10);
    assert_eq!(world.phase("web"), Some(OperationPhase::Running));
    assert_eq!(world.operation_message("web"), "waiting for the API server to serve example.com/Widget");
    world.server.establish("widgets.example.com");
    world.run();
    world.seconds(5);
    world.assert_well("web");
    assert!(world.server.get(&key("example.com", "Widget", "shop", "w")).is_some());
    let applied = world.take(&["apply"]);
    assert_eq!(applied, ["apply CustomResourceDefinition/widgets.example.com for web", "apply Widget/w for web"]);
    world.restart();
    world.seconds(60);
    world.assert_well("web");
    assert_eq!(world.take(&["apply", "write"]), Vec::<String>::new());
}

#[test]
fn a_kind_whose_storage_is_not_ready_yet_fails_no_sync() {
    let mut world = World::new();
    world.git.commit(&[("web", &[custom("Widget", "w"), definition("Widget")])]);
    world.server.create(application("web"));
    world.faults = Box::new(|effect| {
        let is_widget = matches!(effect, Effect::StartWatch { resource, .. } if resource.gvk.kind == "Widget");
        is_widget.then(|| Fault::Refused(error(429, "TooManyRequests", "storage is (re)initializing")))
    });
    world.start();
    world.seconds(5);
    world.assert_well("web");
    assert_eq!(world.application("web").status.unwrap().operation_state.unwrap().retry_count, 0);
}

#[test]
fn an_unknown_kind_fails_the_sync_until_it_is_served() {
    let mut world = World::new();
    world.git.commit(&[("web", &[custom("Widget", "w"), config_map("a", "1")])]);
    world.server.create(application_with("web", |app| app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0})));
    world.start();
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert!(world.operation_message("web").starts_with(
        "one or more synchronization tasks are not valid: The Kubernetes API could not find example.com/Widget for requested \
         resource shop/w."
    ));
    assert!(!world.exists("a"));
    world.server.create(definition("Widget"));
    world.seconds(120);
    world.commit(&[("web", &[custom("Widget", "w"), config_map("a", "2")])]);
    world.seconds(5);
    world.assert_well("web");
}

#[test]
fn reconciliation_can_be_switched_off_for_one_application() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.edit_application("web", |app| {
        app["metadata"]["annotations"]["argocd.argoproj.io/skip-reconcile"] = "true".into();
    });
    world.edit_map("a", "x");
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(600);
    assert_eq!(world.take(&["write", "apply", "render"]), Vec::<String>::new());
    world.edit_application("web", |app| app["metadata"]["annotations"] = json!({}));
    world.assert_well("web");
    assert_eq!(world.map_value("a").as_deref(), Some("2"));
}

#[test]
fn a_kind_that_is_gone_while_discovery_still_names_it_does_not_keep_the_daemon_busy() {
    let mut world = World::synced("web", &[config_map("a", "1"), definition("Widget"), custom("Widget", "w")]);
    world.server.ghosts = vec![kube_object::Gvk::new("example.com", "v1", "Widget")];
    world.server.establishing = Establishing::WhenTold;
    let definition = key("apiextensions.k8s.io", "CustomResourceDefinition", "", "widgets.example.com");
    let _ = world.server.delete(&definition, "", "", application_api::PropagationPolicy::Background);
    world.seconds(60);
    let log = world.take(&["watch", "discover"]);
    assert!(log.len() < 200, "{}", log.len());
    world.server.ghosts.clear();
    world.server.establish("widgets.example.com");
    world.seconds(300);
    world.assert_well("web");
}

#[test]
fn kinds_that_discovery_loses_sight_of_are_still_known() {
    let widget = |size: i64| {
        let mut widget = custom("Widget", "w");
        widget["spec"]["size"] = size.into();
        widget
    };
    let mut world = World::new();
    world.server.create(definition("Widget"));
    world.git.commit(&[("web", &[widget(1), definition("Thing")])]);
    world.server.create(application("web"));
    world.start();
    world.seconds(5);
    world.assert_well("web");
    world.server.unreachable = vec!["example.com/v1".to_owned()];
    // Any other new kind makes the daemon ask again what is served.
    world.server.create(definition("Gadget"));
    world.seconds(60);
    world.commit(&[("web", &[widget(2), definition("Thing")])]);
    world.seconds(60);
    world.assert_well("web");
    // A daemon that has just started does not know them: it neither says that they are missing nor syncs.
    world.restart();
    world.log.clear();
    world.commit(&[("web", &[widget(3), definition("Thing")])]);
    world.seconds(60);
    assert_eq!(world.take(&["apply", "delete"]), Vec::<String>::new());
    let conditions = world.conditions("web");
    assert!(
        conditions[0].starts_with("ComparisonError: Failed to load live state: example.com/Widget: "),
        "{conditions:?}"
    );
    world.server.unreachable.clear();
    world.seconds(120);
    world.assert_well("web");
}

#[test]
fn a_new_leader_learns_of_kinds_that_came_while_it_followed() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.stand_by();
    world.run();
    let defined = [config_map("a", "1"), definition("Widget")];
    world.commit(&[("web", &[defined.as_slice(), &[custom("Widget", "w")]].concat())]);
    world.seconds(10);
    world.assert_well("web");
    world.git.commit(&[("web", &defined)]);
    world.faults = Box::new(|effect| matches!(effect, Effect::Discover(_)).then_some(Fault::Held));
    world.hand_over();
    world.seconds(5);
    world.release();
    world.seconds(10);
    world.assert_well("web");
    assert!(world.server.get(&key("example.com", "Widget", "shop", "w")).is_none());
}
