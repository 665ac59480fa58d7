use futures::StreamExt;
use serde_json::json;

use crate::scripted::{Reply, Server, cluster_roles, config_maps, deployments};

use super::*;

fn list(names: &[&str], token: &str) -> Reply {
    let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
    Reply::json(200, &json!({"metadata": {"resourceVersion": "9", "continue": token}, "items": items}))
}

async fn sweep(server: &Server, resources: Vec<ApiResource>) -> Vec<String> {
    let events = server.cluster().sweep(resources, 1).map(|event| match event {
        SweepEvent::Objects(resource, objects) => {
            let names: Vec<_> = objects.iter().map(|o| format!("{}/{}", o.kind(), o.name())).collect();
            format!("{}: {}", resource.plural, names.join(" "))
        }
        SweepEvent::Restarted(resource) => format!("{}: restarted", resource.plural),
        SweepEvent::Complete(resource) => format!("{}: complete", resource.plural),
        SweepEvent::Incomplete(resource, error) => format!("{}: incomplete {}", resource.plural, error.code),
    });
    events.collect().await
}

#[tokio::test]
async fn every_listable_kind_ends_complete_or_incomplete() {
    let server = Server::new(|seen| match seen.uri.as_str() {
        "/api/v1/configmaps?limit=500" => list(&["a", "b"], "t 1"),
        "/api/v1/configmaps?limit=500&continue=t%201" => list(&["c"], ""),
        "/apis/apps/v1/deployments?limit=500" => list(&[], ""),
        _ => Reply::text(403, "no"),
    });
    let unlisted = ApiResource { verbs: vec!["create".to_owned()], ..config_maps() };
    assert_eq!(
        sweep(&server, vec![config_maps(), unlisted, deployments(), cluster_roles()]).await,
        [
            "configmaps: ConfigMap/a ConfigMap/b",
            "configmaps: ConfigMap/c",
            "configmaps: complete",
            "deployments: complete",
            "clusterroles: incomplete 403",
        ]
    );
    assert!(server.seen()[0].header("accept").contains("as=PartialObjectMetadataList;"));
}

#[tokio::test]
async fn an_expired_token_begins_the_kind_again_once() {
    let expired = || Reply::text(410, "expired");
    let server = Server::in_order([list(&["a"], "t"), expired(), list(&["a"], "t"), expired()]);
    assert_eq!(
        sweep(&server, vec![config_maps()]).await,
        ["configmaps: ConfigMap/a", "configmaps: restarted", "configmaps: ConfigMap/a", "configmaps: incomplete 410"]
    );
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_not_an_empty_one() {
    let server = Server::in_order([Reply::json(200, &json!({"kind": "Login"}))]);
    assert_eq!(sweep(&server, vec![config_maps()]).await, ["configmaps: incomplete 0"]);
}
