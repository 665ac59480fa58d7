//! P2: a commit to one Application. P3: a commit to all.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Running;
use crate::Plan;
use crate::follow::Watched;
use crate::installation::ENGINE;
use crate::process::processor_seconds;
use crate::report::Report;
use crate::statistics::{median, number, worst};
use crate::workload::{CONTROL_PLANE, Commit, app_name};

/// Commits to one Application each.
const COMMITS: usize = 10;
/// Time in which the processor time of one commit is counted.
const WINDOW: Duration = Duration::from_mins(1);

/// Asks for a refresh of an Application, and gives when that was answered.
pub(crate) async fn refresh(running: &Running, app: &str) -> Instant {
    let app = integration_tests::object("argoproj.io/v1alpha1", "Application", CONTROL_PLANE, app);
    let patch = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
    running.installation.admin.edit(&app, &patch).await;
    Instant::now()
}

pub(crate) async fn measure_one(plan: &Plan, running: &mut Running, report: &mut Report) {
    if !plan.has("P2") {
        return;
    }
    let n = plan.size;
    let before = running.installation.requests().await;
    let mut times = Vec::new();
    for turn in 0..COMMITS {
        times.push(commit_to(running, turn * 7 % n).await);
    }
    let requests = running.installation.requests().await.since(before).total();
    let detail = format!("worst {:.0} ms", worst(&times));
    report.add(n, "P2", median(times), "ms", detail);
    if plan.has("P2cpu") {
        let idle = processor_over(running, WINDOW).await;
        let begun = processor_seconds(running.daemon.id());
        commit_to(running, 3 % n).await;
        tokio::time::sleep(WINDOW).await;
        let used = processor_seconds(running.daemon.id()) - begun;
        report.add(n, "P2cpu", (used - idle).max(0.0), "s", format!("{used:.2} s, idle {idle:.2} s"));
    }
    report.add(
        n,
        "P2req",
        number(requests) / number(COMMITS as u64),
        "",
        format!("of {ENGINE}, over {COMMITS} commits"),
    );
}

/// Commits to one Application, and gives the milliseconds from the answer of the refresh to the event of its object.
async fn commit_to(running: &mut Running, index: usize) -> f64 {
    let commit = running.workload.commit([index]);
    let name = app_name(index);
    arrival(running, &name, &name, &commit).await
}

/// Asks for a refresh of an Application, and gives the milliseconds from the answer to the event of its ConfigMap with the value of a commit.
pub(crate) async fn arrival(running: &mut Running, app: &str, config: &str, commit: &Commit) -> f64 {
    running.configs.catch_up();
    let asked = refresh(running, app).await;
    let is_there = |_: &str, configs: &HashMap<String, Watched>| {
        configs.get(config).is_some_and(|config| config.value() == commit.value)
    };
    let seen = running.configs.until("the committed value", is_there).await;
    let millis = seen.saturating_duration_since(asked).as_secs_f64() * 1000.0;
    running
        .apps
        .until("the Application to be settled", |_, apps| {
            apps.get(app).is_some_and(|app| app.is_settled_at(&commit.id))
        })
        .await;
    super::idle::until_quiet(running).await;
    millis
}

/// Commits to all Applications, and gives the seconds from the answer of a refresh of one to the last one settled.
pub(crate) async fn to_all(running: &mut Running) -> f64 {
    let size = running.workload.size;
    let commit = running.workload.commit(0..size);
    running.apps.catch_up();
    let asked = refresh(running, &app_name(0)).await;
    let mut left: HashSet<String> = (0..size).map(app_name).collect();
    let ended = running
        .apps
        .until("all Applications to be settled", |name, apps| {
            if apps.get(name).is_some_and(|app| app.is_settled_at(&commit.id)) {
                left.remove(name);
            }
            left.is_empty()
        })
        .await;
    super::idle::until_quiet(running).await;
    ended.saturating_duration_since(asked).as_secs_f64()
}

/// Gives the processor time of the daemon over a time without work.
async fn processor_over(running: &Running, window: Duration) -> f64 {
    let before = processor_seconds(running.daemon.id());
    tokio::time::sleep(window).await;
    processor_seconds(running.daemon.id()) - before
}
