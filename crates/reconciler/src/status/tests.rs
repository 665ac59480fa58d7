use super::*;

#[test]
fn rows_stand_in_the_order_that_argo_cd_gives_them() {
    let row = |group: &str, kind: &str, namespace: &str, name: &str| ResourceStatus {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..ResourceStatus::default()
    };
    let mut rows = [
        row("apps", "Deployment", "shop", "web"),
        row("apps.example", "Gadget", "shop", "a"),
        row("", "ConfigMap", "shop", "a"),
        row("", "ConfigMap", "shop-db", "a"),
        row("", "Service", "shop", "a"),
    ];
    rows.sort_by_cached_key(row_key);
    let order = rows.map(|row| format!("{}:{}:{}", row.group, row.kind, row.namespace));
    let expected =
        [":ConfigMap:shop-db", ":ConfigMap:shop", ":Service:shop", "apps.example:Gadget:shop", "apps:Deployment:shop"];
    assert_eq!(order, expected);
}
