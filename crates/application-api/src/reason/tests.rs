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
/// A commit.
const C: &str = "3f2a1b9c";
const REPO: &str = "https://git.example/shop";
/// As a server of admission writes it: lines, a full stop, blanks at the end.
const DENIED: &str = "admission webhook \"policy.example\" denied the request:\n  - limits are missing.\n  - the label team is missing.\n";

use Wake::{At, Event, Settled};

table! {
    Following { holder: "pod-1" } => "Another daemon, pod-1, holds the Lease and acts.", Event("the other daemon's Lease to end");
    SkipReconcile => "The annotation argocd.argoproj.io/skip-reconcile stops all work on this Application.", Event("the annotation to be removed");
    CachesFilling { missing: "the settings" } => "The daemon has just started and still waits for the settings.", Event("the caches to be filled");
    InvalidSpec { message: "application destination can't have both name and server defined: dev https://dev.example" } => "The Application cannot be processed: application destination can't have both name and server defined: dev https://dev.example.", Event("a change of the Application, its project or the settings");
    ResolvingRevision { repo: REPO, revision: "main" } => "Revision main is being looked up in https://git.example/shop.", Event("the answer of the repository");
    RepositoryFailed { repo: REPO, message: "cannot reach https://git.example/shop to list its refs (connection refused); check that the server is up and the address is right", next_attempt: NOON } => "The repository could not be read: cannot reach https://git.example/shop to list its refs (connection refused); check that the server is up and the address is right.", At("the next attempt", NOON);
    RevisionUnknown { repo: REPO, revision: "v9" } => "There is no revision v9 in https://git.example/shop.", Event("the revision to appear, or a change of the Application");
    Rendering { revision: C } => "Manifests of commit 3f2a1b9c are being rendered.", Event("the render to end");
    RenderFailed { revision: C, message: "shop/web.yaml:3: mapping values are not allowed here" } => "Manifests of commit 3f2a1b9c could not be rendered: shop/web.yaml:3: mapping values are not allowed here.", Event("another commit, or a refresh");
    ListingKinds { kinds: ["Pod".to_owned(), "apps/Deployment (403 Forbidden)".to_owned()] } => "Live objects are being listed: Pod, apps/Deployment (403 Forbidden).", Event("the lists to be complete");
    Sweeping => "The cluster is being searched for objects that already belong to this Application.", Event("the search to end");
    DryRunning { objects: 2usize } => "The API server is asked by dry run about 2 objects.", Event("the API server's answers");
    Synced { revision: C } => "The cluster is as commit 3f2a1b9c says.", Settled;
    AutoSyncOff { out_of_sync: 2usize } => "2 objects differ from Git, and automated sync is off.", Event("a sync to be requested");
    NothingToSync { revision: C } => "The Application differs from commit 3f2a1b9c, but in nothing that a sync would change.", Event("a change of an object, or another commit");
    DesiredInDoubt { revision: C, out_of_sync: 2usize } => "2 objects differ from commit 3f2a1b9c, but the newest commit could not be read or rendered, so nothing is pruned and no first sync starts.", Event("the newest commit to be rendered");
    PruneOff { objects: 2usize } => "2 objects are no longer in Git, and automated sync does not prune.", Event("a sync with prune to be requested");
    WouldWipeOut { revision: C } => "Syncing commit 3f2a1b9c would delete every object of the Application, and allowEmpty is off.", Event("a sync to be requested, or another commit");
    LastSyncFailed { revision: C, message: "one or more objects failed to apply, reason: Service \"web\" is invalid (retried 5 times).", tried_out_at: None } => "The last sync of commit 3f2a1b9c failed: one or more objects failed to apply, reason: Service \"web\" is invalid (retried 5 times).", Event("another commit, a change of the source, or a sync to be requested");
    SelfHealOff { out_of_sync: 2usize } => "2 objects were changed after this commit was synced, and selfHeal is off.", Event("a sync to be requested, or another commit");
    SelfHealBackoff { object: "apps/Deployment shop/web", manager: "kubectl-edit", until: NOON } => "apps/Deployment shop/web is changed back again and again by field manager kubectl-edit, so healing waits.", At("the next heal", NOON);
    PrunesHeld => "Objects are no longer rendered here, and it is not sure yet that they are to go: other Applications, which may render them, are still being read, or the API server does not answer for a group that a chart may ask for.", Event("the manifests of the other Applications");
    BlockedByWindow { windows: ["deny @daily for 8h".to_owned()], until: Some(NOON) } => "The sync waits for its time, by the sync windows of the project: deny @daily for 8h.", At("a window to open or close", NOON);
    BlockedByDependencies { dependencies: ["infra/postgres (Progressing)".to_owned(), "infra/redis (it does not exist)".to_owned()] } => "The sync is blocked by dependencies: infra/postgres (Progressing), infra/redis (it does not exist).", Event("these Applications to be ready");
    OperationRunning { message: "waiting for healthy state of apps/Deployment/web and 2 more resources" } => "An operation is running: waiting for healthy state of apps/Deployment/web and 2 more resources.", Event("the operation's objects");
    RetryWaiting { attempt: 1i64, at: NOON, message: "one or more objects failed to apply, reason: quota. Retrying attempt #1 at 12:00PM." } => "The operation failed (one or more objects failed to apply, reason: quota) and waits for attempt 1.", At("the next attempt", NOON);
    Deleting { message: "waiting for apps/Deployment shop/web and 2 more object(s) to go" } => "The Application is being deleted: waiting for apps/Deployment shop/web and 2 more object(s) to go.", Event("the objects to be gone");
    DependentsDeleting { dependents: ["shop/web".to_owned()] } => "The Application is being deleted, and Applications that depend on it go first: shop/web.", Event("these Applications to be gone");
    DeletionFailed { message: "deletecollection is forbidden", next_attempt: NOON } => "Deleting the Application's objects failed: deletecollection is forbidden.", At("the next attempt", NOON);
    DeletionUnapproved { object: "PersistentVolumeClaim shop/disk" } => "The Application is being deleted, and PersistentVolumeClaim shop/disk may only be deleted when somebody approves it.", Event("the annotation argocd.argoproj.io/deletion-approved");
    FinalizersOfOthers { finalizers: ["example.com/audit".to_owned()] } => "The Application is being deleted, and only finalizers of others hold it: example.com/audit.", Event("their owners to remove them");
    WriteFailed { message: DENIED, next_attempt: NOON } => "The Application could not be written: admission webhook \"policy.example\" denied the request: - limits are missing. - the label team is missing.", At("the next attempt", NOON);
    ObjectSame => "Applying it would change nothing.", Settled;
    ObjectOwnershipOnly => "Its values are as Git says; some fields are owned by another manager and are taken over with the next apply.", Settled;
    ObjectDifferent { fields: [".spec.replicas".to_owned(), ".data.a (set by kubectl-edit)".to_owned()] } => "It differs from Git in .spec.replicas, .data.a (set by kubectl-edit).", Settled;
    ObjectMissing => "It is in Git and not in the cluster.", Settled;
    ObjectRequiresPruning => "It belongs to this Application and is no longer in Git.", Settled;
    ObjectKept { option: "Prune=false" } => "It is no longer in Git, and Prune=false keeps it.", Settled;
    ObjectIsHook => "It was made by a hook, and is neither compared nor pruned.", Settled;
    ObjectDeleting => "It is being deleted.", Event("its finalizers to be removed");
    ObjectShared { other: "argocd/b" } => "It is also claimed by Application argocd/b, which had it first.", Settled;
    ObjectHandedOver { other: "argocd/b" } => "Application argocd/b renders it now and takes it over; it is not pruned.", Settled;
    ObjectNotPermitted { message: "resource :Secret is not permitted in project shop" } => "The project does not permit it: resource :Secret is not permitted in project shop.", Event("a change of the project");
    ObjectKindUnknown { kind: "example.com/v1, Kind=Gadget" } => "The API server does not serve example.com/v1, Kind=Gadget.", Event("the kind's CustomResourceDefinition to be established");
    ObjectInvalid { message: DENIED } => "The API server rejects it: admission webhook \"policy.example\" denied the request: - limits are missing. - the label team is missing.", Event("another commit");
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
fn each_sentence_is_one_on_one_line_and_ends_with_one_full_stop() {
    for (reason, rule, ..) in rows() {
        let sentence = reason.sentence();
        assert!(sentence.ends_with('.') && !sentence.ends_with(".."), "{rule}: {sentence}");
        assert!(!sentence.contains(['\n', '\r', '\t']) && !sentence.contains("  "), "{rule}: {sentence}");
        // Names of groups begin with a small letter.
        assert!(!sentence.starts_with(char::is_lowercase) || rule == "SelfHealBackoff", "{rule}: {sentence}");
        let words: Vec<&str> = sentence.split(' ').collect();
        let twice = words.windows(2).find(|pair| pair[0].trim_end_matches(':') == pair[1].trim_end_matches(':'));
        assert_eq!(twice, None, "{rule}: {sentence}");
    }
}

#[test]
fn an_explanation_says_what_is_waited_for_and_until_when() {
    for (reason, rule, sentence, wake) in rows() {
        let (waits_for, wakes_at) = match wake {
            Settled => (None, None),
            Event(text) => (Some(text.to_owned()), None),
            At(text, at) => (Some(text.to_owned()), Some(Time::new(at))),
        };
        let object = Some("Secret a/b".to_owned());
        let expected = Explanation { object: object.clone(), rule, sentence: sentence.to_owned(), waits_for, wakes_at };
        assert_eq!(reason.explain(object), expected);
    }
}

#[test]
fn empty_finished_and_single_things_still_make_one_sentence() {
    let message = |message: &str| message.to_owned();
    for (reason, sentence) in [
        (Reason::Following { holder: String::new() }, "No daemon holds the Lease yet."),
        (Reason::OperationRunning { message: String::new() }, "An operation is running."),
        (Reason::OperationRunning { message: message("It waits.") }, "An operation is running: It waits."),
        (Reason::Deleting { message: message("It waits...\n") }, "The Application is being deleted: It waits."),
        (Reason::InvalidSpec { message: String::new() }, "The Application cannot be processed."),
        (Reason::ObjectDifferent { fields: Vec::new() }, "It differs from Git."),
        (Reason::DryRunning { objects: 1 }, "The API server is asked by dry run about 1 object."),
        (Reason::AutoSyncOff { out_of_sync: 1 }, "1 object differs from Git, and automated sync is off."),
        (Reason::PruneOff { objects: 1 }, "1 object is no longer in Git, and automated sync does not prune."),
        (
            Reason::SelfHealOff { out_of_sync: 1 },
            "1 object was changed after this commit was synced, and selfHeal is off.",
        ),
        (
            Reason::RepositoryFailed { repo: message(REPO), message: message("no answer"), next_attempt: NOON },
            "Repository https://git.example/shop could not be read: no answer.",
        ),
        (
            Reason::RetryWaiting { attempt: 2, at: NOON, message: message("It failed.") },
            "The operation failed (It failed) and waits for attempt 2.",
        ),
    ] {
        assert_eq!(reason.sentence(), sentence);
    }
}
