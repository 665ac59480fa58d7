use std::time::{Duration, Instant};

use super::*;

struct OneApp;

impl AppInfoSource for OneApp {
    fn visit(&self, each: &mut dyn FnMut(&AppInfo<'_>)) {
        each(&AppInfo {
            namespace: "argocd",
            name: "web",
            project: "default",
            autosync_enabled: true,
            repo: "https://example.com/a\"b",
            dest_server: "https://kubernetes.default.svc",
            dest_namespace: "shop",
            sync_status: "Synced",
            health_status: "Healthy",
            operation: "",
            conditions: &[AppConditionCount { condition: "SyncError", count: 2 }],
        });
    }
}

fn metrics() -> Metrics {
    Metrics::new(Arc::new(OneApp), &BuildInfo { version: "1".to_owned(), commit: "abc".to_owned() })
}

fn check(record: impl FnOnce(&Metrics), expected: &[&str]) {
    let metrics = metrics();
    record(&metrics);
    let text = metrics.exposition();
    for line in expected {
        assert!(text.lines().any(|found| found == *line), "`{line}` is not in:\n{text}");
    }
}

#[test]
fn applications_are_read_at_scrape() {
    check(
        |_| {},
        &[
            r#"argocd_app_info{namespace="argocd",name="web",project="default",autosync_enabled="true",repo="https://example.com/a\"b",dest_server="https://kubernetes.default.svc",dest_namespace="shop",sync_status="Synced",health_status="Healthy",operation=""} 1"#,
            r#"argocd_app_condition{namespace="argocd",name="web",project="default",condition="SyncError"} 2"#,
            "# EOF",
        ],
    );
}

fn finished(name: &str) -> SyncFinished<'static> {
    SyncFinished {
        app: AppKey::new("argocd", name),
        project: "default",
        dest_server: "s",
        phase: "Succeeded",
        dry_run: false,
        took: Duration::from_millis(1500),
    }
}

#[test]
fn syncs_are_counted_under_the_names_of_argo_cd() {
    check(
        |metrics| {
            metrics.apps.sync_finished(&finished("web"));
            metrics.apps.sync_finished(&finished("web"));
        },
        &[
            r#"argocd_app_sync_total{namespace="argocd",name="web",project="default",dest_server="s",phase="Succeeded",dry_run="false"} 2.0"#,
            r#"argocd_app_sync_duration_seconds_total{namespace="argocd",name="web",project="default",dest_server="s"} 3.0"#,
        ],
    );
}

#[test]
fn a_forgotten_application_leaves_no_series() {
    let metrics = metrics();
    metrics.apps.sync_finished(&finished("web"));
    metrics.apps.sync_finished(&finished("other"));
    metrics.apps.forget(&AppKey::new("argocd", "web"));
    let text = metrics.exposition();
    assert!(!text.contains(r#"argocd_app_sync_total{namespace="argocd",name="web""#), "{text}");
    assert!(text.contains(r#"argocd_app_sync_total{namespace="argocd",name="other""#), "{text}");
}

#[test]
fn requests_and_reconciliations_are_recorded() {
    check(
        |metrics| {
            metrics.apps.k8s_request(&K8sRequest {
                app: AppKey::new("argocd", "web"),
                project: "default",
                server: "s",
                response_code: 200,
                verb: "apply",
                resource_kind: "Service",
                resource_namespace: "shop",
                dry_run: true,
            });
            metrics.apps.reconciled("argocd", "s", Duration::from_millis(300));
        },
        &[
            r#"argocd_app_k8s_request_total{namespace="argocd",name="web",project="default",server="s",response_code="200",verb="apply",resource_kind="Service",resource_namespace="shop",dry_run="true"} 1.0"#,
            r#"argocd_app_reconcile_bucket{le="0.25",namespace="argocd",dest_server="s"} 0"#,
            r#"argocd_app_reconcile_bucket{le="0.5",namespace="argocd",dest_server="s"} 1"#,
            r#"argocd_app_reconcile_count{namespace="argocd",dest_server="s"} 1"#,
        ],
    );
}

#[test]
fn clusters_show_what_is_known_and_vanish_when_forgotten() {
    let metrics = metrics();
    metrics.clusters.event("s", "apps", "Deployment");
    metrics.clusters.watch_restarted("s", "", "Pod");
    metrics.clusters.decode_error("s", "", "Pod");
    metrics.clusters.update("s", |state| {
        *state = ClusterState {
            name: "in-cluster".to_owned(),
            k8s_version: "1.36".to_owned(),
            objects: 7,
            kinds: 3,
            synced_at: Some(Instant::now()),
            connected: true,
        };
    });
    let text = metrics.exposition();
    for line in [
        r#"argocd_cluster_events_total{server="s",group="apps",kind="Deployment"} 1"#,
        r#"driftless_watch_restarts_total{server="s",group="",kind="Pod"} 1"#,
        r#"driftless_watch_decode_errors_total{server="s",group="",kind="Pod"} 1"#,
        r#"argocd_cluster_info{server="s",k8s_version="1.36",name="in-cluster"} 1.0"#,
        r#"argocd_cluster_api_resource_objects{server="s"} 7.0"#,
        r#"argocd_cluster_api_resources{server="s"} 3.0"#,
        r#"argocd_cluster_connection_status{server="s",k8s_version="1.36"} 1.0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "`{line}` is not in:\n{text}");
    }
    assert!(text.contains("argocd_cluster_cache_age_seconds{server=\"s\"} "), "{text}");
    metrics.clusters.forget("s");
    assert!(!metrics.exposition().contains("argocd_cluster_info{"));
}

#[test]
fn git_requests_are_counted_by_kind() {
    check(
        |metrics| {
            metrics.git.request("r", GitRequest::LsRemote, Duration::from_millis(200));
            metrics.git.failure("r", GitRequest::Fetch, "main");
            metrics.git.failure("r", GitRequest::LsRemote, "");
        },
        &[
            r#"argocd_git_request_total{repo="r",request_type="ls-remote"} 1"#,
            r#"argocd_git_request_duration_seconds_bucket{le="0.25",repo="r",request_type="ls-remote"} 1"#,
            r#"argocd_git_fetch_fail_total{repo="r",revision="main"} 1"#,
            r#"argocd_git_lsremote_fail_total{repo="r",revision=""} 1"#,
        ],
    );
}

#[test]
fn the_daemon_shows_its_queues_settings_and_leadership() {
    check(
        |metrics| {
            let queue = metrics.daemon.queue("app_reconciliation_queue");
            queue.added();
            queue.set_depth(4);
            metrics.daemon.set_ignored_settings([("argocd-cm", "old")]);
            metrics.daemon.set_ignored_settings([("argocd-cm", "ui.bannercontent")]);
            metrics.daemon.became_leader();
        },
        &[
            r#"workqueue_depth{name="app_reconciliation_queue"} 4"#,
            r#"workqueue_adds_total{name="app_reconciliation_queue"} 1"#,
            r#"driftless_ignored_settings{source="argocd-cm",key="ui.bannercontent"} 1"#,
            "driftless_leader 1",
            r#"driftless_build_info{version="1",commit="abc"} 1"#,
        ],
    );
}

#[test]
fn the_process_shows_its_memory_and_time() {
    let text = metrics().exposition();
    for name in [
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_open_fds ",
        "process_start_time_seconds ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is not in:\n{text}");
    }
}
