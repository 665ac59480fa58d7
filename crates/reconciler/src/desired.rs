//! The desired state of an Application: revision → commit → render → targets, each asked for when it is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use app_compare::{TargetContext, TargetKind};
use application_api::{Application, ApplicationStatus, ConditionType, Reason, SourceSet, SourceType, join_revisions};
use jiff::{SignedDuration, Timestamp};
use kube_object::{Gvk, Stability};

use crate::app::{AppState, FailedRender, RenderUnderWay, TargetsKey, View};
use crate::kept;
use crate::pass::Permission;
use crate::rendering::{Wanted, request_render};
use crate::repos::Doubt;
use crate::sources::{SetLookup, commits, of_source, places, target_revisions};
use crate::spec::Spec;
use crate::state::State;
use crate::status::Findings;
use crate::{AppKey, Dependence, RenderContext, RenderFailure, Rendering, Reuse, Ticket};

/// Waits between renders of a commit that could not be read.
const RENDER_WAITS: [i64; 6] = [1, 2, 5, 10, 30, 60];
/// Waits between renders that took too much time or memory.
const OVERRUN_WAITS: [i64; 4] = [60, 300, 900, 3600];
/// Told of a source that renders differently each time.
const UNSTABLE: &str = "the source renders differently each time it is rendered, because a chart uses random values or the time: \
     every new commit that it reads changes the cluster; set the values that it generates";

/// Whether the desired state is known.
pub(crate) enum DesiredState {
    /// It is; findings may say that it is the last good one only.
    Ready(Findings),
    /// It will be.
    Pending(Reason),
    /// It is not, and never was in this run of the daemon.
    Failed(Findings, Reason),
}

impl State {
    /// Brings the main desired state up to date as far as that needs nothing from outside, and asks for the rest.
    pub(crate) fn ensure_desired(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        now: Timestamp,
    ) -> DesiredState {
        self.want_revisions(app, application, spec, now);
        let fresh_since = app.refresh.as_ref().map(|refresh| refresh.asked_at);
        let sources = &spec.sources;
        let lookup = self.repos.look_up_all(&app.key, sources, &target_revisions(sources), fresh_since);
        if *app.main.sources != *sources {
            // Other sources are another desired state: nothing of the old one is in force.
            app.main = View { sources: shared_sources(app, sources), stale: true, ..View::default() };
            // Others may wait to hear whether the new one has what the cluster says is of this Application.
            app.announced[0] = None;
        }
        let mut obstacle = None;
        let (commit, mut problem) = match lookup {
            SetLookup::Pending { .. } if app.main.rendered.is_some() && app.refresh.is_none() => {
                (app.main.verified.clone(), None)
            }
            SetLookup::Pending { at } => return DesiredState::Pending(resolving(sources, at)),
            SetLookup::Commit { commit, doubt } => {
                app.note_answer(doubt.as_ref(), now);
                obstacle = doubt.as_ref().map(|(at, doubt)| repository_failed(sources, *at, doubt));
                (commit, doubt.map(|(at, doubt)| (of_source(sources, at, &doubt.message), Some(doubt.since))))
            }
            SetLookup::Unknown { at, message } => {
                obstacle = Some(revision_unknown(sources, at));
                (last_commit(app, application, sources), Some((of_source(sources, at, &message), None)))
            }
            SetLookup::Failed { at, doubt } => {
                obstacle = Some(repository_failed(sources, at, &doubt));
                let message = of_source(sources, at, &doubt.message);
                (last_commit(app, application, sources), Some((message, Some(doubt.since))))
            }
        };
        if !commit.is_empty() {
            self.ensure_rendered(app, spec, application, &commit, now);
        }
        if app.main.rendering.is_some() && (app.main.rendered.is_none() || app.refresh.is_some()) {
            return DesiredState::Pending(Reason::Rendering { revision: commit });
        }
        if let Some(failed) = app.main.failed.as_ref().filter(|failed| failed.commit == commit) {
            let message = failed.failure.message().to_owned();
            if let RenderFailure::Unsupported(_) = &failed.failure {
                return Self::unsupported(message);
            }
            // A repository that cannot be read explains more than the commit that is missing because of it.
            problem.get_or_insert((message, None));
        }
        let findings = self.desired_findings(app, application, spec, problem.as_ref(), now);
        if app.main.depends_on.is_some() && self.cluster.has_unseen_groups() {
            // No watch tells when the group answers.
            self.cluster.await_kind(&app.key, now);
        }
        if app.main.rendered.is_some() {
            return DesiredState::Ready(findings);
        }
        let message = problem.map_or_else(String::new, |(message, _)| message);
        match obstacle {
            Some(reason) => DesiredState::Failed(findings, reason),
            None if message.is_empty() => DesiredState::Pending(Reason::Rendering { revision: commit }),
            None => DesiredState::Failed(findings, Reason::RenderFailed { revision: commit, message }),
        }
    }

    fn unsupported(message: String) -> DesiredState {
        let mut findings = Findings::unknown();
        findings.conditions.insert((ConditionType::InvalidSpecError, message.clone()));
        findings.refresh_done = true;
        DesiredState::Failed(findings, Reason::InvalidSpec { message })
    }

    /// Turns a problem with the desired state into findings: within the grace period nothing is said (Argo CD semantics, 1.7).
    fn desired_findings(
        &self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        problem: Option<&(String, Option<Timestamp>)>,
        now: Timestamp,
    ) -> Findings {
        let Some((message, since)) = problem else {
            app.failing_since = None;
            // Of another context, it may lack what this one renders.
            let in_doubt = app.main.kept.is_of_another_context();
            let mut findings = if in_doubt { Findings::last_good() } else { Findings::verified() };
            if app.main.stability == Stability::Unstable {
                findings.conditions.insert((ConditionType::UnstableRenderWarning, UNSTABLE.to_owned()));
            }
            return findings;
        };
        let since = *app.failing_since.get_or_insert(since.unwrap_or(now));
        let grace = self.settings.as_ref().map_or(SignedDuration::ZERO, |settings| settings.repo_error_grace);
        let compared = application.status.as_ref().filter(|status| status.reconciled_at.is_some());
        let forced = app.refresh.is_some() || compared.is_none_or(|status| !is_compared_to(status, &spec.sources));
        let mut findings = Findings::last_good();
        findings.refresh_done = true;
        if forced || now.duration_since(since) >= grace {
            let located =
                if spec.sources.all().len() > 1 { message.clone() } else { format!("source 1 of 1: {message}") };
            let text = format!("Failed to load target state: failed to generate manifest for {located}");
            findings.conditions.insert((ConditionType::ComparisonError, text));
            findings.sync_unknown = true;
        } else {
            findings.keep_sync = true;
            app.wake(since + grace);
        }
        findings
    }

    fn want_revisions(&mut self, app: &AppState, application: &Application, spec: &Spec, now: Timestamp) {
        let mut wants: BTreeSet<_> = places(&spec.sources, &target_revisions(&spec.sources)).collect();
        if let Some((sources, revisions)) = crate::operate::operation_revision(app, application, spec)
            && !(sources == *app.main.sources
                && join_revisions(revisions.iter().map(String::as_str)) == app.main.commit)
        {
            wants.extend(places(&sources, &revisions));
        }
        self.repos.want(&app.key, &wants, now);
    }

    /// Asks for the render of a commit unless it is there or on its way.
    fn ensure_rendered(
        &mut self,
        app: &mut AppState,
        spec: &Spec,
        application: &Application,
        commit: &str,
        now: Timestamp,
    ) {
        let reuse = match &mut app.refresh {
            Some(refresh) if refresh.reuse == Reuse::Never && !refresh.rendered => {
                refresh.rendered = true;
                Reuse::Never
            }
            _ => Reuse::Allowed,
        };
        let ticket = self.ticket();
        let context = self.render_context(spec, application);
        let wanted = Wanted { key: &app.key, commit, context, ticket, reuse };
        let effect = request_render(&mut app.main, wanted, now);
        if let Some(at) = app.main.failed.as_ref().and_then(|failed| failed.retry_at).filter(|at| *at > now) {
            app.wake(at);
        }
        self.effects.extend(effect);
    }

    fn render_context(&self, spec: &Spec, application: &Application) -> RenderContext {
        RenderContext {
            namespace: spec.namespace.clone(),
            project: application.spec.project().to_owned(),
            cluster: Arc::clone(&self.cluster.versions),
        }
    }

    /// Brings the desired state of an operation up to date; answers with a reason while it is not there.
    pub(crate) fn ensure_view(
        &mut self,
        app: &mut AppState,
        (application, spec): (&Application, &Spec),
        sources: &SourceSet,
        revisions: &[String],
        now: Timestamp,
    ) -> Result<String, ViewProblem> {
        let written = join_revisions(revisions.iter().map(String::as_str));
        if *app.main.sources == *sources && app.main.commit == written && app.main.rendered.is_some() {
            // The operation is about the commit in force: nothing has to be asked.
            app.operation_view = None;
            return Ok(written);
        }
        let mut unresolved = None;
        let commit = match self.repos.look_up_all(&app.key, sources, revisions, None) {
            SetLookup::Pending { at } => {
                return Err(ViewProblem::Pending(Reason::ResolvingRevision {
                    repo: sources.all()[at].repo_url.to_string(),
                    revision: revisions.get(at).cloned().unwrap_or_default(),
                }));
            }
            SetLookup::Commit { commit, .. } => commit,
            SetLookup::Unknown { at, message } | SetLookup::Failed { at, doubt: Doubt { message, .. } } => {
                let message = of_source(sources, at, &message);
                // What was deployed once is known to be a commit, and its render may be kept.
                let Some(commit) = kept::deployed(application, sources, &written) else {
                    return Err(ViewProblem::Failed(message));
                };
                unresolved = Some(message);
                commit
            }
        };
        if *app.main.sources == *sources && app.main.commit == commit && app.main.rendered.is_some() {
            app.operation_view = None;
            return Ok(commit);
        }
        let ticket = self.ticket();
        let context = self.render_context(spec, application);
        let view = app.operation_view.get_or_insert_default();
        if *view.sources != *sources {
            **view = View { sources: Arc::new(sources.clone()), stale: true, ..View::default() };
        }
        let wanted = Wanted { key: &app.key, commit: &commit, context, ticket, reuse: Reuse::Allowed };
        let effect = request_render(view, wanted, now);
        self.effects.extend(effect);
        // A commit that renders to the same as the one before it is only noted as verified.
        if view.verified == commit && view.rendered.is_some() {
            return Ok(commit);
        }
        match view.failed.as_ref().filter(|failed| failed.commit == commit) {
            Some(failed) => Err(ViewProblem::Failed(kept::not_kept(unresolved, failed.failure.message()))),
            None => Err(ViewProblem::Pending(Reason::Rendering { revision: commit })),
        }
    }

    pub(crate) fn take_render(
        &mut self,
        app: &mut AppState,
        ticket: Ticket,
        result: Result<Rendering, RenderFailure>,
        now: Timestamp,
    ) {
        let result = result.and_then(|rendering| self.permitted(app, rendering));
        let is_of = |view: &View| view.rendering.as_ref().is_some_and(|under_way| under_way.ticket == ticket);
        let Some(view) = app.view_of(is_of) else { return };
        let Some(RenderUnderWay { commit, context, .. }) = view.rendering.take() else { return };
        match result.and_then(|rendering| view.admit(rendering, now)) {
            Ok(rendering) => {
                if rendering.dependence == Dependence::Context {
                    // What templates are told of the cluster follows the kinds that are defined there.
                    self.cluster.watch_always(&definitions(), &mut self.effects);
                }
                let rendered = rendering.manifests;
                view.is_doubted = false;
                view.failed = None;
                view.verified.clone_from(&commit);
                view.depends_on = (rendering.dependence == Dependence::Context).then_some(context);
                view.source_types = rendering.source_types;
                view.stability = rendering.stability;
                view.chart_repositories = rendering.chart_repositories;
                if view.rendered.as_ref().is_none_or(|before| before.digest != rendered.digest) {
                    view.revision_moved = view.rendered.is_some();
                    view.commit = commit;
                    view.rendered = Some(rendered);
                    view.stale = true;
                }
            }
            Err(failure) => {
                let has_helm = view.sources.all().iter().any(|source| source.helm.is_some() || source.is_helm());
                if has_helm || view.source_types.contains(&SourceType::Helm) {
                    // It may fail for want of a kind.
                    self.cluster.watch_always(&definitions(), &mut self.effects);
                }
                let count =
                    view.failed.as_ref().filter(|failed| failed.commit == commit).map_or(0, |failed| failed.count);
                let retry_at = retry_wait(&failure, count).map(|wait| now + wait);
                view.failed = Some(FailedRender { commit, context, failure, count: count + 1, retry_at });
            }
        }
    }

    /// Refuses what sources rendered to with charts of repositories that the project does not permit (Argo CD semantics, 6.7).
    fn permitted(&self, app: &AppState, rendering: Rendering) -> Result<Rendering, RenderFailure> {
        let project = app.reading.facts().map(|facts| &*facts.project).unwrap_or_default();
        let Some(Ok(known)) = self.projects.get(project) else { return Ok(rendering) };
        let urls = rendering.chart_repositories.iter();
        let refused: Vec<String> =
            urls.filter(|url| known.permissions.permits_source(url).is_err()).map(ToString::to_string).collect();
        if refused.is_empty() {
            return Ok(rendering);
        }
        let message = format!("helm repos {} are not permitted in project '{project}'", refused.join(", "));
        Err(RenderFailure::Forbidden(message))
    }

    /// Makes the targets of a view, when what they are made from has changed.
    pub(crate) fn ensure_targets(
        &mut self,
        key: &AppKey,
        view: &mut View,
        app: &mut AppState,
        spec: &Spec,
        now: Timestamp,
    ) -> Result<(), String> {
        let Some(rendered) = view.rendered.clone() else { return Ok(()) };
        let made_of = TargetsKey {
            render: rendered.digest,
            destination: spec.to_destination(),
            discovery: self.cluster.generation,
            namespace: spec.managed_namespace.clone(),
            project: app.reading.facts().map(|facts| facts.project.to_string()).unwrap_or_default(),
            projects: self.project_generation,
        };
        if view.targets_of.as_deref() == Some(&made_of) {
            if view.targets.as_ref().is_some_and(|targets| has_unserved(targets)) {
                self.cluster.await_kind(key, now);
            }
            return Ok(());
        }
        let served = self.cluster.served.clone().expect("missing() has looked");
        let settings = self.settings.clone().expect("missing() has looked");
        let permission = Permission { spec, settings: &settings };
        let context = TargetContext {
            instance: &app.instance,
            destination: &made_of.destination,
            served: &served,
            permission: &permission,
            namespace: made_of.namespace.as_ref(),
        };
        let targets = app_compare::targets(std::slice::from_ref(&rendered), &context).map_err(|error| {
            view.refused = Some(made_of.render);
            error.to_string()
        })?;
        if has_unserved(&targets) {
            self.cluster.await_kind(key, now);
        }
        view.targets = Some(Arc::new(targets));
        // Of the same destination, kinds and permissions, the comparison before tells what changed in Git.
        let same_rules = view
            .targets_of
            .as_ref()
            .is_some_and(|before| TargetsKey { render: made_of.render, ..TargetsKey::clone(before) } == made_of);
        if !same_rules {
            view.comparison = None;
        }
        view.targets_of = Some(Arc::new(made_of));
        view.stale = true;
        Ok(())
    }

    /// Keeps the commits that this Application has in force.
    pub(crate) fn hold_revisions(&mut self, app: &AppState) {
        let views = std::iter::once(&app.main).chain(app.operation_view.as_deref());
        let held = views.flat_map(|view| {
            [&view.commit, &view.verified].into_iter().flat_map(|commit| commits(&view.sources, commit))
        });
        self.repos.hold(&app.key, held.collect());
    }
}

/// Why the desired state of an operation is not there.
pub(crate) enum ViewProblem {
    Pending(Reason),
    Failed(String),
}

fn definitions() -> Gvk {
    Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
}

/// Returns how long a failed render waits for its next try; none when only a change helps.
fn retry_wait(failure: &RenderFailure, failures: u32) -> Option<SignedDuration> {
    let waits: &[i64] = match failure {
        RenderFailure::Unavailable(_) => &RENDER_WAITS,
        RenderFailure::Overrun(_) => &OVERRUN_WAITS,
        RenderFailure::Unsupported(_) | RenderFailure::Content(_) | RenderFailure::Forbidden(_) => return None,
    };
    let at = usize::try_from(failures).unwrap_or(usize::MAX).min(waits.len() - 1);
    Some(SignedDuration::from_secs(waits[at]))
}

impl RenderFailure {
    /// Returns the message for people.
    pub fn message(&self) -> &str {
        match self {
            Self::Unsupported(message)
            | Self::Content(message)
            | Self::Forbidden(message)
            | Self::Unavailable(message)
            | Self::Overrun(message) => message,
        }
    }

    /// Says of which source it is, where there are several.
    pub fn of_source(self, sources: &SourceSet, at: usize) -> Self {
        let located = |message: String| of_source(sources, at, &message);
        match self {
            Self::Unsupported(message) => Self::Unsupported(located(message)),
            Self::Content(message) => Self::Content(located(message)),
            Self::Forbidden(message) => Self::Forbidden(located(message)),
            Self::Unavailable(message) => Self::Unavailable(located(message)),
            Self::Overrun(message) => Self::Overrun(located(message)),
        }
    }
}

/// Returns the sources as the reading of the Application has them, where those are the same.
fn shared_sources(app: &AppState, sources: &SourceSet) -> Arc<SourceSet> {
    let known = app.reading.facts().and_then(|facts| facts.sources.as_ref());
    known.filter(|known| ***known == *sources).map_or_else(|| Arc::new(sources.clone()), Arc::clone)
}

fn has_unserved(targets: &app_compare::Targets) -> bool {
    targets.items.iter().any(|target| target.kind != TargetKind::Served)
}

fn resolving(sources: &SourceSet, at: usize) -> Reason {
    Reason::ResolvingRevision { repo: repo_of(sources, at), revision: revision_of(sources, at) }
}

fn repo_of(sources: &SourceSet, at: usize) -> String {
    sources.all()[at].repo_url.to_string()
}

fn revision_of(sources: &SourceSet, at: usize) -> String {
    let revision = &sources.all()[at].target_revision;
    if revision.is_empty() { "HEAD".to_owned() } else { revision.clone() }
}

fn revision_unknown(sources: &SourceSet, at: usize) -> Reason {
    Reason::RevisionUnknown { repo: repo_of(sources, at), revision: revision_of(sources, at) }
}

fn repository_failed(sources: &SourceSet, at: usize, doubt: &Doubt) -> Reason {
    let (repo, message) = (repo_of(sources, at), doubt.message.clone());
    Reason::RepositoryFailed { repo, message, next_attempt: doubt.next_attempt }
}

/// Returns the last commit that was in force, for a repository that cannot be read: of this run, else of the recorded status.
fn last_commit(app: &mut AppState, application: &Application, sources: &SourceSet) -> String {
    if !app.main.verified.is_empty() {
        return app.main.verified.clone();
    }
    let status = application.status.as_ref().filter(|status| is_compared_to(status, sources));
    let revisions = status.map(|status| match &status.sync.revisions[..] {
        [] => status.sync.revision.clone(),
        revisions => join_revisions(revisions.iter().map(String::as_str)),
    });
    kept::readable(&mut app.main, revisions.unwrap_or_default(), application, sources)
}

/// Tells whether a status is of these sources.
fn is_compared_to(status: &ApplicationStatus, sources: &SourceSet) -> bool {
    let compared = &status.sync.compared_to;
    compared.source == sources.source_field() && compared.sources == sources.sources_field()
}
