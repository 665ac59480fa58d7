use std::fmt::Write as _;
use std::sync::LazyLock;

use app_view::{AppSnapshot, AppSummary, Readiness};
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::ApiState;

const STYLE: &str = include_str!("ui/page.css");
const SCRIPT: &str = include_str!("ui/page.js");

/// Only the page's own style and script may run, and only this server may be asked.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
        hash(STYLE),
        hash(SCRIPT),
    )
});

/// `GET /`: the table of applications, which keeps itself up to date.
pub(crate) async fn page(State(state): State<ApiState>) -> Response {
    let table = table(&state, Timestamp::now());
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Driftless</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header><h1>Driftless</h1><p class=\"version\">{}</p></header>\n\
         <main id=\"applications\">{table}</main>\n<p id=\"connection\" role=\"status\"></p>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        Escaped(&state.version.version),
    );
    with_headers(html)
}

/// `GET /ui/rows`: the part of the page that changes.
pub(crate) async fn rows(State(state): State<ApiState>) -> Response {
    with_headers(table(&state, Timestamp::now()))
}

fn with_headers(html: String) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "sameorigin"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(html)).into_response()
}

fn table(state: &ApiState, now: Timestamp) -> String {
    let apps = state.view.list();
    let mut out = String::with_capacity(512 + apps.len() * 512);
    if let Readiness::Waiting(reason) = state.view.readiness() {
        let _ = write!(out, "<p class=\"notice\">{}</p>", Escaped(&reason));
    }
    let mut body = String::with_capacity(apps.len() * 512);
    let mut well = 0;
    for app in &apps {
        let json = app.json();
        let summary = json.summary();
        if &*summary.sync_status == "Synced" && &*summary.health_status == "Healthy" {
            well += 1;
        }
        row(&mut body, app, &summary, now);
    }
    if apps.is_empty() {
        out.push_str(
            "<p class=\"empty\">There are no applications yet. Apply one with kubectl, and it appears here.</p>",
        );
        return out;
    }
    let noun = if apps.len() == 1 { "application" } else { "applications" };
    let _ = write!(out, "<table><caption>{} {noun}, {well} Synced and Healthy</caption><thead><tr>", apps.len());
    for heading in ["Name", "Project", "Sync", "Health", "Revision", "Message", "Last change"] {
        let _ = write!(out, "<th scope=\"col\">{heading}</th>");
    }
    let _ = write!(out, "</tr></thead><tbody>{body}</tbody></table>");
    out
}

fn row(out: &mut String, app: &AppSnapshot, summary: &AppSummary<'_>, now: Timestamp) {
    let (namespace, name) = (app.namespace(), app.name());
    let _ = write!(
        out,
        "<tr><th scope=\"row\"><a href=\"/api/v1/applications/{name}?appNamespace={namespace}\" title=\"{namespace}/{name}\">{name}</a></th><td>{}</td>",
        Escaped(&summary.project),
        name = Escaped(name),
        namespace = Escaped(namespace),
    );
    for status in [&summary.sync_status, &summary.health_status] {
        let status = if status.is_empty() { "Unknown" } else { status };
        let _ = write!(out, "<td><span class=\"status {}\">{}</span></td>", class(status), Escaped(status));
    }
    let revision = app.revision();
    let _ = write!(
        out,
        "<td><code title=\"{}\">{}</code></td><td class=\"message\">{}</td>",
        Escaped(revision),
        Escaped(short(revision)),
        Escaped(&summary.message()),
    );
    match summary.changed_at {
        Some(at) => {
            let seconds = now.duration_since(at.timestamp()).as_secs();
            let _ = write!(out, "<td><time datetime=\"{at}\" title=\"{at}\">{}</time></td></tr>", age(seconds));
        }
        None => out.push_str("<td></td></tr>"),
    }
}

/// Returns the style class of a status; unknown words look like `Unknown`.
fn class(status: &str) -> &'static str {
    match status {
        "Synced" | "Healthy" => "good",
        "OutOfSync" | "Missing" | "Suspended" => "off",
        "Degraded" => "bad",
        "Progressing" => "busy",
        _ => "unknown",
    }
}

/// Shortens a commit id; other revisions, such as chart versions, stay whole.
fn short(revision: &str) -> &str {
    let is_commit = matches!(revision.len(), 40 | 64) && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit { &revision[..8] } else { revision }
}

/// Writes an age in its largest unit; times ahead of the clock count as now.
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{} s", seconds.max(0)),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Text made safe for HTML, in elements and in quoted attributes.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0;
        while let Some(position) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..position])?;
            f.write_str(match rest.as_bytes()[position] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[position + 1..];
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests;
