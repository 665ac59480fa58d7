//! Spreading things in time without a source of randomness.

use jiff::{SignedDuration, Timestamp};

/// Returns a duration below `most`, spread by name and time: the same arguments give the same answer, so that a run of the
/// simulator can be repeated.
pub(crate) fn jitter(name: &str, now: Timestamp, most: SignedDuration) -> SignedDuration {
    let most = i64::try_from(most.as_millis()).unwrap_or(0);
    if most <= 0 {
        return SignedDuration::ZERO;
    }
    // FNV-1a over the name and the time.
    let hash = name
        .bytes()
        .chain(now.as_millisecond().to_be_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    SignedDuration::from_millis((hash >> 1).cast_signed() % most)
}
