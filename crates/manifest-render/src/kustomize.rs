//! From the `kustomize` field of a source to what the worker is asked (Argo CD semantics, 6.8).

use std::collections::BTreeMap;

use application_api::{ApplicationSourceKustomize, IntOrString};
use git_source::EntryMode;
use serde_json::Value;

use crate::RenderError;
use crate::build_env::BuildEnv;
use crate::helm::first_set;
use crate::lookups::Recorder;
use crate::symlinks::{Resolved, join, resolve};
use crate::tools::ToolSource;
use crate::worker::{InflationJob, KustomizeJob, KustomizePatch};

/// Makes the request to build the kustomization in a directory.
pub(crate) fn job(
    recorder: &mut Recorder<'_>,
    options: &ApplicationSourceKustomize,
    source: &ToolSource<'_>,
    env: &mut BuildEnv<'_>,
) -> Result<KustomizeJob, RenderError> {
    let ToolSource { directory, context, .. } = *source;
    if !options.version.is_empty() {
        let version = options.version.clone();
        return Err(RenderError::ToolVersion { field: "kustomize.version", version });
    }
    env.used.kustomize_options = true;
    let BuildOptions { load_restrictions, inflates } = build_options(&context.kustomize_build_options)?;
    env.used.cluster |= inflates && (options.kube_version.is_empty() || options.api_versions.is_empty());
    let helm = inflates.then(|| InflationJob {
        kube_version: first_set(&options.kube_version, context.cluster.kube_version()),
        api_versions: if options.api_versions.is_empty() {
            context.cluster.api_versions()
        } else {
            &options.api_versions
        }
        .to_vec(),
    });
    let mut edits = edits(options, env);
    edits.extend(components(recorder, directory, options)?);
    Ok(KustomizeJob {
        path: format!("/{directory}"),
        edits,
        patches: options.patches.iter().map(patch).collect(),
        load_restrictions,
        remotes: BTreeMap::new(),
        helm,
        charts: BTreeMap::new(),
    })
}

/// Returns the arguments of `kustomize edit`, a list for each call.
fn edits(options: &ApplicationSourceKustomize, env: &mut BuildEnv<'_>) -> Vec<Vec<String>> {
    let mut edits = Edits::default();
    if !options.name_prefix.is_empty() {
        edits.add(&["set", "nameprefix", "--"], [options.name_prefix.clone()]);
    }
    if !options.name_suffix.is_empty() {
        edits.add(&["set", "namesuffix", "--"], [options.name_suffix.clone()]);
    }
    if !options.images.is_empty() {
        edits.add(&["set", "image"], options.images.iter().map(|image| env.expand(image)));
    }
    if !options.replicas.is_empty() {
        let counts = options.replicas.iter().map(|replica| match &replica.count {
            IntOrString::Int(count) => format!("{}={count}", replica.name),
            IntOrString::String(count) => format!("{}={count}", replica.name),
        });
        edits.add(&["set", "replicas"], counts);
    }
    if !options.common_labels.is_empty() {
        let flags = [
            (options.force_common_labels, "--force"),
            (options.label_without_selector, "--without-selector"),
            (options.label_include_templates, "--include-templates"),
        ];
        let labels = options.common_labels.iter().map(|(name, value)| format!("{name}:{}", env.expand(value)));
        edits.add_flagged(&["add", "label"], &flags, labels);
    }
    if !options.common_annotations.is_empty() {
        let flags = [(options.force_common_annotations, "--force")];
        let annotations = options.common_annotations.iter().map(|(name, value)| {
            let value = if options.common_annotations_envsubst { env.expand(value) } else { value.clone() };
            format!("{name}:{value}")
        });
        edits.add_flagged(&["add", "annotation"], &flags, annotations);
    }
    if !options.namespace.is_empty() {
        edits.add(&["set", "namespace", "--"], [options.namespace.clone()]);
    }
    edits.0
}

#[derive(Default)]
struct Edits(Vec<Vec<String>>);

impl Edits {
    fn add(&mut self, command: &[&str], arguments: impl IntoIterator<Item = String>) {
        self.0.push(command.iter().map(|&word| word.to_owned()).chain(arguments).collect());
    }

    /// Adds a command with flags; each pair is an argument, since Kustomize does not split them.
    fn add_flagged(&mut self, command: &[&str], flags: &[(bool, &str)], pairs: impl Iterator<Item = String>) {
        let set = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).to_owned());
        self.add(command, set.chain(pairs));
    }
}

/// Returns the edit that adds components; those that may be missing are left out when they are.
fn components(
    recorder: &mut Recorder<'_>,
    directory: &str,
    options: &ApplicationSourceKustomize,
) -> Result<Option<Vec<String>>, RenderError> {
    let mut found = Vec::new();
    for component in &options.components {
        if options.ignore_missing_components && !is_directory(recorder, directory, component)? {
            continue;
        }
        found.push(component.clone());
    }
    if found.is_empty() {
        return Ok(None);
    }
    Ok(Some(["add", "component"].map(str::to_owned).into_iter().chain(found).collect()))
}

fn is_directory(recorder: &mut Recorder<'_>, directory: &str, component: &str) -> Result<bool, RenderError> {
    let Some(path) = join(directory, component) else { return Ok(false) };
    match resolve(recorder, &path)? {
        Resolved::Found(at, EntryMode::Directory, _) => {
            recorder.directory(&at);
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn patch(patch: &application_api::KustomizePatch) -> KustomizePatch {
    let target = patch.target.as_ref().and_then(|target| serde_json::to_value(target).ok());
    let options = (!patch.options.is_empty()).then(|| {
        let flags = patch.options.iter().map(|(name, set)| (name.clone(), Value::Bool(*set)));
        Value::Object(flags.collect())
    });
    KustomizePatch { path: patch.path.clone(), patch: patch.patch.clone(), target, options }
}

/// Options of `kustomize build`.
struct BuildOptions {
    load_restrictions: &'static str,
    /// Whether charts are rendered (`--enable-helm`).
    inflates: bool,
}

/// Reads what the settings add to `kustomize build`.
fn build_options(options: &[String]) -> Result<BuildOptions, RenderError> {
    let mut restrictions = "rootOnly";
    let mut inflates = false;
    let mut words = options.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        match name {
            "--load-restrictor" | "--load_restrictor" => match value.or_else(|| words.next()) {
                Some("LoadRestrictionsNone" | "none") => restrictions = "none",
                Some("LoadRestrictionsRootOnly" | "rootOnly") => restrictions = "rootOnly",
                _ => return Err(RenderError::BuildOption { option: word.to_owned() }),
            },
            "--enable-helm" => inflates = value != Some("false"),
            _ => return Err(RenderError::BuildOption { option: word.to_owned() }),
        }
    }
    Ok(BuildOptions { load_restrictions: restrictions, inflates })
}

#[cfg(test)]
mod tests;
