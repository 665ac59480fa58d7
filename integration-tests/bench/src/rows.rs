//! The rows of the performance budget, one module each.

mod cold;
mod commit;
mod heal;
mod idle;
mod list;
pub(crate) mod overlays;
pub(crate) mod render;
mod restart;

use std::path::Path;

use integration_tests::Daemon;

use crate::Plan;
use crate::floor::{self, Watches};
use crate::follow::Follow;
use crate::installation::{FLOOR, Installation};
use crate::report::Report;
use crate::statistics::median;
use crate::workload::Workload;

pub(crate) const APPLICATIONS: &str = "/apis/argoproj.io/v1alpha1/applications";
pub(crate) const CONFIG_MAPS: &str = "/api/v1/configmaps";

/// A daemon on a control plane, with everything synced.
pub(crate) struct Running {
    pub(crate) workload: Workload,
    pub(crate) apps: Follow,
    pub(crate) configs: Follow,
    pub(crate) daemon: Daemon,
    pub(crate) installation: Installation,
}

/// What the engine took in one pair.
struct Taken {
    cold: f64,
    commit: f64,
    requests: u64,
    processor: f64,
}

/// What the floor took in one pair.
#[derive(Clone, Copy)]
struct Floor {
    cold: f64,
    commit: f64,
}

/// Measures all rows for one number of Applications.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) {
    let n = plan.size;
    let mut pairs = Vec::new();
    let (floor_at, mut first) = best_floor(plan).await;
    let mut running = None;
    for pair in 0..plan.pairs {
        let floor = match first.take() {
            Some(floor) => floor,
            None => measure_floor(plan, floor_at).await,
        };
        drop(running.take());
        let (engine, taken) = measure_engine(plan).await;
        println!(
            "N={n} pair {}: P1 {:.2} s over {:.2} s, P3 {:.2} s over {:.2} s, {} requests, {:.2} CPU s",
            pair + 1,
            taken.cold,
            floor.cold,
            taken.commit,
            floor.commit,
            taken.requests,
            taken.processor
        );
        pairs.push((taken, floor));
        running = Some(engine);
    }
    report_pairs(plan, &pairs, floor_at, report);
    let Some(mut running) = running else { return };
    commit::measure_one(plan, &mut running, report).await;
    heal::measure(plan, &mut running, report).await;
    list::measure(plan, &running, report).await;
    idle::measure(plan, &mut running, report).await;
    restart::measure(plan, &mut running, report).await;
    keep_log(plan, &running);
}

fn report_pairs(plan: &Plan, pairs: &[(Taken, Floor)], in_flight: usize, report: &mut Report) {
    let n = plan.size;
    let of = |value: &dyn Fn(&(Taken, Floor)) -> f64| median(pairs.iter().map(value).collect());
    let detail = format!("floor with {in_flight} in flight, median of {} pairs", pairs.len());
    let (cold, floor) = (of(&|(taken, _)| taken.cold), of(&|(_, floor)| floor.cold));
    report.add_ratio(n, "P1", cold, floor, of(&|(taken, floor)| taken.cold / floor.cold), detail.clone());
    let apps = crate::statistics::number(n as u64);
    let requests = of(&|(taken, _)| crate::statistics::number(taken.requests)) / apps;
    let processor = of(&|(taken, _)| taken.processor);
    report.add(n, "P1req", requests, "/app", format!("CPU of the daemon {processor:.2} s"));
    let (commit, floor) = (of(&|(taken, _)| taken.commit), of(&|(_, floor)| floor.commit));
    report.add_ratio(n, "P3", commit, floor, of(&|(taken, floor)| taken.commit / floor.commit), detail);
}

/// Finds how many requests in flight make the floor fastest, each on a new control plane.
async fn best_floor(plan: &Plan) -> (usize, Option<Floor>) {
    let mut best: Option<(usize, Floor)> = None;
    for &in_flight in &plan.in_flight {
        let floor = measure_floor(plan, in_flight).await;
        println!("N={} floor with {in_flight} in flight: P1 {:.2} s, P3 {:.2} s", plan.size, floor.cold, floor.commit);
        if best.as_ref().is_none_or(|(_, other)| floor.cold < other.cold) {
            best = Some((in_flight, floor));
        }
    }
    // Where several were tried, the best of them would be favoured by chance: each pair measures anew.
    best.map_or((8, None), |(at, floor)| (at, (plan.in_flight.len() == 1).then_some(floor)))
}

async fn measure_floor(plan: &Plan, in_flight: usize) -> Floor {
    let installation = Installation::start().await;
    let workload = Workload::serve(installation.directory(), plan.size);
    let cluster = installation.client_of(FLOOR).await;
    let _watches = Watches::open(cluster.client());
    let _watched = Follow::start(installation.admin.client(), APPLICATIONS);
    let _configs = Follow::start(installation.admin.client(), CONFIG_MAPS);
    let cold = floor::cold(cluster.client(), &workload, in_flight).await;
    let mut commits = Vec::new();
    for value in ["1", "2", "3"] {
        commits.push(floor::commit(cluster.client(), &workload, in_flight, value).await);
    }
    Floor { cold, commit: median(commits) }
}

async fn measure_engine(plan: &Plan) -> (Running, Taken) {
    let mut running = start(plan, Workload::serve).await;
    let cold = cold::run(&mut running).await;
    let mut commits = Vec::new();
    for _ in 0..3 {
        commits.push(commit::to_all(&mut running).await);
    }
    let taken =
        Taken { cold: cold.seconds, commit: median(commits), requests: cold.requests, processor: cold.processor };
    (running, taken)
}

/// Starts a daemon on a control plane of its own that holds nothing of the workload yet.
async fn start(plan: &Plan, workload: impl FnOnce(&Path, usize) -> Workload) -> Running {
    let installation = Installation::start().await;
    let workload = workload(installation.directory(), plan.size);
    let apps = Follow::start(installation.admin.client(), APPLICATIONS);
    let configs = Follow::start(installation.admin.client(), CONFIG_MAPS);
    let daemon = installation.daemon(&plan.log_level).await;
    Running { workload, apps, configs, daemon, installation }
}

/// Keeps the daemon's log where that is asked for.
fn keep_log(plan: &Plan, running: &Running) {
    if let Some(path) = &plan.keep_log {
        std::fs::write(path, running.daemon.log()).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
    }
}
