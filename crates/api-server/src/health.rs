use app_view::Readiness;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use telemetry::OPENMETRICS_CONTENT_TYPE;

use crate::ApiState;

/// `GET /healthz`: the process answers.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 once all applications have been read; until then 503 with what is waited for.
pub(crate) async fn ready(State(state): State<ApiState>) -> (StatusCode, String) {
    match state.view.readiness() {
        Readiness::Ready => (StatusCode::OK, "ok\n".to_owned()),
        Readiness::Waiting(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// `GET /metrics`: the metrics as OpenMetrics text.
pub(crate) async fn metrics(State(state): State<ApiState>) -> Response {
    ([(CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE)], state.metrics.exposition()).into_response()
}
