use futures::StreamExt;
use serde_json::{Value, json};

use crate::scripted::{Part, Reply, Server, config_maps};
use crate::{Detail, Selector};

use super::*;

fn line(kind: &str, name: &str, version: u32) -> Part {
    let meta = json!({"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": version.to_string()});
    text(&json!({"type": kind, "object": {"metadata": meta}}))
}

fn text(event: &Value) -> Part {
    Part::Text(format!("{event}\n"))
}

fn added(name: &str, version: u32) -> Part {
    line("ADDED", name, version)
}

fn bookmark(version: u32) -> Part {
    text(&json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version.to_string()}}}))
}

fn list_end(version: u32) -> Part {
    let annotations = json!({"k8s.io/initial-events-end": "true"});
    text(
        &json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version.to_string(), "annotations": annotations}}}),
    )
}

fn error(code: u16) -> Part {
    text(&json!({"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "from the watch"}}))
}

fn page(names: &[&str], version: u32, token: &str) -> Reply {
    let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name, "resourceVersion": "1"}})).collect();
    Reply::json(200, &json!({"metadata": {"resourceVersion": version.to_string(), "continue": token}, "items": items}))
}

fn stream(parts: impl IntoIterator<Item = Part>) -> Reply {
    Reply::Stream(parts.into_iter().collect())
}

/// A watch with an empty list at version 9, then these parts.
fn listed(parts: impl IntoIterator<Item = Part>) -> Reply {
    stream([list_end(9)].into_iter().chain(parts))
}

fn refused(code: u16) -> Reply {
    Reply::json(code, &json!({"kind": "Status", "message": "refused"}))
}

fn show(event: &WatchEvent) -> String {
    match event {
        WatchEvent::Object(object, phase) => format!("{phase:?} {} {}", object.name(), object.resource_version()),
        WatchEvent::Deleted(object) => {
            format!("Deleted {} {} {}", object.name(), object.uid(), object.resource_version())
        }
        WatchEvent::Listed { resource_version } => format!("Listed {resource_version}"),
        WatchEvent::Failed(error) => format!("Failed {}", error.code),
        WatchEvent::Skipped { .. } => "Skipped".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What each request of a watch asked for, in short: `list`, `page <token>`, or the version it went on from.
fn asked(uri: &str) -> String {
    let value =
        |name: &str| uri.split(['?', '&']).find_map(|part| part.strip_prefix(&format!("{name}="))).unwrap_or("");
    match (value("sendInitialEvents"), value("watch")) {
        ("true", "1") => "list".to_owned(),
        (_, "1") => format!("from {}", value("resourceVersion")),
        _ => format!("page {}", value("continue")).trim_end().to_owned(),
    }
}

fn request() -> WatchRequest {
    WatchRequest {
        resource: config_maps(),
        namespace: String::new(),
        selector: Selector::default(),
        detail: Detail::Full,
    }
}

/// Runs a watch against replies until it has nothing more to tell, and checks what it told and what it asked.
async fn check(replies: impl IntoIterator<Item = Reply>, events: &[&str], requests: &[&str]) {
    let server = Server::in_order(replies);
    let mut watch = server.cluster().watch(request());
    let mut told = Vec::new();
    for _ in events {
        told.push(show(&watch.next().await.unwrap()));
    }
    // Long enough for any pause, too short for the last connection to count as dead.
    if let Ok(more) = tokio::time::timeout(Duration::from_secs(29), watch.next()).await {
        told.push(show(&more.unwrap()));
    }
    assert_eq!(told, events);
    assert_eq!(server.seen().iter().map(|seen| asked(&seen.uri)).collect::<Vec<_>>(), requests);
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_goes_over_into_changes() {
    check(
        [stream([
            added("a", 3),
            added("b", 1),
            list_end(7),
            line("MODIFIED", "a", 8),
            line("DELETED", "b", 9),
            Part::Silence,
        ])],
        &["Restarting", "Initial a 3", "Initial b 1", "Listed 7", "Steady a 8", "Deleted b uid-b 9"],
        &["list"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_request_asks_for_a_list_with_an_end_mark() {
    let server = Server::in_order([]);
    let selector = Selector { labels: "a=b".to_owned(), fields: String::new() };
    let request = WatchRequest { namespace: "shop".to_owned(), selector, detail: Detail::MetadataOnly, ..request() };
    let mut watch = server.cluster().watch(request);
    assert!(matches!(watch.next().await, Some(WatchEvent::Failed(_))), "a server that never answers is noticed");
    let seen = &server.seen()[0];
    let (begin, end) = (
        "/api/v1/namespaces/shop/configmaps?sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
         &watch=1&allowWatchBookmarks=true&timeoutSeconds=",
        "&labelSelector=a%3Db",
    );
    let seconds: u64 = seen.uri.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).unwrap().parse().unwrap();
    assert!((290..590).contains(&seconds));
    assert_eq!(seen.header("accept"), "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_from_the_last_version_it_saw() {
    for (last, ends, from) in [
        (added("a", 11), vec![], "from 11"),
        (line("DELETED", "a", 12), vec![], "from 12"),
        (bookmark(13), vec![], "from 13"),
        (added("a", 14), vec![Part::Break], "from 14"),
        // The second half of a line never came.
        (added("a", 15), vec![Part::Text("{\"type\":\"ADD".to_owned())], "from 15"),
    ] {
        let server =
            Server::in_order([listed([last].into_iter().chain(ends)), stream([added("z", 20), Part::Silence])]);
        let mut watch = server.cluster().watch(request());
        while show(&watch.next().await.unwrap()) != "Steady z 20" {}
        assert_eq!(asked(&server.seen()[1].uri), from);
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_too_old_begins_a_new_list() {
    let again = || stream([added("a", 30), list_end(31), Part::Silence]);
    let events = ["Restarting", "Listed 9", "Restarting", "Initial a 30", "Listed 31"];
    check([listed([error(410)]), again()], &events, &["list", "list"]).await;
    check([listed([]), refused(410), again()], &events, &["list", "from 9", "list"]).await;
    check([listed([]), stream([error(410)]), again()], &events, &["list", "from 9", "list"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_begins_anew() {
    check(
        [stream([added("a", 1), Part::Break]), stream([added("a", 1), list_end(2), Part::Silence])],
        &["Restarting", "Initial a 1", "Restarting", "Initial a 1", "Listed 2"],
        &["list", "list"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_streaming_lists_is_asked_for_pages() {
    for code in [400, 422] {
        check(
            [
                refused(code),
                page(&["a", "b"], 5, "t1"),
                page(&["c"], 5, ""),
                stream([error(410)]),
                page(&["d"], 6, ""),
                stream([added("e", 7), Part::Silence]),
            ],
            &[
                "Restarting",
                "Initial a 1",
                "Initial b 1",
                "Initial c 1",
                "Listed 5",
                "Restarting",
                "Initial d 1",
                "Listed 6",
                "Steady e 7",
            ],
            &["list", "page", "page t1", "from 5", "page", "from 6"],
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_token_that_expired_begins_a_new_list() {
    check(
        [refused(422), page(&["a"], 5, "t1"), refused(410), page(&[], 6, ""), stream([Part::Silence])],
        &["Restarting", "Initial a 1", "Restarting", "Listed 6"],
        &["list", "page", "page t1", "page", "from 6"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_know_streaming_lists_is_found_out() {
    check(
        [stream([added("a", 1), Part::Silence]), page(&["a"], 5, ""), stream([Part::Silence])],
        &["Restarting", "Initial a 1", "Restarting", "Initial a 1", "Listed 5"],
        &["list", "page", "from 5"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_served_is_told_once_and_found_when_it_returns() {
    let plain = || Reply::text(404, "404 page not found");
    check(
        [listed([]), plain(), plain(), refused(404), listed([Part::Silence])],
        &["Restarting", "Listed 9", "KindGone", "Restarting", "Listed 9"],
        &["list", "from 9", "list", "list", "list"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_and_overcome() {
    check(
        [listed([]), Reply::Broken("connection refused"), refused(403), stream([added("a", 10), Part::Silence])],
        &["Restarting", "Listed 9", "Failed 0", "Failed 403", "Resumed", "Steady a 10"],
        &["list", "from 9", "from 9", "from 9"],
    )
    .await;
    // What cannot succeed by waiting is answered by a list.
    check(
        [listed([]), refused(422), listed([Part::Silence])],
        &["Restarting", "Listed 9", "Failed 422", "Restarting", "Listed 9"],
        &["list", "from 9", "list"],
    )
    .await;
    check(
        [listed([error(500)]), listed([Part::Silence])],
        &["Restarting", "Listed 9", "Failed 500", "Restarting", "Listed 9"],
        &["list", "list"],
    )
    .await;
    check(
        [listed([error(429)]), stream([Part::Silence])],
        &["Restarting", "Listed 9", "Failed 429", "Resumed"],
        &["list", "from 9"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_server_says_how_long_to_wait() {
    let busy = Reply::Answer(429, vec![("retry-after", "100".to_owned())], "busy".to_owned());
    let server = Server::in_order([busy, listed([Part::Silence])]);
    let mut watch = server.cluster().watch(request());
    assert_eq!(show(&watch.next().await.unwrap()), "Failed 429");
    let begun = Instant::now();
    assert_eq!(show(&watch.next().await.unwrap()), "Restarting");
    assert_eq!(begun.elapsed().as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_skipped_and_told() {
    let secret = "{\"type\":\"ADDED\",\"object\":\"hunter2\"}\n";
    for garbage in [
        "not json\n",
        secret,
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}\n",
        "{\"type\":\"NEWS\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"}}}\n",
    ] {
        let parts = [Part::Text(garbage.to_owned()), added("a", 10), Part::Silence];
        check([listed(parts)], &["Restarting", "Listed 9", "Skipped", "Steady a 10"], &["list"]).await;
    }
    let reason = wire::parse(secret.trim().as_bytes(), &config_maps()).err().unwrap();
    assert!(!reason.contains("hunter2"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_given_up() {
    for (parts, least, most) in [
        // This server sends bookmarks, so their absence means something.
        (vec![bookmark(10), Part::Silence], 180, 181),
        // This one does not: the end that was asked for must pass.
        (vec![added("a", 10), Part::Silence], 290 + 30, 590 + 31),
        // Bookmarks that come keep the watch alive past the first.
        (vec![bookmark(10), Part::Pause(Duration::from_secs(100)), bookmark(11), Part::Silence], 280, 281),
    ] {
        let server = Server::in_order([listed(parts), listed([Part::Silence])]);
        let mut watch = server.cluster().watch(request());
        let begun = Instant::now();
        let mut restarts = 0;
        while restarts < 2 {
            restarts += u32::from(watch.next().await.unwrap() == WatchEvent::Restarting);
        }
        assert!((least..=most).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        assert_eq!(asked(&server.seen()[1].uri), "list", "the version may be one that stays silent for ever");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_every_watch_at_once_is_asked_less_and_less() {
    let server = Server::new(|seen| if asked(&seen.uri) == "list" { listed([]) } else { stream([]) });
    let mut watch = server.cluster().watch(request());
    drop(tokio::time::timeout(Duration::from_mins(10), async { while watch.next().await.is_some() {} }).await);
    assert!((20..60).contains(&server.seen().len()), "{} requests in ten minutes", server.seen().len());
}

#[tokio::test]
async fn metadata_only_objects_bear_their_own_kind() {
    let meta = json!({"name": "a", "resourceVersion": "1"});
    let event = json!({"type": "ADDED", "object": {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": meta}});
    let Ok(WireEvent::Object(object)) = wire::parse(event.to_string().as_bytes(), &config_maps()) else { panic!() };
    assert_eq!(object.gvk(), config_maps().gvk);
}
