//! From the spec of a source and a tree of files to manifests.
//!
//! [`render`] reads plain directories of YAML and JSON the way Argo CD does, through [`git_source::SourceTree`], so that
//! nothing is checked out; Helm charts and kustomizations are rendered by their own libraries in a [worker](RenderWorkers) that reads
//! through the same tree. Each render records what it looked up: when none of that changed between two commits, the output is the
//! same and need not be computed ([`LookUps::unchanged_in`]). Sources of other tools are refused by name.

mod app_path;
mod build_env;
mod context;
mod dependencies;
mod detect;
mod error;
mod files;
mod helm;
mod jsonnet;
mod kustomize;
mod limits;
mod lookups;
mod manifests;
mod mounts;
mod output;
mod overrides;
mod request;
mod stored;
mod supplies;
mod symlinks;
mod tool_output;
mod tools;
mod worker;

pub use context::{ContextUse, RenderContext};
pub use error::{Counted, PathProblem, RenderError, Tool};
pub use helm::FileProblem;
pub use limits::RenderLimits;
pub use lookups::LookUps;
pub use output::{Format, write_output};
pub use request::{Contents, HiddenDirectories, RenderRequest};
pub use stored::{StoredRender, made_by};
pub use supplies::{Elsewhere, Need, Supply};
pub use worker::{RenderWorkers, WorkerEnd, WorkerFault, WorkerOptions};

use std::collections::BTreeMap;

use application_api::SourceType;
use git_source::SourceTree;
use kube_object::{Digest, RenderedManifests, Stability};

use crate::lookups::Recorder;
use crate::tools::{ToolRender, ToolSource};

/// Version of the Helm library that the worker is linked with.
pub const HELM_VERSION: &str = "v3.22.0";
/// Version of the Kustomize library that the worker is linked with.
pub const KUSTOMIZE_VERSION: &str = "v5.8.2";
/// Version of the Jsonnet library that the worker is linked with.
pub const JSONNET_VERSION: &str = "v0.21.0";

/// Version of what this crate makes of the same input; part of every input key, with those of the libraries.
const RENDERER: &[u8] = b"render 3";

/// Warnings of one render that are told one by one.
const WARNINGS: usize = 50;

/// The outcome of rendering one source.
#[derive(Clone, Debug)]
pub struct Render {
    /// The objects, before destination namespace and tracking are added.
    pub manifests: RenderedManifests,
    /// Everything that was looked up for them in the source's own tree.
    pub lookups: LookUps,
    /// Everything that was looked up in the trees of other sources, by their names.
    pub refs: BTreeMap<String, LookUps>,
    /// What was used from elsewhere, by its [identity](Supply::identity).
    pub supplied: BTreeMap<Need, Digest>,
    /// How the source was rendered.
    pub source_type: SourceType,
    /// Whether rendering the same once more gives the same.
    pub stability: Stability,
}

/// Renders a source from the tree of its revision.
///
/// Blocks while the tree is read, and while a worker renders. Any file in doubt is an error, so that an object is never missing because of
/// one. [`RenderError::Needs`] says what has to be got from elsewhere first; it may come more than once.
pub fn render(
    tree: &dyn SourceTree,
    request: &RenderRequest,
    context: &RenderContext,
    elsewhere: &Elsewhere,
    workers: &RenderWorkers,
) -> Result<Render, RenderError> {
    detect::refuse_declared(request)?;
    let mounts = elsewhere.mounts();
    let mut recorder = Recorder::new(tree);
    for (path, mounted) in &mounts {
        recorder.mount(path.clone(), &**mounted);
    }
    let mut source_type = SourceType::Directory;
    let mut rendered = ToolRender::default();
    if request.contents == Contents::Manifests {
        // An archive of a chart is the chart.
        let path = if request.chart.is_empty() { request.path.as_str() } else { "" };
        let directory = app_path::resolve(&mut recorder, path)?;
        let overridden = overrides::apply(&mut recorder, &directory, request)?;
        let request = overridden.as_ref().unwrap_or(request);
        detect::refuse_declared(request)?;
        source_type = detect::tool(&mut recorder, &directory, request)?;
        let source = ToolSource { directory: &directory, request, context, elsewhere, workers };
        if source_type == SourceType::Directory {
            let found = files::find(&mut recorder, &directory, request)?;
            let used = &mut rendered.used;
            let evaluate = |file: &str| jsonnet::evaluate(&mut recorder, &source, file, used);
            (rendered.objects, rendered.warnings) = manifests::read(tree, found, &request.limits, evaluate)?;
        } else {
            rendered = tools::render(&mut recorder, &source, &source_type)?;
        }
    }
    let ToolRender { objects, warnings, stability, used } = rendered;
    let (lookups, mounted) = recorder.into_lookups(context, used);
    let supplied = elsewhere.used(&mounted);
    let refs = elsewhere.refs_of(mounted);
    let input_key = input_key(request, &lookups, &refs, &supplied);
    let manifests = RenderedManifests::new(objects, input_key, shortened(warnings));
    Ok(Render { manifests, lookups, refs, supplied, source_type, stability })
}

/// Digests everything that decides about the output.
fn input_key(
    request: &RenderRequest,
    lookups: &LookUps,
    refs: &BTreeMap<String, LookUps>,
    supplied: &BTreeMap<Need, Digest>,
) -> Digest {
    let mut parts = vec![RENDERER.to_vec(), request.digest().to_vec(), lookups.digest().as_bytes().to_vec()];
    parts.extend([HELM_VERSION, KUSTOMIZE_VERSION, JSONNET_VERSION].map(|version| version.as_bytes().to_vec()));
    for (name, lookups) in refs {
        parts.extend([name.as_bytes().to_vec(), lookups.digest().as_bytes().to_vec()]);
    }
    for (need, identity) in supplied {
        parts.extend([need.to_string().into_bytes(), identity.as_bytes().to_vec()]);
    }
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}

/// Counts the warnings that are too many for anybody to read.
fn shortened(mut warnings: Vec<String>) -> Vec<String> {
    let more = warnings.len().saturating_sub(WARNINGS);
    warnings.truncate(WARNINGS);
    if more > 0 {
        warnings.push(format!("{more} more files were skipped"));
    }
    warnings
}

#[cfg(test)]
mod tests;
