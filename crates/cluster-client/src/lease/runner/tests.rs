use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::lease::LeaseAction::{Acquire, Create, Renew, Wait};
use crate::scripted::{Reply, Server};

use super::*;

/// One Lease on a scripted server, with optimistic concurrency.
#[derive(Clone, Default)]
struct Stored(Arc<Mutex<(Option<Value>, u64)>>);

impl Stored {
    fn server(&self) -> Server {
        let stored = self.clone();
        Server::new(move |seen| stored.answer(&seen.method, &seen.body))
    }

    fn answer(&self, method: &str, body: &str) -> Reply {
        let mut lease = self.0.lock().unwrap();
        let conflict = || Reply::json(409, &json!({"kind": "Status", "reason": "Conflict", "message": "modified"}));
        if method != "GET" {
            let mut new: Value = serde_json::from_str(body).unwrap();
            let version = new["metadata"]["resourceVersion"].as_str().map(str::to_owned);
            let stored =
                lease.0.as_ref().map(|lease| lease["metadata"]["resourceVersion"].as_str().unwrap().to_owned());
            if version != stored {
                return conflict();
            }
            lease.1 += 1;
            new["metadata"]["resourceVersion"] = lease.1.to_string().into();
            lease.0 = Some(new);
        }
        match &lease.0 {
            Some(lease) => Reply::json(200, lease),
            None => Reply::json(
                404,
                &json!({"kind": "Status", "reason": "NotFound", "message": "leases \"driftless\" not found"}),
            ),
        }
    }

    fn record(&self) -> LeaseRecord {
        let lease = self.0.lock().unwrap().0.clone().unwrap();
        LeaseRecord::of(&Object::from_value(lease).unwrap())
    }

    fn touch(&self) {
        let mut lease = self.0.lock().unwrap();
        lease.1 += 1;
        let version = lease.1.to_string();
        lease.0.as_mut().unwrap()["metadata"]["resourceVersion"] = version.into();
    }
}

struct Replica {
    shutdown: CancellationToken,
    leadership: watch::Receiver<Leadership>,
    task: tokio::task::JoinHandle<LeaseEnd>,
}

fn start(server: &Server, identity: &str) -> Replica {
    let (sender, leadership) = watch::channel(Leadership::Following { holder: String::new() });
    let shutdown = CancellationToken::new();
    let (cluster, stop) = (server.cluster(), shutdown.clone());
    let options = LeaseOptions {
        namespace: "argocd".to_owned(),
        name: "driftless".to_owned(),
        identity: identity.to_owned(),
        timing: LeaseTiming::default(),
    };
    let task = tokio::spawn(async move { run_lease(&cluster, options, stop, sender).await });
    Replica { shutdown, leadership, task }
}

impl Replica {
    async fn until(&mut self, wanted: impl FnMut(&Leadership) -> bool) {
        self.leadership.wait_for(wanted).await.unwrap();
    }

    fn leads(&self) -> bool {
        self.leadership.borrow().leads_at(Instant::now())
    }
}

fn following(holder: &str) -> impl FnMut(&Leadership) -> bool {
    move |state| matches!(state, Leadership::Following { holder: current } if current == holder)
}

fn leading(state: &Leadership) -> bool {
    matches!(state, Leadership::Leading { .. })
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_rolling_update_hands_over_at_once() {
    let stored = Stored::default();
    let server = stored.server();
    let mut old = start(&server, "old");
    old.until(leading).await;
    let mut new = start(&server, "new");
    new.until(following("old")).await;
    tokio::time::sleep(60 * SECOND).await;
    assert!(old.leads() && !new.leads(), "the holder renews");
    assert!(!old.leadership.has_changed().unwrap(), "renewals wake nobody");

    old.shutdown.cancel();
    assert_eq!(old.task.await.unwrap(), LeaseEnd::Shutdown);
    let released = Instant::now();
    assert_eq!(*old.leadership.borrow(), Leadership::Lost);
    new.until(leading).await;
    assert!(released.elapsed() <= 3 * SECOND, "{:?}", released.elapsed());
    assert_eq!((stored.record().holder.as_str(), stored.record().transitions), ("new", 1));
}

#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_followed_after_its_lease_has_run_out() {
    let stored = Stored::default();
    let server = stored.server();
    let mut old = start(&server, "old");
    old.until(leading).await;
    let mut new = start(&server, "new");
    new.until(following("old")).await;
    old.task.abort();
    let died = Instant::now();
    new.until(leading).await;
    assert!((13 * SECOND..=18 * SECOND).contains(&died.elapsed()), "{:?}", died.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_before_another_can_begin() {
    let stored = Stored::default();
    let down = Arc::new(Mutex::new(false));
    let (inner, switch) = (stored.clone(), down.clone());
    let server =
        Server::new(
            move |seen| {
                if *switch.lock().unwrap() { Reply::Never } else { inner.answer(&seen.method, &seen.body) }
            },
        );
    let mut replica = start(&server, "a");
    replica.until(leading).await;
    *down.lock().unwrap() = true;
    let begun = Instant::now();
    replica.until(|state| *state == Leadership::Lost).await;
    assert!(begun.elapsed() <= 10 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(replica.task.await.unwrap(), LeaseEnd::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_write_by_another_hand_does_not_cost_leadership() {
    let stored = Stored::default();
    let server = stored.server();
    let mut replica = start(&server, "a");
    replica.until(leading).await;
    stored.touch();
    tokio::time::sleep(30 * SECOND).await;
    assert!(replica.leads());
    let lines = server.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("GET")).count(), 2, "read at first and after the conflict");
    assert_eq!(stored.record().transitions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_taken_by_force_is_lost_at_once() {
    let stored = Stored::default();
    let server = stored.server();
    let mut replica = start(&server, "a");
    replica.until(leading).await;
    stored.0.lock().unwrap().0.as_mut().unwrap()["spec"]["holderIdentity"] = "b".into();
    stored.touch();
    assert_eq!(tokio::time::timeout(3 * SECOND, replica.task).await.unwrap().unwrap(), LeaseEnd::Lost);
    assert_eq!(stored.record().holder, "b", "what another holds is not released");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_is_made_again() {
    let stored = Stored::default();
    let server = stored.server();
    let mut replica = start(&server, "a");
    replica.until(leading).await;
    stored.0.lock().unwrap().0 = None;
    tokio::time::sleep(5 * SECOND).await;
    assert!(replica.leads());
    assert_eq!(stored.record().holder, "a");
}

#[test]
fn a_record_reads_back_as_written_and_leaves_other_fields() {
    let record = LeaseRecord {
        holder: "a".to_owned(),
        duration: 15 * SECOND,
        acquired: "2024-05-01T10:00:00.000001Z".parse().ok(),
        renewed: "2024-05-01T10:00:02Z".parse().ok(),
        transitions: 3,
    };
    let mut lease = Object::from_value(json!({"spec": {"strategy": "OldestEmulationVersion"}})).unwrap();
    record.write_into(&mut lease);
    assert_eq!(LeaseRecord::of(&lease), record);
    let spec = json!({"strategy": "OldestEmulationVersion", "holderIdentity": "a", "leaseDurationSeconds": 15,
        "acquireTime": "2024-05-01T10:00:00.000001Z", "renewTime": "2024-05-01T10:00:02.000000Z", "leaseTransitions": 3});
    assert_eq!(lease.get(&["spec"]), Some(&spec));
    let odd = Object::from_value(json!({"spec": {"holderIdentity": 5, "leaseDurationSeconds": -1, "renewTime": "x"}}))
        .unwrap();
    assert_eq!(LeaseRecord::of(&odd), LeaseRecord::default());
}

#[tokio::test(start_paused = true)]
async fn the_decision_depends_on_the_holder_and_on_local_time_only() {
    let since = Instant::now();
    let observed = |holder: &str, seconds: u64| {
        let record =
            LeaseRecord { holder: holder.to_owned(), duration: Duration::from_secs(seconds), ..LeaseRecord::default() };
        Some(ObservedLease { record, since })
    };
    for (observed, after, expected) in [
        (None, 0, Create),
        (observed("", 15), 0, Acquire),
        (observed("me", 15), 0, Renew),
        (observed("me", 15), 100, Renew),
        (observed("other", 15), 0, Wait { until: since + 15 * SECOND }),
        (observed("other", 15), 14, Wait { until: since + 15 * SECOND }),
        (observed("other", 15), 15, Acquire),
        (observed("other", 0), 0, Acquire),
        (observed("other", u64::MAX / 2_000_000_000), 601, Acquire),
    ] {
        assert_eq!(decide(observed.as_ref(), since + after * SECOND, "me"), expected, "{observed:?} after {after} s");
    }
}
