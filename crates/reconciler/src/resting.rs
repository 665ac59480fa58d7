//! Applications at rest while their repository moves on: whose commit renders to what is in force needs no pass.

use std::sync::Arc;

use application_api::Reason;
use jiff::Timestamp;

use crate::app::{AppState, RenderUnderWay};
use crate::rendering::{Wanted, request_render};
use crate::repos::Known;
use crate::state::State;
use crate::{
    AppKey, Dependence, Effect, Leadership, RenderContext, RenderFailure, RenderedIn, Rendering, Reuse, SourceRepo,
    Ticket,
};

type Rendered = Result<Rendering, RenderFailure>;

impl State {
    /// Asks for the renders that a good poll calls for; marks the other Applications that it woke for a pass.
    pub(crate) fn move_on(&mut self, repo: &SourceRepo, woken: impl IntoIterator<Item = AppKey>, now: Timestamp) {
        for key in woken {
            if !self.moves_at_rest(repo, &key, now) {
                self.dirty.insert(key);
            }
        }
    }

    /// Asks for the render of an Application at rest; answers whether nothing else has to be looked at.
    fn moves_at_rest(&mut self, repo: &SourceRepo, key: &AppKey, now: Timestamp) -> bool {
        let ticket = self.ticket();
        let Some(app) = self.apps.get(key).filter(|app| self.is_at_rest(app)) else { return false };
        let sources = &app.main.sources;
        let Known::Commit(commit) = self.repos.known_all(sources) else { return false };
        if !sources.all().iter().any(|source| SourceRepo::of(source) == *repo) {
            return false;
        }
        let Some(app) = self.apps.get_mut(key) else { return false };
        let Some(made_of) = &app.main.targets_of else { return false };
        let context = RenderContext {
            namespace: made_of.destination.namespace.clone(),
            project: made_of.project.clone(),
            cluster: Arc::clone(&self.cluster.versions),
        };
        let wanted = Wanted { key, commit: &commit, context, ticket, reuse: Reuse::Allowed };
        let effect = request_render(&mut app.main, wanted, now);
        self.effects.extend(effect);
        true
    }

    /// Takes in a render that is what is in force already; answers whether it was one, of an Application at rest.
    pub(crate) fn verify_at_rest(&mut self, key: &AppKey, ticket: Ticket, result: &Rendered) -> bool {
        let Some(app) = self.apps.get(key).filter(|app| self.is_at_rest(app)) else { return false };
        let (Ok(rendering), Some(under_way)) = (result, &app.main.rendering) else { return false };
        let is_same = app.main.rendered.as_ref().is_some_and(|before| before.digest == rendering.manifests.digest)
            && app.main.source_types == rendering.source_types
            && app.main.stability == rendering.stability
            && rendering.rendered_in == RenderedIn::TheContext;
        if under_way.ticket != ticket || !is_same {
            return false;
        }
        let unsettled = self.unsettled(app);
        let Some(mut app) = self.apps.remove(key) else { return false };
        if let Some(RenderUnderWay { commit, context, .. }) = app.main.rendering.take() {
            app.main.verified.clone_from(&commit);
            app.main.is_doubted = false;
            app.main.depends_on = (rendering.dependence == Dependence::Context).then_some(context);
            self.hold_revisions(&app);
            // The next pass shows everything anew.
            app.published = None;
            self.effects.push(Effect::Verified { app: key.clone(), revision: commit });
        }
        self.apps.insert(key.clone(), app);
        self.wake_waiting(key, unsettled);
        true
    }

    /// Tells whether the last pass of an Application left nothing to do, and nothing that it looked at has changed.
    fn is_at_rest(&self, app: &AppState) -> bool {
        let view = &app.main;
        let is_busy = app.run.is_some()
            || app.write.is_some()
            || app.rereading
            || app.write_retry.is_some()
            || app.refresh.is_some()
            || app.operation_view.is_some();
        let is_in_doubt = view.stale
            || view.comparison.is_none()
            || view.revision_moved
            || view.failed.is_some()
            || view.refused.is_some()
            || app.failing_since.is_some()
            || app.listing_failure.is_some()
            || !view.asked.is_empty();
        let is_current = view.targets_of.as_ref().is_some_and(|made_of| {
            made_of.discovery == self.cluster.generation && made_of.projects == self.project_generation
        });
        let facts = app.reading.facts().filter(|facts| facts.stays() && !facts.is_skipped && !facts.is_operating);
        let has_sources =
            facts.and_then(|facts| facts.sources.as_ref()).is_some_and(|sources| *sources == view.sources);
        let is_idle = matches!(
            app.reason,
            Some(
                Reason::Synced { .. }
                    | Reason::AutoSyncOff { .. }
                    | Reason::NothingToSync { .. }
                    | Reason::PruneOff { .. }
                    | Reason::SelfHealOff { .. }
                    | Reason::LastSyncFailed { .. }
            )
        );
        !is_busy
            && !is_in_doubt
            && is_current
            && has_sources
            && is_idle
            && self.leadership == Leadership::Leading
            && !self.dirty.contains(&app.key)
    }
}
