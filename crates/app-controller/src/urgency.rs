//! What others wait for goes first: under a burst, requests that change objects before the records of what was done.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

/// Longest time that a record of what was done waits for others.
const LONGEST: Duration = Duration::from_millis(200);
/// How long nothing urgent has to be on its way: the answer to one request calls for the next.
const SETTLED: Duration = Duration::from_millis(5);

/// Counts what is urgent and on its way. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Urgency(watch::Sender<usize>);

/// Something urgent, until it is dropped.
#[derive(Debug)]
pub(crate) struct Urgent(watch::Sender<usize>);

impl Default for Urgency {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Urgency {
    /// Counts something urgent.
    pub(crate) fn begin(&self) -> Urgent {
        // Who waits is only told when nothing is left.
        self.0.send_if_modified(|count| {
            *count += 1;
            false
        });
        Urgent(self.0.clone())
    }

    /// Waits until nothing urgent is on its way, but not for long.
    pub(crate) async fn wait(&self) {
        let settled = async {
            let mut count = self.0.subscribe();
            while *count.borrow() > 0 {
                // The sender lives as long as this.
                count.wait_for(|count| *count == 0).await.ok();
                tokio::time::sleep(SETTLED).await;
            }
        };
        tokio::time::timeout(LONGEST, settled).await.ok();
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        self.0.send_if_modified(|count| {
            *count -= 1;
            *count == 0
        });
    }
}

/// Tells whether a write of an Application begins something, or goes on with it: others wait for it. The rest records what was done.
pub(crate) fn is_urgent(patch: &Value) -> bool {
    let state = &patch["status"]["operationState"];
    patch["operation"].is_object() || (state.is_object() && !state["finishedAt"].is_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_ends_an_operation_or_only_records_is_not_urgent() {
        for (patch, expected) in [
            (json!({"operation": {"sync": {}}, "status": {"operationState": {"phase": "Running"}}}), true),
            (json!({"status": {"operationState": {"phase": "Running", "message": "wave 1"}}}), true),
            (json!({"operation": null, "status": {"operationState": {"finishedAt": "2026-01-01T00:00:00Z"}}}), false),
            (json!({"status": {"sync": {"status": "Synced"}}}), false),
            (json!({"metadata": {"annotations": {}}}), false),
        ] {
            assert_eq!(is_urgent(&patch), expected, "{patch}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn records_wait_for_what_is_urgent_but_not_for_long() {
        let urgency = Urgency::default();
        let started = tokio::time::Instant::now();
        urgency.wait().await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        let first = urgency.begin();
        let waiting = tokio::spawn({
            let urgency = urgency.clone();
            async move { urgency.wait().await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        assert!(started.elapsed() < LONGEST);
        let _stuck = urgency.begin();
        let started = tokio::time::Instant::now();
        urgency.wait().await;
        assert_eq!(started.elapsed(), LONGEST);
    }
}
