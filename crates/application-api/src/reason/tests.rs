use super::*;

/// A row a variant: `Variant { fields } => sentence, wake`. The match makes a variant without a row fail to compile.
macro_rules! table {
    ($($variant:ident $({ $($field:ident: $value:expr),+ })? => $sentence:expr, $wake:expr;)+) => {
        fn rows() -> Vec<(Reason, &'static str, &'static str, Wake)> {
            let _ = |reason: &Reason| match reason { $(Reason::$variant { .. } => (),)+ };
            vec![$((Reason::$variant $({ $($field: $value.into()),+ })?, stringify!($variant), $sentence, $wake)),+]
        }
    };
}

const NOON: Timestamp = Timestamp::constant(1_767_268_800, 0);

use Wake::{At, Event, Settled};

table! {
    Following { holder: "pod-1" } => "Another daemon, pod-1, holds the Lease and acts.", Event("the other daemon's Lease to end");
    SkipReconcile => "The annotation argocd.argoproj.io/skip-reconcile stops all work on this Application.", Event("the annotation to be removed");
    CachesFilling { missing: "the settings" } => "The daemon has just started and still waits for the settings.", Event("the caches to be filled");
    InvalidSpec { message: "no source" } => "The Application cannot be processed: no source", Event("a change of the Application, its project or the settings");
    ResolvingRevision { repo: "https://git/x", revision: "main" } => "Revision main is being looked up in https://git/x.", Event("the answer of the repository");
    RepositoryFailed { repo: "https://git/x", message: "no answer", next_attempt: NOON } => "https://git/x could not be read: no answer", At(NOON);
    Rendering { revision: "abc" } => "Manifests of commit abc are being rendered.", Event("the render to end");
    RenderFailed { revision: "abc", message: "a.yaml:3: no kind" } => "Manifests of commit abc could not be rendered: a.yaml:3: no kind", Event("another commit, or a refresh");
    ListingKinds { kinds: ["Pod".to_owned(), "apps/Deployment".to_owned()] } => "Live objects are being listed: Pod, apps/Deployment.", Event("the lists to be complete");
    Sweeping => "The cluster is being searched for objects that already belong to this Application.", Event("the search to end");
    DryRunning { objects: 2usize } => "The API server is asked by dry run about 2 object(s).", Event("the API server's answers");
    Synced { revision: "abc" } => "The cluster is as commit abc says.", Settled;
    AutoSyncOff { out_of_sync: 2usize } => "2 object(s) differ from Git, and automated sync is off.", Event("a sync to be requested");
    NothingToSync { revision: "abc" } => "The Application differs from commit abc, but in nothing that a sync would change.", Event("a change of an object, or another commit");
    DesiredInDoubt { revision: "abc", out_of_sync: 2usize } => "2 object(s) differ from commit abc, but the newest commit could not be read or rendered, so nothing is pruned and no first sync starts.", Event("the newest commit to be rendered");
    PruneOff { objects: 2usize } => "2 object(s) are no longer in Git, and automated sync does not prune.", Event("a sync with prune to be requested");
    WouldWipeOut { revision: "abc" } => "Syncing commit abc would delete every object of the Application, and allowEmpty is off.", Event("a sync to be requested, or another commit");
    LastSyncFailed { revision: "abc", message: "denied" } => "The last sync of commit abc failed: denied", Event("another commit, a change of the source, or a sync to be requested");
    SelfHealOff { out_of_sync: 2usize } => "2 object(s) were changed after this commit was synced, and selfHeal is off.", Event("a sync to be requested, or another commit");
    SelfHealBackoff { object: "Secret a/b", manager: "kubectl", until: NOON } => "Secret a/b is changed back again and again by field manager kubectl, so healing waits.", At(NOON);
    PrunesHeld => "Objects are no longer rendered here, and other Applications, which may render them, are still being read.", Event("the manifests of the other Applications");
    OperationRunning { message: "waiting" } => "An operation is running: waiting.", Event("the operation's objects");
    RetryWaiting { attempt: 1i64, at: NOON, message: "denied. Retrying attempt #1 at 12:00PM." } => "The operation failed (denied. Retrying attempt #1 at 12:00PM) and waits for attempt 1.", At(NOON);
    Deleting { message: "one object is left" } => "The Application is being deleted: one object is left.", Event("the objects to be gone");
    WriteFailed { message: "conflict", next_attempt: NOON } => "The Application could not be written: conflict", At(NOON);
    ObjectSame => "Applying it would change nothing.", Settled;
    ObjectOwnershipOnly => "Its values are as Git says; some fields are owned by another manager and are taken over with the next apply.", Settled;
    ObjectDifferent { fields: ["spec.replicas".to_owned(), "data.a (kubectl)".to_owned()] } => "It differs from Git in spec.replicas, data.a (kubectl).", Settled;
    ObjectMissing => "It is in Git and not in the cluster.", Settled;
    ObjectRequiresPruning => "It belongs to this Application and is no longer in Git.", Settled;
    ObjectShared { other: "argocd/b" } => "It is also claimed by Application argocd/b, which had it first.", Settled;
    ObjectHandedOver { other: "argocd/b" } => "Application argocd/b renders it now and takes it over; it is not pruned.", Settled;
    ObjectNotPermitted { message: "kind denied" } => "The project does not permit it: kind denied", Event("a change of the project");
    ObjectKindUnknown { kind: "example.com/Foo" } => "The API server does not serve example.com/Foo.", Event("the kind's CustomResourceDefinition to be established");
    ObjectInvalid { message: "spec.replicaz: unknown" } => "The API server rejects it: spec.replicaz: unknown", Event("another commit");
}

/// The message that a reason carries, if its sentence ends with it.
fn message_of(reason: &Reason) -> Option<&str> {
    match reason {
        Reason::InvalidSpec { message }
        | Reason::RepositoryFailed { message, .. }
        | Reason::RenderFailed { message, .. }
        | Reason::LastSyncFailed { message, .. }
        | Reason::WriteFailed { message, .. }
        | Reason::ObjectNotPermitted { message }
        | Reason::ObjectInvalid { message } => Some(message),
        _ => None,
    }
}

#[test]
fn each_reason_has_its_rule_its_sentence_and_its_wake() {
    for (reason, rule, sentence, wake) in rows() {
        assert_eq!(reason.rule(), rule);
        assert_eq!(reason.sentence(), sentence, "{rule}");
        assert_eq!(reason.wake(), wake, "{rule}");
    }
}

#[test]
fn each_sentence_ends_with_one_full_stop_or_the_message() {
    for (reason, rule, sentence, _) in rows() {
        match message_of(&reason) {
            Some(message) => assert!(sentence.ends_with(&format!(": {message}")), "{rule}: {sentence}"),
            None => assert!(sentence.ends_with('.') && !sentence.ends_with(".."), "{rule}: {sentence}"),
        }
        assert!(sentence.starts_with(|first: char| !first.is_lowercase()) || rule == "RepositoryFailed", "{sentence}");
    }
}

#[test]
fn an_explanation_says_what_is_waited_for_and_until_when() {
    for (reason, rule, sentence, wake) in rows() {
        let (waits_for, wakes_at) = match wake {
            Settled => (None, None),
            Event(text) => (Some(text.to_owned()), None),
            At(at) => (Some("2026-01-01T12:00:00Z to pass".to_owned()), Some(Time::new(at))),
        };
        let expected = Explanation {
            object: Some("Secret a/b".to_owned()),
            rule,
            sentence: sentence.to_owned(),
            waits_for,
            wakes_at,
        };
        assert_eq!(reason.explain(Some("Secret a/b".to_owned())), expected);
    }
}

#[test]
fn empty_and_finished_messages_still_make_one_sentence() {
    let message = |message: &str| message.to_owned();
    for (reason, sentence) in [
        (Reason::Following { holder: String::new() }, "No daemon holds the Lease yet."),
        (Reason::OperationRunning { message: String::new() }, "An operation is running."),
        (Reason::OperationRunning { message: message("It waits.") }, "An operation is running: It waits."),
        (Reason::Deleting { message: message("It waits.") }, "The Application is being deleted: It waits."),
    ] {
        assert_eq!(reason.sentence(), sentence);
    }
}
