use std::sync::Arc;

use thiserror::Error;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// Libraries that say much at `debug` and little that matters; a bare level leaves them at `info`.
const CHATTY: [&str; 9] =
    ["h2", "hyper", "hyper_util", "kube_client", "opentelemetry", "opentelemetry_sdk", "reqwest", "rustls", "tower"];

/// A change of the log level that was refused.
#[derive(Debug, Error)]
pub enum InvalidLevel {
    /// The text is neither a level nor a list of directives.
    #[error(
        "`{text}` is not a log level: expected off, error, warn, info, debug, trace, or directives such as `info,app_controller=debug` ({reason})"
    )]
    Parse {
        /// What was given.
        text: String,
        /// What the parser says.
        reason: String,
    },
    /// Logging has ended.
    #[error("the log level cannot be changed because logging has ended")]
    Ended,
}

/// Changes the level of the log while the daemon runs; clones change the same log.
#[derive(Clone)]
pub struct LogLevel {
    apply: Arc<dyn Fn(EnvFilter) -> Result<(), InvalidLevel> + Send + Sync>,
}

impl LogLevel {
    pub(crate) fn new(handle: reload::Handle<EnvFilter, Registry>) -> Self {
        Self { apply: Arc::new(move |filter| handle.reload(filter).map_err(|_| InvalidLevel::Ended)) }
    }

    /// Makes a handle that checks levels and changes nothing, for a process whose log is not set up.
    pub fn detached() -> Self {
        Self { apply: Arc::new(|_| Ok(())) }
    }

    /// Sets the level: a level's name (any case) or env-filter directives such as `info,app_controller=debug`.
    pub fn set(&self, text: &str) -> Result<(), InvalidLevel> {
        (self.apply)(parse(text)?)
    }
}

impl std::fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogLevel")
    }
}

/// Reads a level or directives as a filter.
pub(crate) fn parse(text: &str) -> Result<EnvFilter, InvalidLevel> {
    let text = text.trim();
    let invalid = |reason: String| InvalidLevel::Parse { text: text.to_owned(), reason };
    if text.contains(['=', ',', '[']) {
        return EnvFilter::builder().parse(text).map_err(|error| invalid(error.to_string()));
    }
    if text.is_empty() {
        return Err(invalid("it is empty".to_owned()));
    }
    // A bare word would otherwise be taken for the name of a module.
    let level: tracing::level_filters::LevelFilter =
        text.parse().map_err(|_| invalid("not the name of a level".to_owned()))?;
    let mut directives = vec![level.to_string()];
    if level > tracing::level_filters::LevelFilter::INFO {
        directives.extend(CHATTY.map(|library| format!("{library}=info")));
    }
    EnvFilter::builder().parse(directives.join(",")).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_directives_are_read_and_anything_else_is_refused() {
        fn check(text: &str, expected: Option<&str>) {
            let filter = parse(text).ok().and_then(|filter| filter.max_level_hint()).map(|level| level.to_string());
            assert_eq!(filter.as_deref(), expected, "{text}");
        }
        check("info", Some("info"));
        check(" DEBUG ", Some("debug"));
        check("off", Some("off"));
        check("warn,app_controller=trace", Some("trace"));
        check("app_controller=debug", Some("debug"));
        check("loud", None);
        check("", None);
        check("app_controller=loud", None);
    }

    #[test]
    fn a_bare_debug_level_keeps_libraries_quiet() {
        let filter = parse("debug").unwrap().to_string();
        assert!(filter.contains("hyper=info"), "{filter}");
        assert!(!parse("info").unwrap().to_string().contains("hyper"));
    }

    #[test]
    fn the_refusal_names_what_was_given_and_what_is_expected() {
        let message = LogLevel::detached().set("loud").unwrap_err().to_string();
        assert!(message.contains("`loud`") && message.contains("debug"), "{message}");
    }
}
