use crate::scripted::{cluster_roles, config_maps, deployments};

use super::*;

#[test]
fn paths_follow_group_scope_and_subresource() {
    let (config_maps, deployments, cluster_roles) = (config_maps(), deployments(), cluster_roles());
    for (resource, namespace, name, subresource, expected) in [
        (&config_maps, "shop", "web", None, "/api/v1/namespaces/shop/configmaps/web"),
        (&deployments, "shop", "web", Some("status"), "/apis/apps/v1/namespaces/shop/deployments/web/status"),
        (
            &cluster_roles,
            "ignored",
            "system:a?b#c d",
            None,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%3Fb%23c%20d",
        ),
    ] {
        let path = ObjectRef { resource, namespace, name }.path(subresource);
        assert_eq!(path.as_deref(), Ok(expected));
    }
    assert_eq!(collection_path(&config_maps, "").as_deref(), Ok("/api/v1/configmaps"));
    assert_eq!(collection_path(&cluster_roles, "x").as_deref(), Ok("/apis/rbac.authorization.k8s.io/v1/clusterroles"));
}

#[test]
fn names_that_address_something_else_are_refused() {
    let (config_maps, cluster_roles) = (config_maps(), cluster_roles());
    for (resource, namespace, name, expected) in [
        (&config_maps, "shop", "", "metadata.name is empty"),
        (&config_maps, "shop", "..", "metadata.name \"..\""),
        (&config_maps, "shop", "web/status", "metadata.name \"web/status\""),
        (&config_maps, "shop", "a%2Fb", "metadata.name \"a%2Fb\""),
        (&config_maps, "../kube-system", "web", "metadata.namespace \"../kube-system\""),
        (&config_maps, "", "web", "needs metadata.namespace"),
        (&cluster_roles, "", ".", "metadata.name \".\""),
    ] {
        let error = ObjectRef { resource, namespace, name }.path(None).unwrap_err();
        assert!(error.message.contains(expected), "{}", error.message);
        assert_eq!(error.class(), kube_object::ErrorClass::Final);
    }
}

#[test]
fn queries_escape_values_and_leave_out_what_is_empty() {
    let selector = Selector { labels: "app in (a,b)".to_owned(), fields: String::new() };
    let path = Query::default().with_selector(&selector).with_some("continue", "").with_dry_run(DryRun::All);
    assert_eq!(path.after("/x".to_owned()), "/x?labelSelector=app%20in%20%28a%2Cb%29&dryRun=All");
    assert_eq!(Query::default().after("/x".to_owned()), "/x");
}
