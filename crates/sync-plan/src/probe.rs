//! When the objects of a sync that failed for good are tried out again: what refused them may have changed since.

use jiff::{SignedDuration, Timestamp};

use application_api::{OperationPhase, OperationState, ResourceResult, ResultCode, RetryStrategy, parse_duration};

/// The longest wait between two trials.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// Wait where the policy does not say.
const DEFAULT: SignedDuration = SignedDuration::from_mins(3);

/// Returns the results of the objects that failed, if the end of an operation is one that trials may undo: of an automated sync that
/// has no retries left.
pub fn failed_objects(state: &OperationState) -> Vec<&ResourceResult> {
    let has_failed = matches!(state.phase, OperationPhase::Failed | OperationPhase::Error);
    let is_real = state.operation.sync.as_ref().is_some_and(|sync| !sync.dry_run);
    // What somebody has ended stays so.
    let is_ended = state.message.starts_with("Operation termina");
    if !has_failed || !is_real || is_ended || !state.operation.initiated_by.automated {
        return Vec::new();
    }
    let results = state.sync_result.iter().flat_map(|result| &result.resources);
    let failed = results.filter(|result| result.status == Some(ResultCode::SyncFailed) && result.hook_type.is_none());
    // What was missing when its health was waited for was accepted before.
    failed.filter(|result| result.hook_phase == Some(OperationPhase::Failed)).collect()
}

/// Returns how long to wait for the next trial, after so many operations that trials have started and that failed again.
pub fn trial_wait(retry: Option<&RetryStrategy>, started: u32) -> SignedDuration {
    let longest = retry.and_then(|retry| retry.backoff.as_ref()).map(|backoff| &*backoff.max_duration);
    let wait =
        longest.and_then(|text| parse_duration(text).ok()).filter(SignedDuration::is_positive).unwrap_or(DEFAULT);
    wait.checked_mul(1 << started.min(10)).unwrap_or(LONGEST).clamp(SignedDuration::from_secs(1), LONGEST.max(wait))
}

/// Returns when the next trial is due.
pub fn next_trial(
    retry: Option<&RetryStrategy>,
    started: u32,
    finished_at: Timestamp,
    last_trial: Option<Timestamp>,
) -> Timestamp {
    let since = last_trial.map_or(finished_at, |last| last.max(finished_at));
    since.checked_add(trial_wait(retry, started)).unwrap_or(Timestamp::MAX)
}
