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

#[test]
fn conditions_of_one_type_are_counted_beyond_what_is_read() {
    let of = |kind: ConditionType, count: usize| (0..count).map(move |n| (kind.clone(), format!("{n:05}")));
    let check = |repeated: usize, expected: usize, last: Option<&str>| {
        let conditions = of(ConditionType::RepeatedResourceWarning, repeated).chain(of(ConditionType::SyncError, 1));
        let kept = shortened(&conditions.collect());
        let warnings: Vec<_> =
            kept.iter().filter(|(kind, _)| *kind == ConditionType::RepeatedResourceWarning).collect();
        assert_eq!((warnings.len(), kept.len()), (expected, expected + 1));
        assert!(last.is_none_or(|last| warnings[expected - 1].1 == last), "{warnings:?}");
    };
    check(0, 0, None);
    check(100, 100, Some("00099"));
    check(5_000, 101, Some("4900 more conditions of this type are left out"));
}
