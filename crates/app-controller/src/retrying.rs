use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use kube_object::{ApiError, ErrorClass};

/// Further attempts at a request that is to be carried out.
pub(crate) const ATTEMPTS: usize = 3;
/// Further attempts at a dry run, for which something else can be done.
pub(crate) const DRY_RUN_ATTEMPTS: usize = 1;

/// First wait; it doubles with each attempt.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest time that a server may ask to wait; beyond it, the reconciler knows better when to come back.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Sends a request again while its failure is a passing one and `may_go_on` says so.
pub(crate) async fn retrying<T, F, S>(attempts: usize, may_go_on: impl Fn() -> bool, send: S) -> Result<T, ApiError>
where
    S: FnMut() -> F,
    F: Future<Output = Result<T, ApiError>>,
{
    send.retry(builder(attempts))
        .when(|error: &ApiError| error.class() == ErrorClass::Retry && may_go_on())
        .adjust(|error, planned| planned.map(|planned| wait_of(error, planned)))
        .notify(|error, wait| tracing::debug!(code = error.code, %error, ?wait, "the request is repeated"))
        .await
}

/// Returns the waits between attempts.
pub(crate) fn waits(attempts: usize) -> impl Iterator<Item = Duration> {
    builder(attempts).build()
}

fn builder(attempts: usize) -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(FIRST_WAIT).with_factor(2.0).with_max_times(attempts).with_jitter()
}

/// Returns how long to wait after a failure: as planned, or longer when the server asks for it.
pub(crate) fn wait_of(error: &ApiError, planned: Duration) -> Duration {
    let asked = error.retry_after.map(|seconds| Duration::from_secs(u64::from(seconds)).min(LONGEST_WAIT));
    asked.map_or(planned, |asked| asked.max(planned))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(code: u16, may_go_on: bool, expected_sent: usize) {
        let mut sent = 0;
        let result: Result<(), ApiError> = retrying(
            ATTEMPTS,
            || may_go_on,
            || {
                sent += 1;
                async move { Err(ApiError { code, ..ApiError::no_answer("no") }) }
            },
        )
        .await;
        assert!(result.is_err());
        assert_eq!(sent, expected_sent, "{code} {may_go_on}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_passing_failures_are_tried_again() {
        check(503, true, 4).await;
        check(0, true, 4).await;
        check(0, false, 1).await;
        check(409, true, 1).await;
        check(404, true, 1).await;
        check(422, true, 1).await;
    }

    #[test]
    fn the_server_may_ask_for_more_time_within_limits() {
        let planned = Duration::from_millis(100);
        for (asked, expected) in [(None, 100), (Some(0), 100), (Some(2), 2_000), (Some(3_600), 5_000)] {
            let error = ApiError { retry_after: asked, ..ApiError::no_answer("busy") };
            assert_eq!(wait_of(&error, planned), Duration::from_millis(expected), "{asked:?}");
        }
    }
}
