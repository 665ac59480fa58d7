//! The registry and the chart repository of the harness are what `helm` expects them to be.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use integration_tests::{ChartArchive, ChartRepository, Registry, helm};
use serde_json::Value;
use tempfile::TempDir;
use test_kit::Fault;

/// Writes a chart of this version and gives its directory.
fn chart(directory: &Path, version: &str) -> PathBuf {
    let chart = directory.join(format!("web-{version}"));
    std::fs::create_dir_all(chart.join("templates")).unwrap();
    std::fs::write(chart.join("Chart.yaml"), format!("apiVersion: v2\nname: web\nversion: {version}\n")).unwrap();
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n";
    std::fs::write(chart.join("templates/map.yaml"), map).unwrap();
    chart
}

/// Pulls a chart into a directory of its own.
fn pull(reference: &str, more: &[&str]) -> (Output, TempDir) {
    let into = tempfile::tempdir().unwrap();
    let destination = into.path().to_str().unwrap().to_owned();
    let output = helm(&[&["pull", reference, "--destination", &destination], more].concat());
    (output, into)
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_pulls_from_the_registry_what_was_pushed() {
    let directory = tempfile::tempdir().unwrap();
    let archive = ChartArchive::package(&chart(directory.path(), "1.0.0+build"), directory.path());
    assert_eq!((archive.name.as_str(), archive.version.as_str()), ("web", "1.0.0+build"));
    for registry in [Registry::start(), Registry::with_login("robot", "secret")] {
        let digest = registry.push_chart("team/charts", &archive).await;
        let reference = format!("oci://{}/team/charts/web", registry.host());
        let version = ["--plain-http", "--version", "1.0.0+build"];
        let login = ["--username", "robot", "--password", "secret"];
        let (output, into) = pull(&reference, &[&version[..], &login].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(&digest), "{said}");
        assert_eq!(std::fs::read(into.path().join(archive.file())).unwrap(), std::fs::read(&archive.path).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_a_login_answers_nobody_else() {
    let registry = Registry::with_login("robot", "secret");
    let client = reqwest::Client::new();
    let url = format!("{}/v2/", registry.url());
    let status = |password: Option<&'static str>| {
        let request = client.get(&url);
        let request = match password {
            Some(password) => request.basic_auth("robot", Some(password)),
            None => request,
        };
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!((status(None).await, status(Some("wrong")).await, status(Some("secret")).await), (401, 401, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_ends_with_what_started_it() {
    let url = Registry::start().url();
    assert!(reqwest::get(format!("{url}/v2/")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_pulls_from_a_chart_repository_that_can_fail() {
    let directory = tempfile::tempdir().unwrap();
    let repository = ChartRepository::start(&directory.path().join("charts"));
    let first = repository.add(&chart(directory.path(), "1.0.0"));
    let second = repository.add(&chart(directory.path(), "1.1.0"));
    let pull = |more: &[&str]| pull("web", &[&["--repo", &repository.url()], more].concat());
    let (output, into) = pull(&["--version", "~1.0"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read(into.path().join(first.file())).unwrap(), std::fs::read(&first.path).unwrap());
    assert_eq!(["index.yaml", &first.file(), &second.file()].map(|file| repository.requests(file)), [1, 1, 0]);
    repository.set_fault("index.yaml", Fault::Status(500));
    assert!(!pull(&[]).0.status.success());
    repository.clear_faults();
    repository.set_fault(&second.file(), Fault::StallAfter(0));
    let file = reqwest::get(format!("{}/{}", repository.url(), second.file())).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(100), file.bytes()).await.is_err(), "the archive hangs");
    repository.clear_faults();
    repository.protect("robot", "secret");
    assert!(!pull(&[]).0.status.success());
    assert!(pull(&["--username", "robot", "--password", "secret"]).0.status.success());
    repository.remove(&second);
    let index = std::fs::read(directory.path().join("charts/index.yaml")).unwrap();
    let index: Value = kube_yaml::decode("index.yaml", &index, &kube_yaml::Limits::default()).unwrap().remove(0).value;
    assert_eq!(index["entries"]["web"].as_array().unwrap().len(), 1);
}
