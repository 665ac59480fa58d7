//! The results: a table for people, JSON for programs.

use std::fmt::{Display, Formatter};
use std::path::Path;

use serde::Serialize;

use crate::monorepo::BASES;
use crate::statistics::number;

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// The row of the performance budget.
    pub(crate) id: &'static str,
    /// Number of Applications; of one render, of its objects.
    pub(crate) n: usize,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What the bare client needed, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) floor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// The budget, in the unit of the value or of the ratio; none where the figure only informs.
    #[serde(flatten)]
    pub(crate) bar: Option<Bar>,
    /// What stands behind the figure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
}

/// The budget of a row.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) enum Bar {
    #[serde(rename = "bar")]
    AtMost(f64),
    #[serde(rename = "bar_at_least")]
    AtLeast(f64),
}

impl Figure {
    fn verdict(&self) -> &'static str {
        let value = self.ratio.unwrap_or(self.value);
        match self.bar {
            Some(Bar::AtMost(bar)) if value <= bar => "met",
            Some(Bar::AtLeast(bar)) if value >= bar => "met",
            Some(_) => "NOT MET",
            None => "",
        }
    }
}

/// All figures so far.
#[derive(Default)]
pub(crate) struct Report(Vec<Figure>);

impl Report {
    /// Adds a figure that has a budget of its own.
    pub(crate) fn add(&mut self, n: usize, id: &'static str, value: f64, unit: &'static str, detail: String) {
        self.push(Figure { id, n, value, unit, floor: None, ratio: None, bar: bar(id, n), detail });
    }

    /// Adds a figure that is measured against the floor.
    pub(crate) fn add_ratio(&mut self, n: usize, id: &'static str, value: f64, floor: f64, ratio: f64, detail: String) {
        self.push(Figure { id, n, value, unit: "s", floor: Some(floor), ratio: Some(ratio), bar: bar(id, n), detail });
    }

    fn push(&mut self, figure: Figure) {
        println!("{}", line(&figure));
        self.0.push(figure);
    }

    /// Writes the JSON file.
    pub(crate) fn write(&self, path: &Path) {
        let json = serde_json::to_vec_pretty(&self.0).expect("because figures always serialise");
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).unwrap_or_else(|e| panic!("create {}: {e}", directory.display()));
        }
        std::fs::write(path, json).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
    }
}

/// Gives the budget of a row for this many Applications.
fn bar(id: &str, n: usize) -> Option<Bar> {
    let most = match id {
        "R1chart" | "R1overlay" => return Some(Bar::AtLeast(10.0)),
        "R3" => return None,
        "P1" | "P3" => 1.25,
        "P1req" => 9.0,
        "P2" | "R2" => 150.0,
        "P2cpu" => 0.1,
        "P2req" | "P4req" | "R2req" => 6.0,
        "P4" => 50.0,
        "P4max" | "P4one" => 250.0,
        "P5" => resident(n),
        "P5cpu" => 0.2,
        "P6" => 3.0,
        "P6all" => 10.0,
        "P7" => 30.0,
        "R2renders" => 1.0,
        "R3renders" => number(n.div_ceil(BASES) as u64),
        "R4" => resident(n) + 120.0,
        "R4late" => resident(n) + 30.0,
        _ => 0.0,
    };
    Some(Bar::AtMost(most))
}

/// Gives the budget of memory without work, in MiB.
fn resident(n: usize) -> f64 {
    40.0 + 20.0 * number(n as u64) / 1024.0
}

fn line(figure: &Figure) -> String {
    let Figure { id, n, value, unit, floor, ratio, bar, detail } = figure;
    let against = match (floor, ratio) {
        (Some(floor), Some(ratio)) => format!("floor {floor:.2} {unit}, ratio {ratio:.2}"),
        _ => String::new(),
    };
    let bar_unit = if ratio.is_some() { "x" } else { unit };
    let bar = match bar {
        Some(Bar::AtMost(bar)) => format!("{bar:.1} {bar_unit}"),
        Some(Bar::AtLeast(bar)) => format!(">= {bar:.1} {bar_unit}"),
        None => String::new(),
    };
    let verdict = figure.verdict();
    format!("| {n:>5} | {id:<9} | {value:>9.2} {unit:<4} | {against:<28} | {bar:>11} | {verdict:<7} | {detail} |")
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "| {:>5} | {:<9} | {:<14} | {:<28} | {:<11} | {:<7} | detail |",
            "N", "row", "measured", "", "bar", ""
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for figure in &self.0 {
            writeln!(f, "{}", line(figure))?;
        }
        Ok(())
    }
}
