use jiff::SignedDuration;

/// How long to wait before the next self-heal attempt.
///
/// Source of the rule: Argo CD's autosync decision (semantics, section 1.8, step 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfHealBackoff {
    /// The same time before each attempt.
    Fixed(SignedDuration),
    /// No time before the first attempt, then longer from attempt to attempt.
    Exponential {
        /// The first wait.
        first: SignedDuration,
        /// Factor from one wait to the next.
        factor: u32,
        /// The longest wait.
        cap: SignedDuration,
    },
}

impl Default for SelfHealBackoff {
    fn default() -> Self {
        Self::Exponential { first: SignedDuration::from_secs(2), factor: 3, cap: SignedDuration::from_secs(300) }
    }
}

impl SelfHealBackoff {
    /// Returns the wait after `attempts` attempts, counted from the end of the last operation.
    pub fn delay(&self, attempts: u64) -> SignedDuration {
        match *self {
            Self::Fixed(wait) => wait,
            Self::Exponential { .. } if attempts == 0 => SignedDuration::ZERO,
            Self::Exponential { first, factor, cap } => {
                let mut wait = first;
                // The cap ends growth after a few steps; a factor of 0 or 1 never grows.
                for _ in 1..attempts.min(64) {
                    let next = i32::try_from(factor).ok().and_then(|factor| wait.checked_mul(factor));
                    wait = next.unwrap_or(cap).min(cap);
                }
                wait.min(cap)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_cap() {
        let waits = |backoff: SelfHealBackoff| {
            [0, 1, 2, 3, 4, 5, 6, 7, u64::MAX].map(|attempts| backoff.delay(attempts).as_secs())
        };
        assert_eq!(waits(SelfHealBackoff::default()), [0, 2, 6, 18, 54, 162, 300, 300, 300]);
        assert_eq!(waits(SelfHealBackoff::Fixed(SignedDuration::from_secs(5))), [5; 9]);
    }
}
