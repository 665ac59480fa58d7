//! What happened to the objects of a scenario, as watches tell it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use integration_tests::{Cluster, ObjectRef, object};
use kube::ResourceExt;
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

/// How long a watch that has failed, as long as its kind is not served for example, waits for its next try.
const PAUSE: Duration = Duration::from_millis(100);
/// How far a watch may be behind what a test has seen otherwise.
const LAG: Duration = Duration::from_secs(5);

/// What can happen to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Modified,
    /// It is being deleted, and something holds it.
    Terminating,
    Deleted,
}

impl Change {
    /// Reads a change.
    ///
    /// # Errors
    /// If there is no such change.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        match text {
            "created" => Ok(Self::Created),
            "modified" => Ok(Self::Modified),
            "terminating" => Ok(Self::Terminating),
            "deleted" => Ok(Self::Deleted),
            other => Err(format!("{other} is no change; there are created, modified, terminating, deleted")),
        }
    }
}

/// A change of an object. Versions are those of the API server, which has one sequence for all kinds.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) change: Change,
    pub(super) target: ObjectRef,
    version: u64,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} {} {}", self.version, format!("{:?}", self.change).to_lowercase(), self.target)
    }
}

impl Record {
    /// Tells whether an object is the one of this pattern: `*` at the end of its name stands for anything.
    pub(super) fn is_about(&self, pattern: &ObjectRef) -> bool {
        let named = match pattern.name.strip_suffix('*') {
            Some(beginning) => self.target.name.starts_with(beginning),
            None => self.target.name == pattern.name,
        };
        named && self.target.kind == pattern.kind && self.target.namespace == pattern.namespace
    }
}

/// Tells which objects are recorded.
type Owns = Arc<dyn Fn(&ObjectRef) -> bool + Send + Sync>;

/// Watches of some kinds; they end when dropped.
pub(super) struct Recorder {
    owns: Owns,
    records: Arc<watch::Sender<Vec<Record>>>,
    watching: Vec<AbortHandle>,
}

/// What one watch has seen.
struct Seen {
    kind: ObjectRef,
    known: HashMap<String, (ObjectRef, u64, bool)>,
    listed: HashSet<String>,
}

impl Recorder {
    /// Begins to watch kinds, given by any object of each, and waits until all that are served are watched.
    pub(super) async fn start(
        cluster: &Cluster,
        kinds: &[ObjectRef],
        owns: impl Fn(&ObjectRef) -> bool + Send + Sync + 'static,
    ) -> Self {
        let owns: Owns = Arc::new(owns);
        let records = Arc::new(watch::Sender::new(Vec::new()));
        let (mut watching, mut begun) = (Vec::new(), Vec::new());
        for kind in kinds {
            let kind = ObjectRef { namespace: None, ..kind.clone() };
            let (begin, has_begun) = oneshot::channel();
            let follow = follow(cluster.clone(), kind, Arc::clone(&owns), Arc::clone(&records), begin);
            watching.push(tokio::spawn(follow).abort_handle());
            begun.push(has_begun);
        }
        for has_begun in begun {
            has_begun.await.expect("a watch tells that it has begun");
        }
        Self { owns, records, watching }
    }

    /// Gives what happened so far, in the API server's order.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut all = self.records.borrow().clone();
        all.sort_by_key(|record| record.version);
        all
    }

    /// Waits a little until the records are as wanted, and gives them whether they are or not.
    pub(super) async fn wait(&self, wanted: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let mut changes = self.records.subscribe();
        let reached = changes.wait_for(|_| wanted(&self.records()));
        // Who asks looks at the records.
        let _ = tokio::time::timeout(LAG, reached).await;
        self.records()
    }

    /// Waits until everything has been recorded that exists of a kind in a namespace.
    pub(super) async fn catch_up(&self, cluster: &Cluster, kind: &ObjectRef) {
        let list = kind.api(cluster.client()).list(&ListParams::default()).await;
        // A kind that is not served has no objects.
        let names =
            list.map(|list| list.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>()).unwrap_or_default();
        let existing: Vec<ObjectRef> = names.into_iter().map(|name| ObjectRef { name, ..kind.clone() }).collect();
        let is_known = |records: &[Record], target: &ObjectRef| records.iter().any(|record| record.target == *target);
        self.wait(|records| {
            existing.iter().filter(|target| (self.owns)(target)).all(|target| is_known(records, target))
        })
        .await;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.watching.iter().for_each(AbortHandle::abort);
    }
}

async fn follow(
    cluster: Cluster,
    kind: ObjectRef,
    owns: Owns,
    records: Arc<watch::Sender<Vec<Record>>>,
    begin: oneshot::Sender<()>,
) {
    let mut events = watcher(kind.api(cluster.client()), watcher::Config::default()).boxed();
    let mut seen = Seen { kind, known: HashMap::new(), listed: HashSet::new() };
    let mut begin = Some(begin);
    while let Some(event) = events.next().await {
        if matches!(event, Ok(Event::InitDone) | Err(_))
            && let Some(begin) = begin.take()
        {
            // The test may have ended.
            let _ = begin.send(());
        }
        let changes = match event {
            Ok(event) => seen.fold(event, &owns),
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if !changes.is_empty() {
            records.send_modify(|all| all.extend(changes));
        }
    }
}

impl Seen {
    fn fold<K: kube::Resource>(&mut self, event: Event<K>, owns: &Owns) -> Vec<Record> {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(object) => {
                self.listed.extend(object.uid());
                return self.changed(&object, owns);
            }
            Event::Apply(object) => return self.changed(&object, owns),
            Event::Delete(object) => {
                let version = version(&object);
                return object.uid().and_then(|uid| self.deleted(&uid, version)).into_iter().collect();
            }
            Event::InitDone => {
                let lost: Vec<String> = self.known.keys().filter(|uid| !self.listed.contains(*uid)).cloned().collect();
                return lost.iter().filter_map(|uid| self.deleted(uid, 0)).collect();
            }
        }
        Vec::new()
    }

    fn changed<K: kube::Resource>(&mut self, live: &K, owns: &Owns) -> Vec<Record> {
        let namespace = live.namespace().unwrap_or_default();
        let target = object(&self.kind.api_version, &self.kind.kind, &namespace, &live.name_any());
        let Some(uid) = live.uid().filter(|_| owns(&target)) else { return Vec::new() };
        let (version, goes) = (version(live), live.meta().deletion_timestamp.is_some());
        let before = self.known.insert(uid, (target.clone(), version, goes));
        let change = match before {
            None => Change::Created,
            Some((_, _, went)) if goes && !went => Change::Terminating,
            Some((_, last, _)) if last == version => return Vec::new(),
            Some(_) => Change::Modified,
        };
        vec![Record { change, target, version }]
    }

    fn deleted(&mut self, uid: &str, version: u64) -> Option<Record> {
        let (target, last, _) = self.known.remove(uid)?;
        Some(Record { change: Change::Deleted, target, version: version.max(last + 1) })
    }
}

fn version<K: kube::Resource>(object: &K) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default()
}
