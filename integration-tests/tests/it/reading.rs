//! What tests read in an Application's status, and what they ask an Application for.

use integration_tests::{DEADLINE, Daemon, Environment};
use serde_json::{Value, json};
use test_kit::{AppBuilder, application};

/// Starts an Application of an environment that takes a directory of its repository `app` to a namespace.
pub(crate) fn app_of(env: &Environment, name: &str, path: &str, namespace: &str) -> AppBuilder {
    application(name).in_namespace(env.namespace()).source(&env.git_url("app"), path).destination(namespace)
}

/// Gives the phase of the last operation.
pub(crate) fn phase(app: &Value) -> &str {
    app["status"]["operationState"]["phase"].as_str().unwrap_or_default()
}

/// Gives the message of the last operation.
pub(crate) fn message(app: &Value) -> &str {
    app["status"]["operationState"]["message"].as_str().unwrap_or_default()
}

/// Tells whether no operation is requested or runs.
pub(crate) fn is_idle(app: &Value) -> bool {
    app["operation"].is_null() && !matches!(phase(app), "Running" | "Terminating")
}

/// Tells whether the verdict on all objects is this one.
pub(crate) fn has_sync(app: &Value, status: &str) -> bool {
    app["status"]["sync"]["status"] == status
}

/// Tells whether the last operation has ended with success and everything is as Git says.
pub(crate) fn is_settled(app: &Value) -> bool {
    is_idle(app) && phase(app) == "Succeeded" && has_sync(app, "Synced")
}

/// Gives the messages of the conditions of a type.
pub(crate) fn conditions<'a>(app: &'a Value, kind: &str) -> Vec<&'a str> {
    let all = app["status"]["conditions"].as_array().into_iter().flatten();
    all.filter(|condition| condition["type"] == kind).filter_map(|condition| condition["message"].as_str()).collect()
}

/// Gives the row of `status.resources` about an object, null if there is none.
pub(crate) fn row<'a>(app: &'a Value, kind: &str, name: &str) -> &'a Value {
    named(&app["status"]["resources"], kind, name)
}

/// Gives what the last operation did about an object, null if nothing.
pub(crate) fn result<'a>(app: &'a Value, kind: &str, name: &str) -> &'a Value {
    named(&app["status"]["operationState"]["syncResult"]["resources"], kind, name)
}

fn named<'a>(list: &'a Value, kind: &str, name: &str) -> &'a Value {
    let mut all = list.as_array().into_iter().flatten();
    all.find(|row| row["kind"] == kind && row["name"] == name).unwrap_or(&Value::Null)
}

/// Gives the revisions of the history, oldest first.
pub(crate) fn history(app: &Value) -> Vec<&str> {
    let all = app["status"]["history"].as_array().into_iter().flatten();
    all.filter_map(|entry| entry["revision"].as_str()).collect()
}

/// Gives the tracking id that an object carries.
pub(crate) fn tracking_id(object: &Value) -> &str {
    object["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"].as_str().unwrap_or_default()
}

/// Requests an operation as Argo CD's API does: the state of the one before is cleared in the same write.
pub(crate) async fn operate(env: &Environment, name: &str, sync: Value) {
    let operation = json!({"sync": sync, "initiatedBy": {"username": "jane"}});
    let patch = json!({"operation": operation, "status": {"operationState": null}});
    env.cluster().edit(&env.application(name), &patch).await;
}

/// Waits until no operation is requested or runs, and the last has ended in a phase, and gives the Application.
pub(crate) async fn wait_operated(env: &Environment, name: &str, wanted: &str) -> Value {
    env.wait_app(name, &format!("an operation that {wanted}"), |app| is_idle(app) && phase(app) == wanted).await
}

/// Waits until an Application is settled at a revision and gives it.
pub(crate) async fn wait_settled(env: &Environment, name: &str, revision: &str) -> Value {
    env.wait_app(name, &format!("settled at {revision}"), |app| {
        is_settled(app) && app["status"]["sync"]["revision"] == revision
    })
    .await
}

/// Asks a daemon again and again why an Application is as it is, until it names this rule: what a process knows is not in the cluster.
pub(crate) async fn wait_explained(daemon: &Daemon, namespace: &str, name: &str, rule: &str) {
    let url = format!("{}/api/driftless/v1/why/{namespace}/{name}", daemon.url());
    let mut last = Value::Null;
    let explained = tokio::time::timeout(DEADLINE, async {
        loop {
            let body = match reqwest::get(&url).await {
                Ok(answer) => answer.bytes().await.unwrap_or_default(),
                Err(_) => continue,
            };
            last = serde_json::from_slice(&body).unwrap_or_default();
            if last[0]["rule"] == rule {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let reached = explained.await.is_ok();
    assert!(reached, "waited for rule {rule} of {name}: {last:#}");
}
