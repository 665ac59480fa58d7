//! Scenarios as data: every directory below `integration-tests/scenarios` is a test. Its README has the format.

mod format;
mod matching;
mod names;
mod recorder;
mod report;
mod stage;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use format::Scenario;
use stage::Stage;

include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Runs a scenario step by step.
async fn run(name: &str) {
    let directory = directory().join(name);
    let scenario = Scenario::read(&directory);
    let mut stage = Stage::set(name, &directory, &scenario).await;
    for (index, step) in scenario.steps.iter().enumerate() {
        stage.run(index + 1, step).await;
    }
    stage.end(scenario.steps.len()).await;
}

#[test]
fn every_directory_is_a_test() {
    let entries = std::fs::read_dir(directory()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let present: BTreeSet<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let tested: BTreeSet<_> = TESTED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(present, tested, "build the tests again: they are made from the list of directories");
}

#[test]
fn every_scenario_can_be_read() {
    for name in TESTED {
        let scenario = Scenario::read(&directory().join(name));
        assert!(!scenario.about.is_empty() && !scenario.steps.is_empty(), "{name}: a scenario has `about` and `steps`");
        assert!(name.len() <= 40, "{name}: names of Applications and releases are made from it; at most 40 characters");
    }
}
