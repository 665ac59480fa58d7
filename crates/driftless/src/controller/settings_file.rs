use std::path::{Path, PathBuf};

use anyhow::Context;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use telemetry::LogLevel;
use tokio::sync::watch;

use crate::config::{ControllerConfig, Settings};

/// The settings in force, from flags, variables and a file that is read again when it changes.
#[derive(Debug)]
pub(super) struct SettingsFile {
    path: Option<PathBuf>,
    given: Settings,
    config: watch::Sender<ControllerConfig>,
}

/// Keeps the file watched while it lives.
pub(super) struct Watching(#[expect(dead_code, reason = "dropping it ends the watch")] Option<RecommendedWatcher>);

impl SettingsFile {
    /// Reads the file, if one is given; `given` are flags and variables, which win over it.
    pub(super) fn open(path: Option<PathBuf>, given: Settings) -> anyhow::Result<Self> {
        let config = effective(path.as_deref(), &given)?;
        Ok(Self { path, given, config: watch::Sender::new(config) })
    }

    /// Returns the settings in force.
    pub(super) fn current(&self) -> ControllerConfig {
        self.config.borrow().clone()
    }

    /// Returns the settings as they change.
    pub(super) fn subscribe(&self) -> watch::Receiver<ControllerConfig> {
        self.config.subscribe()
    }

    /// Reads the file again whenever its directory changes: mounted ConfigMaps swap a link beside the file.
    pub(super) fn watch(&self, log_level: LogLevel) -> anyhow::Result<Watching> {
        let Some(path) = self.path.clone() else { return Ok(Watching(None)) };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let (given, config) = (self.given.clone(), self.config.clone());
        let mut watcher = notify::recommended_watcher(move |_| read_again(&path, &given, &config, &log_level))
            .context("changes of files cannot be watched")?;
        watcher
            .watch(&directory, RecursiveMode::NonRecursive)
            .with_context(|| format!("{} cannot be watched for changes", directory.display()))?;
        Ok(Watching(Some(watcher)))
    }
}

fn effective(path: Option<&Path>, given: &Settings) -> anyhow::Result<ControllerConfig> {
    let file = match path {
        Some(path) => Settings::read(path)?,
        None => Settings::default(),
    };
    Ok(ControllerConfig::new(given.clone().or(file), |name| std::env::var_os(name)))
}

/// Takes over what the file says; a file that cannot be read changes nothing.
fn read_again(path: &Path, given: &Settings, config: &watch::Sender<ControllerConfig>, log_level: &LogLevel) {
    let next = match effective(Some(path), given) {
        Ok(next) => next,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "the changed settings are not taken over");
            return;
        }
    };
    let before = config.borrow().clone();
    if next == before {
        return;
    }
    if next.log_level != before.log_level
        && let Err(error) = log_level.set(&next.log_level)
    {
        tracing::warn!(%error, "the changed settings are not taken over");
        return;
    }
    let restart = next.needs_restart(&before);
    if !restart.is_empty() {
        tracing::warn!(settings = restart.join(","), "changed settings take effect with a restart");
    }
    tracing::info!(file = %path.display(), "settings have changed");
    config.send_replace(next);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_changed_file_takes_effect_and_a_broken_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.yaml");
        std::fs::write(&path, "namespace: one\nlog-level: info\n").unwrap();
        let given = Settings { namespace: Some("flag".to_owned()), ..Settings::default() };
        let file = SettingsFile::open(Some(path.clone()), given).unwrap();
        assert_eq!((file.current().namespace.as_str(), file.current().log_level.as_str()), ("flag", "info"));
        let mut changes = file.subscribe();
        let _watching = file.watch(LogLevel::detached()).unwrap();
        for (text, expected) in [("log-level: debug", "debug"), ("log-level: [", "debug"), ("log-level: warn", "warn")]
        {
            let next = directory.path().join("next");
            std::fs::write(&next, text).unwrap();
            std::fs::rename(&next, &path).unwrap();
            changes.wait_for(|config| config.log_level == expected).await.unwrap();
        }
        assert_eq!(file.current().namespace, "flag");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = SettingsFile::open(Some("/nowhere/config.yaml".into()), Settings::default()).unwrap_err();
        assert!(format!("{error:#}").contains("/nowhere/config.yaml"), "{error:#}");
    }
}
