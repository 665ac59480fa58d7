//! What holds whatever the objects and the answers are.

use std::collections::BTreeSet;

use application_api::{OperationPhase, OperationState, ResourceResult, ResultCode, SyncOperation, SyncPhase};
use proptest::prelude::*;

use super::draws::sims;
use super::model::*;
use crate::plan::*;
use crate::tasks::{Place, Task, TaskKind, runs_hooks, tasks};
use crate::{record, step};

/// What an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The whole phase of its place is tried out.
    Trial,
    /// Its place has begun.
    Work,
    /// What is left of a hook is taken away, which belongs to no place.
    Cleaning,
}

fn part(task: &Task<'_>, action: &ClusterAction) -> Part {
    match action {
        _ if action.mode() == RunMode::Preflight => Part::Trial,
        ClusterAction::ReleaseHook { .. } if task.result.is_some() => Part::Cleaning,
        ClusterAction::DeleteHook { why: HookDeletion::Policy | HookDeletion::Termination, .. } => Part::Cleaning,
        _ => Part::Work,
    }
}

/// Looks at the step that comes next.
fn looks(sim: &Sim) -> Result<(), TestCaseError> {
    let plan = sim.plan();
    let operation = sim.state.operation.sync.clone().unwrap();
    let next = step(&plan, &sim.state, sim.now);
    let all = tasks(&plan, &operation, results(&next.next));
    let task_of = |action: &ClusterAction| {
        all.iter().find(|task| task.key == action.key() && task.phase == action.phase()).unwrap()
    };
    let parts: BTreeSet<String> =
        next.actions.iter().map(|action| format!("{:?}", part(task_of(action), action))).collect();
    prop_assert!(parts.len() <= 1, "one thing after the other: {:?}", next.actions);
    let rests = next.actions.is_empty() && next.next.finished_at.is_none();
    prop_assert!(!rests || next.wake_at.is_none_or(|at| at > sim.now), "it looks again at once: {}", next.next.message);
    let mut places: BTreeSet<Place> = BTreeSet::new();
    for action in &next.actions {
        let task = task_of(action);
        looks_at(&plan, &operation, (&all, task), action, results(&next.next))?;
        match part(task, action) {
            // Trials are about the phase.
            Part::Trial => _ = places.insert((task.place().0, i64::MIN)),
            Part::Work if task.phase != SyncPhase::SyncFail => _ = places.insert(task.place()),
            _ => {}
        }
    }
    prop_assert!(places.len() <= 1, "waves are not mixed: {:?}", next.actions);
    if let Some(place) = places.first() {
        looks_back(&plan, &operation, &next.next, *place)?;
    }
    // Recording an outcome ends the task.
    let outcomes: Vec<ActionOutcome> = (next.actions.iter().cloned())
        .map(|action| ActionOutcome { action, result: ActionResult::Failed("no".to_owned()) })
        .collect();
    let known = results(&next.next).len();
    let is_new = |action: &&ClusterAction| part(task_of(action), action) != Part::Cleaning;
    let expected = known + next.actions.iter().filter(is_new).count();
    prop_assert_eq!(results(&record(&plan, next.next.clone(), &outcomes)).len(), expected);
    Ok(())
}

/// Looks at one action.
fn looks_at(
    plan: &SyncInput,
    operation: &SyncOperation,
    (all, task): (&[Task<'_>], &Task<'_>),
    action: &ClusterAction,
    results: &[ResourceResult],
) -> Result<(), TestCaseError> {
    let part = part(task, action);
    prop_assert_eq!(operation.dry_run, action.mode() == RunMode::DryRun, "{:?}", action);
    prop_assert_eq!(task.result.is_some(), part == Part::Cleaning, "nothing is done twice: {:?}", action);
    prop_assert_eq!(task.kind == TaskKind::Prune, matches!(action, ClusterAction::Prune { .. }));
    prop_assert!(task.kind != TaskKind::Hook || runs_hooks(operation));
    if let Some(resource) = task.resource {
        prop_assert!(crate::is_selected(operation, resource));
    }
    let result = |task: &Task<'_>| task.result.map(|at| &results[at]);
    let is_bad =
        |result: &ResourceResult| matches!(result.hook_phase, Some(OperationPhase::Failed | OperationPhase::Error));
    if task.phase == SyncPhase::SyncFail {
        let is_failure = |task: &Task<'_>| task.phase != SyncPhase::SyncFail && result(task).is_some_and(is_bad);
        prop_assert!(all.iter().any(is_failure) || part == Part::Cleaning, "nothing has failed: {:?}", action);
    }
    // What makes a namespace comes before what lives in it.
    let makes = |other: &&Task<'_>| match other.kind {
        TaskKind::CreateNamespace => true,
        TaskKind::Apply => other.key.kind == "Namespace" && other.live().is_none(),
        TaskKind::Prune | TaskKind::Hook => false,
    };
    let mut makers = all.iter().filter(makes).filter(|other| other.key.name == task.key.namespace);
    let is_made = matches!(action, ClusterAction::Apply { .. } | ClusterAction::RunHook { .. });
    let is_real = part == Part::Work && !operation.dry_run && task.phase != SyncPhase::SyncFail;
    prop_assert!(!is_made || !is_real || makers.all(|maker| result(maker).is_some()), "no namespace: {:?}", action);
    if matches!(action, ClusterAction::Prune { .. }) {
        let live = task.live().unwrap();
        prop_assert!(operation.prune && !live.deleting);
        let rule = live.prune.unwrap_or(plan.prune_default);
        prop_assert!(matches!(rule, PruneRule::Allowed | PruneRule::Confirmed) || operation.dry_run);
        prop_assert!(rule != PruneRule::Disabled);
    }
    Ok(())
}

/// Looks at the places before the one that is acted on: they are done.
fn looks_back(
    plan: &SyncInput,
    operation: &SyncOperation,
    state: &OperationState,
    place: Place,
) -> Result<(), TestCaseError> {
    let results = results(state);
    for task in tasks(plan, operation, results).iter().filter(|task| task.place() < place) {
        let result = task.result.map(|at| &results[at]);
        let phase = result.and_then(|result| result.hook_phase.clone());
        prop_assert_eq!(phase, Some(OperationPhase::Succeeded), "{:?}", task.key);
        let deleting = task.kind == TaskKind::Prune && task.live().is_some_and(|live| live.deleting);
        let skipped = result.is_some_and(|result| result.status == Some(ResultCode::PruneSkipped));
        prop_assert!(!deleting || skipped || operation.dry_run, "{:?} is still there", task.key);
    }
    Ok(())
}

/// Checks what an operation may wait for without an end: health, hooks and a person's word.
fn check_rest(sim: &Sim) -> Result<(), TestCaseError> {
    let message = &sim.state.message;
    let [objects, hooks, person] =
        ["healthy state", "completion of hook", "pruning confirmation"].map(|what| format!("waiting for {what}"));
    prop_assert!(!sim.state.operation.sync.as_ref().unwrap().dry_run);
    let is_pending = |live: &Option<PlanLive>| {
        live.as_ref().is_some_and(|live| {
            matches!(live.health, Some(PlanHealth::Pending | PlanHealth::Unknown | PlanHealth::Degraded))
        })
    };
    if message.starts_with(&objects) {
        prop_assert!(sim.items.iter().any(|item| is_pending(&item.resource.live)), "{}", message);
    } else if message.starts_with(&hooks) {
        prop_assert!(sim.hooks.iter().any(|hook| is_pending(&hook.live)), "{}", message);
    } else {
        prop_assert!(message.starts_with(&person), "{}", message);
    }
    Ok(())
}

/// Checks that what is gone was to go.
fn check_prunes(sim: &Sim, before: &[Item]) -> Result<(), TestCaseError> {
    let operation = sim.state.operation.sync.as_ref().unwrap();
    let mut gone = Vec::new();
    for (item, before) in sim.items.iter().zip(before) {
        let (resource, had) = (&item.resource, before.resource.live.as_ref());
        if resource.target.is_some() || resource.live.is_some() || had.is_none_or(|live| live.deleting) {
            continue;
        }
        let rule = had.and_then(|live| live.prune).unwrap_or_default();
        prop_assert!(operation.prune && !operation.dry_run && crate::is_selected(operation, resource));
        prop_assert!(matches!(rule, PruneRule::Allowed | PruneRule::Confirmed), "{} is deleted", resource.key);
        gone.push(&resource.key);
    }
    let guard = &sim.input.guard;
    if guard.approved.is_none() {
        let has = |item: &&Item| item.resource.live.is_some() && crate::is_selected(operation, &item.resource);
        let live = before.iter().filter(has).count();
        prop_assert!(guard.most.is_none_or(|most| most.permits(gone.len(), live.max(1))), "{:?}", gone);
        let asks = |key: &&&kube_object::ObjectKey| guard.kinds.iter().any(|kind| kind.is_of(&key.group_kind()));
        prop_assert!(gone.iter().find(asks).is_none(), "{:?}", gone);
    }
    Ok(())
}

/// Checks what became of hooks.
fn check_hooks(sim: &Sim) -> Result<(), TestCaseError> {
    let runs = runs_hooks(sim.state.operation.sync.as_ref().unwrap());
    for hook in &sim.hooks {
        prop_assert!(hook.made.values().all(|times| *times == 1), "{:?}", hook.made);
        prop_assert!(runs || hook.made.is_empty());
        let is_left = hook.live.as_ref().is_some_and(|live| live.has_hook_finalizer);
        let ended = sim.state.phase.is_completed();
        prop_assert!(!ended || !is_left || !hook.is_made_by(&sim.state), "{:?} {:#?}", hook, sim.lines);
    }
    Ok(())
}

proptest! {
    #[test]
    fn operations_end_and_each_object_has_one_result(sim in sims()) {
        looks(&sim)?;
        let operation = sim.state.operation.sync.clone().unwrap();
        let before = sim.items.clone();
        let sim = sim.run();
        let name = |r: &ResourceResult| {
            format!("{} {} {} {} {:?}", r.group, r.kind, r.namespace, r.name, r.sync_phase)
        };
        let names: BTreeSet<String> = results(&sim.state).iter().map(name).collect();
        prop_assert_eq!(names.len(), results(&sim.state).len(), "one result an object and phase");
        check_hooks(&sim)?;
        if sim.lines.last().map(String::as_str) == Some("stays so") {
            return check_rest(&sim);
        }
        prop_assert!(sim.state.phase.is_completed());
        if sim.state.phase == OperationPhase::Succeeded {
            let plan = sim.plan();
            for task in tasks(&plan, &operation, results(&sim.state)) {
                let is_due = task.phase != SyncPhase::SyncFail;
                prop_assert_eq!(task.result.is_some(), is_due, "nothing is left out: {:?}", task.key);
            }
        }
        check_prunes(&sim, &before)?;
    }

    #[test]
    fn each_step_keeps_the_rules(sim in sims(), rounds in 0..12usize) {
        let mut sim = sim;
        for _ in 0..rounds {
            looks(&sim)?;
            if !sim.advance() {
                break;
            }
        }
    }

    #[test]
    fn who_ends_an_operation_ends_its_hooks(sim in sims(), rounds in 0..20usize) {
        let mut sim = sim;
        for _ in 0..rounds {
            if !sim.advance() {
                break;
            }
        }
        if !sim.state.phase.is_completed() {
            sim.terminate();
            sim = sim.run();
            prop_assert!(sim.state.phase.is_completed(), "{:#?}", sim.lines);
            for hook in &sim.hooks {
                let is_pending = |live: &PlanLive| live.health == Some(PlanHealth::Pending) && !live.deleting;
                let runs = hook.is_made_by(&sim.state) && hook.live.as_ref().is_some_and(is_pending);
                prop_assert!(!runs, "{:?} {:#?}", hook, sim.lines);
            }
        }
        check_hooks(&sim)?;
    }
}
