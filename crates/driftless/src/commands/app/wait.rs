use std::time::Duration;

use app_view::AppSnapshot;
use kube_object::Object;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{in_namespace, refused};
use crate::cli::{AppName, Goal, WaitArgs};
use crate::client::{ApiAnswer, ApiClient, AppEvents};
use crate::commands::Outcome;
use crate::config::Interval;
use crate::output;

/// How long the daemon may be away in the middle of a wait, for instance while it restarts.
const AWAY_LIMIT: Duration = Duration::from_mins(1);
/// Pause between attempts to reach it.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Waits until all applications are as asked or the time is over.
pub(crate) async fn run(args: WaitArgs) -> anyhow::Result<Outcome> {
    let client = ApiClient::new(&args.server)?;
    let goal = args.goal.or_default();
    let all = async {
        for app in &args.apps {
            reach(&client, app, goal).await?;
        }
        anyhow::Ok(Outcome::Done)
    };
    let Interval(limit) = args.timeout;
    if limit.is_zero() {
        return all.await;
    }
    if let Ok(outcome) = tokio::time::timeout(limit, all).await {
        return outcome;
    }
    let names: Vec<String> = args.apps.iter().map(ToString::to_string).collect();
    output::error(&anyhow::anyhow!("not reached within {} s: {}", limit.as_secs_f64(), names.join(", ")));
    Ok(Outcome::NotSo)
}

async fn reach(client: &ApiClient, app: &AppName, goal: Goal) -> anyhow::Result<()> {
    let mut query = in_namespace(app);
    query.push(("name", &app.name));
    let mut events = client.stream(&query).await?;
    loop {
        // The feed is open, so nothing that happens after this question is missed.
        if goal.deleted && is_gone(client, app).await? {
            return Ok(());
        }
        match follow(&mut events, app, goal).await {
            Ok(true) => return Ok(()),
            Ok(false) => output::progress("the daemon closed the feed; connecting again"),
            Err(error) => output::progress(&format!("{error:#}; connecting again")),
        }
        events = reopen(client, &query).await?;
    }
}

/// Reads events until the goal is reached; false when the feed ended.
async fn follow(events: &mut AppEvents, app: &AppName, goal: Goal) -> anyhow::Result<bool> {
    let mut told = String::new();
    while let Some(event) = events.next().await? {
        if !names(&event.application, app) {
            continue;
        }
        if event.kind == "DELETED" {
            if goal.deleted {
                return Ok(true);
            }
            output::progress(&format!("{app}: gone"));
            continue;
        }
        let Ok(object) = Object::from_value(event.application) else { continue };
        let state = describe(&object);
        if goal.is_reached(&object) {
            return Ok(true);
        }
        if state != told {
            output::progress(&format!("{app}: {state}"));
            told = state;
        }
    }
    Ok(false)
}

async fn reopen(client: &ApiClient, query: &[(&str, &str)]) -> anyhow::Result<AppEvents> {
    let give_up = Instant::now() + AWAY_LIMIT;
    loop {
        sleep(RETRY_PAUSE).await;
        match client.stream(query).await {
            Ok(events) => return Ok(events),
            Err(error) if Instant::now() >= give_up => return Err(error),
            Err(_) => {}
        }
    }
}

/// Tells whether the application does not exist; waits until the daemon has read all of them.
async fn is_gone(client: &ApiClient, app: &AppName) -> anyhow::Result<bool> {
    while !client.is_ready().await? {
        sleep(RETRY_PAUSE).await;
    }
    match client.get(&["api", "v1", "applications", &app.name], &in_namespace(app)).await {
        Ok(_) => Ok(false),
        Err(error) => match error.downcast_ref::<ApiAnswer>().map(|answer| answer.status) {
            Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => Ok(true),
            _ => Err(refused(error, app)),
        },
    }
}

/// Tells whether the event is of the application; without a namespace, the daemon's own is meant, which it has chosen.
fn names(application: &Value, app: &AppName) -> bool {
    let metadata = &application["metadata"];
    metadata["name"] == *app.name && app.namespace.as_ref().is_none_or(|namespace| metadata["namespace"] == **namespace)
}

fn describe(object: &Object) -> String {
    let snapshot = AppSnapshot::new(object);
    let json = snapshot.json();
    let summary = json.summary();
    let mut parts = Vec::new();
    for part in [&summary.sync_status, &summary.health_status, &summary.operation_phase] {
        if !part.is_empty() {
            parts.push(part.to_string());
        }
    }
    let message = output::one_line(&summary.message());
    if !message.is_empty() {
        parts.push(message);
    }
    parts.join(", ")
}

impl Goal {
    fn or_default(self) -> Self {
        if self.sync || self.health || self.operation || self.deleted {
            return self;
        }
        Self { sync: true, health: true, operation: true, deleted: false }
    }

    fn is_reached(self, object: &Object) -> bool {
        let snapshot = AppSnapshot::new(object);
        let json = snapshot.json();
        let summary = json.summary();
        // A retry that waits is `Running` as well (semantics, section 1.5).
        let busy = summary.operation_requested || matches!(&*summary.operation_phase, "Running" | "Terminating");
        !self.deleted
            && (!self.sync || &*summary.sync_status == "Synced")
            && (!self.health || &*summary.health_status == "Healthy")
            && (!self.operation || !busy)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn goals_are_reached_by_status() {
        fn check(goal: Goal, app: &Value, expected: bool) {
            let object = Object::from_value(app.clone()).unwrap();
            assert_eq!(goal.or_default().is_reached(&object), expected, "{goal:?} {app}");
        }
        let app = |sync: &str, health: &str, phase: &str| json!({"status": {"sync": {"status": sync}, "health": {"status": health}, "operationState": {"phase": phase}}});
        let none = Goal::default();
        check(none, &app("Synced", "Healthy", "Succeeded"), true);
        check(none, &app("OutOfSync", "Healthy", "Succeeded"), false);
        check(none, &app("Synced", "Progressing", "Succeeded"), false);
        check(none, &app("Synced", "Healthy", "Running"), false);
        check(none, &json!({}), false);
        check(Goal { sync: true, ..none }, &app("Synced", "Degraded", "Running"), true);
        check(Goal { health: true, ..none }, &app("OutOfSync", "Healthy", "Running"), true);
        check(Goal { operation: true, ..none }, &app("OutOfSync", "Degraded", "Failed"), true);
        check(Goal { operation: true, ..none }, &app("OutOfSync", "Degraded", "Terminating"), false);
        check(Goal { operation: true, ..none }, &json!({"operation": {}}), false);
        check(Goal { deleted: true, ..none }, &app("Synced", "Healthy", ""), false);
    }
}
