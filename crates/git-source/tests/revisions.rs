//! Which commit a revision is, over HTTP and in place.

#![expect(clippy::unwrap_used, reason = "tests and their fixtures")]

mod support;

use git_source::{GitError, GitOptions, OnDisk, SourceTree as _};
use support::{only, poll_one, repositories, repository, revisions, soon};
use test_kit::{FixtureRepo, GitHttpServer};

struct Fixture {
    _dir: tempfile::TempDir,
    data: tempfile::TempDir,
    server: GitHttpServer,
    repo: FixtureRepo,
    first: String,
    second: String,
    hidden: String,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let repo = FixtureRepo::init(dir.path().join("shop"));
    let first = repo.write("a", "1").commit("first");
    repo.tag("light").tag("v1.4.0").branch("old").annotated_tag("heavy", "message");
    let second = repo.write("a", "2").commit("second");
    repo.annotated_tag("v1.10.0", "message");
    // Reachable, but no reference points to it.
    let hidden = repo.write("a", "3").commit("third");
    repo.write("a", "4").commit("fourth");
    Fixture {
        server: GitHttpServer::start(dir.path()),
        _dir: dir,
        data: tempfile::tempdir().unwrap(),
        repo,
        first,
        second,
        hidden,
    }
}

/// Every kind of revision, with the commit expected; `None` when there is none.
fn cases(fixture: &Fixture) -> Vec<(String, Option<String>)> {
    let head = fixture.repo.head();
    let some = |commit: &String| Some(commit.clone());
    vec![
        (String::new(), some(&head)),
        ("HEAD".into(), some(&head)),
        ("main".into(), some(&head)),
        ("old".into(), some(&fixture.first)),
        ("light".into(), some(&fixture.first)),
        ("heavy".into(), some(&fixture.first)),
        ("v1.x".into(), some(&fixture.second)),
        ("refs/heads/old".into(), some(&fixture.first)),
        ("refs/tags/heavy".into(), some(&fixture.first)),
        (fixture.hidden.clone(), some(&fixture.hidden)),
        (fixture.hidden[..9].to_uppercase(), some(&fixture.hidden)),
        ("none".into(), None),
        ("with space".into(), None),
        ("0123456789".into(), None),
        ("0".repeat(39) + "1", None),
        (fixture.repo.rev_parse("HEAD^{tree}"), None),
    ]
}

async fn check(options: GitOptions, url: impl Fn(&Fixture) -> String) {
    let fixture = fixture();
    let repositories = repositories(fixture.data.path(), options);
    let repository = repository(url(&fixture));
    let cases = cases(&fixture);
    let names: Vec<&str> = cases.iter().map(|(name, _)| name.as_str()).collect();
    let polled = repositories.poll(&repository, &revisions(&names), soon()).await.unwrap();
    for ((name, expected), (_, commit)) in cases.iter().zip(polled.commits) {
        if let Some(expected) = expected {
            let commit = commit.map_err(|error| format!("`{name}`: {error}")).unwrap();
            assert_eq!(&commit.to_string(), expected, "{name}");
            repositories.tree(&repository, commit).await.unwrap().entry("a").unwrap().unwrap();
        } else {
            let error = commit.unwrap_err();
            assert!(matches!(error, GitError::RevisionNotFound { .. }), "{name}: {error:?}");
            assert_eq!(error.to_string(), format!("unable to resolve '{name}' to a commit SHA"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http() {
    check(GitOptions::default(), |fixture| fixture.server.url("shop")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_place_by_path() {
    check(GitOptions::default(), |fixture| fixture.repo.path().to_str().unwrap().to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_place_bare_by_url() {
    check(GitOptions::default(), |fixture| {
        let bare = fixture.data.path().join("bare repo.git");
        fixture.repo.git(&["clone", "--quiet", "--mirror", ".", bare.to_str().unwrap()]);
        format!("file://{}", bare.display()).replace(' ', "%20")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrored_from_a_path() {
    let options = GitOptions { on_disk: OnDisk::Mirror, ..Default::default() };
    check(options, |fixture| fixture.repo.file_url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn references_are_listed_once_and_commits_only_fetched_when_new() {
    let fixture = fixture();
    let repositories = repositories(fixture.data.path(), GitOptions::default());
    let repository = repository(fixture.server.url("shop"));
    let wanted = revisions(&["main", "old", "heavy", "1.x"]);
    let cost = async || repositories.poll(&repository, &wanted, soon()).await.unwrap().traffic;
    let (first, again) = (cost().await, cost().await);
    assert_eq!((first.lists, first.fetches, first.requests), (1, 1, 3));
    assert_eq!((again.lists, again.fetches, again.requests), (1, 0, 2));
    fixture.repo.write("a", "5").commit("fifth");
    let changed = cost().await;
    assert_eq!((changed.lists, changed.fetches), (1, 1));
    let full = revisions(&[&fixture.repo.head()]);
    assert_eq!(repositories.poll(&repository, &full, soon()).await.unwrap().traffic.requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_push_and_a_deleted_branch_are_followed() {
    let fixture = fixture();
    let repositories = repositories(fixture.data.path(), GitOptions::default());
    let repository = repository(fixture.server.url("shop"));
    let before = poll_one(&repositories, &repository, "main").await;
    poll_one(&repositories, &repository, "old").await;
    fixture.repo.reset(&fixture.first);
    let rewritten = fixture.repo.write("b", "1").commit("rewritten");
    fixture.repo.git(&["branch", "-D", "old"]);
    fixture.repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    fixture.repo.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(poll_one(&repositories, &repository, "main").await.to_string(), rewritten);
    let gone = only(repositories.poll(&repository, &revisions(&["old"]), soon()).await.unwrap());
    assert!(matches!(gone, Err(GitError::RevisionNotFound { .. })), "{gone:?}");
    let tree = repositories.tree(&repository, before).await.unwrap();
    assert!(tree.entry("a").unwrap().is_some(), "what is in force stays, though the server has it no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_has_no_commit() {
    let dir = tempfile::tempdir().unwrap();
    let repo = FixtureRepo::init(dir.path().join("empty"));
    let server = GitHttpServer::start(dir.path());
    let data = tempfile::tempdir().unwrap();
    let repositories = repositories(data.path(), GitOptions::default());
    for url in [server.url("empty"), repo.file_url()] {
        let repository = repository(url);
        let polled = only(repositories.poll(&repository, &revisions(&["HEAD"]), soon()).await.unwrap());
        assert!(matches!(polled, Err(GitError::RevisionNotFound { .. })), "{polled:?}");
        repo.commit("first");
        poll_one(&repositories, &repository, "HEAD").await;
        repo.git(&["update-ref", "-d", "HEAD"]);
    }
}
