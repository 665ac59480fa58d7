//! What a process and its children use, from the kernel's own accounts.

use std::fs;

/// Gives the processor time that a process and its children have used, in seconds.
pub(crate) fn processor_seconds(process: u32) -> f64 {
    family(process).into_iter().filter_map(processor_ticks).sum::<f64>() / 100.0
}

/// Gives the proportional set size of a process and its children, in MiB.
pub(crate) fn memory_mib(process: u32) -> f64 {
    let pss = |id: u32| -> Option<f64> {
        let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    family(process).into_iter().filter_map(pss).sum::<f64>() / 1024.0
}

/// Gives user and system time in ticks of 10 ms, that of children that have ended included.
fn processor_ticks(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold spaces.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok());
    Some(ticks.sum())
}

fn family(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
        all.extend(family(child));
    }
    all
}
