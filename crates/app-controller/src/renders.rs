mod verified;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use application_api::{ApplicationSource, SourceType};
use git_source::{CommitId, Remedy, Repository, SourceTree};
use kube_object::{RenderedManifests, Stability};
use manifest_render::{LookUps, RenderContext, RenderError, RenderLimits, RenderRequest, RenderWorkers};
use reconciler::{AppKey, Dependence, RenderFailure, Rendering, Reuse};
use settings::ToolSettings;
use tokio::sync::Semaphore;

use crate::hands::Hands;
use crate::renders::verified::Questions;

/// Renders that run at once; each keeps a thread busy.
const PARALLEL: usize = 4;
/// Longest time of a render: a minute for reading, and as long as a worker may take for the render before and for this one, each of
/// which ends by itself.
const LIMIT: Duration = Duration::from_secs(60 + 2 * 80);
/// Renders that are remembered of one Application: that of its spec, and that of an operation at another revision.
const REMEMBERED: usize = 2;

/// A render to be done.
pub(crate) struct RenderJob {
    pub(crate) app: AppKey,
    pub(crate) commit: String,
    pub(crate) source: Box<ApplicationSource>,
    pub(crate) context: Box<reconciler::RenderContext>,
    pub(crate) reuse: Reuse,
}

/// The renders under way and those remembered.
pub(crate) struct Renders {
    turns: Arc<Semaphore>,
    questions: Questions,
    remembered: Mutex<HashMap<AppKey, Vec<Arc<Remembered>>>>,
}

/// The last successful render of one source.
struct Remembered {
    input: Input,
    commit: CommitId,
    lookups: Arc<LookUps>,
    manifests: Arc<RenderedManifests>,
    source_type: SourceType,
    stability: Stability,
}

/// What is rendered, apart from the commit.
#[derive(Clone, PartialEq)]
struct Input {
    repository: Repository,
    request: RenderRequest,
}

impl Remembered {
    /// The same at another commit.
    fn at(&self, input: Input, commit: CommitId) -> Self {
        Self {
            input,
            commit,
            lookups: Arc::clone(&self.lookups),
            manifests: Arc::clone(&self.manifests),
            source_type: self.source_type.clone(),
            stability: self.stability,
        }
    }

    fn to_rendering(&self) -> Rendering {
        let used = self.lookups.context_use();
        let dependence = if used.application || used.cluster { Dependence::Context } else { Dependence::FilesOnly };
        Rendering {
            manifests: Arc::clone(&self.manifests),
            source_type: self.source_type.clone(),
            dependence,
            stability: self.stability,
        }
    }
}

impl Default for Renders {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(PARALLEL)),
            questions: Questions::default(),
            remembered: Mutex::default(),
        }
    }
}

impl Renders {
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
    }

    fn recall(&self, app: &AppKey, input: &Input) -> Option<Arc<Remembered>> {
        let all = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(app)?.iter().find(|known| known.input == *input).cloned()
    }

    fn remember(&self, app: &AppKey, render: Remembered) {
        let mut all = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = all.get_mut(app) else { return };
        known.retain(|known| known.input != render.input);
        known.insert(0, Arc::new(render));
        known.truncate(REMEMBERED);
    }
}

/// Renders a source at a commit, or finds that nothing it looked up has changed since it was last rendered.
pub(crate) async fn render(hands: &Hands, job: RenderJob) -> Result<Rendering, RenderFailure> {
    let RenderJob { app, commit, source, context, reuse } = job;
    let commit: CommitId = commit.parse().map_err(|error| RenderFailure::Unavailable(format!("{error}")))?;
    let instance = app.instance(&hands.control_namespace);
    let mut request = RenderRequest::from_source(&source, instance.as_str()).map_err(failure)?;
    let mut context = RenderContext {
        app_name: app.name.to_string(),
        instance: instance.as_str().to_owned(),
        namespace: context.namespace,
        project: context.project,
        repo_url: source.repo_url.to_string(),
        target_revision: source.target_revision.clone(),
        revision: commit.to_string(),
        cluster: context.cluster,
        kustomize_build_options: Arc::default(),
    };
    if let Some(settings) = &*hands.settings.borrow() {
        context.kustomize_build_options = settings.tools.kustomize_build_options.clone().into();
        request.disabled_tools = disabled_tools(&settings.tools);
        request.limits = RenderLimits::of_combined_bytes(settings.tools.max_manifests_bytes);
    }
    let input = Input { repository: Repository::anonymous(source.repo_url.clone()), request };
    let known = if reuse == Reuse::Allowed { hands.renders.recall(&app, &input) } else { None };
    let known = known.filter(|known| known.lookups.hold_in_context(&context));
    if let Some(known) = known.as_ref().filter(|known| known.commit == commit) {
        return Ok(known.to_rendering());
    }
    if let Some(known) = &known
        && hands.renders.questions.ask(&hands.repositories, &input.repository, commit, &known.lookups).await
    {
        hands.renders.remember(&app, known.at(input, commit));
        return Ok(known.to_rendering());
    }
    let turn = Arc::clone(&hands.renders.turns).acquire_owned().await.expect("the semaphore is never closed");
    let tree = hands.repositories.tree(&input.repository, commit).await;
    let tree = tree.map_err(|error| RenderFailure::Unavailable(error.to_string()))?;
    let workers = hands.workers.clone();
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        render_tree(&tree, input, commit, known.as_deref(), &context, &workers)
    });
    match tokio::time::timeout(LIMIT, work).await {
        Ok(Ok(Ok(render))) => {
            let rendering = render.to_rendering();
            hands.renders.remember(&app, render);
            Ok(rendering)
        }
        Ok(Ok(Err(error))) => Err(failure(error)),
        Ok(Err(broken)) => Err(RenderFailure::Content(format!("rendering broke off, which is a defect: {broken}"))),
        Err(_) => Err(RenderFailure::Unavailable(format!("rendering took longer than {} s", LIMIT.as_secs()))),
    }
}

fn render_tree(
    tree: &dyn SourceTree,
    input: Input,
    commit: CommitId,
    known: Option<&Remembered>,
    context: &RenderContext,
    workers: &RenderWorkers,
) -> Result<Remembered, RenderError> {
    // Where the comparison fails, the render tells what is wrong.
    if let Some(known) = known
        && known.lookups.unchanged_in(tree).unwrap_or(false)
    {
        return Ok(known.at(input, commit));
    }
    let render = manifest_render::render(tree, &input.request, context, workers)?;
    for warning in &render.manifests.warnings {
        tracing::warn!(warning, "the source was rendered with a warning");
    }
    Ok(Remembered {
        input,
        commit,
        lookups: Arc::new(render.lookups),
        manifests: Arc::new(render.manifests),
        source_type: render.source_type,
        stability: render.stability,
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

fn disabled_tools(tools: &ToolSettings) -> Vec<SourceType> {
    [
        (tools.helm_enabled, SourceType::Helm),
        (tools.kustomize_enabled, SourceType::Kustomize),
        // Of a directory, only Jsonnet can be turned off.
        (tools.jsonnet_enabled, SourceType::Directory),
    ]
    .into_iter()
    .filter_map(|(enabled, tool)| (!enabled).then_some(tool))
    .collect()
}

#[cfg(test)]
mod tests;
