//! Everything that can wake the loop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use application_api::RepoUrl;
use jiff::Timestamp;
use kube_object::{ApiError, ApiResources, ClusterId, Gvk, InstanceName, Object};
use settings::Settings;

use crate::{AppKey, Rendering, SourceRepo, Ticket};

/// One thing that happened outside.
#[derive(Clone, Debug)]
pub enum Event {
    /// A wake-up time has come.
    Tick,
    /// This daemon became the one that acts, or is no longer.
    Leadership(Leadership),
    /// The settings were read, or read again.
    Settings(Arc<Settings>),
    /// Discovery answered.
    Discovered {
        /// The cluster asked.
        cluster: ClusterId,
        /// What it serves, or why it could not be asked.
        result: Result<Box<ApiResources>, ApiError>,
    },
    /// A watch reports.
    Watch {
        /// The cluster watched.
        cluster: ClusterId,
        /// The kind watched, in the version watched.
        gvk: Gvk,
        /// What it reports.
        change: WatchChange,
    },
    /// A search through all kinds ended.
    Swept {
        /// The cluster searched.
        cluster: ClusterId,
        /// When it began.
        started_at: Timestamp,
        /// Kinds in which objects of each Application were found.
        found: BTreeMap<InstanceName, BTreeSet<Gvk>>,
        /// Kinds that could not be listed, with why.
        failed: Vec<(Gvk, ApiError)>,
    },
    /// A poll of a repository ended.
    RepoPolled {
        /// The repository.
        repo: SourceRepo,
        /// When the poll began.
        started_at: Timestamp,
        /// The commit of each revision asked for, or why there is none; or why the repository could not be read.
        result: Result<BTreeMap<String, Result<String, String>>, RepoFailure>,
    },
    /// Somebody says that a Git repository has changed.
    RepoChanged(RepoUrl),
    /// A render ended.
    Rendered {
        /// For which Application.
        app: AppKey,
        /// Which render.
        ticket: Ticket,
        /// What it rendered to, or why it failed.
        result: Result<Rendering, RenderFailure>,
    },
    /// The API server answered a request.
    Answered {
        /// For which Application.
        app: AppKey,
        /// Which request.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// The API server answered a write to an Application.
    Written {
        /// The Application.
        app: AppKey,
        /// Which write.
        ticket: Ticket,
        /// The Application after the write, or why it failed.
        result: Result<Box<Object>, ApiError>,
    },
    /// An Application was read again after a conflict; none when it is gone.
    Reread {
        /// The Application.
        app: AppKey,
        /// The Application as it is, or why it could not be read.
        result: Result<Option<Box<Object>>, ApiError>,
    },
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// Another daemon, or nobody yet.
    Following {
        /// Identity of the one who acts; empty when nobody does.
        holder: String,
    },
    /// This daemon.
    Leading,
}

/// What a watch reports.
#[derive(Clone, Debug)]
pub enum WatchChange {
    /// A full list begins.
    Restarted,
    /// An object exists or changed.
    Object(Box<Object>),
    /// The full list is complete, at this resourceVersion.
    Listed(String),
    /// An object is gone.
    Deleted(Box<Object>),
    /// The kind is not served any more.
    KindGone,
    /// The watch goes on after a failure.
    Resumed,
    /// The watch cannot be kept at present; it goes on trying.
    Failed(ApiError),
}

/// Why a repository could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoFailure {
    /// What failed, without credentials.
    pub message: String,
}

/// Why a render failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderFailure {
    /// The source asks for something that is not supported; it becomes an `InvalidSpecError`.
    Unsupported(String),
    /// The content of the repository is wrong; it becomes a `ComparisonError` until the content changes.
    Content(String),
    /// The sources need charts of repositories that the project does not permit; it becomes a `ComparisonError` until the project
    /// or the content changes.
    Forbidden(String),
    /// The commit could not be read; it is tried again.
    Unavailable(String),
    /// Rendering took more time or memory than it may; it is tried again after long, because each try harms others.
    Overrun(String),
}

/// The API server's answer to a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An object, as read or applied.
    Object(Box<Object>),
    /// What each dry run said.
    Tried(Vec<Result<Object, ApiError>>),
    /// The object does not exist.
    NotFound(ApiError),
    /// The object is gone after the delete.
    Gone,
    /// The object goes when its finalizers are done.
    Deleting(Box<Object>),
    /// The request failed.
    Failed(ApiError),
}
