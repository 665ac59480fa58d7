//! An operation, step by step, on a model of the cluster that answers actions; it can be killed at any moment.

use application_api::{
    Operation, OperationPhase, OperationState, PropagationPolicy, ResourceResult, RetryStrategy, SyncOperation,
    SyncOperationResource, SyncOperationResult,
};
use jiff::{SignedDuration, Timestamp};
use kube_object::{ObjectKey, Time};

use super::hook_items::HookItem;
use super::model::{Item, key};
use crate::plan::*;
use crate::{PruneGuard, RetryState, begin_retry, record, retry_state, step};

pub(super) const START: Timestamp = Timestamp::constant(1_767_268_800, 0);

/// An operation on a model of the cluster.
#[derive(Clone, Debug)]
pub(super) struct Sim {
    pub(super) items: Vec<Item>,
    pub(super) hooks: Vec<HookItem>,
    pub(super) input: SyncInput,
    pub(super) namespace_error: Option<&'static str>,
    /// The state in the daemon's memory.
    pub(super) state: OperationState,
    /// The state in the Application.
    pub(super) stored: OperationState,
    pub(super) now: Timestamp,
    /// What happened, a line each.
    pub(super) lines: Vec<String>,
    /// Times at which the daemon is killed: numbers of writes and actions, from 0.
    pub(super) kills: Vec<usize>,
    /// Writes and actions so far.
    pub(super) events: usize,
}

/// Starts a sync with prune of these objects.
pub(super) fn sync(items: impl IntoIterator<Item = Item>) -> Sim {
    let sync = SyncOperation { prune: true, ..SyncOperation::default() };
    let state = OperationState {
        operation: Operation { sync: Some(sync), ..Operation::default() },
        phase: OperationPhase::Running,
        message: String::new(),
        sync_result: Some(SyncOperationResult { revision: "abc".to_owned(), ..SyncOperationResult::default() }),
        started_at: Time::new(START),
        finished_at: None,
        retry_count: 0,
    };
    let input = SyncInput {
        resources: Vec::new(),
        hooks: Vec::new(),
        create_namespace: None,
        prune_default: PruneRule::Allowed,
        prune_last: PruneOrder::InWave,
        propagation: PropagationPolicy::Foreground,
        wave_delay_seconds: 2,
        last_action_at: None,
        guard: PruneGuard::default(),
        preflight: Preflight::Off,
        shared: Vec::new(),
    };
    Sim {
        items: items.into_iter().collect(),
        hooks: Vec::new(),
        input,
        namespace_error: None,
        stored: state.clone(),
        state,
        now: START,
        lines: Vec::new(),
        kills: Vec::new(),
        events: 0,
    }
}

impl Sim {
    pub(super) fn input(mut self, change: impl FnOnce(&mut SyncInput)) -> Self {
        change(&mut self.input);
        self
    }

    pub(super) fn operation(mut self, change: impl FnOnce(&mut SyncOperation)) -> Self {
        change(self.state.operation.sync.as_mut().unwrap());
        self.stored = self.state.clone();
        self
    }

    pub(super) fn hooks(mut self, hooks: impl IntoIterator<Item = HookItem>) -> Self {
        self.hooks = hooks.into_iter().collect();
        self
    }

    pub(super) fn dry_run(self) -> Self {
        self.operation(|sync| sync.dry_run = true)
    }

    pub(super) fn selects(self, selected: &[&str]) -> Self {
        let resources = selected.iter().map(|text| {
            let ObjectKey { group, kind, namespace, name, .. } = key(text);
            SyncOperationResource { group, kind, name, namespace }
        });
        self.operation(|sync| sync.resources = resources.collect())
    }

    pub(super) fn retry(mut self, limit: i64) -> Self {
        self.state.operation.retry = RetryStrategy { limit: Some(limit), ..RetryStrategy::default() };
        self.stored = self.state.clone();
        self
    }

    pub(super) fn creates_namespace(self, name: &str) -> Self {
        let key = key(&format!("Namespace/{name}"));
        self.input(|input| input.create_namespace = Some(NamespaceTask { key, exists: false }))
    }

    /// Somebody asks for its end.
    pub(super) fn terminate(&mut self) {
        self.state.phase = OperationPhase::Terminating;
        self.stored.phase = OperationPhase::Terminating;
    }

    /// What a pass is decided from.
    pub(super) fn plan(&self) -> SyncInput {
        let known = self.items.iter().map(|item| &item.resource);
        let resources =
            known.filter(|resource| resource.target.is_some() || resource.live.is_some()).cloned().collect();
        let hooks = self.hooks.iter().flat_map(HookItem::plan).collect();
        SyncInput { resources, hooks, ..self.input.clone() }
    }

    /// Decides the next step without doing anything about it.
    pub(super) fn step(&self) -> SyncStep {
        step(&self.plan(), &self.state, self.now)
    }

    /// Runs to the end, or until nothing more happens.
    pub(super) fn run(mut self) -> Self {
        for _ in 0..10_000 {
            if !self.advance() {
                return self;
            }
        }
        panic!("it does not end: {:#?}", self.lines);
    }

    /// Makes one pass and does what it says; tells whether there is more to come.
    pub(super) fn advance(&mut self) -> bool {
        self.begin_due_retry();
        let plan = self.plan();
        let next = step(&plan, &self.state, self.now);
        let ended = next.next.phase.is_completed();
        self.state = next.next;
        if (next.actions.is_empty() || next.persist == Persist::First) && self.killed_at_write() {
            return true;
        }
        if ended {
            self.say(format!("{}: {}", self.state.phase, self.state.message));
        } else if self.state.finished_at.is_some() {
            let at = next.wake_at.expect("a retry has its time");
            let wait = at.duration_since(self.state.finished_at.unwrap().timestamp());
            self.say(format!("retry {}s: {}", wait.as_secs(), self.state.message));
        } else if next.actions.is_empty() {
            self.say(self.state.message.clone());
            if !self.wait(next.wake_at) {
                self.say("stays so".to_owned());
                return false;
            }
        } else {
            self.act(&plan, next.actions, next.persist);
        }
        !ended
    }

    fn begin_due_retry(&mut self) {
        if let RetryState::WaitingUntil(at) = retry_state(&self.state, self.now) {
            self.now = at;
        }
        if retry_state(&self.state, self.now) == RetryState::Due {
            let revision = "abc".to_owned();
            self.state = begin_retry(self.state.clone());
            self.state.sync_result = Some(SyncOperationResult { revision, ..SyncOperationResult::default() });
            self.input.last_action_at = None;
            self.forget_preflight();
        }
    }

    fn forget_preflight(&mut self) {
        if let Preflight::On { done } = &mut self.input.preflight {
            *done = None;
        }
    }

    fn say(&mut self, line: String) {
        if self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
    }

    /// Lets time go on until the wake-up or an event; tells whether there was one.
    fn wait(&mut self, wake_at: Option<Timestamp>) -> bool {
        let soon = self.now + SignedDuration::from_secs(5);
        match wake_at {
            Some(at) if at <= soon => {
                self.now = at;
                true
            }
            _ => {
                self.now = soon;
                // Every object goes on, not only the first that changes.
                let items = self.items.iter_mut().map(Item::tick).fold(false, |any, one| any | one);
                let hooks = self.hooks.iter_mut().map(HookItem::tick).fold(false, |any, one| any | one);
                items || hooks || wake_at.is_some()
            }
        }
    }

    fn act(&mut self, plan: &SyncInput, actions: Vec<ClusterAction>, persist: Persist) {
        let mut said: Vec<String> = actions.iter().map(describe).collect();
        if persist == Persist::First {
            said.insert(0, "store".to_owned());
        }
        self.say(said.join(", "));
        let mut outcomes = Vec::new();
        for action in actions {
            if self.is_killed() {
                return;
            }
            let result = self.perform(&action);
            outcomes.push(ActionOutcome { action, result });
            if self.is_killed() {
                return;
            }
        }
        self.note_preflight(&outcomes);
        self.now += SignedDuration::from_millis(100);
        self.input.last_action_at = Some(self.now);
        self.state = record(plan, self.state.clone(), &outcomes);
    }

    fn note_preflight(&mut self, outcomes: &[ActionOutcome]) {
        if let Some(done) = crate::tried_phase(outcomes) {
            self.input.preflight = Preflight::On { done: Some(done) };
        }
    }

    fn perform(&mut self, action: &ClusterAction) -> ActionResult {
        if let ClusterAction::CreateNamespace { .. } = action {
            if let Some(error) = self.namespace_error {
                return ActionResult::Failed(error.to_owned());
            }
            self.input.create_namespace.as_mut().unwrap().exists = true;
            return ActionResult::Done("created".to_owned());
        }
        if let Some(hook) = self.hooks.iter_mut().find(|hook| hook.is_acted_on_by(action)) {
            return hook.perform(action);
        }
        let item = self.items.iter_mut().find(|item| item.resource.key == *action.key()).unwrap();
        if item.stale > 0 {
            item.stale -= 1;
            return ActionResult::Stale;
        }
        if let Some(error) = item.error {
            return ActionResult::Failed(error.to_owned());
        }
        match action {
            ClusterAction::Apply { mode: RunMode::Real, .. } => item.apply(),
            ClusterAction::Prune { mode: RunMode::Real, .. } if item.resource.live.is_none() => {
                return ActionResult::AlreadyGone;
            }
            ClusterAction::Prune { mode: RunMode::Real, .. } => item.delete(),
            _ => {}
        }
        ActionResult::Done("serverside-applied".to_owned())
    }

    /// Stores the state; tells whether the daemon was killed right before or after.
    fn killed_at_write(&mut self) -> bool {
        if self.is_killed() {
            return true;
        }
        // The API server keeps what JSON says.
        self.stored = self.state.clone();
        self.is_killed()
    }

    /// Counts a moment; when the daemon is killed then, another one goes on from what is stored.
    fn is_killed(&mut self) -> bool {
        let killed = self.kills.contains(&self.events);
        self.events += 1;
        if killed {
            self.state = self.stored.clone();
            self.input.last_action_at = None;
            self.forget_preflight();
            // It takes a while until another daemon is there.
            self.now += SignedDuration::from_secs(3);
        }
        killed
    }

    /// Results, a line each.
    pub(super) fn results(&self) -> Vec<String> {
        results(&self.state).iter().map(describe_result).collect()
    }
}

pub(super) fn results(state: &OperationState) -> &[ResourceResult] {
    state.sync_result.as_ref().map_or(&[], |result| &result.resources)
}

fn describe_result(result: &ResourceResult) -> String {
    let ResourceResult { kind, name, status, hook_phase, message, .. } = result;
    let (status, phase) = (status.as_ref().unwrap(), hook_phase.as_ref().unwrap());
    format!("{kind}/{name} {status} {phase}: {message}")
}

fn describe(action: &ClusterAction) -> String {
    let (verb, mode) = match action {
        ClusterAction::Apply { mode, .. } => ("apply", *mode),
        ClusterAction::CreateNamespace { .. } => ("create", RunMode::Real),
        ClusterAction::Prune { mode, .. } => ("prune", *mode),
        ClusterAction::RunHook { mode, .. } => ("run", *mode),
        ClusterAction::ReleaseHook { .. } => ("release", RunMode::Real),
        ClusterAction::DeleteHook { .. } => ("delete", RunMode::Real),
    };
    let dry = match mode {
        RunMode::Real => "",
        RunMode::DryRun => "dry-run ",
        RunMode::Preflight => "try ",
    };
    format!("{dry}{verb} {}/{}", action.key().kind, action.key().name)
}

/// Runs an operation and compares what happened with what is expected to.
#[track_caller]
pub(super) fn check(sim: Sim, expected: &[&str]) -> Sim {
    let sim = sim.run();
    assert_eq!(sim.lines, expected, "{:#?}", sim.results());
    sim
}
