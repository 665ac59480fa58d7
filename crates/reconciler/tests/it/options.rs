//! Sync options that change how objects are written.

use application_api::OperationPhase;
use reconciler::{Call, Effect};
use serde_json::json;
use test_kit::sim::{Fault, World, annotated, application_with, config_map, deployment, error, key, map_key};

const OPTIONS: &str = "argocd.argoproj.io/sync-options";

fn immutable(world: &mut World) {
    world.faults = Box::new(|effect| {
        let is_change = matches!(effect, Effect::Request { request, .. } if matches!(request.call, Call::Apply { .. }));
        is_change.then(|| {
            let mut refusal = error(422, "Invalid", "ConfigMap \"a\" is invalid: data: Forbidden: field is immutable");
            refusal.causes.push(kube_object::StatusCause {
                reason: "FieldValueForbidden".to_owned(),
                message: "Forbidden: field is immutable".to_owned(),
                field: "data".to_owned(),
            });
            Fault::Refused(refusal)
        })
    });
}

#[test]
fn replaced_objects_are_written_as_a_whole() {
    let object = |value: &str| annotated(config_map("a", value), OPTIONS, "Replace=true");
    let mut world = World::synced("web", &[object("1")]);
    world.server.edit(&map_key("a"), "somebody", |map| map["data"]["other"] = "x".into());
    world.commit(&[("web", &[object("2")])]);
    world.seconds(60);
    world.assert_well("web");
    assert_eq!(world.take(&["apply", "replace"]), ["replace ConfigMap/a for web"]);
    let data = world.server.get(&map_key("a")).unwrap().get(&["data"]).cloned();
    assert_eq!(data, Some(json!({"key": "2"})), "what others have set is gone");
}

#[test]
fn what_cannot_be_changed_is_named_with_what_would_help() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    immutable(&mut world);
    world.edit_application("web", |app| app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0}));
    world.commit(&[("web", &[config_map("a", "2")])]);
    world.seconds(60);
    assert_eq!(world.phase("web"), Some(OperationPhase::Failed));
    assert_eq!(
        world.operation_message("web"),
        "one or more objects failed to apply, reason: ConfigMap \"a\" is invalid: data: Forbidden: field is immutable: data cannot be \
         changed; with the annotation argocd.argoproj.io/sync-options: Force=true the object would be deleted and made again"
    );
}

#[test]
fn forced_objects_are_made_again_when_they_cannot_be_changed() {
    let object = |value: &str| annotated(config_map("a", value), OPTIONS, "Force=true");
    let mut world = World::synced("web", &[object("1")]);
    let uid = |world: &World| world.server.get(&map_key("a")).unwrap().uid().to_owned();
    let before = uid(&world);
    // Each effect is looked at twice: when it is asked for and when it is performed.
    let mut left = 2;
    world.faults = Box::new(move |effect| {
        let is_change = matches!(effect, Effect::Request { request, .. } if matches!(request.call, Call::Apply { .. }));
        if !is_change || left == 0 {
            return None;
        }
        left -= 1;
        Some(Fault::Refused(error(422, "Invalid", "field is immutable")))
    });
    world.commit(&[("web", &[object("2")])]);
    world.seconds(60);
    world.assert_well("web");
    assert_ne!(uid(&world), before);
    assert_eq!(
        world.take(&["apply", "try", "delete"]),
        [
            "apply ConfigMap/a for web",
            "try ConfigMap/a for web",
            "delete Background ConfigMap/a for web",
            "apply ConfigMap/a for web"
        ]
    );
}

#[test]
fn with_both_options_objects_are_always_made_again() {
    let object = |value: &str| annotated(config_map("a", value), OPTIONS, "Force=true,Replace=true");
    let mut world = World::synced("web", &[object("1")]);
    world.commit(&[("web", &[object("2")])]);
    world.seconds(60);
    world.assert_well("web");
    assert_eq!(
        world.take(&["apply", "try", "delete", "replace"]),
        ["try ConfigMap/a for web", "delete Background ConfigMap/a for web", "replace ConfigMap/a for web"]
    );
}

#[test]
fn shared_objects_fail_the_sync_if_asked_to() {
    let mut world = World::synced("web", &[config_map("a", "1")]);
    world.server.create(application_with("other", |app| {
        app["spec"]["source"]["path"] = "web".into();
        app["spec"]["syncPolicy"]["syncOptions"] = json!(["FailOnSharedResource=true"]);
        app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0});
    }));
    world.seconds(60);
    world.edit_application("other", |app| app["operation"] = json!({"sync": {}}));
    world.seconds(60);
    assert_eq!(
        world.operation_message("other"),
        "Shared resource found: ConfigMap/a is part of applications argocd/other and web"
    );
}

#[test]
fn the_metadata_of_the_namespace_are_managed() {
    let application = |metadata: serde_json::Value| {
        application_with("web", |app| {
            app["spec"]["destination"]["namespace"] = "fresh".into();
            app["spec"]["syncPolicy"]["syncOptions"] = json!(["CreateNamespace=true"]);
            app["spec"]["syncPolicy"]["managedNamespaceMetadata"] = metadata;
        })
    };
    let mut world = World::synced_with(application(json!({"labels": {"team": "shop"}})), &[config_map("a", "1")]);
    let namespace = key("", "Namespace", "", "fresh");
    let labels = |world: &World| world.server.get(&namespace).unwrap().get(&["metadata", "labels"]).cloned();
    assert_eq!(labels(&world), Some(json!({"team": "shop"})));
    world.server.edit(&namespace, "somebody", |object| {
        object["metadata"]["labels"] = json!({"team": "x", "theirs": "y"});
    });
    world.seconds(60);
    assert_eq!(labels(&world), Some(json!({"team": "shop", "theirs": "y"})), "drift of ours is healed");
    world.edit_application("web", |app| {
        app["spec"]["syncPolicy"]["managedNamespaceMetadata"] = json!({"labels": {"tier": "1"}});
    });
    world.seconds(60);
    assert_eq!(labels(&world), Some(json!({"tier": "1", "theirs": "y"})));
}

#[test]
fn a_webhook_that_the_same_sync_serves_is_waited_for() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1"), deployment("webhook", 1)])]);
    world.server.create(application_with("web", |app| app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0})));
    let refuse = || -> Box<dyn FnMut(&Effect) -> Option<Fault>> {
        Box::new(|effect| {
            let is_map = matches!(effect, Effect::Request { request, .. } if request.key.kind == "ConfigMap" && matches!(request.call, Call::Apply { .. }));
            let message = "Internal error occurred: failed calling webhook \"w.example.com\": connection refused";
            is_map.then(|| Fault::Refused(error(500, "InternalError", message)))
        })
    };
    world.faults = refuse();
    world.start();
    world.seconds(20);
    // What comes after it in the order of kinds is applied all the same.
    assert!(world.take(&["apply"]).contains(&"apply Deployment/webhook for web".to_owned()));
    assert!(
        world.operation_message("web").starts_with("waiting for a webhook of ConfigMap/a: Internal error"),
        "{}",
        world.operation_message("web")
    );
    world.faults = Box::new(|_| None);
    world.seconds(5);
    world.assert_well("web");
    // Not for ever.
    world.faults = refuse();
    world.commit(&[("web", &[config_map("a", "2"), deployment("webhook", 1)])]);
    world.seconds(100);
    assert_eq!(world.phase("web"), Some(application_api::OperationPhase::Failed));
}
