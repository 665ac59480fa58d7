use std::time::Duration;

use tokio::time::Instant;

use super::LeaseRecord;

/// The times of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// How long others wait after they last saw the lease change.
    pub duration: Duration,
    /// How long the leader acts after it last sent a renewal that succeeded; shorter than `duration`.
    pub renew_deadline: Duration,
    /// Time between two tries.
    pub retry_period: Duration,
}

impl Default for LeaseTiming {
    /// The defaults of Kubernetes' own components: 15 s, 10 s and 2 s.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { duration: seconds(15), renew_deadline: seconds(10), retry_period: seconds(2) }
    }
}

/// A lease as it was read, and since when it says that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedLease {
    /// What it says.
    pub record: LeaseRecord,
    /// When it was first seen to say that, by the local monotonic clock: clocks of other machines do not matter.
    pub since: Instant,
}

/// What a candidate should do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseAction {
    /// Create the lease, held by the candidate.
    Create,
    /// Take the lease: nobody holds it, or its holder has not renewed it in time.
    Acquire,
    /// Renew the lease: the candidate holds it.
    Renew,
    /// Wait: another holds the lease.
    Wait {
        /// When the lease expires, should it not change.
        until: Instant,
    },
}

/// A holder that asks for more is not believed.
const LONGEST: Duration = Duration::from_mins(10);

/// Decides what `me` should do about a lease that was just read; none means that it does not exist.
pub fn decide(observed: Option<&ObservedLease>, now: Instant, me: &str) -> LeaseAction {
    let Some(ObservedLease { record, since }) = observed else {
        return LeaseAction::Create;
    };
    let until = *since + record.duration.min(LONGEST);
    if record.holder == me {
        LeaseAction::Renew
    } else if record.holder.is_empty() || until <= now {
        LeaseAction::Acquire
    } else {
        LeaseAction::Wait { until }
    }
}
