use super::model::*;
use crate::plan::{PruneOrder, SyncInput};
use crate::tasks::{TaskKind, tasks};
use application_api::SyncOperation;

/// The tasks in order, as `wave Kind/name`, prunes with a minus.
fn order(input: &SyncInput) -> Vec<String> {
    let write = |task: &crate::tasks::Task<'_>| {
        let sign = if task.kind == TaskKind::Prune { "-" } else { "" };
        let phase = if task.kind == TaskKind::CreateNamespace { "PreSync " } else { "" };
        format!("{phase}{} {sign}{}/{}", task.wave, task.key.kind, task.key.name)
    };
    tasks(input, &SyncOperation::default(), &[]).iter().map(write).collect()
}

#[track_caller]
fn check(sim: &Sim, expected: &[&str]) {
    assert_eq!(order(&sim.plan()), expected);
}

#[test]
fn tasks_are_ordered_by_wave_then_kind_then_name() {
    check(
        &sync([
            new("zebra.io/Zebra/a"),
            new("apiregistration.k8s.io/APIService/v1"),
            new("networking.k8s.io/Ingress/i"),
            new("apps.y/Deployment/ns/b"),
            new("apps.x/Deployment/ns/a"),
            new("Service/s"),
            new("ConfigMap/later").wave(3),
            new("Secret/first").wave(-1),
            new("ant.io/Ant/b"),
            new("ConfigMap/c"),
            new("Namespace/n"),
        ]),
        &[
            "-1 Secret/first",
            "0 Namespace/n",
            "0 ConfigMap/c",
            "0 Service/s",
            "0 Deployment/a",
            "0 Deployment/b",
            "0 Ingress/i",
            "0 APIService/v1",
            "0 Zebra/a",
            "0 Ant/b",
            "3 ConfigMap/later",
        ],
    );
}

#[test]
fn a_namespace_goes_before_what_lives_in_it() {
    check(
        &sync([new("Secret/ns/a").wave(-2), new("ConfigMap/other/b").wave(-3), new("Namespace/ns").wave(5)]),
        &["-3 ConfigMap/b", "-2 Namespace/ns", "-2 Secret/a"],
    );
    check(&sync([new("Secret/ns/a").wave(2), new("Namespace/ns").wave(1)]), &["1 Namespace/ns", "2 Secret/a"]);
    // A namespace that is pruned stays in its place.
    check(&sync([new("Secret/ns/a"), gone("Namespace/ns").wave(1)]), &["0 Secret/a", "1 -Namespace/ns"]);
    // Another kind called Namespace is none.
    check(&sync([new("Secret/ns/a"), new("x.io/Namespace/ns").wave(1)]), &["0 Secret/a", "1 Namespace/ns"]);
}

#[test]
fn a_definition_goes_before_objects_of_its_kind() {
    let definition = |wave| new("apiextensions.k8s.io/CustomResourceDefinition/foos").defines("x.io", "Foo").wave(wave);
    check(
        &sync([new("Secret/a").wave(-1), new("x.io/Foo/f").wave(-1), new("y.io/Foo/g").wave(-2), definition(1)]),
        &["-2 Foo/g", "-1 Secret/a", "-1 CustomResourceDefinition/foos", "-1 Foo/f"],
    );
    // Two dependencies of the same object.
    check(
        &sync([new("x.io/Foo/ns/f"), definition(1), new("Namespace/ns").wave(1)]),
        &["0 Namespace/ns", "0 CustomResourceDefinition/foos", "0 Foo/f"],
    );
}

#[test]
fn prune_waves_are_swapped_in_pairs() {
    check(
        &sync([
            gone("ConfigMap/a").wave(-1),
            gone("ConfigMap/b").wave(2),
            gone("ConfigMap/c").wave(5),
            gone("ConfigMap/d").wave(7),
            gone("ConfigMap/e").wave(7),
            gone("ConfigMap/f").wave(9),
            new("Secret/x").wave(3),
        ]),
        &[
            "-1 -ConfigMap/f",
            "2 -ConfigMap/d",
            "2 -ConfigMap/e",
            "3 Secret/x",
            "5 -ConfigMap/c",
            "7 -ConfigMap/b",
            "9 -ConfigMap/a",
        ],
    );
}

#[test]
fn prunes_that_go_last_go_after_all_waves() {
    let last = |item: Item| item.with_live(|live| live.prune_last = PruneOrder::Last);
    check(
        &sync([new("Secret/x").wave(3), last(gone("ConfigMap/a")), gone("ConfigMap/b").wave(6)]),
        // The swap comes first: `b` takes wave 0, and `a` has taken wave 6 when the highest is looked for.
        &["0 -ConfigMap/b", "3 Secret/x", "7 -ConfigMap/a"],
    );
    check(&sync([new("Secret/x").wave(-5), last(gone("ConfigMap/a").wave(-9))]), &["-5 Secret/x", "1 -ConfigMap/a"]);
    let all = sync([new("Secret/x").wave(3), gone("ConfigMap/a"), gone("ConfigMap/b").wave(1)]);
    check(&all.input(|input| input.prune_last = PruneOrder::Last), &["3 Secret/x", "4 -ConfigMap/a", "4 -ConfigMap/b"]);
    check(
        &sync([new("Secret/x").wave(i64::MAX), last(gone("ConfigMap/a"))]),
        &[&format!("{} Secret/x", i64::MAX), &format!("{} -ConfigMap/a", i64::MAX)],
    );
}

#[test]
fn the_created_namespace_is_a_phase_of_its_own() {
    let sim = sync([new("Secret/ns/x").wave(-5)]).creates_namespace("ns");
    check(&sim, &["PreSync 0 Namespace/ns", "-5 Secret/x"]);
    check(&sim.input(|input| input.create_namespace.as_mut().unwrap().exists = true), &["-5 Secret/x"]);
}

#[test]
fn an_object_is_one_task() {
    check(&sync([new("Secret/x"), new("Secret/x").wave(1)]), &["0 Secret/x"]);
}
