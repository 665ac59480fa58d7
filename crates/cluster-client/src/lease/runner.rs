use std::time::Duration;

use jiff::Timestamp;
use kube_object::{ApiError, ErrorClass, Object};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{LeaseAction, LeaseClient, LeaseRecord, LeaseTiming, ObservedLease, decide};
use crate::Cluster;
use crate::backoff::random_below;

/// Which lease to hold, and as whom.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Name of this process, unlike that of any other, also of its predecessor: pod name and something random.
    pub identity: String,
    /// Times of the election.
    pub timing: LeaseTiming,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// Another does, or nobody is known to.
    Following {
        /// The leader; empty when none is known.
        holder: String,
    },
    /// This process does.
    Leading {
        /// Nothing may be written after this time unless it has been moved on; it is, without waking those who wait for a change.
        valid_until: Instant,
    },
    /// This process did, and must not act any more. The last value: the election is over for it.
    Lost,
}

impl Leadership {
    /// Tells whether this process may act at a time.
    pub fn leads_at(&self, now: Instant) -> bool {
        matches!(self, Self::Leading { valid_until } if now < *valid_until)
    }
}

/// Why an election ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEnd {
    /// It was told to; the lease is given up if it was held.
    Shutdown,
    /// Leadership could not be renewed in time, or somebody took it. Stop what is under way before standing again.
    Lost,
}

/// Stands for leader until `shutdown` or until leadership is lost, and tells `leadership` who leads.
///
/// Cancel `shutdown` when the leader's work has stopped, and wait for the end: the lease is released then, and another replica
/// takes over at its next look, after two seconds or so.
pub async fn run_lease(
    cluster: &Cluster,
    options: LeaseOptions,
    shutdown: CancellationToken,
    leadership: watch::Sender<Leadership>,
) -> LeaseEnd {
    let LeaseOptions { namespace, name, identity, timing } = options;
    // Two tries fit into the time the leader has.
    let client = LeaseClient::new(cluster, namespace, name, timing.renew_deadline / 2);
    let mut candidate = Candidate { client, me: identity, timing, read: None, observed: None, leads: None };
    loop {
        candidate.try_in_time().await;
        if let Some(leads) = candidate.leads
            && Instant::now() >= leads
        {
            candidate.leads = None;
            tracing::error!(identity = candidate.me, "leadership lost: the lease could not be renewed in time");
            leadership.send_replace(Leadership::Lost);
            return LeaseEnd::Lost;
        }
        candidate.publish(&leadership);
        tokio::select! {
            () = sleep_until(candidate.next_try()) => {}
            () = shutdown.cancelled() => break,
        }
    }
    if candidate.leads.is_some() {
        leadership.send_replace(Leadership::Lost);
        candidate.release().await;
    }
    LeaseEnd::Shutdown
}

struct Candidate {
    client: LeaseClient,
    me: String,
    timing: LeaseTiming,
    /// The Lease as last read or written; none when it must be read again.
    read: Option<Object>,
    observed: Option<ObservedLease>,
    /// Until when this process leads, if it does.
    leads: Option<Instant>,
}

impl Candidate {
    /// Makes one try, which ends no later than leadership does.
    async fn try_in_time(&mut self) {
        match self.leads {
            // A write that is cut short leaves the Lease to be read again.
            Some(leads) => drop(timeout_at(leads, self.try_once()).await),
            None => self.try_once().await,
        }
    }

    /// Makes one try to take or keep the lease. While leading, that is one write without reading first.
    async fn try_once(&mut self) {
        let known = self.leads.is_some() && self.read.is_some();
        match self.attempt().await {
            // Somebody wrote to the lease: that need not mean another holder.
            Err(error) if known && error.class() == ErrorClass::Conflict => {
                self.read = None;
                if let Err(error) = self.attempt().await {
                    self.say(&error);
                }
            }
            Err(error) => self.say(&error),
            Ok(()) => {}
        }
    }

    async fn attempt(&mut self) -> Result<(), ApiError> {
        if self.leads.is_none() || self.read.is_none() {
            self.read = self.client.get().await?;
            self.observe();
        }
        let (now, sent) = (Timestamp::now(), Instant::now());
        let action = decide(self.observed.as_ref(), sent, &self.me);
        if let LeaseAction::Wait { .. } = action {
            if self.leads.is_some() {
                // Taken by another: over at once.
                self.leads = Some(sent);
            }
            return Ok(());
        }
        let record = self.observed.as_ref().map(|observed| observed.record.clone()).unwrap_or_default();
        let mine = record.held_by(&self.me, self.timing.duration, now);
        // Whatever becomes of the write, the Lease must be read again unless the answer says what it is.
        let written = match self.read.take() {
            None => self.client.create(&LeaseRecord { transitions: 0, ..mine }).await?,
            Some(lease) => self.client.update(lease, &mine).await?,
        };
        self.read = Some(written);
        self.observe();
        if self.leads.is_none() {
            tracing::info!(identity = self.me, previous = record.holder, "leadership acquired");
        }
        // Counted from before the request left, because others count from when they see its effect.
        self.leads = Some(sent + self.timing.renew_deadline);
        Ok(())
    }

    fn observe(&mut self) {
        let record = self.read.as_ref().map(LeaseRecord::of);
        if record.as_ref() != self.observed.as_ref().map(|observed| &observed.record) {
            self.observed = record.map(|record| ObservedLease { record, since: Instant::now() });
        }
    }

    fn say(&self, error: &ApiError) {
        let leading = self.leads.is_some();
        tracing::warn!(identity = self.me, leading, code = error.code, %error, "lease request failed");
    }

    fn publish(&self, leadership: &watch::Sender<Leadership>) {
        let next = match (self.leads, &self.observed) {
            (Some(valid_until), _) => Leadership::Leading { valid_until },
            (None, observed) => Leadership::Following {
                holder: observed.as_ref().map(|observed| observed.record.holder.clone()).unwrap_or_default(),
            },
        };
        leadership.send_if_modified(|current| {
            let quiet = matches!((&*current, &next), (Leadership::Leading { .. }, Leadership::Leading { .. }));
            let changed = !quiet && *current != next;
            *current = next;
            changed
        });
    }

    fn next_try(&self) -> Instant {
        let (now, period) = (Instant::now(), self.timing.retry_period);
        if let Some(leads) = self.leads {
            return leads.min(now + period);
        }
        let usual = now + period + random_below(period / 4);
        let expires = match decide(self.observed.as_ref(), now, &self.me) {
            LeaseAction::Wait { until } => until.max(now + SOONEST),
            _ => usual,
        };
        usual.min(expires)
    }

    /// Gives the lease up; best effort, since it also expires by itself.
    async fn release(&mut self) {
        for _ in 0..2 {
            match self.try_release().await {
                Ok(()) => {
                    tracing::info!(identity = self.me, "leadership released");
                    return;
                }
                Err(error) => self.say(&error),
            }
        }
    }

    async fn try_release(&mut self) -> Result<(), ApiError> {
        let lease = match self.read.take() {
            Some(lease) => Some(lease),
            None => self.client.get().await?,
        };
        let Some(lease) = lease else { return Ok(()) };
        let record = LeaseRecord::of(&lease);
        if record.holder == self.me {
            self.client.update(lease, &record.released(Timestamp::now())).await?;
        }
        Ok(())
    }
}

/// Least pause before looking whether another's lease has expired.
const SOONEST: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
