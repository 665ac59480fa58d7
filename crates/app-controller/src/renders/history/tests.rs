use std::path::Path;

use application_api::{ApplicationSource, SourceSet, SourceType};
use kube_object::{ClusterVersions, RenderedManifests, RenderedObject, Stability};
use reconciler::{Dependence, Reuse};
use serde_json::{Value, json};

use super::super::render;
use super::*;
use crate::test_hands::TestHands;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

struct Fixture {
    directory: tempfile::TempDir,
    test: TestHands,
}

fn config_map(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"key": value}})
}

fn rendering(objects: &[Value], dependence: Dependence) -> Rendering {
    let objects = objects.iter().zip(1..).map(|(object, line)| {
        RenderedObject::new(&kube_object::Object::from_value(object.clone()).unwrap(), Arc::from("app/a.yaml"), line)
    });
    let manifests = RenderedManifests::new(objects.collect(), Digest::of_bytes(b"input"), vec!["odd".to_owned()]);
    Rendering {
        manifests: Arc::new(manifests),
        source_types: vec![SourceType::Helm, SourceType::Directory],
        dependence,
        stability: Stability::Unstable,
        chart_repositories: ["https://charts.example".into()].into(),
        rendered_in: RenderedIn::TheContext,
    }
}

fn context(version: &str) -> RenderContext {
    let cluster = Arc::new(ClusterVersions::new(version.to_owned(), Vec::new()));
    RenderContext { namespace: "shop".to_owned(), project: "default".to_owned(), cluster }
}

/// Names a deployment from a repository that is not there.
fn deployment(directory: &Path, revision: &str) -> Deployment {
    let repo_url = format!("file://{}", directory.join("none").display()).as_str().into();
    let source = ApplicationSource { repo_url, path: "app".to_owned(), ..ApplicationSource::default() };
    Deployment { sources: SourceSet::single(source), revision: revision.to_owned() }
}

impl Fixture {
    fn new() -> Self {
        Self::of(tempfile::tempdir().unwrap())
    }

    fn of(directory: tempfile::TempDir) -> Self {
        let test = TestHands::new(directory.path(), |_, _| unreachable!("a render asks no API server"));
        Self { directory, test }
    }

    fn deployment(&self, revision: &str) -> Deployment {
        deployment(self.directory.path(), revision)
    }

    /// Keeps a render of a commit as the last of these.
    async fn keep(&self, app: &str, commits: &[&str], rendering: Rendering, mode: KeepMode) {
        let deployments: Vec<Deployment> = commits.iter().map(|commit| self.deployment(commit)).collect();
        let context = (rendering.dependence == Dependence::Context).then(|| Box::new(context("1.36")));
        let deployment = deployments.last().unwrap().clone();
        let render = Box::new(DeployedRender { deployment, rendering, context, mode });
        let hands = &self.test.hands;
        hands.renders.history.keep(AppKey::new("argocd", app), deployments, Some(render), tools(hands));
        hands.renders.history.settled().await;
    }

    async fn render(&self, app: &str, commit: &str, version: &str, reuse: Reuse) -> Result<Rendering, RenderFailure> {
        let Deployment { sources, revision } = self.deployment(commit);
        let (sources, context) = (Arc::new(sources), Box::new(context(version)));
        let job = RenderJob { app: AppKey::new("argocd", app), commit: revision, sources, context, reuse };
        render(&self.test.hands, job).await
    }

    /// Returns what is rendered of a commit: the value of its map.
    async fn value(&self, app: &str, commit: &str) -> Option<String> {
        let rendering = self.render(app, commit, "1.36", Reuse::Allowed).await.ok()?;
        let object = rendering.manifests.objects.first()?.body.decode().into_value();
        object["data"]["key"].as_str().map(str::to_owned)
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let list = |path: &Path| {
            let entries = std::fs::read_dir(path).into_iter().flatten();
            entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        list(&self.directory.path().join("deployed")).iter().flat_map(|folder| list(folder)).collect()
    }
}

#[tokio::test]
async fn what_was_kept_is_as_if_rendered() {
    let fixture = Fixture::new();
    for (dependence, version, is_same) in [
        (Dependence::FilesOnly, "1.36", true),
        (Dependence::FilesOnly, "1.37", true),
        (Dependence::Context, "1.36", true),
        (Dependence::Context, "1.37", false),
    ] {
        let before = rendering(&[config_map("1"), config_map("2")], dependence);
        fixture.keep("web", &[COMMIT], before.clone(), KeepMode::Replace).await;
        let after = fixture.render("web", COMMIT, version, Reuse::Allowed).await.unwrap();
        assert_eq!(after.manifests, before.manifests);
        assert_eq!((after.source_types, after.dependence), (before.source_types, before.dependence));
        assert_eq!((after.stability, after.chart_repositories), (before.stability, before.chart_repositories));
        assert_eq!(after.rendered_in == RenderedIn::TheContext, is_same, "{dependence:?} {version}");
        let failed = fixture.render("web", COMMIT, version, Reuse::Never).await;
        assert!(matches!(failed, Err(RenderFailure::Unavailable(_))), "a hard refresh reads everything");
    }
    // Of another Application, commit or source nothing is known.
    let other = "1".repeat(40);
    assert_eq!(fixture.value("other", COMMIT).await, None);
    assert_eq!(fixture.value("web", &other).await, None);
    let metrics = fixture.test.hands.metrics.exposition();
    assert!(metrics.contains("driftless_renders_total{tool=\"kept\"} 4"), "{metrics}");
}

#[tokio::test]
async fn what_other_tools_rendered_is_of_another_context() {
    let fixture = Fixture::new();
    let render = DeployedRender {
        deployment: fixture.deployment(COMMIT),
        rendering: rendering(&[config_map("1")], Dependence::FilesOnly),
        context: None,
        mode: KeepMode::Replace,
    };
    let history = &fixture.test.hands.renders.history;
    let app = AppKey::new("argocd", "web");
    history.keep(app, vec![fixture.deployment(COMMIT)], Some(Box::new(render)), Digest::of_bytes(b"older"));
    history.settled().await;
    let after = fixture.render("web", COMMIT, "1.36", Reuse::Allowed).await.unwrap();
    let RenderedIn::Another { failure } = after.rendered_in else { panic!("{:?}", after.rendered_in) };
    assert!(!failure.message().is_empty());
}

#[tokio::test]
async fn exactly_the_history_is_kept() {
    let fixture = Fixture::new();
    let commits = ["a", "b", "c"].map(|digit| digit.repeat(40));
    let [a, b, c] = commits.each_ref().map(String::as_str);
    let of = |value: &str| rendering(&[config_map(value)], Dependence::FilesOnly);
    let values =
        async |app: &str| [fixture.value(app, a).await, fixture.value(app, b).await, fixture.value(app, c).await];
    let some = |values: [&str; 3]| values.map(|value| (!value.is_empty()).then(|| value.to_owned()));
    fixture.keep("web", &[a], of("1"), KeepMode::Replace).await;
    fixture.keep("db", &[a], of("9"), KeepMode::Replace).await;
    fixture.keep("web", &[a, b], of("2"), KeepMode::Replace).await;
    assert_eq!(values("web").await, some(["1", "2", ""]));
    fixture.keep("web", &[b, c], of("3"), KeepMode::Replace).await;
    assert_eq!(values("web").await, some(["", "2", "3"]));
    for (mode, expected) in [(KeepMode::IfMissing, "3"), (KeepMode::Replace, "4")] {
        fixture.keep("web", &[b, c], of("4"), mode).await;
        assert_eq!(values("web").await, some(["", "2", expected]));
    }
    assert_eq!((values("db").await, fixture.files().len()), (some(["9", "", ""]), 3));
    fixture.test.hands.renders.forget(&AppKey::new("argocd", "web"));
    fixture.test.hands.renders.history.settled().await;
    assert_eq!((values("web").await, fixture.files().len()), (some(["", "", ""]), 1));
}

#[tokio::test]
async fn secrets_are_never_written() {
    let fixture = Fixture::new();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "c2VjcmV0"}});
    let mut of_private_charts = rendering(&[config_map("1")], Dependence::FilesOnly);
    of_private_charts.chart_repositories = ["https://me:secret@charts.example".into()].into();
    for render in [rendering(&[config_map("1"), secret], Dependence::FilesOnly), of_private_charts] {
        fixture.keep("web", &[COMMIT], rendering(&[config_map("0")], Dependence::FilesOnly), KeepMode::Replace).await;
        assert_eq!(fixture.value("web", COMMIT).await.as_deref(), Some("0"));
        // The one before is not what is deployed now.
        fixture.keep("web", &[COMMIT], render, KeepMode::Replace).await;
        assert_eq!((fixture.value("web", COMMIT).await, fixture.files().len()), (None, 0));
    }
}

#[tokio::test]
async fn what_is_damaged_is_not_there() {
    let mut fixture = Fixture::new();
    let of = |value: &str| rendering(&[config_map(value)], Dependence::FilesOnly);
    let keep = async |fixture: &Fixture| fixture.keep("web", &[COMMIT], of("1"), KeepMode::Replace).await;
    keep(&fixture).await;
    let whole = std::fs::read(&fixture.files()[0]).unwrap();
    let flipped: Vec<u8> = whole.iter().enumerate().map(|(at, byte)| if at == 60 { byte ^ 1 } else { *byte }).collect();
    for damaged in [&b""[..], b"damaged", &whole[..whole.len() - 1], &flipped] {
        keep(&fixture).await;
        std::fs::write(&fixture.files()[0], damaged).unwrap();
        assert_eq!(fixture.value("web", COMMIT).await, None);
    }
    // A whole file in the place of another is none either.
    fixture.keep("db", &[COMMIT], of("2"), KeepMode::Replace).await;
    let of_other = std::fs::read(&fixture.files()[0]).unwrap();
    keep(&fixture).await;
    for file in fixture.files() {
        std::fs::write(file, &of_other).unwrap();
    }
    assert_eq!((fixture.value("web", COMMIT).await, fixture.value("db", COMMIT).await.as_deref()), (None, Some("2")));
    // The next run of the daemon finds it.
    keep(&fixture).await;
    fixture = Fixture::of(fixture.directory);
    assert_eq!(fixture.value("web", COMMIT).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_is_rendered_badly_is_not_replaced() {
    let fixture = Fixture::new();
    let repo = test_kit::FixtureRepo::init(fixture.directory.path().join("none"));
    repo.write("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n");
    let commit = repo.commit("one");
    let kept = rendering(&[config_map("1")], Dependence::FilesOnly);
    fixture.keep("web", &[&commit], kept, KeepMode::Replace).await;
    let failed = fixture.render("web", &commit, "1.36", Reuse::Allowed).await;
    assert!(matches!(failed, Err(RenderFailure::Content(_))));
    // What the repository still has is rendered.
    repo.write("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: new}\n");
    let commit = repo.commit("two");
    fixture.keep("web", &[&commit], rendering(&[config_map("1")], Dependence::FilesOnly), KeepMode::Replace).await;
    assert_eq!(fixture.value("web", &commit).await.as_deref(), Some("new"));
}
