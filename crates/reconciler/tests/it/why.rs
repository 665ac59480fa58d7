//! Every reason there is, brought about, and what it says ends the wait ends it.

use application_api::{Reason, Wake};
use jiff::SignedDuration;
use reconciler::{Call, Effect, Event, Leadership, RenderFailure};
use serde_json::{Value, json};
use test_kit::sim::{
    Fault, World, annotated, app_key, application, application_with, config_map, custom, definition, error, hook, key,
    map_key,
};

/// What the loop does when a wait for a time is over.
const ACTS: [&str; 4] = ["poll", "write", "apply", "delete"];
const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// A world in which a reason holds for the Application `web` or an object of it, and what ends it.
struct Scenario {
    world: World,
    ends: Option<fn(&mut World)>,
}

/// One scenario a variant. The match makes a variant without one fail to compile.
macro_rules! scenarios {
    ($($variant:ident => $scenario:expr;)+) => {
        fn scenarios() -> Vec<(&'static str, fn() -> Scenario)> {
            let _ = |reason: &Reason| match reason { $(Reason::$variant { .. } => (),)+ };
            vec![$((stringify!($variant), $scenario)),+]
        }
    };
}

scenarios! {
    Following => following;
    SkipReconcile => || edited(World::synced("web", &[config_map("a", "1")]),
        |app| app["metadata"]["annotations"]["argocd.argoproj.io/skip-reconcile"] = "true".into(),
        |world| world.edit_application("web", |app| app["metadata"]["annotations"] = json!({})));
    CachesFilling => || held(|effect| matches!(effect, Effect::StartWatch { resource, .. } if resource.gvk.kind == "AppProject"));
    InvalidSpec => || edited(World::synced("web", &[config_map("a", "1")]), |app| app["spec"]["project"] = "none".into(),
        |world| world.edit_application("web", |app| app["spec"]["project"] = "default".into()));
    ResolvingRevision => || held(|effect| matches!(effect, Effect::PollRepo { .. }));
    RepositoryFailed => repository_failed;
    RevisionUnknown => || started(application_with("web", |app| app["spec"]["source"]["targetRevision"] = "v9".into()),
        |world| world.edit_application("web", |app| app["spec"]["source"]["targetRevision"] = "HEAD".into()));
    Rendering => || held(|effect| matches!(effect, Effect::Render { .. }));
    RenderFailed => render_failed;
    ListingKinds => || held(|effect| matches!(effect, Effect::StartWatch { resource, .. } if resource.gvk.kind == "ConfigMap"));
    Sweeping => || held(|effect| matches!(effect, Effect::Sweep { .. }));
    DryRunning => dry_running;
    Synced => || settled(World::synced("web", &[config_map("a", "1")]));
    AutoSyncOff => || started(manual(), request_sync);
    NothingToSync => nothing_to_sync;
    DesiredInDoubt => desired_in_doubt;
    PruneOff => prune_off;
    WouldWipeOut => || committed(World::synced("web", &[config_map("a", "1")]), &[], commit_one);
    LastSyncFailed => || refused(json!({"limit": 0, "backoff": {"maxDuration": "20s"}}));
    SelfHealOff => self_heal_off;
    SelfHealBackoff => self_heal_backoff;
    PrunesHeld => prunes_held;
    BlockedByWindow => blocked_by_window;
    BlockedByDependencies => blocked_by_dependencies;
    OperationRunning => || held(|effect| is_call(effect, |call| matches!(call, Call::Apply { .. })));
    RetryWaiting => || refused(json!({"limit": 2, "backoff": {"duration": "20s"}}));
    Deleting => deleting;
    DependentsDeleting => dependents_deleting;
    DeletionFailed => deletion_failed;
    DeletionUnapproved => deletion_unapproved;
    FinalizersOfOthers => finalizers_of_others;
    WriteFailed => write_failed;
    ObjectSame => || settled(World::synced("web", &[config_map("a", "1")]));
    ObjectOwnershipOnly => ownership_only;
    ObjectDifferent => || { let mut scenario = self_heal_off(); scenario.ends = None; scenario };
    ObjectMissing => || { let mut scenario = started(manual(), request_sync); scenario.ends = None; scenario };
    ObjectRequiresPruning => || { let mut scenario = prune_off(); scenario.ends = None; scenario };
    ObjectKept => || { let mut scenario = nothing_to_sync(); scenario.ends = None; scenario };
    ObjectIsHook => || settled(World::synced("web", &[config_map("a", "1"), hook("job", "PostSync")]));
    ObjectDeleting => object_deleting;
    ObjectShared => shared;
    ObjectHandedOver => handed_over;
    ObjectNotPermitted => not_permitted;
    ObjectKindUnknown => kind_unknown;
    ObjectInvalid => invalid;
}

fn settled(world: World) -> Scenario {
    Scenario { world, ends: None }
}

fn edited(mut world: World, edit: fn(&mut Value), ends: fn(&mut World)) -> Scenario {
    world.edit_application("web", edit);
    Scenario { world, ends: Some(ends) }
}

fn committed(mut world: World, objects: &[Value], ends: fn(&mut World)) -> Scenario {
    world.commit(&[("web", objects)]);
    world.seconds(5);
    Scenario { world, ends: Some(ends) }
}

/// Starts on an Application that nobody has seen before, with one object in Git.
fn begun(application: Value, faults: fn(&Effect) -> Option<Fault>) -> World {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application);
    world.faults = Box::new(faults);
    world.start();
    world
}

fn started(application: Value, ends: fn(&mut World)) -> Scenario {
    let mut world = begun(application, |_| None);
    world.seconds(30);
    Scenario { world, ends: Some(ends) }
}

/// Starts with the effects held that a function names; letting them go ends the wait.
fn held(which: fn(&Effect) -> bool) -> Scenario {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application("web"));
    world.faults = Box::new(move |effect| which(effect).then_some(Fault::Held));
    world.start();
    Scenario { world, ends: Some(World::release) }
}

fn is_call(effect: &Effect, is_meant: fn(&Call) -> bool) -> bool {
    matches!(effect, Effect::Request { request, .. } if is_meant(&request.call))
}

fn manual() -> Value {
    application_with("web", |app| app["spec"]["syncPolicy"] = json!({}))
}

fn automated(policy: Value) -> Value {
    application_with("web", |app| app["spec"]["syncPolicy"]["automated"] = policy)
}

fn request_sync(world: &mut World) {
    world.edit_application("web", |app| app["operation"] = json!({"sync": {"prune": true}}));
}

fn commit_one(world: &mut World) {
    world.commit(&[("web", &[config_map("a", "9")])]);
}

fn following() -> Scenario {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.server.create(application("web"));
    world.begin(Leadership::Following { holder: "pod-1".to_owned() });
    world.run();
    Scenario { world, ends: Some(|world| world.handle(vec![Event::Leadership(Leadership::Leading)])) }
}

fn repository_failed() -> Scenario {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.git.failure = Some("no answer".to_owned());
    world.server.create(application("web"));
    world.start();
    // It fails again, in the same way.
    world.seconds(30);
    Scenario { world, ends: Some(|world| world.git.failure = None) }
}

fn render_failed() -> Scenario {
    let mut world = World::new();
    world.git.commit(&[("web", &[])]);
    world.git.broken.insert("web".to_owned(), RenderFailure::Content("web/a.yaml:3: no kind".to_owned()));
    world.server.create(application("web"));
    world.start();
    let ends = |world: &mut World| {
        world.git.broken.clear();
        commit_one(world);
    };
    Scenario { world, ends: Some(ends) }
}

fn dry_running() -> Scenario {
    let mut world = World::synced_with(automated(json!({})), &[config_map("a", "1")]);
    world.faults =
        Box::new(|effect| is_call(effect, |call| matches!(call, Call::DryRun { .. })).then_some(Fault::Held));
    commit_one(&mut world);
    Scenario { world, ends: Some(World::release) }
}

fn nothing_to_sync() -> Scenario {
    let kept = annotated(config_map("b", "1"), "argocd.argoproj.io/sync-options", "Prune=false");
    let world = World::synced("web", &[config_map("a", "1"), kept.clone()]);
    committed(world, &[config_map("a", "1")], |world| {
        let kept = annotated(config_map("b", "1"), "argocd.argoproj.io/sync-options", "Prune=false");
        world.commit(&[("web", &[config_map("a", "1"), kept])]);
    })
}

fn desired_in_doubt() -> Scenario {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.git.broken.insert("web".to_owned(), RenderFailure::Content("web/a.yaml:3: no kind".to_owned()));
    world.commit(&[("web", &[config_map("a", "1")])]);
    let mut extra = annotated(config_map("b", "1"), "argocd.argoproj.io/tracking-id", "web:/ConfigMap:shop/b");
    extra["metadata"]["namespace"] = "shop".into();
    world.server.create(extra);
    world.seconds(5);
    let ends = |world: &mut World| {
        world.git.broken.clear();
        commit_one(world);
    };
    Scenario { world, ends: Some(ends) }
}

fn prune_off() -> Scenario {
    let world = World::synced_with(automated(json!({})), &[config_map("a", "1"), config_map("b", "1")]);
    committed(world, &[config_map("a", "1")], request_sync)
}

/// Applies are refused; with the time of the next attempt they are not any more.
fn refused(retry: Value) -> Scenario {
    let mut app = application("web");
    app["spec"]["syncPolicy"]["retry"] = retry;
    let refuse = |effect: &Effect| {
        is_call(effect, |call| matches!(call, Call::Apply { .. }))
            .then(|| Fault::Refused(error(422, "Invalid", "a is wrong")))
    };
    let mut world = begun(app, refuse);
    world.seconds(5);
    Scenario { world, ends: Some(|world| world.faults = Box::new(|_| None)) }
}

fn self_heal_off() -> Scenario {
    let mut world = World::synced_with(automated(json!({})), &[config_map("a", "1")]);
    world.edit_map("a", "x");
    world.seconds(5);
    Scenario { world, ends: Some(request_sync) }
}

fn self_heal_backoff() -> Scenario {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    for round in 0..40 {
        if world.map_value("a").as_deref() == Some("1") {
            world.server.edit(&map_key("a"), "rival", |map| map["data"]["key"] = format!("x{round}").into());
        }
        world.run();
    }
    Scenario { world, ends: Some(|_| {}) }
}

fn prunes_held() -> Scenario {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("m", "1")]);
    world.server.create(application("other"));
    world.commit(&[("other", &[config_map("o", "1")])]);
    world.seconds(5);
    world.faults = Box::new(|effect| match effect {
        Effect::Render { app, .. } if &*app.name == "other" => Some(Fault::Held),
        _ => None,
    });
    world.commit(&[("web", &[config_map("a", "1")]), ("other", &[config_map("o", "1"), config_map("m", "1")])]);
    Scenario { world, ends: Some(World::release) }
}

fn blocked_by_window() -> Scenario {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.edit_project("default", |spec| {
        spec["syncWindows"] =
            json!([{"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}]);
    });
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(5);
    Scenario {
        world,
        ends: Some(|world| {
            world.edit_project("default", |spec| {
                spec.as_object_mut().unwrap().remove("syncWindows");
            });
        }),
    }
}

fn blocked_by_dependencies() -> Scenario {
    let depending = application_with("web", |app| {
        app["metadata"]["annotations"] = json!({"driftless.dev/depends-on": "other"});
    });
    started(depending, |world| {
        world.git.commit(&[("other", &[config_map("o", "1")])]);
        world.server.create(application("other"));
        world.push_webhook();
    })
}

fn dependents_deleting() -> Scenario {
    let mut world = World::synced_with(deletable(), &[config_map("a", "1")]);
    world.server.create(application_with("other", |app| {
        app["metadata"]["finalizers"] = json!(["example.com/audit"]);
        app["metadata"]["annotations"] = json!({"driftless.dev/depends-on": "web"});
    }));
    world.run();
    world.delete_application("other");
    world.delete_application("web");
    let ends = |world: &mut World| world.edit_application("other", |app| app["metadata"]["finalizers"] = json!([]));
    Scenario { world, ends: Some(ends) }
}

fn deletable() -> Value {
    application_with("web", |app| app["metadata"]["finalizers"] = json!([FINALIZER]))
}

fn deleting() -> Scenario {
    let mut world = World::synced_with(deletable(), &[config_map("a", "1")]);
    world.server.edit(&map_key("a"), "guard", |map| map["metadata"]["finalizers"] = json!(["example.com/guard"]));
    world.delete_application("web");
    world.seconds(5);
    let ends = |world: &mut World| {
        world.server.edit(&map_key("a"), "guard", |map| map["metadata"]["finalizers"] = json!([]));
    };
    Scenario { world, ends: Some(ends) }
}

fn deletion_failed() -> Scenario {
    let mut world = World::synced_with(deletable(), &[config_map("a", "1")]);
    world.faults = Box::new(|effect| {
        is_call(effect, |call| matches!(call, Call::Delete { .. }))
            .then(|| Fault::Refused(error(403, "Forbidden", "deletes are forbidden")))
    });
    world.delete_application("web");
    Scenario { world, ends: Some(|world| world.faults = Box::new(|_| None)) }
}

fn deletion_unapproved() -> Scenario {
    let guarded = annotated(config_map("a", "1"), "argocd.argoproj.io/sync-options", "Delete=confirm");
    let mut world = World::synced_with(deletable(), &[guarded]);
    world.delete_application("web");
    world.seconds(5);
    let ends = |world: &mut World| {
        let now = world.now.to_string();
        world.edit_application("web", |app| {
            app["metadata"]["annotations"]["argocd.argoproj.io/deletion-approved"] = now.into();
        });
    };
    Scenario { world, ends: Some(ends) }
}

fn finalizers_of_others() -> Scenario {
    let guarded = application_with("web", |app| app["metadata"]["finalizers"] = json!(["example.com/audit"]));
    let mut world = World::synced_with(guarded, &[config_map("a", "1")]);
    world.delete_application("web");
    world.seconds(5);
    Scenario {
        world,
        ends: Some(|world| world.edit_application("web", |app| app["metadata"]["finalizers"] = json!([]))),
    }
}

fn write_failed() -> Scenario {
    let world = begun(application("web"), |effect| {
        matches!(effect, Effect::Write { .. }).then(|| Fault::Refused(error(500, "InternalError", "no")))
    });
    Scenario { world, ends: Some(|world| world.faults = Box::new(|_| None)) }
}

fn ownership_only() -> Scenario {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    let mut live = annotated(config_map("a", "1"), "argocd.argoproj.io/tracking-id", "web:/ConfigMap:shop/a");
    live["metadata"]["namespace"] = "shop".into();
    world.server.create(live);
    world.server.create(application("web"));
    world.start();
    settled(world)
}

fn object_deleting() -> Scenario {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.server.edit(&map_key("a"), "guard", |map| map["metadata"]["finalizers"] = json!(["example.com/guard"]));
    let _ = world.server.delete(&map_key("a"), "", "", application_api::PropagationPolicy::Background);
    world.seconds(5);
    let ends = |world: &mut World| {
        world.server.edit(&map_key("a"), "guard", |map| map["metadata"]["finalizers"] = json!([]));
    };
    Scenario { world, ends: Some(ends) }
}

fn shared() -> Scenario {
    let mut world = World::new();
    world.git.commit(&[("other", &[config_map("a", "1")]), ("web", &[config_map("a", "2")])]);
    world.server.create(application("other"));
    world.start();
    world.seconds(1);
    world.server.create(application("web"));
    world.seconds(10);
    settled(world)
}

fn handed_over() -> Scenario {
    let mut world = World::synced("web", &[config_map("a", "1"), config_map("m", "1")]);
    world.server.create(application_with("other", |app| app["spec"]["syncPolicy"] = json!({})));
    world.commit(&[("web", &[config_map("a", "1")]), ("other", &[config_map("m", "1")])]);
    world.seconds(10);
    settled(world)
}

fn not_permitted() -> Scenario {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    let project = |blacklist: Value| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": "strict", "namespace": "argocd"},
            "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
                "namespaceResourceBlacklist": blacklist},
        })
    };
    world.server.create(project(json!([{"group": "", "kind": "ConfigMap"}])));
    world.server.create(application_with("web", |app| app["spec"]["project"] = "strict".into()));
    world.start();
    world.seconds(5);
    let ends = |world: &mut World| {
        let key = key("argoproj.io", "AppProject", "argocd", "strict");
        world.server.edit(&key, "kubectl-edit", |project| project["spec"]["namespaceResourceBlacklist"] = json!([]));
    };
    Scenario { world, ends: Some(ends) }
}

fn kind_unknown() -> Scenario {
    let mut world = World::new();
    world.git.commit(&[("web", &[custom("Widget", "w")])]);
    world.server.create(application("web"));
    world.start();
    let ends = |world: &mut World| {
        world.server.create(definition("Widget"));
        world.server.establish("widgets.example.com");
    };
    Scenario { world, ends: Some(ends) }
}

fn invalid() -> Scenario {
    let mut world = World::synced_with(automated(json!({})), &[config_map("a", "1")]);
    world.faults = Box::new(|effect| {
        let asks = |call: &Call| matches!(call, Call::DryRun { .. } | Call::Apply { .. });
        is_call(effect, asks).then(|| Fault::Refused(error(422, "Invalid", "a is wrong")))
    });
    world.commit(&[("web", &[config_map("a", "bad")])]);
    let ends = |world: &mut World| {
        world.faults = Box::new(|_| None);
        commit_one(world);
    };
    Scenario { world, ends: Some(ends) }
}

/// Gives the reason with a rule, of the Application or of one of its objects.
fn find(world: &World, rule: &str) -> Option<Reason> {
    let all = world.state().explanations(&app_key("web"));
    all.into_iter().map(|(_, reason)| reason).find(|reason| reason.rule() == rule)
}

fn described(world: &World) -> String {
    format!("{:?}", world.state().explanations(&app_key("web")))
}

#[test]
fn every_reason_can_come_about_and_ends_as_it_says() {
    for (rule, scenario) in scenarios() {
        let Scenario { mut world, ends } = scenario();
        let reason = find(&world, rule).unwrap_or_else(|| panic!("{rule} does not hold: {}", described(&world)));
        let Some(ends) = ends else { continue };
        match reason.wake() {
            Wake::Settled => {}
            Wake::Event(_) => {
                // Time alone ends nothing that waits for somebody.
                world.seconds(3);
                assert!(find(&world, rule).is_some(), "{rule} ended by itself: {}", described(&world));
            }
            Wake::At(_, at) => {
                assert!(at > world.now, "{rule} waits for the past");
                world.log.clear();
                world.advance(at.duration_since(world.now) - SignedDuration::from_secs(1));
                assert_eq!(find(&world, rule), Some(reason), "{rule} holds until its time: {}", described(&world));
                assert!(world.state().next_wake().is_some_and(|next| next <= at), "{rule} has no timer");
                assert_eq!(world.take(&ACTS), Vec::<String>::new(), "{rule} before its time");
            }
        }
        ends(&mut world);
        world.run();
        if let Wake::At(..) = find(&world, rule).map_or(Wake::Settled, |reason| reason.wake()) {
            assert_eq!(
                world.take(&["poll", "write", "apply", "delete"]),
                Vec::<String>::new(),
                "{rule} before its time"
            );
            world.seconds(1);
            assert_ne!(world.take(&["poll", "write", "apply", "delete"]), Vec::<String>::new(), "{rule} at its time");
        }
        world.seconds(60);
        assert!(find(&world, rule).is_none(), "{rule} does not end: {}", described(&world));
    }
}
