use std::io::{BufWriter, Write};
use std::process::Stdio;
use std::sync::atomic::Ordering;

use super::{FIRST_COMMIT, FixtureRepo};
use crate::git_command::git;

impl FixtureRepo {
    /// Commits the whole work tree to branch `main` and, beside it, files that only the repository gets, by `git fast-import`: for
    /// many of them, or very large ones.
    ///
    /// The next [`FixtureRepo::commit`] is without these files again. They are stored without compression. Gives the commit's id.
    pub fn import<C: AsRef<[u8]>>(&self, message: &str, files: impl IntoIterator<Item = (String, C)>) -> String {
        let minute = self.dated.fetch_add(1, Ordering::Relaxed);
        self.git(&["add", "--all"]);
        let tree = self.git(&["write-tree"]);
        let work_tree = self.run(&["commit-tree", &tree, "-p", "HEAD", "-m", message], minute);
        let mut child = git()
            .current_dir(&self.path)
            // Even a few objects come as one pack.
            .args(["-c", "fastimport.unpackLimit=1", "-c", "pack.compression=0", "fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("git is installed");
        let mut stream = BufWriter::new(child.stdin.take().expect("standard input is piped"));
        let written = (|| {
            writeln!(stream, "commit refs/heads/main")?;
            writeln!(stream, "committer Fixture <fixture@example.com> {} +0000", FIRST_COMMIT + 60 * minute)?;
            writeln!(stream, "data {}\n{message}\nfrom {work_tree}", message.len())?;
            for (path, content) in files {
                let content = content.as_ref();
                writeln!(stream, "M 100644 inline {path}\ndata {}", content.len())?;
                stream.write_all(content)?;
                stream.write_all(b"\n")?;
            }
            stream.flush()
        })();
        drop(stream);
        let status = child.wait().expect("a child can be waited for");
        assert!(status.success(), "git fast-import in {}: {status}", self.path.display());
        written.expect("git fast-import reads all it is given");
        self.rev_parse("refs/heads/main")
    }
}
