//! Applications with the status that Argo CD 3.6 has written.

use integration_tests::{Cluster, Environment, ObjectRef};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// What a status is made of.
pub(super) struct Past<'a> {
    /// The Application, as it is in the cluster.
    pub(super) app: &'a Value,
    /// The targets of the last sync.
    pub(super) targets: &'a [Value],
    /// The commit of the last sync.
    pub(super) commit: &'a str,
    /// The images of its pods.
    pub(super) images: &'a [&'a str],
    /// Names of the objects that differ.
    pub(super) out_of_sync: &'a [&'a str],
}

struct Row {
    group: String,
    version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

fn rows(targets: &[Value]) -> Vec<Row> {
    let row = |target: &Value| {
        let named = ObjectRef::of(target);
        let (group, version) = named.api_version.rsplit_once('/').unwrap_or(("", &named.api_version));
        let (group, version) = (group.to_owned(), version.to_owned());
        Row { group, version, kind: named.kind, namespace: named.namespace, name: named.name }
    };
    let mut rows: Vec<Row> = targets.iter().map(row).collect();
    // Argo CD sorts by this text.
    rows.sort_by_key(|row| {
        [&*row.group, &*row.kind, row.namespace.as_deref().unwrap_or_default(), &*row.name].join("/")
    });
    rows
}

/// Leaves out what Go's `omitempty` leaves out.
fn without_empty(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null() && *value != "").collect())
}

/// Makes the status of an Application whose last sync has succeeded.
pub(super) fn status(env: &Environment, past: &Past<'_>) -> Value {
    let Past { app, targets, commit, .. } = past;
    let is_out = |row: &Row| past.out_of_sync.contains(&&*row.name);
    let rows = rows(targets);
    let resources: Vec<Value> = rows
        .iter()
        .map(|row| {
            without_empty(
                json!({"group": row.group, "version": row.version, "kind": row.kind, "namespace": row.namespace,
                "name": row.name, "status": if is_out(row) { "OutOfSync" } else { "Synced" }}),
            )
        })
        .collect();
    let results: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({"group": row.group, "version": row.version, "kind": row.kind,
                "namespace": row.namespace.clone().unwrap_or_default(), "name": row.name, "status": "Synced",
                "message": format!("{}/{} configured", row.kind.to_lowercase(), row.name),
                "hookPhase": "Running", "syncPhase": "Sync"})
        })
        .collect();
    let (source, destination) = (&app["spec"]["source"], &app["spec"]["destination"]);
    let automated = !app["spec"]["syncPolicy"]["automated"].is_null();
    let initiated = if automated { json!({"automated": true}) } else { json!({"username": "admin"}) };
    let other = json!([{"repoURL": "https://git.example/charts", "chart": "web", "targetRevision": "1.2.3"}, source]);
    let operation = json!({
        "initiatedBy": initiated, "retry": {"limit": 5},
        "sync": {"prune": true, "revision": commit, "syncOptions": ["CreateNamespace=true"]},
    });
    let mut summary = json!({"externalURLs": ["http://web.example/"], "images": past.images});
    if targets.iter().any(|target| target["kind"] == "Application") {
        summary = json!({"isAppOfApps": true});
    }
    let sync = if past.out_of_sync.is_empty() { "Synced" } else { "OutOfSync" };
    json!({
        "conditions": [{"type": "OrphanedResourceWarning", "message": "Application has 1 orphaned resources",
            "lastTransitionTime": "2026-01-02T03:04:05Z"}],
        "controllerNamespace": env.namespace(),
        "health": {"status": "Healthy", "lastTransitionTime": "2026-01-02T03:04:06Z"},
        "history": [
            {"id": 6, "revisions": ["1.2.3", "0000000000000000000000000000000000000001"], "source": {"repoURL": ""},
                "sources": other, "deployStartedAt": "2025-12-01T10:00:00Z", "deployedAt": "2025-12-01T10:00:05Z",
                "initiatedBy": {"username": "admin"}},
            {"id": 7, "revision": "0000000000000000000000000000000000000002", "source": source,
                "deployStartedAt": "2025-12-02T10:00:00Z", "deployedAt": "2025-12-02T10:00:07Z",
                "initiatedBy": {"automated": true}},
            {"id": 8, "revision": commit, "source": source, "deployStartedAt": "2026-01-02T03:04:00Z",
                "deployedAt": "2026-01-02T03:04:05Z", "initiatedBy": initiated},
        ],
        "operationState": {
            "startedAt": "2026-01-02T03:04:00Z", "finishedAt": "2026-01-02T03:04:05Z", "phase": "Succeeded",
            "message": "successfully synced (all tasks run)", "operation": operation,
            "syncResult": {"resources": results, "revision": commit, "source": source},
        },
        "reconciledAt": "2026-01-02T03:04:06Z",
        "resourceHealthSource": "appTree",
        "resources": resources,
        "sourceHydrator": {},
        "sourceType": "Directory",
        "summary": summary,
        "sync": {"comparedTo": {"source": source, "destination": destination}, "revision": commit, "status": sync},
    })
}

/// Writes a status as Argo CD's controller does.
pub(super) async fn write(cluster: &Cluster, app: &Value, status: &Value) {
    let target = ObjectRef::of(app);
    let controller = Some("argocd-application-controller".to_owned());
    let parameters = PatchParams { field_manager: controller, ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "status": status }));
    target.api(cluster.client()).patch(&target.name, &parameters, &patch).await.unwrap();
}
