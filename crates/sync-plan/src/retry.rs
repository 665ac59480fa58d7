//! How an operation ends, and when it is tried again (Argo CD semantics, 1.5 and 1.6).
//!
//! The wait is the one that the message promises: the first retry after `duration`, then `duration · factor` and so on.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use application_api::{OperationPhase, OperationState, RetryStrategy};
use kube_object::Time;

/// Whether an operation that waits for a retry is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryState {
    /// It is not waiting for a retry.
    NotWaiting,
    /// Its next attempt starts then.
    WaitingUntil(Timestamp),
    /// Its next attempt starts at once.
    Due,
}

/// Tells whether an operation waits for a retry: it is `Running` and has a `finishedAt`.
pub fn retry_state(state: &OperationState, now: Timestamp) -> RetryState {
    let (OperationPhase::Running, Some(finished_at)) = (&state.phase, state.finished_at) else {
        return RetryState::NotWaiting;
    };
    let made = (state.retry_count - 1).max(0);
    let at = next_attempt(&state.operation.retry, finished_at.timestamp(), made);
    if at <= now { RetryState::Due } else { RetryState::WaitingUntil(at) }
}

/// Begins the next attempt: results are forgotten, and with `refresh` the revision is looked up again.
///
/// `syncResult` is gone with them: whoever runs the attempt writes its revision and source there again.
pub fn begin_retry(mut state: OperationState) -> OperationState {
    let refresh = state.operation.retry.refresh;
    let with = if refresh { " with latest revisions" } else { "" };
    state.message = format!("Retrying operation{with}. Attempt #{}", state.retry_count);
    state.finished_at = None;
    state.sync_result = None;
    if refresh && let Some(sync) = &mut state.operation.sync {
        sync.revision.clear();
        sync.revisions.clear();
    }
    state
}

/// Ends an attempt: the operation is completed, or scheduled again when it failed and has attempts left.
pub fn complete(mut state: OperationState, phase: OperationPhase, message: &str, now: Timestamp) -> OperationState {
    let terminated = state.phase == OperationPhase::Terminating;
    let finished_at = Time::new(now);
    state.finished_at = Some(finished_at);
    let retry = &state.operation.retry;
    let failed = phase != OperationPhase::Succeeded;
    if failed && !terminated && retry.allows_retry(state.retry_count) {
        let at = next_attempt(retry, finished_at.timestamp(), state.retry_count);
        state.retry_count += 1;
        state.phase = OperationPhase::Running;
        state.message = format!("{message}. Retrying attempt #{} at {}.", state.retry_count, kitchen(at));
        return state;
    }
    state.message = if failed && !terminated && state.retry_count > 0 {
        format!("{message} (retried {} times).", state.retry_count)
    } else {
        message.to_owned()
    };
    state.phase = phase;
    state
}

/// Returns when the next attempt starts; durations that cannot be read count as the defaults.
fn next_attempt(retry: &RetryStrategy, finished_at: Timestamp, made: i64) -> Timestamp {
    retry.next_attempt(finished_at, made).unwrap_or_else(|_| {
        let default = RetryStrategy { limit: retry.limit, ..RetryStrategy::default() };
        default.next_attempt(finished_at, made).unwrap_or(finished_at)
    })
}

/// Writes a time of day as `3:04PM`, in UTC.
fn kitchen(at: Timestamp) -> String {
    let time = at.to_zoned(TimeZone::UTC);
    let (hour, half) = match time.hour() {
        0 => (12, "AM"),
        hour @ 1..12 => (hour, "AM"),
        12 => (12, "PM"),
        hour => (hour - 12, "PM"),
    };
    format!("{hour}:{:02}{half}", time.minute())
}
