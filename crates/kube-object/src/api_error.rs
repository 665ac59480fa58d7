use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A request to the API server that failed, as data: what decisions need to know of it.
///
/// The classes follow the error shapes observed on kube-apiserver 1.36 (server-side apply facts, section 6).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status; 0 when no answer came.
    pub code: u16,
    /// `reason` of the Status object; empty when it had none.
    pub reason: String,
    /// The server's message, or why no answer came.
    pub message: String,
    /// `details.causes` of the Status object.
    pub causes: Vec<StatusCause>,
    /// `details.kind`: the kind or resource that the answer is about.
    pub details_kind: String,
    /// Seconds after which the server asked to try again.
    pub retry_after: Option<u32>,
}

/// One entry of `details.causes` of a Status object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusCause {
    /// Such as `FieldManagerConflict` or `FieldValueInvalid`.
    pub reason: String,
    /// The server's message.
    pub message: String,
    /// Path of the field.
    pub field: String,
}

/// What to do about a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Passing: the same request may succeed later.
    Retry,
    /// The object or its version is not what the request assumed: read again, decide again.
    Conflict,
    /// The object, its namespace or its kind does not exist.
    NotFound,
    /// Not allowed until permissions change.
    Forbidden,
    /// The request cannot succeed until Git or the cluster's schema changes.
    Final,
}

impl ApiError {
    /// Makes the error of a request that got no answer.
    pub fn no_answer(message: impl Into<String>) -> Self {
        Self {
            code: 0,
            reason: String::new(),
            message: message.into(),
            causes: Vec::new(),
            details_kind: String::new(),
            retry_after: None,
        }
    }

    /// Classifies the error.
    pub fn class(&self) -> ErrorClass {
        let field_conflict = self.causes.iter().any(|cause| cause.reason == "FieldManagerConflict");
        match (self.code, self.reason.as_str()) {
            (409, _) if !field_conflict && self.reason != "AlreadyExists" => ErrorClass::Conflict,
            (404 | 410, _) => ErrorClass::NotFound,
            (403, _) if self.message.contains("exceeded quota") || self.is_namespace_terminating() => ErrorClass::Retry,
            (401 | 403, _) => ErrorClass::Forbidden,
            (0 | 429 | 502..=504, _) | (500, "InternalError") => ErrorClass::Retry,
            // 500 without a reason: known prefixes are about the request's content, unknown ones back off.
            (500, "") if !FINAL_500.iter().any(|prefix| self.message.contains(prefix)) => ErrorClass::Retry,
            _ => ErrorClass::Final,
        }
    }

    /// Tells whether the object is larger than the server or its storage takes.
    pub fn is_too_large(&self) -> bool {
        self.code == 413 || self.message.contains("request is too large")
    }

    /// Tells whether the namespace of the object is being deleted.
    pub fn is_namespace_terminating(&self) -> bool {
        self.causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
    }

    /// Tells whether the kind, not the object, is unknown to the server.
    pub fn is_unknown_kind(&self) -> bool {
        self.code == 404 && (self.reason.is_empty() || self.message.contains("could not find the requested resource"))
    }

    /// Tells whether the namespace of the object does not exist.
    pub fn is_missing_namespace(&self) -> bool {
        self.code == 404 && self.details_kind == "namespaces"
    }
}

const FINAL_500: [&str; 4] = [
    "failed to create typed patch object",
    "failed to convert new object",
    "request to convert CR to an invalid group/version",
    "request is too large",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16, reason: &str, message: &str, cause: &str) -> ApiError {
        let causes = if cause.is_empty() {
            Vec::new()
        } else {
            vec![StatusCause { reason: cause.to_owned(), ..StatusCause::default() }]
        };
        ApiError {
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            causes,
            details_kind: String::new(),
            retry_after: None,
        }
    }

    #[test]
    fn each_error_shape_has_its_class() {
        use ErrorClass::{Conflict, Final, Forbidden, NotFound, Retry};
        for (code, reason, message, cause, expected) in [
            (
                500,
                "",
                "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.replicaz: field not declared in schema",
                "",
                Final,
            ),
            (500, "", "request to convert CR to an invalid group/version: example.com/v1", "", Final),
            (500, "", "etcdserver: request is too large", "", Final),
            (500, "", "etcdserver: leader changed", "", Retry),
            (500, "InternalError", "failed calling webhook \"x\"", "", Retry),
            (409, "Conflict", "Apply failed with 1 conflict", "FieldManagerConflict", Final),
            (409, "Conflict", "the object has been modified", "", Conflict),
            (404, "NotFound", "namespaces \"x\" not found", "", NotFound),
            (404, "", "404 page not found", "", NotFound),
            (403, "Forbidden", "pods is forbidden: exceeded quota: q", "", Retry),
            (403, "Forbidden", "is being terminated", "NamespaceTerminating", Retry),
            (403, "Forbidden", "User cannot patch", "", Forbidden),
            (401, "Unauthorized", "Unauthorized", "", Forbidden),
            (422, "Invalid", "immutable", "FieldValueInvalid", Final),
            (429, "TooManyRequests", "", "", Retry),
            (0, "", "connection refused", "", Retry),
            (503, "ServiceUnavailable", "", "", Retry),
            (413, "RequestEntityTooLarge", "", "", Final),
        ] {
            assert_eq!(error(code, reason, message, cause).class(), expected, "{code} {reason} {message}");
        }
    }
}
