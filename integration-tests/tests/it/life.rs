//! The life of an Application from its first sync to its deletion, through a proxy that does harm, with the checks that nothing is
//! lost or doubled by it.

mod keeper;
mod ledger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use integration_tests::{ApiProxy, Environment, ObjectRef, object};
use serde_json::{Value, json};
use test_kit::{FixtureRepo, config_map};

use crate::life::keeper::Keeper;
use crate::life::ledger::Ledger;
use crate::reading::{app_of, history, is_settled};
use crate::versions::Versions;
use crate::web;
use crate::workload::{Version, Workload, path_of};

pub(crate) use keeper::{Data, Lease};

/// An Application, the daemon that cares for it, and what is known of its objects.
pub(crate) struct Life {
    pub(crate) env: Environment,
    pub(crate) proxy: Arc<ApiProxy>,
    keeper: Keeper,
    repo: FixtureRepo,
    workload: Workload,
    name: String,
    propagation: &'static str,
    patience: Duration,
    commits: Vec<String>,
    /// The uid that each object got when it was made, by its path.
    uids: BTreeMap<String, String>,
}

/// How an Application lives.
pub(crate) struct Living {
    /// How many objects it has.
    pub(crate) size: usize,
    /// What a daemon that died finds when it starts again.
    pub(crate) data: Data,
    /// What becomes of the Lease of a daemon that died.
    pub(crate) lease: Lease,
    /// How deletions reach dependents: `Foreground`, which waits up to half a minute until the garbage collector knows a new kind, or
    /// `Background`.
    pub(crate) propagation: &'static str,
    /// How long each step may take.
    pub(crate) patience: Duration,
}

/// Which operations a sync may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operations {
    /// One, whatever happens to the daemon.
    One,
    /// As many as it takes, of which one succeeds.
    UntilOneSucceeds,
}

impl Life {
    /// Starts a daemon behind a proxy in an environment, and waits until it leads.
    pub(crate) async fn begin(env: Environment, living: Living) -> Self {
        let namespace = env.workload_namespace().await;
        let workload = Workload {
            own_namespace: format!("{namespace}-own"),
            group: format!("{namespace}.example"),
            size: living.size,
            namespace,
        };
        let bystander = object("v1", "ConfigMap", &workload.namespace, "bystander");
        let mut manifest = config_map("bystander", &[]);
        manifest["metadata"]["namespace"] = workload.namespace.as_str().into();
        let made = env.cluster().apply(&manifest).await;
        let uids = BTreeMap::from([(path_of(env.cluster(), &bystander), uid(&made))]);
        let proxy = Arc::new(ApiProxy::start(&env).await);
        let daemon = env
            .daemon()
            .flag("--kubeconfig", proxy.kubeconfig())
            .variable("DRIFTLESS_SYNC_WAVE_DELAY", "0")
            .start()
            .await;
        web::wait_ready(&daemon).await;
        web::wait_leader(&daemon, true).await;
        let lease = object("coordination.k8s.io/v1", "Lease", env.namespace(), "driftless");
        let Living { propagation, patience, .. } = living;
        let keeper = Keeper::new(daemon, env.cluster().clone(), lease, living.data, living.lease);
        let (repo, name) = (env.repo("app"), env.app_name("life"));
        let mut life =
            Self { env, proxy, keeper, repo, workload, name, propagation, patience, commits: Vec::new(), uids };
        life.create().await;
        life
    }

    /// Gives the process id of the daemon, 0 while none runs.
    pub(crate) fn victim(&self) -> Arc<AtomicU32> {
        self.keeper.victim()
    }

    /// Gives how often the daemon has died.
    pub(crate) fn deaths(&self) -> usize {
        self.keeper.deaths()
    }

    /// Creates the Application, without a source yet.
    async fn create(&mut self) {
        let suffix = if self.propagation == "Background" { "/background" } else { "" };
        let option = format!("PrunePropagationPolicy={}", self.propagation.to_lowercase());
        let retry = json!({"limit": -1, "backoff": {"duration": "1s", "factor": 1}});
        let app = app_of(&self.env, &self.name, "app", &self.workload.namespace)
            .set("/spec/source/repoURL", self.repo.file_url())
            .set("/metadata/finalizers", json!([format!("resources-finalizer.argocd.argoproj.io{suffix}")]))
            .sync_option(&option)
            .set("/spec/syncPolicy/retry", retry);
        self.commits.push(self.workload.commit(&self.repo, Version::First));
        self.env.cluster().apply(&app.build()).await;
    }

    /// Has the first version synced and checks it.
    pub(crate) async fn sync(&mut self, operations: Operations, meanwhile: impl Future<Output = ()>) {
        self.proxy.forget();
        let versions = Versions::follow(self.env.cluster(), &self.application()).await;
        let automated = json!({"spec": {"syncPolicy": {"automated": {"prune": true, "selfHeal": true}}}});
        self.env.cluster().edit(&self.application(), &automated).await;
        self.reach(versions, operations, meanwhile).await;
        self.check_objects(Version::First).await;
        self.ledger().check_deletes(&[]);
    }

    /// Has the second version synced and checks it.
    pub(crate) async fn update(&mut self, operations: Operations, meanwhile: impl Future<Output = ()>) {
        self.proxy.forget();
        let versions = Versions::follow(self.env.cluster(), &self.application()).await;
        self.commits.push(self.workload.commit(&self.repo, Version::Second));
        self.reach(versions, operations, meanwhile).await;
        for gone in self.workload.removed() {
            let found = self.env.cluster().get(&gone).await;
            assert!(found.is_null() || is_going(&found), "{gone} was not pruned");
            self.uids.remove(&path_of(self.env.cluster(), &gone));
        }
        self.check_objects(Version::Second).await;
        let ledger = self.ledger();
        ledger.check_deletes(&self.paths(&self.workload.removed()));
        ledger.check_propagation(self.propagation);
    }

    /// Changes an object and deletes another one by hand, and waits until both are as Git says.
    pub(crate) async fn heal(&mut self) {
        self.proxy.forget();
        let (edited, deleted) = (self.workload.config_map(0), self.workload.config_map(1));
        let cluster = self.env.cluster();
        cluster.edit(&edited, &json!({"data": {"version": "by hand"}})).await;
        cluster.delete(&deleted).await;
        let before = self.uids.remove(&path_of(cluster, &deleted));
        let wait = async {
            let is_back = |live: &Value| live["data"]["version"] == "second";
            cluster.wait_within(self.patience, &edited, "healed", is_back).await;
            let is_made =
                |live: &Value| live["metadata"]["uid"].as_str().is_some_and(|uid| Some(uid) != before.as_deref());
            cluster.wait_within(self.patience, &deleted, "made again", is_made).await;
            cluster.wait_within(self.patience, &self.env.application(&self.name), "settled by heals", is_settled).await;
        };
        self.keeper.during(wait).await;
        self.check_objects(Version::Second).await;
        self.ledger().check_deletes(&[]);
    }

    /// Deletes the Application and checks what goes and what stays.
    pub(crate) async fn delete(&mut self, meanwhile: impl Future<Output = ()>) {
        self.proxy.forget();
        let (cluster, target) = (self.env.cluster(), self.application());
        cluster.delete(&target).await;
        let gone = cluster.wait_within(self.patience, &target, "to be gone", Value::is_null);
        self.keeper.during(async { tokio::join!(gone, meanwhile) }).await;
        let (stay, go): (Vec<_>, Vec<_>) =
            self.workload.objects(Version::Second).into_iter().partition(Workload::stays);
        for object in &go {
            assert_eq!(self.env.cluster().get(object).await, Value::Null, "{object} is left");
        }
        for object in &stay {
            self.check_uid(object).await;
        }
        self.check_uid(&object("v1", "ConfigMap", &self.workload.namespace, "bystander")).await;
        let ledger = self.ledger();
        ledger.check_deletes(&self.paths(&go));
        ledger.check_propagation(self.propagation);
        ledger.check_order_of_deletes();
    }

    /// Removes what is left in the cluster.
    pub(crate) async fn clean_up(self) {
        self.workload.clean_up(self.env.cluster()).await;
        self.env.cluster().delete(&object("v1", "Namespace", "", self.env.namespace())).await;
    }

    fn application(&self) -> ObjectRef {
        self.env.application(&self.name)
    }

    fn paths(&self, objects: &[ObjectRef]) -> Vec<String> {
        objects.iter().map(|object| path_of(self.env.cluster(), object)).collect()
    }

    fn ledger(&self) -> Ledger {
        Ledger::new(self.proxy.writes(), self.workload.waves(self.env.cluster()))
    }

    /// Waits until the last commit is synced and all is healthy, and checks how the Application came there.
    async fn reach(&mut self, versions: Versions, operations: Operations, meanwhile: impl Future<Output = ()>) {
        let commit = self.commits.last().expect("a version is committed").clone();
        let wanted = |app: &Value| {
            is_settled(app)
                && app["status"]["sync"]["revision"] == commit
                && app["status"]["operationState"]["syncResult"]["revision"] == commit
                && app["status"]["health"]["status"] == "Healthy"
        };
        let what = format!("settled and healthy at {commit}");
        let target = self.application();
        let reached = self.env.cluster().wait_within(self.patience, &target, &what, wanted);
        let (app, ()) = self.keeper.during(async { tokio::join!(reached, meanwhile) }).await;
        assert_eq!(history(&app), self.commits, "one entry a revision");
        ledger::check_operation(&app, &commit);
        ledger::check_operations(&versions.until(&app).await, &commit, operations);
        self.ledger().check_applies(operations);
    }

    /// Checks that each object of a version exists, and is the one that was made first.
    async fn check_objects(&mut self, version: Version) {
        for object in self.workload.objects(version) {
            let found = self.env.cluster().get(&object).await;
            assert!(found.is_object() && !is_going(&found), "{object} is lost");
            let first = self.uids.entry(path_of(self.env.cluster(), &object)).or_insert_with(|| uid(&found));
            assert_eq!(uid(&found), *first, "{object} was made again");
        }
    }

    async fn check_uid(&self, object: &ObjectRef) {
        let found = self.env.cluster().get(object).await;
        assert!(found.is_object() && !is_going(&found), "{object} is lost");
        assert_eq!(uid(&found), self.uids[&path_of(self.env.cluster(), object)], "{object} was made again");
    }
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

fn is_going(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}
