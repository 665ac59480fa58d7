//! Watches that say when something came.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// The longest that anything is waited for.
const LIMIT: Duration = Duration::from_mins(10);

/// A watch of all objects of a kind, from which little is read.
pub(crate) struct Follow<T> {
    /// What is there, by name: names are unique here.
    pub(crate) objects: HashMap<String, T>,
    events: mpsc::UnboundedReceiver<Seen<T>>,
    watching: AbortHandle,
}

struct Seen<T> {
    at: Instant,
    line: Line<T>,
}

#[derive(Deserialize)]
struct Line<T> {
    r#type: String,
    object: Watched<T>,
}

#[derive(Deserialize)]
struct Watched<T> {
    metadata: Metadata,
    #[serde(flatten)]
    rest: T,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

/// What is read of a ConfigMap.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) data: ConfigData,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigData {
    #[serde(default)]
    pub(crate) value: String,
}

/// What is read of an Application.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct App {
    operation: Option<serde::de::IgnoredAny>,
    status: AppStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AppStatus {
    sync: AppSync,
    health: AppHealth,
    operation_state: AppOperation,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AppSync {
    status: String,
    revision: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AppHealth {
    status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AppOperation {
    phase: String,
}

impl App {
    /// Tells whether it is Synced and Healthy.
    pub(crate) fn is_well(&self) -> bool {
        self.status.sync.status == "Synced" && self.status.health.status == "Healthy"
    }

    /// Tells whether it is well, with no operation under way.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_well() && self.operation.is_none() && self.status.operation_state.phase == "Succeeded"
    }

    /// Tells whether it is settled at a revision.
    pub(crate) fn is_settled_at(&self, revision: &str) -> bool {
        self.is_settled() && self.status.sync.revision == revision
    }
}

impl<T: DeserializeOwned + Send + 'static> Follow<T> {
    /// Begins to watch the kind at a path, such as `/api/v1/configmaps`.
    pub(crate) fn start(client: &Client, path: &str) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let watching = tokio::spawn(watch(client.clone(), path.to_owned(), sender)).abort_handle();
        Self { objects: HashMap::new(), events, watching }
    }

    /// Waits until what is there is as wanted, and gives when the event came that made it so.
    pub(crate) async fn until(&mut self, what: &str, mut wanted: impl FnMut(&str, &HashMap<String, T>) -> bool) -> Instant {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let event = tokio::time::timeout_at(deadline, self.events.recv()).await;
            let Ok(Some(Seen { at, line })) = event else { panic!("waited too long for {what}") };
            let name = line.object.metadata.name;
            match line.r#type.as_str() {
                "ADDED" | "MODIFIED" => _ = self.objects.insert(name.clone(), line.object.rest),
                "DELETED" => _ = self.objects.remove(&name),
                _ => {}
            }
            if wanted(&name, &self.objects) {
                return at;
            }
        }
    }

    /// Takes in what has come already.
    pub(crate) fn catch_up(&mut self) {
        while let Ok(Seen { line, .. }) = self.events.try_recv() {
            let name = line.object.metadata.name;
            match line.r#type.as_str() {
                "DELETED" => _ = self.objects.remove(&name),
                "BOOKMARK" => {}
                _ => _ = self.objects.insert(name, line.object.rest),
            }
        }
    }
}

impl<T> Drop for Follow<T> {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Gives the request of a streaming list that goes on as a watch.
pub(crate) fn watch_request(path: &str) -> Request<Body> {
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=7200";
    Request::get(format!("{path}?{query}")).body(Body::empty()).expect("the path is valid")
}

async fn watch<T: DeserializeOwned>(client: Client, path: String, seen: mpsc::UnboundedSender<Seen<T>>) {
    let response = client.send(watch_request(&path)).await.unwrap_or_else(|e| panic!("watch {path}: {e}"));
    assert!(response.status().is_success(), "watch {path}: {}", response.status());
    let mut body = response.into_body();
    let mut buffer: Vec<u8> = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let at = Instant::now();
        let Ok(data) = frame.into_data() else { continue };
        buffer.extend_from_slice(&data);
        let mut start = 0;
        while let Some(end) = buffer[start..].iter().position(|byte| *byte == b'\n') {
            let text = &buffer[start..start + end];
            let line = serde_json::from_slice(text)
                .unwrap_or_else(|e| panic!("watch {path}: {e}: {}", String::from_utf8_lossy(text)));
            if seen.send(Seen { at, line }).is_err() {
                return;
            }
            start += end + 1;
        }
        buffer.drain(..start);
    }
}
