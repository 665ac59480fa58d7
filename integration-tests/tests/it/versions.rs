//! All versions of an object, as a watch tells them.

use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, future};
use integration_tests::{Cluster, ObjectRef};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

/// A watch that keeps every version; it ends when dropped.
pub(crate) struct Versions {
    seen: Arc<Mutex<Vec<Value>>>,
    watching: AbortHandle,
}

impl Versions {
    /// Begins to watch an object that exists, and waits for its first version.
    pub(crate) async fn follow(cluster: &Cluster, target: &ObjectRef) -> Self {
        let only = watcher::Config::default().fields(&format!("metadata.name={}", target.name));
        let mut states = watcher(target.api(cluster.client()), only).default_backoff().applied_objects().boxed();
        let first = states.by_ref().filter_map(|state| future::ready(state.ok())).next().await;
        let seen = Arc::new(Mutex::new(vec![json!(first)]));
        let kept = Arc::clone(&seen);
        let watching = tokio::spawn(async move {
            while let Some(state) = states.next().await {
                if let Ok(state) = state {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(json!(state));
                }
            }
        });
        Self { seen, watching: watching.abort_handle() }
    }

    /// Gives the versions seen so far, oldest first.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Versions {
    fn drop(&mut self) {
        self.watching.abort();
    }
}
