//! The corpus, rendered by the worker and by the command lines of Helm and Kustomize: both print the same bytes.

use std::path::{Path, PathBuf};
use std::process::Command;

use application_api::{ApplicationSourceDirectory, ApplicationSourceHelm, ApplicationSourceKustomize};
use git_source::DirTree;
use serde::Deserialize;

use super::workers::{pool, workspace};
use crate::tools::{ToolSource, print};
use crate::*;

/// What a case says of itself (`case.yaml`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    path: String,
    /// Name of the application; by default that of the release.
    application: Option<String>,
    #[serde(default)]
    release_name: String,
    #[serde(default)]
    namespace: String,
    helm: Option<Box<ApplicationSourceHelm>>,
    kustomize: Option<Box<ApplicationSourceKustomize>>,
    /// Arguments of the command line that say the same as the options.
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    edits: Vec<Vec<String>>,
    #[serde(default)]
    build_args: Vec<String>,
    /// A part of the message with which the render is to fail.
    error: Option<String>,
}

fn cases(tool: &str) -> Vec<(String, PathBuf, Case)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(tool);
    let mut cases: Vec<_> = std::fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| {
            let directory = entry.unwrap().path();
            let text = std::fs::read_to_string(directory.join("case.yaml")).unwrap();
            let name = directory.file_name().unwrap().to_string_lossy().into_owned();
            let case = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, directory, case)
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!cases.is_empty());
    cases
}

/// What our side makes of a case: what the worker printed, or the error.
fn ours(directory: &Path, case: &Case, source_type: &SourceType, workers: &RenderWorkers) -> Result<String, String> {
    let tree = DirTree::new(directory);
    let request = RenderRequest {
        helm: case.helm.clone(),
        kustomize: case.kustomize.clone(),
        ..RenderRequest::directory(&case.path, ApplicationSourceDirectory::default(), "demo")
    };
    let context = RenderContext {
        app_name: case.application.clone().unwrap_or_else(|| case.release_name.clone()),
        namespace: case.namespace.clone(),
        kustomize_build_options: case.build_args.clone().into(),
        ..RenderContext::default()
    };
    let directory_in_tree = if case.path == "." { "" } else { &case.path };
    let elsewhere = Elsewhere::default();
    let source = ToolSource {
        directory: directory_in_tree,
        request: &request,
        context: &context,
        elsewhere: &elsewhere,
        workers,
    };
    let printed = print(&mut Recorder::new(&tree), &source, source_type).map_err(|error| error.to_string())?;
    // What is printed is understood as well.
    crate::render(&tree, &request, &context, &elsewhere, workers).map_err(|error| error.to_string())?;
    Ok(printed.0.output)
}

/// Runs the real tool; its output, or what it complained of.
fn theirs(tool: &str, directory: &Path, args: &[&str]) -> Result<String, String> {
    let program = workspace().join("target/oracles").join(tool);
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(&program)
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; `make oracles` builds it", program.display()));
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn compare(
    name: &str,
    case: &Case,
    ours: Result<String, String>,
    theirs: Result<String, String>,
    wrong: &mut Vec<String>,
) {
    match (&case.error, ours, theirs) {
        (None, Ok(ours), Ok(theirs)) if ours == theirs => {}
        (None, Ok(ours), Ok(theirs)) => {
            let at = ours.lines().zip(theirs.lines()).position(|(ours, theirs)| ours != theirs);
            let line = |text: &str| text.lines().nth(at.unwrap_or(0)).unwrap_or_default().to_owned();
            wrong.push(format!("{name}: line {at:?}: ours {:?}, theirs {:?}", line(&ours), line(&theirs)));
        }
        (Some(expected), Err(ours), Err(_)) if ours.contains(expected) => {}
        (_, ours, theirs) => wrong.push(format!("{name}: ours {ours:?}, theirs {theirs:?}, expected {:?}", case.error)),
    }
}

#[test]
fn charts_come_out_as_helm_template_prints_them() {
    let workers = pool();
    let mut wrong = Vec::new();
    for (name, directory, case) in cases("helm") {
        let helm = case.helm.clone().unwrap_or_default();
        let release = if helm.release_name.is_empty() { &case.release_name } else { &helm.release_name };
        let namespace = if helm.namespace.is_empty() { &case.namespace } else { &helm.namespace };
        let mut args = vec!["template", release, case.path.as_str(), "--namespace", namespace];
        if !helm.skip_crds {
            args.push("--include-crds");
        }
        args.extend(case.args.iter().map(String::as_str));
        let theirs = theirs("helm", &directory, &args);
        compare(&name, &case, ours(&directory, &case, &SourceType::Helm, &workers), theirs, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn overlays_come_out_as_kustomize_build_prints_them() {
    let workers = pool();
    let mut wrong = Vec::new();
    for (name, directory, case) in cases("kustomize") {
        let copy = tempfile::tempdir().unwrap();
        copy_tree(&directory, copy.path());
        let theirs = edited(copy.path(), &case).and_then(|()| {
            let helm = workspace().join("target/oracles/helm").display().to_string();
            let mut args: Vec<&str> =
                ["build", &case.path].into_iter().chain(case.build_args.iter().map(String::as_str)).collect();
            if args.contains(&"--enable-helm") {
                args.extend(["--helm-command", &helm]);
            }
            theirs("kustomize", copy.path(), &args)
        });
        compare(&name, &case, ours(&directory, &case, &SourceType::Kustomize, &workers), theirs, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Changes a kustomization as Argo CD does before it is built.
fn edited(root: &Path, case: &Case) -> Result<(), String> {
    let directory = root.join(&case.path);
    for edit in &case.edits {
        let args: Vec<&str> = std::iter::once("edit").chain(edit.iter().map(String::as_str)).collect();
        theirs("kustomize", &directory, &args)?;
    }
    let patches = case.kustomize.as_ref().map(|kustomize| kustomize.patches.clone()).unwrap_or_default();
    if patches.is_empty() {
        return Ok(());
    }
    let names = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
    let file = names.iter().map(|name| directory.join(name)).find(|file| file.exists()).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let mut kustomization: serde_yaml::Mapping = serde_yaml::from_str(&text).unwrap();
    let list = kustomization.entry("patches".into()).or_insert_with(|| serde_yaml::Value::Sequence(Vec::new()));
    list.as_sequence_mut().unwrap().extend(patches.iter().map(|patch| serde_yaml::to_value(patch).unwrap()));
    std::fs::write(&file, serde_yaml::to_string(&kustomization).unwrap()).unwrap();
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
