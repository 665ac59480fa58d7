//! Files beside the manifests that change the source itself (Argo CD semantics, 6.4): how image updaters write back what they set.

use application_api::ApplicationSource;
use git_source::EntryMode;
use kube_object::apply_merge_patch;
use kube_yaml::decode;
use serde_json::Value;

use crate::lookups::Recorder;
use crate::symlinks::{Resolved, join, resolve};
use crate::{RenderError, RenderRequest};

/// Merges the override files of a directory into a request; the later file wins. Where there are none, nothing is returned.
pub(crate) fn apply(
    recorder: &mut Recorder<'_>,
    directory: &str,
    request: &RenderRequest,
) -> Result<Option<RenderRequest>, RenderError> {
    let mut merged: Option<Value> = None;
    let mut last = String::new();
    for name in [".argocd-source.yaml".to_owned(), override_file(&request.app_name)] {
        // A name with a slash is no file name.
        let Some(path) = join(directory, &name).filter(|_| !request.app_name.contains('/')) else { continue };
        let Some(patch) = read(recorder, &path, request)? else { continue };
        let mut source = match merged.take() {
            Some(source) => source,
            None => serde_json::to_value(source_of(request)).map_err(|error| failed(&path, error.to_string()))?,
        };
        apply_merge_patch(&mut source, &patch);
        merged = Some(source);
        last = path;
    }
    let Some(merged) = merged else { return Ok(None) };
    let mut source: ApplicationSource =
        serde_json::from_value(merged).map_err(|error| failed(&last, error.to_string()))?;
    // Where manifests come from is not for them to say.
    source.chart.clone_from(&request.chart);
    source.path.clone_from(&request.path);
    let changed = RenderRequest::from_source(&source, &request.app_name);
    let changed = changed.map_err(|error| failed(&last, error.to_string()))?;
    Ok(Some(RenderRequest {
        value_file_schemes: request.value_file_schemes.clone(),
        disabled_tools: request.disabled_tools.clone(),
        hidden_directories: request.hidden_directories,
        contents: request.contents,
        limits: request.limits,
        ..changed
    }))
}

/// Returns the name of the override file of an Application.
pub(crate) fn override_file(app_name: &str) -> String {
    format!(".argocd-source-{app_name}.yaml")
}

fn source_of(request: &RenderRequest) -> ApplicationSource {
    let is_declared = request.declared == Some(application_api::SourceType::Directory);
    ApplicationSource {
        path: request.path.clone(),
        chart: request.chart.clone(),
        helm: request.helm.clone(),
        kustomize: request.kustomize.clone(),
        directory: is_declared.then(|| Box::new(request.directory.clone())),
        ..ApplicationSource::default()
    }
}

/// Reads an override file; none where there is none.
fn read(recorder: &mut Recorder<'_>, path: &str, request: &RenderRequest) -> Result<Option<Value>, RenderError> {
    let (path, entry) = match resolve(recorder, path)? {
        Resolved::Found(path, mode, entry) if mode.is_file() => (path, entry),
        Resolved::Found(path, EntryMode::Directory, _) => {
            recorder.directory(&path);
            return Ok(None);
        }
        Resolved::Found(..) | Resolved::Missing(_) => return Ok(None),
    };
    let bytes = recorder.content(&path, &entry, request.limits.file_bytes)?;
    let documents = decode(&path, &bytes, &request.limits.decoding());
    let mut documents = documents.map_err(|error| failed(&path, error.to_string()))?;
    if documents.is_empty() {
        return Ok(None);
    }
    let value = documents.swap_remove(0).value;
    if !value.is_object() {
        return Err(failed(&path, "expected a map with the fields of a source".to_owned()));
    }
    Ok(Some(value))
}

fn failed(file: &str, problem: String) -> RenderError {
    RenderError::Override { file: file.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::mem_tree::MemTree;

    fn applied(files: &[(&str, &str)], source: Value) -> Result<Option<RenderRequest>, String> {
        let source: ApplicationSource = serde_json::from_value(source).unwrap();
        let request = RenderRequest::from_source(&source, "web").unwrap();
        let tree = MemTree::new(files);
        apply(&mut Recorder::new(&tree), "app", &request).map_err(|error| error.to_string())
    }

    #[test]
    fn files_change_the_source_but_not_where_it_is() {
        let general = "kustomize: {images: [a:1], namePrefix: x-}\npath: other\nrepoURL: https://other\n";
        let own = "kustomize: {images: [a:2], namePrefix: null}\n";
        let files = [
            ("app/.argocd-source.yaml", general),
            ("app/.argocd-source-web.yaml", own),
            ("app/.argocd-source-other.yaml", "helm: {}\n"),
        ];
        let request = applied(&files, json!({"path": "app", "kustomize": {"nameSuffix": "-y"}})).unwrap().unwrap();
        let kustomize = serde_json::to_value(request.kustomize).unwrap();
        assert_eq!((request.path.as_str(), kustomize), ("app", json!({"images": ["a:2"], "nameSuffix": "-y"})));
        assert_eq!(request.declared, Some(application_api::SourceType::Kustomize));
        assert_eq!(applied(&files[2..], json!({"path": "app"})), Ok(None));
        assert_eq!(applied(&[("app/.argocd-source.yaml", "# nothing\n")], json!({"path": "app"})), Ok(None));
    }

    #[test]
    fn files_that_say_nothing_sensible_are_errors_that_name_them() {
        for (content, expected) in [
            ("[a]\n", "app/.argocd-source.yaml: expected a map with the fields of a source"),
            ("a: [\n", "app/.argocd-source.yaml: "),
            ("helm: {valueFiles: 7}\n", "app/.argocd-source.yaml: invalid type"),
            (
                "helm: {releaseName: x}\n",
                "app/.argocd-source.yaml: multiple application sources defined: Helm,Kustomize",
            ),
        ] {
            let error =
                applied(&[("app/.argocd-source.yaml", content)], json!({"path": "app", "kustomize": {"version": "x"}}));
            let error = error.unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
