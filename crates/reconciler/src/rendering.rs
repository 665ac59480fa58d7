//! What a source is rendered with, what it comes to, and when that has to be asked again.

use std::collections::BTreeSet;
use std::sync::Arc;

use application_api::{RepoUrl, SourceType};
use jiff::Timestamp;
use kube_object::{ClusterVersions, RenderedManifests, Stability};

use crate::app::{RenderUnderWay, View};
use crate::{AppKey, Effect, RenderFailure, Reuse, Ticket};

/// What surrounds a source: facts that templates may use. The shell adds what the source itself says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderContext {
    /// Namespace of the destination.
    pub namespace: String,
    /// Name of the project.
    pub project: String,
    /// What the destination cluster serves.
    pub cluster: Arc<ClusterVersions>,
}

/// What the sources rendered to.
#[derive(Clone, Debug)]
pub struct Rendering {
    /// The objects.
    pub manifests: Arc<RenderedManifests>,
    /// How each source was rendered.
    pub source_types: Vec<SourceType>,
    /// Whether it depends on its [`RenderContext`].
    pub dependence: Dependence,
    /// Whether rendering the same once more gives the same.
    pub stability: Stability,
    /// Repositories that charts came from which the sources only depend on; the project has to permit them.
    pub chart_repositories: BTreeSet<RepoUrl>,
    /// Whether it was rendered in the context that was asked for.
    pub rendered_in: RenderedIn,
}

/// In which context something was rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RenderedIn {
    /// In the one that was asked for, or it does not depend on it.
    #[default]
    TheContext,
    /// In the one of its deployment: it was kept, and in the one that was asked for it cannot be rendered.
    Another {
        /// Why it cannot.
        failure: RenderFailure,
    },
}

impl Rendering {
    /// Makes the rendering of a plain directory.
    pub fn of_directory(manifests: Arc<RenderedManifests>) -> Self {
        Self {
            manifests,
            source_types: vec![SourceType::Directory],
            dependence: Dependence::FilesOnly,
            stability: Stability::Stable,
            chart_repositories: BTreeSet::new(),
            rendered_in: RenderedIn::default(),
        }
    }
}

/// What a rendering depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// Files and the source alone.
    FilesOnly,
    /// Also the [`RenderContext`]: another one may render differently.
    Context,
}

/// A render to ask for.
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a AppKey,
    pub(crate) commit: &'a str,
    pub(crate) context: RenderContext,
    pub(crate) ticket: Ticket,
    pub(crate) reuse: Reuse,
}

/// Notes and asks for the render of a commit, unless it is there or on its way.
pub(crate) fn request_render(view: &mut View, wanted: Wanted<'_>, now: Timestamp) -> Option<Effect> {
    let Wanted { key, commit, context, ticket, reuse } = wanted;
    if view.rendering.as_ref().is_some_and(|under_way| under_way.commit == commit && *under_way.context == context) {
        return None;
    }
    let is_verified = view.verified == commit && view.rendered.is_some() && !view.is_doubted && view.holds_in(&context);
    if is_verified && reuse == Reuse::Allowed {
        return None;
    }
    if let Some(failed) = view.failed.as_ref().filter(|failed| failed.commit == commit && *failed.context == context)
        && reuse == Reuse::Allowed
        && failed.retry_at.is_none_or(|at| at > now)
    {
        return None;
    }
    view.rendering = Some(RenderUnderWay { ticket, commit: commit.to_owned(), context: Box::new(context.clone()) });
    Some(Effect::Render {
        app: key.clone(),
        ticket,
        commit: commit.to_owned(),
        sources: Arc::clone(&view.sources),
        context: Box::new(context),
        reuse,
    })
}

impl View {
    /// Tells whether the render in force would be the same in a context.
    pub(crate) fn holds_in(&self, context: &RenderContext) -> bool {
        self.depends_on.as_deref().is_none_or(|used| used == context)
    }
}
