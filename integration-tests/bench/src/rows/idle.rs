//! P5: nothing to do.

use std::time::Duration;

use super::Running;
use crate::Plan;
use crate::process::{memory, processor_seconds};
use crate::report::Report;
use crate::statistics::number;

/// Waits until the daemon has sent nothing for a second: Events are written after everything else.
pub(crate) async fn until_quiet(running: &Running) {
    let mut before = running.installation.requests().await;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = running.installation.requests().await;
        if now.since(before).total() == 0 {
            return;
        }
        before = now;
    }
}

pub(crate) async fn measure(plan: &Plan, running: &mut Running, report: &mut Report) {
    if !plan.has("P5") {
        return;
    }
    let n = plan.size;
    let daemon = running.daemon.id();
    let begun = running.installation.requests().await;
    tokio::time::sleep(plan.idle).await;
    let memory = memory(daemon);
    let processor = processor_seconds(daemon);
    tokio::time::sleep(plan.idle).await;
    let minutes = plan.idle.as_secs_f64() / 60.0;
    let processor = (processor_seconds(daemon) - processor) / minutes.max(0.001);
    let requests = running.installation.requests().await.since(begun);
    let seconds = plan.idle.as_secs();
    let detail = format!("after {seconds} s, of them children {:.1}", memory.children);
    report.add(n, "P5", memory.all, "MiB", detail);
    report.add(n, "P5cpu", processor, "s", format!("a minute, over {seconds} s"));
    let detail = format!("in {} s, of them {} writes", 2 * seconds, requests.writes);
    report.add(n, "P5req", number(requests.total()), "", detail);
}
