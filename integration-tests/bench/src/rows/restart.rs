//! P6: a restart with everything Synced.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Running;
use crate::Plan;
use crate::installation::wait_ready;
use crate::report::Report;
use crate::statistics::number;
use crate::workload::{CONTROL_PLANE, app_name};

pub(crate) async fn measure(plan: &Plan, running: &mut Running, report: &mut Report) {
    if !plan.has("P6") {
        return;
    }
    let n = plan.size;
    running.daemon.terminate().await;
    let before = running.installation.requests().await;
    let begun = Instant::now();
    running.daemon.start().await;
    wait_ready(&running.daemon).await;
    let ready = begun.elapsed().as_secs_f64();
    verified(running).await;
    let all = begun.elapsed().as_secs_f64();
    super::idle::until_quiet(running).await;
    let requests = running.installation.requests().await.since(before);
    report.add(n, "P6", ready, "s", "to ready".to_owned());
    report.add(n, "P6all", all, "s", "to every application verified".to_owned());
    report.add(n, "P6req", number(requests.writes), "", format!("writes; {} reads", requests.reads));
}

/// Waits until the daemon says of every Application that the cluster is as Git says: what a process knows is not in the cluster.
async fn verified(running: &Running) {
    let client = reqwest::Client::new();
    for index in 0..running.workload.size {
        let url = format!("{}/api/driftless/v1/why/{CONTROL_PLANE}/{}", running.daemon.url(), app_name(index));
        loop {
            let answer = client.get(&url).send().await;
            let body = match answer {
                Ok(answer) => answer.bytes().await.unwrap_or_default(),
                Err(error) => panic!("get {url}: {error}"),
            };
            let why: Value = serde_json::from_slice(&body).unwrap_or_default();
            if why[0]["rule"] == "Synced" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
