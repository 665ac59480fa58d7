//! What a scenario that fails tells.

use std::fmt::Write as _;

use integration_tests::{Cluster, ObjectRef, object};
use kube::api::ListParams;
use serde_json::{Value, json};

use super::recorder::Record;

/// Why a step failed.
pub(super) struct Failure {
    /// What differs from what was expected.
    pub(super) difference: String,
    /// What was expected, null where the difference says it all.
    pub(super) wanted: Value,
    /// The object that it was expected of.
    pub(super) target: Option<ObjectRef>,
    /// The object as last seen, null if there was none.
    pub(super) live: Value,
}

impl From<String> for Failure {
    fn from(difference: String) -> Self {
        Self { difference, wanted: Value::Null, target: None, live: Value::Null }
    }
}

/// Writes a failure down, with what helps to find its reason.
pub(super) async fn report(
    place: &str,
    failure: &Failure,
    cluster: &Cluster,
    control: &str,
    records: &[Record],
) -> String {
    let mut text = format!("{place}: {}\n", failure.difference);
    if !failure.wanted.is_null() {
        section(&mut text, "expected", &failure.wanted);
    }
    if let Some(target) = &failure.target {
        if failure.live.is_null() {
            let beside = names_beside(cluster, target).await.join(", ");
            writeln!(text, "--- {target} does not exist; of its kind there are: {beside}")
                .expect("a string can be written to");
        } else {
            section(&mut text, &target.to_string(), &failure.live);
        }
    }
    let any = object("argoproj.io/v1alpha1", "Application", control, "");
    for app in any.api(cluster.client()).list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default() {
        let app = json!(app);
        if app["metadata"]["uid"] != failure.live["metadata"]["uid"] {
            section(
                &mut text,
                &ObjectRef::of(
                    &json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": app["metadata"]}),
                )
                .to_string(),
                &app,
            );
        }
    }
    if !records.is_empty() {
        text.push_str("--- recorded, by version\n");
        for record in records {
            writeln!(text, "{record}").expect("a string can be written to");
        }
    }
    text
}

fn section(text: &mut String, title: &str, value: &Value) {
    let mut value = value.clone();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    write!(text, "--- {title}\n{}", kube_yaml::to_yaml(&value)).expect("a string can be written to");
}

async fn names_beside(cluster: &Cluster, target: &ObjectRef) -> Vec<String> {
    let list = target.api(cluster.client()).list(&ListParams::default()).await;
    list.map(|list| list.items.into_iter().filter_map(|item| item.metadata.name).collect()).unwrap_or_default()
}
