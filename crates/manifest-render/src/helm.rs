//! From the `helm` field of a source to what the worker is asked (Argo CD semantics, 6.7).

use application_api::{ApplicationSourceHelm, HelmParameter};
use git_source::EntryMode;
use globset::GlobBuilder;

use crate::RenderError;
use crate::build_env::BuildEnv;
use crate::lookups::Recorder;
use crate::supplies::{Need, Wants};
use crate::symlinks::{Resolved, join, resolve};
use crate::tools::ToolSource;
use crate::worker::{HelmFile, HelmJob, HelmValue};

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
    /// It names a source, and none has a name; the words are Argo CD's.
    #[error("source referenced {0:?}, but no source has a 'ref' field defined")]
    NoRefs(String),
    /// It names a source that there is none of; the words are Argo CD's.
    #[error("source referenced {name:?}, which is not one of the available sources ({available})")]
    UnknownRef {
        /// The name, with its dollar sign.
        name: String,
        /// Those that there are.
        available: String,
    },
}

/// Makes the request to render the chart in a directory. What has to be got first is added to `wants`.
pub(crate) fn job(
    recorder: &mut Recorder<'_>,
    options: &ApplicationSourceHelm,
    source: &ToolSource<'_>,
    env: &mut BuildEnv<'_>,
    wants: &mut Wants,
) -> Result<HelmJob, RenderError> {
    let ToolSource { directory, context, .. } = *source;
    refuse(options)?;
    // Release, namespace and versions are always rendered with.
    env.used.application = true;
    env.used.cluster |= options.kube_version.is_empty() || options.api_versions.is_empty();
    let ignores_missing = options.ignore_missing_value_files;
    let mut files = Files { recorder, source, ignores_missing, env, wants };
    let value_files = files.value_files(&options.value_files)?;
    let mut file_parameters = Vec::new();
    for parameter in &options.file_parameters {
        let place = files.place(&parameter.path)?;
        let path = files.one(&place)?;
        file_parameters.extend(path.map(|path| HelmFile { name: parameter.name.clone(), path }));
    }
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
        dependencies: Vec::new(),
    })
}

fn refuse(options: &ApplicationSourceHelm) -> Result<(), RenderError> {
    match options.version.as_str() {
        "" | "v3" => Ok(()),
        other => Err(RenderError::ToolVersion { field: "helm.version", version: other.to_owned() }),
    }
}

/// Returns the first of two texts that says something.
pub(crate) fn first_set(given: &str, otherwise: &str) -> String {
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
struct Files<'a, 'tree, 'env> {
    recorder: &'a mut Recorder<'tree>,
    source: &'a ToolSource<'a>,
    ignores_missing: bool,
    env: &'a mut BuildEnv<'env>,
    wants: &'a mut Wants,
}

/// A file that a source refers to.
struct Place {
    /// As written, variables replaced.
    written: String,
    /// Where it is; none while it has to be got from elsewhere.
    path: Option<String>,
    is_glob: bool,
}

impl Files<'_, '_, '_> {
    /// Finds values files in the order in which they count: a file that is named keeps its place, globs leave it out.
    fn value_files(&mut self, written: &[String]) -> Result<Vec<String>, RenderError> {
        let places = written.iter().map(|file| self.place(file)).collect::<Result<Vec<_>, _>>()?;
        let named: Vec<&String> =
            places.iter().filter(|place| !place.is_glob).filter_map(|place| place.path.as_ref()).collect();
        let mut files: Vec<String> = Vec::new();
        for place in &places {
            if !place.is_glob {
                match self.one(place) {
                    Err(RenderError::File { problem: FileProblem::Missing, .. }) if self.ignores_missing => {}
                    found => files.extend(found?),
                }
                continue;
            }
            let matches = self.matches(place)?;
            if matches.is_empty() && !self.ignores_missing {
                return failed(&place.written, FileProblem::NoMatch(place.written.clone()));
            }
            for path in matches {
                let path_in_tree = format!("/{path}");
                if !named.contains(&&path) && !files.contains(&path_in_tree) {
                    files.push(path_in_tree);
                }
            }
        }
        Ok(files)
    }

    /// Finds one file; none while it has to be got.
    fn one(&mut self, place: &Place) -> Result<Option<String>, RenderError> {
        let Some(path) = &place.path else { return Ok(None) };
        match resolve(self.recorder, path)? {
            Resolved::Found(_, EntryMode::Directory | EntryMode::Submodule, _) => {
                failed(&place.written, FileProblem::Directory)
            }
            Resolved::Found(..) => Ok(Some(format!("/{path}"))),
            Resolved::Missing(_) => failed(&place.written, FileProblem::Missing),
        }
    }

    /// Finds out where what is written is: in another source after `$name`, at a URL, from the root of the repository after `/`, else
    /// from the chart.
    fn place(&mut self, raw: &str) -> Result<Place, RenderError> {
        let elsewhere = self.source.elsewhere;
        if let Some(reference) = raw.strip_prefix('$')
            && let Some(refs) = &elsewhere.refs
        {
            let (name, rest) = reference.split_once('/').unwrap_or((reference, ""));
            let Some(mount) = elsewhere.ref_path(name) else {
                let name = format!("${name}");
                if refs.is_empty() {
                    return failed(raw, FileProblem::NoRefs(name));
                }
                let available = refs.keys().map(|known| format!("${known}")).collect::<Vec<_>>().join(", ");
                return failed(raw, FileProblem::UnknownRef { name, available });
            };
            let rest = self.env.expand(rest);
            let Some(below) = join("", &rest) else { return failed(raw, FileProblem::OutsideRoot) };
            return Ok(Place {
                written: raw.to_owned(),
                path: Some(format!("{mount}/{below}")),
                is_glob: is_glob(&rest),
            });
        }
        let written = self.env.expand(raw);
        if let Some((scheme, _)) = written.split_once("://") {
            if !self.source.request.value_file_schemes.iter().any(|allowed| allowed.eq_ignore_ascii_case(scheme)) {
                return failed(&written, FileProblem::Scheme(scheme.to_owned()));
            }
            let path = self.remote(&written)?;
            return Ok(Place { written, path, is_glob: false });
        }
        let joined = match written.strip_prefix('/') {
            Some(from_root) => join("", from_root),
            None => join(self.source.directory, &written),
        };
        let Some(path) = joined else { return failed(&written, FileProblem::OutsideRoot) };
        Ok(Place { is_glob: is_glob(&written), path: Some(path), written })
    }

    /// Returns where a file from a URL is; none while it has to be got.
    fn remote(&mut self, url: &str) -> Result<Option<String>, RenderError> {
        let need = Need::File(url.into());
        match self.source.elsewhere.path_of(&need) {
            Some(Ok(path)) => Ok(Some(path)),
            Some(Err(unmet)) => Err(unmet.into()),
            None => {
                self.wants.add(need);
                Ok(None)
            }
        }
    }

    /// Finds the files that a glob matches, by name; `*` stays within a directory, `**` does not.
    fn matches(&mut self, place: &Place) -> Result<Vec<String>, RenderError> {
        let Some(pattern) = &place.path else { return Ok(Vec::new()) };
        let unreadable = |error: globset::Error| FileProblem::Glob(error.kind().to_string());
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.or_else(|error| failed(&place.written, unreadable(error)))?.compile_matcher();
        let fixed = pattern.split('/').take_while(|part| !is_glob(part)).collect::<Vec<_>>().join("/");
        let mut found = Vec::new();
        if let Resolved::Found(top, EntryMode::Directory, _) = resolve(self.recorder, &fixed)? {
            self.recorder.list_all(&top)?;
            let mut directories = vec![(top, fixed, 0)];
            while let Some((at, shown, depth)) = directories.pop() {
                for (name, entry) in self.recorder.list_unrecorded(&at)? {
                    let [child, path] = [&at, &shown].map(|directory| join(directory, &name).unwrap_or_default());
                    match entry.mode {
                        EntryMode::Directory if depth < self.source.request.limits.depth => {
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
