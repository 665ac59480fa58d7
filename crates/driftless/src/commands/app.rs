//! Commands about applications.

pub(super) mod get;
pub(super) mod list;
pub(super) mod wait;

use reqwest::StatusCode;

use crate::cli::AppName;
use crate::client::ApiAnswer;

/// Names the application in an error; the API answers 403 for one that does not exist as well.
pub(super) fn refused(error: anyhow::Error, app: &AppName) -> anyhow::Error {
    match error.downcast_ref::<ApiAnswer>() {
        Some(answer) if matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
            let sentence = "does not exist or may not be read; `driftless app list` shows all that can be read";
            anyhow::anyhow!("application {app} {sentence}")
        }
        _ => error.context(format!("application {app} cannot be read")),
    }
}

/// The query parameters that select the application's namespace.
pub(super) fn in_namespace(app: &AppName) -> Vec<(&str, &str)> {
    app.namespace.iter().map(|namespace| ("appNamespace", namespace.as_str())).collect()
}
