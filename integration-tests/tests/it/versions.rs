//! All versions of an object, as a watch tells them.

use std::sync::Arc;

use futures::{StreamExt as _, future};
use integration_tests::{Cluster, DEADLINE, ObjectRef};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A watch that keeps every version; it ends when dropped.
pub(crate) struct Versions {
    seen: Arc<watch::Sender<Vec<Value>>>,
    watching: AbortHandle,
}

impl Versions {
    /// Begins to watch an object that exists, and waits for its first version.
    pub(crate) async fn follow(cluster: &Cluster, target: &ObjectRef) -> Self {
        let only = watcher::Config::default().fields(&format!("metadata.name={}", target.name));
        let mut states = watcher(target.api(cluster.client()), only).default_backoff().applied_objects().boxed();
        let first = states.by_ref().filter_map(|state| future::ready(state.ok())).next().await;
        let seen = Arc::new(watch::Sender::new(vec![json!(first)]));
        let kept = Arc::clone(&seen);
        let watching = tokio::spawn(async move {
            while let Some(state) = states.next().await {
                if let Ok(state) = state {
                    kept.send_modify(|all| all.push(json!(state)));
                }
            }
        });
        Self { seen, watching: watching.abort_handle() }
    }

    /// Waits until a version has been seen that is as wanted.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub(crate) async fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let mut all = self.seen.subscribe();
        let seen = all.wait_for(|all| all.iter().any(&wanted));
        let reached = tokio::time::timeout(DEADLINE, seen).await.is_ok();
        assert!(reached, "{what} was not seen; last: {:#}", self.seen.borrow().last().unwrap_or(&Value::Null));
    }

    /// Waits until a version has been seen, which the test knows from elsewhere, and gives all up to the newest.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub(crate) async fn until(&self, version: &Value) -> Vec<Value> {
        let wanted = &version["metadata"]["resourceVersion"];
        let mut all = self.seen.subscribe();
        let seen = all.wait_for(|all| all.iter().any(|seen| seen["metadata"]["resourceVersion"] == *wanted));
        let seen = tokio::time::timeout(DEADLINE, seen).await;
        seen.unwrap_or_else(|_| panic!("version {wanted} was not seen")).expect("the sender is kept").clone()
    }
}

impl Drop for Versions {
    fn drop(&mut self) {
        self.watching.abort();
    }
}
