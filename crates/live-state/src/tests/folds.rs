use super::*;

#[test]
fn uids_and_versions_print_as_they_were() {
    for text in [
        "",
        "1",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "0F8FAD5B-D9CB-469F-A165-70867728950E",
        "0f8fad5b-d9cb-469f-a165+70867728950e",
    ] {
        assert_eq!(Uid::new(text).to_string(), text);
    }
    assert_eq!(size_of::<Uid>(), 24);
    for text in ["", "0", "42", "042", "18446744073709551616", "a1"] {
        assert_eq!(ResourceVersion::new(text).to_string(), text);
    }
    let older = |a, b| ResourceVersion::new(a).is_older_than(&ResourceVersion::new(b));
    assert!(older("9", "10") && !older("10", "9") && !older("10", "10") && !older("a", "b") && !older("1", "b"));
    let same = |a, b| ResourceVersion::new(a).is_same_as(&ResourceVersion::new(b));
    assert!(same("1", "1") && same("a", "a") && !same("", "") && !same("1", "2"));
}

#[test]
fn stale_versions_are_dropped() {
    let mut state = LiveState::new();
    assert_eq!(apply(&mut state, &thing("a", "u1", 5, json!({}))), "Added");
    for (uid, version, deleting) in
        [("u1", 4, json!(null)), ("u1", 5, json!("2026-01-01T00:00:00Z")), ("u0", 3, json!(null))]
    {
        let stale = thing("a", uid, version, json!({"metadata": {"deletionTimestamp": deleting}}));
        assert_eq!(apply(&mut state, &stale), "-", "{uid} {version}");
        assert_eq!(state.get(&thing_key("a")).unwrap().resource_version.number(), Some(5));
    }
    assert_eq!(apply(&mut state, &thing("a", "u2", 6, json!({}))), "{Identity}");
    assert_eq!(state.get(&thing_key("a")).unwrap().uid.to_string(), "u2");
}

#[test]
fn versions_that_are_no_numbers_are_taken_as_newer() {
    let mut state = LiveState::new();
    let versioned = |version: &str, deleting: Value| {
        thing("a", "u1", 0, json!({"metadata": {"resourceVersion": version, "deletionTimestamp": deleting}}))
    };
    assert_eq!(apply(&mut state, &versioned("b", Value::Null)), "Added");
    assert_eq!(apply(&mut state, &versioned("b", json!("2026-01-01T00:00:00Z"))), "-");
    assert_eq!(apply(&mut state, &versioned("a", json!("2026-01-01T00:00:00Z"))), "{Health, Deletion}");
}

#[test]
fn objects_without_kind_or_name_are_not_taken() {
    let mut state = LiveState::new();
    for odd in [json!({"kind": null}), json!({"metadata": {"name": null}}), json!({"metadata": 1})] {
        assert_eq!(apply(&mut state, &thing("a", "u1", 1, odd)), "-");
    }
    assert_eq!(state.stats().kinds.len(), 0);
}

#[test]
fn deletion_needs_the_same_object() {
    let mut state = LiveState::new();
    apply(&mut state, &thing("a", "u2", 5, json!({})));
    assert_eq!(shown(state.delete(&thing_key("a"), "u1", "4")), "-");
    assert_eq!(shown(state.delete(&thing_key("a"), "u2", "6")), "Deleted");
    assert_eq!(shown(state.delete(&thing_key("a"), "u2", "6")), "-");
    assert_eq!(state.get(&thing_key("a")), None);
}

#[test]
fn what_was_deleted_does_not_come_back() {
    let mut state = LiveState::new();
    let object = thing("a", "u1", 5, json!({}));
    apply(&mut state, &object);
    assert_eq!(shown(state.fold_delete(&thing_key("a"), "other")), "-");
    assert_eq!(shown(state.fold_delete(&thing_key("a"), "u1")), "Deleted");
    assert_eq!(apply(&mut state, &thing("a", "u1", 6, json!({}))), "-");
    assert_eq!(shown(state.delete(&thing_key("a"), "u1", "7")), "-");
    // A read that was under way while the watch told the deletion.
    assert_eq!(shown(state.fold_response(&cluster(), &object, Detail::Full)), "-");
    assert_eq!(apply_metadata(&mut state, &object), "-");
    assert_eq!(apply(&mut state, &thing("a", "u2", 8, json!({}))), "Added");
    assert_eq!(apply(&mut state, &thing("b", "u3", 7, json!({"metadata": {"namespace": "other"}}))), "Added");
}

#[test]
fn metadata_alone_erase_nothing_of_the_same_version() {
    let mut state = LiveState::new();
    let pod = |version, image: &str| {
        let more = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": image}]}, "status": {"phase": "Succeeded"}});
        thing("a", "u1", version, all([more, tracked("web", "/Pod", "a")]))
    };
    let at = key("", "Pod", "a");
    assert_eq!(apply_metadata(&mut state, &pod(5, "one")), "Added web:Compare");
    assert_eq!(state.get(&at).unwrap().health, None);
    assert_eq!(names(state.missing_bodies(&app("web"))), "a");
    assert_eq!(apply(&mut state, &pod(5, "one")), "{Health, Images, Body} web:Compare");
    assert_eq!(state.missing_bodies(&app("web")), []);
    let full = state.get(&at).unwrap().clone();
    assert_eq!(apply_metadata(&mut state, &pod(5, "one")), "-");
    assert_eq!(apply_metadata(&mut state, &pod(4, "one")), "-");
    assert_eq!(*state.get(&at).unwrap(), full);
    assert_eq!(apply_metadata(&mut state, &pod(6, "two")), "{Body} web:Compare");
    let newer = state.get(&at).unwrap();
    assert_eq!((&newer.body, &newer.health, &newer.images), (&Body::NotHeld, &full.health, &full.images));
    assert_eq!(apply_metadata(&mut state, &pod(7, "two")), "{Body} web:Compare");
    assert_eq!(apply(&mut state, &pod(7, "two")), "{Images, Body} web:Compare");
}

#[test]
fn a_reset_removes_what_the_list_did_not_have() {
    let mut state = LiveState::new();
    let object = |name, version| thing(name, &format!("uid-{name}"), version, json!({}));
    for (name, version) in [("kept", 1), ("gone", 2), ("newer", 20)] {
        apply(&mut state, &object(name, version));
    }
    assert!(!state.is_listed(&cluster(), &things()));
    assert_eq!(state.end_reset(&cluster(), &things(), "9"), []);
    state.begin_reset(&cluster(), &things());
    apply(&mut state, &object("kept", 1));
    apply(&mut state, &object("written", 8));
    // Read before the list, and gone when it was made.
    state.fold_response(&cluster(), &object("read", 7), Detail::Full);
    let gone = state.end_reset(&cluster(), &things(), "10");
    assert!(gone.iter().all(|change| change.kind == ChangeKind::Deleted));
    assert_eq!(
        names(gone.into_iter().map(|change| change.key).collect::<std::collections::BTreeSet<_>>()),
        "gone read"
    );
    assert!(state.is_listed(&cluster(), &things()));
    let mut left: Vec<_> = state.of_kind(&cluster(), &things()).map(|(key, _)| key).collect();
    left.sort();
    assert_eq!(names(left), "kept newer written");
    assert_eq!(shown(state.fold_response(&cluster(), &object("gone", 2), Detail::Full)), "-");
    assert_eq!(apply(&mut state, &object("gone", 11)), "Added");
}

#[test]
fn a_list_may_have_what_no_earlier_one_had() {
    let mut state = LiveState::new();
    state.begin_reset(&cluster(), &things());
    state.end_reset(&cluster(), &things(), "5");
    assert_eq!(apply(&mut state, &thing("a", "u1", 4, json!({}))), "-");
    state.begin_reset(&cluster(), &things());
    assert_eq!(apply(&mut state, &thing("a", "u1", 4, json!({}))), "Added");
}

#[test]
fn a_reset_that_starts_over_forgets_what_it_listed() {
    let mut state = LiveState::new();
    state.begin_reset(&cluster(), &things());
    apply(&mut state, &thing("a", "u1", 1, json!({})));
    state.begin_reset(&cluster(), &things());
    assert_eq!(state.end_reset(&cluster(), &things(), "5").len(), 1);
}

#[test]
fn an_older_list_does_not_bring_back_what_we_deleted() {
    let mut state = LiveState::new();
    let object = thing("a", "u1", 5, json!({}));
    apply(&mut state, &object);
    state.fold_delete(&thing_key("a"), "u1");
    state.begin_reset(&cluster(), &things());
    assert_eq!(apply(&mut state, &object), "-");
    state.end_reset(&cluster(), &things(), "6");
    assert_eq!(apply(&mut state, &thing("a", "u1", 7, json!({}))), "-");
    state.delete(&thing_key("a"), "u1", "8");
    state.begin_reset(&cluster(), &things());
    state.end_reset(&cluster(), &things(), "9");
    assert_eq!(apply(&mut state, &thing("a", "u2", 10, json!({}))), "Added");
}

#[test]
fn a_late_read_does_not_bring_back_during_a_list_what_the_watch_told_deleted() {
    let mut state = LiveState::new();
    let read = thing("a", "u1", 5, json!({}));
    apply(&mut state, &read);
    state.delete(&thing_key("a"), "u1", "6");
    state.begin_reset(&cluster(), &things());
    assert_eq!(shown(state.fold_response(&cluster(), &read, Detail::Full)), "-");
    assert_eq!(shown(state.fold_response(&cluster(), &thing("a", "u2", 7, json!({})), Detail::Full)), "Added");
}

#[test]
fn a_list_vouches_for_the_very_object_it_has() {
    let mut state = LiveState::new();
    state.fold_response(&cluster(), &thing("a", "u2", 3, json!({})), Detail::Full);
    state.begin_reset(&cluster(), &things());
    state.fold_delete(&thing_key("a"), "u2");
    // Read before it was deleted and made anew, answered late.
    state.fold_response(&cluster(), &thing("a", "u1", 1, json!({})), Detail::Full);
    assert_eq!(apply(&mut state, &thing("a", "u2", 3, json!({}))), "-");
    assert_eq!(state.end_reset(&cluster(), &things(), "4").len(), 1);
}

#[test]
fn a_dropped_kind_is_forgotten_not_deleted() {
    let mut state = LiveState::new();
    state.begin_reset(&cluster(), &things());
    apply(&mut state, &thing("a", "u1", 5, tracked("web", "example.com/Thing", "a")));
    state.end_reset(&cluster(), &things(), "5");
    let changes = state.drop_kind(&cluster(), &things());
    assert_eq!(changes.into_iter().map(|change| shown(Some(change))).collect::<Vec<_>>(), ["Forgotten web:Compare"]);
    assert!(!state.is_listed(&cluster(), &things()));
    assert_eq!(apply(&mut state, &thing("a", "u1", 5, json!({}))), "Added");
}

#[test]
fn clusters_do_not_mix() {
    let mut state = LiveState::new();
    let other = ClusterId::new("https://other");
    let parent = thing("p", "u1", 1, json!({}));
    let child = thing("c", "u2", 2, json!({"metadata": {"ownerReferences": [{"uid": "u1"}]}}));
    apply(&mut state, &parent);
    state.apply(&other, &child, Detail::Full);
    assert_eq!(state.descendants(&thing_key("p")), []);
    assert_eq!(state.drop_kind(&other, &things()).len(), 1);
    assert!(state.get(&thing_key("p")).is_some());
}
