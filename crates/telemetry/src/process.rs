use std::fmt;
use std::sync::LazyLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Clock ticks a second in `/proc/PID/stat`: fixed in Linux' user interface.
const TICKS: f64 = 100.0;

/// The standard `process_*` metrics, read from `/proc` when asked; a file that cannot be read leaves its metrics out.
#[derive(Debug)]
pub(crate) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        if let Some(stat) = read("/proc/self/stat").as_deref().and_then(Stat::parse) {
            counter(
                &mut encoder,
                "process_cpu_seconds",
                "User and system CPU time spent, in seconds",
                stat.cpu_seconds(),
            )?;
            if let Some(boot) = *BOOT_SECONDS {
                let start = boot + stat.start_ticks / TICKS;
                gauge(
                    &mut encoder,
                    "process_start_time_seconds",
                    "Start time since the Unix epoch, in seconds",
                    start,
                )?;
            }
            gauge(&mut encoder, "process_threads", "Number of threads", stat.threads)?;
        }
        if let Some(status) = read("/proc/self/status") {
            for (name, help, key) in [
                ("process_resident_memory_bytes", "Resident memory, in bytes", "VmRSS:"),
                ("process_virtual_memory_bytes", "Virtual memory, in bytes", "VmSize:"),
            ] {
                if let Some(kib) = field(&status, key) {
                    gauge(&mut encoder, name, help, kib * 1024.0)?;
                }
            }
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            let open = u32::try_from(files.count()).unwrap_or(u32::MAX);
            // Reading the directory holds one descriptor itself.
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", f64::from(open.saturating_sub(1)))?;
        }
        if let Some(limit) = read("/proc/self/limits").as_deref().and_then(|text| field(text, "Max open files")) {
            gauge(&mut encoder, "process_max_fds", "Largest number of open file descriptors", limit)?;
        }
        Ok(())
    }
}

/// When the machine started, in seconds since the Unix epoch.
static BOOT_SECONDS: LazyLock<Option<f64>> =
    LazyLock::new(|| read("/proc/stat").as_deref().and_then(|text| field(text, "btime")));

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Returns the first number after `key` at the start of a line.
fn field(text: &str, key: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

/// The fields of `/proc/PID/stat` that are shown (proc_pid_stat(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    user_ticks: f64,
    system_ticks: f64,
    threads: f64,
    start_ticks: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The command's name may hold spaces and parentheses; what follows the last `)` starts with field 3.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |position: usize| fields.get(position - 3)?.parse::<f64>().ok();
        Some(Self {
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            threads: number(20)?,
            start_ticks: number(22)?,
        })
    }

    fn cpu_seconds(&self) -> f64 {
        (self.user_ticks + self.system_ticks) / TICKS
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_any_command_name() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 9 0 12345 100 200 rest";
        let expected = Stat { user_ticks: 150.0, system_ticks: 50.0, threads: 9.0, start_ticks: 12345.0 };
        assert_eq!(Stat::parse(line), Some(expected));
        assert!((Stat::parse(line).unwrap().cpu_seconds() - 2.0).abs() < 1e-9);
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn a_field_is_the_number_behind_its_key() {
        let status = "Name:\tdriftless\nVmSize:\t  1000 kB\nVmRSS:\t   512 kB\n";
        assert_eq!(field(status, "VmRSS:"), Some(512.0));
        assert_eq!(field(status, "VmSwap:"), None);
        assert_eq!(
            field("Max open files            1024                 4096   files\n", "Max open files"),
            Some(1024.0)
        );
        assert_eq!(field("Max open files            unlimited            unlimited\n", "Max open files"), None);
    }
}
