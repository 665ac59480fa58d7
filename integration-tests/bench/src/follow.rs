//! Watches that say when something came.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// The longest that anything is waited for.
const LIMIT: Duration = Duration::from_mins(10);

/// A watch of all objects of a kind, from which little is read.
pub(crate) struct Follow {
    /// What is there, by name: names are unique here.
    pub(crate) objects: HashMap<String, Watched>,
    events: mpsc::UnboundedReceiver<Seen>,
    watching: AbortHandle,
}

struct Seen {
    at: Instant,
    line: Line,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    #[serde(default)]
    object: Watched,
}

/// What is read of a ConfigMap or an Application.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Watched {
    metadata: Metadata,
    data: ConfigData,
    operation: Option<serde::de::IgnoredAny>,
    status: AppStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    resource_version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigData {
    value: String,
    base: String,
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

impl Watched {
    /// Gives the value of a ConfigMap.
    pub(crate) fn value(&self) -> &str {
        &self.data.value
    }

    /// Gives the value that a ConfigMap has from the base of its overlay.
    pub(crate) fn base_value(&self) -> &str {
        &self.data.base
    }

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

impl Follow {
    /// Begins to watch the kind at a path, such as `/api/v1/configmaps`.
    pub(crate) fn start(client: &Client, path: &str) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let watching = tokio::spawn(watch(client.clone(), path.to_owned(), sender)).abort_handle();
        Self { objects: HashMap::new(), events, watching }
    }

    /// Waits until what is there is as wanted, and gives when the event came that made it so.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&str, &HashMap<String, Watched>) -> bool,
    ) -> Instant {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let event = tokio::time::timeout_at(deadline, self.events.recv()).await;
            let Ok(Some(Seen { at, line })) = event else { panic!("waited too long for {what}") };
            let name = line.object.metadata.name.clone();
            match line.r#type.as_str() {
                "ADDED" | "MODIFIED" => _ = self.objects.insert(name.clone(), line.object),
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
            let name = line.object.metadata.name.clone();
            match line.r#type.as_str() {
                "DELETED" => _ = self.objects.remove(&name),
                "BOOKMARK" => {}
                _ => _ = self.objects.insert(name, line.object),
            }
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Gives the request of a streaming list that goes on as a watch, or of a watch that goes on after a version.
pub(crate) fn watch_request(path: &str, after: &str) -> Request<Body> {
    let from = if after.is_empty() {
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan".to_owned()
    } else {
        format!("resourceVersion={after}")
    };
    let query = format!("watch=1&{from}&allowWatchBookmarks=true&timeoutSeconds=7200");
    Request::get(format!("{path}?{query}")).body(Body::empty()).expect("the path is valid")
}

/// Watches for ever: the API server ends a watch whose client is slow for a moment, and it goes on where it was.
async fn watch(client: Client, path: String, seen: mpsc::UnboundedSender<Seen>) {
    let mut version = String::new();
    while !seen.is_closed() {
        watch_once(&client, &path, &mut version, &seen).await;
    }
}

async fn watch_once(client: &Client, path: &str, version: &mut String, seen: &mpsc::UnboundedSender<Seen>) {
    let response = client.send(watch_request(path, version)).await.unwrap_or_else(|e| panic!("watch {path}: {e}"));
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
            let line: Line = serde_json::from_slice(text)
                .unwrap_or_else(|e| panic!("watch {path}: {e}: {}", String::from_utf8_lossy(text)));
            assert!(line.r#type != "ERROR", "watch {path}: {}", String::from_utf8_lossy(text));
            version.clone_from(&line.object.metadata.resource_version);
            if seen.send(Seen { at, line }).is_err() {
                return;
            }
            start += end + 1;
        }
        buffer.drain(..start);
    }
}
