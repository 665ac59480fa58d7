//! Runs schedules of the simulator, on all cores.
//!
//! `DRIFTLESS_SCHEDULES` is how many (10,000), `DRIFTLESS_FIRST_SEED` where they begin (0). A seed that fails is named; it is
//! run alone, with everything that happens on standard error, by
//! `DRIFTLESS_SEED=17 cargo test -p test-kit --test schedules`.

#![expect(clippy::panic, reason = "a test that cannot go on fails")]

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use test_kit::sim::{Noting, schedule};

/// How many schedules are part of `make test`.
const USUAL: u64 = 10_000;
/// After so many failures the rest is not run.
const MOST_FAILURES: usize = 3;
/// How often progress is told.
const TELLING: Duration = Duration::from_secs(10);

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is not a number")))
}

fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs seeds from a counter until they are used up.
fn work(next: &AtomicU64, end: u64, failed: &Mutex<Vec<u64>>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let is_over = failed.lock().expect("no holder panics").len() >= MOST_FAILURES;
        if seed >= end || is_over {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| schedule::run(seed, Noting::Nothing))).is_err() {
            tell(&format!("seed {seed} fails: DRIFTLESS_SEED={seed} cargo test -p test-kit --test schedules"));
            failed.lock().expect("no holder panics").push(seed);
        }
    }
}

#[test]
fn nothing_is_lost_and_everything_comes_to_rest() {
    if let Some(seed) = number("DRIFTLESS_SEED") {
        return schedule::run(seed, Noting::Aloud);
    }
    let first = number("DRIFTLESS_FIRST_SEED").unwrap_or(0);
    let count = number("DRIFTLESS_SCHEDULES").unwrap_or(USUAL);
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let (started, end) = (Instant::now(), first + count);
    let rate = |done: u64| done * 1000 / u64::try_from(started.elapsed().as_millis()).unwrap_or(1).max(1);
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(|| work(&next, end, &failed))).collect();
        let mut told = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::park_timeout(Duration::from_millis(50));
            if told.elapsed() > TELLING {
                told = Instant::now();
                let done = next.load(Ordering::Relaxed).min(end) - first;
                tell(&format!("{done} of {count} schedules, {} a second", rate(done)));
            }
        }
    });
    let failed = failed.into_inner().expect("no holder panics");
    let done = next.load(Ordering::Relaxed).min(end) - first;
    tell(&format!(
        "{done} schedules in {} s, {} a second, {} failed",
        started.elapsed().as_secs(),
        rate(done),
        failed.len()
    ));
    assert!(failed.is_empty(), "these seeds fail: {failed:?}");
}
