//! Everything the loop wants done outside.

use std::collections::BTreeSet;
use std::sync::Arc;

use application_api::{PropagationPolicy, Reason, RepoUrl, SourceSet};
use kube_object::{ApiResource, ClusterId, CompactObject, GroupKind, Object, ObjectKey};
use serde_json::Value;

use crate::{AppKey, DeployedRender, Deployment, RenderContext, SourceRepo, Ticket};

/// One thing to do. The shell performs it and, where it has an outcome, feeds the outcome back as an event.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Ask a cluster what it serves.
    Discover(ClusterId),
    /// Watch a kind until told otherwise.
    StartWatch {
        /// The cluster.
        cluster: ClusterId,
        /// The kind.
        resource: ApiResource,
    },
    /// Stop watching a kind.
    StopWatch {
        /// The cluster.
        cluster: ClusterId,
        /// The kind.
        group_kind: GroupKind,
    },
    /// Search all kinds that can be listed for tracked objects.
    Sweep {
        /// The cluster.
        cluster: ClusterId,
        /// The kinds.
        resources: Vec<ApiResource>,
    },
    /// Ask a repository for the commits of revisions.
    PollRepo {
        /// The repository.
        repo: SourceRepo,
        /// Revisions, as written in specs; of charts with their name before it ([`wanted_chart`](crate::wanted_chart)).
        revisions: BTreeSet<String>,
    },
    /// Keep these commits of a Git repository and let all others go.
    PinRevisions {
        /// The repository.
        repo: RepoUrl,
        /// Commits in force.
        commits: BTreeSet<String>,
    },
    /// Forget all repositories but these.
    RetainRepos(BTreeSet<SourceRepo>),
    /// Render the sources of an Application.
    Render {
        /// For which Application.
        app: AppKey,
        /// Which render.
        ticket: Ticket,
        /// Commit; those of several sources [joined](application_api::join_revisions).
        commit: String,
        /// Sources.
        sources: Arc<SourceSet>,
        /// What surrounds them.
        context: Box<RenderContext>,
        /// Whether remembered renders may be used.
        reuse: Reuse,
    },
    /// Keep the renders of exactly these deployments of an Application, as far as they are kept, and keep one more.
    KeepRenders {
        /// The Application.
        app: AppKey,
        /// What its history names.
        deployments: Vec<Deployment>,
        /// The render of one of them.
        render: Option<Box<DeployedRender>>,
    },
    /// Forget what is remembered about an Application, its kept renders included.
    Forget(AppKey),
    /// Send a request to the API server.
    Request {
        /// For which Application.
        app: AppKey,
        /// Which request.
        ticket: Ticket,
        /// The request.
        request: Box<ClusterRequest>,
    },
    /// Write an Application.
    Write {
        /// The Application.
        app: AppKey,
        /// Which write.
        ticket: Ticket,
        /// JSON merge patch; `metadata.resourceVersion` in it is the precondition.
        patch: Box<Value>,
    },
    /// Read an Application again.
    Reread(AppKey),
    /// Create the AppProject `default`, which permits everything, unless it exists.
    CreateDefaultProject(Box<Object>),
    /// Write a Kubernetes Event about an Application.
    Record(Box<Record>),
    /// Show an Application to readers.
    Publish(Box<Published>),
    /// Show readers that a newer commit of an Application was verified to render to what is in force.
    Verified {
        /// The Application.
        app: AppKey,
        /// Commit.
        revision: String,
    },
    /// Show an Application no longer.
    Unpublish(AppKey),
    /// All caches are filled: report ready.
    Ready,
}

/// Whether a render may use what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It may.
    Allowed,
    /// Everything is read and rendered again (`refresh: hard`).
    Never,
}

/// A request to the API server of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterRequest {
    /// The cluster.
    pub cluster: ClusterId,
    /// The kind, in the version of the request.
    pub resource: ApiResource,
    /// Identity of the object.
    pub key: ObjectKey,
    /// In whose name it is sent.
    pub acting_as: ActingAs,
    /// What to do.
    pub call: Call,
}

/// In whose name a request is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ActingAs {
    /// The daemon's own.
    #[default]
    Daemon,
    /// A service account's, by impersonation.
    ServiceAccount {
        /// Namespace of the service account.
        namespace: String,
        /// Name of the service account.
        name: String,
    },
}

/// What a request does.
#[derive(Clone, Debug)]
pub enum Call {
    /// Server-side apply, forced.
    Apply {
        /// The object.
        object: CompactObject,
        /// JSON patch to send first: it moves ownership of fields to our manager.
        migration: Option<Value>,
        /// Whether the server is to check fields strictly.
        validation: Validation,
    },
    /// Try these out one after the other, without storing anything; the answer is [`Answer::Tried`](crate::Answer::Tried).
    DryRun {
        /// The object that an apply sends.
        object: CompactObject,
        /// What to try.
        bodies: Vec<object_diff::DryRunBody>,
        /// Whether the server is to check fields strictly.
        validation: Validation,
    },
    /// Replace the object (`Replace=true`); create it when there is none.
    Replace {
        /// The object, with the resourceVersion that it is to replace; without one it is created.
        object: CompactObject,
        /// Whether the server is to check fields strictly.
        validation: Validation,
        /// Whether it is only tried.
        dry_run: DryRun,
    },
    /// Change the object by a JSON merge patch; `metadata.resourceVersion` in it is the precondition.
    MergePatch(Value),
    /// Read.
    Get,
    /// Create a namespace of this name.
    CreateNamespace,
    /// Delete, if the object is still the one decided about.
    Delete {
        /// Precondition.
        uid: String,
        /// Precondition.
        resource_version: String,
        /// How the delete reaches dependents.
        propagation: PropagationPolicy,
        /// Whether it is only tried.
        dry_run: DryRun,
    },
}

/// Whether a request is only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It is stored.
    No,
    /// Nothing is stored.
    Yes,
}

/// How strictly the API server checks the fields of an apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// Unknown and repeated fields are errors.
    #[default]
    Strict,
    /// Unknown fields are dropped (`Validate=false`).
    Ignore,
}

/// A Kubernetes Event about an Application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The Application.
    pub app: AppKey,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Reason, such as `OperationStarted`.
    pub reason: &'static str,
    /// Message.
    pub message: String,
    /// Normal or Warning.
    pub severity: Severity,
    /// Destination server, as an annotation.
    pub dest_server: String,
    /// Destination namespace, as an annotation.
    pub dest_namespace: String,
}

/// Type of a Kubernetes Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// `Normal`.
    Normal,
    /// `Warning`.
    Warning,
}

/// An Application as readers see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The Application.
    pub app: AppKey,
    /// Its JSON as stored.
    pub object: CompactObject,
    /// The commit last verified, which may be newer than `status.sync.revision`.
    pub verified_revision: Option<String>,
    /// Repository, normalised and without credentials.
    pub repo: Option<RepoUrl>,
    /// Why it is as it is: the rule that decided, and the object it is about; none for the Application as a whole.
    pub why: Vec<(Option<Box<str>>, Reason)>,
}
