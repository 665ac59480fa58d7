use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use kube_object::{ApiError, ApiResource, Object, StatusCause};
use serde::Deserialize;
use serde_json::Value;

use crate::Detail;

/// An answer of the API server, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Takes the answer as an object of a kind.
    pub(crate) fn object(&self, resource: &ApiResource) -> Result<Object, ApiError> {
        let mut object: Object = self.json()?;
        name_kind(&mut object, resource);
        Ok(object)
    }

    /// Takes the answer as JSON.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            ApiError::no_answer(format!(
                "the answer ({}, {} bytes) cannot be read: {error}; check that the address is that of a Kubernetes API server",
                self.status,
                self.body.len()
            ))
        })
    }

    /// Returns the texts of the `Warning` headers.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let headers = self.headers.get_all(header::WARNING).iter();
        headers.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()).flat_map(warning_texts).collect()
    }
}

/// Gives an object the `apiVersion` and `kind` it was asked for as: items of lists have none, partial ones those of the part.
pub(crate) fn name_kind(object: &mut Object, resource: &ApiResource) {
    let gvk = &resource.gvk;
    if object.kind() != gvk.kind {
        object.fields_mut().insert("kind".to_owned(), Value::from(gvk.kind.as_str()));
    }
    let api_version = gvk.api_version();
    if object.api_version() != api_version {
        object.fields_mut().insert("apiVersion".to_owned(), Value::from(api_version));
    }
}

/// Returns the quoted texts of one header, such as `299 - "a \"b\""` (RFC 7234, section 5.5).
fn warning_texts(header: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut chars = header.chars();
    while chars.by_ref().any(|c| c == '"') {
        let mut text = String::new();
        loop {
            match chars.next() {
                Some('\\') => text.extend(chars.next()),
                Some('"') | None => break,
                Some(c) => text.push(c),
            }
        }
        texts.push(text);
    }
    texts
}

/// A `Status` object, as far as it is looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    kind: String,
    code: u16,
    reason: Option<String>,
    message: Option<String>,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    kind: String,
    causes: Option<Vec<StatusCause>>,
    retry_after_seconds: u32,
}

impl Status {
    fn into_error(self, code: u16, retry_after: Option<u32>) -> ApiError {
        let reason = self.reason.unwrap_or_default();
        let message = self.message.filter(|message| !message.is_empty()).unwrap_or_else(|| said_nothing(code, &reason));
        let details = self.details.unwrap_or_default();
        let asked = retry_after.or(Some(details.retry_after_seconds).filter(|seconds| *seconds > 0));
        ApiError {
            code,
            reason,
            message: cut(message),
            causes: details.causes.unwrap_or_default(),
            details_kind: details.kind,
            retry_after: asked,
        }
    }
}

/// Takes an answer that is not a success as an error; bodies that are no `Status` object become its message.
pub(crate) fn error_of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let code = status.as_u16();
    let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if let Ok(answer) = serde_json::from_slice::<Status>(body)
        && answer.kind == "Status"
    {
        return answer.into_error(code, retry_after);
    }
    let text = String::from_utf8_lossy(body);
    let text: String = text.trim().chars().take(LONGEST_TEXT).collect();
    let message = if text.is_empty() { said_nothing(code, "") } else { text };
    ApiError { code, retry_after, ..ApiError::no_answer(message) }
}

/// Takes the `Status` object of an ERROR event in a watch as an error.
pub(crate) fn error_of_event(object: Object) -> ApiError {
    match Status::deserialize(object.into_value()) {
        Ok(status) => {
            let code = status.code;
            status.into_error(code, None)
        }
        Err(error) => ApiError::no_answer(format!("the watch ended with an error that cannot be read: {error}")),
    }
}

/// Some proxies answer with whole pages.
const LONGEST_TEXT: usize = 500;
/// What is kept of a message at its beginning and its end, in characters. The server quotes bad values whole, and a message of
/// megabytes does not fit into the Application that is to tell of it.
const MESSAGE_HEAD: usize = 700;
const MESSAGE_TAIL: usize = 300;

/// Leaves out the middle of a message that is too long to be passed on.
fn cut(message: String) -> String {
    let Some(more) = message.chars().count().checked_sub(MESSAGE_HEAD + MESSAGE_TAIL).filter(|more| *more > 0) else {
        return message;
    };
    let head: String = message.chars().take(MESSAGE_HEAD).collect();
    let tail: String = message.chars().skip(MESSAGE_HEAD + more).collect();
    format!("{head} [{more} more characters] {tail}")
}

fn said_nothing(code: u16, reason: &str) -> String {
    let known =
        StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason()).unwrap_or("unknown status");
    format!("the API server answered {code} {}", if reason.is_empty() { known } else { reason })
}

/// Returns the media type to ask for one object.
pub(crate) fn accept_object(detail: Detail) -> &'static str {
    match detail {
        Detail::Full => JSON,
        Detail::MetadataOnly => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
    }
}

/// Returns the media type to ask for a list of objects.
pub(crate) fn accept_list(detail: Detail) -> &'static str {
    match detail {
        Detail::Full => JSON,
        Detail::MetadataOnly => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
    }
}

pub(crate) const JSON: &str = "application/json";

#[cfg(test)]
mod tests;
