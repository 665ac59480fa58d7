use app_view::AppSnapshot;
use kube_object::Object;
use serde_json::Value;

use crate::cli::{ListArgs, ListFormat};
use crate::client::ApiClient;
use crate::commands::Outcome;
use crate::output;

/// The fields that the table needs.
const TABLE_FIELDS: &str = "items.metadata.name,items.metadata.namespace,items.spec.project,items.status.sync,items.status.health,items.status.conditions,items.status.operationState.phase,items.status.operationState.message";

/// Lists applications.
pub(crate) async fn run(args: ListArgs) -> anyhow::Result<Outcome> {
    let mut query: Vec<(&str, &str)> = args.project.iter().map(|project| ("projects", project.as_str())).collect();
    for (key, value) in [("selector", &args.selector), ("repo", &args.repo), ("appNamespace", &args.app_namespace)] {
        query.extend(value.iter().map(|value| (key, value.as_str())));
    }
    if matches!(args.output, ListFormat::Table | ListFormat::Name) {
        query.push(("fields", TABLE_FIELDS));
    }
    let mut answer = ApiClient::new(&args.server)?.get(&["api", "v1", "applications"], &query).await?;
    // Argo CD writes an empty list as null.
    let items = match answer["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    output::print(&shown(items, args.output))?;
    Ok(Outcome::Done)
}

fn shown(items: Vec<Value>, format: ListFormat) -> String {
    let apps = |items: Vec<Value>| items.into_iter().filter_map(|item| Object::from_value(item).ok());
    match format {
        ListFormat::Json => output::json(&Value::Array(items)),
        ListFormat::Yaml => kube_yaml::to_yaml(&Value::Array(items)),
        ListFormat::Name => output::lines(apps(items).map(|app| format!("{}/{}", app.namespace(), app.name()))),
        ListFormat::Table => {
            let rows: Vec<Vec<String>> = apps(items).map(|app| row(&AppSnapshot::new(&app))).collect();
            output::table(&["NAME", "PROJECT", "SYNC", "HEALTH", "REVISION", "MESSAGE"], &rows)
        }
    }
}

fn row(app: &AppSnapshot) -> Vec<String> {
    let json = app.json();
    let summary = json.summary();
    let status = |status: &str| if status.is_empty() { "Unknown".to_owned() } else { status.to_owned() };
    vec![
        format!("{}/{}", app.namespace(), app.name()),
        summary.project.to_string(),
        status(&summary.sync_status),
        status(&summary.health_status),
        app.revision().chars().take(12).collect(),
        output::one_line(&summary.message()),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_have_a_table_and_names() {
        let items = || {
            vec![json!({
                "metadata": {"namespace": "argocd", "name": "web"},
                "status": {
                    "sync": {"status": "OutOfSync", "revision": "0123456789abcdef"},
                    "conditions": [{"type": "SyncError", "message": "no\nway"}],
                },
            })]
        };
        assert_eq!(shown(items(), ListFormat::Name), "argocd/web\n");
        let expected = "NAME        PROJECT  SYNC       HEALTH   REVISION      MESSAGE\n\
                        argocd/web  default  OutOfSync  Unknown  0123456789ab  SyncError: no way\n";
        assert_eq!(shown(items(), ListFormat::Table), expected);
        assert_eq!(shown(Vec::new(), ListFormat::Json), "[]\n");
    }
}
