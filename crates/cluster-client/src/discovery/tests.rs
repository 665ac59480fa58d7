use kube_object::GroupKind;
use serde_json::{Value, json};

use crate::scripted::{Reply, Server};

use super::*;

fn entry(plural: &str, kind: &str, scope: &str) -> Value {
    json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": scope,
           "verbs": ["get", "list", "watch"], "subresources": [{"subresource": "status", "verbs": ["get"]}]})
}

fn groups(items: &Value) -> Value {
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn server(documents: Vec<(&'static str, Reply)>) -> Server {
    Server::new(move |seen| {
        let found = documents.iter().find(|(path, _)| *path == seen.uri);
        found.map_or_else(|| Reply::text(404, "404 page not found"), |(_, reply)| reply.clone())
    })
}

fn version() -> (&'static str, Reply) {
    ("/version", Reply::json(200, &json!({"gitVersion": "v1.36.3"})))
}

#[tokio::test]
async fn aggregated_discovery_takes_two_requests_and_keeps_the_order_of_versions() {
    let core = groups(&json!([{"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": [
        entry("configmaps", "ConfigMap", "Namespaced"), {"resource": "bare", "responseKind": null, "scope": "Namespaced"}]}]}]));
    let apis = groups(&json!([
        {"metadata": {"name": "autoscaling"}, "versions": [
            {"version": "v2", "freshness": "Current", "resources": [entry("hpas", "HorizontalPodAutoscaler", "Namespaced")]},
            {"version": "v1", "freshness": "Current", "resources": [entry("hpas", "HorizontalPodAutoscaler", "Namespaced")]}]},
        {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale", "resources": []}]},
        {"metadata": {"name": "example.com"}, "versions": [{"version": "v1", "resources": [entry("gizmos", "Gizmo", "Cluster")]}]}]));
    let server = server(vec![("/api", Reply::json(200, &core)), ("/apis", Reply::json(200, &apis)), version()]);
    let found = server.cluster().discover().await.unwrap();
    assert_eq!(server.seen().len(), 3, "version included");
    assert!(
        server.seen()[0]
            .header("accept")
            .starts_with("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,")
    );
    assert_eq!(found.server_version(), "v1.36.3");
    let preferred = found.preferred(&GroupKind::new("autoscaling", "HorizontalPodAutoscaler")).unwrap();
    assert_eq!(preferred.gvk, Gvk::new("autoscaling", "v2", "HorizontalPodAutoscaler"));
    assert!(preferred.has_subresource("status") && preferred.is_watchable());
    assert!(found.get(&Gvk::new("autoscaling", "v1", "HorizontalPodAutoscaler")).is_some());
    assert_eq!(found.get(&Gvk::new("example.com", "v1", "Gizmo")).unwrap().scope, Scope::Cluster);
    assert_eq!(found.get(&Gvk::new("", "v1", "ConfigMap")).unwrap().scope, Scope::Namespaced);
    assert_eq!(found.all().count(), 4);
    assert_eq!(found.incomplete(), ["metrics.k8s.io/v1beta1"]);
    assert!(!found.knows_group("metrics.k8s.io") && found.knows_group("autoscaling"));
}

#[tokio::test]
async fn old_servers_are_asked_group_by_group() {
    let core = json!({"kind": "APIVersions", "versions": ["v1"]});
    let apis = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [
        {"name": "autoscaling", "versions": [{"groupVersion": "autoscaling/v1", "version": "v1"}, {"groupVersion": "autoscaling/v2", "version": "v2"}],
         "preferredVersion": {"groupVersion": "autoscaling/v2", "version": "v2"}},
        {"name": "metrics.k8s.io", "versions": [{"version": "v1beta1"}], "preferredVersion": {"version": "v1beta1"}}]});
    let core_v1 = json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": "pods", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["list", "watch"]},
        {"name": "pods/status", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get"]},
        {"name": "nodes", "singularName": "", "namespaced": false, "kind": "Node", "verbs": ["list"]}]});
    let hpa = json!({"kind": "APIResourceList", "resources": [{"name": "hpas", "namespaced": true, "kind": "HPA", "verbs": []}]});
    let server = server(vec![
        ("/api", Reply::json(200, &core)),
        ("/apis", Reply::json(200, &apis)),
        ("/api/v1", Reply::json(200, &core_v1)),
        ("/apis/autoscaling/v1", Reply::json(200, &hpa)),
        ("/apis/autoscaling/v2", Reply::json(200, &hpa)),
        ("/apis/metrics.k8s.io/v1beta1", Reply::text(503, "service unavailable")),
    ]);
    let found = server.cluster().discover().await.unwrap();
    let pod = found.get(&Gvk::new("", "v1", "Pod")).unwrap();
    assert_eq!((pod.subresources.as_slice(), pod.scope), (&["status".to_owned()][..], Scope::Namespaced));
    assert!(!found.get(&Gvk::new("", "v1", "Node")).unwrap().is_watchable());
    assert_eq!(found.preferred(&GroupKind::new("autoscaling", "HPA")).unwrap().gvk.version, "v2");
    assert_eq!(found.incomplete(), ["metrics.k8s.io/v1beta1"]);
    assert_eq!(found.server_version(), "", "a server that hides its version can be used");
}

#[tokio::test]
async fn what_is_no_discovery_is_an_error_not_an_empty_cluster() {
    let good = || Reply::json(200, &groups(&json!([])));
    for (apis, expected) in [
        (Reply::json(200, &json!({"kind": "Login"})), "/apis is no discovery document"),
        (Reply::text(200, "<html>"), "cannot be read"),
        (Reply::text(503, "down"), "down"),
    ] {
        let server = server(vec![("/api", good()), ("/apis", apis), version()]);
        let error = server.cluster().discover().await.unwrap_err();
        assert!(error.message.contains(expected), "{}", error.message);
    }
}
