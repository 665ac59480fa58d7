//! Whether the sync windows of the project let a sync begin or go on.

use application_api::{Application, Operation, Reason};
use jiff::Timestamp;
use sync_plan::{SyncedBy, WindowSubject};

use crate::app::AppState;
use crate::spec::Spec;
use crate::state::State;
use crate::status::Draft;

/// What an operation says that waits for its time; in Argo CD's words.
const BLOCKED: &str = "Sync operation blocked by sync window";

impl State {
    /// Returns why an operation has to wait for its time, if it has to; the Application is looked at again then.
    pub(crate) fn blocked_by_window(
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        operation: &Operation,
        now: Timestamp,
    ) -> Option<Reason> {
        let windows = &spec.project.windows;
        if windows.is_empty() {
            return None;
        }
        let subject = WindowSubject {
            application: &application.metadata.name,
            namespace: &spec.namespace,
            server: spec.cluster.as_str(),
            cluster: &spec.server_name,
        };
        let by = if operation.initiated_by.automated { SyncedBy::Automation } else { SyncedBy::Person };
        let started_at = app.run.as_ref().map(|run| run.state.started_at.timestamp());
        let block = windows.block(subject, by, started_at, now)?;
        if let Some(until) = block.until {
            app.wake(until);
        }
        Some(Reason::BlockedByWindow { windows: block.windows, until: block.until })
    }

    /// Holds a running operation while the windows are against it.
    pub(crate) fn hold_for_window(
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        now: Timestamp,
    ) -> Option<Draft> {
        let operation = app.run.as_ref()?.state.operation.clone();
        let reason = Self::blocked_by_window(app, application, spec, &operation, now)?;
        app.reason = Some(reason);
        let run = app.run.as_mut()?;
        if run.state.message != BLOCKED {
            BLOCKED.clone_into(&mut run.state.message);
            run.stored = false;
        }
        Some(Draft { state: (!run.stored).then(|| run.state.clone()), ..Draft::default() })
    }
}
