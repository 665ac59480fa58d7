//! The Application as it is read: typed while something goes on, and the few facts that are asked for at any time.

use std::sync::{Arc, OnceLock};

use application_api::{Application, SourceSet};
use kube_object::{CompactObject, Object, Time};

/// The reading of an Application.
///
/// Typed, an Application takes several times the memory of its bytes, and most are at rest: the typed form is made when it is
/// asked for and dropped when nothing goes on.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The Application as last seen or written.
    object: CompactObject,
    typed: OnceLock<Result<Arc<Application>, String>>,
    /// None when it cannot be read.
    facts: Option<Box<Facts>>,
}

/// What is asked about an Application that is at rest.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) uid: Box<str>,
    pub(crate) project: Box<str>,
    /// Namespace of the destination.
    pub(crate) namespace: Box<str>,
    /// What is synced; none where the spec names nothing.
    pub(crate) sources: Option<Arc<SourceSet>>,
    pub(crate) created_at: Option<Time>,
    pub(crate) is_deleting: bool,
    pub(crate) is_skipped: bool,
    /// An operation is asked for or not at its end.
    pub(crate) is_operating: bool,
    /// Why the status is not about the present spec, if it is not.
    pub(crate) staleness: Option<&'static str>,
}

impl Reading {
    /// Reads an Application, and takes what is kept of it.
    pub(crate) fn of(object: &Object, kept: CompactObject) -> Self {
        let typed = typed(object.clone());
        let facts = typed.as_ref().ok().map(|application| Box::new(Facts::of(application)));
        Self { object: kept, typed: OnceLock::from(typed), facts }
    }

    /// Returns the object.
    pub(crate) fn object(&self) -> &CompactObject {
        &self.object
    }

    /// Returns the typed Application, or why it cannot be read.
    pub(crate) fn typed(&self) -> Result<&Arc<Application>, &str> {
        self.typed.get_or_init(|| typed(self.object.decode())).as_ref().map_err(String::as_str)
    }

    /// Returns what is asked for at any time; none when the Application cannot be read.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts.as_deref()
    }

    /// Drops the typed form until it is asked for again.
    pub(crate) fn rest(&mut self) {
        self.typed = OnceLock::new();
    }
}

/// Reads an Application; who manages its fields is of no interest here.
fn typed(mut object: Object) -> Result<Arc<Application>, String> {
    object.metadata_map_mut().remove("managedFields");
    Application::from_object(&object).map(Arc::new).map_err(|error| error.to_string())
}

impl Facts {
    fn of(application: &Application) -> Self {
        Self {
            uid: application.metadata.uid.as_str().into(),
            project: application.spec.project().into(),
            namespace: application.spec.destination.namespace.as_str().into(),
            sources: SourceSet::of_spec(&application.spec).map(Arc::new),
            created_at: application.metadata.creation_timestamp,
            is_deleting: application.is_deleting(),
            is_skipped: application.is_reconcile_skipped(),
            is_operating: is_operating(application),
            staleness: sync_plan::staleness(application),
        }
    }

    /// Tells whether the Application stays: what it renders is not deleted.
    pub(crate) fn stays(&self) -> bool {
        !self.is_deleting
    }
}

fn is_operating(application: &Application) -> bool {
    let state = application.status.as_ref().and_then(|status| status.operation_state.as_ref());
    application.operation.is_some() || state.is_some_and(|state| !state.phase.is_completed())
}
