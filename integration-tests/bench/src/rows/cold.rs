//! P1: from the creation of the root to the last Application Synced and Healthy.

use std::time::Instant;

use super::Running;
use crate::follow::Watched;
use crate::process::processor_seconds;
use crate::workload::app_name;

/// What the first sync of everything took.
pub(crate) struct Cold {
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) processor: f64,
}

pub(crate) async fn run(running: &mut Running) -> Cold {
    let size = running.workload.size;
    let before = running.installation.requests().await;
    let processor = processor_seconds(running.daemon.id());
    let root = running.workload.root();
    let begun = Instant::now();
    running.installation.admin.apply(&root).await;
    let mut well = vec![false; size];
    let mut left = size;
    let ended = running
        .apps
        .until("all Applications to be Synced and Healthy", |name, apps| {
            let index = name.strip_prefix("app-").and_then(|index| index.parse::<usize>().ok());
            if let (Some(index), Some(app)) = (index, apps.get(name))
                && app.is_well() != well[index]
            {
                well[index] = !well[index];
                if well[index] {
                    left -= 1;
                } else {
                    left += 1;
                }
            }
            left == 0
        })
        .await;
    running
        .apps
        .until("all operations to have ended", |_, apps| {
            apps.get("root").is_some_and(Watched::is_settled)
                && (0..size).all(|index| apps.get(&app_name(index)).is_some_and(Watched::is_settled))
        })
        .await;
    super::idle::until_quiet(running).await;
    let requests = running.installation.requests().await.since(before).total();
    let processor = processor_seconds(running.daemon.id()) - processor;
    Cold { seconds: ended.duration_since(begun).as_secs_f64(), requests, processor }
}
