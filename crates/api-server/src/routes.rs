use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, put};

use crate::{ApiFailure, ApiState, Code, applications, guard, health, log_level, stream, ui, version, why};

/// Makes the routes of the API listener.
pub fn http_router(state: ApiState) -> Router {
    Router::new()
        .route("/", get(ui::page))
        .route("/ui/rows", get(ui::rows))
        .route("/api/version", get(version::version))
        .route("/api/v1/applications", get(applications::list))
        .route("/api/v1/applications/{name}", get(applications::get))
        .route("/api/v1/stream/applications", get(stream::applications))
        .route("/api/driftless/v1/why/{namespace}/{name}", get(why::explain))
        .route("/api/driftless/v1/log-level", put(log_level::set))
        .fallback(not_found)
        .method_not_allowed_fallback(not_implemented)
        .merge(probes())
        .layer(from_fn(guard::json_only))
        .layer(from_fn(guard::loopback_host))
        .with_state(state)
}

/// Makes the routes of the metrics listener.
pub fn metrics_router(state: ApiState) -> Router {
    probes().fallback(not_found).with_state(state)
}

fn probes() -> Router<ApiState> {
    Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

async fn not_found() -> ApiFailure {
    ApiFailure::new(Code::NotFound, "Not Found")
}

async fn not_implemented() -> ApiFailure {
    ApiFailure::new(Code::Unimplemented, "this method is not implemented for this path")
}

#[cfg(test)]
mod tests;
