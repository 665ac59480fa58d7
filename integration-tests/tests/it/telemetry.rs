//! What the daemon says about itself while it runs: traces and logs.

use integration_tests::devcluster::poll;
use integration_tests::{Daemon, Environment};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use test_kit::config_map;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::reading::{app_of, wait_settled};
use crate::web;

/// A collector that keeps the spans of each service.
struct Collector(watch::Sender<Vec<(String, Span)>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let service = service.and_then(|name| text(name.value?.value?)).unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.send_modify(|all| all.extend(spans.map(|span| (service.clone(), span))));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn text(value: any_value::Value) -> Option<String> {
    match value {
        any_value::Value::StringValue(text) => Some(text),
        any_value::Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    found.and_then(|found| text(found.value.clone()?.value?)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_receives_the_whole_trace_of_a_reconciliation() {
    let env = Environment::new("tel-trace").await;
    let ns = env.workload_namespace().await;
    let mut late = config_map("late", &[]);
    late["metadata"]["annotations"] = json!({"argocd.argoproj.io/sync-wave": "3"});
    let repo = env.repo("app");
    let commit = repo
        .write("app/cm.json", config_map("settings", &[]).to_string())
        .write("app/late.json", late.to_string())
        .commit("first");
    let (spans, mut received) = watch::channel(Vec::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector(spans)));
    tokio::spawn(serving.serve_with_incoming(TcpIncoming::from(listener)));
    let mut daemon = env.daemon().variable("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).start().await;
    env.cluster().apply(&app_of(&env, "tel-trace", "app", &ns).automated().build()).await;
    wait_settled(&env, "tel-trace", &commit).await;
    // What has ended is exported at the end at the latest.
    assert!(daemon.terminate().await.success());

    let all: Vec<(String, Span)> = received.borrow_and_update().clone();
    assert!(all.iter().all(|(service, _)| service == "driftless"));
    let all: Vec<Span> = all.into_iter().map(|(_, span)| span).collect();
    let of_app = format!("{}/tel-trace", env.namespace());
    let names = || all.iter().map(|span| (span.name.as_str(), attribute(span, "app"))).collect::<Vec<_>>();
    let applies: Vec<&Span> = all.iter().filter(|span| span.name == "apply").collect();
    assert_eq!(applies.len(), 2, "{:#?}", names());
    let parent = |span: &Span| all.iter().find(|other| other.span_id == span.parent_span_id);
    let step = parent(applies[0]).unwrap_or_else(|| panic!("{:#?}", names()));
    let root = parent(step).unwrap_or_else(|| panic!("{:#?}", names()));
    assert_eq!((step.name.as_str(), root.name.as_str()), ("sync_step", "reconcile"));
    assert!(root.parent_span_id.is_empty());
    assert_eq!((attribute(root, "app"), attribute(root, "revision")), (of_app, commit));
    let stages: Vec<&Span> = all.iter().filter(|span| span.trace_id == root.trace_id).collect();
    let children =
        |name: &str| stages.iter().filter(|span| span.name == name && span.parent_span_id == root.span_id).count();
    for stage in ["render", "compare", "write_status"] {
        assert!(children(stage) > 0, "{stage}: {:#?}", names());
    }
    for (apply, (name, wave)) in applies.iter().zip([("settings", "0"), ("late", "3")]) {
        assert_eq!(apply.trace_id, root.trace_id);
        assert_eq!((attribute(apply, "name"), attribute(apply, "namespace")), (name.to_owned(), ns.clone()));
        let step = parent(apply).unwrap();
        assert_eq!((step.name.as_str(), attribute(step, "wave")), ("sync_step", wave.to_owned()));
        assert_eq!((attribute(step, "phase").as_str(), &step.parent_span_id), ("Sync", &root.span_id));
    }
    for span in stages {
        assert!(
            span.end_time_unix_nano >= span.start_time_unix_nano
                && span.start_time_unix_nano >= root.start_time_unix_nano,
            "{span:#?}"
        );
    }
}

fn has_level(daemon: &Daemon, level: &str) -> bool {
    daemon.log().lines().any(|line| line.contains(&format!(" {level} ")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_changes_while_the_daemon_runs() {
    let env = Environment::new("tel-level").await;
    let file = env.directory().join("config.yaml");
    std::fs::write(&file, "log-level: info\n").unwrap();
    let daemon = env.daemon().flag("--config", &file).start().await;
    web::wait_leader(&daemon, true).await;
    assert!(has_level(&daemon, "INFO") && !has_level(&daemon, "DEBUG"), "{}", daemon.log());

    let client = reqwest::Client::new();
    let url = format!("{}/api/driftless/v1/log-level", daemon.url());
    let wrong = web::send(client.put(&url).json(&json!({"level": "loud"}))).await;
    assert!(wrong.status == 400 && wrong.body.contains("`loud` is not a log level"), "{wrong:?}");
    assert_eq!(web::send(client.put(&url).json(&json!({"level": "debug"}))).await.status, 200);
    env.cluster().apply(&app_of(&env, "tel-level", "app", "default").build()).await;
    poll("a line of level debug", || has_level(&daemon, "DEBUG"));
    assert!(!has_level(&daemon, "TRACE"));

    // As a mounted ConfigMap changes: another file takes the place.
    std::fs::write(file.with_extension("next"), "log-level: info,app_controller=trace\n").unwrap();
    std::fs::rename(file.with_extension("next"), &file).unwrap();
    poll("settings have changed", || daemon.log().contains("settings have changed"));
    env.refresh("tel-level", "normal").await;
    poll("a line of level trace", || has_level(&daemon, "TRACE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_logs_are_one_object_a_line_and_hold_no_credentials() {
    let env = Environment::new("tel-json").await;
    let ns = env.workload_namespace().await;
    let commit = env.repo("app").write("app/cm.json", config_map("settings", &[]).to_string()).commit("first");
    let mut daemon = env.daemon().flag("--log-format", "json").flag("--log-level", "debug").start().await;
    let app = app_of(&env, "tel-json", "app", &ns).automated();
    env.cluster().apply(&app.build()).await;
    let secret = env.git_url("gone").replace("http://", "http://jane:s3cr3t@");
    let app = app_of(&env, "tel-json-gone", "app", &ns).set("/spec/source/repoURL", secret);
    env.cluster().apply(&app.build()).await;
    wait_settled(&env, "tel-json", &commit).await;
    env.refresh("tel-json-gone", "hard").await;
    let failed = |app: &Value| app["status"]["conditions"][0]["type"] == "ComparisonError";
    let app = env.wait_app("tel-json-gone", "an error", failed).await;
    let metrics = web::get(&format!("{}/metrics", daemon.metrics_url())).await.body;
    assert!(daemon.terminate().await.success());
    let log = daemon.log();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(entry["timestamp"].is_string() && entry["level"].is_string() && entry["target"].is_string(), "{line}");
    }
    assert!(log.contains("driftless has started") && log.contains("driftless has ended"), "{log}");
    for (place, text) in
        [("log", &log), ("metrics", &metrics), ("conditions", &app["status"]["conditions"].to_string())]
    {
        assert!(!text.contains("s3cr3t"), "the {place} shows the password: {text}");
    }
}
