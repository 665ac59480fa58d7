use std::io;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `body` with a log of its own; gives it the level handle.
fn logged(format: LogFormat, level: &str, body: impl FnOnce(&LogLevel)) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let (filter, handle) = reload::Layer::new(log_level::parse(level).unwrap());
    let guard = subscriber(filter, format, Colours::Off, move || writer.clone(), None).set_default();
    body(&LogLevel::new(handle));
    drop(guard);
    captured.text()
}

#[test]
fn json_lines_carry_the_fields_and_the_span() {
    let text = logged(LogFormat::Json, "info", |_| {
        let span = tracing::info_span!("reconcile", app = "argocd/web");
        let _entered = span.enter();
        tracing::info!(revision = "abc", "synced");
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    for expected in [r#""message":"synced""#, r#""revision":"abc""#, r#""app":"argocd/web""#, r#""level":"INFO""#] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[test]
fn text_lines_without_a_terminal_have_no_escape_codes() {
    let text = logged(LogFormat::Text, "info", |_| tracing::warn!(app = "web", "out of sync"));
    assert!(text.contains("WARN") && text.contains("out of sync") && text.contains("app=\"web\""), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_level_changes_while_the_log_runs() {
    let text = logged(LogFormat::Text, "warn", |level| {
        tracing::info!("one");
        level.set("info").unwrap();
        tracing::info!("two");
        level.set("error").unwrap();
        tracing::info!("three");
        assert!(level.set("loud").is_err());
        tracing::error!("four");
    });
    assert!(
        !text.contains("one") && text.contains("two") && !text.contains("three") && text.contains("four"),
        "{text}"
    );
}

#[test]
fn formats_have_two_names() {
    assert_eq!("text".parse(), Ok(LogFormat::Text));
    assert_eq!("json".parse(), Ok(LogFormat::Json));
    assert!("logfmt".parse::<LogFormat>().is_err());
}
