//! The kinds of argoproj.io as the API server and kubectl see them.

use integration_tests::{Environment, ObjectRef, object};
use serde_json::{Value, json};
use test_kit::application;

use crate::yaml;

/// Applies a manifest with kubectl and strict validation; gives whether it was accepted, and what kubectl says about it.
fn apply_strictly(env: &Environment, manifest: &Value) -> (bool, String) {
    let file = env.directory().join("manifest.json");
    std::fs::write(&file, manifest.to_string()).unwrap();
    let arguments = ["apply", "--validate=strict", "--filename", "manifest.json"];
    let output = env.cluster().kubectl(env.directory(), &arguments);
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_definitions_are_structural_and_have_no_status_subresource() {
    let env = Environment::new("types-crd").await;
    for (name, short_names) in [("applications", ["app", "apps"]), ("appprojects", ["appproj", "appprojs"])] {
        let name = format!("{name}.argoproj.io");
        let target = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", &name);
        let definition = env.cluster().get(&target).await;
        assert_eq!(definition["status"]["acceptedNames"]["shortNames"], json!(short_names));
        let conditions = definition["status"]["conditions"].as_array().unwrap();
        let kinds = |status: &str| -> Vec<&str> {
            let those = conditions.iter().filter(|condition| condition["status"] == status);
            those.filter_map(|condition| condition["type"].as_str()).collect()
        };
        // A schema that is not structural raises a condition of its own.
        assert_eq!((kinds("True"), kinds("False")), (vec!["NamesAccepted", "Established"], vec![]), "{conditions:#?}");
        for version in definition["spec"]["versions"].as_array().unwrap() {
            assert_eq!(version["subresources"]["status"], Value::Null);
        }
        let (accepted, said) = apply_strictly(&env, &committed(&name));
        assert!(accepted && said.lines().all(|line| line.contains("last-applied-configuration")), "{said}");
    }
}

/// Gives a definition from `config/crd`.
fn committed(name: &str) -> Value {
    let file = name.split('.').next().unwrap_or_default();
    yaml::of_file(&format!("config/crd/{file}.yaml")).remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_of_tutorials_apply_with_strict_validation_and_lose_nothing() {
    let env = Environment::new("types-tutorials").await;
    let files = [
        "integration-tests/tests/it/api_types/applications.yaml",
        "integration-tests/tests/it/api_types/projects.yaml",
    ];
    for mut manifest in files.iter().flat_map(|file| yaml::of_file(file)) {
        manifest["metadata"]["namespace"] = env.namespace().into();
        let name = manifest["metadata"]["name"].clone();
        let (accepted, said) = apply_strictly(&env, &manifest);
        let unexpected = said.lines().filter(|line| !line.contains("prefer a domain-qualified finalizer name"));
        assert!(accepted && unexpected.count() == 0, "{name}: {said}");
        let stored = env.cluster().get(&ObjectRef::of(&manifest)).await;
        for part in ["spec", "operation", "status"] {
            assert_eq!(stored[part], manifest[part], "{part} of {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_does_not_exist_is_refused() {
    let env = Environment::new("types-strict").await;
    let app = application("types-strict").in_namespace(env.namespace());
    let (accepted, said) = apply_strictly(&env, &app.set("/spec/source/targetRevison", "main").build());
    assert!(!accepted && said.contains("unknown field \"spec.source.targetRevison\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_sync_and_health() {
    let env = Environment::new("types-columns").await;
    env.cluster().apply(&application("types-columns").in_namespace(env.namespace()).project("web").build()).await;
    let status = json!({"sync": {"status": "OutOfSync", "revision": "abc"}, "health": {"status": "Degraded"}});
    env.cluster().edit(&env.application("types-columns"), &json!({"status": status})).await;
    let shown = |arguments: &[&str]| {
        let output = env.cluster().kubectl(env.directory(), &[&["--namespace", env.namespace()], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect())
            .collect::<Vec<Vec<String>>>()
    };
    for names in ["applications", "app", "apps"] {
        let expected = [["NAME", "SYNC STATUS", "HEALTH STATUS"], ["types-columns", "OutOfSync", "Degraded"]];
        assert_eq!(shown(&["get", names]), expected);
    }
    let expected = [
        ["NAME", "SYNC STATUS", "HEALTH STATUS", "REVISION", "PROJECT"],
        ["types-columns", "OutOfSync", "Degraded", "abc", "web"],
    ];
    assert_eq!(shown(&["get", "app", "--output", "wide"]), expected);
}
