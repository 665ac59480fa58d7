//! Operations drawn at random: objects, hooks, options, and when the daemon dies.

use application_api::{MaxPrune, PrunedKind, SyncPhase, SyncStrategy, SyncStrategyForce};
use kube_object::Digest;
use proptest::prelude::*;

use super::hook_items::{HookItem, hook};
use super::model::*;
use crate::PruneGuard;
use crate::plan::*;

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

fn hook_item(at: usize) -> impl Strategy<Value = HookItem> {
    let kinds = vec!["batch.x/Job", "batch.x/Job", "x.io/Foo", "Secret"];
    let phases = proptest::sample::subsequence(
        vec![SyncPhase::PreSync, SyncPhase::Sync, SyncPhase::PostSync, SyncPhase::SyncFail],
        1..3,
    );
    (
        (proptest::sample::select(kinds), phases, -2..3i64, healths(), any::<[bool; 3]>()),
        (0..3usize, 0..3usize, 0..9usize, any::<[bool; 2]>()),
    )
        .prop_map(move |((kind, phases, wave, healths, policy), (left, lingers, error, [ttl, inside]))| {
            let name = if inside { format!("{kind}/o1/h{at}") } else { format!("{kind}/h{at}") };
            let [before, succeeded, failed] = policy;
            let before = before || !(succeeded || failed);
            let mut item = hook(&name, &phases, healths).wave(wave).policy(before, succeeded, failed).lingers(lingers);
            item.ttl = ttl;
            if left > 0 {
                item = item.left(left == 1);
            }
            item.error = (error == 0).then_some("denied");
            item
        })
}

fn guard() -> impl Strategy<Value = PruneGuard> {
    (proptest::sample::select(vec!["", "", "0", "1", "50%"]), any::<[bool; 2]>()).prop_map(|(most, [kinds, says])| {
        let most = (!most.is_empty()).then(|| MaxPrune::parse(most).unwrap());
        let kinds = PrunedKind::parse_list(if kinds { "x.io/Foo" } else { "" }).unwrap();
        let mut guard = PruneGuard { most, kinds, render: Some(Digest::of_bytes(b"render")), approved: None };
        guard.approved = says.then(|| guard.approval().unwrap());
        guard
    })
}

/// Draws whole operations, with times at which the daemon dies.
pub(super) fn sims() -> impl Strategy<Value = Sim> {
    let items = (0..9usize).prop_flat_map(|count| (0..count).map(item).collect::<Vec<_>>());
    let hooks = (0..5usize).prop_flat_map(|count| (0..count).map(hook_item).collect::<Vec<_>>());
    // Who selects objects runs no hooks.
    let selected = prop_oneof![
        2 => Just(std::collections::BTreeSet::new()),
        1 => proptest::collection::btree_set(0..9usize, 1..4),
    ];
    let kills = proptest::collection::vec(0..40usize, 0..3);
    (items, hooks, (any::<[bool; 5]>(), 0..6usize), selected, (0..4i64, guard()), kills).prop_map(
        |(items, hooks, ([prune, dry, dry_too, namespace, preflight], apply), selected, (limit, guard), kills)| {
            let names: Vec<String> = selected.iter().map(|at| format!("*/o{at}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut sim = sync(items).hooks(hooks).selects(&names).retry(limit % 3).operation(|sync| {
                sync.prune = prune;
                sync.dry_run = dry && dry_too;
                sync.resources.iter_mut().for_each(|selected| "*".clone_into(&mut selected.group));
                let strategy = SyncStrategy { apply: Some(SyncStrategyForce::default()), hook: None };
                sync.sync_strategy = (apply == 0).then_some(strategy);
            });
            if namespace {
                sim = sim.creates_namespace("o1");
                sim.items.retain(|item| item.resource.key.kind != "Namespace");
            }
            sim.input.guard = guard;
            sim.input.preflight = if preflight { Preflight::On { done: None } } else { Preflight::Off };
            sim.kills = kills;
            sim
        },
    )
}
