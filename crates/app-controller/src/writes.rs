//! Writes of Applications themselves.

use std::time::Duration;

use application_api::constants::{PROJECT_KIND, STATUS_FIELD_MANAGER};
use cluster_client::{Detail, ObjectRef, WriteOptions};
use jiff::Timestamp;
use kube_object::{ApiError, ErrorClass, Object};
use reconciler::AppKey;
use serde_json::Value;
use telemetry::metrics::SyncFinished;

use crate::hands::{Hands, control_resource};
use crate::labels::metric_key;
use crate::retrying::{ATTEMPTS, retrying};

/// Writes an Application; the precondition is in the patch.
pub(crate) async fn write(hands: &Hands, app: &AppKey, patch: &Value) -> Result<Box<Object>, ApiError> {
    let cluster = hands.cluster_for(app);
    let target = ObjectRef { resource: &hands.applications, namespace: &app.namespace, name: &app.name };
    let options = WriteOptions::new(STATUS_FIELD_MANAGER);
    let send = || async {
        hands.fence()?;
        cluster.merge_patch(target, None, patch, options).await
    };
    let written = retrying(ATTEMPTS, || hands.leads(), send).await.inspect_err(|error| {
        // Conflicts are a part of writing.
        if error.is_too_large() || error.class() == ErrorClass::Final {
            tracing::warn!(%app, code = error.code, %error, "the Application cannot be written");
        }
    })?;
    for warning in &written.warnings {
        tracing::warn!(%app, warning, "the API server warns about the Application");
    }
    count_sync(hands, app, patch, &written.object);
    Ok(Box::new(written.object))
}

/// Reads an Application; none when it is gone.
pub(crate) async fn reread(hands: &Hands, app: &AppKey) -> Result<Option<Box<Object>>, ApiError> {
    let cluster = hands.cluster_for(app);
    let target = ObjectRef { resource: &hands.applications, namespace: &app.namespace, name: &app.name };
    match retrying(ATTEMPTS, || true, || cluster.get(target, Detail::Full)).await {
        Ok(object) => Ok(Some(Box::new(object))),
        // A kind that is not served says nothing about the object.
        Err(error) if error.code == 404 && !error.is_unknown_kind() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates the AppProject `default`, unless it exists.
pub(crate) async fn create_default_project(hands: &Hands, project: &Object) {
    let resource = control_resource(PROJECT_KIND, "appprojects");
    let options = WriteOptions::new(STATUS_FIELD_MANAGER);
    let send = || hands.cluster.create(&resource, project, options);
    match retrying(ATTEMPTS, || true, send).await {
        Ok(_) => tracing::info!(namespace = project.namespace(), "the AppProject default was created"),
        Err(error) if error.reason == "AlreadyExists" => {}
        Err(error) => {
            tracing::warn!(code = error.code, %error, "the AppProject default cannot be created; create it by hand");
        }
    }
}

/// Counts a sync that the patch reports as ended.
fn count_sync(hands: &Hands, app: &AppKey, patch: &Value, application: &Object) {
    let Some(ended) = ended_sync(patch, application) else { return };
    let labels = hands.labels.of(app);
    hands.metrics.apps.sync_finished(&SyncFinished {
        app: metric_key(app),
        project: &labels.project,
        dest_server: &labels.dest_server,
        phase: ended.phase,
        dry_run: ended.dry_run,
        took: ended.took,
    });
}

#[derive(Debug, PartialEq, Eq)]
struct EndedSync<'a> {
    phase: &'a str,
    dry_run: bool,
    took: Duration,
}

fn ended_sync<'a>(patch: &Value, application: &'a Object) -> Option<EndedSync<'a>> {
    // What the patch does not touch was reported before.
    patch.pointer("/status/operationState/phase")?;
    let state = |path: &[&str]| application.get(&[&["status", "operationState"], path].concat());
    let phase = state(&["phase"])?.as_str().filter(|phase| matches!(*phase, "Succeeded" | "Failed" | "Error"))?;
    let time = |field: &str| state(&[field])?.as_str()?.parse::<Timestamp>().ok();
    let took =
        time("finishedAt").zip(time("startedAt")).and_then(|(end, start)| end.duration_since(start).try_into().ok());
    Some(EndedSync {
        phase,
        dry_run: state(&["operation", "sync", "dryRun"]).and_then(Value::as_bool).unwrap_or_default(),
        took: took.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sync_is_counted_with_the_write_that_ends_it() {
        let check = |patch: &Value, state: &Value, expected: Option<EndedSync<'_>>| {
            let application = Object::from_value(json!({"status": {"operationState": state}})).unwrap();
            assert_eq!(ended_sync(patch, &application), expected, "{patch} {state}");
        };
        let ended = json!({
            "phase": "Succeeded", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:07Z",
            "operation": {"sync": {"dryRun": true}},
        });
        let reports = json!({"status": {"operationState": {"phase": "Succeeded"}}});
        let took = Duration::from_secs(7);
        check(&reports, &ended, Some(EndedSync { phase: "Succeeded", dry_run: true, took }));
        check(&json!({"status": {"operationState": {"message": "x"}}}), &ended, None);
        check(&json!({"operation": null}), &ended, None);
        check(&reports, &json!({"phase": "Running"}), None);
        let unknown = Some(EndedSync { phase: "Error", dry_run: false, took: Duration::ZERO });
        check(&reports, &json!({"phase": "Error"}), unknown);
    }
}
