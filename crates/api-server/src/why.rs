use application_api::Explanation;
use axum::Json;
use axum::extract::{Path, State};

use crate::{ApiFailure, ApiState, Code, ListQuery};

/// `GET /api/driftless/v1/why/{namespace}/{name}`: why an application, or one object of it, is as it is.
///
/// With `object=kind/name` (or `kind/namespace/name`) only the explanations of that object; without, objects that are as Git says
/// are left out.
pub(crate) async fn explain(
    State(state): State<ApiState>,
    Path((namespace, name)): Path<(String, String)>,
    query: ListQuery,
) -> Result<Json<Vec<Explanation>>, ApiFailure> {
    // No namespace is called `-`: it stands for the daemon's own.
    let namespace = if namespace == "-" { state.control_namespace.to_string() } else { namespace };
    let app = state.view.get(&namespace, &name).ok_or_else(|| {
        let message = format!("there is no Application {namespace}/{name}; `driftless app list` shows all");
        ApiFailure::new(Code::NotFound, message)
    })?;
    let is_asked = |line: &&app_view::WhyLine| match query.object.as_str() {
        "" => line.reason != application_api::Reason::ObjectSame,
        object => line.is_about(object),
    };
    let lines = app.why().iter().filter(is_asked);
    Ok(Json(lines.map(app_view::WhyLine::explain).collect()))
}
