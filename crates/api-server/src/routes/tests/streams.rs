use futures::StreamExt;

use super::*;

/// A client of the stream: reads frames as they come.
struct Client {
    frames: futures::stream::BoxStream<'static, String>,
}

impl Client {
    async fn open(state: &ApiState, query: &str, accept: &str) -> Self {
        let uri = format!("/api/v1/stream/applications{query}");
        let request = request("GET", &uri).header("accept", accept).body(Body::empty()).unwrap();
        let response = send(state, request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let frames = response.into_body().into_data_stream();
        Self { frames: frames.map(|bytes| String::from_utf8(bytes.unwrap().to_vec()).unwrap()).boxed() }
    }

    /// Returns the next frame as type and application name.
    async fn next(&mut self) -> (String, String) {
        let frame = self.frames.next().await.unwrap();
        let json = frame.strip_prefix("data: ").unwrap_or(&frame);
        let result = serde_json::from_str::<Value>(json).unwrap()["result"].clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&result["type"]), text(&result["application"]["metadata"]["name"]))
    }

    async fn expect(&mut self, kind: &str, name: &str) {
        assert_eq!(self.next().await, (kind.to_owned(), name.to_owned()));
    }
}

#[tokio::test]
async fn a_stream_starts_with_what_is_there_and_goes_on_with_changes() {
    let state = three();
    let mut client = Client::open(&state, "?appNamespace=argocd", "text/event-stream").await;
    client.expect("ADDED", "api").await;
    client.expect("ADDED", "web").await;
    state.view.publish(app("team-a", "tool", "shop"));
    state.view.publish(app("argocd", "web", "default"));
    client.expect("MODIFIED", "web").await;
    state.view.remove("argocd", "api", "api");
    client.expect("DELETED", "api").await;
    state.view.publish(app("argocd", "new", "default"));
    client.expect("ADDED", "new").await;
}

#[tokio::test]
async fn equal_selected_fields_are_not_sent_again() {
    let state = three();
    let fields = "?name=web&fields=result.type,result.application.metadata.name,result.application.spec.project";
    let mut client = Client::open(&state, fields, "application/json").await;
    client.expect("ADDED", "web").await;
    state.view.publish(app("argocd", "web", "shop").with_verified_revision(Some("other".into())));
    state.view.publish(app("argocd", "web", "default"));
    client.expect("MODIFIED", "web").await;
    state.view.remove("argocd", "web", "web");
    client.expect("DELETED", "web").await;
}

#[tokio::test]
async fn a_client_that_has_listed_gets_only_what_is_newer() {
    let state = three();
    let mut client = Client::open(&state, "?resourceVersion=5", "text/event-stream").await;
    state.view.publish(app("argocd", "web", "default"));
    client.expect("MODIFIED", "web").await;
    let mut client = Client::open(&state, "?resourceVersion=4", "text/event-stream").await;
    client.expect("ADDED", "api").await;
}

#[tokio::test]
async fn a_client_that_fell_behind_is_brought_up_to_date() {
    let state = three();
    let mut client = Client::open(&state, "", "text/event-stream").await;
    for name in ["api", "web", "tool"] {
        client.expect("ADDED", name).await;
    }
    state.view.remove("argocd", "api", "api");
    for _ in 0..3000 {
        state.view.publish(app("argocd", "web", "one"));
        state.view.publish(app("argocd", "web", "two"));
    }
    client.expect("DELETED", "api").await;
    client.expect("MODIFIED", "web").await;
    state.view.remove("team-a", "tool", "tool");
    client.expect("DELETED", "tool").await;
}

#[tokio::test]
async fn streams_end_with_the_daemon() {
    let state = three();
    let mut client = Client::open(&state, "?name=web", "text/event-stream").await;
    client.expect("ADDED", "web").await;
    state.shutdown.cancel();
    assert!(client.frames.next().await.is_none());
}
