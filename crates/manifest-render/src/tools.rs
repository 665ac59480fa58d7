//! Renders by Helm and Kustomize: what is asked of the worker, and what its answer means.

use application_api::SourceType;
use kube_object::{RenderedObject, Stability};

use crate::build_env::BuildEnv;
use crate::context::ContextUse;
use crate::lookups::Recorder;
use crate::mounts::Mounts;
use crate::supplies::Wants;
use crate::worker::{ChartReference, Failed, FailureKind, Job, Rendered};
use crate::{Counted, Elsewhere, Need, RenderContext, RenderError, RenderRequest, RenderWorkers, Tool};
use crate::{dependencies, helm, kustomize, tool_output};

/// What a tool renders.
pub(crate) struct ToolSource<'a> {
    /// Directory of the chart or kustomization.
    pub(crate) directory: &'a str,
    pub(crate) request: &'a RenderRequest,
    pub(crate) context: &'a RenderContext,
    pub(crate) elsewhere: &'a Elsewhere,
    pub(crate) workers: &'a RenderWorkers,
}

/// What a tool made of a source.
#[derive(Debug, Default)]
pub(crate) struct ToolRender {
    pub(crate) objects: Vec<RenderedObject>,
    pub(crate) warnings: Vec<String>,
    pub(crate) stability: Stability,
    /// What was used beside the files.
    pub(crate) used: ContextUse,
}

/// Renders a chart or a kustomization.
pub(crate) fn render(
    recorder: &mut Recorder<'_>,
    source: &ToolSource<'_>,
    source_type: &SourceType,
) -> Result<ToolRender, RenderError> {
    let (Rendered { output, warnings, unstable }, used) = print(recorder, source, source_type)?;
    let objects = tool_output::read(&output, source.directory, &source.request.limits)?;
    let stability = if unstable { Stability::Unstable } else { Stability::Stable };
    Ok(ToolRender { objects, warnings, stability, used })
}

/// Has the tool print what the source comes to; tells what was used beside the files.
pub(crate) fn print(
    recorder: &mut Recorder<'_>,
    source: &ToolSource<'_>,
    source_type: &SourceType,
) -> Result<(Rendered, ContextUse), RenderError> {
    let ToolSource { request, context, workers, .. } = *source;
    let tool = if *source_type == SourceType::Helm { Tool::Helm } else { Tool::Kustomize };
    let mut env = BuildEnv::new(context, &request.path);
    let mut job = Job::new(workers);
    let rendered = if tool == Tool::Helm {
        let options = request.helm.as_deref().cloned().unwrap_or_default();
        let mut wants = Wants::default();
        job.helm = Some(helm::job(recorder, &options, source, &mut env, &mut wants)?);
        chart(recorder, source, &mut job, wants)?
    } else {
        let options = request.kustomize.as_deref().cloned().unwrap_or_default();
        job.kustomize = Some(kustomize::job(recorder, &options, source, &mut env)?);
        kustomization(recorder, source, &mut job)?
    };
    Ok((rendered, env.used))
}

/// Renders a chart, with the dependencies that it does not bring along where it fails without.
fn chart(
    recorder: &mut Recorder<'_>,
    source: &ToolSource<'_>,
    job: &mut Job,
    mut wants: Wants,
) -> Result<Rendered, RenderError> {
    let ToolSource { directory, request, elsewhere, .. } = *source;
    let has_charts = elsewhere.supplies.keys().any(|need| matches!(need, Need::Chart { .. }));
    let mut is_complete = !has_charts;
    if is_complete && wants.is_empty() {
        match ask(recorder, source, Tool::Helm, job)? {
            Err(failed) if failed.kind == FailureKind::Dependencies => is_complete = false,
            answer => return answer.map_err(|failed| refused(Tool::Helm, failed, directory, job)),
        }
    }
    if !is_complete {
        let dependencies = dependencies::find(recorder, directory, elsewhere, &request.limits, &mut wants)?;
        if let Some(helm) = &mut job.helm {
            helm.dependencies = dependencies;
        }
    }
    if !wants.is_empty() {
        return Err(RenderError::Needs(wants.into_needs()));
    }
    ask(recorder, source, Tool::Helm, job)?.map_err(|failed| refused(Tool::Helm, failed, directory, job))
}

/// Builds a kustomization with what it names from elsewhere, as far as that is there.
fn kustomization(recorder: &mut Recorder<'_>, source: &ToolSource<'_>, job: &mut Job) -> Result<Rendered, RenderError> {
    let ToolSource { directory, elsewhere, .. } = *source;
    if let Some(kustomize) = &mut job.kustomize {
        for need in elsewhere.supplies.keys() {
            // What could not be got is told of when the kustomization asks for it.
            let Some(Ok(path)) = elsewhere.path_of(need) else { continue };
            match need {
                Need::Remote(url) => _ = kustomize.remotes.insert(url.as_str().to_owned(), format!("/{path}")),
                Need::Chart { repository, name, version } => {
                    let (repo, name, version) = (repository.as_str().to_owned(), name.clone(), version.clone());
                    kustomize.charts.insert(ChartReference { repo, name, version }.key(), format!("/{path}"));
                }
                Need::File(_) => {}
            }
        }
    }
    let failed = match ask(recorder, source, Tool::Kustomize, job)? {
        Ok(rendered) => return Ok(rendered),
        Err(failed) => failed,
    };
    if !matches!(failed.kind, FailureKind::Remotes | FailureKind::Charts) {
        return Err(refused(Tool::Kustomize, failed, directory, job));
    }
    let remotes = failed.remotes.iter().flatten().map(|url| Need::Remote(url.as_str().into()));
    let charts = failed.charts.iter().flatten().cloned().map(|ChartReference { repo, name, version }| Need::Chart {
        repository: repo.as_str().into(),
        name,
        version,
    });
    let needs: Vec<Need> = remotes.chain(charts).collect();
    for need in &needs {
        if let Some(Err(unmet)) = elsewhere.path_of(need) {
            return Err(unmet.into());
        }
    }
    if needs.is_empty() {
        Err(refused(Tool::Kustomize, failed, directory, job))
    } else {
        Err(RenderError::Needs(needs))
    }
}

/// Has a worker render, and answers its questions.
pub(crate) fn ask(
    recorder: &mut Recorder<'_>,
    source: &ToolSource<'_>,
    tool: Tool,
    job: &Job,
) -> Result<Result<Rendered, Failed>, RenderError> {
    let mut mounts = Mounts::new(recorder, source.request.limits);
    let answer = source.workers.render(job, |lookup| mounts.answer(&lookup));
    if let Some(failure) = mounts.failure {
        // What the worker made of it says less.
        return Err(failure);
    }
    answer.map_err(|source| RenderError::Worker { tool, source })
}

/// Makes an error of a tool's refusal.
pub(crate) fn refused(tool: Tool, failed: Failed, directory: &str, job: &Job) -> RenderError {
    let Failed { kind, mut message, .. } = failed;
    match kind {
        FailureKind::Limit => {
            let limit = job.limits.output_bytes as u64;
            return RenderError::Limit { path: directory.to_owned(), what: Counted::OutputBytes, limit };
        }
        FailureKind::Internal => message = format!("the library broke off: {message}"),
        FailureKind::Dependencies => {
            message = format!("{message}; name their repositories in Chart.yaml, or commit them to charts/");
        }
        FailureKind::Content | FailureKind::Lookup | FailureKind::Remotes | FailureKind::Charts => {}
    }
    RenderError::Tool { tool, message: shortened(message) }
}

/// Bounds a message of a library, which may quote whole files.
fn shortened(mut message: String) -> String {
    const LONGEST: usize = 8 << 10;
    if message.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&at| message.is_char_boundary(at)).unwrap_or_default();
        message.truncate(end);
        message.push_str(" …");
    }
    message
}
