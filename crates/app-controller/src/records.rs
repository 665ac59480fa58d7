//! Kubernetes Events about Applications: best effort, written in the background (semantics, section 10.2).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use application_api::constants::{API_VERSION, APPLICATION_KIND, STATUS_FIELD_MANAGER};
use cluster_client::{ObjectRef, WriteOptions};
use jiff::Timestamp;
use kube_object::{ApiError, ApiResource, Gvk, Object, Scope, Time};
use reconciler::{AppKey, Record, Severity};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::hands::Hands;

/// Events that may wait to be written; beyond them they are dropped.
const BACKLOG: usize = 2048;
/// Events that are written at once: few, so that they do not take the turns of what matters.
const PARALLEL: usize = 8;
/// Events that may wait while they let others go first.
const PATIENT: usize = 256;
/// Time in which an Event like one before becomes its repetition.
const WINDOW: Duration = Duration::from_secs(1);

/// Takes Events to be written; the queue is cut off when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Recorder(mpsc::Sender<Record>);

impl Recorder {
    /// Makes a queue, and its end.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Record>) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Self(sender), receiver)
    }

    /// Has an Event written, unless too many wait.
    pub(crate) fn record(&self, record: Record) {
        tracing::info!(app = %record.app, reason = record.reason, "{}", record.message);
        if let Err(mpsc::error::TrySendError::Full(record)) = self.0.try_send(record) {
            tracing::warn!(app = %record.app, reason = record.reason, "an Event is dropped, because too many wait to be written");
        }
    }
}

/// Writes Events until the queue ends and is empty.
pub(crate) async fn write_all(mut records: mpsc::Receiver<Record>, hands: Arc<Hands>) {
    let mut recent: HashMap<Identity, Recent> = HashMap::new();
    let mut names = Names::default();
    let mut writes = JoinSet::new();
    loop {
        let closes = recent.values().map(|recent| recent.closes).min();
        tokio::select! {
            record = records.recv() => {
                let Some(record) = record else { break };
                let at = Timestamp::now();
                if let Some(known) = recent.get_mut(&Identity::of(&record)) {
                    known.repeated = Some((known.repeated.map_or(2, |(count, _)| count + 1), at));
                    continue;
                }
                let name = names.next(&record, at);
                let closes = Instant::now() + WINDOW;
                recent.insert(Identity::of(&record), Recent { name: name.clone(), closes, repeated: None });
                let patience = if records.len() < PATIENT { Patience::Some } else { Patience::None };
                writes.spawn(create(Arc::clone(&hands), name, record, at, patience));
            }
            () = tokio::time::sleep_until(closes.unwrap_or_else(Instant::now)), if closes.is_some() => {
                let now = Instant::now();
                for (identity, closed) in recent.extract_if(|_, recent| recent.closes <= now) {
                    if let Some((count, last)) = closed.repeated {
                        writes.spawn(repeat(Arc::clone(&hands), identity.app, closed.name, count, last));
                    }
                }
            }
        }
        while writes.len() >= PARALLEL {
            writes.join_next().await;
        }
        while writes.try_join_next().is_some() {}
    }
    for (identity, left) in recent {
        if let Some((count, last)) = left.repeated {
            writes.spawn(repeat(Arc::clone(&hands), identity.app, left.name, count, last));
        }
    }
    while writes.join_next().await.is_some() {}
}

/// What makes two Events the same.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    app: AppKey,
    uid: String,
    reason: &'static str,
    message: String,
}

impl Identity {
    fn of(record: &Record) -> Self {
        let Record { app, uid, reason, message, .. } = record;
        Self { app: app.clone(), uid: uid.clone(), reason, message: message.clone() }
    }
}

/// An Event that was written a moment ago.
struct Recent {
    name: String,
    closes: Instant,
    /// How often it has occurred in all, and when last, if it was repeated.
    repeated: Option<(u32, Timestamp)>,
}

/// Names Events by their time, so that no two are equal.
#[derive(Default)]
struct Names(i128);

impl Names {
    fn next(&mut self, record: &Record, at: Timestamp) -> String {
        self.0 = at.as_nanosecond().max(self.0 + 1);
        format!("{}.{:x}", record.app.name, self.0)
    }
}

/// Whether Events let what is urgent go first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Some,
    None,
}

async fn create(hands: Arc<Hands>, name: String, record: Record, at: Timestamp, patience: Patience) {
    let Ok(event) = Object::from_value(event(&name, &record, at)) else { unreachable!("a JSON map was just made") };
    if patience == Patience::Some {
        hands.urgency.wait().await;
    }
    if hands.fence().is_err() {
        return;
    }
    let result = hands.cluster.create_event(&event, WriteOptions::new(STATUS_FIELD_MANAGER)).await;
    say(&record.app, result.map(drop));
}

async fn repeat(hands: Arc<Hands>, app: AppKey, name: String, count: u32, last: Timestamp) {
    let resource = ApiResource {
        gvk: Gvk::new("", "v1", "Event"),
        plural: "events".to_owned(),
        scope: Scope::Namespaced,
        verbs: Vec::new(),
        subresources: Vec::new(),
    };
    let target = ObjectRef { resource: &resource, namespace: &app.namespace, name: &name };
    let patch = json!({"count": count, "lastTimestamp": Time::new(last)});
    if hands.fence().is_err() {
        return;
    }
    let options = WriteOptions::new(STATUS_FIELD_MANAGER);
    let result = hands.cluster.merge_patch(target, None, &patch, options).await;
    say(&app, result.map(drop));
}

fn say(app: &AppKey, result: Result<(), ApiError>) {
    if let Err(error) = result {
        tracing::warn!(%app, code = error.code, %error, "an Event cannot be written");
    }
}

fn event(name: &str, record: &Record, at: Timestamp) -> Value {
    let Record { app, uid, resource_version, reason, message, severity, dest_server, dest_namespace } = record;
    let at = Time::new(at);
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": name,
            "namespace": &*app.namespace,
            "annotations": {"dest-server": dest_server, "dest-namespace": dest_namespace},
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": APPLICATION_KIND,
            "namespace": &*app.namespace,
            "name": &*app.name,
            "uid": uid,
            "resourceVersion": resource_version,
        },
        "source": {"component": STATUS_FIELD_MANAGER},
        "type": match severity { Severity::Normal => "Normal", Severity::Warning => "Warning" },
        "reason": reason,
        "message": message,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    })
}

#[cfg(test)]
mod tests;
