//! From the spec of a source and a tree of files to manifests.
//!
//! [`render`] reads plain directories of YAML and JSON the way Argo CD does, through [`git_source::SourceTree`], so that
//! nothing is checked out. It records what it looked up: when none of that changed between two commits, the output is the
//! same and need not be computed ([`LookUps::unchanged_in`]). Sources of other tools are refused by name.

mod app_path;
mod detect;
mod error;
mod files;
mod limits;
mod lookups;
mod manifests;
mod output;
mod request;
mod symlinks;

pub use error::{Counted, PathProblem, RenderError, Tool};
pub use limits::RenderLimits;
pub use lookups::LookUps;
pub use output::{Format, write_output};
pub use request::{Contents, HiddenDirectories, RenderRequest};

use application_api::SourceType;
use git_source::SourceTree;
use kube_object::{Digest, RenderedManifests};

use crate::lookups::Recorder;

/// Version of what this crate makes of the same input; part of every input key.
const RENDERER: &[u8] = b"directory 1";

/// Warnings of one render that are told one by one.
const WARNINGS: usize = 50;

/// The outcome of rendering one source.
#[derive(Clone, Debug)]
pub struct Render {
    /// The objects, before destination namespace and tracking are added.
    pub manifests: RenderedManifests,
    /// Everything that was looked up for them.
    pub lookups: LookUps,
    /// How the source was rendered.
    pub source_type: SourceType,
}

/// Renders a source from the tree of its revision.
///
/// Blocks while the tree is read. Any file in doubt is an error, so that an object is never missing because of one.
pub fn render(tree: &dyn SourceTree, request: &RenderRequest) -> Result<Render, RenderError> {
    detect::refuse_declared(request)?;
    let mut recorder = Recorder::new(tree);
    let (objects, warnings) = match request.contents {
        Contents::Nothing => (Vec::new(), Vec::new()),
        Contents::Manifests => {
            let directory = app_path::resolve(&mut recorder, &request.path)?;
            detect::refuse_overrides(&mut recorder, &directory, &request.app_name)?;
            let found = files::find(&mut recorder, &directory, request)?;
            manifests::read(tree, found, &request.limits)?
        }
    };
    let lookups = recorder.into_lookups();
    let input_key = Digest::of_parts([RENDERER, &request.digest()[..], lookups.digest().as_bytes()]);
    let manifests = RenderedManifests::new(objects, input_key, shortened(warnings));
    Ok(Render { manifests, lookups, source_type: SourceType::Directory })
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
