use std::sync::Arc;

use application_api::{ApplicationSourceDirectory, HelmFileParameter};
use kube_object::ClusterVersions;

use super::*;
use crate::supplies::Supply;
use crate::tests::mem_tree::MemTree;
use crate::{Elsewhere, RenderContext, RenderRequest, RenderWorkers, WorkerOptions};

fn context() -> RenderContext {
    RenderContext {
        app_name: "web".to_owned(),
        instance: "web".to_owned(),
        namespace: "shop".to_owned(),
        cluster: Arc::new(ClusterVersions::new("1.36.3".to_owned(), vec!["v1".to_owned()])),
        ..RenderContext::default()
    }
}

fn made(files: &[&str], options: &ApplicationSourceHelm) -> Result<HelmJob, String> {
    made_with(files, options, &Elsewhere::default()).map(|(job, _)| job)
}

/// Makes the job, and says what has to be got first.
fn made_with(
    files: &[&str],
    options: &ApplicationSourceHelm,
    elsewhere: &Elsewhere,
) -> Result<(HelmJob, Vec<Need>), String> {
    let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "a: b\n")).collect();
    let tree = MemTree::new(&files);
    let (context, request) =
        (context(), RenderRequest::directory("charts/web", ApplicationSourceDirectory::default(), "web"));
    let workers = RenderWorkers::new(WorkerOptions::new("none".into()), |_| {});
    let source =
        ToolSource { directory: "charts/web", request: &request, context: &context, elsewhere, workers: &workers };
    let mut env = BuildEnv::new(&context, "charts/web");
    let mounts = elsewhere.mounts();
    let mut recorder = Recorder::new(&tree);
    for (path, tree) in &mounts {
        recorder.mount(path.clone(), &**tree);
    }
    let mut wants = Wants::default();
    let job = job(&mut recorder, options, &source, &mut env, &mut wants).map_err(|error| error.to_string())?;
    Ok((job, wants.into_needs()))
}

fn value_files(files: &[&str], written: &[&str]) -> Result<Vec<String>, String> {
    let value_files = written.iter().map(|&file| file.to_owned()).collect();
    made(files, &ApplicationSourceHelm { value_files, ..ApplicationSourceHelm::default() }).map(|job| job.value_files)
}

#[test]
fn what_is_not_given_comes_from_the_application_and_the_cluster() {
    let job = made(&[], &ApplicationSourceHelm::default()).unwrap();
    assert_eq!((job.chart.as_str(), job.release_name.as_str(), job.namespace.as_str()), ("/charts/web", "web", "shop"));
    assert_eq!((job.kube_version.as_str(), job.api_versions), ("1.36.3", vec!["v1".to_owned()]));
    let given = ApplicationSourceHelm {
        release_name: "other".to_owned(),
        namespace: "there".to_owned(),
        kube_version: "1.30.0".to_owned(),
        api_versions: vec!["a/v1".to_owned()],
        values: "a: text".to_owned(),
        values_object: Some(serde_json::json!({"a": "object"})),
        ..ApplicationSourceHelm::default()
    };
    let job = made(&[], &given).unwrap();
    assert_eq!((job.release_name.as_str(), job.namespace.as_str()), ("other", "there"));
    assert_eq!((job.kube_version.as_str(), job.api_versions), ("1.30.0", vec!["a/v1".to_owned()]));
    assert_eq!(job.values, r#"{"a":"object"}"#);
}

#[test]
fn values_files_are_found_from_the_chart_and_from_the_root() {
    let files = ["charts/web/values-prod.yaml", "env/prod.yaml", "charts/web/envs/b.yaml", "charts/web/envs/a.yaml"];
    for (written, expected) in [
        (&["values-prod.yaml"][..], &["/charts/web/values-prod.yaml"][..]),
        (&["/env/prod.yaml", "../../env/prod.yaml"], &["/env/prod.yaml", "/env/prod.yaml"]),
        (&["$ARGOCD_APP_NAMESPACE/../values-prod.yaml"], &["/charts/web/values-prod.yaml"]),
        (&["envs/*.yaml"], &["/charts/web/envs/a.yaml", "/charts/web/envs/b.yaml"]),
        (&["**/*.yaml"], &["/charts/web/envs/a.yaml", "/charts/web/envs/b.yaml", "/charts/web/values-prod.yaml"]),
        // A file that is named keeps its place.
        (&["envs/*.yaml", "envs/a.yaml"], &["/charts/web/envs/b.yaml", "/charts/web/envs/a.yaml"]),
    ] {
        assert_eq!(value_files(&files, written).as_deref(), Ok(expected.map_owned().as_slice()), "{written:?}");
    }
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|&text| text.to_owned()).collect()
    }
}

#[test]
fn references_that_lead_nowhere_are_errors() {
    for (written, expected) in [
        ("none.yaml", "none.yaml: no such file in the repository"),
        ("../../../secret.yaml", "value file path resolved to outside repository root"),
        ("/../secret.yaml", "value file path resolved to outside repository root"),
        ("templates", "it is a directory"),
        ("envs/*.yaml", "values file glob \"envs/*.yaml\" matched no files"),
        ("file:///etc/passwd", "URLs of scheme file are not allowed"),
    ] {
        let error = value_files(&["charts/web/templates/a.yaml"], &[written]).unwrap_err();
        assert!(error.contains(expected), "{written}: {error}");
    }
    let options = ApplicationSourceHelm {
        value_files: vec!["none.yaml".to_owned(), "none/*.yaml".to_owned(), "values.yaml".to_owned()],
        ignore_missing_value_files: true,
        ..ApplicationSourceHelm::default()
    };
    assert_eq!(made(&["charts/web/values.yaml"], &options).unwrap().value_files, ["/charts/web/values.yaml"]);
}

#[test]
fn files_of_other_sources_are_named_by_their_reference() {
    let env: Arc<dyn git_source::SourceTree> =
        Arc::new(MemTree::new(&[("prod.yaml", "a: b\n"), ("web/a.yaml", "a: b\n"), ("up.yaml", "->../x")]));
    let elsewhere = Elsewhere { refs: Some([("env".to_owned(), env)].into()), ..Elsewhere::default() };
    let files = |written: &str| {
        let options =
            ApplicationSourceHelm { value_files: vec![written.to_owned()], ..ApplicationSourceHelm::default() };
        made_with(&["charts/web/values.yaml"], &options, &elsewhere).map(|(job, _)| job.value_files.join(" "))
    };
    for (written, expected) in [
        ("$env/prod.yaml", Ok("/.driftless/refs/env/prod.yaml")),
        ("$env/$ARGOCD_APP_NAME/*.yaml", Ok("/.driftless/refs/env/web/a.yaml")),
        ("$env/../other/x.yaml", Err("value file path resolved to outside repository root")),
        ("$env/up.yaml", Err("repository contains out-of-bounds symlinks. file: .driftless/refs/env/up.yaml")),
        ("$env/none.yaml", Err("$env/none.yaml: no such file in the repository")),
        ("$other/a.yaml", Err("source referenced \"$other\", which is not one of the available sources ($env)")),
    ] {
        let found = files(written);
        match expected {
            Ok(expected) => assert_eq!(found.as_deref(), Ok(expected), "{written}"),
            Err(expected) => assert!(found.as_ref().unwrap_err().contains(expected), "{written}: {found:?}"),
        }
    }
    let none = Elsewhere { refs: Some([].into()), ..Elsewhere::default() };
    let options =
        ApplicationSourceHelm { value_files: vec!["$env/a.yaml".to_owned()], ..ApplicationSourceHelm::default() };
    let error = made_with(&[], &options, &none).unwrap_err();
    assert!(error.contains("source referenced \"$env\", but no source has a 'ref' field defined"), "{error}");
}

#[test]
fn values_files_from_urls_are_got_first() {
    let options = ApplicationSourceHelm {
        value_files: vec!["https://example.com/values.yaml".to_owned()],
        ..ApplicationSourceHelm::default()
    };
    let (job, needs) = made_with(&[], &options, &Elsewhere::default()).unwrap();
    let need = Need::File("https://example.com/values.yaml".into());
    assert_eq!((job.value_files.len(), needs), (0, vec![need.clone()]));
    let got = |supply| Elsewhere { supplies: [(need.clone(), supply)].into(), ..Elsewhere::default() };
    let file = Supply::File { name: "values.yaml".to_owned(), content: (*b"a: b\n").into() };
    let (job, needs) = made_with(&[], &options, &got(file)).unwrap();
    assert_eq!((job.value_files, needs), (vec!["/.driftless/files/0/values.yaml".to_owned()], vec![]));
    let failed = Supply::Failed { message: "404 Not Found".to_owned(), remedy: git_source::Remedy::Retry };
    let error = made_with(&[], &options, &got(failed)).unwrap_err();
    assert_eq!(error, "https://example.com/values.yaml: 404 Not Found");
}

#[test]
fn parameters_are_expanded_and_their_commas_escaped() {
    let parameter =
        |value: &str, force_string| HelmParameter { name: "a".to_owned(), value: value.to_owned(), force_string };
    for (value, expected) in
        [("a,b", "a\\,b"), ("a\\,b", "a\\,b"), (",", "\\,"), ("{a,b}", "{a,b}"), ("$ARGOCD_APP_NAME", "web")]
    {
        let options = ApplicationSourceHelm {
            parameters: vec![parameter(value, true)],
            file_parameters: vec![HelmFileParameter { name: "f".to_owned(), path: "a.txt".to_owned() }],
            ..ApplicationSourceHelm::default()
        };
        let job = made(&["charts/web/a.txt"], &options).unwrap();
        let expected = HelmValue { name: "a".to_owned(), value: expected.to_owned(), string: true };
        assert_eq!(job.parameters, [expected]);
        assert_eq!(job.file_parameters, [HelmFile { name: "f".to_owned(), path: "/charts/web/a.txt".to_owned() }]);
    }
}

#[test]
fn versions_of_helm_are_told_apart() {
    let version =
        |version: &str| ApplicationSourceHelm { version: version.to_owned(), ..ApplicationSourceHelm::default() };
    assert!(made(&[], &version("v3")).is_ok());
    assert!(made(&[], &version("v4")).unwrap_err().contains("version v4 is not registered"));
}
