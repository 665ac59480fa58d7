use std::time::Duration;
use std::vec;

use http::StatusCode;
use kube_object::{ApiError, ErrorClass, Object};
use tokio::time::{Instant, sleep_until, timeout};

use super::wire::{self, WireEvent};
use super::{Phase, WatchEvent, WatchRequest};
use crate::access::{Query, collection_path};
use crate::answer::accept_object;
use crate::backoff::{Backoff, First, random_below};
use crate::cluster::Call;
use crate::lines::{LONGEST_LINE, Line, Lines};
use crate::{Cluster, ListRequest, Verb};

/// Objects in one page, where pages are used.
const PAGE: u32 = 500;
/// The server ends a watch after a time between these, chosen at random so that watches do not end together.
const SHORTEST_WATCH: Duration = Duration::from_secs(290);
const WATCH_SPREAD: Duration = Duration::from_mins(5);
/// Time beyond the end that was asked for, after which a silent watch counts as dead.
const GRACE: Duration = Duration::from_secs(30);
/// A server that sends bookmarks sends about one a minute: three missed ones mean a dead connection, or a version of the future.
const BOOKMARK_SILENCE: Duration = Duration::from_mins(3);
/// A streaming list that stops without its end mark: the server does not know what was asked.
const LIST_SILENCE: Duration = Duration::from_secs(30);
/// A watch that lived this long was healthy: the next trouble is a new one.
const HEALTHY: Duration = Duration::from_secs(5);

/// A watch: its state and what it has learned of the server.
pub(super) struct Watcher {
    cluster: Cluster,
    request: WatchRequest,
    state: State,
    listing: Listing,
    bookmarks: Bookmarks,
    backoff: Backoff,
    trouble: Trouble,
}

/// What to do next. Every step does one thing and says what follows.
enum State {
    /// Begin a full list.
    List,
    /// Read the page of a token; the first when it is empty.
    Page { token: String },
    /// Hand out the objects of a page, then read the next one or, after the last, watch.
    HandOut { objects: vec::IntoIter<Object>, token: String, version: String },
    /// Watch on from a version.
    Resume { version: String },
    /// Read events.
    Reading(Box<Reading>),
    /// Wait, then go on.
    Pause { until: Instant, then: Box<State> },
}

/// An open watch.
struct Reading {
    lines: Lines,
    phase: Phase,
    /// Latest version that was seen; meaningless while the list is under way.
    version: String,
    opened: Instant,
    ends_after: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Listing {
    Streaming,
    Pages,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bookmarks {
    Unseen,
    Seen,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Failed,
    Gone,
}

type Step = (Option<WatchEvent>, State);

impl Watcher {
    pub(super) fn new(cluster: Cluster, request: WatchRequest) -> Self {
        Self {
            cluster,
            request,
            state: State::List,
            listing: Listing::Streaming,
            bookmarks: Bookmarks::Unseen,
            backoff: Backoff::default(),
            trouble: Trouble::None,
        }
    }

    /// Goes on until there is something to tell.
    pub(super) async fn next(&mut self) -> WatchEvent {
        loop {
            let state = std::mem::replace(&mut self.state, State::List);
            let (event, next) = self.step(state).await;
            self.state = next;
            if let Some(event) = event {
                return event;
            }
        }
    }

    async fn step(&mut self, state: State) -> Step {
        match state {
            State::List => match self.listing {
                Listing::Streaming => self.open_list().await,
                Listing::Pages => (None, State::Page { token: String::new() }),
            },
            State::Page { token } => self.page(token).await,
            State::HandOut { mut objects, token, version } => match objects.next() {
                Some(object) => {
                    (Some(WatchEvent::Object(object, Phase::Initial)), State::HandOut { objects, token, version })
                }
                None if token.is_empty() => (Some(self.listed(&version)), State::Resume { version }),
                None => (None, State::Page { token }),
            },
            State::Resume { version } => self.resume(version).await,
            State::Reading(reading) => self.read(reading).await,
            State::Pause { until, then } => {
                sleep_until(until).await;
                (None, *then)
            }
        }
    }

    async fn open_list(&mut self) -> Step {
        let query = Query::default().with("sendInitialEvents", "true").with("resourceVersionMatch", "NotOlderThan");
        match self.open(query, Phase::Initial, String::new()).await {
            Ok(reading) => (Some(WatchEvent::Restarting), State::Reading(reading)),
            Err(error) if matches!(error.code, 400 | 422) => {
                self.debug("streaming lists are refused; pages are used");
                self.listing = Listing::Pages;
                (None, State::List)
            }
            Err(error) => self.failed(error, State::List),
        }
    }

    async fn page(&mut self, token: String) -> Step {
        let WatchRequest { resource, namespace, selector, detail } = &self.request;
        let list = ListRequest { resource, namespace, selector, limit: PAGE, continue_token: &token, detail: *detail };
        match self.cluster.list_page(&list).await {
            Ok(page) => {
                let version = page.resource_version;
                let next = State::HandOut { objects: page.objects.into_iter(), token: page.continue_token, version };
                (token.is_empty().then_some(WatchEvent::Restarting), next)
            }
            Err(error) => self.failed(error, State::List),
        }
    }

    async fn resume(&mut self, version: String) -> Step {
        let query = Query::default().with("resourceVersion", &version);
        match self.open(query, Phase::Steady, version.clone()).await {
            Ok(reading) => {
                let recovered = std::mem::replace(&mut self.trouble, Trouble::None) != Trouble::None;
                (recovered.then_some(WatchEvent::Resumed), State::Reading(reading))
            }
            // Whatever the server dislikes about the version, a list cures it.
            Err(error) if error.class() == ErrorClass::Final => self.failed(error, State::List),
            Err(error) => self.failed(error, State::Resume { version }),
        }
    }

    async fn open(&mut self, query: Query, phase: Phase, version: String) -> Result<Box<Reading>, ApiError> {
        let WatchRequest { resource, namespace, selector, detail } = &self.request;
        let ends_after = Duration::from_secs((SHORTEST_WATCH + random_below(WATCH_SPREAD)).as_secs());
        let path = query
            .with("watch", "1")
            .with("allowWatchBookmarks", "true")
            .with("timeoutSeconds", &ends_after.as_secs().to_string())
            .with_selector(selector)
            .after(collection_path(resource, namespace)?);
        let call = Call { namespace, ..Call::read(Verb::Watch, Some(resource), path, accept_object(*detail)) };
        let body = self.cluster.open(call).await?;
        let lines = Lines::new(body, LONGEST_LINE);
        Ok(Box::new(Reading { lines, phase, version, opened: Instant::now(), ends_after }))
    }

    async fn read(&mut self, mut reading: Box<Reading>) -> Step {
        let line = match timeout(self.patience(&reading), reading.lines.next()).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return self.ended(&mut reading, First::Now),
            Ok(Err(error)) => {
                self.debug(&crate::transport::with_causes(&*error));
                return self.ended(&mut reading, First::Spread);
            }
            Err(_) => return self.silent(&reading),
        };
        let event = match line {
            Line::Text(line) => wire::parse(&line, &self.request.resource),
            Line::TooLong => Err(format!("event longer than {LONGEST_LINE} bytes")),
        };
        match event {
            Ok(WireEvent::Object(object)) => {
                object.resource_version().clone_into(&mut reading.version);
                (Some(WatchEvent::Object(object, reading.phase)), State::Reading(reading))
            }
            Ok(WireEvent::Deleted(object)) => {
                object.resource_version().clone_into(&mut reading.version);
                (Some(WatchEvent::Deleted(object)), State::Reading(reading))
            }
            Ok(WireEvent::Bookmark(version)) => {
                self.bookmarks = Bookmarks::Seen;
                reading.version = version;
                (None, State::Reading(reading))
            }
            Ok(WireEvent::InitialEnd(version)) => self.list_ended(reading, version),
            Ok(WireEvent::Error(error)) => self.error_event(&reading, error),
            Err(reason) => self.skip(reading, reason),
        }
    }

    fn list_ended(&mut self, mut reading: Box<Reading>, version: String) -> Step {
        if reading.phase == Phase::Steady {
            return (None, State::Reading(reading));
        }
        reading.phase = Phase::Steady;
        let event = self.listed(&version);
        reading.version = version;
        (Some(event), State::Reading(reading))
    }

    fn listed(&mut self, version: &str) -> WatchEvent {
        self.trouble = Trouble::None;
        WatchEvent::Listed { resource_version: version.to_owned() }
    }

    fn skip(&self, reading: Box<Reading>, reason: String) -> Step {
        let gvk = &self.request.resource.gvk;
        tracing::warn!(%gvk, namespace = self.request.namespace, reason, "watch event skipped");
        self.cluster.observer().skipped_event(&self.request.resource);
        (Some(WatchEvent::Skipped { reason }), State::Reading(reading))
    }

    /// Says how long to wait for the next line.
    fn patience(&self, reading: &Reading) -> Duration {
        match (reading.phase, self.bookmarks) {
            (Phase::Initial, _) => LIST_SILENCE,
            (Phase::Steady, Bookmarks::Seen) => BOOKMARK_SILENCE,
            (Phase::Steady, Bookmarks::Unseen) => (reading.ends_after + GRACE).saturating_sub(reading.opened.elapsed()),
        }
    }

    /// The connection ended: a list begins anew, a watch goes on where it was.
    fn ended(&mut self, reading: &mut Reading, first: First) -> Step {
        if reading.opened.elapsed() >= HEALTHY {
            self.backoff.reset();
        }
        let then = match reading.phase {
            Phase::Initial => State::List,
            Phase::Steady => State::Resume { version: std::mem::take(&mut reading.version) },
        };
        (None, self.pause(first, Duration::ZERO, then))
    }

    /// Nothing came for too long. Going on from the same version could be silent again, so everything is listed.
    fn silent(&mut self, reading: &Reading) -> Step {
        if reading.phase == Phase::Initial {
            self.listing = Listing::Pages;
        }
        self.debug("nothing came for too long; listing again");
        (None, self.pause(First::Spread, Duration::ZERO, State::List))
    }

    fn error_event(&mut self, reading: &Reading, error: ApiError) -> Step {
        if reading.opened.elapsed() >= HEALTHY {
            self.backoff.reset();
        }
        match error.code {
            // Expired: the server has forgotten the version.
            410 => (None, self.pause(First::Now, Duration::ZERO, State::List)),
            429 if reading.phase == Phase::Steady => {
                self.failed(error, State::Resume { version: reading.version.clone() })
            }
            _ => self.failed(error, State::List),
        }
    }

    /// A request failed: tells of it, waits, and then does `retry`, or lists where that cannot help.
    fn failed(&mut self, error: ApiError, retry: State) -> Step {
        let asked = Duration::from_secs(error.retry_after.unwrap_or(0).into());
        match StatusCode::from_u16(error.code) {
            Ok(StatusCode::GONE) => (None, self.pause(First::Now, asked, State::List)),
            Ok(StatusCode::NOT_FOUND) => {
                let known = std::mem::replace(&mut self.trouble, Trouble::Gone) == Trouble::Gone;
                let event = (!known).then_some(WatchEvent::KindGone);
                (event, self.pause(First::Spread, asked, State::List))
            }
            _ => {
                self.trouble = Trouble::Failed;
                let next = self.pause(First::Spread, asked, retry);
                (Some(WatchEvent::Failed(error)), next)
            }
        }
    }

    fn pause(&mut self, first: First, least: Duration, then: State) -> State {
        let pause = self.backoff.next(first).max(least);
        if pause.is_zero() { then } else { State::Pause { until: Instant::now() + pause, then: Box::new(then) } }
    }

    fn debug(&self, what: &str) {
        let gvk = &self.request.resource.gvk;
        tracing::debug!(%gvk, namespace = self.request.namespace, "watch: {what}");
    }
}

#[cfg(test)]
mod tests;
