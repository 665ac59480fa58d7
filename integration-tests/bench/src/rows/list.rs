//! P7: all Applications over HTTP.

use std::time::Instant;

use super::Running;
use crate::Plan;
use crate::report::Report;
use crate::statistics::{median, worst};

/// Requests whose median counts.
const REQUESTS: usize = 20;

pub(crate) async fn measure(plan: &Plan, running: &Running, report: &mut Report) {
    if !plan.has("P7") {
        return;
    }
    let client = reqwest::Client::new();
    let url = format!("{}/api/v1/applications", running.daemon.url());
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        let answer = client.get(&url).send().await.and_then(reqwest::Response::error_for_status);
        let body = answer.unwrap_or_else(|e| panic!("get {url}: {e}")).bytes().await;
        bytes = body.unwrap_or_else(|e| panic!("read {url}: {e}")).len();
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let detail = format!("{} KiB, worst {:.1} ms", bytes / 1024, worst(&times));
    report.add(plan.size, "P7", median(times), "ms", detail);
}
