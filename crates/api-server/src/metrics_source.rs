use app_view::AppView;
use application_api::RepoUrl;
use telemetry::metrics::{AppConditionCount, AppInfo, AppInfoSource};

/// Shows the applications of a view to the metrics at each scrape.
#[derive(Clone, Debug)]
pub struct ViewedApps(pub AppView);

impl AppInfoSource for ViewedApps {
    fn visit(&self, each: &mut dyn FnMut(&AppInfo<'_>)) {
        for app in self.0.list() {
            let json = app.json();
            let summary = json.summary();
            let mut conditions: Vec<AppConditionCount<'_>> = Vec::new();
            for condition in &summary.conditions {
                match conditions.iter_mut().find(|known| known.condition == &*condition.condition) {
                    Some(known) => known.count += 1,
                    None => conditions.push(AppConditionCount { condition: &condition.condition, count: 1 }),
                }
            }
            // Displayed, a URL has no credentials.
            let repo = summary.repos.first().map(|repo| RepoUrl::new(repo).normalized().to_string());
            each(&AppInfo {
                namespace: app.namespace(),
                name: app.name(),
                project: &summary.project,
                autosync_enabled: summary.autosync_enabled,
                repo: repo.as_deref().unwrap_or_default(),
                dest_server: &summary.dest_server,
                dest_namespace: &summary.dest_namespace,
                sync_status: or_unknown(&summary.sync_status),
                health_status: or_unknown(&summary.health_status),
                operation: summary.operation(),
                conditions: &conditions,
            });
        }
    }
}

fn or_unknown(status: &str) -> &str {
    if status.is_empty() { "Unknown" } else { status }
}
