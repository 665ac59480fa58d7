//! What holds whatever the objects and the answers are.

use std::collections::BTreeSet;

use application_api::{OperationPhase, OperationState, ResultCode, SyncOperation};
use proptest::prelude::*;

use super::model::*;
use crate::plan::*;
use crate::tasks::{Place, TaskKind, tasks};
use crate::{record, step};

fn healths() -> impl Strategy<Value = Healths> {
    proptest::sample::select(vec![HEALTHY, DEGRADED, PENDING, STARTS, BREAKS, &[None]])
}

fn item(at: usize) -> impl Strategy<Value = Item> {
    let kinds = vec!["Secret", "apps.x/Deployment", "Namespace", "x.io/Foo", "y.io/Foo"];
    let rules = vec![None, Some(PruneRule::Disabled), Some(PruneRule::Confirm), Some(PruneRule::Confirmed)];
    let states = vec![KindState::Served, KindState::Served, KindState::Served, KindState::Awaited];
    (
        (proptest::sample::select(kinds), 0..4usize, -2..3i64, healths(), proptest::sample::select(rules)),
        (proptest::sample::select(states), 0..3usize, 0..3usize, any::<[bool; 4]>(), 0..12usize, 0..2usize),
    )
        .prop_map(move |((kind, base, wave, healths, rule), (state, served, lingers, flags, error, stale))| {
            let name = format!("{kind}/{}/o{at}", if kind == "Namespace" { "" } else { "o1" }).replace("//", "/");
            let mut item =
                [new, changed, same, gone][base](&name).wave(wave).health(healths).lingers(lingers).stale(stale);
            if let Some(live) = &mut item.resource.live {
                live.prune = rule;
                live.deleting = flags[0] && flags[1] && lingers > 0;
                live.prune_last = if flags[2] { PruneOrder::Last } else { PruneOrder::InWave };
            }
            if base != 3 && state == KindState::Awaited {
                item = item.awaited(if served == 0 { usize::MAX } else { served });
            }
            item.error = (error == 0).then_some("denied");
            item.vanishes = flags[3] && error == 1;
            item
        })
}

fn sims() -> impl Strategy<Value = Sim> {
    let items = (0..9usize).prop_flat_map(|count| (0..count).map(item).collect::<Vec<_>>());
    let selected = proptest::collection::btree_set(0..9usize, 0..4);
    (items, any::<[bool; 3]>(), selected, 0..4i64, proptest::collection::vec(0..40usize, 0..3)).prop_map(
        |(items, [prune, dry_run, namespace], selected, limit, kills)| {
            let names: Vec<String> = selected.iter().map(|at| format!("*/o{at}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut sim = sync(items).selects(&names).retry(limit % 3).operation(|sync| {
                sync.prune = prune;
                sync.dry_run = dry_run;
                sync.resources.iter_mut().for_each(|selected| "*".clone_into(&mut selected.group));
            });
            if namespace {
                sim = sim.creates_namespace("o1");
                sim.items.retain(|item| item.resource.key.kind != "Namespace");
            }
            sim.kills = kills;
            sim
        },
    )
}

/// Runs step by step, without time, and looks at each step; outcomes are what the model says.
fn looks(sim: &Sim) -> Result<(), TestCaseError> {
    let plan = sim.plan();
    let operation = sim.state.operation.sync.clone().unwrap();
    let next = step(&plan, &sim.state, sim.now);
    let all = tasks(&plan, &operation, results(&sim.state));
    let task_of = |action: &ClusterAction| all.iter().find(|task| task.key == action.key()).unwrap();
    let places: BTreeSet<Place> = next.actions.iter().map(|action| task_of(action).place()).collect();
    prop_assert!(places.len() <= 1, "waves are not mixed: {:?}", next.actions);
    let rests = next.actions.is_empty() && next.next.finished_at.is_none();
    prop_assert!(!rests || next.wake_at.is_none_or(|at| at > sim.now), "it looks again at once: {}", next.next.message);
    if let Some(place) = places.first() {
        looks_back(&plan, &operation, &next.next, *place)?;
    }
    for action in &next.actions {
        let task = task_of(action);
        let dry = match action {
            ClusterAction::Apply { mode, .. } | ClusterAction::Prune { mode, .. } => *mode == RunMode::DryRun,
            _ => false,
        };
        prop_assert_eq!(dry, operation.dry_run);
        prop_assert!(task.result.is_none(), "nothing is done twice: {action:?}");
        prop_assert_eq!(task.kind == TaskKind::Prune, matches!(action, ClusterAction::Prune { .. }));
        if let Some(resource) = task.resource {
            prop_assert!(crate::is_selected(&operation, resource));
        }
        if matches!(action, ClusterAction::Prune { .. }) {
            let live = task.resource.and_then(|resource| resource.live.as_ref()).unwrap();
            prop_assert!(operation.prune && !live.deleting);
            let rule = live.prune.unwrap_or(plan.prune_default);
            prop_assert!(matches!(rule, PruneRule::Allowed | PruneRule::Confirmed) || operation.dry_run);
            prop_assert!(rule != PruneRule::Disabled);
        }
    }
    // Recording an outcome ends the task.
    let outcomes: Vec<ActionOutcome> = (next.actions.iter().cloned())
        .map(|action| ActionOutcome { action, result: ActionResult::Failed("no".to_owned()) })
        .collect();
    let before = results(&next.next).len();
    prop_assert_eq!(results(&record(&plan, next.next.clone(), &outcomes)).len(), before + outcomes.len());
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
        let live = task.resource.and_then(|resource| resource.live.as_ref());
        let deleting = task.kind == TaskKind::Prune && live.is_some_and(|live| live.deleting);
        let skipped = result.is_some_and(|result| result.status == Some(ResultCode::PruneSkipped));
        prop_assert!(!deleting || skipped || operation.dry_run, "{:?} is still there", task.key);
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
        let names: Vec<_> = results(&sim.state).iter().map(|r| (&r.group, &r.kind, &r.namespace, &r.name)).collect();
        prop_assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "one result an object");
        if sim.lines.last().map(String::as_str) == Some("stays so") {
            // Only health and a person's word are waited for without an end.
            prop_assert!(!operation.dry_run);
            let message = &sim.state.message;
            prop_assert!(message.starts_with("waiting for healthy state") || message.starts_with("waiting for pruning confirmation"), "{}", message);
            return Ok(());
        }
        prop_assert!(sim.state.phase.is_completed());
        if sim.state.phase == OperationPhase::Succeeded {
            let plan = sim.plan();
            for task in tasks(&plan, &operation, results(&sim.state)) {
                prop_assert!(task.result.is_some(), "nothing is left out: {:?}", task.key);
            }
        }
        for (item, before) in sim.items.iter().zip(&before) {
            let (resource, had) = (&item.resource, before.resource.live.as_ref());
            if resource.target.is_some() || resource.live.is_some() || had.is_none_or(|live| live.deleting) {
                continue;
            }
            let rule = had.and_then(|live| live.prune).unwrap_or_default();
            prop_assert!(operation.prune && !operation.dry_run && crate::is_selected(&operation, resource));
            prop_assert!(matches!(rule, PruneRule::Allowed | PruneRule::Confirmed), "{} is deleted", resource.key);
        }
    }

    #[test]
    fn each_step_keeps_the_rules(sim in sims(), rounds in 0..6usize) {
        let mut sim = sim;
        for _ in 0..rounds {
            looks(&sim)?;
            if !sim.advance() {
                break;
            }
        }
    }
}
