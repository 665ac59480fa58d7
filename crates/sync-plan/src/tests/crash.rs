//! Decision 10: killed at any moment, an operation comes to the same end.

use std::collections::BTreeMap;

use application_api::{ResourceResult, ResultCode};
use proptest::prelude::*;

use super::draws::sims;
use super::hook_items::HookItem;
use super::model::*;
use crate::plan::{KindState, PlanHealth, Preflight, PruneOrder};

/// What is left of an operation: how it ended, what the cluster has, and how each object that is still known fared.
#[derive(Debug, PartialEq)]
struct End {
    verdict: [String; 2],
    live: Vec<String>,
    results: BTreeMap<String, String>,
    hooks: Vec<String>,
}

fn end(sim: &Sim) -> End {
    let live = sim.items.iter().filter(|item| item.resource.live.is_some());
    let live = live.map(|item| format!("{} {:?}", item.resource.key, item.resource.change)).collect();
    let known = |name: &str, kind: &str| {
        let of = |item: &&Item| item.resource.key.name == name && item.resource.key.kind == kind;
        // A namespace that was made and a pruned object may be all the trace that their action left.
        let is_hook = sim.hooks.iter().any(|hook| hook.is_named(kind, name));
        is_hook || sim.items.iter().find(of).is_some_and(|item| item.resource.target.is_some())
    };
    let told = |result: &ResourceResult| match (&result.hook_type, &result.status) {
        (Some(_), _) => format!("{:?} {:?} {}", result.status, result.hook_phase, result.message),
        // What was applied is unchanged to who comes later.
        (None, Some(ResultCode::Synced)) => "Synced".to_owned(),
        (None, status) => format!("{status:?} {}", result.message),
    };
    let results = results(&sim.state)
        .iter()
        .filter(|result| known(&result.name, &result.kind))
        .map(|result| (format!("{}/{} {:?}", result.kind, result.name, result.sync_phase), told(result)))
        .collect();
    // When a time to live ends is a matter of time.
    let left = |hook: &HookItem| hook.live.as_ref().filter(|_| !hook.ttl).map(|live| (live.uid.clone(), live.health));
    let hooks = sim.hooks.iter().map(|hook| format!("{:?} {:?}", left(hook), hook.made)).collect();
    // Of an operation that only made a namespace or pruned no trace may be left.
    let plain = |text: &str| text.replace("(all tasks run)", "(no more tasks)");
    let verdict = [plain(sim.lines.last().map_or("", String::as_str)), plain(&sim.state.message)];
    End { verdict, live, results, hooks }
}

/// The actions in their order, without repeats: what a restart sends again counts once, where it was first.
fn firsts(sim: &Sim) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for line in &sim.lines {
        for action in line.split(", ").filter(|part| part.starts_with("apply ") || part.starts_with("prune ")) {
            if !all.iter().any(|known| known == action) {
                all.push(action.to_owned());
            }
        }
    }
    all
}

/// Kills the daemon at each moment, and at each pair of moments.
#[track_caller]
fn check(sim: &Sim) {
    let whole = sim.clone().run();
    let expected = end(&whole);
    for first in 0..whole.events {
        for second in first..whole.events + 4 {
            let killed = Sim { kills: vec![first, second], ..sim.clone() }.run();
            assert_eq!(end(&killed), expected, "killed at {first} and {second}: {:#?}", killed.lines);
            assert_eq!(firsts(&killed), firsts(&whole), "killed at {first} and {second}: {:#?}", killed.lines);
        }
    }
}

#[test]
fn waves_with_prunes_and_a_namespace() {
    check(
        &sync([
            new("Secret/ns/a").wave(-1).health(STARTS),
            same("Secret/ns/b").wave(-1),
            changed("Service/ns/c"),
            gone("ConfigMap/ns/d").lingers(2),
            same("Secret/ns/e").wave(1),
            new("apps.x/Deployment/ns/f").wave(1).health(STARTS),
            new("Job/ns/g").wave(1),
            gone("ConfigMap/ns/h").wave(2).with_live(|live| live.prune_last = PruneOrder::Last),
        ])
        .creates_namespace("ns"),
    );
}

#[test]
fn a_failure_in_the_middle() {
    check(&sync([
        new("Secret/a"),
        new("Secret/b").wave(1).fails("denied"),
        new("Service/c").wave(1),
        new("Secret/d").wave(2),
    ]));
    check(&sync([new("Secret/a"), gone("Secret/b").wave(1).fails("denied"), new("Service/c").wave(1)]));
}

#[test]
fn a_later_wave_that_breaks_an_earlier_one() {
    // It turns bad for good some time after it was found well, when the second wave is on its way.
    const TURNS: Healths =
        &[Some(PlanHealth::Healthy), Some(PlanHealth::Healthy), Some(PlanHealth::Healthy), Some(PlanHealth::Degraded)];
    check(&sync([
        same("Secret/a").health(HEALTHY),
        new("Secret/b").health(TURNS),
        new("x.io/Foo/c").wave(1).awaited(4),
        new("x.io/Foo/d").wave(1),
    ]));
}

#[test]
fn retries_to_the_bitter_end() {
    check(&sync([new("Secret/a"), new("Secret/b").wave(1).fails("denied")]).retry(2));
}

#[test]
fn a_kind_that_is_served_late() {
    check(&sync([
        new("apiextensions.k8s.io/CustomResourceDefinition/foos").defines("x.io", "Foo"),
        new("x.io/Foo/f").awaited(2),
        new("x.io/Foo/g").wave(1).awaited(3),
    ]));
}

proptest! {
    #[test]
    fn whatever_the_operation_is(sim in sims()) {
        let mut calm = sim;
        calm.kills.clear();
        // What others do meanwhile is another story when it takes longer.
        for item in &mut calm.items {
            (item.vanishes, item.stale) = (false, 0);
        }
        if calm.input.preflight != Preflight::Off {
            // More can be tried out once namespaces and kinds are there.
            calm.input.create_namespace = None;
            calm.items.retain(|item| item.resource.key.kind != "Namespace" && item.resource.kind == KindState::Served);
        }
        let whole = calm.clone().run();
        for at in 0..whole.events {
            let killed = Sim { kills: vec![at], ..calm.clone() }.run();
            prop_assert_eq!(end(&killed), end(&whole), "killed at {}: {:#?}\ncalm: {:#?}", at, killed.lines, whole.lines);
        }
    }
}
