//! What the daemon and the worker say to each other (`PROTOCOL.md`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the protocol; both sides must have the same.
pub(super) const VERSION: u32 = 1;

/// Kinds of frames from the daemon.
pub(super) mod to_worker {
    pub(crate) const HELLO: u8 = 1;
    pub(crate) const RENDER: u8 = 2;
    pub(crate) const ANSWER: u8 = 3;
}

/// Kinds of frames from the worker.
pub(super) mod from_worker {
    pub(crate) const HELLO: u8 = 1;
    pub(crate) const LOOK_UP: u8 = 2;
    pub(crate) const RENDERED: u8 = 3;
    pub(crate) const FAILED: u8 = 4;
}

/// The daemon's hello.
#[derive(Debug, Serialize)]
pub(super) struct Hello {
    pub(super) protocol: u32,
}

/// The worker's hello.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkerHello {
    pub(super) protocol: u32,
    #[serde(default)]
    pub(super) helm: String,
    #[serde(default)]
    pub(super) kustomize: String,
}

/// What to render.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    pub(crate) limits: Limits,
    pub(crate) helm: Option<HelmJob>,
    pub(crate) kustomize: Option<KustomizeJob>,
    pub(crate) jsonnet: Option<JsonnetJob>,
}

impl Job {
    /// Makes a job in which nothing is asked for yet.
    pub(crate) fn new(workers: &super::RenderWorkers) -> Self {
        Self { limits: workers.limits(), helm: None, kustomize: None, jsonnet: None }
    }
}

/// Bounds on a render.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits {
    pub(crate) output_bytes: usize,
}

/// A chart with its values.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HelmJob {
    pub(crate) chart: String,
    pub(crate) release_name: String,
    pub(crate) namespace: String,
    pub(crate) kube_version: String,
    pub(crate) api_versions: Vec<String>,
    pub(crate) value_files: Vec<String>,
    pub(crate) values: String,
    pub(crate) parameters: Vec<HelmValue>,
    pub(crate) file_parameters: Vec<HelmFile>,
    pub(crate) skip_crds: bool,
    pub(crate) skip_tests: bool,
    pub(crate) skip_schema_validation: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) dependencies: Vec<HelmDependency>,
}

/// A chart that another depends on: an archive or a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HelmDependency {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// A value as with `--set` or `--set-string`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HelmValue {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) string: bool,
}

/// A value as with `--set-file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HelmFile {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// A kustomization with what an Application changes about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KustomizeJob {
    pub(crate) path: String,
    pub(crate) edits: Vec<Vec<String>>,
    pub(crate) patches: Vec<KustomizePatch>,
    pub(crate) load_restrictions: &'static str,
    pub(crate) remotes: BTreeMap<String, String>,
    /// Set where charts may be inflated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) helm: Option<InflationJob>,
    /// Archives of charts, by [`ChartReference::key`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) charts: BTreeMap<String, String>,
}

/// What charts in kustomizations are rendered with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InflationJob {
    pub(crate) kube_version: String,
    pub(crate) api_versions: Vec<String>,
}

/// A chart that a kustomization names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChartReference {
    pub(crate) repo: String,
    pub(crate) name: String,
    pub(crate) version: String,
}

impl ChartReference {
    pub(crate) fn key(&self) -> String {
        format!("{}|{}|{}", self.repo, self.name, self.version)
    }
}

/// A patch of a kustomization.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct KustomizePatch {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) patch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) options: Option<Value>,
}

/// A Jsonnet file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonnetJob {
    pub(crate) path: String,
    pub(crate) ext_vars: Vec<JsonnetValue>,
    pub(crate) tlas: Vec<JsonnetValue>,
    pub(crate) libs: Vec<String>,
}

/// A variable for Jsonnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct JsonnetValue {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) code: bool,
}

/// A question of the worker about files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookUp {
    pub(crate) op: Operation,
    pub(crate) path: String,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Operation {
    /// The content of a file.
    Read,
    /// Whether something is there.
    Stat,
    /// The entries of a directory.
    List,
    /// All files below a directory.
    Tree,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing is there.
    Nothing,
    /// A file, with its content where that was asked for.
    File(Vec<u8>),
    /// A directory, with what was asked of it as JSON.
    Directory(Vec<u8>),
    /// The question cannot be answered.
    Failed(String),
    /// A file or directory that links lead to.
    Elsewhere {
        /// Where it is.
        path: String,
        /// What it is.
        found: Box<Found>,
    },
}

/// Added to the outcome of what links lead to.
const ELSEWHERE: u8 = 16;

impl Found {
    /// Writes the outcome and the content.
    pub(super) fn encode(&self) -> (u8, Cow<'_, [u8]>) {
        match self {
            Self::Nothing => (0, Cow::default()),
            Self::File(content) => (1, content.into()),
            Self::Directory(content) => (2, content.into()),
            Self::Failed(message) => (3, message.as_bytes().into()),
            Self::Elsewhere { path, found } => {
                let (outcome, content) = found.encode();
                // A path of a repository is far shorter; one that is not says nothing.
                let Ok(length) = u16::try_from(path.len()) else { return (outcome, content) };
                let content = [&length.to_be_bytes(), path.as_bytes(), &content].concat();
                (outcome + ELSEWHERE, content.into())
            }
        }
    }
}

/// A finished render.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rendered {
    pub(crate) output: String,
    pub(crate) warnings: Vec<String>,
    pub(crate) unstable: bool,
}

/// A render that failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failed {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) remotes: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) charts: Option<Vec<ChartReference>>,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FailureKind {
    /// The chart's, the overlay's or the values'.
    Content,
    /// A chart lacks dependencies.
    Dependencies,
    /// Remote resources must be fetched first.
    Remotes,
    /// Charts must be fetched first.
    Charts,
    /// A question could not be answered.
    Lookup,
    /// The output is too large.
    Limit,
    /// The library broke off.
    Internal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_read_as_written_down() {
        let lookup: LookUp = serde_json::from_str(r#"{"op":"tree","path":"/chart"}"#).unwrap();
        assert_eq!(lookup, LookUp { op: Operation::Tree, path: "/chart".to_owned() });
        assert!(serde_json::from_str::<LookUp>(r#"{"op":"write","path":"/chart"}"#).is_err());
        let failed: Failed = serde_json::from_str(r#"{"kind":"remotes","message":"m","remotes":["a"]}"#).unwrap();
        assert_eq!(failed.remotes, Some(vec!["a".to_owned()]));
        assert!(serde_json::from_str::<Rendered>(r#"{"output":"","other":1}"#).is_err());
        let linked = Found::Elsewhere { path: "/a".to_owned(), found: Box::new(Found::File(b"x".to_vec())) };
        assert_eq!(linked.encode(), (17, b"\0\x02/ax".into()));
    }
}
