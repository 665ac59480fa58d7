//! Errors as kube-apiserver writes them.

use kube_object::{ApiError, StatusCause};

/// Makes an error of the API server.
pub fn error(code: u16, reason: &str, message: &str) -> ApiError {
    ApiError { code, reason: reason.to_owned(), ..ApiError::no_answer(message) }
}

/// Makes the error of a write whose precondition does not hold.
pub fn conflict() -> ApiError {
    error(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
}

pub(super) fn not_found(kind: &str, name: &str) -> ApiError {
    error(404, "NotFound", &format!("{} \"{name}\" not found", kind.to_lowercase()))
}

pub(super) fn unknown_kind() -> ApiError {
    error(404, "NotFound", "the server could not find the requested resource")
}

pub(super) fn missing_namespace(name: &str) -> ApiError {
    ApiError { details_kind: "namespaces".to_owned(), ..not_found("namespaces", name) }
}

pub(super) fn terminating_namespace(namespace: &str, name: &str) -> ApiError {
    let message = format!(
        "{name} is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
    );
    let cause = StatusCause { reason: "NamespaceTerminating".to_owned(), ..StatusCause::default() };
    ApiError { causes: vec![cause], ..error(403, "Forbidden", &message) }
}

pub(super) fn owned_by_others(managers: &[String]) -> ApiError {
    let message = format!("Apply failed with {} conflict(s): conflicts with {}", managers.len(), managers.join(", "));
    let cause = |_| StatusCause { reason: "FieldManagerConflict".to_owned(), ..StatusCause::default() };
    ApiError { causes: managers.iter().map(cause).collect(), ..error(409, "Conflict", &message) }
}
