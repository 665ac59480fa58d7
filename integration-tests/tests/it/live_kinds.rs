//! Kinds that appear later, objects without a namespace, and objects that several Applications want.

use integration_tests::{Environment, ObjectRef, object};
use serde_json::{Value, json};
use test_kit::config_map;

use crate::reading::{app_of, conditions, has_sync, is_settled, message, result, row, tracking_id, wait_settled};

/// Gives a CustomResourceDefinition of kind `Gadget`.
pub(crate) fn gadgets(group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gadgets.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "GadgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
            }}}],
        },
    })
}

fn gadget(group: &str, name: &str) -> Value {
    json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": name}, "spec": {"size": 3}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_and_its_object_are_synced_in_one_go() {
    let env = Environment::new("kinds-together").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let group = format!("{work}.example");
    let repo = env.repo("app");
    // In the order of names the object comes first.
    repo.write("app/a-gadget.json", gadget(&group, "mine").to_string());
    let commit = repo.write("app/b-definition.json", gadgets(&group).to_string()).commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().self_heal().prune().build()).await;

    let app = wait_settled(&env, shop, &commit).await;
    assert_eq!(app["status"]["operationState"]["retryCount"], Value::Null);
    let definition = format!("gadgets.{group}");
    let done = ["Gadget", "CustomResourceDefinition"]
        .map(|kind| result(&app, kind, if kind == "Gadget" { "mine" } else { &definition })["status"].clone());
    assert_eq!(done, ["Synced", "Synced"]);
    let mine = object(&format!("{group}/v1"), "Gadget", &work, "mine");
    let live = env.cluster().get(&mine).await;
    assert_eq!(
        (&live["spec"]["size"], tracking_id(&live)),
        (&json!(3), &*format!("{shop}:{group}/Gadget:{work}/mine"))
    );

    // The kind is watched now.
    env.cluster().edit(&mine, &json!({"spec": {"size": 4}})).await;
    env.cluster().wait_for(&mine, "healed", |live| live["spec"]["size"] == 3).await;
    repo.delete("app/a-gadget.json").commit("second");
    env.cluster().wait_gone(&mine).await;
    env.cluster().delete(&ObjectRef::of(&gadgets(&group))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_waits_for_a_definition_of_somebody_else() {
    let env = Environment::new("kinds-later").await;
    let shop = &env.app_name("shop");
    let work = env.workload_namespace().await;
    let group = format!("{work}.example");
    let commit = env.repo("app").write("app/gadget.json", gadget(&group, "mine").to_string()).commit("first");
    let _daemon = env.daemon().start().await;
    let retry = json!({"limit": 30, "backoff": {"duration": "1s", "factor": 1}});
    env.cluster()
        .apply(&app_of(&env, shop, "app", &work).automated().set("/spec/syncPolicy/retry", retry).build())
        .await;

    let missing = format!("The Kubernetes API could not find {group}/Gadget");
    let waiting = env.wait_app(shop, &missing, |app| message(app).contains(&missing)).await;
    assert!(has_sync(&waiting, "OutOfSync"));
    env.cluster().apply(&gadgets(&group)).await;
    let app = wait_settled(&env, shop, &commit).await;
    assert_eq!(
        (row(&app, "Gadget", "mine")["status"].clone(), conditions(&app, "SyncError").len()),
        (json!("Synced"), 0)
    );
    env.cluster().delete(&ObjectRef::of(&gadgets(&group))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_without_a_namespace() {
    let env = Environment::new("kinds-cluster").await;
    let shop = &env.app_name("shop");
    let (work, other) = (env.workload_namespace().await, env.unused_namespace());
    let repo = env.repo("app");
    let class =
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": work}, "value": 5});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}});
    let mut inside = config_map("inside", &[]);
    inside["metadata"]["namespace"] = other.as_str().into();
    repo.write("app/class.json", class.to_string()).write("app/inside.json", inside.to_string());
    let commit = repo.write("app/namespace.json", namespace.to_string()).commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, shop, "app", &work).automated().self_heal().prune().build()).await;

    let app = wait_settled(&env, shop, &commit).await;
    assert_eq!(row(&app, "PriorityClass", &work)["namespace"], Value::Null);
    let (class, namespace) = (ObjectRef::of(&class), ObjectRef::of(&namespace));
    let live = env.cluster().get(&class).await;
    assert_eq!(tracking_id(&live), format!("{shop}:scheduling.k8s.io/PriorityClass:{work}/{work}"));
    let inside = env.cluster().get(&ObjectRef::of(&inside)).await;
    assert_eq!(tracking_id(&inside), format!("{shop}:/ConfigMap:{other}/inside"));

    env.cluster().edit(&class, &json!({"description": "theirs", "globalDefault": null})).await;
    env.cluster().delete(&class).await;
    env.cluster().wait_for(&class, "made again", |live| live["description"].is_null() && live["value"] == 5).await;
    let second = repo.delete("app/class.json").delete("app/inside.json").delete("app/namespace.json");
    let second = second.write("app/left.json", config_map("left", &[]).to_string()).commit("second");
    env.cluster().wait_gone(&class).await;
    env.cluster().wait_gone(&namespace).await;
    wait_settled(&env, shop, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_claimants_the_later_warns_and_waits() {
    let env = Environment::new("kinds-shared").await;
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    for app in ["first", "second"] {
        repo.write(&format!("{app}/shared.json"), config_map("shared", &[("of", app)]).to_string());
        repo.write(&format!("{app}/own.json"), config_map(app, &[("of", app)]).to_string());
    }
    let commit = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let names = ["first", "second"].map(|name| env.app_name(name));
    let [one, two] = &names;
    let build = |name: &str, path: &str| app_of(&env, name, path, &work).automated().self_heal().prune().build();
    env.cluster().apply(&build(one, "first")).await;
    wait_settled(&env, one, &commit).await;
    let shared = object("v1", "ConfigMap", &work, "shared");
    let before = env.cluster().get(&shared).await;

    env.cluster().apply(&build(two, "second")).await;
    let warning = format!("ConfigMap/shared is part of applications {}/{two} and {one}", env.namespace());
    let second = env.wait_app(two, "warned, its own object applied", |app| {
        conditions(app, "SharedResourceWarning") == [&warning] && row(app, "ConfigMap", "second")["status"] == "Synced"
    });
    assert_eq!(row(&second.await, "ConfigMap", "shared")["status"], "OutOfSync");
    assert_eq!(env.cluster().get(&shared).await, before);
    let first = env.cluster().get(&env.application(one)).await;
    assert!(is_settled(&first), "{first:#}");
    assert_eq!(conditions(&first, "SharedResourceWarning").len(), 0);

    // The first gives it up, and the second has it without its being deleted.
    let next = repo.delete("first/shared.json").commit("second");
    let second = env.wait_app(two, "settled", is_settled).await;
    assert_eq!(conditions(&second, "SharedResourceWarning").len(), 0);
    let after = env.cluster().get(&shared).await;
    assert_eq!((&after["metadata"]["uid"], &after["data"]["of"]), (&before["metadata"]["uid"], &json!("second")));
    assert_eq!(tracking_id(&after), format!("{two}:/ConfigMap:{work}/shared"));
    let first = wait_settled(&env, one, &next).await;
    assert_eq!(row(&first, "ConfigMap", "shared"), &Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_moves_between_applications_is_not_deleted() {
    let env = Environment::new("kinds-moved").await;
    let work = env.workload_namespace().await;
    let repo = env.repo("app");
    let moved = ["a-to-b", "b-to-a"];
    for (app, own) in [("a", "a-to-b"), ("b", "b-to-a")] {
        repo.write(&format!("{app}/own.json"), config_map(app, &[]).to_string());
        repo.write(&format!("{app}/{own}.json"), config_map(own, &[("of", app)]).to_string());
    }
    let first = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let apps = ["a", "b"].map(|name| env.app_name(name));
    for (app, path) in apps.iter().zip(["a", "b"]) {
        env.cluster().apply(&app_of(&env, app, path, &work).automated().self_heal().prune().build()).await;
        wait_settled(&env, app, &first).await;
    }
    let live = async |name: &str| env.cluster().get(&object("v1", "ConfigMap", &work, name)).await;
    let before = [live("a-to-b").await, live("b-to-a").await];

    repo.delete("a/a-to-b.json").write("b/a-to-b.json", config_map("a-to-b", &[("of", "b")]).to_string());
    repo.delete("b/b-to-a.json").write("a/b-to-a.json", config_map("b-to-a", &[("of", "a")]).to_string());
    let second = repo.commit("second");
    for app in &apps {
        let app = wait_settled(&env, app, &second).await;
        assert_eq!(app["status"]["conditions"], Value::Null);
    }
    for ((name, before), (to, app)) in moved.iter().zip(&before).zip([("b", &apps[1]), ("a", &apps[0])]) {
        let after = live(name).await;
        assert_eq!(
            (&after["metadata"]["uid"], &after["data"]["of"]),
            (&before["metadata"]["uid"], &json!(to)),
            "{name}"
        );
        assert_eq!(tracking_id(&after), format!("{app}:/ConfigMap:{work}/{name}"));
    }
}
