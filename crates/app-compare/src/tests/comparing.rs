use application_api::Reason;
use kube_object::{ApiError, CompactObject};
use object_diff::DryRunBody;
use serde_json::{Value, json};

use super::{World, applied, config_map, key, object, with};
use crate::{DoubtPolicy, DryRunAnswer, Needed, ObjectVerdict, dry_run_answer};

/// Renders a comparison: the application's status, then each row.
fn says(world: &World) -> String {
    let comparison = world.compare().comparison;
    let rows = comparison.resources.iter().map(|row| {
        if row.is_hook {
            assert!(row.status.is_none() && !row.requires_pruning);
            return format!("; {} hook", row.key.name);
        }
        let verdict = match &row.verdict {
            ObjectVerdict::Different(fields) => format!("Different {}", fields.join(" ")),
            verdict => format!("{verdict:?}"),
        };
        let prune = if row.requires_pruning { " prune" } else { "" };
        let other = row.owned_by_other.as_ref().map(|other| format!(" of {other}")).unwrap_or_default();
        let heir = row.handed_over_to.as_ref().map(|other| format!(" to {other}")).unwrap_or_default();
        format!("; {} {} {verdict}{prune}{other}{heir}", row.key.name, row.status.as_ref().unwrap())
    });
    rows.fold(comparison.sync.clone().unwrap().to_string(), |all, row| all + &row)
}

fn check(world: &World, expected: &str) {
    assert_eq!(says(world), expected);
}

fn conditions(world: &World) -> Vec<String> {
    world.compare().comparison.conditions.iter().map(|(kind, message)| format!("{kind} {message}")).collect()
}

fn edited(value: Value) -> Value {
    let mut value = with(value, "/data/a", "edited".into());
    value["metadata"]["managedFields"][0]["fieldsV1"].as_object_mut().unwrap().remove("f:data");
    let entry = json!({
        "manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:a": {}}},
    });
    value["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
    value
}

#[test]
fn each_object_gets_its_status() {
    let a = || config_map("a", "1");
    check(&World::new(&[], &[]), "Synced");
    check(&World::new(&[a()], &[applied("web", "a", "1")]), "Synced; a Synced Same");
    check(&World::new(&[a()], &[]), "OutOfSync; a OutOfSync Missing");
    check(
        &World::new(&[a()], &[edited(applied("web", "a", "1"))]),
        "OutOfSync; a OutOfSync Different .data.a (set by kubectl-edit)",
    );
    check(&World::new(&[], &[applied("web", "a", "1")]), "OutOfSync; a OutOfSync Extra prune");
    check(
        &World::new(&[config_map("b", "1"), a()], &[applied("web", "c", "1"), applied("web", "a", "1")]),
        "OutOfSync; b OutOfSync Missing; a Synced Same; c OutOfSync Extra prune",
    );
    // Ownership alone is no difference.
    let mut wiped = applied("web", "a", "1");
    wiped["metadata"]["managedFields"] = json!([]);
    check(&World::new(&[a()], &[wiped]), "Synced; a Synced OwnershipOnly");
    // Refused objects are unknown, and the application is not as Git says.
    for live in [vec![], vec![applied("web", "forbidden", "1")]] {
        check(&World::new(&[config_map("forbidden", "1")], &live), "OutOfSync; forbidden Unknown Missing");
    }
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}});
    check(&World::new(&[widget], &[]), "OutOfSync; w OutOfSync Missing");
}

#[test]
fn some_live_objects_are_not_the_applications() {
    let extra = || applied("web", "a", "1");
    let check = |live: Value, expected: &str| check(&World::new(&[], &[live]), expected);
    check(with(extra(), "/metadata/ownerReferences", json!([{"uid": "o"}])), "Synced");
    // A copied annotation, another application's object, one of another project; a hook is only shown.
    check(with(extra(), "/metadata/name", "copy".into()), "Synced");
    check(applied("other", "a", "1"), "Synced");
    check(applied("web", "forbidden", "1"), "Synced");
    check(with(extra(), "/metadata/annotations/argocd.argoproj.io~1hook", "PostSync".into()), "Synced; a hook");
    check(with(extra(), "/metadata/annotations/argocd.argoproj.io~1hook", "Skip".into()), "Synced");
    let ignored = with(extra(), "/metadata/annotations/argocd.argoproj.io~1compare-options", "IgnoreExtraneous".into());
    check(ignored, "Synced; a OutOfSync Extra prune");
}

#[test]
fn the_namespace_that_a_sync_creates_is_kept() {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": "shop", "uid": "n", "resourceVersion": "5",
            "annotations": {"argocd.argoproj.io/tracking-id": "web:/Namespace:shop/shop"},
        },
    });
    let mut world = World::new(&[], &[namespace]);
    check(&world, "OutOfSync; shop OutOfSync Extra prune");
    world.sync_options = "CreateNamespace=true";
    check(&world, "Synced");
}

#[test]
fn an_object_has_one_application() {
    let a = || config_map("a", "1");
    let warning =
        |other: &str| vec![format!("SharedResourceWarning ConfigMap/a is part of applications argocd/web and {other}")];
    let asked = "Unknown; a Unknown Undecided";
    let held = "OutOfSync; a OutOfSync Different .metadata.annotations[\"argocd.argoproj.io/tracking-id\"]";
    let check = |world: World, expected: &str, warned: &[String]| {
        check(&world, expected);
        assert_eq!(conditions(&world), warned);
    };
    // The tracking id on the live object decides, as long as its application renders the object.
    let live = |application: &str| vec![applied(application, "a", "1")];
    check(World::new(&[a()], &live("young")).rendered_by("young", "a"), &format!("{held} of young"), &warning("young"));
    check(World::new(&[a()], &live("unread_x")), &format!("{held} of unread_x"), &warning("unread/x"));
    check(World::new(&[a()], &live("young")), asked, &[]);
    check(World::new(&[a()], &live("gone")), asked, &[]);
    check(World::new(&[a()], &live("web")).rendered_by("old", "a"), "Synced; a Synced Same", &[]);
    // Nobody has it: the oldest gets it.
    check(World::new(&[a()], &[]).rendered_by("old", "a"), "OutOfSync; a OutOfSync Missing of old", &warning("old"));
    check(World::new(&[a()], &[]).rendered_by("young", "a"), "OutOfSync; a OutOfSync Missing", &[]);
    // What another renders now is handed over.
    check(World::new(&[], &live("web")).rendered_by("young", "a"), "Synced; a Synced Extra to young", &[]);
}

#[test]
fn a_definition_that_is_the_same_is_nobodys_quarrel() {
    let name = "widgets.example.com";
    let crd = |group: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
            "spec": {"group": group},
        })
    };
    let live = |group: &str| {
        let mut live = with(crd(group), "/metadata/uid", "u".into());
        live["metadata"]["resourceVersion"] = "2".into();
        live["metadata"]["managedFields"] = json!([{
            "manager": "argocd-controller", "operation": "Apply", "apiVersion": "apiextensions.k8s.io/v1",
            "fieldsV1": {"f:spec": {"f:group": {}}},
        }]);
        live
    };
    let world = |live_group: &str| {
        let mut world = World::new(&[crd("example.com")], &[live(live_group)]);
        let key = world.targets.items[0].key.clone();
        world.live.set_targets(&kube_object::InstanceName::new("old"), [key]);
        world
    };
    check(&world("example.com"), &format!("Synced; {name} Synced Same"));
    check(&world("other.com"), &format!("Unknown; {name} Unknown Undecided of old"));
}

#[test]
fn doubt_asks_and_is_settled_by_the_answer() {
    let mut world = World::new(&[config_map("a", "2")], &[applied("web", "a", "1")]);
    check(&world, "Unknown; a Unknown Undecided");
    let compared = world.compare();
    assert!(!compared.is_complete());
    let [needed] = compared.needed.as_slice() else { panic!("{:?}", compared.needed) };
    let Needed::DryRun { key: asked, target: 0, resource_version, memo, bodies } = needed else { panic!("{needed:?}") };
    assert_eq!((asked, resource_version.as_str()), (&key("a"), "5"));
    assert_eq!(bodies.as_slice(), [DryRunBody::Apply]);
    for (answer, expected) in [
        (DryRunAnswer::Same, "Synced; a Synced Same"),
        (DryRunAnswer::OwnershipOnly, "Synced; a Synced OwnershipOnly"),
        (DryRunAnswer::Different(vec![".data.a".to_owned()]), "OutOfSync; a OutOfSync Different .data.a"),
        (DryRunAnswer::Invalid("no".to_owned()), "OutOfSync; a OutOfSync Invalid(\"no\")"),
    ] {
        world.answers.verdicts.insert(*memo, answer);
        check(&world, expected);
        assert!(world.compare().is_complete());
    }
}

#[test]
fn an_application_that_heals_itself_asks_only_about_the_unlikely() {
    // A value of ours in another form is usually nothing.
    let mut world = World::new(&[config_map("a", "2")], &[applied("web", "a", "1")]);
    world.doubt = DoubtPolicy::ApplyInstead;
    check(&world, "Unknown; a Unknown Undecided");
    // Unless Git has just changed it.
    world.previous = Some(World::new(&[config_map("a", "1")], &[applied("web", "a", "1")]).compare().comparison);
    check(&world, "OutOfSync; a OutOfSync Different .data.a");
    // A value that somebody removed is a change.
    let mut removed = applied("web", "a", "1");
    removed.as_object_mut().unwrap().remove("data");
    removed["metadata"]["managedFields"][0]["fieldsV1"].as_object_mut().unwrap().remove("f:data");
    let mut world = World::new(&[config_map("a", "1")], &[removed]);
    check(&world, "Unknown; a Unknown Undecided");
    world.doubt = DoubtPolicy::ApplyInstead;
    check(&world, "OutOfSync; a OutOfSync Different .data");
}

#[test]
fn a_body_that_is_not_held_in_the_version_of_git_is_asked_for() {
    let deployment = |version: &str| {
        json!({
            "apiVersion": version, "kind": "Deployment",
            "metadata": {"name": "d", "namespace": "shop", "uid": "u", "resourceVersion": "5"}, "spec": {"paused": false},
        })
    };
    let mut target = deployment("apps/v1");
    target["metadata"] = json!({"name": "d"});
    let mut world = World::new(&[target], &[deployment("apps/v1beta1")]);
    check(&world, "Unknown; d Unknown Undecided");
    let compared = world.compare();
    let [needed] = compared.needed.as_slice() else { panic!("{:?}", compared.needed) };
    let Needed::Read { key, gvk } = needed else { panic!("{needed:?}") };
    assert_eq!(gvk.api_version(), "apps/v1");
    let body = CompactObject::of(&object(deployment("apps/v1")));
    let at = |version: &str| (key.clone(), version.to_owned(), "apps/v1".to_owned());
    world.answers.bodies.insert(at("4"), body.clone());
    assert!(matches!(world.compare().needed[0], Needed::Read { .. }), "an older version is no answer");
    world.answers.bodies.insert(at("5"), body);
    assert!(matches!(world.compare().needed[0], Needed::DryRun { .. }));
}

#[test]
fn what_is_not_listed_is_not_missing() {
    let mut world = World::new(&[config_map("a", "1")], &[]);
    world.live = live_state::LiveState::new();
    check(&world, "Unknown; a Unknown Undecided");
    let compared = world.compare();
    assert_eq!((compared.needed.len(), compared.is_complete()), (0, false));
    assert_eq!(compared.comparison.resources[0].health, None);
    assert_eq!(compared.comparison.resources[0].reason, Reason::ListingKinds { kinds: vec!["ConfigMap".to_owned()] });
}

#[test]
fn rows_of_unchanged_objects_are_taken_over() {
    let rendered = [config_map("a", "1")];
    let mut world = World::new(&rendered, &[applied("web", "a", "1"), applied("web", "x", "1")]);
    let mut before = world.compare().comparison;
    before.resources[0].verdict = ObjectVerdict::Invalid("kept".to_owned());
    world.previous = Some(before);
    check(&world, "OutOfSync; a OutOfSync Invalid(\"kept\"); x OutOfSync Extra prune");
    // A newer live object and another target are looked at.
    let newer = with(applied("web", "a", "1"), "/metadata/resourceVersion", "6".into());
    let fresh =
        |rendered: &[Value], live: Value| World { previous: world.previous.clone(), ..World::new(rendered, &[live]) };
    check(&fresh(&rendered, newer), "Synced; a Synced Same");
    check(&fresh(&[config_map("a", "2")], applied("web", "a", "1")), "Unknown; a Unknown Undecided");
    // What others claim is looked at each time.
    let mut lost = fresh(&rendered, applied("web", "a", "1"));
    lost.previous.as_mut().unwrap().resources[0].owned_by_other = Some(kube_object::InstanceName::new("old"));
    check(&lost, "OutOfSync; a OutOfSync Invalid(\"kept\")");
}

#[test]
fn rows_say_why_and_who() {
    let world = World::new(&[config_map("a", "1")], &[edited(applied("web", "a", "1"))]);
    let comparison = world.compare().comparison;
    let row = &comparison.resources[0];
    assert_eq!(row.reason, Reason::ObjectDifferent { fields: vec![".data.a (set by kubectl-edit)".to_owned()] });
    assert_eq!(row.changed_by.as_deref(), Some("kubectl-edit"));
    let world = World::new(&[], &[applied("web", "a", "1")]).rendered_by("young", "a");
    let comparison = world.compare().comparison;
    assert_eq!(comparison.resources[0].reason, Reason::ObjectHandedOver { other: "young".to_owned() });
    assert_eq!(comparison.resources[0].changed_by, None);
}

#[test]
fn status_rows_are_sorted_and_complete() {
    let confirm = with(
        config_map("b", "1"),
        "/metadata/annotations",
        json!({"argocd.argoproj.io/sync-options": "Prune=confirm", "argocd.argoproj.io/sync-wave": "2"}),
    );
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}});
    let world = World::new(&[deployment, service, confirm, config_map("a", "1")], &[applied("web", "old", "1")]);
    let rows = serde_json::to_value(world.compare().comparison.resource_statuses()).unwrap();
    let missing = json!({"status": "Missing"});
    assert_eq!(
        rows,
        json!([
            {"version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "a", "status": "OutOfSync", "health": missing},
            {
                "version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "b", "status": "OutOfSync", "health": missing,
                "syncWave": 2, "requiresDeletionConfirmation": true,
            },
            {"version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "old", "status": "OutOfSync", "requiresPruning": true},
            {"version": "v1", "kind": "Service", "namespace": "shop", "name": "a", "status": "OutOfSync", "health": missing},
            {
                "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "a",
                "status": "OutOfSync", "health": missing,
            },
        ])
    );
}

#[test]
fn dry_runs_are_joined() {
    let live = object(applied("web", "a", "1"));
    let same = || Ok(live.clone());
    let different = || Ok(object(with(applied("web", "a", "1"), "/data/a", "2".into())));
    let moved = || Ok(object(with(applied("web", "a", "1"), "/metadata/managedFields", json!([]))));
    let stale = || Ok(object(with(applied("web", "a", "1"), "/metadata/resourceVersion", "6".into())));
    let refused = |code: u16| Err(ApiError { code, ..ApiError::no_answer("no") });
    let fields = || Some(DryRunAnswer::Different(vec![".data.a".to_owned()]));
    for (results, expected) in [
        (vec![same()], Some(DryRunAnswer::Same)),
        (vec![same(), moved()], Some(DryRunAnswer::OwnershipOnly)),
        (vec![moved(), different()], fields()),
        (vec![different(), same()], fields()),
        (vec![different(), refused(422)], Some(DryRunAnswer::Invalid("no".to_owned()))),
        (vec![same(), stale()], None),
        (vec![refused(503)], None),
        (vec![refused(409)], None),
    ] {
        assert_eq!(dry_run_answer(&live, &results), expected);
    }
}

#[test]
fn legacy_ownership_is_migrated_with_the_change() {
    let legacy = |value: &str| {
        let mut live = applied("web", "a", value);
        live["metadata"]["managedFields"][0]["operation"] = "Update".into();
        live
    };
    let migration = |live: Value| {
        let mut world = World::new(&[config_map("a", "1")], &[live]);
        let needed = world.compare().needed;
        if let [Needed::DryRun { memo, .. }] = needed.as_slice() {
            world.answers.verdicts.insert(*memo, DryRunAnswer::Different(vec![".data.a".to_owned()]));
        }
        let row = world.compare().comparison.resources.remove(0);
        (row.status.unwrap().to_string(), row.migration.is_some())
    };
    assert_eq!(migration(legacy("1")), ("Synced".to_owned(), false));
    assert_eq!(migration(legacy("2")), ("OutOfSync".to_owned(), true));
    assert_eq!(migration(edited(applied("web", "a", "1"))), ("OutOfSync".to_owned(), false));
}

#[test]
fn entries_of_a_version_that_is_gone_are_repaired_when_the_server_says_so() {
    let mut live = applied("web", "a", "1");
    live["metadata"]["managedFields"][0]["apiVersion"] = "v0".into();
    let repair = |message: &str| {
        let mut world = World::new(&[config_map("a", "1")], std::slice::from_ref(&live));
        let needed = world.compare().needed;
        let [Needed::DryRun { memo, .. }] = needed.as_slice() else { panic!("{needed:?}") };
        world.answers.verdicts.insert(*memo, DryRunAnswer::Invalid(message.to_owned()));
        world.compare().comparison.resources.remove(0).repair.is_some()
    };
    assert!(repair("request to convert CR to an invalid group/version: v0"));
    assert!(!repair("admission denied"));
}
