use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use app_view::{AppSnapshot, AppView, Change, ChangeFeed};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::applications::app_body;
use crate::fields::Fields;
use crate::{ApiFailure, ApiState, AppFilter, ListQuery};

/// How often an idle event stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /api/v1/stream/applications`: the applications asked for, and then every change of them.
///
/// Server-sent events where the client accepts them, else one JSON object a line.
pub(crate) async fn applications(
    State(state): State<ApiState>,
    headers: HeaderMap,
    query: ListQuery,
) -> Result<Response, ApiFailure> {
    let frames = AppStream::new(&state.view, &query)?.frames(state.shutdown.clone());
    let accepts = |value: &axum::http::HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/event-stream"));
    if headers.get_all(ACCEPT).iter().any(accepts) {
        let events = frames.map(|frame| Ok::<_, Infallible>(Event::default().data(frame)));
        return Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response());
    }
    let lines = frames.map(|frame| Ok::<_, Infallible>(frame + "\n"));
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response())
}

/// One client's stream: what it has been sent, and what it is still to be sent.
struct AppStream {
    view: AppView,
    changes: ChangeFeed,
    filter: AppFilter,
    fields: Option<Fields>,
    /// Hash of what was sent last, by application: an equal state is not sent again.
    sent: HashMap<(String, String), u64>,
    pending: VecDeque<String>,
}

impl AppStream {
    fn new(view: &AppView, query: &ListQuery) -> Result<Self, ApiFailure> {
        let filter = query.filter()?;
        // Subscribed before listing, so that nothing is missed in between.
        let changes = view.subscribe();
        let mut stream = Self {
            view: view.clone(),
            changes,
            fields: query.fields(&["result", "application"]),
            sent: HashMap::new(),
            pending: VecDeque::new(),
            filter,
        };
        let everything = query.resource_version.is_empty() || stream.filter.has_name();
        for app in view.list() {
            if everything || app.is_newer_than(&query.resource_version) {
                stream.push_present(&app);
            } else {
                stream.remember(&app);
            }
        }
        Ok(stream)
    }

    /// Turns the stream into frames that end with `shutdown`.
    fn frames(self, shutdown: CancellationToken) -> impl Stream<Item = String> + Send + 'static {
        stream::unfold(self, |mut stream| async move { Some((stream.next().await?, stream)) })
            .take_until(shutdown.cancelled_owned())
    }

    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Some(frame);
            }
            match self.changes.next().await? {
                Change::Published { namespace, name } => {
                    if let Some(app) = self.view.get(&namespace, &name) {
                        self.push_present(&app);
                    }
                }
                Change::Removed(app) => self.push_removed(&app),
                Change::Resync => self.list_again(),
            }
        }
    }

    fn list_again(&mut self) {
        let apps = self.view.list();
        let gone: Vec<_> =
            self.sent.keys().filter(|(namespace, name)| self.view.get(namespace, name).is_none()).cloned().collect();
        for (namespace, name) in gone {
            let body = serde_json::json!({"metadata": {"namespace": namespace, "name": name}});
            self.pending.push_back(frame("DELETED", &body.to_string()));
            self.sent.remove(&(namespace, name));
        }
        for app in apps {
            self.push_present(&app);
        }
    }

    fn push_present(&mut self, app: &AppSnapshot) {
        if !self.filter.matches(app) {
            return;
        }
        let (body, hash) = self.body(app);
        let kind = match self.sent.insert(key(app), hash) {
            Some(before) if before == hash => return,
            Some(_) => "MODIFIED",
            None => "ADDED",
        };
        self.pending.push_back(frame(kind, &body));
    }

    fn push_removed(&mut self, app: &AppSnapshot) {
        let known = self.sent.remove(&key(app)).is_some();
        if known || self.filter.matches(app) {
            let (body, _) = self.body(app);
            self.pending.push_back(frame("DELETED", &body));
        }
    }

    /// Records a state that the client has seen without sending it.
    fn remember(&mut self, app: &AppSnapshot) {
        if self.filter.matches(app) {
            let (_, hash) = self.body(app);
            self.sent.insert(key(app), hash);
        }
    }

    fn body(&self, app: &AppSnapshot) -> (String, u64) {
        let body = String::from_utf8(app_body(app, self.fields.as_ref())).expect("because JSON is UTF-8");
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        (body, hasher.finish())
    }
}

fn key(app: &AppSnapshot) -> (String, String) {
    (app.namespace().to_owned(), app.name().to_owned())
}

fn frame(kind: &str, application: &str) -> String {
    format!(r#"{{"result":{{"type":"{kind}","application":{application}}}}}"#)
}
