//! What was got from elsewhere, kept for a while and got once for all who need it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use manifest_render::{Need, Supply};
use tokio::time::Instant;

/// How long what was got counts as fresh: about as long as between two polls of a repository.
const FRESH: Duration = Duration::from_mins(2);
/// How long it is not tried again to get what could not be got.
const FAILED: Duration = Duration::from_secs(10);
/// How long what was got is kept at most.
const KEPT: Duration = Duration::from_mins(10);

/// How new something from elsewhere has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What was got a short while ago will do.
    Recent,
    /// It is got now.
    Now,
}

/// One thing: whoever holds the lock gets it.
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Supply)>>>;

#[derive(Default)]
pub(crate) struct Got(Mutex<HashMap<Need, (Instant, Slot)>>);

impl Got {
    /// Returns what was got for a need, or gets it.
    pub(crate) async fn get_or<F: Future<Output = Supply>>(
        &self,
        need: &Need,
        freshness: Freshness,
        get: impl FnOnce() -> F,
    ) -> Supply {
        let asked_at = Instant::now();
        let slot = self.slot(need, asked_at);
        let mut known = slot.lock().await;
        if let Some((at, supply)) = &*known {
            let fresh = if matches!(supply, Supply::Failed { .. }) { FAILED } else { FRESH };
            // What somebody got while this one waited is as new as can be.
            let is_fresh = *at >= asked_at || freshness == Freshness::Recent && at.elapsed() < fresh;
            if is_fresh {
                return supply.clone();
            }
        }
        let supply = get().await;
        *known = Some((Instant::now(), supply.clone()));
        supply
    }

    /// Drops what nobody has asked for lately.
    pub(crate) fn drop_old(&self) {
        let now = Instant::now();
        self.all().retain(|_, (used_at, slot)| now.duration_since(*used_at) < KEPT || Arc::strong_count(slot) > 1);
    }

    fn slot(&self, need: &Need, now: Instant) -> Slot {
        let mut all = self.all();
        let (used_at, slot) = all.entry(need.clone()).or_insert_with(|| (now, Slot::default()));
        *used_at = now;
        Arc::clone(slot)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Need, (Instant, Slot)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use git_source::Remedy;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_got_is_shared_and_grows_old() {
        let (got, gets) = (Got::default(), AtomicUsize::new(0));
        let need = Need::File("https://example.com/a".into());
        let count = |failed: bool| {
            gets.fetch_add(1, Ordering::Relaxed);
            std::future::ready(if failed {
                Supply::Failed { message: String::new(), remedy: Remedy::Retry }
            } else {
                Supply::File { name: "a".to_owned(), content: Arc::default() }
            })
        };
        let ask = async |freshness, failed, expected| {
            got.get_or(&need, freshness, || count(failed)).await;
            assert_eq!(gets.load(Ordering::Relaxed), expected);
        };
        ask(Freshness::Recent, false, 1).await;
        ask(Freshness::Recent, false, 1).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        ask(Freshness::Now, false, 2).await;
        tokio::time::advance(FRESH).await;
        ask(Freshness::Recent, true, 3).await;
        ask(Freshness::Recent, true, 3).await;
        tokio::time::advance(FAILED).await;
        ask(Freshness::Recent, false, 4).await;
        got.drop_old();
        assert_eq!(got.all().len(), 1);
        tokio::time::advance(KEPT).await;
        got.drop_old();
        assert_eq!(got.all().len(), 0);
    }
}
