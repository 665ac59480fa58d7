use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{broadcast, watch};

use crate::{AppSnapshot, Change, ChangeFeed};

/// Changes that a slow subscriber may be behind before it has to list again.
const FEED_CAPACITY: usize = 4096;

/// Whether the view is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is not; the text is a sentence that says what is waited for.
    Waiting(String),
    /// All applications have been read.
    Ready,
}

/// The applications, for many readers and one publisher. Clones are handles to the same view.
#[derive(Clone)]
pub struct AppView {
    shared: Arc<Shared>,
}

struct Shared {
    apps: RwLock<Apps>,
    changes: broadcast::Sender<Change>,
    readiness: watch::Sender<Readiness>,
}

#[derive(Default)]
struct Apps {
    by_name: BTreeMap<(Arc<str>, Arc<str>), Arc<AppSnapshot>>,
    resource_version: String,
}

impl AppView {
    /// Makes an empty view that waits for the applications.
    pub fn new() -> Self {
        let (changes, _) = broadcast::channel(FEED_CAPACITY);
        let (readiness, _) =
            watch::channel(Readiness::Waiting("The Applications have not been listed yet.".to_owned()));
        Self { shared: Arc::new(Shared { apps: RwLock::default(), changes, readiness }) }
    }

    /// Puts an application's state into the view and announces it, unless readers would see no difference.
    pub fn publish(&self, snapshot: AppSnapshot) {
        let (namespace, name) = snapshot.shared_names();
        let snapshot = Arc::new(snapshot);
        let changed = {
            let mut apps = self.shared.apps.write().unwrap_or_else(PoisonError::into_inner);
            if snapshot.is_newer_than(&apps.resource_version) {
                snapshot.resource_version().clone_into(&mut apps.resource_version);
            }
            let old = apps.by_name.insert((namespace.clone(), name.clone()), snapshot.clone());
            old.is_none_or(|old| !old.shows_the_same(&snapshot))
        };
        if changed {
            self.announce(Change::Published { namespace, name });
        }
    }

    /// Notes a newer commit that an application's manifests are of as well.
    pub fn verify(&self, namespace: &str, name: &str, revision: &str) {
        if let Some(snapshot) = self.get(namespace, name) {
            self.publish(AppSnapshot::clone(&snapshot).with_verified_revision(Some(Arc::from(revision))));
        }
    }

    /// Removes the application with this uid; a later one of the same name stays.
    pub fn remove(&self, namespace: &str, name: &str, uid: &str) {
        let removed = {
            let mut apps = self.shared.apps.write().unwrap_or_else(PoisonError::into_inner);
            let key = (Arc::from(namespace), Arc::from(name));
            match apps.by_name.get(&key) {
                Some(snapshot) if snapshot.uid() == uid => apps.by_name.remove(&key),
                _ => None,
            }
        };
        if let Some(snapshot) = removed {
            self.announce(Change::Removed(snapshot));
        }
    }

    /// Returns one application.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<AppSnapshot>> {
        let key = (Arc::from(namespace), Arc::from(name));
        self.shared.apps.read().unwrap_or_else(PoisonError::into_inner).by_name.get(&key).cloned()
    }

    /// Returns all applications by namespace and name.
    pub fn list(&self) -> Vec<Arc<AppSnapshot>> {
        self.shared.apps.read().unwrap_or_else(PoisonError::into_inner).by_name.values().cloned().collect()
    }

    /// Returns the highest resourceVersion published.
    pub fn resource_version(&self) -> String {
        self.shared.apps.read().unwrap_or_else(PoisonError::into_inner).resource_version.clone()
    }

    /// Starts a change feed. Subscribe first and list afterwards: nothing is missed, some changes may be seen twice.
    pub fn subscribe(&self) -> ChangeFeed {
        ChangeFeed::new(self.shared.changes.subscribe())
    }

    /// Says whether the view is complete.
    pub fn set_readiness(&self, readiness: Readiness) {
        self.shared.readiness.send_replace(readiness);
    }

    /// Returns whether the view is complete.
    pub fn readiness(&self) -> Readiness {
        self.shared.readiness.borrow().clone()
    }

    /// Waits until the view is complete.
    pub async fn ready(&self) {
        let mut readiness = self.shared.readiness.subscribe();
        let _ = readiness.wait_for(|readiness| *readiness == Readiness::Ready).await;
    }

    fn announce(&self, change: Change) {
        // Fails only when nobody listens.
        let _ = self.shared.changes.send(change);
    }
}

impl Default for AppView {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for AppView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AppView")
    }
}

#[cfg(test)]
mod tests;
