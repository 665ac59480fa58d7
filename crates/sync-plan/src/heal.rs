//! How often one object is healed: at once, until it turns out that somebody changes it back again and again.

use jiff::{SignedDuration, Timestamp};

/// Heals that are free before an object counts as fought over.
const FREE_HEALS: u32 = 24;
/// Time after which one free heal is given back.
const REFILL: SignedDuration = SignedDuration::from_secs(5);

/// How the wait between heals of a fought-over object grows (Argo CD's self-heal backoff: 2 s, factor 3, at most 300 s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealBackoff {
    /// First wait.
    pub initial: SignedDuration,
    /// Factor from one wait to the next.
    pub factor: i32,
    /// Longest wait.
    pub cap: SignedDuration,
}

impl Default for HealBackoff {
    fn default() -> Self {
        Self { initial: SignedDuration::from_secs(2), factor: 3, cap: SignedDuration::from_secs(300) }
    }
}

/// The memory of an object's heals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealState {
    used: u32,
    /// Since when `used` counts down: a wait of ours is not quiet time.
    counted_at: Timestamp,
    /// Waits made since the free heals ran out.
    waits: u32,
    allowed_at: Timestamp,
}

impl Default for HealState {
    fn default() -> Self {
        Self { used: 0, counted_at: Timestamp::UNIX_EPOCH, waits: 0, allowed_at: Timestamp::UNIX_EPOCH }
    }
}

impl HealState {
    /// Returns the time from which the object may be healed.
    pub fn allowed_at(&self) -> Timestamp {
        self.allowed_at
    }

    /// Tells whether the object is fought over: its free heals were used up by the last heal.
    pub fn is_fought_over(&self) -> bool {
        self.waits > 0
    }

    /// Counts a heal that starts at `now`.
    pub fn healed(mut self, now: Timestamp, backoff: HealBackoff) -> Self {
        let quiet = now.duration_since(self.counted_at).as_secs().max(0);
        let refilled = u32::try_from(quiet / REFILL.as_secs()).unwrap_or(u32::MAX);
        self.used = self.used.saturating_sub(refilled) + 1;
        self.counted_at = now;
        if self.used <= FREE_HEALS {
            self.waits = 0;
            self.allowed_at = now;
            return self;
        }
        self.used = FREE_HEALS + 1;
        let factor = backoff.factor.checked_pow(self.waits).unwrap_or(i32::MAX);
        let wait = backoff.initial.checked_mul(factor).unwrap_or(backoff.cap).min(backoff.cap);
        self.waits = self.waits.saturating_add(1);
        self.allowed_at = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        // Only time in which a heal would have been allowed and was not needed ends the fight.
        self.counted_at = self.allowed_at;
        self
    }

    /// Tells whether nothing worth remembering is left: the object has been quiet.
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        now.duration_since(self.counted_at) > REFILL * i32::try_from(self.used + 1).unwrap_or(i32::MAX)
            && self.allowed_at < now
    }
}
