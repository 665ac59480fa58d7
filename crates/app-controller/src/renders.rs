//! Renders of Applications: each source at its commit, from memory where nothing that it looked up has changed.

mod history;
mod kept;
mod one;
mod verified;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use application_api::{SourceSet, SourceType, split_revisions};
use artifact_source::DiskStore;
use git_source::Remedy;
use kube_object::{Digest, RenderedManifests, Stability};
use manifest_render::{LookUps, Need, Render, RenderError, RenderRequest, StoredRender};
use reconciler::{AppKey, Dependence, RenderFailure, RenderedIn, Rendering, Reuse};
use source_loader::Origin;

use crate::hands::Hands;
use crate::renders::history::History;
pub(crate) use crate::renders::history::tools;
use crate::renders::kept::Kept;
use crate::renders::one::{Failed, Sibling};
use crate::renders::verified::Questions;

/// Longest time of a render: a minute for reading, as long as a worker may take for the render before and for this one, each of
/// which ends by itself, and three minutes for what has to be got from elsewhere.
const LIMIT: Duration = Duration::from_secs(60 + 2 * 80 + 180);
/// Renders that are remembered of each source of an Application: that of its spec, and that of an operation at another revision.
const REMEMBERED: usize = 2;

/// A render to be done.
pub(crate) struct RenderJob {
    pub(crate) app: AppKey,
    /// Commits of the sources, joined.
    pub(crate) commit: String,
    pub(crate) sources: Arc<SourceSet>,
    pub(crate) context: Box<reconciler::RenderContext>,
    pub(crate) reuse: Reuse,
}

/// What is remembered of renders.
pub(crate) struct Renders {
    kept: Kept,
    pub(crate) history: History,
    questions: Questions,
    remembered: Mutex<HashMap<AppKey, Vec<Arc<Remembered>>>>,
}

/// The last successful render of one source.
struct Remembered {
    input: Input,
    commit: String,
    lookups: Arc<LookUps>,
    /// What was looked up in other sources, with their commits.
    refs: BTreeMap<String, (String, Arc<LookUps>)>,
    /// What was used from elsewhere.
    supplied: BTreeMap<Need, Digest>,
    manifests: Arc<RenderedManifests>,
    source_type: SourceType,
    stability: Stability,
}

/// What is rendered, apart from the commits.
#[derive(Clone, PartialEq)]
struct Input {
    origin: Origin,
    request: RenderRequest,
    /// Where other sources that this one may refer to are.
    refs: BTreeMap<String, Origin>,
}

impl Remembered {
    /// Takes what an earlier run of the daemon rendered.
    fn of_stored(input: Input, stored: StoredRender) -> Self {
        let StoredRender { commit, mut ref_commits, render, .. } = stored;
        let refs = render.refs.into_iter().map(|(name, lookups)| {
            let commit = ref_commits.remove(&name).unwrap_or_default();
            (name, (commit, Arc::new(lookups)))
        });
        Self {
            input,
            commit,
            lookups: Arc::new(render.lookups),
            refs: refs.collect(),
            supplied: render.supplied,
            manifests: Arc::new(render.manifests),
            source_type: render.source_type,
            stability: render.stability,
        }
    }

    fn new(input: Input, commit: String, siblings: &BTreeMap<String, Sibling>, render: Render) -> Self {
        let ref_commits = siblings.iter().map(|(name, sibling)| (name.clone(), sibling.commit.clone())).collect();
        let app_name = input.request.app_name.clone();
        Self::of_stored(input, StoredRender { app_name, commit, ref_commits, render })
    }

    /// The same at other commits.
    fn at(&self, input: Input, commit: String, siblings: &BTreeMap<String, Sibling>) -> Self {
        let mut refs = self.refs.clone();
        for (name, (commit, _)) in &mut refs {
            if let Some(sibling) = siblings.get(name) {
                commit.clone_from(&sibling.commit);
            }
        }
        Self {
            input,
            commit,
            refs,
            lookups: Arc::clone(&self.lookups),
            supplied: self.supplied.clone(),
            manifests: Arc::clone(&self.manifests),
            source_type: self.source_type.clone(),
            stability: self.stability,
        }
    }

    fn dependence(&self) -> Dependence {
        let used = self.lookups.context_use();
        if used.application || used.cluster { Dependence::Context } else { Dependence::FilesOnly }
    }
}

impl Renders {
    /// Makes what keeps renders in a store on disk, those of histories in another, and the last ones in memory.
    pub(crate) fn new(store: DiskStore, history: DiskStore) -> Self {
        Self {
            kept: Kept::new(store),
            history: History::new(history),
            questions: Questions::default(),
            remembered: Mutex::default(),
        }
    }

    /// Makes room for what is to be remembered of an Application, until it is forgotten.
    pub(crate) fn expect(&self, app: &AppKey) {
        let mut all = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(app) {
            all.insert(app.clone(), Vec::new());
        }
    }

    /// Forgets what is remembered of an Application, and what is under way for it.
    pub(crate) fn forget(&self, app: &AppKey) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).remove(app);
        self.history.forget(app.clone());
    }

    fn recall(&self, app: &AppKey, input: &Input) -> Option<Arc<Remembered>> {
        let all = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(app)?.iter().find(|known| known.input == *input).cloned()
    }

    fn remember(&self, app: &AppKey, render: Arc<Remembered>, sources: usize) {
        let mut all = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = all.get_mut(app) else { return };
        known.retain(|known| known.input != render.input);
        known.insert(0, render);
        known.truncate(REMEMBERED * sources);
    }
}

/// Renders the sources of an Application, each at its commit, as far as that is not known already. What was deployed and cannot be
/// rendered any more is what was kept of it.
pub(crate) async fn render(hands: &Hands, job: RenderJob) -> Result<Rendering, RenderFailure> {
    let rendered = tokio::time::timeout(LIMIT, render_all(hands, &job)).await.unwrap_or_else(|_| {
        let message = format!("rendering took longer than {} s", LIMIT.as_secs());
        Err(Failed::Rendering(RenderFailure::Unavailable(message)))
    });
    match rendered {
        Ok(rendering) => Ok(rendering),
        Err(failed) => history::instead(hands, &job, failed).await,
    }
}

async fn render_all(hands: &Hands, job: &RenderJob) -> Result<Rendering, Failed> {
    let sources = job.sources.all();
    let commits: Vec<&str> = split_revisions(&job.commit).collect();
    if commits.len() != sources.len() {
        let message = format!("{} commits for {} sources, which is a defect", commits.len(), sources.len());
        return Err(Failed::Rendering(RenderFailure::Unavailable(message)));
    }
    let siblings = one::siblings(&job.sources, &commits);
    let renders = sources.iter().zip(&commits).enumerate().map(async |(at, (source, commit))| {
        let rendered = one::render(hands, job, source, commit, &siblings).await;
        rendered.map_err(|failed| failed.of_source(&job.sources, at))
    });
    let all = futures::future::try_join_all(renders).await?;
    let parts: Vec<Arc<RenderedManifests>> = all.iter().map(|render| Arc::clone(&render.manifests)).collect();
    let depends = all.iter().any(|render| render.dependence() == Dependence::Context);
    let unstable = all.iter().any(|render| render.stability == Stability::Unstable);
    let charts = all.iter().flat_map(|render| render.supplied.keys()).filter_map(|need| match need {
        Need::Chart { repository, .. } => Some(repository.clone()),
        Need::File(_) | Need::Remote(_) => None,
    });
    Ok(Rendering {
        manifests: match &parts[..] {
            [only] => Arc::clone(only),
            parts => Arc::new(RenderedManifests::joined(parts)),
        },
        source_types: all.iter().map(|render| render.source_type.clone()).collect(),
        dependence: if depends { Dependence::Context } else { Dependence::FilesOnly },
        stability: if unstable { Stability::Unstable } else { Stability::Stable },
        chart_repositories: charts.collect(),
        rendered_in: RenderedIn::TheContext,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn failure(error: RenderError) -> RenderFailure {
    let message = error.to_string();
    if error.is_invalid_spec() {
        RenderFailure::Unsupported(message)
    } else if error.is_overrun() {
        RenderFailure::Overrun(message)
    } else if error.remedy() == Remedy::Retry {
        RenderFailure::Unavailable(message)
    } else {
        RenderFailure::Content(message)
    }
}

#[cfg(test)]
mod tests;
