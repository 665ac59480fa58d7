use std::sync::Mutex;

use serde_json::json;

use crate::scripted::{Reply, Server, config_maps};
use crate::{Detail, ObjectRef};

use super::*;

async fn get(cluster: &Cluster) -> Result<kube_object::Object, ApiError> {
    cluster.get(ObjectRef { resource: &config_maps(), namespace: "shop", name: "web" }, Detail::Full).await
}

#[tokio::test(start_paused = true)]
async fn a_request_without_answer_says_what_was_asked_of_whom() {
    for (reply, expected) in [
        (
            Reply::Broken("connection refused"),
            "no answer from the API server to GET /api/v1/namespaces/shop/configmaps/web: connection refused; check",
        ),
        (Reply::Never, "no answer from the API server to GET /api/v1/namespaces/shop/configmaps/web within 30 s"),
    ] {
        let error = get(&Server::in_order([reply]).cluster()).await.unwrap_err();
        assert!(error.message.starts_with(expected), "{}", error.message);
        assert_eq!((error.code, error.class()), (0, kube_object::ErrorClass::Retry));
    }
}

#[tokio::test]
async fn answers_that_are_no_objects_are_errors() {
    for body in ["<html>", "[1]", ""] {
        let error = get(&Server::in_order([Reply::text(200, body)]).cluster()).await.unwrap_err();
        assert!(error.message.contains("cannot be read"), "{}", error.message);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_than_allowed() {
    let second = Duration::from_secs(1);
    let server = Server::new(move |_| Reply::After(second, Box::new(Reply::json(200, &json!({"kind": "ConfigMap"})))));
    let cluster = server.cluster_with(ClientOptions { concurrency: 3, ..ClientOptions::default() });
    let begun = Instant::now();
    let all = futures::future::join_all((0..7).map(|_| get(&cluster))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(begun.elapsed().as_secs(), 3, "seven requests in turns of three take three seconds");
    // A lease does not queue behind them.
    let _all_turns = cluster.shared.turns.acquire_many(3).await.unwrap();
    assert!(get(&cluster.with_own_turns(1, second * 2)).await.is_ok());
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl RequestObserver for Notes {
    fn observe(&self, request: &ObservedRequest<'_>) {
        let kind = request.resource.map_or("", |resource| &resource.gvk.kind);
        let (verb, namespace, code, dry_run) = (request.verb, request.namespace, request.code, request.dry_run);
        let seconds = request.duration.as_secs();
        self.0.lock().unwrap().push(format!("{verb} {kind} {namespace} {code} {dry_run:?} {seconds}"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_sees_every_outcome() {
    let notes = Arc::new(Notes::default());
    let server = Server::in_order([Reply::json(200, &json!({})), Reply::text(404, "404 page not found"), Reply::Never]);
    let cluster = server.cluster().observed_by(notes.clone());
    for _ in 0..3 {
        drop(get(&cluster).await);
    }
    let expected = ["Get ConfigMap shop 200 No 0", "Get ConfigMap shop 404 No 0", "Get ConfigMap shop 0 No 30"];
    assert_eq!(*notes.0.lock().unwrap(), expected);
}
