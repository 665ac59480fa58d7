use std::sync::atomic::{AtomicUsize, Ordering};

use cluster_client::Leadership;
use kube_object::{ApiResource, ClusterId, Gvk, ObjectKey, Scope};

use super::*;
use crate::test_hands::{TestHands, status};

fn config_map() -> CompactObject {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "shop", "name": "a"}});
    CompactObject::of(&Object::from_value(object).unwrap())
}

fn request_of(call: Call) -> ClusterRequest {
    let (kind, scope, namespace) = match call {
        Call::CreateNamespace => ("Namespace", Scope::Cluster, ""),
        _ => ("ConfigMap", Scope::Namespaced, "shop"),
    };
    let gvk = Gvk::new("", "v1", kind);
    ClusterRequest {
        cluster: ClusterId::in_cluster(),
        key: ObjectKey::new(ClusterId::in_cluster(), gvk.group_kind(), namespace, "a"),
        resource: ApiResource {
            gvk,
            plural: format!("{}s", kind.to_lowercase()),
            scope,
            verbs: Vec::new(),
            subresources: Vec::new(),
        },
        acting_as: ActingAs::Daemon,
        call,
    }
}

fn apply(migration: Option<Value>) -> Call {
    Call::Apply { object: config_map(), migration, validation: Validation::Strict }
}

fn delete() -> Call {
    Call::Delete {
        uid: "u".to_owned(),
        resource_version: String::new(),
        propagation: PropagationPolicy::Foreground,
        dry_run: DryRun::No,
    }
}

fn told(answer: &Answer) -> String {
    match answer {
        Answer::Object(object) => format!("object {}", object.name()),
        Answer::Tried(tried) => {
            let said = |result: &Result<Object, ApiError>| result.as_ref().map_or_else(|e| e.code, |_| 200);
            format!("tried {:?}", tried.iter().map(said).collect::<Vec<_>>())
        }
        Answer::NotFound(_) => "not found".to_owned(),
        Answer::Gone => "gone".to_owned(),
        Answer::Deleting(_) => "deleting".to_owned(),
        Answer::Failed(error) => format!("failed {} {}", error.code, error.message),
    }
}

struct Exchange {
    answer: String,
    lines: Vec<String>,
}

/// Sends a request to a server that answers with these in turn, the last one for ever.
async fn exchange(call: Call, replies: Vec<(u16, Value)>) -> Exchange {
    let directory = tempfile::tempdir().unwrap();
    let turn = AtomicUsize::new(0);
    let test = TestHands::new(directory.path(), move |_, _| {
        replies[turn.fetch_add(1, Ordering::Relaxed).min(replies.len() - 1)].clone()
    });
    let answer = request(&test.hands, &AppKey::new("argocd", "web"), request_of(call)).await;
    Exchange { answer: told(&answer), lines: test.seen().into_iter().map(|(line, _)| line).collect() }
}

fn object() -> (u16, Value) {
    (200, serde_json::from_slice(&config_map().to_json()).unwrap())
}

const PATH: &str = "/api/v1/namespaces/shop/configmaps/a";

#[tokio::test(start_paused = true)]
async fn an_apply_is_forced_under_the_name_of_argo_cd() {
    let sent = exchange(apply(None), vec![object()]).await;
    assert_eq!(sent.answer, "object a");
    let query = "fieldManager=argocd-controller&fieldValidation=Strict&force=true";
    assert_eq!(sent.lines, [format!("PATCH {PATH}?{query}")]);
}

#[tokio::test(start_paused = true)]
async fn ownership_moves_before_the_apply() {
    let migration = || Some(json!([{"op": "replace", "path": "/metadata/managedFields", "value": []}]));
    for (replies, expected, requests) in [
        (vec![object()], "object a", 2),
        (vec![status(404, "NotFound"), object()], "object a", 2),
        (vec![status(409, "Conflict")], "failed 409 Conflict", 1),
    ] {
        let sent = exchange(apply(migration()), replies).await;
        assert_eq!((sent.answer.as_str(), sent.lines.len()), (expected, requests));
        assert!(!sent.lines[0].contains("force"), "{:?}", sent.lines);
    }
}

#[tokio::test(start_paused = true)]
async fn failures_become_answers_and_passing_ones_are_tried_again() {
    let bodies = || vec![DryRunBody::Apply, DryRunBody::JsonPatch(json!([]))];
    let dry_run = || Call::DryRun { object: config_map(), bodies: bodies(), validation: Validation::Ignore };
    let gone = || (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}));
    let busy = || status(503, "ServiceUnavailable");
    for (call, replies, expected, requests) in [
        (apply(None), vec![busy(), busy(), busy(), object()], "object a", 4),
        (apply(None), vec![busy()], "failed 503 ServiceUnavailable", 4),
        (apply(None), vec![status(422, "Invalid")], "failed 422 Invalid", 1),
        (
            apply(None),
            vec![status(413, "TooLarge")],
            "failed 413 ConfigMap \"a\" cannot be stored: TooLarge; make it smaller than 1.5 MB, or split it",
            1,
        ),
        (Call::Get, vec![object()], "object a", 1),
        (Call::Get, vec![status(404, "NotFound")], "not found", 1),
        (Call::Get, vec![status(403, "Forbidden")], "failed 403 Forbidden", 1),
        (dry_run(), vec![object()], "tried [200, 200]", 2),
        (dry_run(), vec![status(422, "Invalid"), busy()], "tried [422, 503]", 3),
        (delete(), vec![gone()], "gone", 1),
        (delete(), vec![object()], "deleting", 1),
        (delete(), vec![busy(), status(404, "NotFound")], "not found", 2),
        (delete(), vec![status(409, "Conflict")], "failed 409 Conflict", 1),
        (Call::CreateNamespace, vec![status(409, "AlreadyExists"), object()], "object a", 2),
    ] {
        let sent = exchange(call, replies).await;
        assert_eq!((sent.answer.as_str(), sent.lines.len()), (expected, requests), "{:?}", sent.lines);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_changed_without_the_lease() {
    let directory = tempfile::tempdir().unwrap();
    let test = TestHands::new(directory.path(), |_, _| object());
    test.leadership.send_replace(Leadership::Lost);
    for (call, expected) in [
        (apply(None), "failed 0 this daemon no longer holds the Lease"),
        (delete(), "failed 0 this daemon no longer holds the Lease"),
        (Call::CreateNamespace, "failed 0 this daemon no longer holds the Lease"),
        (Call::Get, "object a"),
    ] {
        let answer = request(&test.hands, &AppKey::new("argocd", "web"), request_of(call)).await;
        assert_eq!(told(&answer), expected);
    }
    assert_eq!(test.paths(), [format!("GET {PATH}")]);
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_looked_at_before_each_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let test = TestHands::new(directory.path(), |_, _| status(503, "ServiceUnavailable"));
    let app = AppKey::new("argocd", "web");
    let mut sent = Box::pin(request(&test.hands, &app, request_of(apply(None))));
    while test.seen().is_empty() {
        assert!(futures::poll!(&mut sent).is_pending());
    }
    test.leadership.send_replace(Leadership::Lost);
    assert!(told(&sent.await).starts_with("failed"));
    assert_eq!(test.seen().len(), 1);
}
