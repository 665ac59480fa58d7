use kube_object::ErrorClass::{Conflict, Final, Forbidden, NotFound, Retry};
use serde_json::json;

use crate::scripted::object;

use super::*;

#[test]
fn each_observed_error_keeps_what_decisions_need() {
    // Server-side apply facts, section 6: one row each.
    let status = |reason: Option<&str>, message: &str, details: Value| {
        let mut status =
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "details": details});
        if let Some(reason) = reason {
            status["reason"] = reason.into();
        }
        status.to_string()
    };
    let cause = |reason: &str, field: &str| json!({"causes": [{"reason": reason, "message": "m", "field": field}]});
    for (name, code, body, class, first_cause) in [
        (
            "schema",
            500,
            status(None, "failed to create typed patch object (a/b; v1, Kind=X): .x: unknown", Value::Null),
            Final,
            "",
        ),
        (
            "convert",
            500,
            status(None, "request to convert CR to an invalid group/version: x/v1", Value::Null),
            Final,
            "",
        ),
        ("etcd size", 500, status(None, "etcdserver: request is too large", Value::Null), Final, ""),
        ("too large", 413, status(Some("RequestEntityTooLarge"), "limit is 3145728", Value::Null), Final, ""),
        (
            "invalid",
            422,
            status(Some("Invalid"), "immutable", cause("FieldValueInvalid", "spec.selector")),
            Final,
            "FieldValueInvalid spec.selector",
        ),
        (
            "field conflict",
            409,
            status(Some("Conflict"), "Apply failed", cause("FieldManagerConflict", ".data.a")),
            Final,
            "FieldManagerConflict .data.a",
        ),
        ("stale", 409, status(Some("Conflict"), "the object has been modified", json!({})), Conflict, ""),
        (
            "no namespace",
            404,
            status(Some("NotFound"), "namespaces \"x\" not found", json!({"kind": "namespaces"})),
            NotFound,
            "",
        ),
        ("no group", 404, "404 page not found\n".to_owned(), NotFound, ""),
        (
            "no kind",
            404,
            status(Some("NotFound"), "the server could not find the requested resource", json!({})),
            NotFound,
            "",
        ),
        ("bad request", 400, status(Some("BadRequest"), "metadata.managedFields must be nil", Value::Null), Final, ""),
        ("media type", 415, status(Some("UnsupportedMediaType"), "x", Value::Null), Final, ""),
        ("unauthorized", 401, status(Some("Unauthorized"), "Unauthorized", Value::Null), Forbidden, ""),
        (
            "forbidden",
            403,
            status(Some("Forbidden"), "cannot patch", json!({"kind": "configmaps", "name": "a"})),
            Forbidden,
            "",
        ),
        (
            "policy",
            422,
            status(Some("Invalid"), "ValidatingAdmissionPolicy 'x' denied", json!({"causes": [{"message": "m"}]})),
            Final,
            " ",
        ),
        ("quota", 403, status(Some("Forbidden"), "exceeded quota: q", Value::Null), Retry, ""),
        (
            "webhook",
            500,
            status(Some("InternalError"), "failed calling webhook \"x\"", json!({"causes": [{"message": "m"}]})),
            Retry,
            " ",
        ),
        (
            "terminating",
            403,
            status(Some("Forbidden"), "forbidden", cause("NamespaceTerminating", "metadata.namespace")),
            Retry,
            "NamespaceTerminating metadata.namespace",
        ),
        ("proxy", 502, "<html>Bad Gateway</html>".to_owned(), Retry, ""),
    ] {
        let error = error_of(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), body.as_bytes());
        assert_eq!((error.code, error.class()), (code, class), "{name}");
        assert!(!error.message.is_empty(), "{name}");
        let cause = error.causes.first().map(|cause| format!("{} {}", cause.reason, cause.field)).unwrap_or_default();
        assert_eq!(cause, first_cause, "{name}");
        assert_eq!(error.is_missing_namespace(), name == "no namespace", "{name}");
        assert_eq!(error.is_unknown_kind(), matches!(name, "no group" | "no kind"), "{name}");
    }
}

#[test]
fn bodies_that_say_nothing_still_make_a_message() {
    for (code, body, expected) in [
        (503, "", "the API server answered 503 Service Unavailable"),
        (500, r#"{"kind":"Status","reason":"Odd"}"#, "the API server answered 500 Odd"),
        (404, "404 page not found\n", "404 page not found"),
        (500, r#"{"other":1}"#, r#"{"other":1}"#),
    ] {
        let error = error_of(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), body.as_bytes());
        assert_eq!(error.message, expected);
    }
    let page = "x".repeat(100_000);
    assert_eq!(error_of(StatusCode::BAD_GATEWAY, &HeaderMap::new(), page.as_bytes()).message.len(), LONGEST_TEXT);
}

#[test]
fn the_header_says_when_to_return_else_the_body() {
    let body = br#"{"kind":"Status","message":"m","details":{"retryAfterSeconds":7}}"#;
    let mut headers = HeaderMap::new();
    assert_eq!(error_of(StatusCode::TOO_MANY_REQUESTS, &headers, body).retry_after, Some(7));
    headers.insert(header::RETRY_AFTER, "3".parse().unwrap());
    assert_eq!(error_of(StatusCode::TOO_MANY_REQUESTS, &headers, body).retry_after, Some(3));
    assert_eq!(error_of(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), b"busy").retry_after, None);
}

#[test]
fn error_events_carry_their_own_code() {
    let event =
        object(json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}));
    let error = error_of_event(event);
    assert_eq!((error.code, error.reason.as_str()), (410, "Expired"));
    assert_eq!(error_of_event(object(json!({"code": "x"}))).code, 0);
}

#[test]
fn warnings_are_read_out_of_their_quotes() {
    for (header, expected) in [
        (r#"299 - "line 7: key \"a\" already set in map""#, vec![r#"line 7: key "a" already set in map"#]),
        (r#"299 - "one", 299 - "two""#, vec!["one", "two"]),
        ("299 - none", vec![]),
        (r#"299 - "cut"#, vec!["cut"]),
    ] {
        assert_eq!(warning_texts(header), expected);
    }
}

#[test]
fn a_message_that_quotes_megabytes_keeps_its_beginning_and_end() {
    let message = |value: &str| {
        format!(
            "ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"{value}\": must be no more than 63 bytes"
        )
    };
    let read = |message: &str| {
        let body = json!({"kind": "Status", "reason": "Invalid", "message": message}).to_string();
        error_of(StatusCode::UNPROCESSABLE_ENTITY, &HeaderMap::new(), body.as_bytes()).message
    };
    assert_eq!(read(&message("short")), message("short"));
    let cut = read(&message(&"é".repeat(2_000_000)));
    assert!(
        cut.starts_with("ConfigMap \"a\" is invalid: metadata.labels")
            && cut.ends_with("must be no more than 63 bytes"),
        "{cut}"
    );
    assert!(cut.contains("é [1999") && cut.chars().count() < 1_050, "{cut}");
}
