//! One source of an Application: found unchanged, or rendered.

use std::collections::BTreeMap;
use std::sync::Arc;

use application_api::{ApplicationSource, SourceSet, SourceType};
use git_source::{CommitId, Remedy, SourceTree};
use manifest_render::{RenderContext, RenderLimits, RenderRequest};
use reconciler::{RenderFailure, Reuse};
use settings::ToolSettings;
use source_loader::{Freshness, LoadError, Origin, RenderTask};

use super::{Input, Remembered, RenderJob, failure};
use crate::hands::Hands;

/// Why a source has no render.
pub(super) enum Failed {
    /// What it is made of could not be had.
    Reading(RenderFailure),
    /// What was had could not be rendered.
    Rendering(RenderFailure),
}

impl Failed {
    /// Returns the failure.
    pub(super) fn into_failure(self) -> RenderFailure {
        match self {
            Self::Reading(failure) | Self::Rendering(failure) => failure,
        }
    }

    /// Tells whether the same may have rendered before, when all that it needs was there.
    pub(super) fn lacks_something(&self) -> bool {
        matches!(self, Self::Reading(_) | Self::Rendering(RenderFailure::Unavailable(_)))
    }

    /// Says of which source it is, where there are several.
    pub(super) fn of_source(self, sources: &SourceSet, at: usize) -> Self {
        match self {
            Self::Reading(failure) => Self::Reading(failure.of_source(sources, at)),
            Self::Rendering(failure) => Self::Rendering(failure.of_source(sources, at)),
        }
    }
}

/// Another source of the same Application, which may be referred to by its name.
pub(super) struct Sibling {
    pub(super) origin: Origin,
    pub(super) commit: String,
}

/// Returns the sources that others may refer to.
pub(super) fn siblings(sources: &SourceSet, commits: &[&str]) -> BTreeMap<String, Sibling> {
    let named = sources.all().iter().zip(commits).filter(|(source, _)| sources.is_list() && source.is_ref());
    let named = named.map(|(source, commit)| {
        (source.ref_name.clone(), Sibling { origin: Origin::of(source), commit: (*commit).to_owned() })
    });
    named.collect()
}

/// Renders a source at a commit, or finds that nothing it looked up has changed since it was last rendered.
pub(super) async fn render(
    hands: &Hands,
    job: &RenderJob,
    source: &ApplicationSource,
    commit: &str,
    siblings: &BTreeMap<String, Sibling>,
) -> Result<Arc<Remembered>, Failed> {
    let (input, context) = input(hands, job, source, commit, siblings).map_err(Failed::Rendering)?;
    let count = job.sources.all().len();
    let known = if job.reuse == Reuse::Allowed { recall(hands, job, &input, &context).await } else { None };
    let known = known.filter(|known| known.lookups.hold_in_context(&context));
    if let Some(known) = known.as_ref().filter(|known| is_at(known, commit, siblings)) {
        hands.renders.remember(&job.app, Arc::clone(known), count);
        return Ok(Arc::clone(known));
    }
    if let Some(known) = &known
        && is_unchanged(hands, known, commit, siblings).await
        && is_supplied_the_same(hands, known).await
    {
        let known = Arc::new(known.at(input, commit.to_owned(), siblings));
        hands.renders.remember(&job.app, Arc::clone(&known), count);
        return Ok(known);
    }
    let tree = hands.loader.tree(&input.origin, commit).await.map_err(|error| unread(&error))?;
    let refs = if job.sources.is_list() { Some(open(hands, siblings).await?) } else { None };
    if let Some(known) = &known
        && is_supplied_the_same(hands, known).await
        && finds_the_same(known, &tree, refs.as_ref()).await
    {
        let known = Arc::new(known.at(input, commit.to_owned(), siblings));
        hands.renders.remember(&job.app, Arc::clone(&known), count);
        return Ok(known);
    }
    let task = RenderTask {
        tree,
        request: input.request.clone(),
        context,
        refs,
        needed: known.map(|known| known.supplied.keys().cloned().collect()).unwrap_or_default(),
        freshness: if job.reuse == Reuse::Never { Freshness::Now } else { Freshness::Recent },
    };
    let render = hands.loader.render(task, &hands.workers).await.map_err(|error| Failed::Rendering(failure(error)))?;
    hands.metrics.daemon.rendered(render.source_type.as_str());
    for warning in &render.manifests.warnings {
        tracing::warn!(warning, "the source was rendered with a warning");
    }
    hands.renders.kept.write(&input, commit, siblings, &render);
    let render = Arc::new(Remembered::new(input, commit.to_owned(), siblings, render));
    hands.renders.remember(&job.app, Arc::clone(&render), count);
    Ok(render)
}

/// Returns the last render of an input: from memory, else from disk.
async fn recall(hands: &Hands, job: &RenderJob, input: &Input, context: &RenderContext) -> Option<Arc<Remembered>> {
    if let Some(known) = hands.renders.recall(&job.app, input) {
        return Some(known);
    }
    let stored = hands.renders.kept.read(input, context).await?;
    Some(Arc::new(Remembered::of_stored(input.clone(), stored)))
}

/// Returns what is rendered, and what surrounds it.
fn input(
    hands: &Hands,
    job: &RenderJob,
    source: &ApplicationSource,
    commit: &str,
    siblings: &BTreeMap<String, Sibling>,
) -> Result<(Input, RenderContext), RenderFailure> {
    let instance = job.app.instance(&hands.control_namespace);
    let mut request = RenderRequest::from_source(source, instance.as_str()).map_err(failure)?;
    let mut context = RenderContext {
        app_name: job.app.name.to_string(),
        instance: instance.as_str().to_owned(),
        namespace: job.context.namespace.clone(),
        project: job.context.project.clone(),
        repo_url: source.repo_url.to_string(),
        target_revision: source.target_revision.clone(),
        revision: commit.to_owned(),
        cluster: Arc::clone(&job.context.cluster),
        kustomize_build_options: Arc::default(),
    };
    if let Some(settings) = &*hands.settings.borrow() {
        context.kustomize_build_options = settings.tools.kustomize_build_options.clone().into();
        request.disabled_tools = disabled_tools(&settings.tools);
        request.value_file_schemes = Arc::clone(&settings.tools.helm_values_file_schemes);
        request.limits = RenderLimits::of_combined_bytes(settings.tools.max_manifests_bytes);
    }
    let refs = siblings.iter().map(|(name, sibling)| (name.clone(), sibling.origin.clone())).collect();
    Ok((Input { origin: Origin::of(source), request, refs }, context))
}

/// Tells whether a render is of these very commits.
fn is_at(known: &Remembered, commit: &str, siblings: &BTreeMap<String, Sibling>) -> bool {
    let same =
        |(name, (commit, _)): (&String, &(String, _))| siblings.get(name).is_some_and(|new| new.commit == *commit);
    known.commit == commit && known.refs.iter().all(same)
}

/// Tells whether the look-ups of a render surely find the same at other commits; those of many Applications are compared together.
async fn is_unchanged(hands: &Hands, known: &Remembered, commit: &str, siblings: &BTreeMap<String, Sibling>) -> bool {
    let own = (&known.input.origin, known.commit.as_str(), commit, &known.lookups);
    let others = known.refs.iter().filter_map(|(name, (before, lookups))| {
        let sibling = siblings.get(name)?;
        Some((&sibling.origin, before.as_str(), sibling.commit.as_str(), lookups))
    });
    for (origin, before, after, lookups) in std::iter::once(own).chain(others) {
        if before == after {
            continue;
        }
        let (Origin::Git(repository), Ok(commit)) = (origin, after.parse::<CommitId>()) else { return false };
        if !hands.renders.questions.ask(hands.loader.repositories(), repository, commit, lookups).await {
            return false;
        }
    }
    true
}

/// Tells whether what a render used from elsewhere is still the same.
async fn is_supplied_the_same(hands: &Hands, known: &Remembered) -> bool {
    for (need, before) in &known.supplied {
        if hands.loader.get(need, Freshness::Recent).await.identity() != *before {
            return false;
        }
    }
    true
}

type Refs = BTreeMap<String, Arc<dyn SourceTree>>;

/// Tells whether the look-ups of a render find the same in these trees. Where one cannot be read, the render tells what is wrong.
async fn finds_the_same(known: &Arc<Remembered>, tree: &Arc<dyn SourceTree>, refs: Option<&Refs>) -> bool {
    let (known, tree, refs) = (Arc::clone(known), Arc::clone(tree), refs.cloned().unwrap_or_default());
    let compared = tokio::task::spawn_blocking(move || {
        let same = |(name, (_, lookups)): (&String, &(String, Arc<manifest_render::LookUps>))| {
            refs.get(name).is_some_and(|tree| lookups.unchanged_in(&**tree).unwrap_or(false))
        };
        known.lookups.unchanged_in(&*tree).unwrap_or(false) && known.refs.iter().all(same)
    });
    compared.await.unwrap_or(false)
}

/// Opens the trees of the sources that others may refer to.
async fn open(hands: &Hands, siblings: &BTreeMap<String, Sibling>) -> Result<Refs, Failed> {
    let mut trees = Refs::new();
    for (name, sibling) in siblings {
        let tree = hands.loader.tree(&sibling.origin, &sibling.commit).await.map_err(|error| unread(&error))?;
        trees.insert(name.clone(), tree);
    }
    Ok(trees)
}

/// A tree that cannot be read says nothing about its content, unless what is there is no chart or artifact.
fn unread(error: &LoadError) -> Failed {
    Failed::Reading(match error {
        LoadError::Artifact(artifact) if artifact.remedy() != Remedy::Retry => {
            RenderFailure::Content(error.to_string())
        }
        _ => RenderFailure::Unavailable(error.to_string()),
    })
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
