mod import;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::git_command::git;

/// 2024-01-01T00:00:00Z, the time of a repository's first commit; each further commit or tag is a minute later.
const FIRST_COMMIT: u64 = 1_704_067_200;

/// A Git repository with a work tree, made by the real `git` with fixed names and dates: the same calls give the same commit ids.
#[derive(Debug)]
pub struct FixtureRepo {
    path: PathBuf,
    dated: AtomicU64,
}

impl FixtureRepo {
    /// Creates an empty repository, its directory included, on branch `main`.
    pub fn init(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        fs::create_dir_all(&path).unwrap_or_else(|e| fail(&format!("create {}: {e}", path.display())));
        let repo = Self { path, dated: AtomicU64::new(0) };
        repo.git(&["init", "--quiet", "."]);
        repo
    }

    /// Opens a repository that [`FixtureRepo::init`] made, to go on with it.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let repo = Self { path: path.into(), dated: AtomicU64::new(0) };
        let commits = repo.git(&["rev-list", "--all", "--count"]);
        repo.dated.store(commits.parse().expect("rev-list --count prints a number"), Ordering::Relaxed);
        repo
    }

    /// Gives the directory of the work tree.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the repository's `file://` URL.
    pub fn file_url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Writes a file of the work tree, and the directories above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let file = self.path.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).unwrap_or_else(|e| fail(&format!("create {}: {e}", parent.display())));
        }
        fs::write(&file, content).unwrap_or_else(|e| fail(&format!("write {}: {e}", file.display())));
        self
    }

    /// Makes a symbolic link in the work tree.
    pub fn symlink(&self, path: &str, target: &str) -> &Self {
        let link = self.path.join(path);
        std::os::unix::fs::symlink(target, &link).unwrap_or_else(|e| fail(&format!("link {}: {e}", link.display())));
        self
    }

    /// Deletes a file or a whole directory of the work tree.
    pub fn delete(&self, path: &str) -> &Self {
        let victim = self.path.join(path);
        let deleted = if victim.is_dir() { fs::remove_dir_all(&victim) } else { fs::remove_file(&victim) };
        deleted.unwrap_or_else(|e| fail(&format!("delete {}: {e}", victim.display())));
        self
    }

    /// Commits the whole work tree, even if nothing changed, and gives the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.dated_git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.head()
    }

    /// Creates a branch at the present commit, without going to it.
    pub fn branch(&self, name: &str) -> &Self {
        self.git(&["branch", name]);
        self
    }

    /// Goes to a branch, tag or commit.
    pub fn checkout(&self, revision: &str) -> &Self {
        self.git(&["checkout", "--quiet", revision]);
        self
    }

    /// Moves the present branch to a revision and takes its files: what a force push does.
    pub fn reset(&self, revision: &str) -> &Self {
        self.git(&["reset", "--quiet", "--hard", revision]);
        self
    }

    /// Creates a lightweight tag at the present commit.
    pub fn tag(&self, name: &str) -> &Self {
        self.git(&["tag", name]);
        self
    }

    /// Creates an annotated tag at the present commit and gives the id of the tag object.
    pub fn annotated_tag(&self, name: &str, message: &str) -> String {
        self.dated_git(&["tag", "--annotate", "--message", message, name]);
        self.rev_parse(&format!("refs/tags/{name}"))
    }

    /// Gives the id of the present commit.
    pub fn head(&self) -> String {
        self.rev_parse("HEAD")
    }

    /// Gives the object id that a revision stands for.
    pub fn rev_parse(&self, revision: &str) -> String {
        self.git(&["rev-parse", "--verify", "--quiet", revision])
    }

    /// Runs any Git command in the repository and gives its standard output without white space around it.
    pub fn git(&self, args: &[&str]) -> String {
        self.run(args, self.dated.load(Ordering::Relaxed))
    }

    fn dated_git(&self, args: &[&str]) {
        self.run(args, self.dated.fetch_add(1, Ordering::Relaxed));
    }

    fn run(&self, args: &[&str], minute: u64) -> String {
        let date = format!("{} +0000", FIRST_COMMIT + 60 * minute);
        let output = git()
            .current_dir(&self.path)
            .args(args)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output()
            .expect("git is installed");
        assert!(
            output.status.success(),
            "git {} in {}: {}\n{}",
            args.join(" "),
            self.path.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

#[expect(clippy::panic, reason = "a fixture that cannot be made fails the test")]
fn fail(what: &str) -> ! {
    panic!("{what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_calls_give_the_same_ids() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let repo = FixtureRepo::init(dir.path().join(name));
            let first = repo.write("a/b.yaml", "x: 1\n").symlink("link", "a").commit("first");
            let second = repo.delete("a").commit("second");
            (first, second, repo.annotated_tag("v1", "one"))
        };
        let (one, two) = (make("one"), make("two"));
        assert_eq!(one, two);
        assert_eq!(one.0, "2e3f4aea7dabac8b4893f17a649c8fdf11a04dc5");
    }

    #[test]
    fn imported_files_are_in_one_commit_only() {
        let dir = tempfile::tempdir().unwrap();
        let repo = FixtureRepo::init(dir.path().join("repo"));
        repo.write("kept", "a").commit("first");
        let files = (0..300).map(|n| (format!("many/{n}"), format!("content {n}")));
        let second = repo.write("new", "c").import("second", files);
        assert_eq!(repo.head(), second);
        let listed = |revision: &str| repo.git(&["ls-tree", "-r", "--name-only", revision]).lines().count();
        assert_eq!((listed(&second), repo.git(&["show", "HEAD:many/299"])), (302, "content 299".to_owned()));
        let third = repo.write("more", "b").commit("third");
        assert_eq!((listed(&third), repo.rev_parse("HEAD^")), (3, second));
    }

    #[test]
    fn refs() {
        let dir = tempfile::tempdir().unwrap();
        let repo = FixtureRepo::init(dir.path().join("repo"));
        let first = repo.commit("first");
        let tag_object = repo.branch("old").tag("light").annotated_tag("heavy", "message");
        let second = repo.commit("second");
        assert_ne!(first, second);
        assert_eq!(repo.rev_parse("old"), first);
        assert_eq!(repo.rev_parse("light"), first);
        assert_ne!(tag_object, first);
        assert_eq!(repo.rev_parse("heavy^{commit}"), first);
        assert_eq!(repo.checkout("old").head(), first);
        assert_eq!(repo.checkout("main").head(), second);
        assert_eq!(repo.reset(&first).head(), first);
        assert_ne!(FixtureRepo::open(repo.path()).commit("third"), second, "dates go on where they were");
    }
}
