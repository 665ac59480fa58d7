//! What the daemon answers over HTTP.

use integration_tests::{DEADLINE, Daemon};
use serde_json::Value;

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct WebAnswer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl WebAnswer {
    /// Gives the body as JSON, null if it is not.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Sends a GET request.
pub(crate) async fn get(url: &str) -> WebAnswer {
    try_get(url).await.unwrap_or_else(|e| panic!("get {url}: {e}"))
}

/// Sends a request with a body.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> WebAnswer {
    answer(request.send().await).await.unwrap_or_else(|e| panic!("the request fails: {e}"))
}

/// Asks again and again until the answer is as wanted, for what no watch tells, and gives it.
pub(crate) async fn wait_answer(url: &str, what: &str, mut wanted: impl FnMut(&WebAnswer) -> bool) -> WebAnswer {
    let mut last = None;
    let asked = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Ok(answer) = try_get(url).await {
                let reached = wanted(&answer);
                last = Some(answer.clone());
                if reached {
                    return answer;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let reached = asked.await;
    reached.unwrap_or_else(|_| panic!("waited {} s for {url}: {what}; last answer: {last:#?}", DEADLINE.as_secs()))
}

/// Waits until the caches of a daemon are filled.
pub(crate) async fn wait_ready(daemon: &Daemon) {
    wait_answer(&format!("{}/readyz", daemon.url()), "ready", |answer| answer.status == 200).await;
}

/// Waits until a daemon leads, or follows.
pub(crate) async fn wait_leader(daemon: &Daemon, leads: bool) {
    let line = format!("driftless_leader {}", u8::from(leads));
    let url = format!("{}/metrics", daemon.metrics_url());
    wait_answer(&url, &line, |answer| answer.body.lines().any(|found| found == line)).await;
}

async fn try_get(url: &str) -> reqwest::Result<WebAnswer> {
    answer(reqwest::get(url).await).await
}

async fn answer(response: reqwest::Result<reqwest::Response>) -> reqwest::Result<WebAnswer> {
    let response = response?;
    let content_type = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    Ok(WebAnswer { status: response.status().as_u16(), content_type, body: response.text().await? })
}
