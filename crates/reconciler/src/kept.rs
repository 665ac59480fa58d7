//! What was deployed once and may be needed again while its repository cannot be read: for a rollback, and for healing after a start.

use application_api::{Application, RevisionHistory, SourceSet, join_revisions};
use jiff::{SignedDuration, Timestamp};
use kube_object::Time;

use crate::app::{AppState, View};
use crate::repos::Doubt;
use crate::{Effect, RenderContext, RenderFailure, RenderedIn, Rendering};

/// How long a render that was kept of another context stays in force once its repository answers, before rendering is tried again.
const RENDER_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// What an entry of the history deployed.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Sources.
    pub sources: SourceSet,
    /// Their commits or versions, [joined](application_api::join_revisions).
    pub revision: String,
}

/// A render that was deployed.
#[derive(Clone, Debug)]
pub struct DeployedRender {
    /// What it is of.
    pub deployment: Deployment,
    /// The render.
    pub rendering: Rendering,
    /// The context that it was made in, where it depends on that.
    pub context: Option<Box<RenderContext>>,
    /// Whether one that is kept already is replaced.
    pub mode: KeepMode,
}

/// What happens to a render that is kept already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepMode {
    /// It is replaced: the same revision was deployed once more.
    Replace,
    /// It stays.
    IfMissing,
}

/// Tells one history of an Application from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistoryMark {
    entries: usize,
    last: Option<(i64, Time)>,
}

/// What there is to know about kept renders in a desired state.
#[derive(Debug, Default)]
pub(crate) struct KeptRender {
    /// Since when the render in force is one that was kept of another context.
    of_another_context: Option<Timestamp>,
    /// The recorded commit that nobody could read after the start: the last deployment stands for it.
    unread: String,
}

impl Deployment {
    fn of(entry: &RevisionHistory) -> Self {
        let revision = match &entry.revisions[..] {
            [] => entry.revision.clone(),
            revisions => join_revisions(revisions.iter().map(String::as_str)),
        };
        let sources = match &entry.sources[..] {
            [] => SourceSet::single(entry.source.clone()),
            sources => SourceSet::list(sources.to_vec()),
        };
        Self { sources, revision }
    }
}

impl HistoryMark {
    fn of(history: &[RevisionHistory]) -> Self {
        Self { entries: history.len(), last: history.last().map(|last| (last.id, last.deployed_at)) }
    }
}

impl KeptRender {
    pub(crate) fn is_of_another_context(&self) -> bool {
        self.of_another_context.is_some()
    }
}

/// Asks for the renders of the history to be kept, when that has changed or is seen for the first time.
///
/// The render of its last entry is handed over where it is at hand: the one that the operation worked with, or the one in force.
pub(crate) fn keep_renders(app: &mut AppState) -> Option<Effect> {
    if app.main.rendered.is_none() && app.operation_view.is_none() {
        return None;
    }
    let application = app.reading.typed().ok()?;
    let history = application.status.as_ref().map(|status| &status.history[..]).unwrap_or_default();
    let mark = HistoryMark::of(history);
    let before = app.kept_history.replace(mark);
    if before == Some(mark) || before.is_none() && history.is_empty() {
        return None;
    }
    let mode = if before.is_some() { KeepMode::Replace } else { KeepMode::IfMissing };
    let deployments: Vec<Deployment> = history.iter().map(Deployment::of).collect();
    let views = app.operation_view.as_deref().into_iter().chain([&app.main]);
    let render = deployments.last().and_then(|last| {
        let (rendering, context) = views.into_iter().find_map(|view| view.render_of(last))?;
        Some(Box::new(DeployedRender { deployment: last.clone(), rendering, context, mode }))
    });
    Some(Effect::KeepRenders { app: app.key.clone(), deployments, render })
}

/// Returns the joined revision where the history names it, of equal sources: it is concrete, whatever the repository says by now.
pub(crate) fn deployed(application: &Application, sources: &SourceSet, revision: &str) -> Option<String> {
    let history = application.status.as_ref().map(|status| &status.history[..]).unwrap_or_default();
    let mut all = history.iter().map(Deployment::of);
    all.find(|entry| entry.revision == revision && entry.sources == *sources).map(|entry| entry.revision)
}

/// Says why a desired state is not there; of one whose revision could not be looked up, that says more.
pub(crate) fn not_kept(unresolved: Option<String>, message: &str) -> String {
    match unresolved {
        Some(unresolved) => format!("{unresolved}; what was deployed of this revision is not kept either"),
        None => message.to_owned(),
    }
}

/// Returns the commit to render while the repository cannot be read: the recorded one, or, where that cannot be read either, the one
/// of the last deployment.
pub(crate) fn readable(view: &mut View, recorded: String, application: &Application, sources: &SourceSet) -> String {
    let is_unread =
        |commit: &str, failure: &RenderFailure| commit == recorded && matches!(failure, RenderFailure::Unavailable(_));
    if view.failed.as_ref().is_some_and(|failed| is_unread(&failed.commit, &failed.failure)) {
        view.kept.unread.clone_from(&recorded);
    }
    if recorded.is_empty() || view.kept.unread != recorded {
        return recorded;
    }
    last_deployment(application, sources).unwrap_or(recorded)
}

/// Returns the revision of the last deployment of sources, unless an operation after it may have left something else behind.
fn last_deployment(application: &Application, sources: &SourceSet) -> Option<String> {
    let status = application.status.as_ref()?;
    let last = Deployment::of(status.history.last()?);
    let is_last = status.operation_state.as_ref().is_none_or(|state| {
        let is_tried = state.operation.sync.as_ref().is_some_and(|sync| sync.dry_run);
        let result = state.sync_result.as_ref();
        is_tried
            || result.is_none_or(|result| {
                result.joined_revision() == last.revision && SourceSet::of_result(result) == last.sources
            })
    });
    (is_last && last.sources == *sources && !last.revision.is_empty()).then_some(last.revision)
}

impl View {
    /// Returns the render of a deployment, with the context that it depends on, where it is in force here beyond doubt.
    fn render_of(&self, deployment: &Deployment) -> Option<(Rendering, Option<Box<RenderContext>>)> {
        let is_it = [&self.commit, &self.verified].contains(&&deployment.revision)
            && *self.sources == deployment.sources
            && !self.is_doubted
            && !self.kept.is_of_another_context();
        let manifests = self.rendered.clone().filter(|_| is_it)?;
        let dependence = match self.depends_on {
            Some(_) => crate::Dependence::Context,
            None => crate::Dependence::FilesOnly,
        };
        let rendering = Rendering {
            manifests,
            source_types: self.source_types.clone(),
            dependence,
            stability: self.stability,
            chart_repositories: self.chart_repositories.clone(),
            rendered_in: RenderedIn::TheContext,
        };
        Some((rendering, self.depends_on.clone()))
    }

    /// Takes a render of another context only where there is nothing better.
    pub(crate) fn admit(&mut self, mut rendering: Rendering, now: Timestamp) -> Result<Rendering, RenderFailure> {
        match std::mem::take(&mut rendering.rendered_in) {
            RenderedIn::TheContext => self.kept.of_another_context = None,
            RenderedIn::Another { failure } if self.rendered.is_some() && !self.kept.is_of_another_context() => {
                return Err(failure);
            }
            RenderedIn::Another { .. } => self.kept.of_another_context = Some(now),
        }
        Ok(rendering)
    }
}

impl AppState {
    /// Takes in that the repositories of its sources have answered, all of them at the last poll or not: what stands in for them goes.
    pub(crate) fn note_answer(&mut self, doubt: Option<&(usize, Doubt)>, now: Timestamp) {
        self.main.kept.unread.clear();
        if doubt.is_some() {
            return;
        }
        let Some(since) = self.main.kept.of_another_context else { return };
        let again = since + RENDER_AGAIN;
        if again <= now {
            self.main.is_doubted = true;
        } else {
            self.wake(again);
        }
    }
}
