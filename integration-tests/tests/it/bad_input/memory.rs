//! What a process has in memory.

use std::fs;

use integration_tests::Daemon;

/// Memory of a daemon in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// The most that was resident since the peak was last forgotten, mapped files included.
    pub(crate) peak: u64,
    /// What is resident, shared pages in proportion.
    pub(crate) pss: u64,
    /// What of it belongs to no file.
    pub(crate) anonymous: u64,
}

impl Memory {
    /// Reads the memory of a daemon.
    pub(crate) fn of(daemon: &Daemon) -> Self {
        let field = |file: &str, name: &str| {
            let text =
                fs::read_to_string(format!("/proc/{}/{file}", daemon.id())).expect("a process has its files in /proc");
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel counts it");
            line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("it is a number of KiB")
        };
        Self {
            peak: field("status", "VmHWM:"),
            pss: field("smaps_rollup", "Pss:"),
            anonymous: field("smaps_rollup", "Anonymous:"),
        }
    }

    /// Has the kernel forget the peak of a daemon (proc(5), clear_refs).
    pub(crate) fn forget_peak(daemon: &Daemon) {
        fs::write(format!("/proc/{}/clear_refs", daemon.id()), "5").expect("a process may write its children's");
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |kib: u64| kib / 1024;
        let Self { peak, pss, anonymous } = *self;
        write!(f, "peak RSS {} MiB, PSS {} MiB, anonymous {} MiB", mib(peak), mib(pss), mib(anonymous))
    }
}
