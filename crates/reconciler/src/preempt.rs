//! Whether a running operation gives way to a newer commit.

use application_api::Application;
use application_api::constants::PREEMPT_ANNOTATION;
use jiff::Timestamp;
use sync_plan::{SyncInput, give_way, may_give_way, take_down};

use crate::app::AppState;
use crate::operate::Operated;
use crate::spec::Spec;
use crate::state::State;
use crate::status::Draft;

impl State {
    /// Has an operation that waits give way, when it may and a newer commit renders to something else; tells what comes next then.
    pub(crate) fn preempt(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        input: SyncInput,
        now: Timestamp,
    ) -> Result<Operated, SyncInput> {
        let newer = newer_revision(app, application);
        let Some(run) = &mut app.run else { return Err(input) };
        if run.gives_way_to.is_none() {
            run.gives_way_to = newer;
        }
        let Some(newest) = run.gives_way_to.clone() else { return Err(input) };
        let actions = take_down(&input, &mut run.state, now);
        run.stored = false;
        if !actions.is_empty() {
            run.input = Some(input);
            self.act(app, spec, actions, now);
            return Ok(Operated::Busy);
        }
        run.gives_way_to = None;
        run.last_action_at = None;
        run.preflighted = None;
        run.state = give_way(run.state.clone(), &newest);
        let state = Some(run.state.clone());
        Ok(Operated::draft(Draft { state, ..Draft::default() }))
    }
}

/// Returns the newest revision, if the running operation is to give way to it.
fn newer_revision(app: &AppState, application: &Application) -> Option<String> {
    let run = app.run.as_ref()?;
    let operation = &run.state.operation;
    let asked = application.metadata.annotations.get(PREEMPT_ANNOTATION).is_some_and(|value| value == "true");
    // Who names a revision wants that one.
    let names_revision = operation.sync.as_ref().is_some_and(|sync| {
        !operation.initiated_by.automated && !(sync.revision.is_empty() && sync.revisions.is_empty())
    });
    if !(asked || operation.retry.refresh) || names_revision || !may_give_way(&run.state) {
        return None;
    }
    let view = app.operation_view.as_ref()?;
    let is_newer = view.sources == app.main.sources
        && app.main.failed.is_none()
        && view.rendered.as_ref()?.digest != app.main.rendered.as_ref()?.digest;
    is_newer.then(|| app.main.commit.clone())
}
