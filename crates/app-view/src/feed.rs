use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::AppSnapshot;

/// One step of the change feed.
#[derive(Clone, Debug)]
pub enum Change {
    /// The application is new or differs from before; its present state is in the view.
    ///
    /// The state itself is not carried, so that a slow reader holds no old states: it sees the latest.
    Published {
        /// Namespace of the Application.
        namespace: Arc<str>,
        /// Name of the Application.
        name: Arc<str>,
    },
    /// The application is gone; this was its last state.
    Removed(Arc<AppSnapshot>),
    /// Changes were missed: list everything again.
    Resync,
}

/// The changes since the subscription.
#[derive(Debug)]
pub struct ChangeFeed {
    receiver: Receiver<Change>,
}

impl ChangeFeed {
    pub(crate) fn new(receiver: Receiver<Change>) -> Self {
        Self { receiver }
    }

    /// Waits for the next change; none when the view is gone.
    pub async fn next(&mut self) -> Option<Change> {
        match self.receiver.recv().await {
            Ok(change) => Some(change),
            Err(RecvError::Lagged(_)) => Some(Change::Resync),
            Err(RecvError::Closed) => None,
        }
    }

    /// Returns the next change if there is one.
    pub fn try_next(&mut self) -> Option<Change> {
        match self.receiver.try_recv() {
            Ok(change) => Some(change),
            Err(TryRecvError::Lagged(_)) => Some(Change::Resync),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}
