//! From the `jsonnet` field of a directory to what the worker is asked (Argo CD semantics, 6.6).

use application_api::JsonnetVar;

use crate::build_env::BuildEnv;
use crate::context::ContextUse;
use crate::lookups::Recorder;
use crate::symlinks::join;
use crate::tools::{ToolSource, ask, refused};
use crate::worker::{Job, JsonnetJob, JsonnetValue};
use crate::{FileProblem, RenderError, Tool};

/// Evaluates a Jsonnet file of a directory; returns JSON.
pub(crate) fn evaluate(
    recorder: &mut Recorder<'_>,
    source: &ToolSource<'_>,
    file: &str,
    used: &mut ContextUse,
) -> Result<String, RenderError> {
    let options = &source.request.directory.jsonnet;
    let mut env = BuildEnv::new(source.context, &source.request.path);
    let mut expand = |variables: &[JsonnetVar]| -> Vec<JsonnetValue> {
        let value = |variable: &JsonnetVar| JsonnetValue {
            name: variable.name.clone(),
            value: env.expand(&variable.value),
            code: variable.code,
        };
        variables.iter().map(value).collect()
    };
    let (ext_vars, tlas) = (expand(&options.ext_vars), expand(&options.tlas));
    // As Argo CD: the application's directory, then libraries from the root of the repository; later ones are looked into first.
    let mut libs = vec![format!("/{}", source.directory)];
    for lib in &options.libs {
        let outside = || RenderError::File { file: lib.clone(), problem: FileProblem::OutsideRoot };
        libs.push(format!("/{}", join("", lib.trim_start_matches('/')).ok_or_else(outside)?));
    }
    used.application |= env.used.application;
    used.revision |= env.used.revision;
    let mut job = Job::new(source.workers);
    job.jsonnet = Some(JsonnetJob { path: format!("/{file}"), ext_vars, tlas, libs });
    let answer = ask(recorder, source, Tool::Jsonnet, &job)?;
    let rendered = answer.map_err(|failed| refused(Tool::Jsonnet, failed, source.directory, &job))?;
    Ok(rendered.output)
}
