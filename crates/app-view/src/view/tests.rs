use application_api::Reason;
use kube_object::Object;
use serde_json::json;

use super::*;
use crate::WhyLine;

fn app(namespace: &str, name: &str, uid: &str, resource_version: &str) -> AppSnapshot {
    let metadata = json!({"namespace": namespace, "name": name, "uid": uid, "resourceVersion": resource_version});
    let value = json!({"metadata": metadata, "status": {"sync": {"revision": "one"}}});
    AppSnapshot::new(&Object::from_value(value).unwrap())
}

fn names(view: &AppView) -> Vec<String> {
    view.list().iter().map(|app| format!("{}/{}", app.namespace(), app.name())).collect()
}

/// Drains the feed into one word a change.
fn changes(feed: &mut ChangeFeed) -> Vec<String> {
    std::iter::from_fn(|| feed.try_next())
        .map(|change| match change {
            Change::Published { namespace, name } => format!("+{namespace}/{name}"),
            Change::Removed(app) => format!("-{}/{}", app.namespace(), app.name()),
            Change::Resync => "resync".to_owned(),
        })
        .collect()
}

#[test]
fn applications_are_listed_by_namespace_and_name() {
    let view = AppView::new();
    for (namespace, name) in [("b", "a"), ("a", "z"), ("a", "b")] {
        view.publish(app(namespace, name, "u", "1"));
    }
    assert_eq!(names(&view), ["a/b", "a/z", "b/a"]);
    assert_eq!(view.get("a", "z").unwrap().name(), "z");
    assert!(view.get("a", "missing").is_none());
}

#[test]
fn only_the_application_of_that_uid_is_removed() {
    let view = AppView::new();
    view.publish(app("a", "web", "second", "2"));
    let mut feed = view.subscribe();
    view.remove("a", "web", "first");
    assert_eq!(names(&view), ["a/web"]);
    view.remove("a", "web", "second");
    view.remove("a", "web", "second");
    assert!(names(&view).is_empty());
    assert_eq!(changes(&mut feed), ["-a/web"]);
}

#[test]
fn a_change_is_announced_when_readers_see_it() {
    let view = AppView::new();
    let mut feed = view.subscribe();
    let check = |feed: &mut ChangeFeed, snapshot: AppSnapshot, expected: &[&str]| {
        view.publish(snapshot);
        assert_eq!(changes(feed), expected);
    };
    let first = app("a", "web", "u", "1");
    check(&mut feed, first.clone(), &["+a/web"]);
    check(&mut feed, first.clone(), &[]);
    check(&mut feed, first.clone().with_verified_revision(Some("one".into())), &[]);
    check(&mut feed, first.clone().with_verified_revision(Some("two".into())), &["+a/web"]);
    check(&mut feed, first.with_why(Arc::new([WhyLine { object: None, reason: Reason::SkipReconcile }])), &["+a/web"]);
    check(&mut feed, app("a", "web", "u", "2"), &["+a/web"]);
}

#[test]
fn a_verified_commit_is_shown_and_announced_once() {
    let view = AppView::new();
    view.verify("a", "web", "two");
    view.publish(app("a", "web", "u", "1"));
    let mut feed = view.subscribe();
    view.verify("a", "web", "two");
    assert_eq!(changes(&mut feed), ["+a/web"]);
    assert_eq!(view.get("a", "web").unwrap().revision(), "two");
    view.verify("a", "web", "two");
    assert_eq!(changes(&mut feed), [""; 0]);
}

#[test]
fn a_reader_that_fell_behind_is_told_to_list_again() {
    let view = AppView::new();
    let mut feed = view.subscribe();
    for version in 0..=FEED_CAPACITY {
        view.publish(app("a", "web", "u", &version.to_string()));
    }
    let seen = changes(&mut feed);
    assert_eq!(seen[..2], ["resync", "+a/web"]);
    assert_eq!(seen.len(), FEED_CAPACITY + 1);
}

#[test]
fn the_list_has_the_highest_resource_version() {
    let view = AppView::new();
    for version in ["9", "10", "8"] {
        view.publish(app("a", version, "u", version));
    }
    assert_eq!(view.resource_version(), "10");
}

#[tokio::test]
async fn readiness_is_waited_for() {
    let view = AppView::new();
    assert!(matches!(view.readiness(), Readiness::Waiting(reason) if reason.ends_with('.')));
    let waiting = tokio::spawn({
        let view = view.clone();
        async move { view.ready().await }
    });
    view.set_readiness(Readiness::Ready);
    waiting.await.unwrap();
    assert_eq!(view.readiness(), Readiness::Ready);
}

#[tokio::test]
async fn a_feed_ends_with_its_view() {
    let view = AppView::new();
    let mut feed = view.subscribe();
    view.publish(app("a", "web", "u", "1"));
    drop(view);
    assert!(matches!(feed.next().await, Some(Change::Published { .. })));
    assert!(feed.next().await.is_none());
}
