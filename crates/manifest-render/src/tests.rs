mod fuzz;
pub(crate) mod mem_tree;
mod oracles;
mod workers;

use std::fs;
use std::os::unix::fs::symlink;

use application_api::{ApplicationSource, ApplicationSourceDirectory};
use git_source::{DirTree, SourceTree};

use self::mem_tree::MemTree;
use super::*;

fn manifest(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

fn plain() -> ApplicationSourceDirectory {
    ApplicationSourceDirectory::default()
}

fn recurse() -> ApplicationSourceDirectory {
    ApplicationSourceDirectory { recurse: true, ..Default::default() }
}

fn request(directory: ApplicationSourceDirectory) -> RenderRequest {
    RenderRequest::directory("app", directory, "demo")
}

/// Renders where there is no worker.
fn render(tree: &dyn SourceTree, request: &RenderRequest) -> Result<Render, RenderError> {
    let workers = RenderWorkers::new(WorkerOptions::new("/no/worker".into()), |_| {});
    super::render(tree, request, &RenderContext::default(), &Elsewhere::default(), &workers)
}

/// Returns `file:line name` of every object, or the error.
fn rendered(tree: &dyn SourceTree, request: &RenderRequest) -> Result<Vec<String>, String> {
    let render = render(tree, request).map_err(|error| error.to_string())?;
    Ok(render
        .manifests
        .objects
        .iter()
        .map(|object| format!("{}:{} {}", object.file, object.line, object.name))
        .collect())
}

fn check(files: &[(&str, &str)], request: &RenderRequest, expected: &[&str]) {
    let tree = MemTree::new(files);
    assert_eq!(rendered(&tree, request), Ok(expected.iter().map(ToString::to_string).collect()), "{files:?}");
    // A plain directory with the same files renders the same.
    let directory = tempfile::tempdir().unwrap();
    write_files(directory.path(), files);
    assert_eq!(rendered(&DirTree::new(directory.path()), request), rendered(&tree, request), "{files:?}");
}

fn write_files(root: &std::path::Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix(mem_tree::LINK) {
            Some(target) => symlink(target, path).unwrap(),
            None => fs::write(path, content).unwrap(),
        }
    }
}

fn refused(files: &[(&str, &str)], request: &RenderRequest) -> String {
    rendered(&MemTree::new(files), request).unwrap_err()
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let (a, b, c) = (manifest("a"), manifest("b"), manifest("c"));
    let two = format!("{a}---\n# next\n{b}");
    let files = [
        ("app/b.yaml", &*b),
        ("app/a.yml", &*two),
        ("app/a/x.yaml", &*c),
        ("app/c.json", r#"{"apiVersion": "v1", "kind": "A", "metadata": {"generateName": "g-"}}"#),
        ("app/README.md", "kind: {{"),
        ("other/x.yaml", "{{"),
    ];
    check(&files, &request(plain()), &["app/a.yml:1 a", "app/a.yml:7 b", "app/b.yaml:1 b", "app/c.json:1 "]);
    check(
        &files,
        &request(recurse()),
        &["app/a/x.yaml:1 c", "app/a.yml:1 a", "app/a.yml:7 b", "app/b.yaml:1 b", "app/c.json:1 "],
    );
    check(&[("x.yaml", &a)], &RenderRequest::directory("", plain(), "demo"), &["x.yaml:1 a"]);
    check(&[("app/s/x.yaml", &a)], &RenderRequest::directory("./app//t/../s/", plain(), "demo"), &["app/s/x.yaml:1 a"]);
    check(&[("app/x.txt", "")], &request(recurse()), &[]);
}

#[test]
fn include_and_exclude_choose_files() {
    let x = manifest("x");
    let files: Vec<(&str, &str)> =
        ["app/a.yaml", "app/b.yaml", "app/env/a.yaml", "app/env/dev/c.yaml", "app/x1.yaml", "app/[1].yaml"]
            .into_iter()
            .map(|path| (path, x.as_str()))
            .collect();
    let check = |include: &str, exclude: &str, expected: &[&str]| {
        let directory = ApplicationSourceDirectory { include: include.into(), exclude: exclude.into(), ..recurse() };
        let expected: Vec<String> = expected.iter().map(|name| format!("app/{name}:1 x")).collect();
        check(&files, &request(directory), &expected.iter().map(String::as_str).collect::<Vec<_>>());
    };
    check("*a.yaml", "", &["a.yaml", "env/a.yaml"]);
    check("a.yaml", "", &["a.yaml"]);
    check("{a,env/*}.yaml", "", &["a.yaml", "env/a.yaml", "env/dev/c.yaml"]);
    check("*.yaml", "env/*", &["[1].yaml", "a.yaml", "b.yaml", "x1.yaml"]);
    check("env/?.yaml", "", &["env/a.yaml"]);
    check("env?a.yaml", "", &["env/a.yaml"]);
    check("[a-b].yaml", "", &["a.yaml", "b.yaml"]);
    check("[!a].yaml", "", &["b.yaml"]);
    check(r"\[1\].yaml", "", &["[1].yaml"]);
    check("env/**/c.yaml", "", &["env/dev/c.yaml"]);
    check("**/a.yaml", "", &["env/a.yaml"]);
    let directory = ApplicationSourceDirectory { include: "{a".into(), ..Default::default() };
    let error = render(&MemTree::new(&files), &request(directory)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "spec.source.directory.include: `{a` is not a pattern: a `{` has no `}`; correct the glob"
    );
    assert!(error.is_invalid_spec());
}

#[test]
fn hidden_directories_are_read_when_asked() {
    let x = manifest("x");
    let files = [("app/.hidden/a.yaml", x.as_str()), ("app/.b.yaml", &x)];
    check(&files, &request(recurse()), &["app/.b.yaml:1 x"]);
    let all = RenderRequest { hidden_directories: HiddenDirectories::Read, ..request(recurse()) };
    check(&files, &all, &["app/.b.yaml:1 x", "app/.hidden/a.yaml:1 x"]);
}

#[test]
fn lists_are_flattened_and_nothing_is_dropped() {
    let list = "kind: List\napiVersion: v1\nitems:\n- null\n- {apiVersion: v1, kind: A, metadata: {name: a}}\n- kind: AList\n  items: [{apiVersion: v1, kind: A, metadata: {name: b}}]\n";
    check(&[("app/x.yaml", list)], &request(plain()), &["app/x.yaml:1 a", "app/x.yaml:1 b"]);
    check(&[("app/x.yaml", "# nothing\n---\nnull\n")], &request(plain()), &[]);
}

#[test]
fn files_that_are_no_manifests_are_skipped_with_a_warning() {
    let skipped = |content: &str| {
        let render = render(&MemTree::new(&[("app/x.yaml", content)]), &request(plain())).unwrap();
        assert_eq!(render.manifests.objects, []);
        render.manifests.warnings
    };
    assert_eq!(
        skipped("replicas: 3\nimage: nginx\n"),
        ["app/x.yaml: skipped, because the document at line 1 has no kind"]
    );
    assert!(skipped("a: {{ b }}: c\n")[0].contains("neither a manifest nor YAML (app/x.yaml:1:"));
    // Its marks are not all there: what Argo CD ignores as well.
    assert_eq!(skipped("\napiVersion: v2\nname: chart\n").len(), 1);
    assert_eq!(skipped("kind: {{ # +argocd:skip-file-rendering\n"), [""; 0]);
}

#[test]
fn warnings_beyond_what_a_person_reads_are_counted() {
    let files: Vec<_> = (0..60).map(|n| (format!("app/x{n:02}.yaml"), "a: b\n")).collect();
    let files: Vec<_> = files.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    let warnings = render(&MemTree::new(&files), &request(plain())).unwrap().manifests.warnings;
    assert_eq!((warnings.len(), warnings[50].as_str()), (51, "10 more files were skipped"));
}

#[test]
fn broken_manifests_are_errors_with_file_and_line() {
    let check = |file: &str, content: &str, expected: &str| {
        let path = format!("app/{file}");
        assert_eq!(refused(&[(&path, content)], &request(plain())), expected, "{content}");
    };
    check(
        "x.yaml",
        "kind: A\nx: {{ y }}: 1\n",
        "Failed to unmarshal \"x.yaml\": app/x.yaml:2:11: mapping values are not allowed in this context; correct the YAML there",
    );
    check(
        "x.json",
        "{\"a\": 1}\n{}",
        "Failed to unmarshal \"x.json\": app/x.json:2:1: found more after the object: a JSON file holds exactly one; correct the JSON there",
    );
    let needs = "every object needs apiVersion, kind and metadata.name or metadata.generateName";
    for (content, line, problem) in [
        ("kind: A\nmetadata: {name: a}", 1, "apiVersion is missing, or not text"),
        ("apiVersion: v1\nkind: A\nmetadata: {}", 1, "metadata.name is missing"),
        ("apiVersion: v1\nkind: A\n---\napiVersion: v1\nkind: A", 1, "metadata is missing, or not a map"),
        ("apiVersion: v1\nkind: A\nmetadata: {name: y}", 1, "metadata.name is not text, put it in quotes"),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: 1}",
            1,
            "metadata.namespace is not text, put it in quotes",
        ),
        ("apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\nb: 1", 5, "kind is missing, or not text"),
        ("apiVersion: v1\n# kind: metadata:\nx: 1", 1, "kind is missing, or not text"),
        ("kind: List\nitems: [{kind: A, apiVersion: v1}]", 1, "metadata is missing, or not a map"),
    ] {
        check("x.yaml", content, &format!("app/x.yaml:{line}: {problem}; {needs}"));
    }
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    check(
        "x.yaml",
        pointer,
        "app/x.yaml: the file is kept in Git LFS, whose files are not read yet; commit the manifest itself",
    );
}

#[test]
fn paths_must_be_directories_of_the_repository() {
    let x = manifest("x");
    let files = [("app/x.yaml", x.as_str()), ("link", "->app"), ("out", "->../elsewhere"), ("module", "@")];
    for (path, expected) in [
        ("/app", "/app: app path is absolute"),
        ("../app", "../app: app path outside root"),
        ("app/../..", "app/../..: app path outside root"),
        ("none/deep", "none/deep: app path does not exist"),
        ("app/x.yaml", "app/x.yaml: app path is not a directory"),
        ("app/x.yaml/y", "app/x.yaml/y: app path does not exist"),
        ("out", "repository contains out-of-bounds symlinks. file: out"),
        (
            "module/a",
            "module: the directory is a Git submodule, whose files are not read yet; move the manifests into this repository",
        ),
    ] {
        assert_eq!(refused(&files, &RenderRequest::directory(path, plain(), "demo")), expected);
    }
    check(&files[..2], &RenderRequest::directory("link", plain(), "demo"), &["app/x.yaml:1 x"]);
}

#[test]
fn symlinks_are_followed_inside_the_repository() {
    let (x, y) = (manifest("x"), manifest("w"));
    let files = [
        ("app/a.yaml", "->../shared/deep/x.yaml"),
        ("app/b.yaml", "->a.yaml"),
        ("app/dir.yaml", "->../shared"),
        ("app/gone.yaml", "->../none.yaml"),
        ("shared/deep", "->../real"),
        ("real/x.yaml", x.as_str()),
        ("app/y.yaml", &y),
    ];
    check(&files, &request(recurse()), &["app/a.yaml:1 x", "app/b.yaml:1 x", "app/y.yaml:1 w"]);
    let warnings = render(&MemTree::new(&files), &request(recurse())).unwrap().manifests.warnings;
    assert_eq!(
        warnings,
        [
            "app/dir.yaml: skipped, because the link points at shared, which is a directory",
            "app/gone.yaml: skipped, because the link points at none.yaml, which does not exist",
        ]
    );
    let refused = |target: &str| refused(&[("app/l.txt", "->x"), ("app/x.yaml", target)], &request(recurse()));
    for target in ["->/etc/passwd", "->../../x.yaml", "->../../app/x.yaml", "->../app/../../app/y.yaml"] {
        assert_eq!(refused(target), "repository contains out-of-bounds symlinks. file: app/x.yaml", "{target}");
    }
    assert!(refused("->x.yaml").starts_with("app/x.yaml: the symbolic link leads to itself"));
}

#[test]
fn submodules_are_refused_where_they_would_be_read() {
    let x = manifest("x");
    let files = [("app/x.yaml", x.as_str()), ("app/module", "@")];
    assert!(refused(&files, &request(recurse())).starts_with("app/module: the directory is a Git submodule"));
    assert_eq!(rendered(&MemTree::new(&files), &request(plain())).map(|all| all.len()), Ok(1));
}

#[test]
fn sources_of_other_tools_are_refused_by_name() {
    let check = |files: &[(&str, &str)], request: &RenderRequest, expected: Option<&str>| {
        let found = render(&MemTree::new(files), request);
        assert!(!found.as_ref().is_err_and(|error| !error.is_invalid_spec()));
        assert_eq!(
            found.err().map(|error| error.to_string()),
            expected.map(|text| text.replace("..", " is not supported yet: "))
        );
    };
    let top = request(plain());
    let x = manifest("x");
    let with = |name: &'static str| [("app/x.yaml", x.clone()), (name, String::new())];
    for (file, expected) in [("app/sub/Chart.yaml", None), ("app/.argocd-source.yaml", None)] {
        let files = with(file);
        check(&files.each_ref().map(|(name, content)| (*name, content.as_str())), &top, expected);
    }
    let chart = [("app/Chart.yaml", "apiVersion: v2\nname: c\n"), ("app/x.yaml", x.as_str())];
    check(&chart, &RenderRequest { declared: Some(SourceType::Directory), ..top.clone() }, None);
    check(&chart, &RenderRequest { disabled_tools: vec![SourceType::Helm], ..top }, None);
    for (source, expected) in [
        (r#"{"path": "app", "plugin": {}}"#, Some("a config management plugin..spec.source.plugin is set")),
        (r#"{"path": "app", "directory": {"recurse": true}}"#, None),
        (r#"{"ref": "values"}"#, None),
    ] {
        let source: ApplicationSource = serde_json::from_str(source).unwrap();
        check(&chart[1..], &RenderRequest::from_source(&source, "demo").unwrap(), expected);
    }
    let both: ApplicationSource = serde_json::from_str(r#"{"helm": {}, "kustomize": {}}"#).unwrap();
    let error = RenderRequest::from_source(&both, "demo").unwrap_err();
    assert_eq!(error.to_string(), "multiple application sources defined: Helm,Kustomize");
}

#[test]
fn files_tell_the_tool_that_renders_them() {
    let x = manifest("x");
    let top = request(plain());
    let check = |file: &str, request: &RenderRequest, expected: &str| {
        let files = [("app/x.yaml", x.as_str()), (file, "")];
        let rendered = rendered(&MemTree::new(&files), request);
        let tool = rendered.map_or_else(|error| error, |_| "Directory".to_owned());
        assert!(tool.starts_with(expected), "{file}: {tool}");
    };
    check("app/Chart.yaml", &top, "Helm: cannot start the render worker");
    check("app/kustomization.yml", &top, "Kustomize: cannot start the render worker");
    check("app/Kustomization", &top, "Kustomize: ");
    check("app/sub/Chart.yaml", &top, "Directory");
    check("app/Chart.yaml", &RenderRequest { declared: Some(SourceType::Kustomize), ..top.clone() }, "Kustomize: ");
    check("app/x.txt", &RenderRequest { declared: Some(SourceType::Helm), ..top.clone() }, "Helm: ");
}

#[test]
fn a_source_that_others_refer_to_renders_nothing() {
    let source: ApplicationSource = serde_json::from_str(r#"{"ref": "values"}"#).unwrap();
    check(&[("x.yaml", "kind: {{")], &RenderRequest::from_source(&source, "demo").unwrap(), &[]);
}

#[test]
fn limits_bound_a_render() {
    let x = manifest("x");
    let size = x.len() as u64;
    let files = [("app/a.yaml", x.as_str()), ("app/b.yaml", &x), ("app/d/e/c.yaml", &x)];
    let limits = RenderLimits::default();
    let check = |limits: RenderLimits, expected: &str| {
        let request = RenderRequest { limits, ..request(recurse()) };
        let found = rendered(&MemTree::new(&files), &request).err().unwrap_or_default();
        assert!(found.starts_with(expected), "{found}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
    };
    check(
        RenderLimits {
            combined_bytes: 3 * size,
            files: 3,
            objects: 3,
            depth: 2,
            entries: 5,
            file_bytes: size,
            ..limits
        },
        "",
    );
    check(RenderLimits { combined_bytes: 0, ..limits }, "");
    check(
        RenderLimits { combined_bytes: 3 * size - 1, ..limits },
        "app/d/e/c.yaml: the combined size of the manifest files exceeds the limit",
    );
    check(RenderLimits { file_bytes: size - 1, ..limits }, "app/a.yaml: the size of the file exceeds");
    check(RenderLimits { files: 2, ..limits }, "app/d/e/c.yaml: the number of files exceeds the limit of 2");
    check(RenderLimits { entries: 4, ..limits }, "app/d/e: the number of files and directories exceeds");
    check(RenderLimits { depth: 1, ..limits }, "app/d/e: the depth of directories exceeds");
    check(RenderLimits { objects: 2, ..limits }, "app/d/e/c.yaml: the number of objects exceeds");
}

#[test]
fn unchanged_lookups_tell_that_the_output_is_the_same() {
    let (x, y) = (manifest("x"), manifest("w"));
    let base = [
        ("app/x.yaml", x.as_str()),
        ("app/l.yaml", "->../shared/l.yaml"),
        ("app/sub/y.yaml", &y),
        ("app/README.md", "a"),
        ("shared/l.yaml", &y),
        ("other/z.yaml", &x),
    ];
    let changed = |path: &'static str, content: &'static str| {
        let mut files: Vec<_> = base.into_iter().filter(|(name, _)| *name != path).collect();
        if content != "gone" {
            files.push((path, content));
        }
        files
    };
    let check = |files: &[(&str, &str)], plain: bool, recursive: bool, note: &str| {
        for (directory, expected) in [(ApplicationSourceDirectory::default(), plain), (recurse(), recursive)] {
            let request = request(directory);
            let (before, after) = (MemTree::new(&base), MemTree::new(files));
            let render = render(&before, &request).unwrap();
            assert!(render.lookups.unchanged_in(&before).unwrap());
            assert_eq!(
                render.lookups.unchanged_in(&after).unwrap(),
                expected,
                "{note}, recurse {}",
                request.directory.recurse
            );
            assert_eq!(render.lookups.has_same_ids_in(&after).unwrap(), note == "elsewhere", "{note}: ids");
            if let Ok(again) = super::tests::render(&after, &request).map(|render| render.manifests) {
                let same_key = again.input_key == render.manifests.input_key;
                assert_eq!(same_key, expected, "{note}: input key");
                assert!(!same_key || again.digest == render.manifests.digest, "{note}: digest");
            }
            let on_disk = [&base[..], files].map(|files| {
                let directory = tempfile::tempdir().unwrap();
                write_files(directory.path(), files);
                directory
            });
            let lookups = super::tests::render(&DirTree::new(on_disk[0].path()), &request).unwrap().lookups;
            assert!(lookups.unchanged_in(&DirTree::new(on_disk[0].path())).unwrap(), "{note}: same directory");
            let found = lookups.unchanged_in(&DirTree::new(on_disk[1].path())).unwrap();
            // A plain directory has no id for all below it, so that of a file which does not count is not compared there.
            assert!(found == expected || (found && note == "a file that is not read"), "{note}: plain directory");
        }
    };
    check(&changed("other/z.yaml", "b"), true, true, "elsewhere");
    check(&changed("app/x.yaml", "a: 1"), false, false, "a file that is read");
    check(&changed("app/x.yaml", "gone"), false, false, "a file is gone");
    check(&changed("app/new.yaml", "a: 1"), false, false, "a new file");
    check(&changed("app/README.md", "b"), true, false, "a file that is not read");
    check(&changed("app/sub/y.yaml", "a: 1"), true, false, "a file of a subdirectory");
    check(&changed("shared/l.yaml", "a: 1"), false, false, "the target of a link");
    check(&changed("app/l.yaml", "->../other/z.yaml"), false, false, "a link");
    check(&changed("app/.argocd-source.yaml", "a: 1"), false, false, "an override appears");
    check(&changed("app/Kustomization", ""), false, false, "another tool");
    check(&changed("app/out", "->/etc"), false, false, "a link that leads out");
}

#[test]
fn options_are_part_of_the_input_key() {
    let x = manifest("x");
    let tree = MemTree::new(&[("app/x.yaml", x.as_str())]);
    let key = |directory| render(&tree, &request(directory)).unwrap().manifests.input_key;
    let plain = key(ApplicationSourceDirectory::default());
    assert_ne!(plain, key(ApplicationSourceDirectory { include: "*".into(), ..Default::default() }));
    assert_ne!(plain, key(ApplicationSourceDirectory { exclude: "y*".into(), ..Default::default() }));
    assert_ne!(plain, key(recurse()));
}

#[test]
fn output_is_one_document_or_line_an_object() {
    let files = [(
        "app/x.yaml",
        "apiVersion: v1\nkind: A\nmetadata: {name: 'on'}\n---\nkind: B\napiVersion: v1\nmetadata: {name: b}",
    )];
    let manifests = render(&MemTree::new(&files), &request(plain())).unwrap().manifests;
    assert_eq!(
        write_output(&manifests, Format::Yaml),
        "apiVersion: v1\nkind: A\nmetadata:\n  name: \"on\"\n---\napiVersion: v1\nkind: B\nmetadata:\n  name: b\n"
    );
    assert_eq!(
        write_output(&manifests, Format::Json),
        "{\"apiVersion\":\"v1\",\"kind\":\"A\",\"metadata\":{\"name\":\"on\"}}\n{\"apiVersion\":\"v1\",\"kind\":\"B\",\"metadata\":{\"name\":\"b\"}}\n"
    );
}
