//! What a `scenario.yaml` holds.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::yaml;

/// A scenario as its file says, placeholders not filled in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Scenario {
    /// What the scenario shows, in a sentence.
    pub(super) about: String,
    /// How the daemon is started.
    #[serde(default)]
    pub(super) daemon: DaemonSetup,
    /// The kinds that objects are named by, besides the built-in ones.
    #[serde(default)]
    pub(super) kinds: Vec<NamedKind>,
    /// What happens, one after the other.
    pub(super) steps: Vec<Value>,
}

/// Flags and variables of the daemon, besides those of the harness.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DaemonSetup {
    #[serde(default)]
    pub(super) flags: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
}

/// A kind that a scenario brings itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NamedKind {
    pub(super) api_version: String,
    pub(super) kind: String,
}

/// A step. Objects are named as `Kind/name` or `Kind/namespace/name`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// Makes the files of a directory those of the repository's `app/`, and commits.
    Commit(String),
    /// Applies the documents of a file.
    Apply(String),
    /// Changes live objects by merge patches.
    Edit(BTreeMap<String, Value>),
    /// Requests an operation of Applications, as Argo CD's API does.
    Operation(BTreeMap<String, Value>),
    /// Asks for a refresh of Applications.
    Refresh(Objects),
    /// Deletes objects.
    Delete(Objects),
    /// Lets pending pods of a workload run.
    Release(String),
    /// Lets pending or running pods of a workload fail.
    Fail(String),
    /// Kills a program as a power cut would.
    Kill(Program),
    /// Starts a program that was killed.
    Start(Program),
    /// Ends a program and starts it again.
    Restart(Program),
    /// Waits until objects are as described.
    Expect(BTreeMap<String, Value>),
    /// Waits until objects do not exist.
    Gone(Objects),
    /// Checks that objects are as described, without waiting.
    Still(BTreeMap<String, Value>),
    /// Checks that objects do not exist, without waiting.
    Absent(Objects),
    /// Checks that changes were recorded in this order, others in between.
    Order(Vec<String>),
    /// Checks how often changes were recorded, here and again at the end of the scenario.
    Count(BTreeMap<String, usize>),
}

/// One object or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Objects {
    One(String),
    Many(Vec<String>),
}

impl Objects {
    pub(super) fn all(&self) -> Vec<&str> {
        match self {
            Self::One(object) => vec![object],
            Self::Many(objects) => objects.iter().map(String::as_str).collect(),
        }
    }
}

/// What can be killed and started.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Program {
    Daemon,
}

impl Scenario {
    /// Reads the scenario of a directory.
    ///
    /// # Panics
    /// If it is not as documented; the message names the file and the step.
    pub(super) fn read(directory: &Path) -> Self {
        let file = directory.join("scenario.yaml");
        let text = std::fs::read(&file).unwrap_or_else(|e| panic!("read {}: {e}", file.display()));
        let mut documents = yaml::documents(&text);
        assert_eq!(documents.len(), 1, "{}: a scenario is one document", file.display());
        let scenario: Self =
            serde_json::from_value(documents.remove(0)).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for (index, step) in scenario.steps.iter().enumerate() {
            Step::read(step).unwrap_or_else(|e| panic!("{}: step {}: {e}", file.display(), index + 1));
        }
        scenario
    }

    /// Gives the references to objects whose changes are to be recorded.
    pub(super) fn recorded(&self) -> Vec<String> {
        let steps = self.steps.iter().filter_map(|step| Step::read(step).ok());
        let entries = steps.flat_map(|step| match step {
            Step::Order(entries) => entries,
            Step::Count(counts) => counts.into_keys().collect(),
            _ => Vec::new(),
        });
        entries.filter_map(|entry| Some(entry.split_once(' ')?.1.to_owned())).collect()
    }
}

impl Step {
    /// Reads a step.
    pub(super) fn read(step: &Value) -> Result<Self, String> {
        serde_json::from_value(step.clone()).map_err(|e| format!("{e} in {step}"))
    }
}
