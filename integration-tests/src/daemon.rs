use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::DEADLINE;
use crate::devcluster::send_signal;
use crate::programs::tail;

/// A daemon to be started.
#[derive(Clone, Debug)]
pub struct DaemonBuilder {
    binary: PathBuf,
    launcher: Option<PathBuf>,
    flags: BTreeMap<String, OsString>,
    variables: Vec<(String, String)>,
    directory: PathBuf,
}

/// A `driftless controller` process, killed when dropped. Its log is kept over restarts.
#[derive(Debug)]
pub struct Daemon {
    builder: DaemonBuilder,
    child: Option<Child>,
    addresses: Value,
}

impl DaemonBuilder {
    /// Prepares a daemon with this kubeconfig and control-plane namespace, whose files go into a directory.
    pub fn new(binary: PathBuf, kubeconfig: &Path, namespace: &str, directory: &Path) -> Self {
        let builder = Self {
            binary,
            launcher: None,
            flags: BTreeMap::new(),
            variables: Vec::new(),
            directory: directory.to_owned(),
        };
        let (address_file, data_directory) = (builder.address_file(), builder.data_directory());
        builder
            .flag("--kubeconfig", kubeconfig)
            .flag("--namespace", namespace)
            .flag("--data-dir", data_directory)
            .flag("--address-file", address_file)
            .flag("--http-listen", "127.0.0.1:0")
            .flag("--metrics-listen", "127.0.0.1:0")
            .flag("--reconciliation-timeout", "2s")
            .flag("--log-format", "text")
    }

    /// Sets a flag, instead of what the harness or an earlier call gave it.
    pub fn flag(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.flags.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves out a flag that the harness or an earlier call gave it.
    pub fn without_flag(mut self, name: &str) -> Self {
        self.flags.remove(name);
        self
    }

    /// Has the daemon started by another program, which gets the daemon's program and arguments and must become it.
    pub fn started_by(mut self, launcher: impl Into<PathBuf>) -> Self {
        self.launcher = Some(launcher.into());
        self
    }

    /// Gives the daemon an environment variable. It has none of the test's own but `PATH`.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the daemon and waits until it listens.
    ///
    /// # Panics
    /// With the end of its log, if it ends or does not listen in time.
    pub async fn start(self) -> Daemon {
        let mut daemon = Daemon { builder: self, child: None, addresses: Value::Null };
        daemon.start().await;
        daemon
    }

    /// Runs the daemon until it ends by itself, for tests of a refusal to start, and gives its status and log.
    pub async fn run(self) -> (ExitStatus, String) {
        let mut daemon = Daemon { builder: self, child: None, addresses: Value::Null };
        daemon.spawn();
        let status = daemon.wait().await;
        (status, daemon.log())
    }

    /// Gives the directory that the daemon keeps its data in.
    fn data_directory(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn address_file(&self) -> PathBuf {
        self.directory.join("addresses.json")
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("driftless.log")
    }
}

impl Daemon {
    /// Gives the URL of the API.
    pub fn url(&self) -> String {
        self.address("http")
    }

    /// Gives the URL of the metrics.
    pub fn metrics_url(&self) -> String {
        self.address("metrics")
    }

    /// Gives the process id.
    ///
    /// # Panics
    /// If the daemon does not run.
    pub fn id(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("the daemon runs")
    }

    /// Gives all that was logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.builder.log_file()).unwrap_or_default()
    }

    /// Empties the data directory of a daemon that does not run.
    pub fn forget_data(&self) {
        // It need not exist yet.
        let _ = std::fs::remove_dir_all(self.builder.data_directory());
    }

    /// Kills the daemon as a power cut would.
    pub async fn kill(&mut self) {
        send_signal("KILL", self.id());
        self.wait().await;
    }

    /// Asks the daemon to end and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        send_signal("TERM", self.id());
        self.wait().await
    }

    /// Waits until the daemon has ended.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the daemon runs");
        let ended = tokio::time::timeout(DEADLINE, child.wait()).await;
        ended.expect("the daemon ends in time").expect("a child can be waited for")
    }

    /// Waits until the daemon has ended, however long that takes, and leaves it to be started again.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("the daemon was started");
        child.wait().await.expect("a child can be waited for")
    }

    /// Starts a daemon that has ended again, with the same arguments and data.
    pub async fn start(&mut self) {
        let file = self.builder.address_file();
        let _ = std::fs::remove_file(&file);
        self.spawn();
        let start = Instant::now();
        loop {
            if let Some(addresses) = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
                self.addresses = addresses;
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || start.elapsed() > DEADLINE {
                let state = ended.map_or_else(|| "it runs".to_owned(), |status| status.to_string());
                panic!("the daemon does not listen ({state}); its log ends:\n{}", tail(&self.builder.log_file(), 40));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn spawn(&mut self) {
        let log = self.builder.log_file();
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap_or_else(|e| panic!("open {}: {e}", log.display()));
        let errors = log.try_clone().expect("a file can be shared");
        let DaemonBuilder { binary, launcher, .. } = &self.builder;
        let program = launcher.as_ref().unwrap_or(binary);
        let child = Command::new(program)
            .args(launcher.is_some().then_some(binary))
            .arg("controller")
            .args(self.builder.flags.iter().flat_map(|(name, value)| [OsStr::new(name), value]))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.builder.directory)
            .envs(self.builder.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| panic!("start {}: {e}", program.display()));
        self.child = Some(child);
    }

    fn address(&self, of: &str) -> String {
        let address = self.addresses[of].as_str();
        format!("http://{}", address.unwrap_or_else(|| panic!("the address file has no {of}: {}", self.addresses)))
    }
}

impl Drop for Daemon {
    #[expect(clippy::print_stderr, reason = "a failed test shows the log")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.builder.log_file();
            eprintln!("the daemon's log ends:\n{}", tail(&log, 60));
        }
    }
}

#[cfg(test)]
mod tests;
