use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;

use super::*;

/// Reads the flags as the daemon does, tells its addresses, and stays.
const LISTENS: &str = r#"
echo "started with $*"
while [ $# -gt 0 ]; do [ "$1" = --address-file ] && file=$2; shift; done
echo '{"http": "127.0.0.1:1", "metrics": "127.0.0.1:2"}' > "$file"
exec sleep 1000
"#;

fn daemon(directory: &Path, script: &str) -> DaemonBuilder {
    let binary = directory.join("driftless");
    std::fs::write(&binary, format!("#!/bin/sh\n{script}")).unwrap();
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o700)).unwrap();
    DaemonBuilder::new(binary, Path::new("/kubeconfig"), "argocd", directory)
}

#[tokio::test]
async fn a_daemon_is_killed_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = daemon(dir.path(), LISTENS).flag("--reconciliation-timeout", "7s").start().await;
    assert_eq!((daemon.url(), daemon.metrics_url()), ("http://127.0.0.1:1".into(), "http://127.0.0.1:2".into()));
    assert!(daemon.log().contains("--namespace argocd") && daemon.log().contains("--reconciliation-timeout 7s"));
    assert!(!daemon.log().contains("2s"), "a flag is given once");
    daemon.kill().await;
    daemon.start().await;
    assert_eq!(daemon.terminate().await.signal(), Some(15));
    assert_eq!(daemon.log().matches("started").count(), 2);
}

#[tokio::test]
async fn a_refusal_to_start_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (status, log) = daemon(dir.path(), "echo no cluster >&2; exit 5").run().await;
    assert_eq!((status.code(), log.trim()), (Some(5), "no cluster"));
}

#[tokio::test]
#[should_panic(expected = "no cluster")]
async fn a_daemon_that_does_not_listen_fails_the_test_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    daemon(dir.path(), "echo no cluster >&2; exit 5").start().await;
}
