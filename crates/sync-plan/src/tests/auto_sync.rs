use application_api::{
    ApplicationSource, Operation, OperationInitiator, OperationPhase, OperationState, Reason, RetryStrategy, SourceSet,
    SyncOperation, SyncOptions, SyncPolicyAutomated, SyncStatusCode,
};
use jiff::{SignedDuration, Timestamp};
use kube_object::ObjectKey;

use super::model::{START, key, sync};
use crate::{AutoSync, AutoSyncInput, AutoSyncResource, Desired, HealBackoff, HealState, auto_sync};

/// Inputs of a decision, with what most cases share.
struct Case {
    automated: Option<SyncPolicyAutomated>,
    status: SyncStatusCode,
    /// Objects: a name, `!` before what is out of sync, `-` before what Git no longer has, `~` before what is fought over.
    objects: &'static str,
    last: Option<OperationState>,
    desired: Desired,
    retry: Option<RetryStrategy>,
}

fn case(objects: &'static str) -> Case {
    let (automated, status) = (Some(SyncPolicyAutomated::default()), SyncStatusCode::OutOfSync);
    Case { automated, status, objects, last: None, desired: Desired::Verified, retry: None }
}

impl Case {
    fn prune(self) -> Self {
        self.policy(|policy| policy.prune = Some(true))
    }

    fn self_heal(self) -> Self {
        self.policy(|policy| policy.self_heal = Some(true))
    }

    fn policy(mut self, change: impl FnOnce(&mut SyncPolicyAutomated)) -> Self {
        change(self.automated.as_mut().unwrap());
        self
    }

    fn last(mut self, phase: OperationPhase, change: impl FnOnce(&mut OperationState)) -> Self {
        let mut state = sync([]).run().state;
        state.phase = phase;
        "denied".clone_into(&mut state.message);
        change(&mut state);
        self.last = Some(state);
        self
    }

    fn synced_before(self) -> Self {
        self.last(OperationPhase::Succeeded, |_| ())
    }

    fn last_good(mut self) -> Self {
        self.desired = Desired::LastGood;
        self
    }

    fn decide(&self) -> AutoSync {
        let keys: Vec<(&str, ObjectKey)> = self
            .objects
            .split_whitespace()
            .map(|text| (text, key(&format!("Secret/ns/{}", text.trim_start_matches(['!', '-', '~'])))))
            .collect();
        let resources: Vec<AutoSyncResource<'_>> = keys
            .iter()
            .map(|(text, key)| AutoSyncResource {
                key,
                out_of_sync: text.contains('!'),
                requires_pruning: text.contains('-'),
                heal: if text.contains('~') { fought_over() } else { HealState::default() },
                changed_by: text.contains('~').then(|| "kubectl".to_owned()),
            })
            .collect();
        let input = AutoSyncInput {
            automated: self.automated.as_ref(),
            sync_options: &SyncOptions(vec!["PruneLast=true".to_owned()]),
            retry: self.retry.as_ref(),
            sync_status: &self.status,
            revision: "abc",
            sources: &SourceSet::single(ApplicationSource::default()),
            resources: &resources,
            last: self.last.as_ref(),
            desired: self.desired,
        };
        auto_sync(&input, START)
    }
}

fn fought_over() -> HealState {
    (0..25).fold(HealState::default(), |state, _| state.healed(START, HealBackoff::default()))
}

/// Says the decision in one line.
fn say(decision: &AutoSync) -> String {
    match decision {
        AutoSync::No(reason) | AutoSync::Failed(reason, _) => reason.rule().to_owned(),
        AutoSync::Wait(at, reason) => format!("{} {}s", reason.rule(), at.duration_since(START).as_secs()),
        AutoSync::Start(operation) => {
            let sync = operation.sync.as_ref().unwrap();
            let prune = if sync.prune { " with prune" } else { "" };
            let objects: Vec<&str> = sync.resources.iter().map(|selected| selected.name.as_str()).collect();
            match sync.self_heal_attempts_count {
                0 => format!("sync{prune}"),
                n => format!("heal{prune} #{n}: {}", objects.join(" ")),
            }
        }
    }
}

#[test]
fn the_decision_follows_its_rules_in_order() {
    use OperationPhase::{Error, Failed};
    let off = |policy: &mut SyncPolicyAutomated| policy.enabled = Some(false);
    let empty = |policy: &mut SyncPolicyAutomated| policy.allow_empty = Some(true);
    let on = |policy: &mut SyncPolicyAutomated| policy.enabled = Some(true);
    let other_revision =
        |state: &mut OperationState| "old".clone_into(&mut state.sync_result.as_mut().unwrap().revision);
    let other_source =
        |state: &mut OperationState| "old".clone_into(&mut state.sync_result.as_mut().unwrap().source.path);
    let no_result = |state: &mut OperationState| state.sync_result = None;
    let no_revision = |state: &mut OperationState| state.sync_result.as_mut().unwrap().revision.clear();
    let cases = vec![
        ("synced", Case { status: SyncStatusCode::Synced, ..case("a") }, "Synced"),
        ("no policy", Case { automated: None, ..case("!a") }, "AutoSyncOff"),
        ("switched off", case("!a").policy(off), "AutoSyncOff"),
        ("switched on", case("!a").policy(on), "sync"),
        ("first", case("!a b"), "sync"),
        ("first with prune", case("!a !-b").prune(), "sync with prune"),
        ("only others' objects differ", case("a b").self_heal(), "NothingToSync"),
        ("no objects", case("").prune().self_heal().synced_before(), "NothingToSync"),
        ("only prunes, prune off", case("a !-b"), "PruneOff"),
        ("only prunes, prune off, heal on", case("a !-b").self_heal().synced_before(), "PruneOff"),
        ("failed before", case("!a").self_heal().last(Failed, |_| ()), "LastSyncFailed"),
        ("error before", case("!a").self_heal().last(Error, |_| ()), "LastSyncFailed"),
        ("failed at another revision", case("!a").last(Failed, other_revision), "sync"),
        ("failed with another source", case("!a").last(Failed, other_source), "sync"),
        ("failed without result", case("!a").last(Error, no_result), "LastSyncFailed"),
        ("failed without revision", case("!a").last(Error, no_revision), "LastSyncFailed"),
        ("synced before, heal off", case("!a").synced_before(), "SelfHealOff"),
        ("heal", case("!a b !c").self_heal().synced_before(), "heal #1: a c"),
        ("heal with prune", case("a !-b").prune().self_heal().synced_before(), "heal with prune #1: b"),
        ("heal leaves prunes out when off", case("!a !-b").self_heal().synced_before(), "heal #1: a"),
        ("heal what is not fought over", case("!a !~b").self_heal().synced_before(), "heal #1: a"),
        ("wait for what is fought over", case("!~a b").self_heal().synced_before(), "SelfHealBackoff 2s"),
        ("no heal for a prune meanwhile", case("!~a !-b").self_heal().synced_before(), "SelfHealBackoff 2s"),
        ("a new commit does not wait", case("!~a").self_heal().last(Failed, other_revision), "sync"),
        ("all would go", case("!-a !-b").prune(), "WouldWipeOut"),
        ("all would go, one is protected", case("!-a -b").prune(), "WouldWipeOut"),
        ("all would go, in a heal", case("!-a").prune().self_heal().synced_before(), "WouldWipeOut"),
        ("all may go", case("!-a !-b").prune().policy(empty), "sync with prune"),
        ("one stays", case("!-a b").prune(), "sync with prune"),
        ("last good: no first sync", case("!a").self_heal().last_good(), "DesiredInDoubt"),
        ("last good: no prune", case("a !-b").prune().self_heal().synced_before().last_good(), "DesiredInDoubt"),
        ("last good: prune off anyway", case("a !-b").self_heal().synced_before().last_good(), "PruneOff"),
        ("last good: heal", case("!a !-b").prune().self_heal().synced_before().last_good(), "heal #1: a"),
        ("last good: failed", case("!a").self_heal().last(Failed, |_| ()).last_good(), "LastSyncFailed"),
    ];
    for (name, case, expected) in cases {
        assert_eq!(say(&case.decide()), expected, "{name}");
    }
}

#[test]
fn the_operation_is_what_argo_cd_would_request() {
    let AutoSync::Start(operation) = case("!a").prune().decide() else { panic!() };
    let expected = Operation {
        sync: Some(SyncOperation {
            revision: "abc".to_owned(),
            prune: true,
            source: Some(ApplicationSource::default()),
            sync_options: SyncOptions(vec!["PruneLast=true".to_owned()]),
            ..SyncOperation::default()
        }),
        initiated_by: OperationInitiator { automated: true, username: String::new() },
        info: Vec::new(),
        retry: RetryStrategy { limit: Some(5), ..RetryStrategy::default() },
    };
    assert_eq!(*operation, expected);
    let own = RetryStrategy { limit: Some(2), ..RetryStrategy::default() };
    let AutoSync::Start(operation) = (Case { retry: Some(own.clone()), ..case("!a") }).decide() else { panic!() };
    assert_eq!(operation.retry, own);
}

#[test]
fn a_heal_names_its_objects_and_counts_on() {
    let before = |state: &mut OperationState| state.operation.sync.as_mut().unwrap().self_heal_attempts_count = 7;
    let AutoSync::Start(operation) = case("!a").self_heal().last(OperationPhase::Succeeded, before).decide() else {
        panic!()
    };
    let sync = operation.sync.unwrap();
    assert_eq!(sync.self_heal_attempts_count, 8);
    let [selected] = &sync.resources[..] else { panic!("{sync:?}") };
    assert_eq!(
        (selected.group.as_str(), selected.kind.as_str(), selected.namespace.as_str(), selected.name.as_str()),
        ("", "Secret", "ns", "a")
    );
}

#[test]
fn a_wait_names_the_object_and_who_changes_it() {
    let until: Timestamp = START + SignedDuration::from_secs(2);
    let reason = Reason::SelfHealBackoff { object: "Secret ns/a".to_owned(), manager: "kubectl".to_owned(), until };
    assert_eq!(case("!~a").self_heal().synced_before().decide(), AutoSync::Wait(until, reason));
}

#[test]
fn what_starts_after_a_failure_does_not_wipe_everything_out() {
    let prunes = |case: Case| match case.prune().last(OperationPhase::Failed, |_| ()).decide() {
        AutoSync::Failed(_, operation) => operation.sync.unwrap().prune,
        other => panic!("{other:?}"),
    };
    assert!(!prunes(case("!-a")));
    assert!(prunes(case("!-a !b")));
}
