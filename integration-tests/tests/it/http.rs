//! The daemon over HTTP: probes, metrics, the API of Argo CD, the page.

use integration_tests::{ApiProxy, Daemon, Environment};
use serde_json::{Value, json};
use test_kit::config_map;

use crate::reading::{app_of, wait_settled};
use crate::web;

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_is_ready_when_its_caches_are_filled() {
    let env = Environment::new("http-ready").await;
    let ns = env.workload_namespace().await;
    let commit = env.repo("app").write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
    env.cluster().apply(&app_of(&env, "http-ready", "app", &ns).automated().build()).await;
    let proxy = ApiProxy::start(&env).await;
    proxy.close();
    let daemon = env.daemon().flag("--kubeconfig", proxy.kubeconfig()).start().await;
    proxy.wait_held("GET /").await;
    for url in [daemon.url(), daemon.metrics_url()] {
        let ready = web::get(&format!("{url}/readyz")).await;
        assert_eq!(ready.status, 503, "{ready:?}");
        assert!(ready.body.contains("Applications have not been listed"), "{ready:?}");
        assert_eq!(web::get(&format!("{url}/healthz")).await.body, "ok\n");
    }
    proxy.open();
    web::wait_ready(&daemon).await;
    let list = web::get(&format!("{}/api/v1/applications", daemon.url())).await.json();
    assert_eq!(list["items"][0]["metadata"]["name"], "http-ready", "what is ready shows all applications");
    wait_settled(&env, "http-ready", &commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_argo_cd_find_what_they_ask_for() {
    let env = Environment::new("http-api").await;
    let ns = env.workload_namespace().await;
    let commit = env.repo("app").write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
    let daemon = env.daemon().start().await;
    for (name, team) in [("http-api-b", "blue"), ("http-api-a", "red")] {
        let app = app_of(&env, name, if team == "red" { "app" } else { "nothing" }, &ns).automated();
        env.cluster().apply(&app.set("/metadata/labels/team", team).build()).await;
    }
    let settled = wait_settled(&env, "http-api-a", &commit).await;
    let failed = |app: &Value| app["status"]["conditions"][0]["type"] == "ComparisonError";
    env.wait_app("http-api-b", "an error", failed).await;

    let url = |path: &str| format!("{}{path}", daemon.url());
    let version = settled["metadata"]["resourceVersion"].clone();
    let shows = |answer: &web::WebAnswer| answer.json()["metadata"]["resourceVersion"] == version;
    let shown = web::wait_answer(&url("/api/v1/applications/http-api-a"), "the last write", shows).await;
    assert_eq!(shown.content_type, "application/json");
    for part in ["spec", "status"] {
        assert_eq!(shown.json()[part], settled[part], "{part}");
    }
    let names = async |query: &str| -> Vec<Value> {
        let list = web::get(&url(&format!("/api/v1/applications{query}"))).await;
        assert_eq!(list.status, 200, "{list:?}");
        let items = list.json()["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().map(|mut app| app["metadata"]["name"].take()).collect()
    };
    assert_eq!(names("").await, ["http-api-a", "http-api-b"]);
    assert_eq!(names("?selector=team%3Dred").await, ["http-api-a"]);
    assert_eq!(names("?projects=default&projects=other").await, ["http-api-a", "http-api-b"]);
    assert!(names("?projects=other").await.is_empty());

    check_refusals(&daemon).await;
    let built = web::get(&url("/api/version")).await.json();
    assert!(built["Version"].as_str().unwrap().starts_with('v') && built["Platform"].is_string(), "{built:#}");
    let page = web::get(&url("/")).await;
    assert!(page.status == 200 && page.content_type.starts_with("text/html"), "{page:?}");
    for text in ["http-api-a", "http-api-b", "Synced", "Healthy", &commit[..7]] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
}

async fn check_refusals(daemon: &Daemon) {
    let url = |path: &str| format!("{}{path}", daemon.url());
    let cases = [
        ("/api/v1/applications/http-api-c", 403, 7, "permission denied"),
        (
            "/api/v1/applications/http-api-c?project=default",
            404,
            5,
            "applications.argoproj.io \"http-api-c\" not found",
        ),
        ("/api/v1/nothing", 404, 5, "Not Found"),
    ];
    for (path, status, code, message) in cases {
        let answer = web::get(&url(path)).await;
        let body = json!({"error": message, "code": code, "message": message});
        assert_eq!((answer.status, answer.json()), (status, body), "{path}");
    }
    let client = reqwest::Client::new();
    let sync = client.post(url("/api/v1/applications/http-api-a/sync")).json(&json!({}));
    assert!(matches!(web::send(sync).await.status, 404 | 501));
    let foreign = client.get(url("/api/v1/applications")).header(reqwest::header::HOST, "evil.example");
    assert_eq!(web::send(foreign).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_names_of_argo_cd() {
    let env = Environment::new("http-metrics").await;
    let ns = env.workload_namespace().await;
    let commit = env.repo("app").write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
    let daemon = env.daemon().start().await;
    env.cluster().apply(&app_of(&env, "http-metrics", "app", &ns).automated().build()).await;
    wait_settled(&env, "http-metrics", &commit).await;
    let (own, repo) = (env.namespace(), env.git_url("app"));
    let server = "https://kubernetes.default.svc";
    let app = format!("namespace=\"{own}\",name=\"http-metrics\",project=\"default\"");
    let series = [
        format!(
            "argocd_app_info{{{app},autosync_enabled=\"true\",repo=\"{repo}\",dest_server=\"{server}\",dest_namespace=\"{ns}\",sync_status=\"Synced\",health_status=\"Healthy\",operation=\"\"}} 1"
        ),
        format!("argocd_app_sync_total{{{app},dest_server=\"{server}\",phase=\"Succeeded\",dry_run=\"false\"}} 1"),
        format!("argocd_app_sync_duration_seconds_total{{{app},dest_server=\"{server}\"}} "),
        format!("argocd_app_reconcile_count{{namespace=\"{own}\",dest_server=\"{server}\"}} "),
        format!("argocd_app_reconcile_bucket{{le=\"0.25\",namespace=\"{own}\",dest_server=\"{server}\"}} "),
        format!("argocd_git_request_total{{repo=\"{repo}\",request_type=\"ls-remote\"}} "),
        format!("argocd_git_request_total{{repo=\"{repo}\",request_type=\"fetch\"}} 1"),
        "argocd_git_request_duration_seconds_count{".to_owned(),
        "argocd_app_k8s_request_total{".to_owned(),
        "argocd_cluster_info{".to_owned(),
        "argocd_cluster_events_total{".to_owned(),
        "argocd_cluster_api_resources{".to_owned(),
        "argocd_cluster_api_resource_objects{".to_owned(),
        "argocd_cluster_cache_age_seconds{".to_owned(),
        "argocd_cluster_connection_status{".to_owned(),
        "workqueue_depth{name=\"app_reconciliation_queue\"} ".to_owned(),
        "workqueue_adds_total{name=\"app_reconciliation_queue\"} ".to_owned(),
        "driftless_leader 1".to_owned(),
        "driftless_build_info{".to_owned(),
        "process_resident_memory_bytes ".to_owned(),
    ];
    let is_there = |body: &str, series: &str| body.lines().any(|line| line.starts_with(series));
    let url = format!("{}/metrics", daemon.metrics_url());
    let mut missing = Vec::new();
    let all = |answer: &web::WebAnswer| {
        missing = series.iter().filter(|series| !is_there(&answer.body, series)).cloned().collect();
        missing.is_empty()
    };
    let answer = web::wait_answer(&url, "all series", all).await;
    assert!(answer.content_type.starts_with("application/openmetrics-text"), "{}", answer.content_type);
    assert!(answer.body.ends_with("# EOF\n"));
    // With the application its series end.
    env.cluster().delete(&env.application("http-metrics")).await;
    web::wait_answer(&url, "no series of the application", |answer| !answer.body.contains("name=\"http-metrics\""))
        .await;
}
