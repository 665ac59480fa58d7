use app_view::AppSnapshot;
use kube_object::Object;
use serde_json::Value;

use super::{in_namespace, refused};
use crate::cli::{GetArgs, GetFormat};
use crate::client::ApiClient;
use crate::commands::Outcome;
use crate::output;

/// Shows one application.
pub(crate) async fn run(args: GetArgs) -> anyhow::Result<Outcome> {
    let client = ApiClient::new(&args.server)?;
    let path = ["api", "v1", "applications", &args.app.name];
    let app = client.get(&path, &in_namespace(&args.app)).await.map_err(|error| refused(error, &args.app))?;
    output::print(&match args.output {
        GetFormat::Json => output::json(&app),
        GetFormat::Yaml => kube_yaml::to_yaml(&app),
        GetFormat::Text => described(app),
    })?;
    Ok(Outcome::Done)
}

fn described(app: Value) -> String {
    let resources = app["status"]["resources"].as_array().cloned().unwrap_or_default();
    let Ok(object) = Object::from_value(app) else { return String::new() };
    let snapshot = AppSnapshot::new(&object);
    let json = snapshot.json();
    let summary = json.summary();
    let first = |one: &str, other: &str| if one.is_empty() { other.to_owned() } else { one.to_owned() };
    let lines = [
        ("Name", format!("{}/{}", snapshot.namespace(), snapshot.name())),
        ("Project", summary.project.to_string()),
        ("Source", sources(&object).join(", ")),
        ("Cluster", first(&summary.dest_server, &summary.dest_name)),
        ("Namespace", summary.dest_namespace.to_string()),
        ("Sync", first(&summary.sync_status, "Unknown")),
        ("Revision", snapshot.revision().to_owned()),
        ("Health", first(&summary.health_status, "Unknown")),
        ("Operation", summary.operation_phase.to_string()),
        ("Message", output::one_line(&summary.message())),
    ];
    let shown = lines.iter().filter(|(_, value)| !value.is_empty());
    let mut out = output::lines(shown.map(|(name, value)| format!("{name:<11}{value}")));
    if !resources.is_empty() {
        let rows: Vec<Vec<String>> = resources.iter().map(resource).collect();
        out.push('\n');
        out.push_str(&output::table(&["GROUP", "KIND", "NAMESPACE", "NAME", "SYNC", "HEALTH", "MESSAGE"], &rows));
    }
    out
}

fn sources(app: &Object) -> Vec<String> {
    let spec = app.fields().get("spec").cloned().unwrap_or_default();
    let sources = match spec["sources"].as_array() {
        Some(sources) if !sources.is_empty() => sources.clone(),
        _ => vec![spec["source"].clone()],
    };
    let one = |source: &Value| {
        let url = application_api::RepoUrl::new(text(source, "repoURL"));
        let revision = match text(source, "targetRevision") {
            "" => "HEAD",
            revision => revision,
        };
        (!url.is_empty()).then(|| format!("{url} {}{} at {revision}", text(source, "path"), text(source, "chart")))
    };
    sources.iter().filter_map(one).collect()
}

fn resource(row: &Value) -> Vec<String> {
    let mut cells: Vec<String> =
        ["group", "kind", "namespace", "name", "status"].iter().map(|key| text(row, key).to_owned()).collect();
    cells.push(text(&row["health"], "status").to_owned());
    cells.push(output::one_line(text(&row["health"], "message")));
    cells
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_application_is_described_without_credentials() {
        let app = json!({
            "metadata": {"namespace": "argocd", "name": "web"},
            "spec": {
                "project": "shop",
                "source": {"repoURL": "https://me:secret@example.com/apps", "path": "web"},
                "destination": {"name": "in-cluster", "namespace": "shop"},
            },
            "status": {
                "sync": {"status": "Synced", "revision": "abc"},
                "resources": [{"kind": "Service", "namespace": "shop", "name": "web", "status": "Synced"}],
            },
        });
        let expected = "Name       argocd/web\n\
                        Project    shop\n\
                        Source     https://example.com/apps web at HEAD\n\
                        Cluster    in-cluster\n\
                        Namespace  shop\n\
                        Sync       Synced\n\
                        Revision   abc\n\
                        Health     Unknown\n\
                        \n\
                        GROUP  KIND     NAMESPACE  NAME  SYNC    HEALTH  MESSAGE\n       \
                        Service  shop       web   Synced\n";
        assert_eq!(described(app), expected);
    }
}
