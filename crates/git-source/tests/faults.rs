//! Repositories and mirrors that fail: an error in time, others unharmed, recovery afterwards.

#![expect(clippy::unwrap_used, reason = "tests and their fixtures")]

mod support;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use application_api::RepoUrl;
use git_source::{
    CommitId, CredentialIdentity, GitError, GitOptions, GitStep, Remedy, Repositories, Repository, SourceTree as _,
    watch_local,
};
use support::{mirrors, only, poll_one, repositories, repository, revisions, soon};
use test_kit::{Fault, FixtureRepo, GitHttpServer};

struct Fixture {
    dir: tempfile::TempDir,
    data: tempfile::TempDir,
    server: GitHttpServer,
    repo: FixtureRepo,
    repositories: Repositories,
    repository: Repository,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let repo = FixtureRepo::init(dir.path().join("bad"));
    for file in 0..50 {
        repo.write(&format!("dir-{file}/file"), format!("{file}").repeat(100));
    }
    repo.commit("first");
    FixtureRepo::init(dir.path().join("good")).commit("first");
    let server = GitHttpServer::start(dir.path());
    let data = tempfile::tempdir().unwrap();
    let repositories = repositories(data.path(), GitOptions::default());
    Fixture { repository: repository(server.url("bad")), dir, data, server, repo, repositories }
}

impl Fixture {
    async fn poll(&self) -> Result<CommitId, GitError> {
        self.poll_until(soon()).await
    }

    async fn poll_until(&self, deadline: Instant) -> Result<CommitId, GitError> {
        only(self.repositories.poll(&self.repository, &revisions(&["main"]), deadline).await?)
    }

    async fn good_one_polls(&self) {
        poll_one(&self.repositories, &repository(self.server.url("good")), "main").await;
    }

    async fn everything_can_be_read(&self, commit: CommitId) {
        let tree = self.repositories.tree(&self.repository, commit).await.unwrap();
        for file in 0..50 {
            let entry = tree.entry(&format!("dir-{file}/file")).unwrap().unwrap();
            tree.blob(&entry, 1000).unwrap();
        }
    }
}

async fn check(fault: Fault, expected: impl Fn(&GitError) -> bool, remedy: Remedy) {
    let fixture = fixture();
    // At the first fetch, and again when there is a mirror.
    for round in 0..2 {
        fixture.repo.write("round", format!("{round}")).commit("next");
        fixture.server.set_fault("bad", fault);
        // A server that stalls would do so for the whole time that is allowed.
        let deadline =
            if matches!(fault, Fault::StallAfter(_)) { Instant::now() + Duration::from_secs(1) } else { soon() };
        let (error, ()) = tokio::join!(fixture.poll_until(deadline), fixture.good_one_polls());
        let error = error.unwrap_err();
        assert!(expected(&error), "{fault:?}: {error:?}");
        assert_eq!(error.remedy(), remedy);
        assert!(error.to_string().contains(&fixture.server.url("bad")), "{error}");
        fixture.server.clear_faults();
        let commit = fixture.poll().await.unwrap();
        assert_eq!(commit.to_string(), fixture.repo.head());
        fixture.everything_can_be_read(commit).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn down() {
    check(Fault::Down, |error| matches!(error, GitError::Unreachable { .. }), Remedy::Retry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_server() {
    check(Fault::Status(503), |error| matches!(error, GitError::Unreachable { .. }), Remedy::Retry).await;
    check(Fault::Status(404), |error| matches!(error, GitError::NotFound { .. }), Remedy::WaitForChange).await;
    check(Fault::Status(403), |error| matches!(error, GitError::Unauthenticated { .. }), Remedy::WaitForChange).await;
    // An answer, but not that of a Git server.
    check(Fault::Status(200), |error| matches!(error, GitError::NotFound { .. }), Remedy::WaitForChange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled() {
    let timed_out = |error: &GitError| matches!(error, GitError::TimedOut { .. });
    check(Fault::StallAfter(0), timed_out, Remedy::Retry).await;
    // In the middle of a pack.
    check(Fault::StallAfter(400), timed_out, Remedy::Retry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_has_a_limit_of_its_own() {
    let second = Duration::from_secs(1);
    let check = async |options, fault, expected| {
        let fixture = fixture();
        fixture.server.set_fault("bad", fault);
        let impatient = repositories(fixture.data.path(), options);
        let polled = impatient.poll(&fixture.repository, &revisions(&["main"]), soon()).await;
        match polled.and_then(only).unwrap_err() {
            GitError::TimedOut { step, allowed, .. } => assert_eq!((step, allowed), (expected, second)),
            error => panic!("{error:?}"),
        }
    };
    let listing = GitOptions { list_timeout: second, ..Default::default() };
    check(listing, Fault::StallAfter(0), GitStep::ListReferences).await;
    let fetching = GitOptions { fetch_timeout: second, ..Default::default() };
    check(fetching, Fault::StallAfter(400), GitStep::Fetch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off() {
    let broken = |error: &GitError| matches!(error, GitError::Unreachable { .. } | GitError::Corrupt { .. });
    check(Fault::CutAfter(10), broken, Remedy::Retry).await;
    check(Fault::CutAfter(400), broken, Remedy::Retry).await;
    check(Fault::TruncateAfter(10), broken, Remedy::Retry).await;
    check(Fault::TruncateAfter(400), broken, Remedy::Retry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_on_the_way() {
    check(Fault::CorruptPack, |error| matches!(error, GitError::Corrupt { .. }), Remedy::Retry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_wanted() {
    let fixture = fixture();
    fixture.server.protect("bad", "user", "password");
    let error = fixture.poll().await.unwrap_err();
    assert!(matches!(error, GitError::Unauthenticated { .. }), "{error:?}");
}

/// A server that answers every request by sending the client elsewhere.
fn redirecting_to(target: String) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut lines = BufReader::new(&client).lines().map_while(Result::ok);
            let request = lines.find(|line| line.starts_with("GET ")).unwrap_or_default();
            lines.find(String::is_empty);
            let path = request.split(' ').nth(1).unwrap_or_default().replace("/moved", "");
            let answer = format!("HTTP/1.1 301 Moved\r\nLocation: {target}{path}\r\nContent-Length: 0\r\n\r\n");
            (&client).write_all(answer.as_bytes()).ok();
        }
    });
    format!("http://{address}/moved")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_has_moved_is_followed_but_not_to_a_login_page() {
    let fixture = fixture();
    let moved = repository(redirecting_to(fixture.server.url("bad")));
    let commit = poll_one(&fixture.repositories, &moved, "main").await;
    assert_eq!(commit.to_string(), fixture.repo.head());
    for target in ["http://127.0.0.1:1/login?next=", "ftp://127.0.0.1", "http://user:secret@127.0.0.1:1/login#"] {
        let elsewhere = repository(redirecting_to(target.to_owned()));
        let error = fixture.repositories.poll(&elsewhere, &revisions(&["main"]), soon()).await.unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(matches!(error, GitError::Unsupported { .. } | GitError::Unreachable { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_or_the_url_is_of_no_use() {
    let fixture = fixture();
    let check = async |url: &str, expected: fn(&GitError) -> bool| {
        let error = fixture.repositories.poll(&repository(url), &revisions(&["main"]), soon()).await.unwrap_err();
        assert!(expected(&error), "{url}: {error:?}");
    };
    check("http://127.0.0.1:1/x", |error| matches!(error, GitError::Unreachable { .. })).await;
    let with_password = fixture.server.url("bad").replace("http://", "http://user:secret@");
    check(&with_password, |error| {
        matches!(error, GitError::Unauthenticated { .. }) && !format!("{error} {error:?}").contains("secret")
    })
    .await;
    check("http://", |error| matches!(error, GitError::Unsupported { .. })).await;
    check("git@example.com:a/b", |error| matches!(error, GitError::Unsupported { .. })).await;
    check("/nonexistent/repo", |error| matches!(error, GitError::NotFound { .. })).await;
    check(fixture.data.path().to_str().unwrap(), |error| matches!(error, GitError::NotFound { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_ends_with_its_deadline_and_the_next_one_waits_its_turn() {
    let fixture = fixture();
    fixture.server.set_fault("bad", Fault::StallAfter(0));
    let error = fixture.poll_until(Instant::now()).await.unwrap_err();
    assert!(matches!(error, GitError::TimedOut { .. }), "{error:?}");
    let deadline = Instant::now() + Duration::from_secs(1);
    let (one, two) = tokio::join!(fixture.poll_until(deadline), fixture.poll_until(deadline));
    assert!(matches!((one, two), (Err(GitError::TimedOut { .. }), Err(GitError::TimedOut { .. }))));
    fixture.server.clear_faults();
    fixture.poll().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_nobody_waits_for_ends() {
    let fixture = fixture();
    fixture.server.set_fault("bad", Fault::StallAfter(0));
    let wanted = revisions(&["main"]);
    let polling = fixture.repositories.poll(&fixture.repository, &wanted, soon());
    tokio::select! {
        result = polling => panic!("{result:?}"),
        _ = fixture.server.traffic_until("bad", |traffic| traffic.requests > 0) => {}
    }
    fixture.server.clear_faults();
    let next = fixture.repositories.poll(&fixture.repository, &wanted, soon());
    let started = tokio::time::timeout(Duration::from_secs(10), next).await;
    only(started.expect("the turn came before the first poll's time was over").unwrap()).unwrap();
}

/// Overwrites every pack below a mirror with as many zeros.
fn damage(mirror: &Path) {
    for entry in std::fs::read_dir(mirror.join("objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        let size = std::fs::metadata(&path).unwrap().len();
        // Not in place: what readers have mapped stays as it was.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, vec![0; usize::try_from(size).unwrap()]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_mirror_is_fetched_again() {
    let fixture = fixture();
    let commit = fixture.poll().await.unwrap();
    let before = mirrors(fixture.data.path());
    damage(&before[0]);
    // Found at the start.
    let again = repositories(fixture.data.path(), GitOptions::default());
    assert_eq!(poll_one(&again, &fixture.repository, "main").await, commit);
    again.tree(&fixture.repository, commit).await.unwrap().list("").unwrap();
    // Found while reading: the pack's index is whole, its content is not.
    let mirror = mirrors(fixture.data.path()).pop().unwrap();
    let third = repositories(fixture.data.path(), GitOptions::default());
    let tree = third.tree(&fixture.repository, commit).await.unwrap();
    for entry in std::fs::read_dir(mirror.join("objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pack") {
            let mut pack = std::fs::read(&path).unwrap();
            let middle = pack.len() / 4;
            pack[middle..].fill(0);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            std::fs::write(&path, pack).unwrap();
        }
    }
    let unreadable = (0..50).filter(|file| {
        let read = || tree.blob(&tree.entry(&format!("dir-{file}/file")).ok()??, 1000).ok();
        read().is_none()
    });
    assert!(unreadable.count() > 0, "no wrong content, an error");
    assert_eq!(poll_one(&third, &fixture.repository, "main").await, commit);
    let tree = third.tree(&fixture.repository, commit).await.unwrap();
    for file in 0..50 {
        tree.blob(&tree.entry(&format!("dir-{file}/file")).unwrap().unwrap(), 1000).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_directory_may_be_deleted() {
    let fixture = fixture();
    let old = fixture.poll().await.unwrap();
    fixture.repo.write("new", "x").commit("next");
    fixture.poll().await.unwrap();
    let held = fixture.repositories.tree(&fixture.repository, old).await.unwrap();
    held.list("").unwrap();
    std::fs::remove_dir_all(fixture.data.path().join("git")).unwrap();
    let commit = fixture.poll().await.unwrap();
    fixture.everything_can_be_read(commit).await;
    // It is in force as well, and comes back with the others.
    fixture.everything_can_be_read(old).await;
    assert_eq!(mirrors(fixture.data.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_credential_fetched_is_not_shown_to_another() {
    let fixture = fixture();
    let commit = fixture.poll().await.unwrap();
    let url = RepoUrl::new(&fixture.server.url("bad"));
    let other = Repository { url, credential: CredentialIdentity::new("team-b") };
    let error = fixture.repositories.tree(&other, commit).await.unwrap_err();
    assert!(matches!(error, GitError::NotFetched { .. }), "{error:?}");
    poll_one(&fixture.repositories, &other, "main").await;
    assert_eq!(mirrors(fixture.data.path()).len(), 2);
    fixture.repositories.retain(std::slice::from_ref(&other)).await;
    assert_eq!(mirrors(fixture.data.path()).len(), 1);
    fixture.repositories.tree(&other, commit).await.unwrap();
    // Those of an earlier run as well.
    repositories(fixture.data.path(), GitOptions::default()).retain(&[]).await;
    assert_eq!(mirrors(fixture.data.path()).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_on_this_machine_are_watched() {
    let fixture = fixture();
    let local = |name: &str| repository(fixture.dir.path().join(name).to_str().unwrap());
    let mut watch = watch_local(&[local("bad"), local("good"), fixture.repository.clone()]).unwrap();
    fixture.repo.write("x", "1").commit("next");
    assert_eq!(watch.changed().await, Some(local("bad")));
    FixtureRepo::open(fixture.dir.path().join("good")).branch("feature/new");
    // What the first commit still caused may come before.
    while watch.changed().await.unwrap() != local("good") {}
    let error = watch_local(&[local("none")]).unwrap_err();
    assert!(matches!(error, GitError::Local { .. }), "{error:?}");
}
