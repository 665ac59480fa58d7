//! From objects to an ordered list of tasks (Argo CD semantics, section 2.3).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kube_object::ObjectKey;

use application_api::{ResourceResult, SyncOperation, SyncPhase};

use crate::hooks::PlanHook;
use crate::kind_order;
use crate::plan::{KindState, PlanLive, PlanResource, Postponed, PruneOrder, SyncInput};

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    CreateNamespace,
    Apply,
    Prune,
    Hook,
}

/// Phase and wave of a task: tasks of one place run together, places one after the other.
pub(crate) type Place = (u8, i64);

/// One object's part in an operation.
#[derive(Clone, Debug)]
pub(crate) struct Task<'a> {
    pub(crate) key: &'a ObjectKey,
    pub(crate) kind: TaskKind,
    pub(crate) phase: SyncPhase,
    pub(crate) wave: i64,
    /// The object; none for the namespace task and for hooks.
    pub(crate) resource: Option<&'a PlanResource>,
    /// The hook, if it is one.
    pub(crate) hook: Option<&'a PlanHook>,
    /// Where the list of results has the task's result.
    pub(crate) result: Option<usize>,
}

impl<'a> Task<'a> {
    pub(crate) fn place(&self) -> Place {
        (phase_rank(&self.phase), self.wave)
    }

    /// Returns the version that results of the task name.
    pub(crate) fn version(&self) -> &'a str {
        let hook = self.hook.map(|hook| hook.version.as_str());
        self.resource.map(|resource| resource.version.as_str()).or(hook).unwrap_or("v1")
    }

    /// Returns the images that results of the task name.
    pub(crate) fn images(&self) -> &'a [String] {
        let target = self.resource.and_then(|resource| resource.target.as_ref());
        target
            .map(|target| target.images.as_slice())
            .or(self.hook.map(|hook| hook.images.as_slice()))
            .unwrap_or_default()
    }

    /// Returns the live object.
    pub(crate) fn live(&self) -> Option<&'a PlanLive> {
        self.resource.and_then(|resource| resource.live.as_ref()).or(self.hook.and_then(|hook| hook.live.as_ref()))
    }

    /// Returns what the task waits for, if the API server could not call a webhook for it.
    pub(crate) fn postponed(&self) -> Option<&'a Postponed> {
        let of_resource = self.resource.and_then(|resource| resource.postponed.as_ref());
        of_resource.or(self.hook.and_then(|hook| hook.postponed.as_ref()))
    }

    /// Returns whether the kind is served.
    pub(crate) fn kind_state(&self) -> KindState {
        self.resource.map(|resource| resource.kind).or(self.hook.map(|hook| hook.kind)).unwrap_or_default()
    }
}

/// Builds the tasks of an operation in the order they run.
pub(crate) fn tasks<'a>(input: &'a SyncInput, operation: &SyncOperation, results: &[ResourceResult]) -> Vec<Task<'a>> {
    let recorded: HashMap<ResultKey<'_>, usize> =
        results.iter().enumerate().map(|(at, result)| (ResultKey::of(result), at)).collect();
    let mut seen: HashSet<&ObjectKey> = HashSet::new();
    let mut tasks: Vec<Task<'a>> = input
        .resources
        .iter()
        .filter(|resource| is_selected(operation, resource) && seen.insert(&resource.key))
        .filter_map(task_of)
        .collect();
    // What is a hook in Git is no object that left it.
    tasks.retain(|task| task.kind != TaskKind::Prune || !input.hooks.iter().any(|hook| hook.key == *task.key));
    if runs_hooks(operation) {
        tasks.extend(input.hooks.iter().map(hook_task));
    }
    invert_prune_waves(&mut tasks);
    move_prunes_last(&mut tasks, input);
    if let Some(namespace) = &input.create_namespace {
        let (kind, phase) = (TaskKind::CreateNamespace, SyncPhase::PreSync);
        // Once it exists, it is a task only as far as this operation has made it.
        if !namespace.exists || recorded.contains_key(&ResultKey::new(&namespace.key, &phase)) {
            // Hooks live in it, those of negative waves too.
            let wave = tasks.iter().filter(|task| task.phase == phase).map(|task| task.wave).min().unwrap_or(0).min(0);
            tasks.push(Task { key: &namespace.key, kind, phase, wave, resource: None, hook: None, result: None });
        }
    }
    tasks.sort_by(|a, b| order(a).cmp(&order(b)));
    move_namespaces_first(&mut tasks);
    move_definitions_first(&mut tasks);
    for task in &mut tasks {
        task.result = recorded.get(&ResultKey::new(task.key, &task.phase)).copied();
    }
    tasks
}

/// What a result is found by: object and phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ResultKey<'a> {
    object: (&'a str, &'a str, &'a str, &'a str),
    phase: Option<&'a SyncPhase>,
}

impl<'a> ResultKey<'a> {
    pub(crate) fn new(key: &'a ObjectKey, phase: &'a SyncPhase) -> Self {
        Self { object: (&key.group, &key.kind, &key.namespace, &key.name), phase: Some(phase) }
    }

    pub(crate) fn of(result: &'a ResourceResult) -> Self {
        let object = (&*result.group, &*result.kind, &*result.namespace, &*result.name);
        Self { object, phase: result.sync_phase.as_ref() }
    }
}

/// Tells whether an operation takes an object in; nothing selected means everything.
pub fn is_selected(operation: &SyncOperation, resource: &PlanResource) -> bool {
    let ObjectKey { group, kind, namespace, name, .. } = &resource.key;
    operation.resources.is_empty()
        || operation.resources.iter().any(|selected| selected.selects(group, kind, namespace, name))
}

/// Makes the task of an object; none when neither Git nor the cluster has it.
fn task_of(resource: &PlanResource) -> Option<Task<'_>> {
    let (kind, wave) = match (&resource.target, &resource.live) {
        (Some(target), _) => (TaskKind::Apply, target.wave),
        (None, Some(live)) => (TaskKind::Prune, live.wave),
        (None, None) => return None,
    };
    let phase = SyncPhase::Sync;
    Some(Task { key: &resource.key, kind, phase, wave, resource: Some(resource), hook: None, result: None })
}

fn hook_task(hook: &PlanHook) -> Task<'_> {
    let (kind, phase) = (TaskKind::Hook, hook.phase.clone());
    Task { key: &hook.key, kind, phase, wave: hook.wave, resource: None, hook: Some(hook), result: None }
}

/// Tells whether an operation runs hooks: not when objects are selected, nor with the strategy `apply`.
pub(crate) fn runs_hooks(operation: &SyncOperation) -> bool {
    operation.resources.is_empty() && operation.sync_strategy.is_none_or(|strategy| strategy.apply.is_none())
}

pub(crate) fn phase_rank(phase: &SyncPhase) -> u8 {
    match phase {
        SyncPhase::PreSync => 0,
        SyncPhase::Sync => 1,
        SyncPhase::PostSync => 2,
        _ => 3,
    }
}

fn order<'a>(task: &Task<'a>) -> (u8, i64, usize, &'a str, &'a str) {
    let (phase, wave) = task.place();
    (phase, wave, kind_order::rank(&task.key.kind), &task.key.name, &task.key.namespace)
}

/// Swaps the waves that prunes use pairwise, first with last, so that what was made last goes first.
fn invert_prune_waves(tasks: &mut [Task<'_>]) {
    let waves: BTreeSet<i64> = tasks.iter().filter(|task| task.kind == TaskKind::Prune).map(|task| task.wave).collect();
    let swapped: BTreeMap<i64, i64> = waves.iter().copied().zip(waves.iter().rev().copied()).collect();
    for task in tasks.iter_mut().filter(|task| task.kind == TaskKind::Prune) {
        task.wave = swapped[&task.wave];
    }
}

fn move_prunes_last(tasks: &mut [Task<'_>], input: &SyncInput) {
    let in_sync = tasks.iter().filter(|task| task.phase == SyncPhase::Sync);
    let last = in_sync.map(|task| task.wave).max().unwrap_or(0).max(0).saturating_add(1);
    for task in tasks.iter_mut().filter(|task| task.kind == TaskKind::Prune) {
        let own = task
            .resource
            .and_then(|resource| resource.live.as_ref())
            .map_or(PruneOrder::InWave, |live| live.prune_last);
        if own == PruneOrder::Last || input.prune_last == PruneOrder::Last {
            task.wave = last;
        }
    }
}

/// Moves a Namespace before the first task that lives in it; it inherits that task's phase and wave.
fn move_namespaces_first(tasks: &mut Vec<Task<'_>>) {
    let is_namespace =
        |task: &Task<'_>| task.kind == TaskKind::Apply && task.key.group.is_empty() && task.key.kind == "Namespace";
    move_dependencies_first(tasks, is_namespace, |namespace, task| task.key.namespace == namespace.key.name);
}

/// Moves a CustomResourceDefinition before the first object of its kind; it inherits that task's phase and wave.
fn move_definitions_first(tasks: &mut Vec<Task<'_>>) {
    let is_definition = |task: &Task<'_>| {
        task.resource.and_then(|resource| resource.target.as_ref()).is_some_and(|target| target.defines.is_some())
    };
    move_dependencies_first(tasks, is_definition, |definition, task| defines(definition, task.key));
}

fn move_dependencies_first<'a>(
    tasks: &mut Vec<Task<'a>>,
    is_dependency: impl Fn(&Task<'a>) -> bool,
    needs: impl Fn(&Task<'a>, &Task<'a>) -> bool,
) {
    let mut at = 0;
    while at < tasks.len() {
        if is_dependency(&tasks[at])
            && let Some(first) = tasks[..at].iter().position(|task| needs(&tasks[at], task))
        {
            let mut dependency = tasks.remove(at);
            dependency.phase = tasks[first].phase.clone();
            dependency.wave = tasks[first].wave;
            tasks.insert(first, dependency);
        }
        at += 1;
    }
}

/// Tells whether a task defines a kind.
pub(crate) fn defines(task: &Task<'_>, key: &ObjectKey) -> bool {
    let target = task.resource.and_then(|resource| resource.target.as_ref());
    let defined = target.and_then(|target| target.defines.as_ref());
    defined.is_some_and(|(group, kind)| key.group == *group && key.kind == *kind)
}

/// Says why a task cannot run at all, if so.
pub(crate) fn refusal(task: &Task<'_>) -> Option<String> {
    let unknown = task.kind_state() == KindState::Unknown && matches!(task.kind, TaskKind::Apply | TaskKind::Hook);
    let refused = task.resource.and_then(|resource| resource.refusal.as_ref());
    let refused = refused.or(task.hook.and_then(|hook| hook.refusal.as_ref()));
    refused.cloned().or_else(|| unknown.then(|| unknown_kind(task.key)))
}

fn unknown_kind(key: &ObjectKey) -> String {
    let ObjectKey { group, kind, namespace, name, .. } = key;
    format!(
        "The Kubernetes API could not find {group}/{kind} for requested resource {namespace}/{name}. Make sure the \"{kind}\" CRD is \
         installed on the destination cluster."
    )
}
