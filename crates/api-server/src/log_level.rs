use std::net::SocketAddr;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use serde::{Deserialize, Serialize};

use crate::{ApiFailure, ApiState, Code};

/// The body of a request to change the log level, and of its answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Level {
    level: String,
}

/// `PUT /api/driftless/v1/log-level` with `{"level": "debug"}`: changes the log level; from this machine only.
pub(crate) async fn set(
    State(state): State<ApiState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Result<Json<Level>, JsonRejection>,
) -> Result<Json<Level>, ApiFailure> {
    if !peer.ip().to_canonical().is_loopback() {
        return Err(ApiFailure::new(Code::PermissionDenied, "the log level can be changed from this machine only"));
    }
    let Json(level) = body.map_err(|error| {
        let message = format!("expected a body such as {{\"level\": \"debug\"}}: {}", error.body_text());
        ApiFailure::new(Code::InvalidArgument, message)
    })?;
    state.log_level.set(&level.level).map_err(|error| ApiFailure::new(Code::InvalidArgument, error.to_string()))?;
    tracing::info!(level = level.level, "log level changed");
    Ok(Json(level))
}
