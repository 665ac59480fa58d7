//! The worker as a process: what it looks up, and what happens when something goes wrong with it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::mem_tree::MemTree;
use crate::*;

pub(super) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn options() -> WorkerOptions {
    let program = std::env::var_os("DRIFTLESS_RENDER_WORKER").map(PathBuf::from);
    let program = program.unwrap_or_else(|| workspace().join("target/release/driftless-render-worker"));
    assert!(program.exists(), "{} is not there; `make build` builds it", program.display());
    WorkerOptions::new(program)
}

/// Makes a pool of real workers.
pub(super) fn pool() -> RenderWorkers {
    RenderWorkers::new(options(), |_| {})
}

/// Makes a pool that remembers how workers ended.
fn watched(options: WorkerOptions) -> (RenderWorkers, Arc<Mutex<Vec<WorkerEnd>>>) {
    let ends: Arc<Mutex<Vec<WorkerEnd>>> = Arc::default();
    let heard = Arc::clone(&ends);
    (RenderWorkers::new(options, move |end| heard.lock().unwrap().push(end)), ends)
}

/// Makes a pool of a shell script in place of the worker.
fn scripted(directory: &Path, script: &str) -> WorkerOptions {
    use std::os::unix::fs::PermissionsExt;
    let program = directory.join("worker.sh");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    WorkerOptions { deadline: Duration::from_millis(500), ..WorkerOptions::new(program) }
}

fn rendered(tree: &MemTree, path: &str, workers: &RenderWorkers) -> Result<Render, String> {
    let request = RenderRequest::directory(path, application_api::ApplicationSourceDirectory::default(), "demo");
    let context =
        RenderContext { app_name: "demo".to_owned(), namespace: "shop".to_owned(), ..RenderContext::default() };
    crate::render(tree, &request, &context, &Elsewhere::default(), workers).map_err(|error| error.to_string())
}

const CHART: [(&str, &str); 4] = [
    ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
    ("chart/values.yaml", "key: one\n"),
    (
        "chart/templates/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n  namespace: {{ .Release.Namespace }}\ndata:\n  key: {{ .Values.key }}\n",
    ),
    ("chart/templates/fail.yaml", "{{ if eq .Values.key \"bad\" }}{{ fail \"key is bad\" }}{{ end }}\n"),
];

const OVERLAY: [(&str, &str); 4] = [
    ("base/kustomization.yaml", "resources: [map.yaml]\n"),
    ("base/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"),
    ("overlays/prod/kustomization.yaml", "namePrefix: prod-\nresources: [../../base]\n"),
    ("other/map.yaml", "a: b\n"),
];

fn changed(base: &[(&'static str, &'static str)], path: &'static str, content: &'static str) -> MemTree {
    let others = base.iter().copied().filter(|(name, _)| *name != path);
    MemTree::new(&others.chain([(path, content)]).collect::<Vec<_>>())
}

#[test]
fn versions_are_those_of_the_worker() {
    let modules = include_str!("../../worker/go.mod");
    for (module, version) in [
        ("helm.sh/helm/v3", HELM_VERSION),
        ("sigs.k8s.io/kustomize/kustomize/v5", KUSTOMIZE_VERSION),
        ("github.com/google/go-jsonnet", JSONNET_VERSION),
    ] {
        assert!(modules.contains(&format!("{module} {version}\n")), "{module} is not {version}");
    }
}

#[test]
fn a_chart_is_rendered_with_what_the_application_says() {
    let render = rendered(&MemTree::new(&CHART), "chart", &pool()).unwrap();
    assert_eq!(render.source_type, SourceType::Helm);
    assert_eq!(render.stability, Stability::Stable);
    let text = write_output(&render.manifests, Format::Json);
    assert_eq!(
        text,
        "{\"apiVersion\":\"v1\",\"data\":{\"key\":\"one\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"demo\",\"namespace\":\"shop\"}}\n"
    );
    let object = &render.manifests.objects[0];
    assert_eq!((&*object.file, object.line), ("web/templates/map.yaml", 1));
    let failed = rendered(&changed(&CHART, "chart/values.yaml", "key: bad\n"), "chart", &pool()).unwrap_err();
    assert!(
        failed.starts_with("Helm: execution error at (web/templates/fail.yaml:1:") && failed.contains("key is bad"),
        "{failed}"
    );
}

#[test]
fn only_what_was_looked_up_calls_for_another_render() {
    let workers = pool();
    for (base, path, changes) in [
        (
            &CHART,
            "chart",
            [
                ("chart/values.yaml", "key: two\n", false),
                ("chart/templates/new.yaml", "# nothing\n", false),
                ("charts.yaml", "a: b\n", true),
                ("other/a.yaml", "a: b\n", true),
            ],
        ),
        (
            &OVERLAY,
            "overlays/prod",
            [
                ("base/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n", false),
                ("base/unused.yaml", "a: b\n", true),
                ("other/map.yaml", "a: c\n", true),
                // Another name of the same file would be read before it.
                ("overlays/prod/kustomization.yml", "resources: []\n", false),
            ],
        ),
    ] {
        let before = MemTree::new(base);
        let render = rendered(&before, path, &workers).unwrap();
        assert!(render.lookups.unchanged_in(&before).unwrap());
        for (changed_path, content, same) in changes {
            let after = changed(base, changed_path, content);
            assert_eq!(render.lookups.has_same_ids_in(&after).unwrap(), same, "{path}: {changed_path}");
        }
    }
}

#[test]
fn a_chart_depends_on_its_surroundings_and_an_overlay_does_not() {
    let workers = pool();
    let other = RenderContext { namespace: "elsewhere".to_owned(), ..RenderContext::default() };
    let chart = rendered(&MemTree::new(&CHART), "chart", &workers).unwrap();
    assert!(!chart.lookups.hold_in_context(&other));
    let overlay = rendered(&MemTree::new(&OVERLAY), "overlays/prod", &workers).unwrap();
    assert!(overlay.lookups.hold_in_context(&other));
    assert_eq!(overlay.manifests.objects[0].name, "prod-a");
    let with_options = RenderContext { kustomize_build_options: ["--enable-helm".to_owned()].into(), ..other };
    assert!(!overlay.lookups.hold_in_context(&with_options));
}

#[test]
fn jsonnet_files_are_evaluated_among_the_others() {
    let main = "local lib = import 'lib.libsonnet'; [lib.map('j', std.extVar('env')), lib.map('k', 'x')]";
    let files = [
        ("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
        ("app/m.jsonnet", main),
        ("app/one.jsonnet", "function(name='none') {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: name}}"),
        ("app/z.json", "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"z\"}}"),
        (
            "lib/lib.libsonnet",
            "{map(name, env):: {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: name}, data: {env: env}}}",
        ),
    ];
    let source = serde_json::json!({"path": "app", "directory": {"jsonnet": {
        "extVars": [{"name": "env", "value": "$ARGOCD_APP_NAME"}],
        "tlas": [{"name": "name", "value": "'t' + 'op'", "code": true}],
        "libs": ["lib"],
    }}});
    let source: application_api::ApplicationSource = serde_json::from_value(source).unwrap();
    let request = RenderRequest::from_source(&source, "demo").unwrap();
    let context = RenderContext { instance: "demo".to_owned(), ..RenderContext::default() };
    let workers = pool();
    let tree = MemTree::new(&files);
    let render = crate::render(&tree, &request, &context, &Elsewhere::default(), &workers).unwrap();
    assert_eq!(render.source_type, SourceType::Directory);
    let shown: Vec<String> =
        render.manifests.objects.iter().map(|object| format!("{} {}", object.file, object.name)).collect();
    assert_eq!(shown, ["app/a.yaml a", "app/m.jsonnet j", "app/m.jsonnet k", "app/one.jsonnet top", "app/z.json z"]);
    assert!(write_output(&render.manifests, Format::Json).contains("\"env\":\"demo\""));
    for (path, same) in [("lib/lib.libsonnet", false), ("lib/other.libsonnet", true), ("app/lib.libsonnet", false)] {
        let after = MemTree::new(
            &files.iter().copied().filter(|(name, _)| *name != path).chain([(path, "{}")]).collect::<Vec<_>>(),
        );
        assert_eq!(render.lookups.unchanged_in(&after).unwrap(), same, "{path}");
    }
    assert!(!render.lookups.hold_in_context(&RenderContext { instance: "other".to_owned(), ..context.clone() }));
    let broken = MemTree::new(&[("app/a.jsonnet", "{ a: error 'no luck' }")]);
    let error = crate::render(&broken, &request, &context, &Elsewhere::default(), &workers).unwrap_err().to_string();
    assert!(error.starts_with("Jsonnet: RUNTIME ERROR: no luck"), "{error}");
    // They count as others do.
    let limits = RenderLimits { objects: 2, ..RenderLimits::default() };
    let error =
        crate::render(&tree, &RenderRequest { limits, ..request.clone() }, &context, &Elsewhere::default(), &workers)
            .unwrap_err();
    assert!(error.to_string().starts_with("app/m.jsonnet: the number of objects exceeds the limit of 2"), "{error}");
    // Turned off, the files are passed over.
    let off = RenderRequest { disabled_tools: vec![SourceType::Directory], ..request };
    assert_eq!(
        crate::render(&tree, &off, &context, &Elsewhere::default(), &workers).unwrap().manifests.objects.len(),
        2
    );
}

#[test]
fn charts_that_change_with_each_render_are_told() {
    let random = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: \"{{ randAlphaNum 8 }}\"}\n";
    let files = [("chart/Chart.yaml", CHART[0].1), ("chart/templates/a.yaml", random)];
    assert_eq!(rendered(&MemTree::new(&files), "chart", &pool()).unwrap().stability, Stability::Unstable);
}

#[test]
fn links_that_lead_out_are_refused() {
    for (files, path) in [
        ([("chart/Chart.yaml", CHART[0].1), ("chart/templates/a.yaml", "->../../../etc/passwd")], "chart"),
        ([("app/kustomization.yaml", "resources: [a.yaml]\n"), ("app/a.yaml", "->/etc/passwd")], "app"),
    ] {
        let error = rendered(&MemTree::new(&files), path, &pool()).unwrap_err();
        assert!(error.starts_with("repository contains out-of-bounds symlinks. file: "), "{error}");
    }
}

#[test]
fn what_links_lead_to_is_read_from_where_it_is() {
    let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n");
    let (right, wrong) = (map("right"), map("wrong"));
    let files = [
        ("over/kustomization.yaml", "resources: [base]\n"),
        ("over/base", "->../shared/base"),
        ("over/common/kustomization.yaml", "resources: [map.yaml]\n"),
        ("over/common/map.yaml", &wrong),
        ("shared/base/kustomization.yaml", "resources: [../common]\n"),
        ("shared/common/kustomization.yaml", "resources: [map.yaml]\n"),
        ("shared/common/map.yaml", &right),
        ("file/kustomization.yaml", "resources: [map.yaml]\n"),
        ("file/map.yaml", "->../shared/common/map.yaml"),
    ];
    let tree = MemTree::new(&files);
    let render = rendered(&tree, "over", &pool()).unwrap();
    assert_eq!(render.manifests.objects[0].name, "right");
    // A file that a link takes from outside of the root is refused as one that is named there.
    let error = rendered(&tree, "file", &pool()).unwrap_err();
    assert!(error.contains("security; file '/file/map.yaml' is not in or below '/file'"), "{error}");
    let chart = [("chart/Chart.yaml", CHART[0].1), ("chart/templates/a.yaml", "->none.yaml")];
    let error = rendered(&MemTree::new(&chart), "chart", &pool()).unwrap_err();
    assert!(
        error.starts_with("chart/templates/a.yaml: the symbolic link leads to chart/templates/none.yaml"),
        "{error}"
    );
}

#[test]
fn nothing_is_fetched_and_nothing_outside_is_read() {
    for (kustomization, expected) in [
        ("resources: [https://example.com/a.yaml]\n", "not got yet: https://example.com/a.yaml"),
        ("resources: ['https://example.com/a/b.git?ref=v1']\n", "not got yet: https://example.com/a/b.git"),
        ("resources: [/etc/passwd]\n", "Kustomize: "),
        ("resources: [../../../../etc/passwd]\n", "Kustomize: "),
        ("configMapGenerator: [{name: a, files: [/etc/passwd]}]\n", "Kustomize: "),
    ] {
        let files = [("a/b/kustomization.yaml", kustomization)];
        let error = rendered(&MemTree::new(&files), "a/b", &pool()).unwrap_err();
        assert!(error.contains(expected), "{kustomization}: {error}");
    }
}

#[test]
fn a_worker_that_fails_costs_one_render() {
    let directory = tempfile::tempdir().unwrap();
    let hello = r#"printf '\000\000\000\016\001{"protocol":1}'"#;
    for (script, expected, word) in [
        ("echo out of luck >&2; exit 7".to_owned(), "(exit status 7): out of luck", "died"),
        ("kill -9 $$".to_owned(), "(signal 9)", "died"),
        (format!("{hello}; sleep 60"), "rendering took longer than 0 s", "timeout"),
        (
            r#"printf '\000\000\000\016\001{"protocol":9}'; sleep 60"#.to_owned(),
            "speaks version 9 of the protocol",
            "version",
        ),
        (format!("{hello}; printf '\\377\\377\\377\\377\\003'; sleep 60"), "a message of 4294967295 bytes", "protocol"),
        (format!("{hello}; printf '\\000\\000\\000\\001\\003x'; sleep 60"), "broke the protocol", "protocol"),
        (format!("{hello}; printf '\\000\\000\\000\\000\\011'; sleep 60"), "a message of kind 9", "protocol"),
    ] {
        let (workers, ends) = watched(scripted(directory.path(), &script));
        let error = rendered(&MemTree::new(&CHART), "chart", &workers).unwrap_err();
        assert!(error.contains(expected), "{script}: {error}");
        assert_eq!(*ends.lock().unwrap(), [WorkerEnd::Fault(word)], "{script}");
    }
}

#[test]
fn a_chart_that_never_ends_or_takes_all_memory_is_stopped() {
    let endless =
        [("chart/Chart.yaml", CHART[0].1), ("chart/templates/a.yaml", "{{ range $i := until 2000000000 }}{{ end }}")];
    let large = [
        ("chart/Chart.yaml", CHART[0].1),
        ("chart/templates/a.yaml", "{{ $x := repeat 1000000 \"x\" }}{{ range $i := until 100000 }}{{ $x }}{{ end }}"),
    ];
    for (files, expected) in
        [(endless, &["memory", "took longer"][..]), (large, &["memory", "took longer", "the size of the rendered"])]
    {
        let options = WorkerOptions { deadline: Duration::from_secs(5), memory: 300 << 20, ..options() };
        let (workers, ends) = watched(options);
        let error = rendered(&MemTree::new(&files), "chart", &workers).unwrap_err();
        assert!(expected.iter().any(|part| error.contains(part)), "{error}");
        assert_eq!(ends.lock().unwrap().len(), 1);
        // The next render has a worker of its own.
        assert!(rendered(&MemTree::new(&CHART), "chart", &workers).is_ok());
    }
}

#[test]
fn workers_are_kept_and_end_when_they_are_idle() {
    let (workers, ends) = watched(WorkerOptions { idle: Duration::ZERO, ..options() });
    for _ in 0..3 {
        rendered(&MemTree::new(&CHART), "chart", &workers).unwrap();
    }
    assert!(ends.lock().unwrap().is_empty());
    workers.end_idle();
    assert_eq!(*ends.lock().unwrap(), [WorkerEnd::Idle]);
    rendered(&MemTree::new(&OVERLAY), "overlays/prod", &workers).unwrap();
}
