//! Long series of numbered runs, of which a test makes a few unless it is asked for all.
//!
//! `DRIFTLESS_SWEEP=all` makes all runs of all series, and `DRIFTLESS_SWEEP=fault:17,crash:0-39` these runs of these series.

use std::fmt::Write as _;
use std::panic::resume_unwind;
use std::time::Instant;

use futures::{StreamExt as _, stream};

/// Names the runs to make.
const VARIABLE: &str = "DRIFTLESS_SWEEP";

/// A series of runs.
pub(crate) struct Series {
    /// Its name, by which single runs are asked for.
    pub(crate) topic: &'static str,
    /// The runs that are made when nothing is asked for.
    pub(crate) few: Vec<u64>,
    /// How many there are in all, numbered from 0.
    pub(crate) all: u64,
    /// How many are made at once.
    pub(crate) lanes: usize,
}

/// Makes the runs of a series that are wanted, and prints what came of each.
///
/// # Panics
/// When a run has, after all others have been made, with the words to make the failed ones again.
pub(crate) async fn sweep<F>(series: Series, run: impl Fn(u64) -> F)
where
    F: Future<Output = String> + Send + 'static,
{
    let topic = series.topic;
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let runs = chosen(&series, &wanted);
    let made = stream::iter(runs).map(|number| {
        let started = Instant::now();
        let task = tokio::spawn(run(number));
        async move { (number, task.await, started.elapsed()) }
    });
    let mut made = made.buffer_unordered(series.lanes);
    let (mut count, mut failed) = (0, Vec::new());
    while let Some((number, result, took)) = made.next().await {
        count += 1;
        let said = result.unwrap_or_else(|error| {
            failed.push(number);
            if error.is_cancelled() {
                resume_unwind(Box::new("the runtime ends"));
            }
            "FAILED, as told above".to_owned()
        });
        say(&format!("{topic} {number}: {said} ({:.1} s)", took.as_secs_f32()));
    }
    say(&format!("{topic}: {count} of {} runs made, {} failed", series.all, failed.len()));
    let again = failed.iter().fold(String::new(), |mut text, number| {
        let _ = write!(text, "{}{topic}:{number}", if text.is_empty() { "" } else { "," });
        text
    });
    assert!(
        failed.is_empty(),
        "to make the failed runs again: {VARIABLE}={again} cargo test -p integration-tests {topic}"
    );
}

#[expect(clippy::print_stderr, reason = "a sweep shows how far it is")]
fn say(line: &str) {
    eprintln!("{line}");
}

fn chosen(series: &Series, wanted: &str) -> Vec<u64> {
    if wanted == "all" {
        return (0..series.all).collect();
    }
    let own = wanted.split(',').filter_map(|part| part.trim().strip_prefix(series.topic)?.strip_prefix(':'));
    let mut runs = Vec::new();
    for part in own {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|e| panic!("{VARIABLE}={wanted}: {text}: {e}"));
        runs.extend(number(from)..=number(to));
    }
    if runs.is_empty() { series.few.clone() } else { runs }
}

/// Random numbers from a seed (SplitMix64): the same ones for ever.
pub(crate) struct Dice(u64);

impl Dice {
    /// Begins the numbers of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Gives a number below a limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

#[test]
fn runs_are_chosen_by_name() {
    let check = |wanted: &str, expected: &[u64]| {
        let series = Series { topic: "crash", few: vec![7], all: 3, lanes: 1 };
        assert_eq!(chosen(&series, wanted), expected, "{wanted}");
    };
    check("", &[7]);
    check("all", &[0, 1, 2]);
    check("crash:1", &[1]);
    check("fault:5, crash:2-4,crash:9", &[2, 3, 4, 9]);
    check("fault:5", &[7]);
}
