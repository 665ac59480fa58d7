//! The daemon is killed around a request of a sync, of an update with prunes, and of a cascading deletion, and goes on where it was.

use std::future::ready;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use integration_tests::{ApiRequest, Environment, Kill, Moment, Treatment};
use tokio::sync::OnceCell;

use crate::life::{Data, Lease, Life, Living, Operations};
use crate::sweep::{Dice, Series, sweep};

/// How many objects the Application has.
const SIZE: usize = 60;
const PATIENCE: Duration = Duration::from_mins(1);
/// How many runs are made at once.
const LANES: usize = 4;

/// Each run of the series kills the daemon once in the sync, once in the update and once in the deletion, around the same request of
/// each, counted from 0: run 2 k right before the k-th reaches the API server, run 2 k + 1 before its answer comes.
#[tokio::test(flavor = "multi_thread")]
async fn crash_around_a_request() {
    let counts = undisturbed().await;
    let all = 2 * counts.iter().max().copied().unwrap_or(0);
    let mut dice = Dice::new(4);
    let mut few: Vec<u64> = (0..4).map(|_| dice.below(all)).collect();
    // The first write of all, which starts the operation, and one of the last, which ends it.
    few.push(1);
    sweep(Series { topic: "crash", few, all, lanes: LANES }, |run| async move {
        let when = if run % 2 == 0 { Moment::Before } else { Moment::After };
        let crash = Crash { at: run / 2, when };
        let data = if run % 5 < 3 { Data::Kept } else { Data::Lost };
        let propagation = if run / 2 % 4 == 1 { "Foreground" } else { "Background" };
        let (lost, _) = live(Some(crash), data, propagation).await;
        lost.join("; ")
    })
    .await;
}

/// Each run kills the daemon at every so-many-th write of each of its lives, before and after the API server has it in turn.
#[tokio::test(flavor = "multi_thread")]
async fn storm_of_crashes() {
    sweep(Series { topic: "storm", few: vec![13], all: 40, lanes: LANES }, |run| async move {
        let every = run + 5;
        let env = Environment::new("storm").await;
        let data = if run % 2 == 0 { Data::Kept } else { Data::Lost };
        let mut life = Life::begin(env, living(data, "Background")).await;
        let (victim, mut writes, mut crashes) = (life.victim(), 0, 0_u64);
        life.proxy.follow(move |request| {
            let process = victim.load(Ordering::SeqCst);
            if process == 0 {
                writes = 0;
                return Treatment::Pass;
            }
            // A life begins with a dry run of each object that is in doubt: those are no progress.
            writes += u64::from(request.is_write());
            if writes <= every {
                return Treatment::Pass;
            }
            victim.store(0, Ordering::SeqCst);
            writes = 0;
            crashes += 1;
            Treatment::Kill(Kill { process, when: if crashes % 2 == 0 { Moment::Before } else { Moment::After } })
        });
        life.sync(Operations::One, ready(())).await;
        life.update(Operations::One, ready(())).await;
        life.delete(ready(())).await;
        let deaths = life.deaths();
        assert!(deaths > 0, "nothing was killed");
        life.clean_up().await;
        format!("killed {deaths} times, at every write number {every} of a life")
    })
    .await;
}

/// Where the daemon dies.
#[derive(Clone, Copy)]
struct Crash {
    /// At which write of each step, counted from 0.
    at: u64,
    when: Moment,
}

/// Counts the writes of a sync, an update and a deletion to which nothing happens, once a process.
async fn undisturbed() -> [u64; 3] {
    static COUNTS: OnceCell<[u64; 3]> = OnceCell::const_new();
    let count = || async { live(None, Data::Kept, "Background").await.1 };
    *COUNTS.get_or_init(count).await
}

/// Tells whether the daemon may die around a request.
fn counts(request: &ApiRequest) -> bool {
    request.method != http::Method::GET && !request.is_lease()
}

fn living(data: Data, propagation: &'static str) -> Living {
    Living { size: SIZE, data, lease: Lease::Freed, propagation, patience: PATIENCE }
}

/// Lives through sync, update and deletion, with a crash in each; tells where the crashes were and how many writes the steps took.
async fn live(crash: Option<Crash>, data: Data, propagation: &'static str) -> (Vec<String>, [u64; 3]) {
    let mut life = Life::begin(Environment::new("crash").await, living(data, propagation)).await;
    let killed = Arc::new(Mutex::new(Vec::new()));
    let mut writes = [0; 3];
    for (step, count) in writes.iter_mut().enumerate() {
        if let Some(crash) = crash {
            kill_once(&life, crash, Arc::clone(&killed));
        }
        match step {
            0 => life.sync(Operations::One, ready(())).await,
            1 => life.update(Operations::One, ready(())).await,
            _ => life.delete(ready(())).await,
        }
        *count = life.proxy.requests().iter().filter(|request| counts(request)).count() as u64;
    }
    life.clean_up().await;
    let killed = killed.lock().unwrap().clone();
    (killed, writes)
}

fn kill_once(life: &Life, crash: Crash, killed: Arc<Mutex<Vec<String>>>) {
    let (victim, mut writes) = (life.victim(), 0);
    life.proxy.follow(move |request| {
        if !counts(request) {
            return Treatment::Pass;
        }
        writes += 1;
        let process = victim.load(Ordering::SeqCst);
        if writes != crash.at + 1 || process == 0 {
            return Treatment::Pass;
        }
        killed.lock().unwrap().push(format!("{:?} {} {}", crash.when, request.method, request.path));
        Treatment::Kill(Kill { process, when: crash.when })
    });
}
