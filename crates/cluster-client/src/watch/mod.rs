//! Watches that keep themselves alive.

mod machine;
mod wire;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kube_object::{ApiError, ApiResource, Object};

use crate::{Cluster, Detail, Selector};

/// What to watch.
#[derive(Clone, Debug)]
pub struct WatchRequest {
    /// The kind, in the version to read.
    pub resource: ApiResource,
    /// A namespace; empty for all.
    pub namespace: String,
    /// Which objects.
    pub selector: Selector,
    /// How much of each object.
    pub detail: Detail,
}

/// What happened to the watched objects, or to the watch.
///
/// An index that starts a new set at `Restarting`, puts `Object` into it, takes `Deleted` out of it and makes it the valid set
/// at `Listed` is complete from `Listed` on. Until then the set before stays the best knowledge there is.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// A full list begins: what was known before is replaced when it is complete.
    Restarting,
    /// An object that exists. The same one may come more than once.
    Object(Object, Phase),
    /// The list that began with the last `Restarting` is complete; changes follow.
    Listed {
        /// Version that the list is of.
        resource_version: String,
    },
    /// An object that is gone, as it was last, with the resourceVersion of its deletion.
    Deleted(Object),
    /// A request failed; the watch goes on trying. Events are missing until `Resumed` or `Listed`.
    Failed(ApiError),
    /// The server does not serve the kind, or no longer. The watch goes on trying, at last twice a minute, and tells of
    /// success by `Restarting`: drop it when the kind is not wanted, open another when a CRD that was gone is back.
    KindGone,
    /// After `Failed`, the watch has gone on from where it was: nothing is missing.
    Resumed,
    /// An event could not be read: one object is not known as it is until the next list.
    Skipped {
        /// Why, without content.
        reason: String,
    },
}

/// Whether an object comes from the list or is a change after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Part of the list that is under way.
    Initial,
    /// A change.
    Steady,
}

impl Cluster {
    /// Watches the objects of a kind, for ever: the stream ends only when it is dropped.
    ///
    /// It starts with a streaming list, or with pages where the server refuses that. A watch that ends is taken up again where
    /// it was; where the server no longer knows that version, everything is listed again.
    pub fn watch(&self, request: WatchRequest) -> BoxStream<'static, WatchEvent> {
        let watcher = machine::Watcher::new(self.clone(), request);
        stream::unfold(watcher, |mut watcher| async move { Some((watcher.next().await, watcher)) }).boxed()
    }
}
