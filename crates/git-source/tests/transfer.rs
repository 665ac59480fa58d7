//! What goes over the wire and onto the disk, for a large repository and for many commits.

#![expect(clippy::unwrap_used, reason = "tests and their fixtures")]

mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use git_source::{CommitId, GitError, GitOptions, GitTree, SourceTree};
use support::{disk_usage, mirrors, only, poll_one, repositories, repository, revisions, soon};
use test_kit::{FixtureRepo, GitHttpServer};

/// Bytes that went both ways.
fn bytes(server: &GitHttpServer) -> u64 {
    let traffic = server.total_traffic();
    traffic.bytes_sent + traffic.bytes_received
}

/// Content that does not compress to nothing, different for each file and version.
fn content(file: usize, version: usize) -> String {
    let line = |line: usize| (file * 31 + version * 7 + line).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..16).fold(String::new(), |text, number| format!("{text}key-{number}: {:016x}\n", line(number)))
}

fn fill(repo: &FixtureRepo, files: usize) {
    for file in 0..files {
        repo.write(&format!("apps/app-{:04}/file-{file}.yaml", file / 10), content(file, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_file_among_ten_thousand_is_all_that_is_sent() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repo = FixtureRepo::init(dir.path().join("large"));
    fill(&repo, 10_000);
    repo.commit("all");
    let server = GitHttpServer::start(dir.path());
    let repositories = repositories(data.path(), GitOptions::default());
    let repository = repository(server.url("large"));
    poll_one(&repositories, &repository, "main").await;
    assert!(bytes(&server) > 1 << 20, "the repository is large");
    for round in 1..=3 {
        // The second one restores what the first one changed: it is sent again, though the server knows that it was there.
        let version = round % 2;
        server.reset_traffic();
        repo.write("apps/app-0500/file-5000.yaml", content(5000, version)).commit("one");
        let commit = poll_one(&repositories, &repository, "main").await;
        let received = bytes(&server);
        assert!(received <= 64 << 10, "round {round}: {received} bytes");
        let pins = [commit].into();
        repositories.pin(&repository, &pins).await.unwrap();
        let tree = repositories.tree(&repository, commit).await.unwrap();
        let entry = tree.entry("apps/app-0500/file-5000.yaml").unwrap().unwrap();
        assert_eq!(tree.blob(&entry, 1 << 20).unwrap(), content(5000, version).as_bytes());
    }
}

/// Reads everything below a directory.
fn read_all(tree: &GitTree, path: &str) -> usize {
    let mut read = 0;
    for (name, entry) in tree.list(path).unwrap() {
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        read += match entry.mode {
            git_source::EntryMode::Directory => read_all(tree, &path),
            _ => tree.blob(&entry, 1 << 20).unwrap().len(),
        };
    }
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_commits_are_followed_while_others_read() {
    const COMMITS: usize = 300;
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repo = FixtureRepo::init(dir.path().join("busy"));
    fill(&repo, 100);
    repo.commit("all");
    let server = GitHttpServer::start(dir.path());
    let options = GitOptions { pack_limit: 8, ..Default::default() };
    let repositories = repositories(data.path(), options);
    let repository = repository(server.url("busy"));
    let first = poll_one(&repositories, &repository, "main").await;
    let oldest = repositories.tree(&repository, first).await.unwrap();
    let small = disk_usage(data.path());

    let (newest, _) = tokio::sync::watch::channel(oldest.clone());
    let readers = [0, 1].map(|_| {
        let mut newest = newest.subscribe();
        tokio::spawn(async move {
            let mut read = 0;
            // The commit before is still read while the next one is fetched.
            while newest.changed().await.is_ok() {
                let tree = newest.borrow_and_update().clone();
                read += tokio::task::spawn_blocking(move || read_all(&tree, "")).await.unwrap();
            }
            read
        })
    });
    let mut previous = first;
    for round in 1..=COMMITS {
        let expected = repo.write("apps/app-0001/file-10.yaml", content(10, round)).commit("next");
        let commit = poll_one(&repositories, &repository, "main").await;
        assert_eq!(commit.to_string(), expected);
        repositories.pin(&repository, &[commit, previous].into()).await.unwrap();
        newest.send_replace(repositories.tree(&repository, commit).await.unwrap());
        previous = commit;
    }
    drop(newest);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert!(read_all(&oldest, "") > 0, "what a reader holds stays readable");
    drop(oldest);
    // The operation after the last one waits for its consolidation.
    repositories.pin(&repository, &[previous].into()).await.unwrap();
    let [mirror] = <[_; 1]>::try_from(mirrors(data.path())).unwrap();
    repo.git(&["--git-dir", mirror.to_str().unwrap(), "fsck", "--strict"]);
    let used = disk_usage(data.path());
    assert!(used < 4 * small, "{used} bytes, {small} at first");
    server.reset_traffic();
    // The server had this content long ago, the mirror has it no more.
    repo.write("apps/app-0001/file-10.yaml", content(10, 1)).commit("last");
    let last = poll_one(&repositories, &repository, "main").await;
    assert!(bytes(&server) < 8 << 10, "the consolidated mirror knows what it has");
    assert!(read_all(&repositories.tree(&repository, last).await.unwrap(), "") > 0);
}

/// A proxy that hides from the server that the client speaks the second protocol.
fn old_protocol_proxy(upstream: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let forward = move |client: TcpStream| -> std::io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            if !lower.starts_with("git-protocol:") && !lower.starts_with("connection:") {
                head.push_str(&line);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut server = TcpStream::connect(&upstream)?;
        server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
        server.write_all(&body)?;
        let mut client = client;
        std::io::copy(&mut server, &mut client).map(drop)
    };
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            forward(client).ok();
        }
    });
    address.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_the_first_protocol_work_as_well() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repo = FixtureRepo::init(dir.path().join("old"));
    fill(&repo, 1000);
    let first = repo.commit("first");
    let hidden = repo.write("a", "hidden").commit("hidden");
    repo.write("a", "tagged").commit("tagged");
    repo.annotated_tag("v1", "message");
    repo.reset(&hidden).write("a", "main").commit("main");
    let server = GitHttpServer::start(dir.path());
    let proxied = old_protocol_proxy(server.url("old").split('/').nth(2).unwrap().to_owned());
    let repositories = repositories(data.path(), GitOptions::default());
    let repository = repository(format!("http://{proxied}/old"));
    for (revision, expected) in [("main", repo.head()), ("v1", repo.rev_parse("v1^{commit}"))] {
        assert_eq!(poll_one(&repositories, &repository, revision).await.to_string(), expected);
    }
    server.reset_traffic();
    repo.write("apps/app-0001/file-10.yaml", "new").commit("next");
    let commit = poll_one(&repositories, &repository, "main").await;
    assert!(bytes(&server) < 8 << 10);
    read_all(&repositories.tree(&repository, commit).await.unwrap(), "");
    // Such a server gives by id only what a reference points to: everything is fetched, once.
    for (revision, expected) in [(hidden.as_str(), &hidden), (&first[..10], &first)] {
        assert_eq!(&poll_one(&repositories, &repository, revision).await.to_string(), expected);
    }
    let nowhere = revisions(&["1111111111111111111111111111111111111111"]);
    let error = only(repositories.poll(&repository, &nowhere, soon()).await.unwrap()).unwrap_err();
    assert!(matches!(error, GitError::RevisionNotFound { .. }), "{error:?}");
    server.reset_traffic();
    repositories.poll(&repository, &nowhere, soon()).await.unwrap();
    assert!(bytes(&server) < 8 << 10, "nothing has changed, so it is nowhere still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_is_in_force() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repo = FixtureRepo::init(dir.path().join("repo"));
    fill(&repo, 1000);
    repo.commit("all");
    let server = GitHttpServer::start(dir.path());
    let repository = repository(server.url("repo"));
    let commit = poll_one(&repositories(data.path(), GitOptions::default()), &repository, "main").await;
    server.reset_traffic();
    let root = mirrors(data.path()).pop().unwrap();
    // What a process leaves that is killed while it fetches.
    std::fs::write(root.join("shallow.lock"), "").unwrap();
    std::fs::write(root.join("objects/pack/tmp_unfinished"), "PACK").unwrap();
    std::fs::create_dir(root.with_file_name("7.part")).unwrap();

    let again = repositories(data.path(), GitOptions::default());
    let tree = again.tree(&repository, commit).await.unwrap();
    assert!(read_all(&tree, "") > 0);
    assert_eq!(bytes(&server), 0);
    let never: CommitId = "1111111111111111111111111111111111111111".parse().unwrap();
    let error = again.tree(&repository, never).await.unwrap_err();
    assert!(matches!(error, GitError::NotFetched { .. }), "{error:?}");
    repo.write("apps/app-0001/file-10.yaml", "new").commit("next");
    poll_one(&again, &repository, "main").await;
    assert!(bytes(&server) < 8 << 10, "the haves are those of before");
    assert_eq!(mirrors(data.path()), std::slice::from_ref(&root));
    assert!(!root.join("shallow.lock").exists() && !root.join("objects/pack/tmp_unfinished").exists());
}
