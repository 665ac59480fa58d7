use serde_json::{Map, Value, json};

use super::crds;

/// Manifests in the style of tutorials, and a status as Argo CD 3.6 writes it.
const MANIFESTS: &str = include_str!("testdata/manifests.yaml");

pub(crate) fn schema(kind: &str) -> Value {
    let crd = crds().into_iter().find(|crd| crd["spec"]["names"]["kind"] == kind).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

fn manifests() -> Vec<Value> {
    serde_yaml::Deserializer::from_str(MANIFESTS)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect()
}

/// Lists what Kubernetes refuses in a schema that must be structural.
fn structural_problems(path: &str, node: &Value, problems: &mut Vec<String>) {
    const ALLOWED: [&str; 14] = [
        "additionalProperties",
        "description",
        "enum",
        "format",
        "items",
        "maxLength",
        "minLength",
        "nullable",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
    ];
    let Value::Object(node) = node else { return problems.push(format!("{path}: is not a map")) };
    problems.extend(node.keys().filter(|key| !ALLOWED.contains(&key.as_str())).map(|key| format!("{path}: has {key}")));
    match node.get("type").and_then(Value::as_str) {
        Some("array") if !node.contains_key("items") => problems.push(format!("{path}: has no items")),
        Some("object" | "array" | "string" | "integer" | "boolean") => {}
        None if node.contains_key("x-kubernetes-int-or-string") => {}
        other => problems.push(format!("{path}: has type {other:?}")),
    }
    if node.contains_key("properties") && node.contains_key("additionalProperties") {
        problems.push(format!("{path}: has properties and additionalProperties"));
    }
    let properties = node.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for field in node.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !properties.contains_key(field.as_str().unwrap()) {
            problems.push(format!("{path}: requires {field}, which it does not declare"));
        }
    }
    let inner = ["items", "additionalProperties"].into_iter().filter_map(|key| Some((key, node.get(key)?)));
    for (name, inner) in inner.chain(properties.iter().map(|(name, inner)| (name.as_str(), inner))) {
        structural_problems(&format!("{path}.{name}"), inner, problems);
    }
}

/// Lists what the API server refuses in an object with strict validation: unknown and missing fields, wrong types.
pub(crate) fn validate(path: &str, node: &Value, value: &Value, problems: &mut Vec<String>) {
    let is_open = node["x-kubernetes-preserve-unknown-fields"] == true || path == ".metadata";
    let fits = match node["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") if node["format"] == "date-time" => {
            value.as_str().is_some_and(|text| kube_object::Time::parse(text).is_some())
        }
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        _ => value.is_i64() || value.is_string(),
    };
    if !fits || node["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        return problems.push(format!("{path}: {value} does not fit"));
    }
    let fields = value.as_object().cloned().unwrap_or_default();
    for required in node["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            problems.push(format!("{path}: lacks {required}"));
        }
    }
    for (name, field) in fields.iter().filter(|_| !is_open) {
        match node["properties"].get(name).or_else(|| node.get("additionalProperties")) {
            Some(inner) => validate(&format!("{path}.{name}"), inner, field, problems),
            None => problems.push(format!("{path}: does not know {name}")),
        }
    }
    for item in value.as_array().into_iter().flatten() {
        validate(&format!("{path}[]"), &node["items"], item, problems);
    }
}

fn problems_of(value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    validate("", &schema(value["kind"].as_str().unwrap()), value, &mut problems);
    problems
}

#[test]
fn schemas_are_structural() {
    for crd in crds() {
        let mut problems = Vec::new();
        structural_problems("", &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut problems);
        assert_eq!(problems, [""; 0]);
        assert_eq!(crd["spec"]["versions"][0].get("subresources"), None);
    }
}

#[test]
fn committed_crds_are_those_that_the_code_generates() {
    let committed = [
        include_str!("../../../../config/crd/applications.yaml"),
        include_str!("../../../../config/crd/appprojects.yaml"),
    ]
    .map(|text| serde_yaml::from_str::<Value>(text).unwrap());
    // Not assert_eq: the difference of two CRDs is not readable.
    assert!(committed.as_slice() == crds(), "config/crd is out of date: write it with `driftless crds`");
}

#[test]
fn manifests_pass_strict_validation() {
    for manifest in manifests() {
        assert_eq!(problems_of(&manifest), [""; 0], "{}", manifest["metadata"]["name"]);
    }
    let broken = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {},
        "spec": {
            "destination": {"servers": ""},
            "source": {},
            "revisionHistoryLimit": "1",
            "syncPolicy": {"automated": null},
        },
    });
    assert_eq!(
        problems_of(&broken),
        [
            ".spec: lacks \"project\"",
            ".spec.destination: does not know servers",
            ".spec.revisionHistoryLimit: \"1\" does not fit",
            ".spec.source: lacks \"repoURL\"",
            ".spec.syncPolicy.automated: null does not fit",
        ]
    );
}

#[test]
fn manifests_round_trip_without_loss() {
    for manifest in manifests() {
        let object = kube_object::Object::from_value(manifest.clone()).unwrap();
        let written = match manifest["kind"].as_str() {
            Some("Application") => serde_json::to_value(crate::Application::from_object(&object).unwrap()),
            _ => serde_json::to_value(crate::AppProject::from_object(&object).unwrap()),
        };
        let mut expected = manifest;
        let fields: &mut Map<String, Value> = expected.as_object_mut().unwrap();
        fields.retain(|name, _| !["apiVersion", "kind"].contains(&name.as_str()));
        assert_eq!(written.unwrap(), expected);
    }
}

#[test]
fn an_empty_status_holds_what_is_always_written() {
    let status = serde_json::to_value(crate::ApplicationStatus::default()).unwrap();
    assert_eq!(
        status,
        json!({
            "sync": {"status": "Unknown", "comparedTo": {"source": {"repoURL": ""}, "destination": {}}},
            "health": {},
            "summary": {},
            "sourceHydrator": {},
        })
    );
    let mut problems = Vec::new();
    validate(".status", &schema("Application")["properties"]["status"], &status, &mut problems);
    assert_eq!(problems, [""; 0]);
}
