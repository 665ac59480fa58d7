//! Where the programs under test are.

use std::path::{Path, PathBuf};

/// Gives the path of the control plane's binary: what `DEVCLUSTER_BIN` names, else the one that was built.
///
/// # Panics
/// If it has not been built.
pub fn devcluster_binary() -> PathBuf {
    match std::env::var_os("DEVCLUSTER_BIN") {
        Some(path) => path.into(),
        None => built("devcluster/devcluster", "devcluster"),
    }
}

/// Gives the path of the registry's binary: what `REGISTRY_BIN` names, else the one that was built.
///
/// # Panics
/// If it has not been built.
pub fn registry_binary() -> PathBuf {
    match std::env::var_os("REGISTRY_BIN") {
        Some(path) => path.into(),
        None => built("registry/registry", "registry"),
    }
}

/// Gives the path of a command line that renders are compared with, `helm` or `kustomize`.
///
/// # Panics
/// If it has not been built.
pub fn oracle_binary(name: &str) -> PathBuf {
    built(&format!("oracles/{name}"), "oracles")
}

/// Gives the path of the render worker that the daemon's binary finds: it is beside it.
///
/// # Panics
/// If it has not been built.
pub fn render_worker_binary() -> PathBuf {
    let path = driftless_binary().with_file_name("driftless-render-worker");
    assert!(path.is_file(), "{} does not exist: run `make build`", path.display());
    path
}

/// Gives the path of the daemon's binary: what `DRIFTLESS_BIN` names, else the one built with the profile of the tests, else another profile's.
///
/// # Panics
/// If it has not been built.
pub fn driftless_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("DRIFTLESS_BIN") {
        return path.into();
    }
    let tests = std::env::current_exe().expect("a process knows its program");
    let profile = tests.parent().and_then(Path::parent).expect("tests run from target/PROFILE/deps").to_owned();
    [profile, target_directory().join("release"), target_directory().join("debug")]
        .into_iter()
        .map(|directory| directory.join("driftless"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("there is no driftless binary: run `cargo build -p driftless` or set DRIFTLESS_BIN"))
}

/// Gives the last `lines` lines of a file, for messages.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let content = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn built(file: &str, by: &str) -> PathBuf {
    let path = target_directory().join(file);
    assert!(path.is_file(), "{} does not exist: run `make {by}`", path.display());
    path
}

fn target_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is inside the workspace").join("target")
}
