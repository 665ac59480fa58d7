//! Renders by Helm and Kustomize: what is asked of the worker, and what its answer means.

use application_api::SourceType;
use kube_object::{RenderedObject, Stability};

use crate::build_env::BuildEnv;
use crate::context::ContextUse;
use crate::lookups::Recorder;
use crate::mounts::Mounts;
use crate::worker::{Failed, FailureKind, Job, Rendered};
use crate::{Counted, RenderContext, RenderError, RenderRequest, RenderWorkers, Tool};
use crate::{helm, kustomize, tool_output};

/// What a tool renders.
pub(crate) struct ToolSource<'a> {
    /// Directory of the chart or kustomization.
    pub(crate) directory: &'a str,
    pub(crate) request: &'a RenderRequest,
    pub(crate) context: &'a RenderContext,
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
    let ToolSource { directory, request, context, workers } = *source;
    let tool = if *source_type == SourceType::Helm { Tool::Helm } else { Tool::Kustomize };
    let mut env = BuildEnv::new(context, &request.path);
    let mut job = Job::new(workers);
    if tool == Tool::Helm {
        let options = request.helm.as_deref().cloned().unwrap_or_default();
        job.helm = Some(helm::job(recorder, directory, &options, context, &mut env, &request.limits)?);
    } else {
        let options = request.kustomize.as_deref().cloned().unwrap_or_default();
        job.kustomize = Some(kustomize::job(recorder, directory, &options, context, &mut env)?);
    }
    Ok((ask(recorder, source, tool, &job)?, env.used))
}

/// Has a worker render, and answers its questions.
pub(crate) fn ask(
    recorder: &mut Recorder<'_>,
    source: &ToolSource<'_>,
    tool: Tool,
    job: &Job,
) -> Result<Rendered, RenderError> {
    let mut mounts = Mounts::new(recorder, source.request.limits);
    let answer = source.workers.render(job, |lookup| mounts.answer(&lookup));
    if let Some(failure) = mounts.failure {
        // What the worker made of it says less.
        return Err(failure);
    }
    let rendered = answer.map_err(|source| RenderError::Worker { tool, source })?;
    rendered.map_err(|failed| refused(tool, failed, source.directory, job))
}

fn refused(tool: Tool, failed: Failed, directory: &str, job: &Job) -> RenderError {
    let Failed { kind, mut message, remotes } = failed;
    match kind {
        FailureKind::Limit => {
            let limit = job.limits.output_bytes as u64;
            return RenderError::Limit { path: directory.to_owned(), what: Counted::OutputBytes, limit };
        }
        FailureKind::Remotes => {
            let urls = remotes.unwrap_or_default().join(", ");
            message = format!("remote resources are not fetched yet: {urls}; commit them to the repository");
        }
        FailureKind::Dependencies => {
            message = format!("{message}; chart dependencies are not fetched yet: commit them to charts/");
        }
        FailureKind::Internal => message = format!("the library broke off: {message}"),
        FailureKind::Content | FailureKind::Lookup => {}
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
