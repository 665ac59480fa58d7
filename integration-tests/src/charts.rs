//! Helm charts as archives, and a repository of them over HTTP, both made by the real `helm`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use test_kit::{Fault, GitHttpServer};

use crate::programs::oracle_binary;

/// The file that lists the charts of a repository.
const INDEX: &str = "index.yaml";

/// A chart as `helm package` makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartArchive {
    /// Path of the archive.
    pub path: PathBuf,
    /// Name of the chart.
    pub name: String,
    /// Version of the chart.
    pub version: String,
}

impl ChartArchive {
    /// Packs the chart in a directory and puts the archive into another one.
    ///
    /// # Panics
    /// If `helm` refuses the chart.
    pub fn package(chart: &Path, into: &Path) -> Self {
        let printed = helm_output(&["package", &text(chart), "--destination", &text(into)]);
        let path = printed.trim_end().rsplit_once(": ").map(|(_, path)| PathBuf::from(path));
        let path = path.unwrap_or_else(|| panic!("helm package names no archive: {printed}"));
        let about = helm_output(&["show", "chart", &text(&path)]);
        let field = |name: &str| {
            let value = about.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let value = value.unwrap_or_else(|| panic!("the chart {} has no {name}: {about}", path.display()));
            value.trim_matches(['"', '\'']).to_owned()
        };
        Self { name: field("name"), version: field("version"), path }
    }

    /// Gives the name of the archive's file.
    pub fn file(&self) -> String {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned()
    }
}

/// A Helm repository: a server on loopback of a directory with an index and chart archives. It ends when dropped.
///
/// Files are named by their path below the directory: `index.yaml`, `web-1.0.0.tgz`.
#[derive(Debug)]
pub struct ChartRepository {
    directory: PathBuf,
    server: GitHttpServer,
}

impl ChartRepository {
    /// Serves a directory, which is made if need be, with an index of the charts in it.
    pub fn start(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap_or_else(|e| panic!("create {}: {e}", directory.display()));
        let repository = Self { directory: directory.to_owned(), server: GitHttpServer::start(directory) };
        repository.index();
        repository
    }

    /// Gives the URL that the index is below.
    pub fn url(&self) -> String {
        self.server.url("").trim_end_matches('/').to_owned()
    }

    /// Packs the chart in a directory, and puts it into the repository and its index.
    pub fn add(&self, chart: &Path) -> ChartArchive {
        let archive = ChartArchive::package(chart, &self.directory);
        self.index();
        archive
    }

    /// Takes a chart out of the repository and its index.
    pub fn remove(&self, archive: &ChartArchive) {
        std::fs::remove_file(&archive.path).unwrap_or_else(|e| panic!("delete {}: {e}", archive.path.display()));
        self.index();
    }

    /// Gives how often a file was asked for, those requests included that failed.
    pub fn requests(&self, file: &str) -> u64 {
        self.server.traffic(file).requests
    }

    /// Makes requests for a file fail; [`Fault::StallAfter`] nothing hangs.
    pub fn set_fault(&self, file: &str, fault: Fault) {
        self.server.set_fault(file, fault);
    }

    /// Makes requests for every file fail that has no fault of its own.
    pub fn set_fault_everywhere(&self, fault: Fault) {
        self.server.set_fault_everywhere(fault);
    }

    /// Answers as it should from the next request on.
    pub fn clear_faults(&self) {
        self.server.clear_faults();
    }

    /// Demands this user name and password (HTTP basic authentication) for all files that are there.
    pub fn protect(&self, username: &str, password: &str) {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        for file in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            self.server.protect(&file, username, password);
        }
    }

    /// Writes the index anew. URLs in it are relative to its own.
    fn index(&self) {
        helm_output(&["repo", "index", &text(&self.directory)]);
        assert!(self.directory.join(INDEX).is_file(), "helm repo index wrote no {INDEX}");
    }
}

/// Runs the real `helm`, of the version that the render worker is linked with, with a home of its own.
pub fn helm(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().expect("a temporary directory can be made");
    Command::new(oracle_binary("helm"))
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .output()
        .expect("helm is a program")
}

fn helm_output(arguments: &[&str]) -> String {
    let output = helm(arguments);
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "helm {}: {}", arguments.join(" "), printed(&output.stderr));
    printed(&output.stdout)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
