//! Sources from more than one place: charts from repositories and registries, values and bases from other Git repositories.

use std::path::Path;

use integration_tests::{ChartArchive, ChartRepository, Daemon, Environment, Registry, object};
use serde_json::{Value, json};
use test_kit::{AppBuilder, Fault, application};

use crate::reading::conditions;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}\"}\n\
    data: {key: {{ .Values.key | quote }}, chart: \"{{ .Chart.Version }}\"{{ with .Values.common }}, common: {{ .key | quote }}{{ end }}}\n";

/// Writes a chart of this version below a directory and gives its own.
fn write_chart(directory: &Path, name: &str, version: &str) -> std::path::PathBuf {
    let chart = directory.join(format!("{name}-{version}"));
    std::fs::create_dir_all(chart.join("templates")).unwrap();
    std::fs::write(chart.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n")).unwrap();
    std::fs::write(chart.join("values.yaml"), format!("key: of {name}\n")).unwrap();
    std::fs::write(chart.join("templates/map.yaml"), MAP).unwrap();
    chart
}

fn automated(env: &Environment, name: &str, namespace: &str) -> AppBuilder {
    let app = application(name).in_namespace(env.namespace()).destination(namespace);
    app.automated().prune().self_heal().resources_finalizer()
}

/// Waits until an object has this value under a key of its data.
async fn wait_value(env: &Environment, namespace: &str, name: &str, key: &str, value: &str) -> Value {
    let map = object("v1", "ConfigMap", namespace, name);
    env.cluster().wait_for(&map, &format!("{key} is {value}"), |map| map["data"][key] == value).await
}

/// Waits until a condition of the Application says something.
async fn wait_said(env: &Environment, name: &str, kind: &str, text: &str) {
    let said = |app: &Value| conditions(app, kind).iter().any(|message| message.contains(text));
    env.wait_app(name, &format!("a {kind} says {text}"), said).await;
}

/// Waits until an Application is synced to revisions of its sources, and that is recorded.
async fn wait_revisions(env: &Environment, name: &str, revisions: Value) -> Value {
    let is_there = |app: &Value| {
        let status = &app["status"];
        let recorded = status["history"].as_array().is_some_and(|all| !all.is_empty());
        status["sync"]["revisions"] == revisions && status["sync"]["status"] == "Synced" && recorded
    };
    env.wait_app(name, &format!("synced to {revisions}"), is_there).await
}

async fn renders(daemon: &Daemon) -> f64 {
    let text = reqwest::get(format!("{}/metrics", daemon.metrics_url())).await.unwrap().text().await.unwrap();
    let of_tools = text.lines().filter(|line| line.starts_with("driftless_renders_total"));
    of_tools.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_of_a_repository_takes_values_from_git() {
    let env = Environment::new("sources-values").await;
    let ns = env.workload_namespace().await;
    let charts = ChartRepository::start(&env.directory().join("charts"));
    charts.add(&write_chart(env.directory(), "web", "1.0.0"));
    let values = env.repo("values");
    values.write("prod.yaml", "key: one\n");
    let first = values.commit("first");
    let daemon = env.daemon().start().await;
    let sources = json!([
        {"repoURL": charts.url(), "chart": "web", "targetRevision": "1.x", "helm": {"valueFiles": ["$env/prod.yaml"]}},
        {"repoURL": env.git_url("values"), "targetRevision": "HEAD", "ref": "env"},
    ]);
    let name = env.app_name("web");
    env.cluster().apply(&automated(&env, &name, &ns).set("/spec/sources", sources).build()).await;
    wait_revisions(&env, &name, json!(["1.0.0", first])).await;
    let map = wait_value(&env, &ns, &name, "key", "one").await;
    assert_eq!(map["data"]["chart"], "1.0.0");

    // A commit to the values, then a new version of the chart: each alone moves the Application.
    values.write("prod.yaml", "key: two\n");
    let second = values.commit("second");
    env.refresh(&name, "normal").await;
    wait_value(&env, &ns, &name, "key", "two").await;
    charts.add(&write_chart(env.directory(), "web", "1.1.0"));
    env.refresh(&name, "normal").await;
    wait_value(&env, &ns, &name, "chart", "1.1.0").await;
    let app = wait_revisions(&env, &name, json!(["1.1.0", second])).await;
    let status = &app["status"];
    assert_eq!((&status["sync"]["revision"], &status["sourceTypes"]), (&Value::Null, &json!(["Helm", "Directory"])));
    let history = status["history"].as_array().unwrap();
    assert_eq!(history.last().unwrap()["revisions"], json!(["1.1.0", second]));
    assert_eq!(history[0]["sources"].as_array().map(Vec::len), Some(2));
    assert_eq!(history[0]["revisions"], json!(["1.0.0", first]));

    // What nothing of it reads costs no render.
    let before = renders(&daemon).await;
    assert!(before > 0.0, "renders are counted");
    values.write("other.yaml", "a: b\n");
    let third = values.commit("third");
    env.refresh(&name, "normal").await;
    wait_revisions(&env, &name, json!(["1.1.0", third])).await;
    assert_eq!(renders(&daemon).await.to_bits(), before.to_bits());
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_come_from_registries_in_both_forms() {
    let env = Environment::new("sources-oci").await;
    let ns = env.workload_namespace().await;
    let registry = Registry::start();
    let push = async |version: &str| {
        let archive = ChartArchive::package(&write_chart(env.directory(), "web", version), env.directory());
        registry.push_chart("team/charts", &archive).await
    };
    push("1.0.0").await;
    let digest = push("1.2.0+b1").await;
    let _daemon = env.daemon().start().await;
    let host = registry.host();
    for (name, source, revision) in [
        (
            "by-chart",
            json!({"repoURL": format!("{host}/team/charts"), "chart": "web", "targetRevision": "^1.1"}),
            "1.2.0+b1",
        ),
        (
            "by-scheme",
            json!({"repoURL": format!("oci://{host}/team/charts"), "chart": "web", "targetRevision": "1.0.0"}),
            "1.0.0",
        ),
        (
            "by-tag",
            json!({"repoURL": format!("oci://{host}/team/charts/web"), "path": ".", "targetRevision": "1.2.0_b1"}),
            digest.as_str(),
        ),
    ] {
        let name = env.app_name(name);
        env.cluster().apply(&automated(&env, &name, &ns).set("/spec/source", source).build()).await;
        let app = env.wait_synced(&name, revision).await;
        assert_eq!(app["status"]["sourceType"], "Helm", "{name}");
        wait_value(&env, &ns, &name, "key", "of web").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_of_a_chart_in_git_are_got() {
    let env = Environment::new("sources-dependencies").await;
    let ns = env.workload_namespace().await;
    let charts = ChartRepository::start(&env.directory().join("charts"));
    charts.add(&write_chart(env.directory(), "common", "1.0.0"));
    let repo = env.repo("app");
    let chart = format!(
        "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- {{name: common, version: ^1.0, repository: '{}'}}\n\
         - {{name: lib, version: 0.1.0, repository: file://../lib}}\n",
        charts.url()
    );
    let lib = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}-lib\"}\n";
    repo.write("web/Chart.yaml", chart)
        .write("web/values.yaml", "key: of web\ncommon: {key: from the parent}\n")
        .write("web/templates/map.yaml", MAP.replace(".Release.Name", "printf \"%s-web\" .Release.Name"))
        .write("lib/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 0.1.0\n")
        .write("lib/templates/map.yaml", lib);
    let first = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let name = env.app_name("web");
    let app = automated(&env, &name, &ns).source(&env.git_url("app"), "web");
    env.cluster().apply(&app.build()).await;
    env.wait_synced(&name, &first).await;
    // The dependency is rendered under the values that its parent gives it.
    wait_value(&env, &ns, &name, "key", "from the parent").await;
    wait_value(&env, &ns, &format!("{name}-web"), "key", "of web").await;
    env.cluster().get(&object("v1", "ConfigMap", &ns, &format!("{name}-lib"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bases_of_another_repository_are_built_upon() {
    let env = Environment::new("sources-remote").await;
    let ns = env.workload_namespace().await;
    let base = env.repo("base");
    let kustomization = |key: &str| {
        format!(
            "configMapGenerator: [{{name: made, literals: [key={key}]}}]\ngeneratorOptions: {{disableNameSuffixHash: true}}\n"
        )
    };
    base.write("deploy/kustomization.yaml", kustomization("one"));
    base.commit("first");
    let repo = env.repo("app");
    let overlay = format!("namePrefix: prod-\nresources: ['{}//deploy?ref=HEAD']\n", env.git_url("base"));
    repo.write("prod/kustomization.yaml", &overlay);
    let first = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let name = env.app_name("prod");
    let app = automated(&env, &name, &ns).source(&env.git_url("app"), "prod");
    env.cluster().apply(&app.build()).await;
    env.wait_synced(&name, &first).await;
    wait_value(&env, &ns, "prod-made", "key", "one").await;

    // A hard refresh looks at the other repository again.
    base.write("deploy/kustomization.yaml", kustomization("two"));
    base.commit("second");
    env.refresh(&name, "hard").await;
    wait_value(&env, &ns, "prod-made", "key", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kustomizations_inflate_charts_where_that_is_switched_on() {
    let env = Environment::new("sources-inflation").await;
    let ns = env.workload_namespace().await;
    let charts = ChartRepository::start(&env.directory().join("charts"));
    charts.add(&write_chart(env.directory(), "web", "1.0.0"));
    let repo = env.repo("app");
    let chart = format!("{{name: web, repo: '{}', version: 1.0.0, releaseName: inflated}}", charts.url());
    repo.write("prod/kustomization.yaml", format!("namePrefix: prod-\nhelmCharts: [{chart}]\n"));
    let first = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let name = env.app_name("prod");
    env.cluster().apply(&automated(&env, &name, &ns).source(&env.git_url("app"), "prod").build()).await;
    wait_said(&env, &name, "ComparisonError", "must specify --enable-helm").await;
    let labels = json!({"app.kubernetes.io/part-of": "argocd"});
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": env.namespace(), "labels": labels},
        "data": {"kustomize.buildOptions": "--enable-helm"},
    });
    env.cluster().apply(&settings).await;
    env.wait_synced(&name, &first).await;
    wait_value(&env, &ns, "prod-inflated", "key", "of web").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_repository_that_is_down_takes_nothing_away() {
    let env = Environment::new("sources-down").await;
    let ns = env.workload_namespace().await;
    let charts = ChartRepository::start(&env.directory().join("charts"));
    charts.add(&write_chart(env.directory(), "web", "1.0.0"));
    let daemon = env.daemon().start().await;
    let name = env.app_name("web");
    let source = json!({"repoURL": charts.url(), "chart": "web", "targetRevision": "1.x"});
    env.cluster().apply(&automated(&env, &name, &ns).set("/spec/source", source).build()).await;
    env.wait_synced(&name, "1.0.0").await;
    let map = object("v1", "ConfigMap", &ns, &name);
    let uid = env.cluster().get(&map).await["metadata"]["uid"].clone();

    charts.set_fault_everywhere(Fault::Status(503));
    env.refresh(&name, "normal").await;
    wait_said(&env, &name, "ComparisonError", "answered with HTTP status 503").await;
    // A daemon that starts meanwhile has the chart and its render on disk; what it heals is as it was.
    drop(daemon);
    let _daemon = env.daemon().start().await;
    env.cluster().edit(&map, &json!({"data": {"key": "by hand"}})).await;
    wait_value(&env, &ns, &name, "key", "of web").await;
    assert_eq!(env.cluster().get(&map).await["metadata"]["uid"], uid);

    charts.clear_faults();
    charts.add(&write_chart(env.directory(), "web", "1.1.0"));
    env.refresh(&name, "normal").await;
    wait_value(&env, &ns, &name, "chart", "1.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_on_this_machine_are_refused_where_they_may_not_be() {
    let env = Environment::new("sources-addresses").await;
    let ns = env.workload_namespace().await;
    let charts = ChartRepository::start(&env.directory().join("charts"));
    charts.add(&write_chart(env.directory(), "web", "1.0.0"));
    let repo = env.repo("app");
    repo.write("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    repo.commit("first");
    let _daemon = env.daemon().flag("--repository-local-addresses", "refuse").start().await;
    for (name, source, refused) in [
        ("git", json!({"repoURL": env.git_url("app"), "path": "app"}), "loopback address"),
        ("chart", json!({"repoURL": charts.url(), "chart": "web", "targetRevision": "1.x"}), "loopback address"),
        ("meta", json!({"repoURL": "http://169.254.169.254/repo.git", "path": "app"}), "link-local address"),
    ] {
        let name = env.app_name(name);
        env.cluster().apply(&automated(&env, &name, &ns).set("/spec/source", source).build()).await;
        wait_said(&env, &name, "ComparisonError", refused).await;
    }
    assert_eq!(charts.requests("index.yaml"), 0);
}
