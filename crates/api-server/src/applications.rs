use std::sync::Arc;

use app_view::AppSnapshot;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::fields::Fields;
use crate::{ApiFailure, ApiState, AppFilter, Code, ListQuery};

/// `GET /api/v1/applications`: the applications asked for, by name.
pub(crate) async fn list(State(state): State<ApiState>, query: ListQuery) -> Result<Response, ApiFailure> {
    let filter = query.filter()?;
    let fields = query.fields(&["items"]);
    let version = state.view.resource_version();
    Ok(json_response(list_body(state.view.list(), &filter, fields.as_ref(), &version)))
}

/// `GET /api/v1/applications/{name}`: one application.
pub(crate) async fn get(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    query: ListQuery,
) -> Result<Response, ApiFailure> {
    let app = find(&state, &name, &query)?;
    Ok(json_response(app_body(&app, query.fields(&[]).as_ref())))
}

/// Returns the application that a request names.
///
/// As Argo CD does, a request that names no project is not told whether the application exists (semantics, section 9.3).
pub(crate) fn find(state: &ApiState, name: &str, query: &ListQuery) -> Result<Arc<AppSnapshot>, ApiFailure> {
    let namespace = match query.app_namespace.as_str() {
        "" => &state.control_namespace,
        namespace => namespace,
    };
    let found = state.view.get(namespace, name);
    let Some(project) = query.projects.first() else {
        return found.ok_or_else(|| ApiFailure::new(Code::PermissionDenied, "permission denied"));
    };
    found
        .filter(|app| *app.json().summary().project == **project)
        .ok_or_else(|| ApiFailure::new(Code::NotFound, format!("applications.argoproj.io \"{name}\" not found")))
}

/// Returns the JSON of one application, or of the fields asked for.
pub(crate) fn app_body(app: &AppSnapshot, fields: Option<&Fields>) -> Vec<u8> {
    let mut body = Vec::with_capacity(app.json_len() + 64);
    app.append_json(&mut body);
    match fields {
        Some(fields) => fields.apply(body),
        None => body,
    }
}

fn list_body(
    mut apps: Vec<Arc<AppSnapshot>>,
    filter: &AppFilter,
    fields: Option<&Fields>,
    resource_version: &str,
) -> Vec<u8> {
    apps.retain(|app| filter.matches(app));
    apps.sort_by(|left, right| left.name().cmp(right.name()));
    let size = if fields.is_some() { apps.len() * 256 } else { apps.iter().map(|app| app.json_len() + 64).sum() };
    let mut body = Vec::with_capacity(size + 128);
    body.extend_from_slice(b"{\"metadata\":{\"resourceVersion\":");
    serde_json::to_writer(&mut body, resource_version).expect("because writing a string to a vector does not fail");
    body.extend_from_slice(b"},\"items\":[");
    for (position, app) in apps.iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        match fields {
            Some(_) => body.extend_from_slice(&app_body(app, fields)),
            None => app.append_json(&mut body),
        }
    }
    body.extend_from_slice(b"]}");
    body
}

fn json_response(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
