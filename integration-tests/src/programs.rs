//! Where the programs under test are.

use std::path::{Path, PathBuf};

/// Gives the path of the control plane's binary: what `DEVCLUSTER_BIN` names, else the one that was built.
///
/// # Panics
/// If it has not been built.
pub fn devcluster_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("DEVCLUSTER_BIN") {
        return path.into();
    }
    let path = target_directory().join("devcluster/devcluster");
    assert!(path.is_file(), "{} does not exist: run `make devcluster`", path.display());
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

fn target_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is inside the workspace").join("target")
}
