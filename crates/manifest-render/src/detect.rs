use application_api::SourceType;

use crate::lookups::Recorder;
use crate::symlinks::join;
use crate::{RenderError, RenderRequest, Tool};

const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Refuses what the source's own fields ask for and is not built in. A disabled tool's source counts as a directory.
pub(crate) fn refuse_declared(request: &RenderRequest) -> Result<(), RenderError> {
    let refused = |tool, why: &str| Err(RenderError::UnsupportedSource { tool, why: why.to_owned() });
    if request.declared == Some(SourceType::Plugin) && request.is_enabled(&SourceType::Plugin) {
        return refused(Tool::Plugin, "spec.source.plugin is set");
    }
    Ok(())
}

/// Tells how a directory is rendered: as its source declares, else as its files say. What decided is recorded, but for a plain
/// directory, whose files are recorded when they are read.
pub(crate) fn tool(
    recorder: &mut Recorder<'_>,
    directory: &str,
    request: &RenderRequest,
) -> Result<SourceType, RenderError> {
    if !request.chart.is_empty() {
        return Ok(SourceType::Helm);
    }
    if let Some(declared) = &request.declared {
        return Ok(if request.is_enabled(declared) { declared.clone() } else { SourceType::Directory });
    }
    let entries = recorder.list_unrecorded(directory)?;
    let file = |names: fn(&str) -> bool| {
        entries.iter().find(|(name, entry)| names(name) && entry.mode != git_source::EntryMode::Directory)
    };
    let mut looked_at: Vec<&str> = Vec::new();
    let mut found = SourceType::Directory;
    if request.is_enabled(&SourceType::Kustomize) {
        if let Some((name, _)) = file(is_kustomization) {
            looked_at.push(name);
            found = SourceType::Kustomize;
        } else {
            looked_at.extend(KUSTOMIZATIONS);
        }
    }
    if found == SourceType::Directory
        && request.is_enabled(&SourceType::Helm)
        && let Some((name, _)) = file(is_chart)
    {
        looked_at.push(name);
        found = SourceType::Helm;
    }
    if found != SourceType::Directory {
        for name in looked_at {
            recorder.entry(&join(directory, name).unwrap_or_default())?;
        }
    }
    Ok(found)
}

/// Tells whether a file decides about the tool without being a manifest by its extension.
pub(crate) fn is_kustomization(name: &str) -> bool {
    KUSTOMIZATIONS.contains(&name)
}

fn is_chart(name: &str) -> bool {
    name.ends_with("Chart.yaml")
}
