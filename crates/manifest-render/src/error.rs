use std::fmt;

use application_api::{PatternError, SpecError};
use git_source::{Remedy, TreeError};
use kube_yaml::DecodeError;

use crate::supplies::Unmet;
use crate::{FileProblem, Need, WorkerFault};

/// Rendering a source failed. Nothing may be concluded about the objects that it wants.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The source's own fields contradict each other.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The source needs a tool that is not built in.
    #[error("{tool} is not supported yet: {why}")]
    UnsupportedSource {
        /// The tool.
        tool: Tool,
        /// The field or file that asks for it.
        why: String,
    },
    /// `directory.include` or `directory.exclude` is not a glob.
    #[error("spec.source.directory.{field}: {source}; correct the glob")]
    Glob {
        /// `include` or `exclude`.
        field: &'static str,
        /// What is wrong with it.
        source: PatternError,
    },
    /// `path` does not name a directory of the repository.
    #[error("{path}: {problem}")]
    Path {
        /// The path as written.
        path: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// A symbolic link leads out of the repository.
    #[error("repository contains out-of-bounds symlinks. file: {file}")]
    OutOfBoundsSymlink {
        /// The link.
        file: String,
    },
    /// A chain of symbolic links does not end.
    #[error("{file}: the symbolic link leads to itself, or through more than {most} links; make it point at a file")]
    SymlinkLoop {
        /// The first link.
        file: String,
        /// How many links are followed.
        most: usize,
    },
    /// A symbolic link of a chart leads to nothing.
    #[error("{file}: the symbolic link leads to {target}, where nothing is; remove it, or commit what it leads to")]
    DanglingSymlink {
        /// The link.
        file: String,
        /// Where it leads.
        target: String,
    },
    /// A directory that is read belongs to another repository.
    #[error(
        "{path}: the directory is a Git submodule, whose files are not read yet; move the manifests into this repository"
    )]
    Submodule {
        /// The directory.
        path: String,
    },
    /// A file holds a pointer instead of its content.
    #[error("{file}: the file is kept in Git LFS, whose files are not read yet; commit the manifest itself")]
    LargeFileStorage {
        /// The file.
        file: String,
    },
    /// A manifest does not parse.
    #[error("Failed to unmarshal {name:?}: {source}")]
    Decode {
        /// Name of the file, without its directory.
        name: String,
        /// Where and why.
        source: DecodeError,
    },
    /// A document is not an object that Kubernetes could take.
    #[error("{file}:{line}: {problem}; every object needs apiVersion, kind and metadata.name or metadata.generateName")]
    Object {
        /// The file.
        file: String,
        /// Line of the document, from 1.
        line: u32,
        /// What is missing.
        problem: String,
    },
    /// What Helm or Kustomize printed does not parse.
    #[error("{file}: what the tool made of it does not parse (line {line} of it): {source}")]
    Output {
        /// The template or kustomization.
        file: String,
        /// Line in what it came to.
        line: u32,
        /// Why.
        source: DecodeError,
    },
    /// Helm or Kustomize refuse the source; the message is theirs.
    #[error("{tool}: {message}")]
    Tool {
        /// Which.
        tool: Tool,
        /// Why.
        message: String,
    },
    /// A file that the options of the source name cannot be used.
    #[error("{file}: {problem}")]
    File {
        /// The file as written, variables replaced.
        file: String,
        /// What is wrong with it.
        problem: FileProblem,
    },
    /// A file that changes the source cannot be used.
    #[error("{file}: {problem}; correct the file, or remove it")]
    Override {
        /// The file.
        file: String,
        /// Why.
        problem: String,
    },
    /// The source asks for a version of a tool that is not there.
    #[error(
        "spec.source.{field}: version {version} is not registered; remove the field to render with the built-in version"
    )]
    ToolVersion {
        /// The field.
        field: &'static str,
        /// The version.
        version: String,
    },
    /// The settings ask for an option of `kustomize build` that is not there.
    #[error("kustomize.buildOptions in argocd-cm: {option} is not supported yet")]
    BuildOption {
        /// The option.
        option: String,
    },
    /// The dependencies of a chart cannot be told.
    #[error("{chart}: {problem}")]
    Dependencies {
        /// Directory of the chart.
        chart: String,
        /// What is wrong.
        problem: String,
    },
    /// Things from elsewhere have to be got first, and the render tried again with them.
    #[error("not got yet: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Needs(Vec<Need>),
    /// Something from elsewhere could not be got.
    #[error("{need}: {message}")]
    Unmet {
        /// What.
        need: Need,
        /// Why.
        message: String,
        /// What to do about it.
        remedy: Remedy,
    },
    /// The worker that runs Helm and Kustomize gave no answer.
    #[error("{tool}: {source}")]
    Worker {
        /// What it was to run.
        tool: Tool,
        /// What happened to it.
        source: WorkerFault,
    },
    /// The render panicked.
    #[error("rendering broke off, which is a defect: {0}")]
    BrokeOff(String),
    /// The source is larger than allowed.
    #[error("{path}: {what} exceeds the limit of {limit}; {}", .what.advice())]
    Limit {
        /// The file or directory where the limit was reached.
        path: String,
        /// What was counted.
        what: Counted,
        /// The limit.
        limit: u64,
    },
    /// The repository could not be read.
    #[error("reading {path:?}: {source}")]
    Tree {
        /// The path that was read.
        path: String,
        /// Why it failed.
        source: TreeError,
    },
}

impl RenderError {
    /// Answers what to do about the error.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Tree { source, .. } => source.remedy(),
            Self::Worker { .. } | Self::Needs(_) => Remedy::Retry,
            Self::Unmet { remedy, .. } => *remedy,
            _ => Remedy::WaitForChange,
        }
    }

    /// Tells whether the application's spec is at fault (`InvalidSpecError`), not the content of the repository
    /// (`ComparisonError`). An unsupported tool counts as the former: nothing can be compared.
    pub fn is_invalid_spec(&self) -> bool {
        matches!(
            self,
            Self::Spec(_)
                | Self::UnsupportedSource { .. }
                | Self::Glob { .. }
                | Self::ToolVersion { .. }
                | Self::BuildOption { .. }
        )
    }

    /// Tells whether the render took more time or memory than is allowed, so that trying again soon would do harm.
    pub fn is_overrun(&self) -> bool {
        matches!(self, Self::Worker { source: WorkerFault::TimedOut(_) | WorkerFault::Memory(_), .. })
    }
}

impl From<Unmet> for RenderError {
    fn from(unmet: Unmet) -> Self {
        let Unmet { need, message, remedy } = unmet;
        Self::Unmet { need, message, remedy }
    }
}

/// What is wrong with the path of an application; the words are Argo CD's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// It starts with a slash.
    #[error("app path is absolute")]
    Absolute,
    /// It leads out of the repository.
    #[error("app path outside root")]
    OutsideRoot,
    /// Nothing is there.
    #[error("app path does not exist")]
    Missing,
    /// A file is there.
    #[error("app path is not a directory")]
    NotADirectory,
}

/// What a render has bounds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Counted {
    /// Levels of directories below the application's.
    #[error("the depth of directories")]
    Depth,
    /// Entries of directories.
    #[error("the number of files and directories")]
    Entries,
    /// Files that are read.
    #[error("the number of files")]
    Files,
    /// Bytes of one file.
    #[error("the size of the file")]
    FileBytes,
    /// Bytes of all files.
    #[error("the combined size of the manifest files")]
    CombinedBytes,
    /// Bytes of all files that a tool read.
    #[error("the combined size of the files that the tool reads")]
    ToolBytes,
    /// Bytes of what a tool printed.
    #[error("the size of the rendered manifests")]
    OutputBytes,
    /// Objects in all files.
    #[error("the number of objects")]
    Objects,
}

impl Counted {
    fn advice(self) -> &'static str {
        match self {
            Self::Depth => "move the manifests up",
            Self::Entries | Self::Files | Self::Objects | Self::ToolBytes | Self::OutputBytes => {
                "split the application"
            }
            Self::FileBytes => {
                "split the file, or raise reposerver.max.combined.directory.manifests.size in argocd-cmd-params-cm"
            }
            Self::CombinedBytes => {
                "split the application, or raise reposerver.max.combined.directory.manifests.size in argocd-cmd-params-cm"
            }
        }
    }
}

/// A tool that renders manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Helm charts.
    Helm,
    /// Kustomizations.
    Kustomize,
    /// Jsonnet files.
    Jsonnet,
    /// Config management plugins.
    Plugin,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Helm => "Helm",
            Self::Kustomize => "Kustomize",
            Self::Jsonnet => "Jsonnet",
            Self::Plugin => "a config management plugin",
        })
    }
}
