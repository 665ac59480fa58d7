use std::time::Duration;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Passing: try again after a while, see [`next_attempt`].
    Retry,
    /// Trying again changes nothing until the repository, its credentials or the application change; the next poll notices.
    WaitForChange,
    /// Not possible with this request or this version.
    GiveUp,
}

/// Computes how long to wait after a number of failures in a row: `base`, doubled with every failure, at most `cap`.
///
/// `random` is between 0 and 1 and spreads callers over the upper half of the time, so that many repositories on one server
/// do not come back at the same moment. No failure means no wait.
pub fn next_attempt(failures: u32, base: Duration, cap: Duration, random: f64) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let full = base.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(cap);
    full / 2 + (full / 2).mul_f64(if random.is_nan() { 1.0 } else { random.clamp(0.0, 1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_cap_and_is_spread() {
        let check = |failures, random, expected| {
            let wait = next_attempt(failures, Duration::from_secs(2), Duration::from_secs(30), random);
            assert_eq!(wait, Duration::from_millis(expected), "{failures} failures, random {random}");
        };
        check(0, 1.0, 0);
        check(1, 1.0, 2_000);
        check(1, 0.0, 1_000);
        check(3, 0.5, 6_000);
        check(5, 1.0, 30_000);
        check(u32::MAX, 0.0, 15_000);
        check(1, f64::NAN, 2_000);
        check(1, 7.0, 2_000);
    }
}
