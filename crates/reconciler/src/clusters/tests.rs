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
