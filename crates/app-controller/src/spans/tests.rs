use std::sync::{Arc, Mutex};

use kube_object::{ApiResource, ClusterId, CompactObject, Gvk, Object, ObjectKey, Scope};
use reconciler::{ActingAs, Rendering, Reuse, Ticket, Validation};
use serde_json::json;
use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::*;

#[test]
fn a_step_is_read_from_annotations() {
    let check = |json: &str, phase: &str, wave| {
        assert_eq!(step_of(json.as_bytes()), Step { phase: phase.to_owned(), wave }, "{json}");
    };
    check("{}", "Sync", 0);
    check(r#"{"metadata":{"annotations":null,"name":"a"},"spec":{"a":[1]}}"#, "Sync", 0);
    check(r#"{"metadata":{"annotations":{"argocd.argoproj.io/sync-wave":"-2"}}}"#, "Sync", -2);
    check(r#"{"metadata":{"annotations":{"argocd.argoproj.io/hook":"PreSync,Sync","a\n":"b"}}}"#, "PreSync", 0);
    check(r#"{"metadata":{"annotations":{"argocd.argoproj.io/sync-wave":"x"}}}"#, "Sync", 0);
}

/// Notes each span as `parent/name` when it begins and `-name` when it ends.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Notes {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let parent = span.parent().map_or("", |parent| parent.name());
        self.0.lock().unwrap().push(format!("{parent}/{}", span.name()));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.0.lock().unwrap().push(format!("-{}", context.span(&id).unwrap().name()));
    }
}

fn app() -> AppKey {
    AppKey::new("argocd", "web")
}

fn apply(wave: &str) -> Effect {
    let object = json!({"metadata": {"annotations": {"argocd.argoproj.io/sync-wave": wave}}});
    let object = CompactObject::of(&Object::from_value(object).unwrap());
    let gvk = Gvk::new("", "v1", "ConfigMap");
    let request = ClusterRequest {
        cluster: ClusterId::in_cluster(),
        key: ObjectKey::new(ClusterId::in_cluster(), gvk.group_kind(), "shop", "a"),
        resource: ApiResource {
            gvk,
            plural: "configmaps".to_owned(),
            scope: Scope::Namespaced,
            verbs: Vec::new(),
            subresources: Vec::new(),
        },
        acting_as: ActingAs::Daemon,
        call: Call::Apply { object, migration: None, validation: Validation::Strict },
    };
    Effect::Request { app: app(), ticket: Ticket(2), request: Box::new(request) }
}

fn answered(answer: Answer) -> Event {
    Event::Answered { app: app(), ticket: Ticket(2), answer }
}

#[test]
fn one_reconciliation_is_one_tree_of_spans() {
    let notes = Notes::default();
    let subscriber = tracing_subscriber::registry().with(notes.clone());
    let guard = tracing::subscriber::set_default(subscriber);
    let mut reconciles = Reconciles::default();
    let (labels, metrics) = (Labels::default(), crate::test_hands::metrics());
    let step = |reconciles: &mut Reconciles, expected: &[&str]| {
        reconciles.end_idle(&metrics.apps, &labels);
        assert_eq!(std::mem::take(&mut *notes.0.lock().unwrap()), expected);
    };

    let render = Effect::Render {
        app: app(),
        ticket: Ticket(1),
        commit: "abc".to_owned(),
        sources: Arc::default(),
        context: Box::default(),
        reuse: Reuse::Allowed,
    };
    drop(reconciles.begin(&render));
    step(&mut reconciles, &["/reconcile", "reconcile/render", "-render"]);
    let manifests =
        Arc::new(kube_object::RenderedManifests::new(Vec::new(), kube_object::Digest::of_bytes(b""), Vec::new()));
    let compare = reconciles.take(&Event::Rendered {
        app: app(),
        ticket: Ticket(1),
        result: Ok(Rendering::of_directory(manifests)),
    });
    // What the comparison leads to continues the same reconciliation.
    let applies = [apply("0"), apply("0"), apply("1")].map(|effect| reconciles.begin(&effect));
    drop(compare);
    let expected = [
        "reconcile/compare",
        "reconcile/sync_step",
        "sync_step/apply",
        "sync_step/apply",
        "reconcile/sync_step",
        "sync_step/apply",
        "-compare",
    ];
    step(&mut reconciles, &expected);
    drop(applies);
    let gone = || answered(Answer::Gone);
    assert!(reconciles.take(&gone()).is_none());
    assert!(reconciles.take(&gone()).is_none());
    notes.0.lock().unwrap().clear();
    step(&mut reconciles, &[]);
    assert!(reconciles.take(&gone()).is_none());
    step(&mut reconciles, &["-sync_step", "-reconcile"]);
    // An outcome that belongs to nothing under way begins nothing.
    assert!(reconciles.take(&gone()).is_none());
    step(&mut reconciles, &[]);
    drop(guard);
}
