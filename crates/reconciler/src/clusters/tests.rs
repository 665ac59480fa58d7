use super::*;

fn served() -> Box<ApiResources> {
    Box::new(ApiResources::new([], "v1.36.3"))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("it is a time")
}

#[test]
fn waits_of_discovery_grow_only_while_it_fails() {
    let mut cluster = Cluster::new(ClusterId::in_cluster());
    let mut now = 0;
    let mut answered = |cluster: &mut Cluster, result| {
        cluster.discovered(result, at(now));
        let wait = cluster.next_wake().map(|wake| wake.duration_since(at(now)).as_secs());
        now = cluster.next_wake().map_or(now + 1, Timestamp::as_second);
        cluster.start_due(at(now), &mut Vec::new());
        wait
    };
    let failed = || Err(ApiError::no_answer("no"));
    assert_eq!(answered(&mut cluster, Ok(served())), None);
    for expected in [1, 2, 5] {
        assert_eq!(answered(&mut cluster, failed()), Some(expected));
    }
    assert_eq!(answered(&mut cluster, Ok(served())), None);
    assert_eq!(answered(&mut cluster, failed()), Some(1));
}

#[test]
fn a_kind_that_was_defined_is_looked_for_soon_however_often_its_definition_changes() {
    let mut cluster = Cluster::new(ClusterId::in_cluster());
    cluster.discovered(Ok(served()), at(0));
    // Its definition is written, established, and written again, and each time the server does not serve it yet.
    for _ in 0..6 {
        cluster.await_kind(&AppKey::new("argocd", "web"), at(10));
        cluster.discover_defined(at(10));
        cluster.start_due(at(10), &mut Vec::new());
        cluster.discovered(Ok(served()), at(10));
    }
    let mut looks = Vec::new();
    for _ in 0..3 {
        let next = cluster.next_wake().expect("it is looked for again");
        looks.push(next.as_second() - 10);
        cluster.start_due(next, &mut Vec::new());
        cluster.discovered(Ok(served()), next);
        cluster.await_kind(&AppKey::new("argocd", "web"), next);
    }
    assert_eq!(looks, [1, 3, 8]);
}
