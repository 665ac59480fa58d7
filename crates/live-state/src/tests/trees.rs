use super::*;

fn owned_by(uid: &str) -> Value {
    json!({"metadata": {"ownerReferences": [{"uid": uid}]}})
}

fn pod(name: &str, owner: &str, images: &[&str]) -> Object {
    pod_at(1, name, owner, images)
}

fn pod_at(version: u64, name: &str, owner: &str, images: &[&str]) -> Object {
    let containers: Vec<_> = images.iter().map(|image| json!({"image": image})).collect();
    let spec = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers, "initContainers": [{"image": "init"}]}});
    thing(name, &format!("uid-{name}"), version, all([spec, owned_by(owner)]))
}

/// `web` tracks `root`, which owns `middle`, which owns the pods `p1` and `p2`; given from the leaves up.
fn tree() -> LiveState {
    let mut state = LiveState::new();
    apply(&mut state, &pod("p1", "uid-middle", &["b", "a"]));
    apply(&mut state, &pod("p2", "uid-middle", &["a"]));
    apply(&mut state, &thing("middle", "uid-middle", 1, owned_by("uid-root")));
    apply(&mut state, &thing("root", "uid-root", 1, tracked("web", "example.com/Thing", "root")));
    state
}

#[test]
fn descendants_are_found_whatever_came_first() {
    let state = tree();
    assert_eq!(names(state.descendants(&thing_key("root"))), "p1 p2 middle");
    assert_eq!(names(state.children(&thing_key("root"))), "middle");
    assert_eq!(names(state.children(&thing_key("middle"))), "p1 p2");
    assert_eq!(names(state.parents(&thing_key("middle"))), "root");
    assert_eq!(names(state.descendants(&thing_key("none"))), "");
}

#[test]
fn a_descendant_wakes_the_application_of_its_root() {
    let mut state = tree();
    let failed = json!({"metadata": {"resourceVersion": "2"}, "status": {"phase": "Failed"}});
    let mut object = pod("p1", "uid-middle", &["a", "b"]).into_value();
    kube_object::apply_merge_patch(&mut object, &failed);
    assert_eq!(apply(&mut state, &Object::from_value(object).unwrap()), "{Health} web:Tree");
    assert_eq!(shown(state.delete(&key("", "Pod", "p1"), "uid-p1", "3")), "Deleted web:Tree");
    state.set_targets(&app("shop"), [thing_key("middle")]);
    assert_eq!(apply(&mut state, &pod_at(9, "p3", "uid-middle", &[])), "Added shop:Tree web:Tree");
    assert_eq!(shown(state.delete(&thing_key("middle"), "uid-middle", "3")), "Deleted shop:Compare web:Tree");
    assert_eq!(apply(&mut state, &pod_at(9, "p4", "uid-middle", &[])), "Added");
}

#[test]
fn an_object_that_changes_owner_wakes_both() {
    let mut state = tree();
    apply(&mut state, &thing("other", "uid-other", 1, tracked("shop", "example.com/Thing", "other")));
    let moved = thing("middle", "uid-middle", 2, owned_by("uid-other"));
    assert_eq!(apply(&mut state, &moved), "{Owners} shop:Tree web:Tree");
    assert_eq!(names(state.descendants(&thing_key("root"))), "");
    assert_eq!(names(state.descendants(&thing_key("other"))), "p1 p2 middle");
}

#[test]
fn images_are_those_of_the_pods_below_managed_objects() {
    let mut state = tree();
    assert_eq!(state.images_of(&app("web")).into_iter().collect::<Vec<_>>(), ["a", "b", "init"]);
    state.delete(&key("", "Pod", "p1"), "uid-p1", "3");
    assert_eq!(state.images_of(&app("web")).into_iter().collect::<Vec<_>>(), ["a", "init"]);
    assert_eq!(state.images_of(&app("shop")).len(), 0);
    state.set_targets(&app("shop"), [key("", "Pod", "p2")]);
    assert_eq!(state.images_of(&app("shop")).len(), 2);
}

#[test]
fn owners_own_in_their_namespace_or_everywhere() {
    let mut state = LiveState::new();
    let namespace = |namespace: Value| json!({"metadata": {"namespace": namespace}});
    apply(&mut state, &thing("wide", "uid-wide", 1, namespace(Value::Null)));
    apply(&mut state, &thing("narrow", "uid-narrow", 1, namespace(json!("other"))));
    apply(
        &mut state,
        &thing("a", "uid-a", 1, json!({"metadata": {"ownerReferences": [{"uid": "uid-wide"}, {"uid": "uid-narrow"}]}})),
    );
    let wide = ObjectKey::new(cluster(), things(), "", "wide");
    assert_eq!(names(state.descendants(&wide)), "a");
    assert_eq!(names(state.descendants(&ObjectKey::new(cluster(), things(), "other", "narrow"))), "");
    assert_eq!(names(state.parents(&thing_key("a"))), "wide");
}

#[test]
fn volume_claims_belong_to_the_stateful_set_they_were_made_for() {
    let mut state = LiveState::new();
    let claim = |name: &str, namespace: &str| {
        thing(
            name,
            &format!("uid-{namespace}-{name}"),
            1,
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": namespace}}),
        )
    };
    for name in ["data-db-0", "data-db-10", "data-db-x", "logs-db-0", "data-db", "xdata-db-0"] {
        apply(&mut state, &claim(name, "shop"));
    }
    apply(&mut state, &claim("data-db-0", "other"));
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}});
    apply(&mut state, &thing("db", "uid-db", 1, all([set.clone(), tracked("web", "apps/StatefulSet", "db")])));
    assert_eq!(names(state.descendants(&key("apps", "StatefulSet", "db"))), "data-db-0 data-db-10");
    assert_eq!(apply(&mut state, &claim("data-db-1", "shop")), "Added web:Tree");
    assert_eq!(apply(&mut state, &claim("other-db-1", "shop")), "Added");
    // Metadata alone keep what is known of the templates.
    apply_metadata(&mut state, &thing("db", "uid-db", 2, all([set, tracked("web", "apps/StatefulSet", "db")])));
    assert_eq!(names(state.children(&key("apps", "StatefulSet", "db"))), "data-db-0 data-db-1 data-db-10");
}

#[test]
fn one_object_under_two_keys_shows_once() {
    let mut state = LiveState::new();
    apply(&mut state, &thing("root", "uid-root", 1, json!({})));
    for group in ["networking.k8s.io", "extensions"] {
        apply(
            &mut state,
            &thing(
                "in",
                "uid-in",
                1,
                all([json!({"apiVersion": format!("{group}/v1"), "kind": "Ingress"}), owned_by("uid-root")]),
            ),
        );
    }
    assert_eq!(state.descendants(&thing_key("root")), [key("extensions", "Ingress", "in")]);
    assert_eq!(state.children(&thing_key("root")).len(), 2);
}

#[test]
fn owners_in_a_circle_end() {
    let mut state = LiveState::new();
    for (name, owner) in [("a", "uid-b"), ("b", "uid-a"), ("self", "uid-self")] {
        apply(&mut state, &thing(name, &format!("uid-{name}"), 1, owned_by(owner)));
    }
    assert_eq!(names(state.descendants(&thing_key("a"))), "b");
    assert_eq!(names(state.descendants(&thing_key("self"))), "");
}
