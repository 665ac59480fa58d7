//! Precedence of settings, exit codes, what goes to which stream.

use std::io::Write;
use std::process::Stdio;

use crate::support::{driftless, run};
use serde_json::Value;

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    fn check(flag: Option<&str>, variable: Option<&str>, file: Option<&str>, expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let mut command = driftless(&["controller"]);
        if let Some(address) = file {
            let path = directory.path().join("config.yaml");
            std::fs::write(&path, format!("http-listen: {address}\n")).unwrap();
            command.arg("--config").arg(path);
        }
        if let Some(address) = variable {
            command.env("DRIFTLESS_HTTP_LISTEN", address);
        }
        if let Some(address) = flag {
            command.args(["--http-listen", address]);
        }
        // A public address is refused by name, before anything is opened.
        let (code, out, err) = run(&mut command);
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.contains(&format!("--http-listen {expected} is not a loopback address")), "{err}");
    }
    let (one, two, three) = ("192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3");
    check(Some(one), Some(two), Some(three), one);
    check(None, Some(two), Some(three), two);
    check(None, None, Some(three), three);
}

#[test]
fn errors_are_one_line_and_have_their_exit_code() {
    fn check(args: &[&str], code: i32, expected: &str) {
        let (found, out, err) = run(&mut driftless(args));
        assert_eq!((found, out.as_str()), (code, ""), "{args:?}: {err}");
        assert!(
            err.starts_with("driftless: ") && err.lines().count() == 1 && err.contains(expected),
            "{args:?}: {err}"
        );
    }
    let nobody = ["--server", "http://127.0.0.1:9"];
    check(&[&["app", "list"][..], &nobody].concat(), 1, "is `driftless controller` running");
    check(&[&["app", "get", "web"][..], &nobody].concat(), 1, "application web cannot be read");
    check(&[&["app", "wait", "web"][..], &nobody].concat(), 2, "is `driftless controller` running");
    check(&["app", "list", "--server", "nowhere"], 1, "http://127.0.0.1:8080");
    check(&["health", "/nowhere/pod.yaml"], 1, "/nowhere/pod.yaml");
    check(&["controller", "--config", "/nowhere/config.yaml"], 1, "/nowhere/config.yaml");
    check(&["controller", "--log-level", "loud"], 1, "`loud` is not a log level");
    // Wrong usage.
    check(&["unknown"], 2, "unrecognized subcommand 'unknown'");
    check(&["controller", "--no-such-flag"], 2, "unexpected argument '--no-such-flag' found");
    check(&["controller", "--kubeconfg", "x"], 2, "a similar argument exists: '--kubeconfig'");
    check(&["app", "get", "a/b/c"], 2, "invalid value 'a/b/c' for '<APP>': expected NAME or NAMESPACE/NAME");
    check(&["app", "list", "-o", "xml"], 2, "[possible values: table, json, yaml, name]");
    check(
        &["controller", "--reconciliation-timeout", "soon"],
        2,
        "invalid value 'soon' for '--reconciliation-timeout <D>'",
    );
    check(&["controller", "--http-listen", "8080"], 2, "`8080` is not an address: expected IP:PORT");
    check(&["render"], 2, "required arguments were not provided");
    check(&["health"], 2, "for more information, try '--help'");
}

#[test]
fn a_daemon_that_cannot_begin_says_so_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let check = |args: &[&str], variables: &[(&str, &str)], expected: &[&str]| {
        let mut command = driftless(&["controller", "--http-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
        command
            .args(["--log-level", "error", "--data-dir"])
            .arg(directory.path())
            .args(args)
            .envs(variables.iter().copied());
        let (code, out, err) = run(&mut command);
        assert_eq!((code, out.as_str(), err.lines().count()), (1, "", 1), "{args:?}: {err}");
        assert!(err.starts_with("driftless: ") && expected.iter().all(|part| err.contains(part)), "{args:?}: {err}");
    };
    check(&[], &[], &["no cluster to connect to: not in a pod", "give one with --kubeconfig"]);
    check(&[], &[("KUBECONFIG", "/nowhere/config")], &["no cluster to connect to", "/nowhere/config"]);
    check(
        &["--kubeconfig", "/nowhere/config"],
        &[],
        &["kubeconfig /nowhere/config cannot be used", "correct the file"],
    );
    let unreadable = directory.path().to_str().unwrap();
    check(&["--kubeconfig", unreadable], &[], &[unreadable, "cannot be used"]);
    let broken = file("broken", "clusters: [\n");
    check(&["--kubeconfig", &broken], &[], &[&broken, "cannot be used"]);
    let empty = file("empty", "apiVersion: v1\nkind: Config\n");
    check(&["--kubeconfig", &empty], &[], &[&empty, "cannot be used"]);
    for (name, content, part) in [
        ("syntax.yaml", "log-level: [\n", "line"),
        ("unknown.yaml", "log-levl: info\n", "unknown field `log-levl`"),
        ("value.yaml", "reconciliation-timeout: soon\n", "soon"),
        ("type.yaml", "- a\n- b\n", "is not a file of settings"),
    ] {
        let path = file(name, content);
        check(&["--config", &path], &[], &[&format!("{path} is not a file of settings"), part]);
    }
    // A free port at which nobody listens.
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = file(
        "nobody",
        &format!(
            "{{apiVersion: v1, kind: Config, current-context: a, contexts: [{{name: a, context: {{cluster: a, user: a}}}}], \
             clusters: [{{name: a, cluster: {{server: 'http://{refusing}'}}}}], users: [{{name: a, user: {{}}}}]}}"
        ),
    );
    let server = format!("no answer from http://{refusing}");
    check(
        &["--kubeconfig", &nobody],
        &[],
        &["no cluster to talk to", &server, "refused", "check that the API server is up"],
    );
}

#[test]
fn help_is_given_where_a_command_is_missing_or_help_is_asked_for() {
    for (args, code, on_error) in
        [(&[][..], 2, true), (&["app"], 2, true), (&["--help"], 0, false), (&["controller", "-h"], 0, false)]
    {
        let (found, out, err) = run(&mut driftless(args));
        let (text, other) = if on_error { (&err, &out) } else { (&out, &err) };
        assert!(
            found == code && other.is_empty() && text.contains("Usage: driftless"),
            "{args:?}: {found} {out} {err}"
        );
    }
}

#[test]
fn crds_are_yaml_documents() {
    let (code, out, err) = run(&mut driftless(&["crds"]));
    assert_eq!((code, err.as_str()), (0, ""));
    let kinds: Vec<&str> = out.lines().filter(|line| line.starts_with("kind:")).collect();
    assert_eq!(kinds, ["kind: CustomResourceDefinition"; 2]);
    assert_eq!(out.split("\n---\n").count(), 2);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = driftless(&["crds"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn health_is_one_json_object_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("objects.yaml");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: c, deletionTimestamp: '2026-01-01T00:00:00Z'}}\n").unwrap();
    let (code, out, err) = run(driftless(&["health", "-o", "json"]).arg(&path));
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["status"], &lines[0]["namespace"]), (2, &Value::Null, &Value::from("b")));
    assert_eq!((&lines[1]["name"], &lines[1]["status"]), (&Value::from("c"), &Value::from("Progressing")));
}

#[test]
fn a_broken_file_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.yaml");
    std::fs::write(&path, "kind: Pod\napiVersion: [\n").unwrap();
    let (code, _, err) = run(driftless(&["health"]).arg(&path));
    assert!(code == 1 && err.contains("broken.yaml:"), "{code} {err}");
}

#[test]
fn a_directory_is_rendered_as_documents_or_lines() {
    let directory = tempfile::tempdir().unwrap();
    let pod = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n");
    std::fs::write(directory.path().join("a.yaml"), format!("{}---\n{}", pod("one"), pod("two"))).unwrap();
    let (code, out, err) = run(driftless(&["render"]).arg(directory.path()));
    assert_eq!((code, out, err.as_str()), (0, format!("{}---\n{}", pod("one"), pod("two")), ""));
    let (_, out, _) = run(driftless(&["render", "-o", "json"]).arg(directory.path()));
    let names: Vec<Value> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["one", "two"]);

    std::fs::write(directory.path().join("b.yaml"), "apiVersion: v1\nkind: [\n").unwrap();
    let (code, out, err) = run(driftless(&["render"]).arg(directory.path()));
    assert!(code == 1 && out.is_empty() && err.contains("b.yaml:"), "{code} {err}");
}

#[test]
fn an_application_gives_what_the_options_leave_open() {
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("repository");
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(&repository).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "a").env(format!("GIT_{role}_EMAIL"), "a@example.com");
        }
        assert!(command.output().unwrap().status.success(), "{args:?}");
    };
    std::fs::create_dir_all(repository.join("apps/web/deep")).unwrap();
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n";
    std::fs::write(repository.join("apps/web/deep/service.yaml"), service).unwrap();
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    let application = directory.path().join("app.yaml");
    let text = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web, namespace: argocd}\nspec:\n  source: {repoURL: 'https://127.0.0.1:9/none', targetRevision: main, path: apps/web, directory: {recurse: true}}\n";
    std::fs::write(&application, text).unwrap();
    let (code, out, err) =
        run(driftless(&["render", "--repo"]).arg(&repository).arg("--application").arg(&application));
    assert_eq!((code, out.as_str(), err.as_str()), (0, service, ""));
    let (code, out, err) = run(driftless(&["render", "--path", "apps/web", "--repo"]).arg(&repository));
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
    let (code, _, err) = run(driftless(&["render", "--revision", "gone", "--repo"]).arg(&repository));
    assert!(code == 1 && err.contains("gone"), "{code} {err}");
}

#[test]
fn all_sources_of_an_application_are_rendered() {
    let directory = tempfile::tempdir().unwrap();
    let repo = |name: &str, object: &str| {
        let repo = test_kit::FixtureRepo::init(directory.path().join(name));
        repo.write("deploy/a.yaml", format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {object}\n"));
        repo.commit("one");
        repo
    };
    let (first, second) = (repo("first", "one"), repo("second", "two"));
    let sources = serde_json::json!([
        {"repoURL": first.file_url(), "path": "deploy"},
        {"repoURL": second.file_url(), "path": "deploy", "targetRevision": "HEAD"},
        {"repoURL": second.file_url(), "ref": "values"},
    ]);
    let text = serde_json::json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd"}, "spec": {"sources": sources},
    });
    let application = directory.path().join("app.json");
    std::fs::write(&application, text.to_string()).unwrap();
    let names = |out: &str| -> Vec<String> {
        let objects = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        objects.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let (code, out, err) = run(driftless(&["render", "-o", "json", "--application"]).arg(&application));
    assert_eq!((code, names(&out), err.as_str()), (0, vec!["one".to_owned(), "two".to_owned()], ""));
    // A directory takes the place of the first source that has one.
    let changed = directory.path().join("changed");
    std::fs::create_dir(&changed).unwrap();
    std::fs::write(changed.join("a.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n").unwrap();
    let (code, out, err) =
        run(driftless(&["render", "-o", "json"]).arg(&changed).arg("--application").arg(&application));
    assert_eq!((code, names(&out), err.as_str()), (0, vec!["new".to_owned(), "two".to_owned()], ""));
    let (code, _, err) = run(driftless(&["render", "--path", "x", "--application"]).arg(&application));
    assert!(code != 0 && err.contains("several sources"), "{code} {err}");
}

#[test]
fn versions_are_text_or_json() {
    let (code, out, _) = run(&mut driftless(&["version"]));
    assert!(code == 0 && out.starts_with("driftless v"), "{out}");
    let (_, out, _) = run(&mut driftless(&["version", "-o", "json"]));
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(json["Version"].as_str().unwrap().starts_with('v'));
}
