use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Growing pauses between attempts: the first is short or none, later ones double up to half a minute, each jittered.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

/// How urgent the first attempt after something went wrong is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// At once.
    Now,
    /// Within a quarter of a second, so that many watches that broke together do not return together.
    Spread,
}

const SPREAD: Duration = Duration::from_millis(250);
const STEP: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

impl Backoff {
    /// Returns the next pause.
    pub(crate) fn next(&mut self, first: First) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        match (failures, first) {
            (0, First::Now) => Duration::ZERO,
            (0, First::Spread) => random_below(SPREAD),
            _ => {
                let full = STEP.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST);
                full / 2 + random_below(full / 2)
            }
        }
    }

    /// Starts again with the first pause.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Returns a random time below `limit`; good enough to spread load, not for secrets.
pub(crate) fn random_below(limit: Duration) -> Duration {
    // Each `RandomState` is keyed afresh, from randomness that the process took from the system.
    let random = RandomState::new().build_hasher().finish();
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(if nanos == 0 { 0 } else { random % nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(First::Now), Duration::ZERO);
        for expected in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let pause = backoff.next(First::Now).as_millis();
            assert!((expected / 2..=expected).contains(&pause), "{pause} for {expected}");
        }
        backoff.reset();
        assert!(backoff.next(First::Spread) < SPREAD);
    }
}
