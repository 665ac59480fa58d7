use std::io::{IsTerminal, Write};
use std::str::FromStr;
use std::time::Duration;

use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::log_level::{self, InvalidLevel, LogLevel};
use crate::trace;

/// How long the last spans may take to reach the collector when the daemon ends.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people, with colours on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Chooses the form where none was asked for: text on a terminal, else JSON.
    pub fn for_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("`{other}` is not a log format: expected text or json")),
        }
    }
}

/// What the log and the traces should look like.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Form of a line.
    pub format: LogFormat,
    /// A level or env-filter directives.
    pub level: String,
    /// Address of an OTLP collector over gRPC (the value of `OTEL_EXPORTER_OTLP_ENDPOINT`); none exports nothing.
    pub otlp_endpoint: Option<String>,
    /// Version of the daemon, sent as `service.version`.
    pub version: String,
}

/// Setting up the log or the traces failed; the options have to change.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The level cannot be read.
    #[error(transparent)]
    Level(#[from] InvalidLevel),
    /// The exporter cannot be made from the endpoint.
    #[error("traces cannot be exported to `{endpoint}` (OTEL_EXPORTER_OTLP_ENDPOINT): {reason}")]
    Exporter {
        /// The endpoint given.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// The process has a log already.
    #[error("the log of this process has been set up before")]
    SetTwice,
}

/// The running log and trace export.
#[derive(Debug)]
pub struct Telemetry {
    level: LogLevel,
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Returns the handle that changes the log level.
    pub fn log_level(&self) -> LogLevel {
        self.level.clone()
    }

    /// Sends the spans that are still held and ends the export; blocks for three seconds at most.
    pub fn shutdown(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_LIMIT)
        {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Starts logging to standard error and, where an endpoint is given, exporting traces.
///
/// With an endpoint it must be called inside a tokio runtime, which then carries the exporter's connection.
pub fn start(options: &LogOptions) -> Result<Telemetry, TelemetryError> {
    let provider = match &options.otlp_endpoint {
        Some(endpoint) => Some(trace::provider(endpoint, &options.version)?),
        None => None,
    };
    let (filter, handle) = reload::Layer::new(log_level::parse(&options.level)?);
    let colours = Colours::of(std::io::stderr().is_terminal());
    subscriber(filter, options.format, colours, std::io::stderr, provider.as_ref())
        .try_init()
        .map_err(|_| TelemetryError::SetTwice)?;
    Ok(Telemetry { level: LogLevel::new(handle), provider })
}

/// Whether lines for people carry ANSI colours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Colours {
    On,
    Off,
}

impl Colours {
    fn of(terminal: bool) -> Self {
        if terminal { Self::On } else { Self::Off }
    }
}

fn subscriber<W>(
    filter: reload::Layer<EnvFilter, Registry>,
    format: LogFormat,
    colours: Colours,
    writer: W,
    provider: Option<&SdkTracerProvider>,
) -> impl SubscriberInitExt
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    for<'w> <W as MakeWriter<'w>>::Writer: Write,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colours == Colours::On).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    Registry::default().with(filter).with(lines).with(provider.map(trace::layer))
}

#[cfg(test)]
mod tests;
