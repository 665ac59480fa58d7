//! From the `helm` field of a source to what the worker is asked (Argo CD semantics, 6.7).

use application_api::{ApplicationSourceHelm, HelmParameter};
use git_source::EntryMode;
use globset::GlobBuilder;

use crate::build_env::BuildEnv;
use crate::lookups::Recorder;
use crate::symlinks::{Resolved, join, resolve};
use crate::worker::{HelmFile, HelmJob, HelmValue};
use crate::{RenderContext, RenderError, RenderLimits};

/// What is wrong with the reference to a values file or a parameter's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// It leads out of the repository; the words are Argo CD's.
    #[error("value file path resolved to outside repository root")]
    OutsideRoot,
    /// Nothing is there.
    #[error("no such file in the repository; correct the path, or set ignoreMissingValueFiles")]
    Missing,
    /// A directory is there.
    #[error("it is a directory; name a file")]
    Directory,
    /// A glob matches nothing; the words are Argo CD's.
    #[error("values file glob {0:?} matched no files")]
    NoMatch(String),
    /// A glob does not parse.
    #[error("the glob does not parse: {0}")]
    Glob(String),
    /// It is a URL of a scheme that the settings do not allow.
    #[error("URLs of scheme {0} are not allowed (helm.valuesFileSchemes in argocd-cm)")]
    Scheme(String),
    /// It is a URL.
    #[error("values files from URLs are not supported yet; commit the file")]
    Remote,
    /// It names a source that there is none of.
    #[error("source referenced {0:?}, but no source has a 'ref' field defined")]
    UnknownRef(String),
}

/// Makes the request to render the chart in a directory.
pub(crate) fn job(
    recorder: &mut Recorder<'_>,
    directory: &str,
    options: &ApplicationSourceHelm,
    context: &RenderContext,
    env: &mut BuildEnv<'_>,
    limits: &RenderLimits,
) -> Result<HelmJob, RenderError> {
    refuse(options)?;
    // Release, namespace and versions are always rendered with.
    env.used.application = true;
    env.used.cluster |= options.kube_version.is_empty() || options.api_versions.is_empty();
    let mut files = Files { recorder, directory, ignores_missing: options.ignore_missing_value_files, limits };
    let value_files = files.value_files(&options.value_files, env)?;
    let file_parameters = options.file_parameters.iter().map(|parameter| {
        let path = files.one(&env.expand(&parameter.path))?;
        Ok(HelmFile { name: parameter.name.clone(), path })
    });
    let file_parameters = file_parameters.collect::<Result<_, RenderError>>()?;
    let kube_version = first_set(&options.kube_version, context.cluster.kube_version());
    let api_versions = &options.api_versions;
    Ok(HelmJob {
        chart: format!("/{directory}"),
        release_name: first_set(&options.release_name, &context.app_name),
        namespace: first_set(&options.namespace, &context.namespace),
        kube_version,
        api_versions: if api_versions.is_empty() { context.cluster.api_versions() } else { api_versions }.to_vec(),
        value_files,
        values: values(options),
        parameters: options.parameters.iter().map(|parameter| value(parameter, env)).collect(),
        file_parameters,
        skip_crds: options.skip_crds,
        skip_tests: options.skip_tests,
        skip_schema_validation: options.skip_schema_validation,
    })
}

fn refuse(options: &ApplicationSourceHelm) -> Result<(), RenderError> {
    match options.version.as_str() {
        "" | "v3" => Ok(()),
        other => Err(RenderError::ToolVersion { field: "helm.version", version: other.to_owned() }),
    }
}

fn first_set(given: &str, otherwise: &str) -> String {
    if given.is_empty() { otherwise } else { given }.to_owned()
}

/// Returns the inline values; an object wins over text.
fn values(options: &ApplicationSourceHelm) -> String {
    match &options.values_object {
        Some(object) if !object.is_null() => object.to_string(),
        _ => options.values.clone(),
    }
}

fn value(parameter: &HelmParameter, env: &mut BuildEnv<'_>) -> HelmValue {
    let value = escaped(&env.expand(&parameter.value));
    HelmValue { name: parameter.name.clone(), value, string: parameter.force_string }
}

/// Escapes the commas of a value, which would end it; not in a list, and not twice.
fn escaped(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len());
    let mut previous = None;
    for character in value.chars() {
        if character == ',' && previous != Some('\\') {
            out.push('\\');
        }
        out.push(character);
        previous = Some(character);
    }
    out
}

/// Finds the files that a source refers to.
struct Files<'a, 'tree> {
    recorder: &'a mut Recorder<'tree>,
    directory: &'a str,
    ignores_missing: bool,
    limits: &'a RenderLimits,
}

impl Files<'_, '_> {
    /// Finds values files in the order in which they count: a file that is named keeps its place, globs leave it out.
    fn value_files(&mut self, written: &[String], env: &mut BuildEnv<'_>) -> Result<Vec<String>, RenderError> {
        let written: Vec<String> = written.iter().map(|file| env.expand(file)).collect();
        let mut named = Vec::new();
        for file in written.iter().filter(|file| !is_glob(file)) {
            named.push(self.path(file)?);
        }
        let mut files: Vec<String> = Vec::new();
        for file in &written {
            if !is_glob(file) {
                match self.one(file) {
                    Err(RenderError::File { problem: FileProblem::Missing, .. }) if self.ignores_missing => {}
                    found => files.push(found?),
                }
                continue;
            }
            let matches = self.matches(file)?;
            if matches.is_empty() && !self.ignores_missing {
                return failed(file, FileProblem::NoMatch(file.clone()));
            }
            for path in matches {
                let path_in_tree = format!("/{path}");
                if !named.contains(&path) && !files.contains(&path_in_tree) {
                    files.push(path_in_tree);
                }
            }
        }
        Ok(files)
    }

    /// Finds one file.
    fn one(&mut self, file: &str) -> Result<String, RenderError> {
        let path = self.path(file)?;
        match resolve(self.recorder, &path)? {
            Resolved::Found(_, EntryMode::Directory | EntryMode::Submodule, _) => failed(file, FileProblem::Directory),
            Resolved::Found(..) => Ok(format!("/{path}")),
            Resolved::Missing(_) => failed(file, FileProblem::Missing),
        }
    }

    /// Returns the path in the repository of what is written: absolute from its root, else from the chart.
    fn path(&self, file: &str) -> Result<String, RenderError> {
        if let Some((scheme, _)) = file.split_once("://") {
            return match scheme {
                "http" | "https" => failed(file, FileProblem::Remote),
                scheme => failed(file, FileProblem::Scheme(scheme.to_owned())),
            };
        }
        let joined = match file.strip_prefix('/') {
            Some(from_root) => join("", from_root),
            None => join(self.directory, file),
        };
        joined.map_or_else(|| failed(file, FileProblem::OutsideRoot), Ok)
    }

    /// Finds the files that a glob matches, by name; `*` stays within a directory, `**` does not.
    fn matches(&mut self, file: &str) -> Result<Vec<String>, RenderError> {
        let pattern = self.path(file)?;
        let unreadable = |error: globset::Error| FileProblem::Glob(error.kind().to_string());
        let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
        let glob = glob.or_else(|error| failed(file, unreadable(error)))?.compile_matcher();
        let fixed = pattern.split('/').take_while(|part| !is_glob(part)).collect::<Vec<_>>().join("/");
        let mut found = Vec::new();
        if let Resolved::Found(top, EntryMode::Directory, _) = resolve(self.recorder, &fixed)? {
            self.recorder.list_all(&top)?;
            let mut directories = vec![(top, fixed, 0)];
            while let Some((at, shown, depth)) = directories.pop() {
                for (name, entry) in self.recorder.list_unrecorded(&at)? {
                    let [child, path] = [&at, &shown].map(|directory| join(directory, &name).unwrap_or_default());
                    match entry.mode {
                        EntryMode::Directory if depth < self.limits.depth => {
                            directories.push((child, path, depth + 1));
                        }
                        EntryMode::Directory | EntryMode::Submodule => {}
                        _ if glob.is_match(&path) => found.push(path),
                        _ => {}
                    }
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

fn is_glob(file: &str) -> bool {
    file.contains(['*', '?', '['])
}

fn failed<T>(file: &str, problem: FileProblem) -> Result<T, RenderError> {
    Err(RenderError::File { file: file.to_owned(), problem })
}

#[cfg(test)]
mod tests;
