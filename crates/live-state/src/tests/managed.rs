//! Tracking, rendering, bodies, and whom they wake.

use std::collections::BTreeMap;

use super::*;

fn web_thing(name: &str, version: u64, more: Value) -> Object {
    thing(name, &format!("uid-{name}"), version, all([tracked("web", "example.com/Thing", name), more]))
}

#[test]
fn tracked_objects_wake_their_old_and_their_new_application() {
    let mut state = LiveState::new();
    assert_eq!(apply(&mut state, &web_thing("a", 1, json!({}))), "Added web:Compare");
    assert_eq!(
        apply(&mut state, &web_thing("a", 2, tracked("shop", "example.com/Thing", "a"))),
        "{DesiredState, Tracking} shop:Compare web:Compare"
    );
    assert_eq!(
        (names(state.tracked_by(&app("web"))), names(state.tracked_by(&app("shop")))),
        (String::new(), "a".into())
    );
    let released = web_thing("a", 3, json!({"metadata": {"annotations": null}}));
    assert_eq!(apply(&mut state, &released), "{Tracking, Body} shop:Compare");
    assert_eq!(state.get(&thing_key("a")).unwrap().body, Body::NotHeld);
    assert_eq!(shown(state.delete(&thing_key("a"), "uid-a", "4")), "Deleted");
}

#[test]
fn tracked_objects_come_sorted_and_say_whose_id_they_carry() {
    let mut state = LiveState::new();
    for (name, of) in [("b", "b"), ("a", "a"), ("copy", "a")] {
        apply(&mut state, &thing(name, name, 1, tracked("web", "example.com/Thing", of)));
    }
    apply(
        &mut state,
        &thing(
            "crd",
            "c",
            1,
            all([
                tracked("web", "apiextensions.k8s.io/CustomResourceDefinition", "crd"),
                json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}),
            ]),
        ),
    );
    assert_eq!(names(state.tracked_by(&app("web"))), "a b copy");
    let of = |name| state.get(&thing_key(name)).unwrap().tracking.as_ref().unwrap().of;
    assert_eq!((of("a"), of("copy")), (TrackingOf::Itself, TrackingOf::Another));
}

#[test]
fn a_tracked_object_with_an_owner_is_not_managed() {
    let mut state = LiveState::new();
    let owned = json!({"metadata": {"ownerReferences": [{"uid": "o"}]}});
    assert_eq!(apply(&mut state, &web_thing("a", 1, owned.clone())), "Added web:Tree");
    let live = state.get(&thing_key("a")).unwrap();
    assert!(live.has_owner() && live.tracked_root_of().is_none() && live.body == Body::NotHeld);
    assert_eq!(names(state.tracked_by(&app("web"))), "a");
    assert_eq!(names(state.missing_bodies(&app("web"))), "");
    assert_eq!(names(state.set_targets(&app("web"), [thing_key("a")]).missing_bodies), "a");
    assert_eq!(apply(&mut state, &web_thing("a", 1, owned)), "{Body} web:Compare");
}

#[test]
fn rendered_objects_wake_those_who_render_them() {
    let mut state = LiveState::new();
    assert_eq!(
        state.set_targets(&app("web"), [thing_key("a"), thing_key("a"), thing_key("b")]),
        TargetsChange::default()
    );
    assert_eq!(apply(&mut state, &thing("a", "u1", 1, json!({}))), "Added web:Compare");
    assert!(state.get(&thing_key("a")).unwrap().body.held().is_some());
    let change = state.set_targets(&app("shop"), [thing_key("a")]);
    assert_eq!(change.wakes, [(app("web"), WakeLevel::Compare)]);
    assert_eq!(state.renderers_of(&thing_key("a")), [app("shop"), app("web")]);
    assert_eq!(state.set_targets(&app("shop"), [thing_key("a")]), TargetsChange::default());
    assert_eq!(state.remove_application(&app("web")), [(app("shop"), WakeLevel::Compare)]);
    assert_eq!(state.renderers_of(&thing_key("a")), [app("shop")]);
    assert_eq!(state.renderers_of(&thing_key("b")), []);
    assert_eq!(shown(state.delete(&thing_key("a"), "u1", "2")), "Deleted shop:Compare");
    assert_eq!(state.renderers_of(&thing_key("a")), [app("shop")]);
}

#[test]
fn whoever_tracks_an_object_hears_of_a_new_claim_on_it() {
    let mut state = LiveState::new();
    apply(&mut state, &web_thing("a", 1, json!({})));
    assert_eq!(state.set_targets(&app("shop"), [thing_key("a")]).wakes, [(app("web"), WakeLevel::Compare)]);
    assert_eq!(state.set_targets(&app("shop"), []).wakes, [(app("web"), WakeLevel::Compare)]);
}

#[test]
fn bodies_are_held_while_somebody_manages_the_object() {
    let mut state = LiveState::new();
    let object = thing("a", "u1", 1, json!({"data": {"x": "y"}}));
    apply(&mut state, &object);
    assert_eq!(names(state.set_targets(&app("web"), [thing_key("a")]).missing_bodies), "a");
    assert_eq!(shown(state.fold_response(&cluster(), &object, Detail::Full)), "{Body} web:Compare");
    assert_eq!(state.get(&thing_key("a")).unwrap().body.held().unwrap().decode(), object);
    assert_eq!(shown(state.fold_response(&cluster(), &object, Detail::Full)), "-");
    state.set_targets(&app("web"), []);
    assert_eq!(state.get(&thing_key("a")).unwrap().body, Body::NotHeld);
}

#[test]
fn definitions_are_kept_in_outline_until_somebody_renders_them() {
    let mut state = LiveState::new();
    let definition = |version, served: bool| {
        thing(
            "things",
            "u1",
            version,
            json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"namespace": null, "managedFields": [{"fieldsV1": {}}]},
            "spec": {"group": "example.com", "versions": [{"name": "v1", "served": served, "schema": {"openAPIV3Schema": {}}}]},
            "status": {"conditions": [{"type": "Established", "status": "True"}]}}),
        )
    };
    let at = definition(1, true).key(cluster());
    assert_eq!(apply(&mut state, &definition(1, true)), "Added");
    let Body::Outline(outline) = state.get(&at).unwrap().body.clone() else { panic!("not an outline") };
    assert_eq!(
        outline.decode().into_value(),
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things", "uid": "u1", "resourceVersion": "1"},
            "spec": {"group": "example.com", "versions": [{"name": "v1", "served": true}]},
            "status": {"conditions": [{"type": "Established", "status": "True"}]}})
    );
    assert_eq!(apply(&mut state, &definition(2, false)), "{DesiredState}");
    assert_eq!(names(state.set_targets(&app("web"), [at.clone()]).missing_bodies), "things");
    assert_eq!(apply(&mut state, &definition(2, false)), "{Body} web:Compare");
    assert_eq!(state.get(&at).unwrap().body.held().unwrap().decode(), definition(2, false));
    state.set_targets(&app("web"), []);
    assert!(matches!(state.get(&at).unwrap().body, Body::Outline(_)));
    assert_eq!(apply(&mut state, &definition(3, false)), "-");
}

#[test]
fn new_health_rules_apply_to_the_bodies_that_are_held() {
    let mut state = LiveState::new();
    apply(&mut state, &web_thing("a", 1, json!({})));
    apply(&mut state, &thing("b", "u2", 1, json!({})));
    let rules = object_health::Overrides::from_scripts([("example.com/Thing", "return {status = \"Degraded\"}")]);
    let changes: Vec<_> = state.set_overrides(rules.clone()).into_iter().map(|change| shown(Some(change))).collect();
    assert_eq!(changes, ["{Health} web:Compare"]);
    assert_eq!(state.set_overrides(rules), []);
    assert_eq!(apply(&mut state, &thing("b", "u2", 2, json!({}))), "{Health}");
}

#[test]
fn stats_count_objects_and_bytes() {
    let mut state = LiveState::new();
    let object = web_thing("a", 1, json!({}));
    apply(&mut state, &object);
    apply(&mut state, &thing("b", "u2", 1, json!({})));
    let stats = state.stats();
    let kind = stats.kinds[&(cluster(), things())];
    assert_eq!(kind.objects, 2);
    assert_eq!((kind.bodies, kind.body_bytes), (1, kube_object::CompactObject::of(&object).as_bytes().len()));
    assert!(kind.index_bytes > 2 * size_of::<LiveObject>() && stats.table_bytes > 0);
    state.drop_kind(&cluster(), &things());
    assert_eq!(state.stats().kinds, BTreeMap::new());
}

#[test]
fn shared_texts_are_dropped_when_nobody_uses_them() {
    let mut state = LiveState::new();
    for version in 1..5000 {
        let image = format!("registry/web:{version}");
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": image}]}});
        apply(&mut state, &thing("a", "u1", version, pod));
    }
    assert!(state.texts.len() <= 1025, "{}", state.texts.len());
    assert_eq!(&*state.get(&key("", "Pod", "a")).unwrap().images[0], "registry/web:4999");
}
