use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Output;

use super::*;
use crate::FixtureRepo;
use crate::git_command::git;

struct Fixture {
    repo: FixtureRepo,
    server: GitHttpServer,
    dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let repo = FixtureRepo::init(dir.path().join("served/shop"));
    repo.write("file", "content").write("large", incompressible()).commit("first");
    Fixture { server: GitHttpServer::start(dir.path().join("served")), repo, dir }
}

/// 8 KiB that stay so in a pack, of which the faults below cut off most.
fn incompressible() -> Vec<u8> {
    std::iter::successors(Some(1_u32), |x| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)))
        .map(|x| x.to_be_bytes()[0])
        .take(8192)
        .collect()
}

impl Fixture {
    fn git(&self, args: &[&str]) -> Output {
        git().current_dir(self.dir.path()).args(args).output().unwrap()
    }

    fn clone_from(&self, url: &str, into: &Path) -> Result<(), String> {
        let _ = std::fs::remove_dir_all(into);
        let output = self.git(&["clone", "--quiet", url, &into.display().to_string()]);
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Asks for a file, and gives the status and the body.
    fn get(&self, path: &str) -> (String, String) {
        let mut connection = std::net::TcpStream::connect(self.server.address).unwrap();
        write!(connection, "GET /{path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, body.to_owned())
    }

    fn clone(&self) -> Result<(), String> {
        self.clone_from(&self.server.url("shop"), &self.dir.path().join("clone"))
    }
}

#[test]
fn git_clones_and_sees_what_is_new() {
    let f = fixture();
    f.clone().unwrap();
    assert_eq!(std::fs::read_to_string(f.dir.path().join("clone/file")).unwrap(), "content");
    let second = f.repo.commit("second");
    let listed = f.git(&["ls-remote", &format!("{}.git", f.server.url("shop")), "refs/heads/main"]);
    assert!(String::from_utf8_lossy(&listed.stdout).starts_with(&second));
}

#[test]
fn traffic_is_counted_by_repository_and_command() {
    let f = fixture();
    f.clone().unwrap();
    let seen = f.server.traffic("shop");
    assert_eq!((seen.requests, seen.ls_refs, seen.fetches, seen.packs), (3, 1, 1, 1));
    assert!(seen.bytes_received > 100 && seen.bytes_sent > 100, "{seen:?}");
    assert_eq!(f.server.total_traffic(), seen);
    assert_eq!(f.server.traffic("other"), Traffic::default());
    f.server.reset_traffic();
    assert_eq!(f.server.traffic("shop"), Traffic::default());
}

#[test]
fn faults_break_a_clone_and_end() {
    let f = fixture();
    let cases = [
        (Fault::Down, "Empty reply from server"),
        (Fault::Status(503), "503"),
        (Fault::TruncateAfter(1000), "early EOF"),
        (Fault::CutAfter(1000), "transfer closed"),
        (Fault::CorruptPack, "inflate"),
    ];
    for (fault, expected) in cases {
        f.server.set_fault("shop", fault);
        let error = f.clone().expect_err(&format!("{fault:?}"));
        assert!(error.contains(expected), "{fault:?}: {error}");
    }
    f.server.clear_faults();
    f.clone().unwrap();
    f.server.set_fault_everywhere(Fault::Status(500));
    f.clone().unwrap_err();
    f.server.clear_faults();
    f.server.set_fault("other", Fault::Down);
    f.clone().unwrap();
}

#[test]
fn a_stalled_answer_never_ends() {
    let f = fixture();
    f.server.set_fault("shop", Fault::StallAfter(5));
    let url = f.server.url("shop");
    // Git gives up by itself on fewer than 1000 bytes in a second.
    let output = f.git(&["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=1", "ls-remote", &url]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("too slow"), "{error}");
}

#[test]
fn a_protected_repository_wants_its_password() {
    let f = fixture();
    f.server.protect("shop", "robot", "secret");
    let error = f.clone().unwrap_err();
    assert!(error.contains("Username") || error.contains("401"), "{error}");
    let url = f.server.url("shop").replace("http://", "http://robot:secret@");
    f.clone_from(&url, &f.dir.path().join("clone")).unwrap();
}

#[test]
fn a_compressed_request_is_understood() {
    let f = fixture();
    // Many references make the request long enough for Git to compress it.
    for n in 0..60 {
        f.repo.commit(&n.to_string());
        f.repo.tag(&format!("tag-{n}"));
    }
    f.clone().unwrap();
    assert_eq!(f.server.traffic("shop").fetches, 0, "its command is hidden");
    assert_eq!(f.server.traffic("shop").packs, 1);
}

#[test]
fn nobody_can_push() {
    let f = fixture();
    f.clone().unwrap();
    let pushed = f.git(&["-C", "clone", "push", "--quiet", "origin", "HEAD:refs/heads/new"]);
    assert!(!pushed.status.success());
}

#[test]
fn waiting_for_traffic() {
    let f = fixture();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen = runtime.block_on(async {
        let wait = f.server.traffic_until("shop", |seen| seen.ls_refs == 1);
        let clone = async { f.clone().unwrap() };
        futures::join!(wait, clone).0
    });
    assert!(seen.ls_refs == 1);
}

#[test]
fn a_plain_file_is_served_and_counted_by_its_path() {
    let f = fixture();
    std::fs::create_dir_all(f.dir.path().join("served/charts")).unwrap();
    std::fs::write(f.dir.path().join("served/charts/index.yaml"), "entries: {}\n").unwrap();
    assert_eq!(f.get("charts/index.yaml"), ("200".to_owned(), "entries: {}\n".to_owned()));
    assert_eq!(f.get("charts/other.yaml").0, "404");
    f.server.set_fault("charts/index.yaml", Fault::Status(500));
    assert_eq!(f.get("charts/index.yaml").0, "500");
    let seen = f.server.traffic("charts/index.yaml");
    assert_eq!((seen.requests, seen.bytes_sent), (2, 12));
}
