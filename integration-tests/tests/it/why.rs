//! `driftless why` against a daemon that runs: the reason it gives is the one that holds.

use integration_tests::{Daemon, Environment, object};
use serde_json::{Value, json};
use test_kit::config_map;

use crate::command_line::{of_daemon, run};
use crate::reading::{app_of, has_sync, wait_explained, wait_settled};

/// Waits until a daemon gives a rule, and gives the first line that the command prints about it.
async fn why(daemon: &Daemon, env: &Environment, app: &str, rule: &str) -> String {
    wait_explained(daemon, env.namespace(), app, rule).await;
    let (code, out, err) = run(of_daemon(daemon, &["why", app])).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    out.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_that_holds_is_printed() {
    let env = Environment::new("why").await;
    let (ns, repo) = (env.workload_namespace().await, env.repo("app"));
    let cm = |name: &str| config_map(&format!("why-{name}"), &[("a", "1")]).to_string();
    let mut broken = config_map("why-retried", &[]);
    broken["immutable"] = "no".into();
    let commit = repo
        .write("synced/cm.json", cm("synced"))
        .write("edited/cm.json", cm("edited"))
        .write("broken/cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\n")
        .write("retried/cm.json", broken.to_string())
        .commit("first");
    let daemon = env.daemon().start().await;
    let app = |path: &str| app_of(&env, &env.app_name(path), path, &ns).automated();
    let retry = json!({"limit": 2, "backoff": {"duration": "1h", "factor": 1}});
    for app in [
        app("synced").build(),
        app("edited").build(),
        app("broken").build(),
        app("retried").set("/spec/syncPolicy/retry", retry).build(),
        app("invalid").set("/spec/destination/name", "in-cluster").build(),
        app("nowhere").set("/spec/source/path", "synced").revision("v9").build(),
    ] {
        env.cluster().apply(&app).await;
    }
    let name = |path: &str| env.app_name(path);
    wait_settled(&env, &name("synced"), &commit).await;
    let said = why(&daemon, &env, &name("synced"), "Synced").await;
    assert_eq!(said, format!("The cluster is as commit {commit} says."));

    wait_settled(&env, &name("edited"), &commit).await;
    env.cluster().edit(&object("v1", "ConfigMap", &ns, "why-edited"), &json!({"data": {"a": "2"}})).await;
    env.wait_app(&name("edited"), "OutOfSync", |app| has_sync(app, "OutOfSync")).await;
    let said = why(&daemon, &env, &name("edited"), "SelfHealOff").await;
    let expected = "1 object was changed after this commit was synced, and selfHeal is off. \
                    Waits for a sync to be requested, or another commit.";
    assert_eq!(said, expected);
    let (_, out, _) = run(of_daemon(&daemon, &["why", &name("edited"), "configmap/why-edited"])).await;
    assert_eq!(out, format!("ConfigMap {ns}/why-edited: It differs from Git in .data.a (set by kubectl-edit).\n"));

    let said = why(&daemon, &env, &name("broken"), "RenderFailed").await;
    assert!(said.starts_with(&format!("Manifests of commit {commit} could not be rendered: ")), "{said}");
    assert!(said.contains("broken/cm.yaml:") && said.ends_with(". Waits for another commit, or a refresh."), "{said}");

    let said = why(&daemon, &env, &name("invalid"), "InvalidSpec").await;
    let expected = "The Application cannot be processed: application destination can't have both name and server defined: \
                    in-cluster https://kubernetes.default.svc. Waits for a change of the Application, its project or the settings.";
    assert_eq!(said, expected);

    let said = why(&daemon, &env, &name("nowhere"), "RevisionUnknown").await;
    let expected = format!(
        "There is no revision v9 in {}. Waits for the revision to appear, or a change of the Application.",
        env.git_url("app")
    );
    assert_eq!(said, expected);

    let said = why(&daemon, &env, &name("retried"), "RetryWaiting").await;
    assert!(said.starts_with("The operation failed (one or more objects failed to apply"), "{said}");
    let (code, out, _) = run(of_daemon(&daemon, &["why", &name("retried"), "-o", "json"])).await;
    let printed: Value = serde_json::from_str(&out).unwrap();
    let at = printed[0]["wakesAt"].as_str().unwrap();
    assert!(
        code == 0 && said.ends_with(&format!(") and waits for attempt 1. Waits for the next attempt, at {at}.")),
        "{said}"
    );
}
