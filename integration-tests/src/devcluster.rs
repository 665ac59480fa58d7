//! The control plane as a process, for those who start one of their own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::DEADLINE;
use crate::programs::devcluster_binary;

/// A control plane that runs: `devcluster up` in a directory of its own. It is ended when dropped, and by itself when the test process ends.
#[derive(Debug)]
pub struct DevCluster {
    child: Child,
    directory: PathBuf,
    kubeconfig: PathBuf,
    errors: File,
}

impl DevCluster {
    /// Starts a control plane with this many fake nodes and waits until it is ready. The directory must not exist: devcluster
    /// makes it, and removes it at its end.
    ///
    /// # Panics
    /// With the end of its standard error, if it does not become ready.
    pub fn start(directory: &Path, nodes: u32) -> Self {
        let mut errors = tempfile::tempfile().expect("a temporary file can be made");
        let mut child = Command::new(devcluster_binary())
            .arg("up")
            .arg("--dir")
            .arg(directory)
            .arg("--nodes")
            .arg(nodes.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().expect("a file can be shared"))
            .spawn()
            .expect("devcluster is a program");
        let mut line = String::new();
        let output = child.stdout.take().expect("standard output is piped");
        // devcluster itself gives up after a while, which ends its output.
        BufReader::new(output).read_line(&mut line).expect("a pipe can be read");
        let Some(kubeconfig) = line.trim_end().strip_prefix("ready KUBECONFIG=") else {
            let _ = child.wait();
            panic!("devcluster did not become ready: {line}{}", content(&mut errors));
        };
        Self { directory: directory.to_owned(), kubeconfig: kubeconfig.into(), errors, child }
    }

    /// Gives the directory with the kubeconfig and the logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Gives the path of the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Gives what was written to standard error.
    pub fn errors(&mut self) -> String {
        content(&mut self.errors)
    }

    /// Gives the process ids of the components, by name.
    pub fn components(&self) -> Vec<(String, u32)> {
        processes_in(&self.directory)
    }

    /// Sends SIGTERM to it and waits until it has ended.
    pub fn terminate(&mut self) -> ExitStatus {
        send_signal("TERM", self.child.id());
        self.wait()
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        poll("devcluster to end", || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.expect("the loop ends with a status")
    }
}

impl Drop for DevCluster {
    fn drop(&mut self) {
        // SIGTERM lets it remove its directory; SIGKILL would end its components, but leave their data.
        if matches!(self.child.try_wait(), Ok(None)) {
            send_signal("TERM", self.child.id());
            let _ = self.child.wait();
        }
    }
}

fn content(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).expect("a file can be read");
    text
}

/// Gives the components that run in a control plane's directory, by name and process id.
pub fn processes_in(directory: &Path) -> Vec<(String, u32)> {
    let run = directory.join("run");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A deleted directory has a suffix here.
        let Ok(place) = std::fs::read_link(entry.path().join("cwd")) else { continue };
        if place.to_string_lossy().starts_with(&*run.to_string_lossy()) {
            let arguments = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            found.push((arguments.split('\0').nth(1).unwrap_or_default().to_owned(), id));
        }
    }
    found
}

/// Sends a signal by its name to a process.
pub fn send_signal(name: &str, process: u32) {
    let sent =
        Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status().expect("kill is a program");
    assert!(sent.success(), "kill -{name} {process}: {sent}");
}

/// Looks again and again whether something that no watch tells has happened: the end of a process, the appearance of a file.
///
/// # Panics
/// After [`DEADLINE`].
pub fn poll(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < DEADLINE, "waited {} s for {what}", DEADLINE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}
