//! What a process and its children use, from the kernel's own accounts.

use std::fs;

/// Gives the processor time that a process and its children have used, in seconds.
pub(crate) fn processor_seconds(process: u32) -> f64 {
    family(process).into_iter().filter_map(processor_ticks).sum::<f64>() / 100.0
}

/// Proportional set size in MiB.
pub(crate) struct Memory {
    /// Of a process and its children.
    pub(crate) all: f64,
    /// Of the children alone.
    pub(crate) children: f64,
}

/// Gives the memory of a process and its children.
pub(crate) fn memory(process: u32) -> Memory {
    let pss = |id: u32| -> Option<f64> {
        let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
    };
    let children = family(process).into_iter().filter(|id| *id != process).filter_map(pss).sum::<f64>();
    Memory { all: children + pss(process).unwrap_or_default(), children }
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
    // The kernel lists a child with the thread that started it.
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
            all.extend(family(child));
        }
    }
    all
}
