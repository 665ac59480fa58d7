//! The daemon's API, seen from the command line.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::ACCEPT;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::{ServerArgs, Token};

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long a stream may be silent: three of the daemon's signs of life.
const SILENCE_LIMIT: Duration = Duration::from_secs(45);

/// A connection to the daemon.
#[derive(Debug)]
pub(crate) struct ApiClient {
    base: Url,
    token: Option<Token>,
    http: Client,
}

/// An error that the daemon answered with.
#[derive(Debug)]
pub(crate) struct ApiAnswer {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl std::fmt::Display for ApiAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.status.as_u16())
    }
}

impl std::error::Error for ApiAnswer {}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

impl ApiClient {
    /// Prepares a connection; nothing is sent yet.
    pub(crate) fn new(args: &ServerArgs) -> anyhow::Result<Self> {
        let base = Url::parse(&args.server).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(base) = base else {
            bail!("--server `{}` is not a URL: expected one such as http://127.0.0.1:8080", args.server);
        };
        let mut builder = Client::builder().read_timeout(SILENCE_LIMIT);
        // A proxy cannot reach this machine's own addresses.
        if matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let http = builder.build().context("the HTTP client cannot be set up")?;
        Ok(Self { base, token: args.token.clone(), http })
    }

    /// Asks for JSON at `path`, one segment an item.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let asked = async {
            let response = self.send(path, query, "application/json").await?;
            response.json().await.with_context(|| format!("the answer of {} cannot be read", self.base))
        };
        match tokio::time::timeout(ANSWER_LIMIT, asked).await {
            Ok(answer) => answer,
            Err(_) => bail!("{} did not answer within {} s", self.base, ANSWER_LIMIT.as_secs()),
        }
    }

    /// Tells whether the daemon has read all applications.
    pub(crate) async fn is_ready(&self) -> anyhow::Result<bool> {
        match self.send(&["readyz"], &[], "text/plain").await {
            Ok(_) => Ok(true),
            Err(error) => match error.downcast_ref::<ApiAnswer>() {
                Some(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Opens the change feed of applications.
    pub(crate) async fn stream(&self, query: &[(&str, &str)]) -> anyhow::Result<AppEvents> {
        let response = self.send(&["api", "v1", "stream", "applications"], query, "text/event-stream").await?;
        Ok(AppEvents { response, buffer: Vec::new() })
    }

    async fn send(&self, path: &[&str], query: &[(&str, &str)], accept: &str) -> anyhow::Result<Response> {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("because an http URL has a path").pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.get(url).header(ACCEPT, accept);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.as_str());
        }
        let response = request.send().await.map_err(|error| {
            let cause = anyhow::Error::from(error.without_url());
            cause.context(format!(
                "cannot reach the daemon at {}; is `driftless controller` running, and is --server right?",
                self.base
            ))
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        let message = match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(body) => body.message,
            Err(_) => String::from_utf8_lossy(&body[..body.len().min(300)]).trim().to_owned(),
        };
        Err(ApiAnswer { status, message }.into())
    }
}

/// One event of the change feed.
#[derive(Debug, Deserialize)]
pub(crate) struct AppEvent {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) application: Value,
}

/// The events of an open change feed.
#[derive(Debug)]
pub(crate) struct AppEvents {
    response: Response,
    buffer: Vec<u8>,
}

impl AppEvents {
    /// Waits for the next event; none when the daemon closed the feed.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<AppEvent>> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if let Some(event) = event_of(&line)? {
                    return Ok(Some(event));
                }
            }
            match self.response.chunk().await.map_err(reqwest::Error::without_url)? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

#[derive(Deserialize)]
struct Frame {
    result: AppEvent,
}

/// Reads one line of a stream of server-sent events; signs of life and ends of events are none.
fn event_of(line: &[u8]) -> anyhow::Result<Option<AppEvent>> {
    let Some(data) = line.strip_prefix(b"data:") else { return Ok(None) };
    let frame: Frame = serde_json::from_slice(data).context("the daemon sent an event that cannot be read")?;
    Ok(Some(frame.result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_data_lines() {
        let event = event_of(b"data: {\"result\":{\"type\":\"ADDED\",\"application\":{}}}\n").unwrap().unwrap();
        assert_eq!(event.kind, "ADDED");
        for quiet in [&b":\n"[..], b"\n", b"event: x\n"] {
            assert!(event_of(quiet).unwrap().is_none());
        }
        assert!(event_of(b"data: {\"error\":{}}\n").is_err());
    }

    #[test]
    fn the_server_is_a_url() {
        for server in ["127.0.0.1:8080", "ftp://a", ""] {
            let args = ServerArgs { server: server.to_owned(), token: None };
            assert!(ApiClient::new(&args).unwrap_err().to_string().contains("http://127.0.0.1:8080"), "{server}");
        }
    }
}
