//! An Application that gets bad input, the victim, beside one that does not, the bystander.

use std::cell::Cell;
use std::time::{Duration, Instant};

use integration_tests::{ApiProxy, ApiRequest, Daemon, Environment, ObjectRef, listed, object};
use serde_json::{Value, json};
use test_kit::{AppBuilder, FixtureRepo, application, config_map};

use crate::reading::{conditions, message, phase, tracking_id, wait_settled};
use crate::versions::Versions;

/// Where the bystander's manifests are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BystanderIn {
    /// In the victim's repository, so that its commits are on top of bad ones.
    SameRepository,
    /// In one of its own.
    OwnRepository,
}

/// What is there before the daemon starts.
pub(crate) struct Prepared {
    pub(crate) env: Environment,
    /// The repository of the victim.
    pub(crate) repo: FixtureRepo,
    own: Option<FixtureRepo>,
    /// The namespace of the victim's objects.
    pub(crate) work: String,
    /// The namespace of the bystander's object.
    pub(crate) calm: String,
}

/// Both Applications, synced, and all that a test needs to make the victim's input bad and see what comes of it.
pub(crate) struct Stage {
    pub(crate) env: Environment,
    pub(crate) repo: FixtureRepo,
    own: Option<FixtureRepo>,
    pub(crate) work: String,
    pub(crate) calm: String,
    pub(crate) recorder: ApiProxy,
    pub(crate) daemon: Daemon,
    pub(crate) victim: String,
    pub(crate) bystander: String,
    /// The victim's objects as they were when all was well.
    good: Vec<Value>,
    clock: Versions,
    rounds: Cell<u32>,
}

/// What the victim's objects are made of, at a version.
fn settings(version: &str) -> String {
    config_map("settings", &[("version", version)]).to_string()
}

impl Prepared {
    /// Makes repositories and namespaces; the name of the test makes them its own.
    pub(crate) async fn new(name: &str, bystander: BystanderIn) -> Self {
        let env = Environment::new(name).await;
        let repo = env.repo("app");
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
        repo.write("victim/README.md", "manifests\n")
            .write("victim/settings.json", settings("one"))
            .write("victim/retired.json", config_map("retired", &[]).to_string())
            .write("victim/web.json", service.to_string());
        let own = (bystander == BystanderIn::OwnRepository).then(|| env.repo("own"));
        own.as_ref().unwrap_or(&repo).write("bystander/clock.json", clock("0")).commit("bystander");
        repo.commit("one");
        let (work, calm) = (env.workload_namespace().await, env.workload_namespace().await);
        Self { env, repo, own, work, calm }
    }

    /// Starts the daemon and waits until both Applications are synced; `refine` has the last word on the victim.
    pub(crate) async fn start(self, refine: impl FnOnce(AppBuilder) -> AppBuilder) -> Stage {
        let Self { env, repo, own, work, calm } = self;
        let recorder = ApiProxy::start(&env).await;
        let daemon = env
            .daemon()
            .flag("--kubeconfig", recorder.kubeconfig())
            .flag("--reconciliation-timeout", "1s")
            .variable("DRIFTLESS_REPO_ERROR_GRACE_PERIOD", "0")
            .start()
            .await;
        let (victim, bystander) = (env.app_name("victim"), env.app_name("bystander"));
        let app = |name: &str, repo: &str, path: &str, namespace: &str| {
            let app = application(name).in_namespace(env.namespace()).source(&env.git_url(repo), path);
            app.destination(namespace).prune().self_heal()
        };
        env.cluster().apply(&refine(app(&victim, "app", "victim", &work)).build()).await;
        let its_repo = if own.is_some() { "own" } else { "app" };
        env.cluster().apply(&app(&bystander, its_repo, "bystander", &calm).build()).await;
        wait_settled(&env, &victim, &repo.head()).await;
        wait_settled(&env, &bystander, &own.as_ref().unwrap_or(&repo).head()).await;
        let mut good = Vec::new();
        for (kind, name) in [("ConfigMap", "settings"), ("ConfigMap", "retired"), ("Service", "web")] {
            good.push(env.cluster().get(&object("v1", kind, &work, name)).await);
        }
        let clock = Versions::follow(env.cluster(), &object("v1", "ConfigMap", &calm, "clock")).await;
        recorder.forget();
        let rounds = Cell::new(0);
        Stage { env, repo, own, work, calm, recorder, daemon, victim, bystander, good, clock, rounds }
    }
}

impl Stage {
    /// Prepares and starts with nothing special about the victim.
    pub(crate) async fn set(name: &str, bystander: BystanderIn) -> Self {
        Prepared::new(name, bystander).await.start(|app| app).await
    }

    /// Writes a change of an object and the removal of another: neither may come through while the input is bad.
    pub(crate) fn change(&self, version: &str) -> &FixtureRepo {
        self.repo.write("victim/settings.json", settings(version));
        if self.repo.path().join("victim/retired.json").exists() {
            self.repo.delete("victim/retired.json");
        }
        &self.repo
    }

    /// Changes the victim's spec by a merge patch.
    pub(crate) async fn edit_spec(&self, spec: Value) {
        self.env.cluster().edit(&self.env.application(&self.victim), &json!({"spec": spec})).await;
    }

    /// Waits until the only message of a type of condition is as expected, and gives the victim.
    pub(crate) async fn wait_condition(&self, kind: &str, expected: &str) -> Value {
        let told = |app: &Value| conditions(app, kind) == [expected];
        self.env.wait_app(&self.victim, &format!("{kind}: {expected}"), told).await
    }

    /// Waits until the victim's manifests cannot be read for this reason.
    pub(crate) async fn wait_unreadable(&self, reason: &str) -> Value {
        let expected = format!("Failed to load target state: failed to generate manifest for source 1 of 1: {reason}");
        let app = self.wait_condition("ComparisonError", &expected).await;
        assert_eq!(app["status"]["sync"]["status"], "Unknown", "{app:#}");
        app
    }

    /// Waits until the message of the victim's operation starts with this, in this phase, and gives the victim.
    pub(crate) async fn wait_operation(&self, wanted: &str, start: &str) -> Value {
        let told = |app: &Value| phase(app) == wanted && message(app).starts_with(start);
        self.env.wait_app(&self.victim, &format!("an operation {wanted} with message {start}"), told).await
    }

    /// Commits to the bystander; gives the time from the answer of a refresh to its object's change.
    pub(crate) async fn round(&self) -> Duration {
        self.rounds.set(self.rounds.get() + 1);
        let round = self.rounds.get().to_string();
        let repo = self.own.as_ref().unwrap_or(&self.repo);
        let commit = repo.write("bystander/clock.json", clock(&round)).commit(&round);
        self.env.refresh(&self.bystander, "normal").await;
        let begun = Instant::now();
        self.clock.wait(&format!("round {round}"), |clock| clock["data"]["round"] == round.as_str()).await;
        let took = begun.elapsed();
        wait_settled(&self.env, &self.bystander, &commit).await;
        took
    }

    /// Commits to the bystander again and again while something goes on, once at least; gives what came of it and the times.
    pub(crate) async fn rounds_during<T>(&self, what: impl Future<Output = T>) -> (T, Vec<Duration>) {
        let ended = Cell::new(false);
        let watched = async {
            let outcome = what.await;
            ended.set(true);
            outcome
        };
        let rounds = async {
            let mut times = Vec::new();
            while !ended.get() {
                times.push(self.round().await);
            }
            times
        };
        futures::join!(watched, rounds)
    }

    /// Asserts that the victim's objects are what they were and that no write came near them, before and after the bystander gets
    /// a commit; `but` names objects that a sync may apply although another object of it is bad.
    pub(crate) async fn assert_unharmed(&self, but: &[&str]) {
        self.assert_untouched(but).await;
        let took = self.round().await;
        tell(&format!("{}: the bystander got its commit after {} ms", self.victim, took.as_millis()));
        self.assert_untouched(but).await;
    }

    async fn assert_untouched(&self, but: &[&str]) {
        for before in &self.good {
            let live = self.env.cluster().get(&ObjectRef::of(before)).await;
            let name = before["metadata"]["name"].as_str().unwrap_or_default();
            if but.contains(&name) {
                assert_eq!(live["metadata"]["uid"], before["metadata"]["uid"], "{name}");
            } else {
                assert_eq!(&live, before, "{name}");
            }
        }
        let writes = self.writes();
        let applied = |write: &ApiRequest| write.status < 300 && write.method != "DELETE";
        let harmless =
            |write: &ApiRequest| applied(write) && but.iter().any(|name| ends_in(write, name)) || write.status >= 400;
        assert!(writes.iter().all(harmless), "{}", listed(&writes));
    }

    /// Gives what was written to objects outside the control plane and the bystander's namespace.
    pub(crate) fn writes(&self) -> Vec<ApiRequest> {
        let (control, calm) = (format!("/namespaces/{}/", self.env.namespace()), format!("/namespaces/{}/", self.calm));
        let elsewhere = |write: &ApiRequest| !write.path.contains(&control) && !write.path.contains(&calm);
        self.recorder.writes().into_iter().filter(elsewhere).collect()
    }

    /// Waits until the victim has synced a commit, in which `settings` has version `two` and `retired` is gone, and asserts
    /// that this took one request an object; `more` names further objects that it brought. To be called after
    /// [`ApiProxy::forget`] and the end of the cause.
    pub(crate) async fn assert_recovers(&self, revision: &str, more: &[&str]) -> Value {
        let app = wait_settled(&self.env, &self.victim, revision).await;
        assert_eq!(app["status"]["conditions"], Value::Null, "{app:#}");
        let live = |name: &str| object("v1", "ConfigMap", &self.work, name);
        self.env.cluster().wait_gone(&live("retired")).await;
        let settings = self.env.cluster().get(&live("settings")).await;
        assert_eq!(settings["data"], json!({"version": "two"}));
        assert_eq!(settings["metadata"]["uid"], self.good[0]["metadata"]["uid"]);
        assert_eq!(tracking_id(&settings), tracking_id(&self.good[0]));
        assert_eq!(self.env.cluster().get(&ObjectRef::of(&self.good[2])).await, self.good[2]);
        let writes = self.writes();
        let mut done: Vec<String> = writes
            .iter()
            .map(|write| format!("{} {}", write.method, write.path.rsplit('/').next().unwrap_or_default()))
            .collect();
        done.sort();
        let mut expected: Vec<String> = ["settings"].iter().chain(more).map(|name| format!("PATCH {name}")).collect();
        expected.push("DELETE retired".to_owned());
        expected.sort();
        assert_eq!(done, expected, "{}", listed(&writes));
        app
    }
}

fn ends_in(write: &ApiRequest, name: &str) -> bool {
    write.path.rsplit('/').next() == Some(name)
}

fn clock(round: &str) -> String {
    config_map("clock", &[("round", round)]).to_string()
}

/// Tells a person who asked for the output what was measured.
#[expect(clippy::print_stderr, reason = "numbers are for people; no test depends on them")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}

/// Shows times in milliseconds.
pub(crate) fn millis(times: &[Duration]) -> String {
    let times: Vec<String> = times.iter().map(|time| time.as_millis().to_string()).collect();
    format!("{} ms", times.join(", "))
}
