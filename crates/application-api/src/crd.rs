use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::constants::{APPLICATION_KIND, GROUP, PART_OF, PART_OF_LABEL, PROJECT_KIND, VERSION};
use crate::{AppProjectSpec, AppProjectStatus, ApplicationSpec, ApplicationStatus, Operation};

/// Returns the CRDs of Application and AppProject.
///
/// Neither has a status subresource: status and operation are fields like others, as in Argo CD (semantics, section 1.1).
pub fn crds() -> Vec<Value> {
    let application =
        Names { kind: APPLICATION_KIND, singular: "application", plural: "applications", short: ["app", "apps"] };
    let project =
        Names { kind: PROJECT_KIND, singular: "appproject", plural: "appprojects", short: ["appproj", "appprojs"] };
    vec![
        crd(
            &application,
            &json!([
                {"name": "Sync Status", "type": "string", "jsonPath": ".status.sync.status"},
                {"name": "Health Status", "type": "string", "jsonPath": ".status.health.status"},
                {"name": "Revision", "type": "string", "jsonPath": ".status.sync.revision", "priority": 10},
                {"name": "Project", "type": "string", "jsonPath": ".spec.project", "priority": 10},
            ]),
            &object(
                "What to deploy from where to where, and how that went.",
                [
                    ("spec", schema_of::<ApplicationSpec>()),
                    ("status", schema_of::<ApplicationStatus>()),
                    ("operation", schema_of::<Operation>()),
                ],
            ),
        ),
        crd(
            &project,
            &json!([]),
            &object(
                "What applications may deploy from where to where, and who may act on them.",
                [("spec", schema_of::<AppProjectSpec>()), ("status", schema_of::<AppProjectStatus>())],
            ),
        ),
    ]
}

struct Names {
    kind: &'static str,
    singular: &'static str,
    plural: &'static str,
    short: [&'static str; 2],
}

fn crd(names: &Names, columns: &Value, schema: &Value) -> Value {
    let name = format!("{}.{GROUP}", names.plural);
    let mut version = json!({
        "name": VERSION,
        "served": true,
        "storage": true,
        "schema": {"openAPIV3Schema": schema},
    });
    if columns.as_array().is_some_and(|columns| !columns.is_empty()) {
        version["additionalPrinterColumns"] = columns.clone();
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name, PART_OF_LABEL: PART_OF}},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": names.kind,
                "listKind": format!("{}List", names.kind),
                "plural": names.plural,
                "singular": names.singular,
                "shortNames": names.short,
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    })
}

fn object<const N: usize>(description: &str, fields: [(&str, Value); N]) -> Value {
    let mut properties = json!({
        "apiVersion": {"type": "string", "description": "Version of this schema."},
        "kind": {"type": "string", "description": "Kind of the object."},
        "metadata": {"type": "object"},
    });
    for (name, schema) in fields {
        properties[name] = schema;
    }
    json!({"type": "object", "description": description, "required": ["metadata", "spec"], "properties": properties})
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    make_structural(&mut schema);
    schema
}

/// Turns a schema into a structural one, as CRDs need it: one type a node, absence instead of null, no defaults (the server
/// would write them into objects).
fn make_structural(schema: &mut Value) {
    let Value::Object(node) = schema else { return };
    for keyword in ["$schema", "title", "default"] {
        node.remove(keyword);
    }
    if let Some(Value::Array(types)) = node.get("type") {
        let not_null = types.iter().find(|name| *name != "null").cloned();
        node.insert("type".to_owned(), not_null.unwrap_or_else(|| "object".into()));
    }
    drop_null_alternative(node);
    if let Some(Value::String(text)) = node.get_mut("description") {
        *text = first_sentence(text);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = node.get_mut(keyword) {
            make_structural(inner);
        }
    }
    if let Some(Value::Object(properties)) = node.get_mut("properties") {
        properties.values_mut().for_each(make_structural);
    }
}

/// Replaces `anyOf: [x, null]`, which schemas of optional fields may have, by x.
fn drop_null_alternative(node: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = node.remove("anyOf") else { return };
    for alternative in alternatives {
        if let Value::Object(fields) = alternative {
            for (keyword, value) in fields.into_iter().filter(|(_, value)| *value != "null") {
                node.entry(keyword).or_insert(value);
            }
        }
    }
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.find(". ") {
        Some(end) => text[..=end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
pub(crate) mod tests;
