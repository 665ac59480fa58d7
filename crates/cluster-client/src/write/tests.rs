use kube_object::ErrorClass;

use crate::scripted::{Reply, Seen, Server, cluster_roles, config_maps, deployments, object};

use super::*;

fn web() -> Object {
    object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop", "x-unknown": 1}, "data": {"a": "1"}}),
    )
}

fn tenant() -> ActingAs {
    ActingAs::ServiceAccount { namespace: "team-a".to_owned(), name: "deployer".to_owned() }
}

async fn sent<T>(reply: Reply, request: impl AsyncFnOnce(Cluster) -> Result<T, ApiError>) -> (Seen, T) {
    let server = Server::in_order([reply]);
    let result = request(server.cluster()).await.unwrap();
    (server.seen().remove(0), result)
}

#[tokio::test]
async fn an_apply_says_who_with_what_force_and_how_it_is_validated() {
    let answer = Reply::Answer(
        201,
        vec![("warning", r#"299 - "first""#.to_owned()), ("warning", r#"299 - "second""#.to_owned())],
        web().into_value().to_string(),
    );
    let (seen, written) = sent(answer, async |cluster| {
        let options = WriteOptions::new("argocd-controller");
        let request = ApplyRequest { resource: &config_maps(), object: &web(), conflicts: Conflicts::Force, options };
        cluster.apply(request).await
    })
    .await;
    assert_eq!(
        seen.line(),
        "PATCH /api/v1/namespaces/shop/configmaps/web?fieldManager=argocd-controller&fieldValidation=Warn&force=true"
    );
    assert_eq!(seen.header("content-type"), "application/apply-patch+yaml");
    assert_eq!(seen.header("accept"), "application/json");
    assert!(seen.header("user-agent").starts_with("driftless/"));
    assert_eq!(seen.header("impersonate-user"), "");
    assert_eq!(serde_json::from_str::<Value>(&seen.body).unwrap(), web().into_value(), "unknown fields are kept");
    assert_eq!(
        written,
        Written { object: web(), effect: Effect::Created, warnings: vec!["first".into(), "second".into()] }
    );
}

#[tokio::test]
async fn a_dry_run_as_a_service_account_says_so() {
    let partial = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "web"}});
    let (seen, written) = sent(Reply::json(200, &partial), async |cluster| {
        let options = WriteOptions {
            field_validation: FieldValidation::Strict,
            dry_run: DryRun::All,
            acting_as: &tenant(),
            detail: Detail::MetadataOnly,
            ..WriteOptions::new("argocd-controller")
        };
        let request = ApplyRequest { resource: &config_maps(), object: &web(), conflicts: Conflicts::Report, options };
        cluster.apply(request).await
    })
    .await;
    assert!(
        seen.uri.ends_with("?fieldManager=argocd-controller&fieldValidation=Strict&dryRun=All&force=false"),
        "{}",
        seen.uri
    );
    assert_eq!(seen.header("impersonate-user"), "system:serviceaccount:team-a:deployer");
    assert_eq!(seen.header("impersonate-group"), "", "the API server adds the account's groups");
    assert!(seen.header("accept").contains("as=PartialObjectMetadata;"));
    assert_eq!((written.object.kind(), written.object.api_version()), ("ConfigMap", "v1"));
    assert_eq!(written.effect, Effect::Kept);
}

#[tokio::test]
async fn other_writes_have_their_method_path_and_media_type() {
    let resource = deployments();
    let answer = || Reply::json(200, &json!({"metadata": {"name": "web"}}));
    let options = WriteOptions::new("m");
    let at = ObjectRef { resource: &resource, namespace: "shop", name: "web" };
    let new = object(json!({"metadata": {"generateName": "web-", "namespace": "shop"}}));
    let named = object(json!({"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "5"}}));
    let event = object(json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"namespace": "shop"}}));
    let server = Server::in_order([answer(), answer(), answer(), answer(), answer()]);
    let cluster = server.cluster();
    cluster.create(&resource, &new, options).await.unwrap();
    cluster.replace(&resource, &named, options).await.unwrap();
    cluster.merge_patch(at, Some("status"), &json!({"status": null}), options).await.unwrap();
    cluster.json_patch(at, None, &[json!({"op": "remove", "path": "/a"})], options).await.unwrap();
    cluster.create_event(&event, options).await.unwrap();
    assert_eq!(
        server.seen()[4].line(),
        "POST /apis/events.k8s.io/v1/namespaces/shop/events?fieldManager=m&fieldValidation=Warn"
    );
    let seen: Vec<_> =
        server.seen()[..4].iter().map(|s| format!("{} {} {}", s.line(), s.header("content-type"), s.body)).collect();
    let (path, query) = ("/apis/apps/v1/namespaces/shop/deployments", "fieldManager=m&fieldValidation=Warn");
    assert_eq!(
        seen,
        [
            format!(
                r#"POST {path}?{query} application/json {{"metadata":{{"generateName":"web-","namespace":"shop"}}}}"#
            ),
            format!(
                r#"PUT {path}/web?{query} application/json {{"metadata":{{"name":"web","namespace":"shop","resourceVersion":"5"}}}}"#
            ),
            format!(r#"PATCH {path}/web/status?{query} application/merge-patch+json {{"status":null}}"#),
            format!(r#"PATCH {path}/web?{query} application/json-patch+json [{{"op":"remove","path":"/a"}}]"#),
        ]
    );
}

#[tokio::test]
async fn a_deletion_always_sends_its_policy_and_the_preconditions_it_has() {
    let resource = config_maps();
    let object_ref = ObjectRef { resource: &resource, namespace: "shop", name: "web" };
    let plain = DeleteRequest {
        object: object_ref,
        uid: None,
        resource_version: None,
        propagation: Propagation::Background,
        dry_run: DryRun::No,
        acting_as: &ActingAs::Daemon,
        deadline: None,
    };
    let guarded = DeleteRequest {
        uid: Some("u"),
        resource_version: Some("7"),
        propagation: Propagation::Foreground,
        dry_run: DryRun::All,
        acting_as: &tenant(),
        ..plain
    };
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Success", "details": {"uid": "u"}});
    let waiting = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "web", "deletionTimestamp": "2024-01-01T00:00:00Z"}});
    for (request, answer, expected_uri, expected_body, expected) in [
        (
            plain,
            &gone,
            "DELETE /api/v1/namespaces/shop/configmaps/web",
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}),
            Deleted::Gone,
        ),
        (
            guarded,
            &waiting,
            "DELETE /api/v1/namespaces/shop/configmaps/web",
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"], "propagationPolicy": "Foreground", "preconditions": {"uid": "u", "resourceVersion": "7"}}),
            Deleted::Pending(object(waiting.clone())),
        ),
    ] {
        let (seen, deleted) = sent(Reply::json(200, answer), async |cluster| cluster.delete(request).await).await;
        assert_eq!(seen.line(), expected_uri);
        assert_eq!(serde_json::from_str::<Value>(&seen.body).unwrap(), expected_body);
        assert_eq!(deleted, expected);
    }
}

#[tokio::test]
async fn a_name_that_is_a_path_is_never_sent() {
    let server = Server::in_order([]);
    let sneaky = object(json!({"metadata": {"name": "../../secrets/x", "namespace": "shop"}}));
    let options = WriteOptions::new("m");
    let resource = cluster_roles();
    let request = ApplyRequest { resource: &resource, object: &sneaky, conflicts: Conflicts::Force, options };
    assert_eq!(server.cluster().apply(request).await.unwrap_err().class(), ErrorClass::Final);
    assert!(server.seen().is_empty());
}
