//! Helm charts and kustomizations in Git, rendered by the worker of the real daemon.

use integration_tests::devcluster::{poll, send_signal};
use integration_tests::{Daemon, Environment, object};
use serde_json::{Value, json};
use test_kit::{AppBuilder, FixtureRepo};

use crate::reading::{app_of, conditions, is_settled, row};
use crate::web;

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}\"}\ndata: {key: {{ .Values.key | quote }}}\n";

fn automated(env: &Environment, name: &str, path: &str, namespace: &str) -> AppBuilder {
    app_of(env, name, path, namespace).automated().prune().self_heal().resources_finalizer()
}

fn write_chart(repo: &FixtureRepo, key: &str) {
    repo.write("chart/Chart.yaml", CHART)
        .write("chart/values.yaml", format!("key: {key}\n"))
        .write("chart/templates/map.yaml", TEMPLATE);
}

fn write_overlays(repo: &FixtureRepo, key: &str) {
    repo.write("base/kustomization.yaml", format!("configMapGenerator: [{{name: made, literals: [key={key}]}}]\ngeneratorOptions: {{disableNameSuffixHash: true}}\n"));
    for name in ["dev", "prod"] {
        repo.write(
            &format!("overlays/{name}/kustomization.yaml"),
            format!("namePrefix: {name}-\nresources: [../../base]\n"),
        );
    }
}

async fn key_of(env: &Environment, namespace: &str, name: &str) -> Value {
    env.cluster().get(&object("v1", "ConfigMap", namespace, name)).await["data"]["key"].clone()
}

/// Finds the render workers of a daemon.
fn workers_of(daemon: &Daemon) -> Vec<u32> {
    let parent = format!("PPid:\t{}", daemon.id());
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line == parent) && !status.contains("State:\tZ")
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_and_overlays_follow_the_files_that_they_read() {
    let env = Environment::new("tools-follow").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    write_chart(&repo, "one");
    write_overlays(&repo, "one");
    repo.write("env/prod.yaml", "key: from the environment\n");
    let first = repo.commit("first");
    let _daemon = env.daemon().start().await;
    let helm = json!({"releaseName": "release", "parameters": [{"name": "key", "value": "$ARGOCD_APP_NAME,x"}]});
    let values = json!({"releaseName": "valued", "valueFiles": ["../env/prod.yaml"]});
    for app in [
        automated(&env, "tools-plain", "chart", &ns),
        automated(&env, "tools-parameters", "chart", &ns).set("/spec/source/helm", helm),
        automated(&env, "tools-values", "chart", &ns).set("/spec/source/helm", values),
        automated(&env, "tools-dev", "overlays/dev", &ns),
        automated(&env, "tools-prod", "overlays/prod", &ns)
            .set("/spec/source/kustomize", json!({"nameSuffix": "-x", "commonAnnotations": {"team": "shop"}})),
    ] {
        env.cluster().apply(&app.build()).await;
    }
    for (name, kind, map, key) in [
        ("tools-plain", "Helm", "tools-plain", "one"),
        ("tools-parameters", "Helm", "release", "tools-parameters,x"),
        ("tools-values", "Helm", "valued", "from the environment"),
        ("tools-dev", "Kustomize", "dev-made", "one"),
        ("tools-prod", "Kustomize", "prod-made-x", "one"),
    ] {
        let app = env.wait_synced(name, &first).await;
        assert_eq!(app["status"]["sourceType"], kind, "{name}");
        assert_eq!(key_of(&env, &ns, map).await, key, "{name}");
    }
    // A base changes both overlays and no chart.
    let before = env.cluster().get(&env.application("tools-plain")).await;
    write_overlays(&repo, "two");
    let second = repo.commit("second");
    env.refresh("tools-dev", "normal").await;
    env.wait_synced("tools-dev", &second).await;
    env.wait_synced("tools-prod", &second).await;
    assert_eq!(key_of(&env, &ns, "prod-made-x").await, "two");
    let after = env.cluster().get(&env.application("tools-plain")).await;
    assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]);
    // An overlay that leaves out what it had prunes it.
    repo.write("overlays/dev/kustomization.yaml", "namePrefix: other-\nresources: [../../base]\n");
    let third = repo.commit("third");
    env.refresh("tools-dev", "normal").await;
    let app = env.wait_synced("tools-dev", &third).await;
    assert!(row(&app, "ConfigMap", "dev-made").is_null());
    assert!(key_of(&env, &ns, "dev-made").await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_that_does_not_render_leaves_everything_as_it_is() {
    let env = Environment::new("tools-broken").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    write_chart(&repo, "one");
    let first = repo.commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&automated(&env, "tools-broken", "chart", &ns).build()).await;
    env.wait_synced("tools-broken", &first).await;
    repo.write("chart/templates/map.yaml", "{{ fail \"no such luck\" }}\n");
    repo.commit("broken");
    env.refresh("tools-broken", "normal").await;
    let expected = "Failed to load target state: failed to generate manifest for source 1 of 1: Helm: execution error at (web/templates/map.yaml:1:";
    let said = |app: &Value| conditions(app, "ComparisonError").iter().any(|message| message.starts_with(expected));
    env.wait_app("tools-broken", "the template's error", said).await;
    assert_eq!(key_of(&env, &ns, "tools-broken").await, "one");
    write_chart(&repo, "three");
    let third = repo.commit("third");
    env.refresh("tools-broken", "normal").await;
    let app = env.wait_synced("tools-broken", &third).await;
    assert!(conditions(&app, "ComparisonError").is_empty());
    assert_eq!(key_of(&env, &ns, "tools-broken").await, "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_sees_the_kinds_that_the_cluster_serves() {
    let env = Environment::new("tools-kinds").await;
    let ns = env.workload_namespace().await;
    let group = format!("{ns}.example.com");
    let repo = env.repo("app");
    write_chart(&repo, "one");
    repo.write(
        "chart/templates/more.yaml",
        format!(
            "{{{{ if .Capabilities.APIVersions.Has \"{group}/v1/Gadget\" }}}}\n{}{{{{ end }}}}\n",
            TEMPLATE.replace("}}\"", "}}-more\"")
        ),
    );
    let first = repo.commit("first");
    let _daemon = env.daemon().start().await;
    env.cluster().apply(&automated(&env, "tools-kinds", "chart", &ns).build()).await;
    env.wait_synced("tools-kinds", &first).await;
    assert!(key_of(&env, &ns, "tools-kinds-more").await.is_null());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gadgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": "Gadget", "plural": "gadgets"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    env.cluster().apply(&definition).await;
    let has_more = |app: &Value| is_settled(app) && row(app, "ConfigMap", "tools-kinds-more").is_object();
    env.wait_app("tools-kinds", "what needs the kind", has_more).await;
    assert_eq!(key_of(&env, &ns, "tools-kinds-more").await, "one");
    env.cluster()
        .delete(&object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", &format!("gadgets.{group}")))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_is_replaced_and_counted() {
    let env = Environment::new("tools-killed").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    write_chart(&repo, "one");
    let first = repo.commit("first");
    let daemon = env.daemon().start().await;
    env.cluster().apply(&automated(&env, "tools-killed", "chart", &ns).build()).await;
    env.wait_synced("tools-killed", &first).await;
    let [worker] = workers_of(&daemon)[..] else { panic!("the daemon has not one worker") };
    send_signal("KILL", worker);
    poll("the worker is gone", || workers_of(&daemon).is_empty());
    write_chart(&repo, "two");
    let second = repo.commit("second");
    env.refresh("tools-killed", "normal").await;
    env.wait_synced("tools-killed", &second).await;
    assert_eq!(key_of(&env, &ns, "tools-killed").await, "two");
    let metrics = web::get(&format!("{}/metrics", daemon.metrics_url())).await.body;
    assert!(metrics.contains("driftless_render_worker_ends_total{reason=\"died\"} 1"), "{metrics}");
}
