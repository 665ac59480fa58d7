//! Spans of reconciliations: what was done for an Application from the moment it became busy until it is idle again.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use application_api::constants::{HOOK_ANNOTATION, SYNC_WAVE_ANNOTATION};
use reconciler::{Answer, AppKey, Call, ClusterRequest, DryRun, Effect, Event, Published};
use serde::Deserialize;
use telemetry::metrics::AppMetrics;
use tokio::time::Instant;
use tracing::{Span, field, info_span};

use crate::labels::Labels;

/// Rules under which an Application waits for something that belongs to its reconciliation.
const WAITS: [&str; 6] =
    ["ResolvingRevision", "Rendering", "ListingKinds", "Sweeping", "DryRunning", "OperationRunning"];

/// The reconciliations under way.
#[derive(Default)]
pub(crate) struct Reconciles {
    open: HashMap<AppKey, Open>,
    /// The commit that was rendered last, by Application.
    revisions: HashMap<AppKey, String>,
}

struct Open {
    span: Span,
    /// The revision that the span shows.
    revision: String,
    since: Instant,
    /// Effects whose outcome has not come.
    outstanding: usize,
    /// Whether the Application waits for something that belongs to the reconciliation.
    waits: bool,
    step: Option<(Step, Span)>,
}

impl Open {
    fn show_revision(&mut self, revision: &str) {
        if self.revision != revision {
            revision.clone_into(&mut self.revision);
            self.span.record("revision", revision);
        }
    }
}

/// A step of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    phase: String,
    wave: i64,
}

impl Reconciles {
    /// Takes note of an effect; returns the span to perform it in.
    pub(crate) fn begin(&mut self, effect: &Effect) -> Span {
        match effect {
            Effect::Render { app, commit, .. } => {
                self.revisions.insert(app.clone(), commit.clone());
                let open = self.busy(app);
                open.show_revision(commit);
                info_span!(parent: &open.span, "render", revision = commit)
            }
            Effect::Request { app, request, .. } => request_span(self.busy(app), request),
            Effect::Write { app, .. } => info_span!(parent: &self.busy(app).span, "write_status"),
            Effect::Reread(app) => info_span!(parent: &self.busy(app).span, "reread"),
            Effect::Publish(published) => {
                self.note(published);
                Span::none()
            }
            Effect::Forget(app) => {
                self.open.remove(app);
                self.revisions.remove(app);
                Span::none()
            }
            Effect::PollRepo { repo, .. } => info_span!(parent: None, "poll", repo = %repo.url),
            _ => Span::none(),
        }
    }

    /// Takes note of an event; returns the span of the comparison that it makes possible, to be kept until that is done.
    pub(crate) fn take(&mut self, event: &Event) -> Option<Span> {
        let (app, compares) = match event {
            Event::Rendered { app, result, .. } => (app, result.is_ok()),
            Event::Answered { app, answer, .. } => (app, matches!(answer, Answer::Tried(_))),
            Event::Written { app, .. } | Event::Reread { app, .. } => (app, false),
            _ => return None,
        };
        let open = self.open.get_mut(app)?;
        open.outstanding = open.outstanding.saturating_sub(1);
        compares.then(|| info_span!(parent: &open.span, "compare"))
    }

    /// Ends the spans of Applications that are idle.
    pub(crate) fn end_idle(&mut self, metrics: &AppMetrics, labels: &Labels) {
        for (app, open) in self.open.extract_if(|_, open| open.outstanding == 0 && !open.waits) {
            let took = open.since.elapsed();
            tracing::debug!(parent: &open.span, ?took, "reconciliation ended");
            metrics.reconciled(&app.namespace, &labels.of(&app).dest_server, took);
        }
    }

    fn busy(&mut self, app: &AppKey) -> &mut Open {
        let revision = self.revisions.get(app);
        let open = self.open.entry(app.clone()).or_insert_with(|| {
            let span = info_span!(parent: None, "reconcile", %app, revision = field::Empty);
            let since = Instant::now();
            let mut open = Open { span, revision: String::new(), since, outstanding: 0, waits: false, step: None };
            open.show_revision(revision.map_or("", String::as_str));
            open
        });
        open.outstanding += 1;
        open
    }

    fn note(&mut self, published: &Published) {
        if let Some(open) = self.open.get_mut(&published.app) {
            let rule = published.why.first().map_or("", |(_, reason)| reason.rule());
            open.waits = WAITS.contains(&rule);
        }
    }
}

fn request_span(open: &mut Open, request: &ClusterRequest) -> Span {
    let ClusterRequest { resource, key, call, .. } = request;
    let (gvk, namespace, name) = (&resource.gvk, &*key.namespace, &*key.name);
    match call {
        Call::DryRun { .. } | Call::Replace { dry_run: DryRun::Yes, .. } => {
            info_span!(parent: &open.span, "dry_run", %gvk, namespace, name)
        }
        Call::Get => info_span!(parent: &open.span, "get", %gvk, namespace, name),
        Call::Apply { object, .. } => {
            let step = step_span(open, step_of(&object.to_json()));
            info_span!(parent: step, "apply", %gvk, namespace, name)
        }
        Call::Replace { object, .. } => {
            let step = step_span(open, step_of(&object.to_json()));
            info_span!(parent: step, "replace", %gvk, namespace, name)
        }
        Call::CreateNamespace => {
            let step = step_span(open, Step::default());
            info_span!(parent: step, "create", %gvk, namespace, name)
        }
        Call::MergePatch(_) => {
            let step = open.step.as_ref().map_or_else(Step::default, |(step, _)| step.clone());
            info_span!(parent: step_span(open, step), "patch", %gvk, namespace, name)
        }
        Call::Delete { .. } => {
            // What is deleted says nothing about its wave any more: it belongs to the step under way.
            let step = open.step.as_ref().map_or_else(Step::default, |(step, _)| step.clone());
            info_span!(parent: step_span(open, step), "delete", %gvk, namespace, name)
        }
    }
}

fn step_span(open: &mut Open, step: Step) -> &Span {
    if open.step.as_ref().is_none_or(|(known, _)| *known != step) {
        let Step { phase, wave } = &step;
        let span = info_span!(parent: &open.span, "sync_step", phase, wave);
        open.step = Some((step, span));
    }
    &open.step.as_ref().expect("set just above").1
}

impl Default for Step {
    fn default() -> Self {
        Self { phase: "Sync".to_owned(), wave: 0 }
    }
}

/// Reads phase and wave from an object's annotations, without decoding the rest of it.
fn step_of(json: &[u8]) -> Step {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Outline<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata<'a> {
        #[serde(borrow)]
        annotations: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    }
    let annotations =
        serde_json::from_slice::<Outline<'_>>(json).unwrap_or_default().metadata.annotations.unwrap_or_default();
    let wave = annotations.get(SYNC_WAVE_ANNOTATION).and_then(|wave| wave.trim().parse().ok());
    let hook = annotations.get(HOOK_ANNOTATION).and_then(|hooks| hooks.split(',').next()).map(str::trim);
    let default = Step::default();
    Step {
        phase: hook.filter(|hook| !hook.is_empty()).map_or(default.phase, str::to_owned),
        wave: wave.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
