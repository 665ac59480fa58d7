//! A repository of many overlays on few bases, each overlay with its Application.

use std::path::Path;

use serde_json::{Value, json};
use test_kit::{FixtureRepo, application};

use crate::workload::{Commit, Workload, app_name, config_map, namespace_of};

/// Bases that the overlays are spread over.
pub(crate) const BASES: usize = 10;
/// Name of a base's objects.
const NAME: &str = "web";

/// Writes the repository and serves it over HTTP.
pub(crate) fn serve(directory: &Path, overlays: usize) -> Workload {
    Workload::written(directory, overlays, |repo, url| {
        for base in 0..BASES {
            write_base(repo, base);
        }
        for index in 0..overlays {
            write_overlay(repo, index);
            repo.write(&format!("root/{}.json", app_name(index)), child(url, index).to_string());
        }
    })
}

/// Makes a commit that changes the ConfigMap of one overlay.
pub(crate) fn commit_to_overlay(workload: &mut Workload, index: usize) -> Commit {
    workload.change(|repo, value| write_patch(repo, index, value))
}

/// Makes a commit that changes the ConfigMap of one base, and with it that of all its overlays.
pub(crate) fn commit_to_base(workload: &mut Workload, base: usize) -> Commit {
    workload.change(|repo, value| write_config(repo, base, value))
}

/// Gives the overlays of a base.
pub(crate) fn overlays_of(base: usize, overlays: usize) -> impl Iterator<Item = usize> {
    (base..overlays).step_by(BASES)
}

/// Names the ConfigMap of an overlay.
pub(crate) fn config_name(index: usize) -> String {
    format!("{}-{NAME}", app_name(index))
}

fn child(url: &str, index: usize) -> Value {
    let name = app_name(index);
    let child = application(&name).source(url, &format!("overlays/{name}")).destination(&namespace_of(index));
    child.automated().prune().self_heal().build()
}

fn write_base(repo: &FixtureRepo, base: usize) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": NAME, "labels": {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "platform"}},
        "spec": {
            "selector": {"app.kubernetes.io/name": NAME},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME}});
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": ["config.yaml", "service.yaml", "account.yaml"],
    });
    write_config(repo, base, "0");
    for (file, content) in [("service", service), ("account", account), ("kustomization", kustomization)] {
        repo.write(&format!("bases/base-{base}/{file}.yaml"), content.to_string());
    }
}

fn write_config(repo: &FixtureRepo, base: usize, value: &str) {
    let mut config = config_map(NAME, "0");
    config["data"]["base"] = value.into();
    repo.write(&format!("bases/base-{base}/config.yaml"), config.to_string());
}

fn write_overlay(repo: &FixtureRepo, index: usize) {
    let name = app_name(index);
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "namespace": namespace_of(index), "namePrefix": format!("{name}-"),
        "resources": [format!("../../bases/base-{}", index % BASES)],
        "images": [{"name": "registry.example/web", "newTag": format!("1.0.{index}")}],
        "patches": [{"path": "patch.yaml"}],
    });
    repo.write(&format!("overlays/{name}/kustomization.yaml"), kustomization.to_string());
    write_patch(repo, index, "0");
}

fn write_patch(repo: &FixtureRepo, index: usize, value: &str) {
    let patch = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {"value": value}});
    repo.write(&format!("overlays/{}/patch.yaml", app_name(index)), patch.to_string());
}
