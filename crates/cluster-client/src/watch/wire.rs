use std::borrow::Cow;

use kube_object::{ApiError, ApiResource, Object};
use serde::Deserialize;

use crate::answer::{error_of_event, name_kind};

/// One line of a watch.
pub(super) enum WireEvent {
    /// ADDED or MODIFIED.
    Object(Object),
    /// DELETED.
    Deleted(Object),
    /// BOOKMARK that only moves the version on.
    Bookmark(String),
    /// BOOKMARK at the end of the initial list.
    InitialEnd(String),
    /// ERROR: the watch is over.
    Error(ApiError),
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    object: Object,
}

/// Annotation of the bookmark that ends the initial list (KEP-3157).
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// Reads a line; the error says why it cannot be, without its content.
pub(super) fn parse(line: &[u8], resource: &ApiResource) -> Result<WireEvent, String> {
    let Wire { kind, mut object } = serde_json::from_slice(line)
        .map_err(|error| format!("event of {} bytes is no watch event: {}", line.len(), without_content(&error)))?;
    match &*kind {
        "ADDED" | "MODIFIED" | "DELETED" if object.name().is_empty() || object.resource_version().is_empty() => {
            Err(format!("{kind} event of an object without name or resourceVersion"))
        }
        "ADDED" | "MODIFIED" => {
            name_kind(&mut object, resource);
            Ok(WireEvent::Object(object))
        }
        "DELETED" => {
            name_kind(&mut object, resource);
            Ok(WireEvent::Deleted(object))
        }
        "BOOKMARK" => {
            let version = object.resource_version().to_owned();
            let ends_list = object.annotation(INITIAL_END) == Some("true");
            Ok(if ends_list { WireEvent::InitialEnd(version) } else { WireEvent::Bookmark(version) })
        }
        "ERROR" => Ok(WireEvent::Error(error_of_event(object))),
        _ => Err("event of an unknown type".to_owned()),
    }
}

/// Describes a parse error by its place; serde_json's own text may quote the value, which may be of a Secret.
fn without_content(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "JSON of an unexpected shape",
        serde_json::error::Category::Syntax => "malformed JSON",
        serde_json::error::Category::Eof => "JSON that ends early",
        serde_json::error::Category::Io => "unreadable",
    };
    format!("{what} at column {}", error.column())
}
