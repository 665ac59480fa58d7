//! A bare client that sends the bytes which no engine can avoid, with the same watches open, and reads no answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::{AbortHandle, JoinSet};

use crate::follow::watch_request;
use crate::workload::{CONTROL_PLANE, Workload, app_name, namespace_of, objects};

/// What the engine watches.
const WATCHED: [&str; 6] = [
    "/apis/argoproj.io/v1alpha1/applications",
    "/apis/argoproj.io/v1alpha1/appprojects",
    "/api/v1/configmaps",
    "/api/v1/services",
    "/api/v1/serviceaccounts",
    "/api/v1/secrets",
];

/// Watches that are open while the floor is measured.
pub(crate) struct Watches(Vec<AbortHandle>);

impl Watches {
    /// Opens the watches that the engine has.
    pub(crate) fn open(client: &Client) -> Self {
        Self(WATCHED.iter().map(|path| tokio::spawn(drain(client.clone(), path)).abort_handle()).collect())
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

async fn drain(client: Client, path: &str) {
    loop {
        let response = client.send(watch_request(path, "")).await.unwrap_or_else(|e| panic!("watch {path}: {e}"));
        let mut body = response.into_body();
        while let Some(Ok(_)) = body.frame().await {}
    }
}

/// What the floor sends for one Application, one request after the other.
type Requests = Vec<Raw>;

/// A request as bytes.
struct Raw {
    method: http::Method,
    path: String,
    content_type: &'static str,
    body: Vec<u8>,
}

/// Sends what the first sync of all Applications needs, so many at once, and gives the seconds it took.
pub(crate) async fn cold(client: &Client, workload: &Workload, in_flight: usize) -> f64 {
    let all = (0..workload.size).map(|index| first_sync(workload, index)).collect();
    send_all(client, all, in_flight).await
}

/// Sends what a commit to all Applications needs, so many at once, and gives the seconds it took.
pub(crate) async fn commit(client: &Client, workload: &Workload, in_flight: usize, value: &str) -> f64 {
    let all = (0..workload.size).map(|index| next_sync(workload, index, value)).collect();
    send_all(client, all, in_flight).await
}

async fn send_all(client: &Client, all: Vec<Requests>, in_flight: usize) -> f64 {
    let (all, next) = (Arc::new(all), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (client, all, next) = (client.clone(), Arc::clone(&all), Arc::clone(&next));
        workers.spawn(async move {
            while let Some(requests) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                for request in requests {
                    send(&client, request).await;
                }
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.expect("no request of the floor fails");
    }
    begun.elapsed().as_secs_f64()
}

async fn send(client: &Client, raw: &Raw) {
    let request = Request::builder()
        .method(raw.method.clone())
        .uri(&raw.path)
        .header(http::header::CONTENT_TYPE, raw.content_type)
        .body(Body::from(raw.body.clone()))
        .expect("the request is valid");
    let response = client.send(request).await.unwrap_or_else(|e| panic!("{}: {e}", raw.path));
    let status = response.status();
    let answer = response.into_body().collect().await.unwrap_or_else(|e| panic!("{}: {e}", raw.path)).to_bytes();
    assert!(status.is_success(), "{} {}: {}", raw.method, raw.path, String::from_utf8_lossy(&answer));
}

fn first_sync(workload: &Workload, index: usize) -> Requests {
    let mut requests = vec![create(
        &format!("/apis/argoproj.io/v1alpha1/namespaces/{CONTROL_PLANE}/applications"),
        &workload.child(index),
    )];
    requests.extend(objects(index, "0").iter().map(|(_, object)| apply(index, object)));
    requests.extend(end_of_sync(workload, index, "first"));
    requests
}

fn next_sync(workload: &Workload, index: usize, value: &str) -> Requests {
    let [(_, config), ..] = objects(index, value);
    let mut requests = vec![apply(index, &config)];
    requests.extend(end_of_sync(workload, index, value));
    requests
}

/// The two patches of the Application, at the beginning and the end of the operation, and an Event for each.
fn end_of_sync(workload: &Workload, index: usize, value: &str) -> [Raw; 4] {
    let app = format!("/apis/argoproj.io/v1alpha1/namespaces/{CONTROL_PLANE}/applications/{}", app_name(index));
    let patch = |body: &Value| Raw {
        method: http::Method::PATCH,
        path: format!("{app}?fieldManager=argocd-application-controller"),
        content_type: "application/merge-patch+json",
        body: body.to_string().into_bytes(),
    };
    let events = format!("/api/v1/namespaces/{CONTROL_PLANE}/events");
    let event = |reason: &str| create(&events, &event(index, reason, value));
    [
        patch(&started(workload, index, value)),
        event("OperationStarted"),
        patch(&ended(workload, index, value)),
        event("OperationCompleted"),
    ]
}

fn apply(index: usize, object: &Value) -> Raw {
    let (namespace, name) = (namespace_of(index), app_name(index));
    let mut object = object.clone();
    let kind = object["kind"].as_str().expect("manifests have kinds").to_owned();
    object["metadata"]["namespace"] = namespace.clone().into();
    let tracking = format!("{name}:/{kind}:{namespace}/{name}");
    object["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": tracking});
    let plural = format!("{}s", kind.to_lowercase());
    Raw {
        method: http::Method::PATCH,
        path: format!("/api/v1/namespaces/{namespace}/{plural}/{name}?fieldManager=argocd-controller&force=true"),
        content_type: "application/apply-patch+yaml",
        body: object.to_string().into_bytes(),
    }
}

fn create(path: &str, object: &Value) -> Raw {
    Raw {
        method: http::Method::POST,
        path: path.to_owned(),
        content_type: "application/json",
        body: object.to_string().into_bytes(),
    }
}

fn event(index: usize, reason: &str, value: &str) -> Value {
    let name = app_name(index);
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": format!("{name}.{}.{value}", reason.to_lowercase()), "namespace": CONTROL_PLANE},
        "involvedObject": {
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "namespace": CONTROL_PLANE, "name": name,
            "uid": "01234567-89ab-cdef-0123-456789abcdef", "resourceVersion": "1000",
        },
        "source": {"component": "argocd-application-controller"}, "type": "Normal", "reason": reason,
        "message": "Sync operation to 0123456789abcdef0123456789abcdef01234567 succeeded",
        "firstTimestamp": TIME, "lastTimestamp": TIME, "count": 1,
    })
}

const TIME: &str = "2026-01-01T00:00:00Z";
const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

/// The status that the beginning of an operation writes.
fn started(workload: &Workload, index: usize, value: &str) -> Value {
    let source = workload.child(index)["spec"]["source"].clone();
    let operation = json!({
        "initiatedBy": {"automated": true}, "retry": {"limit": 5},
        "sync": {"prune": true, "revision": REVISION},
    });
    json!({"status": {
        "health": {"status": "Missing"},
        "sync": {"status": "OutOfSync", "revision": REVISION, "comparedTo": {"source": source, "destination": {}}},
        "sourceType": "Directory", "reconciledAt": TIME,
        "resources": resources(index, "OutOfSync"),
        "operationState": {
            "phase": "Running", "startedAt": TIME, "operation": operation, "message": value,
            "syncResult": {"revision": REVISION, "source": source},
        },
    }})
}

/// The status that the end of an operation writes.
fn ended(workload: &Workload, index: usize, value: &str) -> Value {
    let source = workload.child(index)["spec"]["source"].clone();
    json!({"status": {
        "health": {"status": "Healthy"},
        "sync": {"status": "Synced"},
        "resources": resources(index, "Synced"),
        "history": [{
            "id": 0, "revision": REVISION, "source": source, "deployStartedAt": TIME, "deployedAt": TIME,
            "initiatedBy": {"automated": true},
        }],
        "operationState": {
            "phase": "Succeeded", "finishedAt": TIME, "message": format!("successfully synced {value}"),
            "syncResult": {"resources": results(index)},
        },
    }})
}

fn resources(index: usize, status: &str) -> Vec<Value> {
    let (namespace, name) = (namespace_of(index), app_name(index));
    let row =
        |kind: &str| json!({"kind": kind, "version": "v1", "namespace": namespace, "name": name, "status": status});
    ["ConfigMap", "Service", "ServiceAccount"].map(row).to_vec()
}

fn results(index: usize) -> Vec<Value> {
    let mut all = resources(index, "Synced");
    for row in &mut all {
        row["hookPhase"] = "Running".into();
        row["syncPhase"] = "Sync".into();
        row["group"] = "".into();
        row["message"] = format!("{}/{} created", row["kind"], row["name"]).into();
    }
    all
}
