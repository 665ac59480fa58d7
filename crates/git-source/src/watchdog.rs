use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// What one operation against a server has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Times that references were listed (`request_type="ls-remote"`).
    pub lists: u32,
    /// Times that commits were fetched (`request_type="fetch"`).
    pub fetches: u32,
    /// HTTP requests in all.
    pub requests: u64,
    /// Bytes of HTTP bodies received.
    pub received: u64,
    /// Bytes of HTTP bodies sent.
    pub sent: u64,
}

/// Why an HTTP exchange failed; the Git library above it only passes on a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HttpFailure {
    /// The server answered with this status.
    Status(u16),
    /// The server redirected to where it may not.
    Redirect(String),
    /// No connection, or it broke.
    Connection(String),
    /// The time allowed ran out, or nobody waits any more.
    Stopped,
}

/// Limits and accounts of one operation, shared by all that takes part in it.
#[derive(Debug)]
pub(crate) struct Watchdog {
    cancel: CancellationToken,
    /// The Git library looks at this one between its steps.
    interrupt: AtomicBool,
    phase: Mutex<Phase>,
    idle: Duration,
    failure: Mutex<Option<HttpFailure>>,
    requests: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Phase {
    deadline: Instant,
    allowed: Duration,
}

impl Watchdog {
    /// Makes a watchdog for an operation that ends at `deadline` at the latest.
    pub(crate) fn new(deadline: Instant, idle: Duration) -> Arc<Self> {
        let phase = Phase { deadline, allowed: deadline.saturating_duration_since(Instant::now()) };
        Arc::new(Self {
            cancel: CancellationToken::new(),
            interrupt: AtomicBool::new(false),
            phase: Mutex::new(phase),
            idle,
            failure: Mutex::default(),
            requests: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        })
    }

    /// Begins a phase that may take `allowed` but not longer than until `end`.
    pub(crate) fn begin(&self, allowed: Duration, end: Instant) {
        let now = Instant::now();
        let allowed = allowed.min(end.saturating_duration_since(now));
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Phase { deadline: now + allowed, allowed };
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that the present phase was allowed.
    pub(crate) fn allowed(&self) -> Duration {
        self.phase().allowed
    }

    /// Ends the operation as soon as possible.
    pub(crate) fn stop(&self) {
        self.interrupt.store(true, Ordering::Relaxed);
        self.cancel.cancel();
    }

    /// The flag that the Git library looks at.
    pub(crate) fn interrupt(&self) -> &AtomicBool {
        &self.interrupt
    }

    /// Tells whether the operation was ended or its time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed) || Instant::now() >= self.phase().deadline
    }

    /// Waits for a step of an exchange, no longer than the phase lasts, nor than the silence allowed.
    pub(crate) async fn guard<T>(
        &self,
        step: impl Future<Output = Result<T, HttpFailure>>,
        silence: Silence,
    ) -> Result<T, HttpFailure> {
        let deadline = self.phase().deadline;
        let idle = Instant::now() + self.idle;
        let until = if silence == Silence::Limited { deadline.min(idle) } else { deadline };
        let result = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(HttpFailure::Stopped),
            result = tokio::time::timeout_at(until.into(), step) => match result {
                Ok(result) => result,
                Err(_) if until < deadline => Err(HttpFailure::Connection(format!("silent for {} s", self.idle.as_secs()))),
                Err(_) => Err(HttpFailure::Stopped),
            },
        };
        if let Err(failure) = &result {
            if *failure == HttpFailure::Stopped {
                self.interrupt.store(true, Ordering::Relaxed);
            }
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
        }
        result
    }

    /// Takes the failure of the last exchange, if it failed.
    pub(crate) fn take_failure(&self) -> Option<HttpFailure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn count_request(&self, sent: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_add(sent as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_received(&self, received: usize) {
        self.received.fetch_add(received as u64, Ordering::Relaxed);
    }

    /// Adds what was counted to the lists and fetches of the caller.
    pub(crate) fn traffic(&self, lists: u32, fetches: u32) -> Traffic {
        Traffic {
            lists,
            fetches,
            requests: self.requests.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
        }
    }
}

/// Whether the time without a byte is limited while a step is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// A server that is sending must go on sending.
    Limited,
    /// A server that has not answered yet may think until the phase ends.
    Allowed,
}
