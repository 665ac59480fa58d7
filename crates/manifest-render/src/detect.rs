use application_api::SourceType;
use git_source::TreeEntry;

use crate::lookups::Recorder;
use crate::symlinks::join;
use crate::{RenderError, RenderRequest, Tool};

const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Refuses what the source's own fields ask for and is not built in. A disabled tool's source counts as a directory.
pub(crate) fn refuse_declared(request: &RenderRequest) -> Result<(), RenderError> {
    let refused = |tool, why: &str| Err(RenderError::UnsupportedSource { tool, why: why.to_owned() });
    if request.is_oci {
        return refused(Tool::Oci, "spec.source.repoURL starts with oci://");
    }
    if !request.chart.is_empty() {
        return refused(Tool::Helm, "spec.source.chart is set");
    }
    match request.declared.as_ref().filter(|declared| request.is_enabled(declared)) {
        Some(SourceType::Helm) => return refused(Tool::Helm, "spec.source.helm is set"),
        Some(SourceType::Kustomize) => return refused(Tool::Kustomize, "spec.source.kustomize is set"),
        Some(SourceType::Plugin) => return refused(Tool::Plugin, "spec.source.plugin is set"),
        _ => {}
    }
    let jsonnet = &request.directory.jsonnet;
    if !jsonnet.ext_vars.is_empty() || !jsonnet.tlas.is_empty() || !jsonnet.libs.is_empty() {
        return refused(Tool::Jsonnet, "spec.source.directory.jsonnet is set");
    }
    Ok(())
}

/// Refuses a directory with files that change the source itself.
pub(crate) fn refuse_overrides(
    recorder: &mut Recorder<'_>,
    directory: &str,
    app_name: &str,
) -> Result<(), RenderError> {
    for name in [".argocd-source.yaml".to_owned(), format!(".argocd-source-{app_name}.yaml")] {
        // A name with a slash is no file name.
        let Some(path) = join(directory, &name).filter(|_| !app_name.contains('/')) else { continue };
        if recorder.entry(&path)?.is_some() {
            return Err(RenderError::UnsupportedSource { tool: Tool::SourceOverride, why: format!("{path} exists") });
        }
    }
    Ok(())
}

/// Refuses a directory whose files make it the source of a tool that is not built in.
pub(crate) fn refuse_detected(
    directory: &str,
    entries: &[(String, TreeEntry)],
    request: &RenderRequest,
) -> Result<(), RenderError> {
    if request.declared.is_some() {
        return Ok(());
    }
    for (tool, source_type, is_its_file) in [
        (Tool::Kustomize, SourceType::Kustomize, is_kustomization as fn(&str) -> bool),
        (Tool::Helm, SourceType::Helm, is_chart),
    ] {
        let its_file =
            entries.iter().find(|(name, entry)| is_its_file(name) && entry.mode != git_source::EntryMode::Directory);
        if let Some((name, _)) = its_file.filter(|_| request.is_enabled(&source_type)) {
            let path = join(directory, name).unwrap_or_default();
            return Err(RenderError::UnsupportedSource {
                tool,
                why: format!("{path} makes the path a source of this tool"),
            });
        }
    }
    Ok(())
}

/// Tells whether a file decides about the tool without being a manifest by its extension.
pub(crate) fn is_kustomization(name: &str) -> bool {
    KUSTOMIZATIONS.contains(&name)
}

fn is_chart(name: &str) -> bool {
    name.ends_with("Chart.yaml")
}
