use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::ApiState;

/// What was built, in the shape of Argo CD's version message; what does not apply is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VersionInfo {
    /// Version of the daemon.
    pub version: String,
    /// When it was built.
    pub build_date: String,
    /// Commit it was built from.
    pub git_commit: String,
    /// Version of Go; empty, since the daemon is not written in it.
    pub go_version: String,
    /// The compiler.
    pub compiler: String,
    /// Operating system and architecture, such as `linux/amd64`.
    pub platform: String,
    /// Version of the Kustomize library.
    pub kustomize_version: String,
    /// Version of the Helm library.
    pub helm_version: String,
    /// Version of the Kubernetes API that the daemon was built for.
    pub kubectl_version: String,
    /// Version of the Jsonnet library.
    pub jsonnet_version: String,
}

/// `GET /api/version`: what was built.
pub(crate) async fn version(State(state): State<ApiState>) -> Json<VersionInfo> {
    Json(VersionInfo::clone(&state.version))
}
