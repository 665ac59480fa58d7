use std::net::SocketAddr;
use std::sync::Arc;

use app_view::{AppSnapshot, AppView, Readiness, WhyLine};
use application_api::Reason;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube_object::Object;
use serde_json::{Value, json};
use telemetry::metrics::BuildInfo;
use telemetry::{LogLevel, Metrics};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::{VersionInfo, ViewedApps};

fn state() -> ApiState {
    let view = AppView::new();
    ApiState {
        metrics: Metrics::new(Arc::new(ViewedApps(view.clone())), &BuildInfo::default()),
        view,
        log_level: LogLevel::detached(),
        version: Arc::new(VersionInfo { version: "v1.2.3".to_owned(), ..VersionInfo::default() }),
        control_namespace: "argocd".into(),
        shutdown: CancellationToken::new(),
    }
}

fn app(namespace: &str, name: &str, project: &str) -> AppSnapshot {
    let value = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"namespace": namespace, "name": name, "uid": name, "resourceVersion": "5", "labels": {"team": project}},
        "spec": {"project": project, "source": {"repoURL": "https://user:secret@example.com/Org/Apps.git"}},
        "status": {"sync": {"status": "Synced", "revision": "abc"}, "health": {"status": "Healthy"}},
    });
    AppSnapshot::new(&Object::from_value(value).unwrap())
}

/// Three applications, in two namespaces and two projects.
fn three() -> ApiState {
    let state = state();
    state.view.publish(app("argocd", "web", "shop"));
    state.view.publish(app("argocd", "api", "default"));
    state.view.publish(app("team-a", "tool", "default"));
    state
}

fn request(method: &str, uri: &str) -> axum::http::request::Builder {
    let peer: SocketAddr = "127.0.0.1:4000".parse().unwrap();
    Request::builder().method(method).uri(uri).header("host", "localhost:8080").extension(ConnectInfo(peer))
}

async fn send(state: &ApiState, request: Request<Body>) -> Response<Body> {
    http_router(state.clone()).oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn get_text(state: &ApiState, uri: &str) -> (u16, String) {
    let response = send(state, request("GET", uri).body(Body::empty()).unwrap()).await;
    (response.status().as_u16(), text(response).await)
}

async fn get_json(state: &ApiState, uri: &str) -> (u16, Value) {
    let (status, body) = get_text(state, uri).await;
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{uri} answers {body}")))
}

#[tokio::test]
async fn lists_hold_the_applications_asked_for_by_name() {
    async fn check(query: &str, expected: &[&str]) {
        let (status, body) = get_json(&three(), &format!("/api/v1/applications{query}")).await;
        assert_eq!(status, 200, "{body}");
        let names: Vec<_> =
            body["items"].as_array().unwrap().iter().map(|app| app["metadata"]["name"].clone()).collect();
        assert_eq!(names, expected, "{query}");
        assert_eq!(body["metadata"], json!({"resourceVersion": "5"}));
    }
    check("", &["api", "tool", "web"]).await;
    check("?name=web", &["web"]).await;
    check("?appNamespace=team-a", &["tool"]).await;
    check("?projects=shop", &["web"]).await;
    check("?project=shop&project=default", &["api", "tool", "web"]).await;
    check("?projects[]=other", &[]).await;
    check("?selector=team%3Dshop", &["web"]).await;
    check("?selector=team+notin+(shop)", &["api", "tool"]).await;
    check("?repo=https://user:secret@example.com/org/apps", &["api", "tool", "web"]).await;
    check("?repo=https://example.com/other", &[]).await;
    check("?unknown=1", &["api", "tool", "web"]).await;
}

#[tokio::test]
async fn applications_have_no_api_version_and_show_the_verified_revision() {
    let state = state();
    state.view.publish(app("argocd", "web", "shop").with_verified_revision(Some("def".into())));
    for uri in ["/api/v1/applications", "/api/v1/applications/web"] {
        let (_, body) = get_json(&state, uri).await;
        let app = body.get("items").map_or(&body, |items| &items[0]);
        let keys: Vec<_> = app.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["metadata", "spec", "status"]);
        assert_eq!(app["status"]["sync"], json!({"status": "Synced", "revision": "def"}));
    }
}

#[tokio::test]
async fn fields_select_parts_of_each_application() {
    let (_, body) =
        get_json(&three(), "/api/v1/applications?name=web&fields=items.metadata.name,items.status.sync").await;
    let expected = json!([{"metadata": {"name": "web"}, "status": {"sync": {"status": "Synced", "revision": "abc"}}}]);
    assert_eq!(body["items"], expected);
    let (_, body) = get_json(&three(), "/api/v1/applications/web?fields=-metadata,status,spec").await;
    assert_eq!(body, json!({}));
}

#[tokio::test]
async fn one_application_is_found_in_its_namespace_and_project() {
    async fn check(path: &str, status: u16, expected: &Value) {
        let (found, body) = get_json(&three(), &format!("/api/v1/applications/{path}")).await;
        let shown = if found == 200 { body["metadata"]["name"].clone() } else { body };
        assert_eq!((found, &shown), (status, expected), "{path}");
    }
    let denied = json!({"error": "permission denied", "code": 7, "message": "permission denied"});
    let missing = |name: &str| {
        let message = format!("applications.argoproj.io \"{name}\" not found");
        json!({"error": message, "code": 5, "message": message})
    };
    check("web", 200, &json!("web")).await;
    check("web?project=shop", 200, &json!("web")).await;
    check("tool?appNamespace=team-a", 200, &json!("tool")).await;
    check("tool", 403, &denied).await;
    check("gone", 403, &denied).await;
    check("gone?project=shop", 404, &missing("gone")).await;
    check("web?project=default", 404, &missing("web")).await;
}

#[tokio::test]
async fn bad_requests_say_what_is_wrong() {
    async fn check(method: &str, uri: &str, status: u16, expected: &str) {
        let request = request(method, uri).header("content-type", "application/json").body(Body::empty()).unwrap();
        let response = send(&three(), request).await;
        let found = response.status().as_u16();
        let body = text(response).await;
        assert!(found == status && body.contains(expected), "{method} {uri}: {found} {body}");
    }
    check("GET", "/api/v1/applications?selector=a%20b", 400, r#""code":3"#).await;
    check("GET", "/api/v1/unknown", 404, r#"{"code":5,"error":"Not Found","message":"Not Found"}"#).await;
    check("POST", "/api/v1/applications", 501, r#""code":12"#).await;
}

#[tokio::test]
async fn readiness_says_what_is_waited_for() {
    let state = state();
    let (status, body) = get_text(&state, "/readyz").await;
    assert!(status == 503 && body.contains("have not been listed"), "{status} {body}");
    assert_eq!(get_text(&state, "/healthz").await, (200, "ok\n".to_owned()));
    state.view.set_readiness(Readiness::Ready);
    assert_eq!(get_text(&state, "/readyz").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn the_metrics_listener_serves_metrics_and_health_to_any_host() {
    let request = |uri: &str| Request::get(uri).header("host", "10.0.0.7:8082").body(Body::empty()).unwrap();
    for (uri, expected) in [("/metrics", 200), ("/healthz", 200), ("/readyz", 503), ("/api/v1/applications", 404)] {
        let response = metrics_router(three()).oneshot(request(uri)).await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{uri}");
    }
    let metrics = text(metrics_router(three()).oneshot(request("/metrics")).await.unwrap()).await;
    let line = r#"argocd_app_info{namespace="argocd",name="web",project="shop",autosync_enabled="false",repo="https://example.com/org/apps""#;
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn other_hosts_are_refused() {
    for host in [Some("evil.example"), None] {
        let mut builder = Request::get("/api/v1/applications");
        if let Some(host) = host {
            builder = builder.header("host", host);
        }
        let response = send(&three(), builder.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{host:?}");
        assert!(response.headers().get("access-control-allow-origin").is_none());
    }
}

#[tokio::test]
async fn versions_have_the_keys_of_argo_cd() {
    let (_, body) = get_json(&state(), "/api/version").await;
    assert_eq!((&body["Version"], &body["HelmVersion"]), (&json!("v1.2.3"), &json!("")));
    let keys = body.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ");
    let expected = "BuildDate Compiler GitCommit GoVersion HelmVersion JsonnetVersion KubectlVersion KustomizeVersion Platform Version";
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn explanations_are_of_the_application_or_of_one_object() {
    let state = state();
    let lines = [
        WhyLine { object: None, reason: Reason::AutoSyncOff { out_of_sync: 1 } },
        WhyLine { object: Some("apps/Deployment shop/web".into()), reason: Reason::ObjectMissing },
    ];
    state.view.publish(app("argocd", "web", "shop").with_why(lines.into()));
    let (_, body) = get_json(&state, "/api/driftless/v1/why/argocd/web").await;
    assert_eq!((body.as_array().unwrap().len(), &body[0]["rule"]), (2, &json!("AutoSyncOff")));
    let (_, body) = get_json(&state, "/api/driftless/v1/why/-/web?object=deployment/web").await;
    assert_eq!((body.as_array().unwrap().len(), &body[0]["rule"]), (1, &json!("ObjectMissing")));
    assert_eq!(get_json(&state, "/api/driftless/v1/why/argocd/gone").await.0, 404);
}

#[tokio::test]
async fn the_log_level_is_changed_from_this_machine_only() {
    async fn check(peer: &str, kind: &str, body: &str, expected: u16) {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = Request::put("/api/driftless/v1/log-level")
            .header("host", "localhost")
            .header("content-type", kind)
            .extension(ConnectInfo(peer))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = send(&state(), request).await;
        let status = response.status().as_u16();
        assert_eq!(status, expected, "{peer} {kind} {body}: {}", text(response).await);
    }
    let json = "application/json";
    check("127.0.0.1:4000", json, r#"{"level":"debug"}"#, 200).await;
    check("[::1]:4000", "application/json; charset=utf-8", r#"{"level":"warn,hyper=trace"}"#, 200).await;
    check("127.0.0.1:4000", json, r#"{"level":"loud"}"#, 400).await;
    check("127.0.0.1:4000", json, "debug", 400).await;
    check("127.0.0.1:4000", "text/plain", r#"{"level":"debug"}"#, 415).await;
    check("10.0.0.7:4000", json, r#"{"level":"debug"}"#, 403).await;
}

#[tokio::test]
async fn the_page_shows_applications_as_text() {
    let state = state();
    let (_, empty) = get_text(&state, "/").await;
    assert!(empty.contains("There are no applications yet") && empty.contains("have not been listed"), "{empty}");
    state.view.publish(app("argocd", "web", "<script>"));
    let response = send(&state, request("GET", "/").body(Body::empty()).unwrap()).await;
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'sha256-"));
    let page = text(response).await;
    assert!(page.contains("<td>&lt;script&gt;</td>") && page.contains("1 application, 1 Synced and Healthy"), "{page}");
    let (_, rows) = get_text(&state, "/ui/rows").await;
    assert!(page.contains(&rows), "{rows}");
}

mod streams;
