//! What the daemon says about itself: log lines, traces and metrics.
//!
//! [`start`] sets up logging and, where an OTLP endpoint is given, the export of traces; the [`LogLevel`] it returns changes
//! the level while the daemon runs. [`Metrics`] holds a typed handle for every metric, under Argo CD's names where Argo CD has
//! the metric and under `driftless_` where it does not. Nothing here reads the environment: values come in as arguments.

mod log;
mod log_level;
pub mod metrics;
mod process;
mod trace;

pub use log::{LogFormat, LogOptions, Telemetry, TelemetryError, start};
pub use log_level::{InvalidLevel, LogLevel};
pub use metrics::{Metrics, OPENMETRICS_CONTENT_TYPE};
