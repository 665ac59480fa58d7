use application_api::ApplicationSource;
use test_kit::FixtureRepo;

use super::*;
use crate::test_hands::TestHands;

struct Fixture {
    directory: tempfile::TempDir,
    test: TestHands,
    repo: FixtureRepo,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let test = TestHands::new(directory.path(), |_, _| unreachable!("a render asks no API server"));
        let repo = FixtureRepo::init(directory.path().join("repo"));
        repo.write("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
        Self { directory, test, repo }
    }

    /// Waits until what was rendered is on disk.
    async fn settled(&self) {
        self.test.hands.renders.kept.settled().await;
    }

    async fn render(&self, path: &str, commit: &str, reuse: Reuse) -> Result<Rendering, RenderFailure> {
        let app = AppKey::new("argocd", "web");
        self.render_as(app, path.to_owned(), commit.to_owned(), reuse).await
    }

    async fn render_as(
        &self,
        app: AppKey,
        path: String,
        commit: String,
        reuse: Reuse,
    ) -> Result<Rendering, RenderFailure> {
        self.test.hands.renders.expect(&app);
        let repo_url = self.repo.file_url().as_str().into();
        let source = ApplicationSource { repo_url, path, ..ApplicationSource::default() };
        let sources = Arc::new(SourceSet::single(source));
        render(&self.test.hands, RenderJob { app, commit, sources, context: Box::default(), reuse }).await
    }
}

#[tokio::test]
async fn what_did_not_change_is_not_rendered_again() {
    let fixture = Fixture::new();
    let first = fixture.repo.commit("one");
    let before = fixture.render("app", &first, Reuse::Allowed).await.unwrap();
    fixture.repo.write("other/b.yaml", "a: b\n");
    let second = fixture.repo.commit("two");
    fixture.repo.write("app/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n");
    let third = fixture.repo.commit("three");
    for (commit, reuse, same, objects) in [
        (&first, Reuse::Allowed, true, 1),
        (&first, Reuse::Never, false, 1),
        (&second, Reuse::Allowed, false, 1),
        (&third, Reuse::Allowed, false, 2),
    ] {
        let after = fixture.render("app", commit, reuse).await.unwrap();
        let is_same = Arc::ptr_eq(&before.manifests, &after.manifests);
        assert_eq!((is_same, after.manifests.objects.len()), (same, objects), "{commit} {reuse:?}");
    }
    // Another commit with the same look-ups gives the very same manifests.
    let third_render = fixture.render("app", &third, Reuse::Allowed).await.unwrap();
    fixture.repo.write("other/b.yaml", "a: c\n");
    let fourth = fixture.repo.commit("four");
    let fourth_render = fixture.render("app", &fourth, Reuse::Allowed).await.unwrap();
    assert!(Arc::ptr_eq(&third_render.manifests, &fourth_render.manifests));
    fixture.test.hands.renders.forget(&AppKey::new("argocd", "web"));
    let anew = fixture.render("app", &fourth, Reuse::Allowed).await.unwrap();
    assert!(!Arc::ptr_eq(&third_render.manifests, &anew.manifests));
}

#[tokio::test]
async fn the_next_run_finds_renders_on_disk_but_for_secrets() {
    let fixture = Fixture::new();
    fixture.repo.write("secret/a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n");
    let commit = fixture.repo.commit("one");
    for path in ["app", "secret"] {
        fixture.render(path, &commit, Reuse::Allowed).await.unwrap();
    }
    fixture.settled().await;
    let next = |fixture: Fixture| {
        let test = TestHands::new(fixture.directory.path(), |_, _| unreachable!("a render asks no API server"));
        Fixture { test, ..fixture }
    };
    let fixture = next(fixture);
    // Without the repository, what is known is all there is.
    std::fs::remove_dir_all(fixture.directory.path().join("repo")).unwrap();
    let found = fixture.render("app", &commit, Reuse::Allowed).await.unwrap();
    assert_eq!(found.manifests.objects[0].name, "a");
    assert!(fixture.render("secret", &commit, Reuse::Allowed).await.is_err());
    assert!(fixture.render("app", &commit, Reuse::Never).await.is_err(), "a hard refresh reads everything");
    // Another Application of an equal source shares it.
    let other = AppKey::new("argocd", "other");
    let shared = fixture.render_as(other, "app".to_owned(), commit.clone(), Reuse::Allowed).await.unwrap();
    assert_eq!(shared.manifests.digest, found.manifests.digest);
    for entry in std::fs::read_dir(fixture.directory.path().join("renders")).unwrap() {
        std::fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    let fixture = next(fixture);
    assert!(fixture.render("app", &commit, Reuse::Allowed).await.is_err(), "a damaged entry is only a miss");
}

#[tokio::test]
async fn failures_say_whose_they_are() {
    let fixture = Fixture::new();
    fixture.repo.write("chart/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n");
    fixture.repo.write("overridden/.argocd-source.yaml", "plugin: {name: x}\n");
    fixture.repo.write("bad/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n");
    let commit = fixture.repo.commit("one");
    let kind = |result: Result<Rendering, RenderFailure>| match result.unwrap_err() {
        RenderFailure::Unsupported(_) => "unsupported",
        RenderFailure::Content(_) => "content",
        RenderFailure::Forbidden(_) => "forbidden",
        RenderFailure::Unavailable(_) => "unavailable",
        RenderFailure::Overrun(_) => "overrun",
    };
    let missing = "1".repeat(40);
    for (path, commit, expected) in [
        ("overridden", commit.as_str(), "unsupported"),
        // There is no worker here.
        ("chart", commit.as_str(), "unavailable"),
        ("bad", &commit, "content"),
        ("none", &commit, "content"),
        ("app", &missing, "unavailable"),
        ("app", "main", "unavailable"),
    ] {
        assert_eq!(kind(fixture.render(path, commit, Reuse::Allowed).await), expected, "{path} {commit}");
    }
    let _ = &fixture.directory;
}

#[tokio::test]
async fn many_that_ask_at_once_are_answered_each_for_itself() {
    let fixture = Fixture::new();
    for index in 0..20 {
        let map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{index}}}\n");
        fixture.repo.write(&format!("apps/{index}/a.yaml"), map);
    }
    let first = fixture.repo.commit("one");
    fixture.repo.write("apps/7/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n");
    let second = fixture.repo.commit("two");
    let renders = async |commit: &str| {
        let jobs = (0..20).map(|index| {
            let app = AppKey::new("argocd", &format!("app-{index}"));
            fixture.render_as(app, format!("apps/{index}"), commit.to_owned(), Reuse::Allowed)
        });
        futures::future::join_all(jobs).await
    };
    let before = renders(&first).await;
    let after = renders(&second).await;
    for (index, (before, after)) in before.iter().zip(&after).enumerate() {
        let (before, after) = (before.as_ref().unwrap(), after.as_ref().unwrap());
        assert_eq!(Arc::ptr_eq(&before.manifests, &after.manifests), index != 7, "{index}");
    }
    assert_eq!(after[7].as_ref().unwrap().manifests.objects[0].name, "other");
    assert!(renders(&"1".repeat(40)).await.iter().all(Result::is_err));
}
