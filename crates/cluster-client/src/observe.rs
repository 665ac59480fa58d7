use std::fmt;
use std::time::Duration;

use kube_object::ApiResource;

/// Is told of every request when its answer, or the lack of one, is known; metrics are made of it.
///
/// Called on the task that made the request: it must not block.
pub trait RequestObserver: Send + Sync {
    /// Takes note of one finished request.
    fn observe(&self, request: &ObservedRequest<'_>);

    /// Takes note of one event of a watch that could not be read and was skipped.
    fn skipped_event(&self, resource: &ApiResource) {
        let _ = resource;
    }
}

/// One finished request, without its content.
#[derive(Clone, Debug)]
pub struct ObservedRequest<'a> {
    /// What was asked.
    pub verb: Verb,
    /// The kind it was about; none for discovery.
    pub resource: Option<&'a ApiResource>,
    /// Namespace; empty for cluster-scoped objects and for all namespaces.
    pub namespace: &'a str,
    /// HTTP status of the answer; 0 when none came.
    pub code: u16,
    /// Whether nothing was to be stored.
    pub dry_run: crate::DryRun,
    /// From sending to the end of the answer; for a watch to its beginning. Time spent waiting for a turn is left out.
    pub duration: Duration,
}

/// What a request asks of the API server, in the words of Argo CD's request metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Reads one object, or a discovery document.
    Get,
    /// Reads a page of objects.
    List,
    /// Opens a watch.
    Watch,
    /// Creates an object.
    Create,
    /// Replaces an object.
    Update,
    /// Patches an object; server-side apply is one.
    Patch,
    /// Deletes an object.
    Delete,
}

impl Verb {
    /// Returns the verb as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "Get",
            Self::List => "List",
            Self::Watch => "Watch",
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Patch => "Patch",
            Self::Delete => "Delete",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Observes nothing.
pub(crate) struct NoObserver;

impl RequestObserver for NoObserver {
    fn observe(&self, _: &ObservedRequest<'_>) {}
}
