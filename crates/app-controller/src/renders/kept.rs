//! Renders on disk, so that a restart renders nothing that it has rendered before.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_source::DiskStore;
use kube_object::Digest;
use manifest_render::{Render, RenderContext, StoredRender};
use source_loader::Origin;
use tokio::sync::Semaphore;

use super::Input;
use super::one::Sibling;

/// The renders that are kept, under what is rendered: one of each, the last.
///
/// Applications of the same credential whose sources are equal share those that do not depend on the Application.
#[derive(Clone)]
pub(super) struct Kept {
    store: DiskStore,
    /// Held by what is being written.
    writes: Arc<Semaphore>,
}

/// Renders that are written at once: more would only wait for the disk, each with a thread.
const WRITES: u32 = 2;

impl Kept {
    pub(super) fn new(store: DiskStore) -> Self {
        Self { store, writes: Arc::new(Semaphore::new(WRITES as usize)) }
    }

    /// Reads the render of an input; none where it depends on another context, or cannot be read.
    pub(super) async fn read(&self, input: &Input, context: &RenderContext) -> Option<StoredRender> {
        let keys = [key(input, Some(&input.request.app_name)), key(input, None)];
        let (store, name, context) = (self.store.clone(), input.request.app_name.clone(), context.clone());
        let read = tokio::task::spawn_blocking(move || {
            keys.iter().find_map(|key| {
                let stored = StoredRender::decode(&store.get(key)?)?.for_application(&name)?;
                stored.render.lookups.hold_in_context(&context).then_some(stored)
            })
        });
        read.await.ok().flatten()
    }

    /// Writes a render, unless it has to stay in memory.
    pub(super) fn write(&self, input: &Input, commit: &str, siblings: &BTreeMap<String, Sibling>, render: &Render) {
        let ref_commits = siblings.iter().map(|(name, sibling)| (name.clone(), sibling.commit.clone())).collect();
        let app_name = input.request.app_name.clone();
        let is_own = render.lookups.context_use().application;
        let (store, key) = (self.store.clone(), key(input, is_own.then_some(app_name.as_str())));
        let stored = StoredRender { app_name, commit: commit.to_owned(), ref_commits, render: render.clone() };
        // Nobody waits for it; what is not written is only rendered again.
        let writes = Arc::clone(&self.writes);
        tokio::spawn(async move {
            let turn = writes.acquire_owned().await;
            let written = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                match stored.encode() {
                    Some(bytes) => store.put(&key, &bytes),
                    // What was there before is of other content.
                    None => store.remove(&key),
                }
            });
            if let Err(error) = written.await {
                tracing::error!(%error, "writing a render broke off, which is a defect; it is made again");
            }
        });
    }

    /// Waits until everything is written.
    #[cfg(test)]
    pub(super) async fn settled(&self) {
        // Those that have only been asked for come first.
        tokio::task::yield_now().await;
        let _all = self.writes.acquire_many(WRITES).await;
    }
}

/// Names what is rendered: where it comes from with which credential, how, and for whom where that matters.
fn key(input: &Input, app_name: Option<&str>) -> [u8; 32] {
    let mut parts = vec![b"render".to_vec(), input.request.digest().to_vec()];
    parts.extend(app_name.map(|name| name.as_bytes().to_vec()));
    parts.extend(place(&input.origin));
    for (name, origin) in &input.refs {
        parts.push(name.clone().into_bytes());
        parts.extend(place(origin));
    }
    *Digest::of_parts(parts.iter().map(Vec::as_slice)).as_bytes()
}

fn place(origin: &Origin) -> [Vec<u8>; 3] {
    match origin {
        Origin::Git(repository) => {
            [b"git".to_vec(), repository.url.as_str().into(), repository.credential.as_str().into()]
        }
        Origin::Artifact { repository, chart } => {
            [format!("{:?}", repository.kind).into(), repository.url.as_str().into(), chart.clone().into()]
        }
    }
}
