//! What `driftless why` prints, for every reason there is.

use app_view::{AppSnapshot, WhyLine};
use application_api::Reason;
use kube_object::{Object, Time};
use serde_json::{Value, json};

use crate::daemon::Api;

/// One reason a variant. The match makes a variant without a row fail to compile.
macro_rules! reasons {
    ($($variant:ident $({ $($field:ident: $value:expr),+ })?;)+) => {
        fn reasons() -> Vec<Reason> {
            let _ = |reason: &Reason| match reason { $(Reason::$variant { .. } => (),)+ };
            vec![$(Reason::$variant $({ $($field: $value.into()),+ })?),+]
        }
    };
}

fn noon() -> Time {
    Time::parse("2026-01-01T12:00:00Z").unwrap()
}

const LINES: &str = "denied:\n  - one\n  - two\n";

reasons! {
    Following { holder: "pod-1" };
    SkipReconcile;
    CachesFilling { missing: "the settings" };
    InvalidSpec { message: LINES };
    ResolvingRevision { repo: "https://git.example/x", revision: "main" };
    RepositoryFailed { repo: "https://git.example/x", message: LINES, next_attempt: noon().timestamp() };
    RevisionUnknown { repo: "https://git.example/x", revision: "v9" };
    Rendering { revision: "abc" };
    RenderFailed { revision: "abc", message: LINES };
    ListingKinds { kinds: ["Pod".to_owned()] };
    Sweeping;
    DryRunning { objects: 2usize };
    Synced { revision: "abc" };
    AutoSyncOff { out_of_sync: 2usize };
    NothingToSync { revision: "abc" };
    DesiredInDoubt { revision: "abc", out_of_sync: 2usize };
    PruneOff { objects: 2usize };
    WouldWipeOut { revision: "abc" };
    LastSyncFailed { revision: "abc", message: LINES, tried_out_at: None };
    SelfHealOff { out_of_sync: 2usize };
    SelfHealBackoff { object: "Secret a/b", manager: "kubectl", until: noon().timestamp() };
    PrunesHeld;
    BlockedByWindow { windows: [LINES.to_owned()], until: None };
    BlockedByDependencies { dependencies: [LINES.to_owned()] };
    OperationRunning { message: LINES };
    RetryWaiting { attempt: 1i64, at: noon().timestamp(), message: LINES };
    Deleting { message: LINES };
    DependentsDeleting { dependents: [LINES.to_owned()] };
    DeletionFailed { message: LINES, next_attempt: noon().timestamp() };
    DeletionUnapproved { object: "Secret a/b" };
    FinalizersOfOthers { finalizers: ["example.com/audit".to_owned()] };
    WriteFailed { message: LINES, next_attempt: noon().timestamp() };
    ObjectSame;
    ObjectOwnershipOnly;
    ObjectDifferent { fields: [".spec.replicas".to_owned()] };
    ObjectMissing;
    ObjectRequiresPruning;
    ObjectKept { option: "Prune=false" };
    ObjectIsHook;
    ObjectDeleting;
    ObjectShared { other: "argocd/b" };
    ObjectHandedOver { other: "argocd/b" };
    ObjectNotPermitted { message: LINES };
    ObjectKindUnknown { kind: "example.com/Foo" };
    ObjectInvalid { message: LINES };
}

/// Puts an explanation into a line.
fn line(explanation: &Value) -> String {
    let text = |key: &str| explanation[key].as_str().unwrap_or_default();
    let object = explanation["object"].as_str().map(|object| format!("{object}: ")).unwrap_or_default();
    let waits = match (text("waitsFor"), text("wakesAt")) {
        ("", "") => String::new(),
        (event, "") => format!(" Waits for {event}."),
        (event, time) => format!(" Waits for {event}, at {time}."),
    };
    format!("{object}{}{waits}\n", text("sentence"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_is_one_line() {
    let api = Api::start().await;
    let app = json!({"metadata": {"namespace": "argocd", "name": "web", "uid": "web", "resourceVersion": "1"}});
    let app = Object::from_value(app).unwrap();
    for reason in reasons() {
        let of_object = reason.rule().starts_with("Object");
        let object = of_object.then(|| "Secret a/b".to_owned());
        let why = WhyLine { object: object.clone().map(Into::into), reason: reason.clone() };
        let beside = WhyLine { object: Some("Service shop/web".into()), reason: Reason::ObjectMissing };
        api.view.publish(AppSnapshot::new(&app).with_why([why, beside].into()));
        let explanation = serde_json::to_value(reason.explain(object)).unwrap();

        let asked: &[&str] = if of_object { &["why", "web", "secret/b"] } else { &["why", "web"] };
        let (code, out, err) = api.run(asked).await;
        let other = if of_object { "" } else { "Service shop/web: It is in Git and not in the cluster.\n" };
        assert_eq!((code, out, err.as_str()), (0, line(&explanation) + other, ""));

        let (code, out, err) = api.run(&[asked, &["-o", "json"]].concat()).await;
        let printed: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &printed[0], err.as_str()), (0, &explanation, ""), "{out}");
        assert!(!out.contains("\\n"), "{out}");
    }
    api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_waited_for_and_when_is_said() {
    let api = Api::start().await;
    let app = json!({"metadata": {"namespace": "argocd", "name": "web", "uid": "web", "resourceVersion": "1"}});
    let app = Object::from_value(app).unwrap();
    let failed = "one or more objects failed to apply. Retrying attempt #2 at 12:00PM.".to_owned();
    for (reason, expected) in [
        (Reason::Synced { revision: "abc".to_owned() }, "The cluster is as commit abc says.\n"),
        (
            Reason::RetryWaiting { attempt: 2, at: noon().timestamp(), message: failed },
            "The operation failed (one or more objects failed to apply) and waits for attempt 2. \
             Waits for the next attempt, at 2026-01-01T12:00:00Z.\n",
        ),
        (
            Reason::AutoSyncOff { out_of_sync: 1 },
            "1 object differs from Git, and automated sync is off. Waits for a sync to be requested.\n",
        ),
    ] {
        api.view.publish(AppSnapshot::new(&app).with_why([WhyLine { object: None, reason }].into()));
        assert_eq!(api.run(&["why", "web"]).await, (0, expected.to_owned(), String::new()));
    }
    api.end().await;
}
