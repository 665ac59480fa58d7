use std::path::Path;
use std::process::Stdio;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::git_command::git;

/// Runs `git http-backend` for one request and gives its answer, status 500 with what it printed when it cannot be understood.
pub(super) async fn run(root: &Path, repo: &str, file: &str, head: &Parts, body: &Bytes) -> Response<Bytes> {
    let mut command = Command::from(git());
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{}{file}", super::on_disk(root, repo)))
        .env("REQUEST_METHOD", head.method.as_str())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let variables = [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ];
    for (header, variable) in variables {
        if let Some(value) = head.headers.get(header).and_then(|v| v.to_str().ok()) {
            command.env(variable, value);
        }
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return failure(&format!("start git http-backend: {error}")),
    };
    let mut input = child.stdin.take().expect("standard input is piped");
    let body = body.clone();
    // In a task of its own, since the script may answer before it has read everything.
    let feed = tokio::spawn(async move {
        let _ = input.write_all(&body).await;
    });
    let output = child.wait_with_output().await;
    feed.abort();
    match output {
        Ok(output) => parse(&output.stdout.into()).unwrap_or_else(|| failure(&String::from_utf8_lossy(&output.stderr))),
        Err(error) => failure(&format!("run git http-backend: {error}")),
    }
}

/// Reads a CGI answer (RFC 3875, section 6): headers, among them `Status`, an empty line, the body.
fn parse(output: &Bytes) -> Option<Response<Bytes>> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n")?;
    let headers = std::str::from_utf8(&output[..end]).ok()?.to_owned();
    let mut response = Response::new(output.slice(end + 4..));
    for line in headers.split("\r\n") {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = StatusCode::from_bytes(value.get(..3)?.as_bytes()).ok()?;
        } else {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            // The server frames the body itself, and a fault may shorten it.
            if name != hyper::header::CONTENT_LENGTH {
                response.headers_mut().insert(name, HeaderValue::from_str(value).ok()?);
            }
        }
    }
    Some(response)
}

fn failure(message: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(message.to_owned()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
