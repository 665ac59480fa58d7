//! Trees read without a checkout, with `git` as the oracle.

#![expect(clippy::unwrap_used, reason = "tests and their fixtures")]

mod support;

use std::{fmt::Write as _, os::unix::fs::PermissionsExt as _};

use git_source::{DirTree, EntryMode, GitOptions, SourceTree, TreeEntry, TreeError};
use support::{poll_one, repositories, repository};
use test_kit::{FixtureRepo, GitHttpServer};

fn fill(repo: &FixtureRepo) {
    repo.write("app/cm.yaml", "kind: ConfigMap\n")
        .write("app.yaml", "")
        .write("app/sub/deep/x", "x")
        .write("run.sh", "#!");
    repo.write("with space/ü.yaml", "ü").symlink("link", "app").symlink("app/dangling", "../none");
    std::fs::set_permissions(repo.path().join("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    repo.git(&["add", "--all"]);
    repo.git(&["update-index", "--add", "--cacheinfo", "160000,0123456789012345678901234567890123456789,module"]);
}

/// Everything below a directory as `git ls-tree -r -t` prints it.
fn listing(tree: &dyn SourceTree, path: &str, into: &mut String) {
    for (name, entry) in tree.list(path).unwrap() {
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        let (mode, kind) = match entry.mode {
            EntryMode::File => ("100644", "blob"),
            EntryMode::Executable => ("100755", "blob"),
            EntryMode::Symlink => ("120000", "blob"),
            EntryMode::Directory => ("040000", "tree"),
            EntryMode::Submodule => ("160000", "commit"),
        };
        writeln!(into, "{mode} {kind} {}\t{path}", entry.id).unwrap();
        assert_eq!(tree.entry(&path).unwrap(), Some(entry), "{path}");
        if entry.mode == EntryMode::Directory {
            listing(tree, &path, into);
        }
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_reads_as_git_reads_it() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repo = FixtureRepo::init(dir.path().join("repo"));
    fill(&repo);
    repo.git(&["commit", "--quiet", "--message", "all"]);
    let server = GitHttpServer::start(dir.path());
    let repositories = repositories(data.path(), GitOptions::default());
    let expected = repo.git(&["-c", "core.quotePath=false", "ls-tree", "-r", "-t", "HEAD"]);
    for url in [server.url("repo"), repo.file_url()] {
        let repository = repository(url);
        let commit = poll_one(&repositories, &repository, "main").await;
        let tree = repositories.tree(&repository, commit).await.unwrap();
        let mut found = String::new();
        listing(&tree, "", &mut found);
        assert_eq!(sorted(&found), sorted(&expected));
        for (path, content) in
            [("app/cm.yaml", "kind: ConfigMap\n"), ("app.yaml", ""), ("link", "app"), ("app/dangling", "../none")]
        {
            let entry = tree.entry(path).unwrap().unwrap();
            assert_eq!(tree.blob(&entry, 100).unwrap(), content.as_bytes(), "{path}");
        }
        assert_eq!(tree.commit(), Some(repo.head().as_str()));
        let root = tree.entry("").unwrap().unwrap();
        assert_eq!((root.mode, root.id.to_string()), (EntryMode::Directory, repo.rev_parse("HEAD^{tree}")));
        let metadata = repositories.metadata(&repository, commit).await.unwrap();
        assert_eq!((metadata.author.as_str(), metadata.message.as_str()), ("Fixture <fixture@example.com>", "all\n"));
        assert_eq!(metadata.seconds.to_string(), repo.git(&["log", "-1", "--format=%at"]));
        refusals(&tree);
    }
}

/// What every tree refuses, on the files of [`fill`].
fn refusals(tree: &dyn SourceTree) {
    for path in
        ["none", "app/none", "app.yaml/x", "link/cm.yaml", "/app", "app/", "app//cm.yaml", "./app", "app/../app", ".."]
    {
        assert_eq!(tree.entry(path).unwrap(), None, "{path}");
        assert!(matches!(tree.list(path), Err(TreeError::NotFound { .. })), "{path}");
    }
    assert!(matches!(tree.list("app.yaml"), Err(TreeError::NotADirectory { mode: EntryMode::File, .. })));
    assert!(matches!(tree.list("link"), Err(TreeError::NotADirectory { mode: EntryMode::Symlink, .. })));
    let file = tree.entry("app/cm.yaml").unwrap().unwrap();
    assert!(matches!(tree.blob(&file, 15), Err(TreeError::TooLarge { size: 16, limit: 15, .. })));
    assert_eq!(tree.blob(&file, 16).unwrap().len(), 16);
    let link = tree.entry("link").unwrap().unwrap();
    assert!(matches!(tree.blob(&link, 2), Err(TreeError::TooLarge { size: 3, .. })));
    let directory = tree.entry("app").unwrap().unwrap();
    assert!(matches!(tree.blob(&directory, 100), Err(TreeError::NotABlob { .. })));
}

#[test]
fn a_directory_gives_files_the_ids_of_git() {
    let dir = tempfile::tempdir().unwrap();
    let repo = FixtureRepo::init(dir.path().join("repo"));
    fill(&repo);
    repo.git(&["rm", "--quiet", "--cached", "module"]);
    repo.git(&["commit", "--quiet", "--message", "all"]);
    let tree = DirTree::new(repo.path());
    let (mut found, blobs) = (String::new(), |text: &str| {
        sorted(text).into_iter().filter(|line| line.contains(" blob ")).map(str::to_owned).collect::<Vec<_>>()
    });
    listing(&tree, "", &mut found);
    let expected = repo.git(&["-c", "core.quotePath=false", "ls-tree", "-r", "-t", "HEAD"]);
    assert_eq!(blobs(&found), blobs(&expected));
    assert_eq!(tree.commit(), None);
    refusals(&tree);

    let entry = |path| -> TreeEntry { tree.entry(path).unwrap().unwrap() };
    let (directory, file) = (entry("app"), entry("app/cm.yaml"));
    repo.write("app/cm.yaml", "changed");
    assert!(matches!(tree.blob(&file, 100), Err(TreeError::Read { .. })), "never other content than the id says");
    assert_eq!(entry("app"), directory, "a directory's id is that of its listing");
    repo.write("app/new.yaml", "");
    assert_ne!(entry("app"), directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_not_utf8_can_be_read() {
    use std::os::unix::ffi::OsStrExt as _;
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repo = FixtureRepo::init(dir.path().join("repo"));
    let odd = repo.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join("x"), "odd").unwrap();
    repo.commit("odd");
    let repositories = repositories(data.path(), GitOptions::default());
    let repository = repository(repo.file_url());
    let commit = poll_one(&repositories, &repository, "main").await;
    let git_tree = repositories.tree(&repository, commit).await.unwrap();
    let dir_tree = DirTree::new(repo.path());
    for tree in [&git_tree as &dyn SourceTree, &dir_tree] {
        let listed: Vec<String> = tree.list("").unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(listed, ["caf\u{fffd}"]);
        let entry = tree.entry("caf\u{fffd}/x").unwrap().unwrap();
        assert_eq!(tree.blob(&entry, 10).unwrap(), b"odd");
    }
}
