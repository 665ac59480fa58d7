use std::sync::Arc;

use git_source::{SourceTree, TreeError};
use kube_object::{Object, RenderedObject};
use kube_yaml::{DecodeError, Document, decode, decode_json, expand_lists, looks_like_manifest};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::files::{Found, ManifestFile, is_jsonnet};
use crate::{Counted, RenderError, RenderLimits};

/// A file that holds this text is not read, whatever else it says.
const SKIP_MARKER: &str = "+argocd:skip-file-rendering";

/// Reads the objects of all files, and what to tell people about files that hold none. Jsonnet files are evaluated by `evaluate`, which is
/// given the path of one and answers with JSON.
pub(crate) fn read(
    tree: &dyn SourceTree,
    found: Found,
    limits: &RenderLimits,
    mut evaluate: impl FnMut(&str) -> Result<String, RenderError>,
) -> Result<(Vec<RenderedObject>, Vec<String>), RenderError> {
    let Found { files, mut warnings } = found;
    let mut objects = Vec::new();
    let mut bytes_read = 0;
    for file in files {
        if is_jsonnet(&file.path) {
            let path: Arc<str> = file.path.into();
            let json = evaluate(&path)?;
            objects.extend(evaluated(&path, &json, limits)?);
            check_count(objects.len(), &path, limits)?;
            continue;
        }
        let bytes = content(tree, &file, bytes_read, limits)?;
        bytes_read += bytes.len() as u64;
        if holds(&bytes, SKIP_MARKER) {
            continue;
        }
        if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
            return Err(RenderError::LargeFileStorage { file: file.path });
        }
        let path: Arc<str> = file.path.into();
        match documents(&path, &bytes, limits)? {
            Documents::Objects(all) => {
                objects.extend(all.iter().map(|(object, line)| RenderedObject::new(object, path.clone(), *line)));
            }
            Documents::Skipped(reason) => warnings.push(format!("{path}: skipped, because {reason}")),
        }
        check_count(objects.len(), &path, limits)?;
    }
    objects.shrink_to_fit();
    Ok((objects, warnings))
}

/// Checks that a source has no more objects than it may.
pub(crate) fn check_count(objects: usize, path: &str, limits: &RenderLimits) -> Result<(), RenderError> {
    if objects <= limits.objects {
        return Ok(());
    }
    Err(RenderError::Limit { path: path.to_owned(), what: Counted::Objects, limit: limits.objects as u64 })
}

/// Reads what a Jsonnet file came to: an object, or a list of them.
fn evaluated(path: &Arc<str>, json: &str, limits: &RenderLimits) -> Result<Vec<RenderedObject>, RenderError> {
    let failed = |source: DecodeError| RenderError::Output { file: path.to_string(), line: source.line, source };
    let is_list = json.trim_start().starts_with('[');
    let texts: Vec<&str> = match serde_json::from_str::<Vec<&RawValue>>(json) {
        Ok(values) if is_list => values.into_iter().map(RawValue::get).collect(),
        // What is wrong with it is said below.
        _ => vec![json],
    };
    let mut objects = Vec::new();
    for text in texts.into_iter().filter(|text| text.trim() != "null") {
        let document = decode_json(path, text.as_bytes(), &limits.decoding_output()).map_err(failed)?;
        for mut document in expand_lists(path, document).map_err(failed)? {
            // Lines of what it came to say nothing to people.
            document.line = 1;
            let (object, line) = object(path, document)?;
            objects.push(RenderedObject::new(&object, Arc::clone(path), line));
        }
    }
    Ok(objects)
}

fn content(
    tree: &dyn SourceTree,
    file: &ManifestFile,
    bytes_read: u64,
    limits: &RenderLimits,
) -> Result<Vec<u8>, RenderError> {
    let path = || file.path.clone();
    let left = if limits.combined_bytes == 0 { u64::MAX } else { limits.combined_bytes - bytes_read };
    tree.blob(&file.content, limits.file_bytes.min(left)).map_err(|error| match error {
        TreeError::TooLarge { size, .. } if size > limits.file_bytes => {
            RenderError::Limit { path: path(), what: Counted::FileBytes, limit: limits.file_bytes }
        }
        TreeError::TooLarge { .. } => {
            RenderError::Limit { path: path(), what: Counted::CombinedBytes, limit: limits.combined_bytes }
        }
        source => RenderError::Tree { path: path(), source },
    })
}

/// What a file holds.
enum Documents {
    Objects(Vec<(Object, u32)>),
    /// Nothing that was meant for Kubernetes, and why it is thought so.
    Skipped(String),
}

fn documents(file: &str, bytes: &[u8], limits: &RenderLimits) -> Result<Documents, RenderError> {
    let name = || file.rsplit_once('/').map_or(file, |(_, name)| name).to_owned();
    let failed = |source: DecodeError| RenderError::Decode { name: name(), source };
    let is_json = file.rsplit_once('.').is_some_and(|(_, extension)| extension == "json");
    let decoded = if is_json {
        decode_json(file, bytes, &limits.decoding()).map(|document| vec![document])
    } else {
        decode(file, bytes, &limits.decoding())
    };
    let documents = match decoded {
        Ok(documents) => documents,
        Err(error) if is_json || looks_like_manifest(bytes) => return Err(failed(error)),
        Err(error) => return Ok(Documents::Skipped(format!("it is neither a manifest nor YAML ({error})"))),
    };
    let mut objects = Vec::new();
    for document in documents {
        if !is_json && !has_kind(&document.value) && objects.is_empty() && !has_all_marks(bytes) {
            return Ok(Documents::Skipped(format!("the document at line {} has no kind", document.line)));
        }
        for document in expand_lists(file, document).map_err(failed)? {
            objects.push(object(file, document)?);
        }
    }
    Ok(Documents::Objects(objects))
}

fn has_kind(value: &Value) -> bool {
    value.get("kind").and_then(Value::as_str).is_some_and(|kind| !kind.is_empty())
}

/// Tells whether a file without a kind was still meant for Kubernetes: Argo CD's test on its text.
fn has_all_marks(bytes: &[u8]) -> bool {
    ["apiVersion:", "kind:", "metadata:"].iter().all(|mark| holds(bytes, mark))
}

fn holds(bytes: &[u8], text: &str) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(file) => file.contains(text),
        Err(_) => bytes.windows(text.len()).any(|window| window == text.as_bytes()),
    }
}

/// Takes a document as an object that Kubernetes could take, with its line.
pub(crate) fn object(file: &str, document: Document) -> Result<(Object, u32), RenderError> {
    let Document { value, line } = document;
    let failed = |problem: &str| Err(RenderError::Object { file: file.to_owned(), line, problem: problem.to_owned() });
    let Ok(object) = Object::from_value(value) else { return failed("the document is not a map") };
    if object.kind().is_empty() {
        return failed("kind is missing, or not text");
    }
    if object.api_version().is_empty() {
        return failed("apiVersion is missing, or not text");
    }
    if !matches!(object.get(&["metadata"]), Some(Value::Object(_))) {
        return failed("metadata is missing, or not a map");
    }
    for field in ["name", "generateName", "namespace"] {
        if object.get(&["metadata", field]).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return failed(&format!("metadata.{field} is not text, put it in quotes"));
        }
    }
    let prefix = object.get(&["metadata", "generateName"]).and_then(Value::as_str).unwrap_or_default();
    if object.name().is_empty() && prefix.is_empty() {
        return failed("metadata.name is missing");
    }
    Ok((object, line))
}
