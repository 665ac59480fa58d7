//! A scenario that runs: its environment, its daemon, and what each step does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use integration_tests::{DEADLINE, Daemon, Environment, ObjectRef, object};
use kube::api::{DynamicObject, ListParams};
use kube::runtime::watcher::{self, Event, watch_object, watcher};
use serde_json::{Value, json};
use test_kit::FixtureRepo;

use super::format::{Objects, Scenario, Step};
use super::matching::matches;
use super::names::{Names, Own};
use super::recorder::{Change, Record, Recorder};
use super::report::{Failure, report};
use crate::yaml;

/// Where the repository has what scenarios commit.
const PATH: &str = "app";
/// The annotation that holds a fake pod in a phase.
const POD_PHASE: &str = "devcluster/pod";

/// What a scenario runs on.
pub(super) struct Stage {
    /// Dropped first: it shows its log, which is in the environment's directory.
    daemon: Daemon,
    name: String,
    directory: PathBuf,
    env: Environment,
    names: Names,
    repo: FixtureRepo,
    recorder: Recorder,
    /// What `count` steps have said, which is to hold at the end as well.
    counted: BTreeMap<String, usize>,
}

impl Stage {
    /// Makes namespaces and an empty repository, and starts the recorder and the daemon.
    pub(super) async fn set(name: &str, directory: &Path, scenario: &Scenario) -> Self {
        let env = Environment::new(name).await;
        let mut names = Names {
            own: Own {
                work: env.workload_namespace().await,
                work2: env.workload_namespace().await,
                control: env.namespace().to_owned(),
                app: env.unused_namespace(),
            },
            repo: env.git_url(PATH),
            commits: BTreeMap::new(),
            kept: BTreeMap::new(),
            kinds: scenario.kinds.clone(),
        };
        let problem = |e: String| -> String { panic!("scenario {name}: {e}") };
        let mut own = scenario.kinds.clone();
        for kind in &mut own {
            kind.api_version = names.fill(&kind.api_version).unwrap_or_else(problem);
        }
        names.kinds = own;
        let recorder = start_recorder(&env, &names, scenario).await;
        let mut daemon = env.daemon().flag("--log-level", "debug").variable("DRIFTLESS_SYNC_WAVE_DELAY", "0");
        for (flag, value) in &scenario.daemon.flags {
            daemon = daemon.flag(flag, names.fill(value).unwrap_or_else(problem));
        }
        for (variable, value) in &scenario.daemon.variables {
            daemon = daemon.variable(variable, &names.fill(value).unwrap_or_else(problem));
        }
        Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            repo: env.repo(PATH),
            daemon: daemon.start().await,
            recorder,
            names,
            env,
            counted: BTreeMap::new(),
        }
    }

    /// Runs a step.
    ///
    /// # Panics
    /// If it fails, with all that helps to find the reason.
    #[expect(clippy::print_stderr, reason = "a failed test shows how far it came")]
    pub(super) async fn run(&mut self, number: usize, step: &Value) {
        let place = format!("scenario {}, step {number}", self.name);
        eprintln!("{place}: {step}");
        if let Err(failure) = self.perform(step).await {
            self.fail(&place, &failure).await;
        }
    }

    /// Checks again what is to hold at the end, and removes what would be in the way of other tests.
    pub(super) async fn end(mut self, steps: usize) {
        let counted = std::mem::take(&mut self.counted);
        if let Err(failure) = self.check_counts(&counted).await {
            self.fail(&format!("scenario {}, after its {steps} steps", self.name), &failure).await;
        }
        let any = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "");
        let definitions = any.api(self.env.cluster().client()).list(&ListParams::default()).await;
        for definition in definitions.expect("kinds can be listed").items {
            let target = ObjectRef { name: definition.metadata.name.unwrap_or_default(), ..any.clone() };
            if self.names.own.owns(&target) {
                self.env.cluster().delete(&target).await;
            }
        }
    }

    async fn fail(&self, place: &str, failure: &Failure) {
        let records = self.recorder.records();
        panic!("{}", report(place, failure, self.env.cluster(), &self.names.own.control, &records).await);
    }

    async fn perform(&mut self, step: &Value) -> Result<(), Failure> {
        let step = Step::read(&self.names.fill_value(step)?)?;
        match step {
            Step::Commit(directory) => self.commit(&directory)?,
            Step::Apply(file) => self.apply(&file).await?,
            Step::Edit(patches) => self.edit(patches.into_iter().collect()).await?,
            Step::Operation(operations) => self.edit(operations.into_iter().map(requested).collect()).await?,
            Step::Refresh(apps) => self.edit(apps.all().into_iter().map(refreshed).collect()).await?,
            Step::Delete(objects) => {
                for target in self.targets(&objects)? {
                    self.env.cluster().delete(&target).await;
                }
            }
            Step::Release(workload) => self.let_pods(&workload, Value::Null).await?,
            Step::Fail(workload) => self.let_pods(&workload, "failed".into()).await?,
            Step::Kill(_) => self.daemon.kill().await,
            Step::Start(_) => self.daemon.start().await,
            Step::Restart(_) => {
                self.daemon.terminate().await;
                self.daemon.start().await;
            }
            Step::Expect(descriptions) => {
                for (reference, wanted) in &descriptions {
                    self.expect(reference, wanted).await?;
                }
            }
            Step::Gone(objects) => {
                for target in self.targets(&objects)? {
                    self.wait(&target, &Value::Null).await?;
                }
            }
            Step::Still(descriptions) => {
                for (reference, wanted) in &descriptions {
                    self.still(reference, wanted).await?;
                }
            }
            Step::Absent(objects) => {
                for target in objects.all() {
                    self.still(target, &Value::Null).await?;
                }
            }
            Step::Order(entries) => self.check_order(&entries).await?,
            Step::Count(counts) => {
                self.check_counts(&counts).await?;
                self.counted.extend(counts);
            }
        }
        Ok(())
    }

    fn targets(&self, objects: &Objects) -> Result<Vec<ObjectRef>, String> {
        objects.all().into_iter().map(|reference| self.names.object(reference)).collect()
    }

    fn commit(&mut self, directory: &str) -> Result<(), String> {
        if self.repo.path().join(PATH).exists() {
            self.repo.delete(PATH);
        }
        let top = self.directory.join(directory);
        for file in files_below(&top)? {
            let content = std::fs::read_to_string(&file).map_err(|e| format!("read {}: {e}", file.display()))?;
            let below = file.strip_prefix(&top).expect("files are below their directory").display();
            self.repo.write(&format!("{PATH}/{below}"), self.names.fill(&content)?);
        }
        self.names.commits.insert(directory.to_owned(), self.repo.commit(directory));
        Ok(())
    }

    async fn apply(&self, file: &str) -> Result<(), String> {
        let file = self.directory.join(file);
        let text = std::fs::read_to_string(&file).map_err(|e| format!("read {}: {e}", file.display()))?;
        for mut manifest in yaml::documents(self.names.fill(&text)?.as_bytes()) {
            self.names.place(&mut manifest);
            self.env.cluster().apply(&manifest).await;
        }
        Ok(())
    }

    async fn edit(&self, patches: Vec<(String, Value)>) -> Result<(), String> {
        for (reference, patch) in patches {
            self.env.cluster().edit(&self.names.object(&reference)?, &patch).await;
        }
        Ok(())
    }

    /// Waits until a workload has pods, which begin with its name, and sets what holds them.
    async fn let_pods(&self, workload: &str, phase: Value) -> Result<(), String> {
        let workload = self.names.object(workload)?;
        let any = object("v1", "Pod", workload.namespace.as_deref().unwrap_or_default(), "");
        let beginning = format!("{}-", workload.name);
        let is_of = |pod: &DynamicObject| pod.metadata.name.as_ref().is_some_and(|name| name.starts_with(&beginning));
        let client = self.env.cluster().client();
        let mut events = watcher(any.api(client), watcher::Config::default()).boxed();
        let appears = async {
            while let Some(event) = events.next().await {
                if let Ok(Event::InitApply(pod) | Event::Apply(pod)) = event
                    && is_of(&pod)
                {
                    return;
                }
            }
        };
        tokio::time::timeout(DEADLINE, appears).await.map_err(|_| format!("{workload} has no pods"))?;
        let pods = any.api(client).list(&ListParams::default()).await.map_err(|e| format!("list pods: {e}"))?;
        for pod in pods.items.into_iter().filter(is_of) {
            let pod = ObjectRef { name: pod.metadata.name.unwrap_or_default(), ..any.clone() };
            let patch = json!({"metadata": {"annotations": {POD_PHASE: phase}}});
            self.env.cluster().edit(&pod, &patch).await;
        }
        Ok(())
    }

    async fn expect(&mut self, reference: &str, wanted: &Value) -> Result<(), Failure> {
        let target = self.names.object(reference)?;
        let live = self.wait(&target, wanted).await?;
        matches(&live, wanted, &mut self.names.kept).map_err(Failure::from)
    }

    async fn still(&mut self, reference: &str, wanted: &Value) -> Result<(), Failure> {
        let target = self.names.object(reference)?;
        let live = self.env.cluster().get(&target).await;
        let difference = matches(&live, wanted, &mut self.names.kept);
        difference.map_err(|difference| {
            let difference = format!("{reference}{difference}");
            Failure { difference, wanted: wanted.clone(), target: Some(target), live }
        })
    }

    /// Waits on a watch until an object matches, and gives it.
    async fn wait(&self, target: &ObjectRef, wanted: &Value) -> Result<Value, Failure> {
        let mut states = pin!(watch_object(target.api(self.env.cluster().client()), &target.name));
        let (mut live, mut difference) = (Value::Null, ": was not read".to_owned());
        let reached = tokio::time::timeout(DEADLINE, async {
            while let Some(state) = states.next().await {
                match state {
                    Ok(state) => live = json!(state),
                    Err(_) => {
                        // A kind that is not served yet.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        live = self.env.cluster().get(target).await;
                    }
                }
                match matches(&live, wanted, &mut self.names.kept.clone()) {
                    Ok(()) => return true,
                    Err(differs) => difference = differs,
                }
            }
            false
        });
        match reached.await {
            Ok(true) => Ok(live),
            _ => Err(Failure {
                difference: format!("waited {} s: {}/{}{difference}", DEADLINE.as_secs(), target.kind, target.name),
                wanted: wanted.clone(),
                target: Some(target.clone()),
                live,
            }),
        }
    }

    async fn check_order(&self, entries: &[String]) -> Result<(), String> {
        let parsed: Vec<_> = entries.iter().map(|entry| self.entry(entry)).collect::<Result<_, _>>()?;
        let records = self.recorder.wait(|records| in_order(records, &parsed) == parsed.len()).await;
        match in_order(&records, &parsed) {
            all if all == parsed.len() => Ok(()),
            0 => Err(format!("`{}` did not happen", entries[0])),
            some => Err(format!("`{}` did not happen after `{}`", entries[some], entries[some - 1])),
        }
    }

    async fn check_counts(&self, counts: &BTreeMap<String, usize>) -> Result<(), Failure> {
        for (entry, wanted) in counts {
            let (change, pattern) = self.entry(entry)?;
            self.recorder.catch_up(self.env.cluster(), &pattern).await;
            let count = |records: &[Record]| {
                records.iter().filter(|record| record.change == change && record.is_about(&pattern)).count()
            };
            let found = count(&self.recorder.wait(|records| count(records) >= *wanted).await);
            if found != *wanted {
                return Err(format!("`{entry}` happened {found} times, expected {wanted}").into());
            }
        }
        Ok(())
    }

    /// Reads a change of an object, such as `created ConfigMap/a`.
    fn entry(&self, entry: &str) -> Result<(Change, ObjectRef), String> {
        let (change, reference) =
            entry.split_once(' ').ok_or_else(|| format!("{entry}: a change is written as `created Kind/name`"))?;
        Ok((Change::read(change)?, self.names.object(reference)?))
    }
}

async fn start_recorder(env: &Environment, names: &Names, scenario: &Scenario) -> Recorder {
    // Enough to tell kinds, which placeholders are not part of.
    let kinds: BTreeSet<String> =
        scenario.recorded().iter().filter_map(|reference| Some(reference.split_once('/')?.0.to_owned())).collect();
    let kinds: Vec<ObjectRef> =
        kinds.iter().map(|kind| names.object(&format!("{kind}/any")).unwrap_or_else(|e| panic!("{e}"))).collect();
    let own = names.own.clone();
    Recorder::start(env.cluster(), &kinds, move |target| own.owns(target)).await
}

/// Gives how many of the entries happened one after the other.
fn in_order(records: &[Record], entries: &[(Change, ObjectRef)]) -> usize {
    let mut done = 0;
    for record in records {
        if entries.get(done).is_some_and(|(change, pattern)| record.change == *change && record.is_about(pattern)) {
            done += 1;
        }
    }
    done
}

/// Gives the patch that requests an operation.
fn requested((app, mut operation): (String, Value)) -> (String, Value) {
    if operation["initiatedBy"].is_null() {
        operation["initiatedBy"] = json!({"username": "jane"});
    }
    (app, json!({"operation": operation, "status": {"operationState": null}}))
}

/// Gives the patch that requests a refresh.
fn refreshed(app: &str) -> (String, Value) {
    (app.to_owned(), json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}))
}

/// Gives the files of a directory and those below it.
fn files_below(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let problem = |e: std::io::Error| format!("list {}: {e}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
