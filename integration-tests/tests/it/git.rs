//! Where manifests come from: revisions, transports, and repositories that fail.

use std::time::Duration;

use integration_tests::{Environment, object};
use serde_json::{Value, json};
use test_kit::{Fault, FixtureRepo, application, config_map};

use crate::reading::{conditions, has_sync, wait_settled};

/// Writes a ConfigMap that is too large for a fault to spare, and commits it.
fn commit_map(repo: &FixtureRepo, version: &str) -> String {
    // Products of large odd numbers do not compress well, and versions have nothing in common.
    let seed = version.bytes().fold(1u32, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into())) | 1;
    let word = |i: u32| i.wrapping_mul(i).wrapping_mul(seed).wrapping_mul(2_654_435_761);
    let noise: Vec<String> = (1..2000).map(|i| format!("{:08x}", word(i))).collect();
    let map = config_map("settings", &[("version", version), ("noise", &noise.concat())]);
    repo.write("app/cm.json", map.to_string()).commit(version)
}

async fn version_in(env: &Environment, namespace: &str) -> String {
    let map = env.cluster().get(&object("v1", "ConfigMap", namespace, "settings")).await;
    map["data"]["version"].as_str().unwrap_or_default().to_owned()
}

async fn wait_version(env: &Environment, namespace: &str, version: &str) {
    let map = object("v1", "ConfigMap", namespace, "settings");
    env.cluster().wait_for(&map, &format!("version {version}"), |map| map["data"]["version"] == version).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_of_every_form_are_followed() {
    let env = Environment::new("git-revisions").await;
    let repo = env.repo("app");
    let old = commit_map(&repo, "old");
    repo.tag("light");
    repo.annotated_tag("heavy", "a tag object");
    let tagged = old.clone();
    repo.branch("feature/x").checkout("feature/x");
    let feature = commit_map(&repo, "feature");
    repo.checkout("main");
    let main = commit_map(&repo, "main");
    let _daemon = env.daemon().start().await;
    let mut namespaces = Vec::new();
    let revisions = [
        ("head", "HEAD", &main, "main"),
        ("empty", "", &main, "main"),
        ("branch", "feature/x", &feature, "feature"),
        ("light", "light", &tagged, "old"),
        ("heavy", "heavy", &tagged, "old"),
        ("commit", old.as_str(), &old, "old"),
        ("unknown", "nowhere", &old, ""),
    ];
    for (name, revision, ..) in revisions {
        let ns = env.workload_namespace().await;
        let app = application(&format!("git-rev-{name}")).in_namespace(env.namespace());
        let app = app.source(&env.git_url("app"), "app").revision(revision).destination(&ns).automated();
        env.cluster().apply(&app.build()).await;
        namespaces.push(ns);
    }
    for ((name, _, commit, version), ns) in revisions.iter().zip(&namespaces) {
        if version.is_empty() {
            let says = |app: &Value| conditions(app, "ComparisonError").iter().any(|text| text.contains("'nowhere'"));
            env.wait_app("git-rev-unknown", "an error that names the revision", says).await;
        } else {
            wait_settled(&env, &format!("git-rev-{name}"), commit).await;
        }
        assert_eq!(version_in(&env, ns).await, *version, "{name}");
    }

    repo.checkout("feature/x");
    let feature = commit_map(&repo, "feature, next");
    repo.checkout("main");
    let main = commit_map(&repo, "main, next");
    for (name, commit) in [("head", &main), ("empty", &main), ("branch", &feature)] {
        wait_settled(&env, &format!("git-rev-{name}"), commit).await;
    }
    for ((name, _, _, version), ns) in revisions.iter().zip(&namespaces) {
        let expected = match *name {
            "head" | "empty" => "main, next",
            "branch" => "feature, next",
            _ => version,
        };
        assert_eq!(version_in(&env, ns).await, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_to_a_local_repository_is_noticed_without_a_poll() {
    let env = Environment::new("git-local").await;
    let repo = env.repo("app");
    let commit = commit_map(&repo, "first");
    let _daemon = env.daemon().flag("--reconciliation-timeout", "1h").start().await;
    let path = repo.path().to_str().unwrap().to_owned();
    let mut namespaces = Vec::new();
    for (name, url) in [("git-local-file", repo.file_url()), ("git-local-path", path)] {
        let ns = env.workload_namespace().await;
        let app = application(name).in_namespace(env.namespace()).source(&url, "app").destination(&ns).automated();
        env.cluster().apply(&app.build()).await;
        wait_settled(&env, name, &commit).await;
        namespaces.push(ns);
    }
    for version in ["second", "third"] {
        let commit = commit_map(&repo, version);
        for (name, ns) in ["git-local-file", "git-local-path"].iter().zip(&namespaces) {
            wait_settled(&env, name, &commit).await;
            assert_eq!(version_in(&env, ns).await, version);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_fails_is_told_and_held_against_nobody() {
    let env = Environment::new("git-faults").await;
    // What the message has to contain, beside the repository's URL.
    let faults = [
        ("down", Fault::Down, "cannot reach"),
        ("status", Fault::Status(503), "HTTP status 503"),
        ("denied", Fault::Status(401), "credentials"),
        ("stalls", Fault::StallAfter(20), "took longer than"),
        ("truncated", Fault::TruncateAfter(1500), "damaged data"),
        ("cut", Fault::CutAfter(1500), "to fetch"),
        ("corrupt", Fault::CorruptPack, "damaged data"),
    ];
    let daemon = env.daemon().variable("DRIFTLESS_REPO_ERROR_GRACE_PERIOD", "1").flag("--reconciliation-timeout", "1s");
    let _daemon = daemon.start().await;
    let mut places = Vec::new();
    for name in faults.iter().map(|(name, ..)| *name).chain(["sound"]) {
        let (repo, ns) = (env.repo(name), env.workload_namespace().await);
        let commit = commit_map(&repo, "first");
        let app = application(&format!("git-fault-{name}")).in_namespace(env.namespace());
        let app = app.source(&env.git_url(name), "app").destination(&ns).prune().self_heal();
        env.cluster().apply(&app.build()).await;
        places.push((name, repo, ns, commit));
    }
    for (name, _, _, commit) in &places {
        wait_settled(&env, &format!("git-fault-{name}"), commit).await;
    }
    for (name, fault, _) in faults {
        env.git().set_fault(name, fault);
    }
    for (_, repo, _, commit) in &mut places {
        *commit = commit_map(repo, "second");
    }

    let (sound, broken) = places.split_last().unwrap();
    wait_settled(&env, "git-fault-sound", &sound.3).await;
    for ((name, _, ns, _), (.., part)) in broken.iter().zip(faults) {
        let told = |app: &Value| has_sync(app, "Unknown") && !conditions(app, "ComparisonError").is_empty();
        let app = env.wait_app(&format!("git-fault-{name}"), "a condition", told).await;
        let [message] = conditions(&app, "ComparisonError")[..] else { panic!("{app:#}") };
        assert!(message.contains(&env.git_url(name)) && message.contains(part), "{name}: {message}");
        assert_eq!(app["status"]["operationState"]["phase"], "Succeeded", "nothing is tried: {app:#}");
        // The last good revision stays in force.
        let map = object("v1", "ConfigMap", ns, "settings");
        assert_eq!(version_in(&env, ns).await, "first");
        env.cluster().edit(&map, &json!({"data": {"version": "by hand"}})).await;
        wait_version(&env, ns, "first").await;
        env.cluster().delete(&map).await;
        wait_version(&env, ns, "first").await;
    }

    env.git().clear_faults();
    for (name, _, ns, commit) in broken {
        env.refresh(&format!("git-fault-{name}"), "normal").await;
        let app = wait_settled(&env, &format!("git-fault-{name}"), commit).await;
        assert!(conditions(&app, "ComparisonError").is_empty(), "{app:#}");
        assert_eq!(version_in(&env, ns).await, "second");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_within_the_grace_period_is_not_told() {
    let env = Environment::new("git-grace").await;
    let ns = env.workload_namespace().await;
    let repo = env.repo("app");
    let commit = commit_map(&repo, "first");
    let daemon = env.daemon().variable("DRIFTLESS_REPO_ERROR_GRACE_PERIOD", "3600");
    let _daemon = daemon.flag("--reconciliation-timeout", "200ms").start().await;
    let app = application("git-grace").in_namespace(env.namespace()).source(&env.git_url("app"), "app");
    env.cluster().apply(&app.destination(&ns).automated().build()).await;
    let before = wait_settled(&env, "git-grace", &commit).await;
    env.git().set_fault("app", Fault::Down);
    env.git().reset_traffic();
    env.git().traffic_until("app", |traffic| traffic.requests >= 3).await;
    assert_eq!(env.cluster().get(&env.application("git-grace")).await, before);
    // Somebody who asks is told at once.
    env.refresh("git-grace", "normal").await;
    env.wait_app("git-grace", "an error", |app| !conditions(app, "ComparisonError").is_empty()).await;
    // It recovers by itself.
    let commit = commit_map(&repo, "second");
    env.git().clear_faults();
    let app = wait_settled(&env, "git-grace", &commit).await;
    assert!(conditions(&app, "ComparisonError").is_empty(), "{app:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_repository_delays_only_its_own_applications() {
    let env = Environment::new("git-slow").await;
    let ns = env.workload_namespace().await;
    let (slow, quick) = (env.repo("slow"), env.repo("quick"));
    slow.write("app/cm.json", config_map("slow", &[]).to_string()).commit("first");
    let commit = quick.write("app/cm.json", config_map("quick", &[]).to_string()).commit("first");
    env.git().set_fault("slow", Fault::Delay(Duration::from_hours(1)));
    let _daemon = env.daemon().start().await;
    for name in ["slow", "quick"] {
        let app = application(&format!("git-slow-{name}")).in_namespace(env.namespace());
        env.cluster().apply(&app.source(&env.git_url(name), "app").destination(&ns).automated().build()).await;
        if name == "slow" {
            env.git().traffic_until("slow", |traffic| traffic.requests > 0).await;
        }
    }
    wait_settled(&env, "git-slow-quick", &commit).await;
    let slow = env.cluster().get(&env.application("git-slow-slow")).await;
    assert_ne!(slow["status"]["sync"]["status"], "Synced");
}
