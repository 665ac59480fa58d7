//! The commands of `driftless` that ask a daemon, and what they say when they cannot.

use std::process::{Command, Output, Stdio};

use integration_tests::{Daemon, Environment, driftless_binary};
use serde_json::Value;
use test_kit::config_map;

use crate::reading::{app_of, wait_settled};
use crate::web;

/// A command with nothing of the test's environment.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(driftless_binary());
    command.args(arguments).env_clear().env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

/// Runs a command to its end; gives exit code, standard output and standard error.
pub(crate) async fn run(mut command: Command) -> (i32, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let Output { status, stdout, stderr } = output;
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

pub(crate) fn of_daemon(daemon: &Daemon, arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.env("DRIFTLESS_SERVER", daemon.url());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_are_listed_shown_waited_for_and_explained() {
    let env = Environment::new("command").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let commit = repo.write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
    let daemon = env.daemon().start().await;
    web::wait_ready(&daemon).await;
    let full = format!("{}/command-app", env.namespace());
    // What does not exist yet is waited for.
    let waiting = tokio::spawn(run(of_daemon(&daemon, &["app", "wait", "command-app", "--timeout", "60s"])));
    env.cluster().apply(&app_of(&env, "command-app", "app", &ns).automated().build()).await;
    assert_eq!(waiting.await.unwrap(), (0, String::new(), String::new()));
    let settled = wait_settled(&env, "command-app", &commit).await;
    let shows = |answer: &web::WebAnswer| {
        answer.json()["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]
    };
    web::wait_answer(&format!("{}/api/v1/applications/command-app", daemon.url()), "the last write", shows).await;

    let ok = async |arguments: &[&str]| {
        let (code, out, err) = run(of_daemon(&daemon, arguments)).await;
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
        out
    };
    let table = ok(&["app", "list"]).await;
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..5], [&full, "default", "Synced", "Healthy", &commit[..12]]);
    assert_eq!(ok(&["app", "list", "-o", "name"]).await, format!("{full}\n"));
    let text = ok(&["app", "get", "command-app"]).await;
    assert!(text.contains("Sync       Synced\n") && text.contains("ConfigMap") && text.contains("settings"), "{text}");
    let json: Value = serde_json::from_str(&ok(&["app", "get", &full, "-o", "json"]).await).unwrap();
    assert_eq!(json["status"], settled["status"]);
    let why = ok(&["why", "command-app"]).await;
    assert!(why.contains(&commit), "{why}");

    let (code, out, err) = run(of_daemon(&daemon, &["app", "get", "nobody"])).await;
    assert!(code == 1 && out.is_empty() && err.contains("application nobody does not exist"), "{code} {out} {err}");
    let deleted = ["app", "wait", "command-app", "--deleted", "--timeout", "1ms"];
    let (code, _, err) = run(of_daemon(&daemon, &deleted)).await;
    assert!(code == 1 && err.contains("command-app"), "{code} {err}");
    let waiting =
        tokio::spawn(run(of_daemon(&daemon, &["app", "wait", "command-app", "--deleted", "--timeout", "60s"])));
    env.cluster().delete(&env.application("command-app")).await;
    assert_eq!(waiting.await.unwrap(), (0, String::new(), String::new()));
    assert!(ok(&["app", "list", "-o", "json"]).await.starts_with("[]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_explained_by_its_object() {
    let env = Environment::new("command-why").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    repo.write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
    let daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, "command-why", "app", &ns).build()).await;
    env.wait_app("command-why", "OutOfSync", |app| app["status"]["sync"]["status"] == "OutOfSync").await;
    let url = format!("{}/api/driftless/v1/why/-/command-why", daemon.url());
    web::wait_answer(&url, "automated sync is off", |answer| answer.json()[0]["rule"] == "AutoSyncOff").await;
    let (code, out, err) = run(of_daemon(&daemon, &["why", "command-why", "ConfigMap/settings"])).await;
    assert_eq!((code, err.as_str(), out.lines().count()), (0, "", 1), "{out}");
    assert!(out.contains("ConfigMap") && out.contains(&format!("{ns}/settings")), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_one_sentence_on_standard_error() {
    let directory = tempfile::tempdir().unwrap();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["app", "list", "--server", "http://127.0.0.1:9"], 1, "is `driftless controller` running"),
        (&["app", "wait", "web", "--server", "http://127.0.0.1:9"], 2, "is `driftless controller` running"),
        (&["controller", "--kubeconfig", "/nowhere/config"], 1, "/nowhere/config"),
        (&["controller"], 1, "no cluster to connect to"),
        (&["controller", "--http-listen", "0.0.0.0:0"], 1, "loopback"),
        (&["render", "/nowhere"], 1, "/nowhere"),
    ];
    for (arguments, expected, part) in cases {
        let mut command = command(arguments);
        if arguments[0] == "controller" {
            let listen = if part == "loopback" { &[][..] } else { &["--http-listen", "127.0.0.1:0"] };
            command
                .args(listen)
                .args(["--metrics-listen", "127.0.0.1:0", "--log-level", "error", "--data-dir"])
                .arg(directory.path());
        }
        let (code, out, err) = run(command).await;
        assert_eq!((code, out.as_str(), err.lines().count()), (expected, "", 1), "{arguments:?}: {err}");
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
    let (code, out, err) = run(command(&["controller", "--no-such-flag"])).await;
    assert!(code == 2 && out.is_empty() && err.contains("--no-such-flag"), "{code} {err}");
}
