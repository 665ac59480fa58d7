use kube_object::Object;
use serde_json::Value;

/// Returns the images that an object runs, sorted, each once.
pub(crate) fn images(object: &Object) -> Vec<String> {
    let path: &[&str] = match object.kind() {
        "Pod" => &["spec"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        "PodTemplate" => &["template", "spec"],
        _ => &["spec", "template", "spec"],
    };
    let Some(spec) = object.get(path) else { return Vec::new() };
    let mut images: Vec<String> = ["initContainers", "containers"]
        .iter()
        .filter_map(|list| spec.get(*list)?.as_array())
        .flatten()
        .filter_map(|container| container.get("image").and_then(Value::as_str).map(str::to_owned))
        .collect();
    images.sort_unstable();
    images.dedup();
    images
}
