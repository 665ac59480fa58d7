//! Applications with a list of sources: one desired state of all of them, at one revision of each.

use application_api::Application;
use reconciler::RenderFailure;
use serde_json::{Value, json};
use test_kit::sim::{REPO, World, application_with, config_map};

/// An Application of the directories `web` and `more`, which may refer to the repository as `$env`.
fn listed() -> Value {
    application_with("web", |app| {
        let spec = app["spec"].as_object_mut().unwrap();
        spec.remove("source");
        spec.insert(
            "sources".to_owned(),
            json!([
                {"repoURL": REPO, "path": "web", "targetRevision": "HEAD"},
                {"repoURL": REPO, "path": "more", "targetRevision": "HEAD"},
                {"repoURL": REPO, "ref": "env", "targetRevision": "HEAD"},
            ]),
        );
    })
}

fn world(web: &[Value], more: &[Value]) -> World {
    let mut world = World::new();
    world.git.commit(&[("web", web), ("more", more)]);
    world.server.create(listed());
    world.start();
    world.seconds(5);
    world
}

fn stored(world: &World) -> Application {
    world.application("web")
}

#[test]
fn what_is_recorded_is_of_all_sources() {
    let mut world = world(&[config_map("a", "1")], &[config_map("b", "1")]);
    world.assert_well("web");
    assert_eq!((world.map_value("a").as_deref(), world.map_value("b").as_deref()), (Some("1"), Some("1")));
    let commit = world.git.head_name().to_owned();
    let all = vec![commit.clone(); 3];
    let status = stored(&world).status.unwrap();
    assert_eq!((status.sync.revision.as_str(), &status.sync.revisions), ("", &all));
    assert_eq!((status.source_type, status.source_types.len()), (None, 3));
    assert_eq!((status.sync.compared_to.source.repo_url.as_str(), status.sync.compared_to.sources.len()), ("", 3));
    let state = status.operation_state.unwrap();
    let result = state.sync_result.unwrap();
    assert_eq!((result.revision.as_str(), &result.revisions, result.sources.len()), ("", &all, 3));
    let sync = state.operation.sync.unwrap();
    assert_eq!((sync.source, sync.sources.len(), &sync.revisions), (None, 3, &all));
    let entry = &status.history[0];
    assert_eq!((entry.revision.as_str(), &entry.revisions, entry.sources.len()), ("", &all, 3));

    // A commit to one of them is a new revision of all.
    let commit = world.commit(&[("more", &[config_map("b", "2")])]);
    world.assert_well("web");
    assert_eq!(world.map_value("b").as_deref(), Some("2"));
    assert_eq!(stored(&world).status.unwrap().sync.revisions, vec![commit; 3]);
}

#[test]
fn an_object_in_two_sources_is_the_last_ones_and_is_said() {
    let world = world(&[config_map("a", "first")], &[config_map("a", "last")]);
    assert_eq!(world.map_value("a").as_deref(), Some("last"));
    let said = "RepeatedResourceWarning: Resource /ConfigMap/shop/a appeared 2 times among application resources.";
    assert_eq!(world.conditions("web"), [said]);
}

#[test]
fn nothing_goes_while_one_source_cannot_be_rendered() {
    let mut world = world(&[config_map("a", "1")], &[config_map("b", "1")]);
    world.git.broken.insert("more".to_owned(), RenderFailure::Content("more/a.yaml:3: no kind".to_owned()));
    world.commit(&[("web", &[config_map("c", "1")]), ("more", &[])]);
    world.seconds(400);
    assert!(world.exists("a") && world.exists("b") && !world.exists("c"));
    world.git.broken.clear();
    world.commit(&[("web", &[config_map("c", "2")]), ("more", &[])]);
    world.seconds(400);
    assert!(!world.exists("a") && !world.exists("b") && world.exists("c"));
}

#[test]
fn a_sync_to_revisions_is_to_those() {
    let mut world = world(&[config_map("a", "1")], &[config_map("b", "1")]);
    let old = world.git.head_name().to_owned();
    world.edit_application("web", |app| _ = app["spec"].as_object_mut().unwrap().remove("syncPolicy"));
    let new = world.commit(&[("web", &[config_map("a", "2")]), ("more", &[config_map("b", "2")])]);
    world.edit_application("web", |app| app["operation"] = json!({"sync": {"revisions": [old, new, new]}}));
    world.seconds(5);
    assert_eq!((world.map_value("a").as_deref(), world.map_value("b").as_deref()), (Some("1"), Some("2")));
    let state = stored(&world).status.unwrap().operation_state.unwrap();
    assert_eq!(state.sync_result.unwrap().revisions, [old, new.clone(), new.clone()]);

    world.edit_application("web", |app| app["operation"] = json!({"sync": {"revisions": [new]}}));
    world.seconds(5);
    let state = stored(&world).status.unwrap().operation_state.unwrap();
    assert_eq!(state.message, "operation.sync.revisions names 1 revisions for 3 sources; name one for each");
    assert_eq!(world.map_value("a").as_deref(), Some("1"));
}

#[test]
fn what_is_wrong_with_a_list_is_said() {
    for (sources, expected) in [
        (json!([{"path": "web"}]), "are required for source"),
        (
            json!([{"repoURL": REPO, "path": "web", "ref": "a"}, {"repoURL": REPO, "ref": "a"}]),
            "invalid sources: multiple sources had the same `ref` key",
        ),
        (json!([{"repoURL": REPO, "path": "web", "ref": "a b"}]), "ref \"a b\" may have letters, digits, _ and - only"),
        (
            json!([
                {"repoURL": "https://charts.example", "chart": "x", "targetRevision": "1", "ref": "a"},
                {"repoURL": REPO, "path": "web", "helm": {"valueFiles": ["$a/values.yaml"]}},
            ]),
            "source has a 'chart' field defined, but Helm charts are not yet not supported for 'ref' sources",
        ),
        (json!([{"repoURL": REPO, "path": "web", "plugin": {"name": "x"}}]), "spec.sources[0].plugin is set"),
    ] {
        let mut world = World::new();
        world.git.commit(&[("web", &[config_map("a", "1")])]);
        world.server.create(application_with("web", |app| app["spec"]["sources"] = sources));
        world.start();
        world.seconds(30);
        let conditions = world.conditions("web");
        assert!(conditions.iter().any(|line| line.contains(expected)), "{expected}: {conditions:?}");
        assert!(!world.exists("a"));
    }
}

#[test]
fn charts_of_repositories_that_the_project_does_not_permit_are_refused() {
    let mut world = World::new();
    world.git.commit(&[("web", &[config_map("a", "1")])]);
    world.git.chart_repositories = ["https://charts.example".into()].into();
    let project = |sources: Value| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": "shop", "namespace": "argocd"},
            "spec": {"sourceRepos": sources, "destinations": [{"server": "*", "namespace": "*"}]},
        })
    };
    world.server.create(project(json!([REPO])));
    world.server.create(application_with("web", |app| {
        app["spec"]["project"] = "shop".into();
        app["spec"]["source"]["helm"] = json!({});
    }));
    world.start();
    world.seconds(400);
    let refused = "helm repos https://charts.example are not permitted in project 'shop'";
    assert!(world.conditions("web").iter().any(|line| line.ends_with(refused)), "{:?}", world.conditions("web"));
    assert!(!world.exists("a"));

    // A project that permits them lets the Application go on; one that no longer does keeps what is there.
    world.edit_project("shop", |spec| spec["sourceRepos"] = json!(["*"]));
    world.seconds(5);
    assert!(world.exists("a"));
    world.edit_project("shop", |spec| spec["sourceRepos"] = json!([REPO]));
    world.commit(&[("web", &[config_map("b", "1")])]);
    world.seconds(400);
    assert!(world.exists("a") && !world.exists("b"));
}
