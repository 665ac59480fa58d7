//! The benchmark: what the daemon costs on a real control plane, as a ratio to what a bare client costs that sends the bytes no engine can
//! avoid. It prints a table and writes a JSON file; people compare, nothing is asserted.

#![expect(clippy::print_stdout, reason = "its results go to standard output")]
#![expect(clippy::panic, reason = "a benchmark that cannot go on has no result")]

mod counts;
mod floor;
mod follow;
mod installation;
mod monorepo;
mod process;
mod renders;
mod report;
mod rows;
mod statistics;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::report::Report;

/// Measures the daemon against a bare client on a control plane of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// Numbers of Applications for which the rows P1 to P7 are measured, each from the beginning.
    sizes: Vec<usize>,
    /// Where the results go as JSON.
    #[arg(long, default_value = "target/bench.json")]
    output: PathBuf,
    /// Pairs of floor and engine, in turn; the median counts.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Seconds without work after which memory is read; as long again, requests and processor time are counted.
    #[arg(long, default_value_t = 300)]
    idle: u64,
    /// Requests in flight that the floor tries; the fastest counts.
    #[arg(long, value_delimiter = ',', default_value = "8,16,32,64")]
    in_flight: Vec<usize>,
    /// Overlays of the repository for which the rows R2 to R4 are measured.
    #[arg(long, default_value_t = 1000)]
    overlays: usize,
    /// Seconds without work after which memory is read for the last time in R4.
    #[arg(long, default_value_t = 600)]
    late: u64,
    /// Rows to measure, such as `P2,P4` or `R1`; all without. Of rows that begin with P, P1 and P3 are always measured, in pairs with the floor.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Level of the daemon's log.
    #[arg(long, default_value = "info")]
    log_level: String,
    /// Where the daemon's last log is kept.
    #[arg(long)]
    keep_log: Option<PathBuf>,
}

/// What is measured of one size.
struct Plan {
    size: usize,
    pairs: usize,
    idle: Duration,
    late: Duration,
    in_flight: Vec<usize>,
    rows: Vec<String>,
    log_level: String,
    keep_log: Option<PathBuf>,
}

impl Plan {
    fn new(arguments: &Arguments, size: usize) -> Self {
        Self {
            size,
            pairs: arguments.pairs.max(1),
            idle: Duration::from_secs(arguments.idle),
            late: Duration::from_secs(arguments.late),
            in_flight: arguments.in_flight.clone(),
            rows: arguments.rows.clone(),
            log_level: arguments.log_level.clone(),
            keep_log: arguments.keep_log.clone(),
        }
    }

    /// Tells whether any row is to be measured whose name begins like this.
    fn has_any(&self, start: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted.starts_with(start))
    }

    fn has(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments = Arguments::parse();
    let mut report = Report::default();
    for &size in &arguments.sizes {
        let plan = Plan::new(&arguments, size);
        if plan.has_any("P") {
            rows::measure(&plan, &mut report).await;
            report.write(&arguments.output);
        }
    }
    let plan = Plan::new(&arguments, arguments.overlays);
    rows::render::measure(&plan, &mut report).await;
    report.write(&arguments.output);
    rows::overlays::measure(&plan, &mut report).await;
    report.write(&arguments.output);
    println!("\n{report}");
    println!("{}", arguments.output.display());
}
