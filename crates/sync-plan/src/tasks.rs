//! From objects to an ordered list of tasks (Argo CD semantics, section 2.3).

use std::collections::{BTreeMap, BTreeSet};

use kube_object::ObjectKey;

use application_api::{ResourceResult, ResultCode, SyncOperation, SyncPhase};

use crate::kind_order;
use crate::plan::{KindState, PlanResource, PruneOrder, SyncInput};

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    CreateNamespace,
    Apply,
    Prune,
}

/// One object's part in an operation.
#[derive(Clone, Debug)]
pub(crate) struct Task<'a> {
    pub(crate) key: &'a ObjectKey,
    pub(crate) kind: TaskKind,
    pub(crate) phase: SyncPhase,
    pub(crate) wave: i64,
    /// The object; none for the namespace task.
    pub(crate) resource: Option<&'a PlanResource>,
    /// What was recorded in this operation.
    pub(crate) result: Option<&'a ResourceResult>,
}

impl Task<'_> {
    pub(crate) fn place(&self) -> (u8, i64) {
        (phase_rank(&self.phase), self.wave)
    }

    pub(crate) fn failed(&self) -> bool {
        self.result.is_some_and(|result| result.status == Some(ResultCode::SyncFailed))
    }
}

/// Builds the tasks of an operation in the order they run.
pub(crate) fn tasks<'a>(
    input: &'a SyncInput,
    operation: &SyncOperation,
    results: &'a [ResourceResult],
) -> Vec<Task<'a>> {
    let mut tasks: Vec<Task<'a>> =
        input.resources.iter().filter(|resource| is_selected(operation, resource)).map(task_of).collect();
    invert_prune_waves(&mut tasks);
    move_prunes_last(&mut tasks, input);
    if let Some(namespace) = &input.create_namespace
        && (!namespace.exists || recorded(results, &namespace.key, &SyncPhase::PreSync).is_some())
    {
        let (kind, phase) = (TaskKind::CreateNamespace, SyncPhase::PreSync);
        tasks.push(Task { key: &namespace.key, kind, phase, wave: 0, resource: None, result: None });
    }
    tasks.sort_by(|a, b| order(a).cmp(&order(b)));
    move_namespaces_first(&mut tasks);
    move_definitions_first(&mut tasks);
    for task in &mut tasks {
        task.result = recorded(results, task.key, &task.phase);
    }
    tasks
}

/// Finds the result of an object in a phase.
pub(crate) fn recorded<'a>(
    results: &'a [ResourceResult],
    key: &ObjectKey,
    phase: &SyncPhase,
) -> Option<&'a ResourceResult> {
    results.iter().find(|result| {
        result.group == key.group
            && result.kind == key.kind
            && result.namespace == key.namespace
            && result.name == key.name
            && result.sync_phase.as_ref() == Some(phase)
    })
}

/// Tells whether an operation takes an object in; nothing selected means everything.
pub fn is_selected(operation: &SyncOperation, resource: &PlanResource) -> bool {
    let ObjectKey { group, kind, namespace, name, .. } = &resource.key;
    operation.resources.is_empty()
        || operation.resources.iter().any(|selected| selected.selects(group, kind, namespace, name))
}

fn task_of(resource: &PlanResource) -> Task<'_> {
    let (kind, wave) = match (&resource.target, &resource.live) {
        (Some(target), _) => (TaskKind::Apply, target.wave),
        (None, live) => (TaskKind::Prune, live.as_ref().map_or(0, |live| live.wave)),
    };
    Task { key: &resource.key, kind, phase: SyncPhase::Sync, wave, resource: Some(resource), result: None }
}

fn phase_rank(phase: &SyncPhase) -> u8 {
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
    let last = tasks.iter().map(|task| task.wave).max().unwrap_or(0).max(0) + 1;
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
    let defines = |task: &Task<'_>| {
        task.resource.and_then(|resource| resource.target.as_ref()).is_some_and(|target| target.defines.is_some())
    };
    move_dependencies_first(tasks, defines, |definition, task| {
        let defined = definition
            .resource
            .and_then(|resource| resource.target.as_ref())
            .and_then(|target| target.defines.as_ref());
        defined.is_some_and(|(group, kind)| task.key.group == *group && task.key.kind == *kind)
    });
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

/// Says why tasks cannot run at all, sorted and without repeats.
pub(crate) fn refusals(tasks: &[Task<'_>]) -> Vec<(ObjectKey, String)> {
    let mut refusals = Vec::new();
    for task in tasks.iter().filter(|task| task.result.is_none_or(|result| result.status.is_none())) {
        let Some(resource) = task.resource else { continue };
        if let Some(refusal) = &resource.refusal {
            refusals.push((resource.key.clone(), refusal.clone()));
        } else if resource.kind == KindState::Unknown && task.kind == TaskKind::Apply {
            refusals.push((resource.key.clone(), unknown_kind(resource)));
        }
    }
    refusals
}

fn unknown_kind(resource: &PlanResource) -> String {
    let ObjectKey { group, kind, namespace, name, .. } = &resource.key;
    format!(
        "The Kubernetes API could not find {group}/{kind} for requested resource {namespace}/{name}. Make sure the \"{kind}\" CRD is \
         installed on the destination cluster."
    )
}
