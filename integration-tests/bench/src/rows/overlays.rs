//! A repository of overlays. R2: a commit to one overlay. R3: a commit to one base. R4: memory after it.

use std::collections::HashSet;

use super::{Running, cold, commit, keep_log, start};
use crate::Plan;
use crate::installation::ENGINE;
use crate::monorepo::{self, commit_to_base, commit_to_overlay, config_name, overlays_of};
use crate::process::{memory, processor_seconds};
use crate::renders;
use crate::report::Report;
use crate::statistics::{median, number, worst};
use crate::workload::app_name;

/// Commits to one overlay each.
const COMMITS: usize = 10;
/// The base that is committed to.
const BASE: usize = 0;

/// Measures the rows R2 to R4, of which the last needs those before it.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) {
    if !["R2", "R3", "R4"].iter().any(|row| plan.has_any(row)) {
        return;
    }
    let mut running = start(plan, monorepo::serve).await;
    let cold = cold::run(&mut running).await;
    println!("{} overlays: {:.2} s to be Synced, {:.2} CPU s", plan.size, cold.seconds, cold.processor);
    if renders::by_kustomize(&running.daemon).await.is_none() {
        println!("R2renders and R3renders cannot be told: the daemon's metrics have no {}", renders::METRIC);
    }
    commit_to_one(plan, &mut running, report).await;
    commit_to_many(plan, &mut running, report).await;
    report_memory(plan, &running, report).await;
    keep_log(plan, &running);
}

async fn commit_to_one(plan: &Plan, running: &mut Running, report: &mut Report) {
    if !plan.has_any("R2") {
        return;
    }
    let n = plan.size;
    let requests = running.installation.requests().await;
    let (mut times, mut rendered) = (Vec::new(), Vec::new());
    for turn in 0..COMMITS {
        let index = turn * 7 % n;
        let before = renders::by_kustomize(&running.daemon).await;
        let commit = commit_to_overlay(&mut running.workload, index);
        times.push(commit::arrival(running, &app_name(index), &config_name(index), &commit).await);
        rendered.extend(renders_since(running, before).await);
    }
    let requests = running.installation.requests().await.since(requests).total();
    let detail = format!("commit to one of {n} overlays, median of {COMMITS}, worst {:.0} ms", worst(&times));
    report.add(n, "R2", median(times), "ms", detail);
    if !rendered.is_empty() {
        report.add(n, "R2renders", worst(&rendered), "", format!("most of {COMMITS} commits"));
    }
    let detail = format!("of {ENGINE}, over {COMMITS} commits");
    report.add(n, "R2req", number(requests) / number(COMMITS as u64), "", detail);
}

async fn commit_to_many(plan: &Plan, running: &mut Running, report: &mut Report) {
    let n = plan.size;
    let before = renders::by_kustomize(&running.daemon).await;
    let processor = processor_seconds(running.daemon.id());
    let requests = running.installation.requests().await;
    let commit = commit_to_base(&mut running.workload, BASE);
    running.configs.catch_up();
    let asked = commit::refresh(running, &app_name(BASE)).await;
    let mut left: HashSet<String> = overlays_of(BASE, n).map(config_name).collect();
    let overlays = left.len();
    let ended = running
        .configs
        .until("the objects of all overlays to have changed", |name, configs| {
            if configs.get(name).is_some_and(|config| config.base_value() == commit.value) {
                left.remove(name);
            }
            left.is_empty()
        })
        .await;
    running
        .apps
        .until("the Applications of all overlays to be settled", |_, apps| {
            let mut names = overlays_of(BASE, n).map(app_name);
            names.all(|name| apps.get(&name).is_some_and(|app| app.is_settled_at(&commit.id)))
        })
        .await;
    super::idle::until_quiet(running).await;
    if !plan.has_any("R3") {
        return;
    }
    let seconds = ended.saturating_duration_since(asked).as_secs_f64();
    let processor = processor_seconds(running.daemon.id()) - processor;
    let requests = running.installation.requests().await.since(requests).total();
    let detail = format!("commit to the base of {overlays} overlays, CPU {processor:.2} s, {requests} requests");
    report.add(n, "R3", seconds, "s", detail);
    if let Some(rendered) = renders_since(running, before).await {
        report.add(n, "R3renders", rendered, "", format!("{overlays} overlays"));
    }
}

async fn renders_since(running: &Running, before: Option<u64>) -> Option<f64> {
    let rendered = renders::by_kustomize(&running.daemon).await?;
    Some(number(rendered - before?))
}

async fn report_memory(plan: &Plan, running: &Running, report: &mut Report) {
    if !plan.has_any("R4") {
        return;
    }
    add_memory(plan, running, report, "R4", "after the commit to a base");
    tokio::time::sleep(plan.late).await;
    add_memory(plan, running, report, "R4late", &format!("{} s later", plan.late.as_secs()));
}

fn add_memory(plan: &Plan, running: &Running, report: &mut Report, id: &'static str, when: &str) {
    let memory = memory(running.daemon.id());
    let detail = format!("{when}; of them the render worker {:.1}", memory.children);
    report.add(plan.size, id, memory.all, "MiB", detail);
}
