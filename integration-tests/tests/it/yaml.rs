//! Files of the repository as JSON.

use std::path::Path;

use serde_json::Value;

/// Gives the documents of a YAML text.
pub(crate) fn documents(text: &[u8]) -> Vec<Value> {
    let documents = kube_yaml::decode("test", text, &kube_yaml::Limits::default()).expect("a test's YAML is valid");
    documents.into_iter().map(|document| document.value).collect()
}

/// Gives the documents of a file, named by its path from the top of the repository.
pub(crate) fn of_file(path: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    documents(&std::fs::read(&path).unwrap_or_else(|e| panic!("read {}: {e}", path.display())))
}
