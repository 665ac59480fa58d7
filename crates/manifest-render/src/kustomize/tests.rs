use application_api::ApplicationSourceDirectory;
use serde_json::json;

use super::*;
use crate::tests::mem_tree::MemTree;
use crate::{Elsewhere, RenderContext, RenderRequest, RenderWorkers, WorkerOptions};

fn made(options: &serde_json::Value, build_options: &[&str]) -> Result<KustomizeJob, String> {
    let options: ApplicationSourceKustomize = serde_json::from_value(options.clone()).unwrap();
    let tree = MemTree::new(&[("components/a/kustomization.yaml", "kind: Component\n")]);
    let context = RenderContext {
        instance: "web".to_owned(),
        kustomize_build_options: build_options.iter().map(|&option| option.to_owned()).collect(),
        ..RenderContext::default()
    };
    let mut env = BuildEnv::new(&context, "overlays/prod");
    let request = RenderRequest::directory("overlays/prod", ApplicationSourceDirectory::default(), "web");
    let workers = RenderWorkers::new(WorkerOptions::new("none".into()), |_| {});
    let source = ToolSource {
        directory: "overlays/prod",
        request: &request,
        context: &context,
        elsewhere: &Elsewhere::default(),
        workers: &workers,
    };
    job(&mut Recorder::new(&tree), &options, &source, &mut env).map_err(|error| error.to_string())
}

#[test]
fn options_become_edits_in_argo_cds_order() {
    let options = json!({
        "namespace": "shop",
        "namePrefix": "a-", "nameSuffix": "-b",
        "images": ["nginx=nginx:$ARGOCD_APP_NAME", "redis:7"],
        "replicas": [{"name": "web", "count": 3}, {"name": "db", "count": "2"}],
        "commonLabels": {"app": "$ARGOCD_APP_NAME", "tier": "x"},
        "labelWithoutSelector": true, "labelIncludeTemplates": true, "forceCommonLabels": true,
        "commonAnnotations": {"a": "$ARGOCD_APP_NAME"},
        "components": ["../../components/a", "../../components/none"], "ignoreMissingComponents": true,
    });
    let edits: Vec<String> = made(&options, &[]).unwrap().edits.iter().map(|edit| edit.join(" ")).collect();
    assert_eq!(
        edits,
        [
            "set nameprefix -- a-",
            "set namesuffix -- -b",
            "set image nginx=nginx:web redis:7",
            "set replicas web=3 db=2",
            "add label --force --without-selector --include-templates app:web tier:x",
            "add annotation a:$ARGOCD_APP_NAME",
            "set namespace -- shop",
            "add component ../../components/a",
        ]
    );
    let expanded = json!({"commonAnnotations": {"a": "$ARGOCD_APP_NAME"}, "commonAnnotationsEnvsubst": true});
    assert_eq!(made(&expanded, &[]).unwrap().edits, [["add", "annotation", "a:web"]]);
}

#[test]
fn patches_keep_target_and_options() {
    let options = json!({"patches": [
        {"patch": "- op: remove\n  path: /a\n", "target": {"kind": "Deployment"}, "options": {"allowNameChange": true}},
        {"path": "patch.yaml"},
    ]});
    let patches = serde_json::to_value(made(&options, &[]).unwrap().patches).unwrap();
    assert_eq!(patches, options["patches"]);
}

#[test]
fn build_options_of_the_settings_are_read() {
    for (options, expected) in [
        (&[][..], Ok("rootOnly")),
        (&["--load-restrictor", "LoadRestrictionsNone"], Ok("none")),
        (&["--load-restrictor=LoadRestrictionsNone", "--enable-helm"], Ok("none")),
        (&["--load-restrictor"], Err("--load-restrictor is not supported yet")),
        (&["--enable-alpha-plugins"], Err("--enable-alpha-plugins is not supported yet")),
    ] {
        let made = made(&json!({}), options).map(|job| job.load_restrictions);
        match (made, expected) {
            (made, Ok(expected)) => assert_eq!(made.as_deref(), Ok(expected)),
            (made, Err(expected)) => assert!(made.unwrap_err().contains(expected), "{options:?}"),
        }
    }
    assert!(made(&json!({"version": "v5.0.0"}), &[]).unwrap_err().contains("version v5.0.0 is not registered"));
}
