//! What a schedule is about, drawn first.

use serde_json::{Value, json};

use super::plan::APPS;
use crate::sim::build::application_with;
use crate::sim::git::REPO;
use crate::sim::rng::Rng;

/// Where the Applications come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Somebody creates them.
    ByHand,
    /// An Application of Applications has them.
    OfRoot,
}

/// What people edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edits {
    /// No spec: so what every commit has may never go.
    None,
    /// Specs of Applications, too.
    Specs,
}

/// What a schedule is about.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) family: Family,
    pub(super) edits: Edits,
    /// The cascade finalizer of Applications, if they have one.
    pub(super) finalizer: Option<&'static str>,
    /// Whether failed automated syncs are tried again.
    pub(super) retry: Option<i64>,
    /// Whether there is a kind of its own.
    pub(super) kinds: bool,
    /// Whether an Application has a list of sources.
    pub(super) lists: bool,
    pub(super) rollout_seconds: i64,
    pub(super) establishing_millis: i64,
}

const FINALIZERS: [&str; 3] = [
    "resources-finalizer.argocd.argoproj.io",
    "resources-finalizer.argocd.argoproj.io/foreground",
    "resources-finalizer.argocd.argoproj.io/background",
];

impl Shape {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let kinds = rng.one_in(3);
        // Who has objects of a kind that another Application defines needs attempts until it is served.
        let retry = (!kinds && rng.one_in(2)).then(|| *rng.pick(&[0, 1, 3]));
        Self {
            family: if rng.one_in(3) { Family::OfRoot } else { Family::ByHand },
            edits: if rng.one_in(3) { Edits::Specs } else { Edits::None },
            finalizer: rng.one_in(2).then(|| *rng.pick(&FINALIZERS)),
            retry,
            kinds,
            rollout_seconds: *rng.pick(&[0, 2, 30]),
            establishing_millis: *rng.pick(&[0, 300, 4000]),
            // Drawn last, so that the schedules of a seed stay what they were but for this.
            lists: rng.one_in(3),
        }
    }

    /// Makes the manifest of an Application.
    pub(super) fn application(&self, name: &str) -> Value {
        application_with(name, |app| {
            if name == APPS[1] && self.kinds {
                // A chart, whose render depends on what the cluster serves.
                app["spec"]["source"]["helm"] = json!({});
            }
            if name == APPS[0] && self.lists {
                let source = app["spec"].as_object_mut().and_then(|spec| spec.remove("source"));
                app["spec"]["sources"] = json!([source, {"repoURL": REPO, "ref": "env", "targetRevision": "HEAD"}]);
            }
            if let Some(finalizer) = self.finalizer {
                app["metadata"]["finalizers"] = json!([finalizer]);
            }
            if let Some(limit) = self.retry {
                let backoff = json!({"duration": "3s", "factor": 2, "maxDuration": "20s"});
                app["spec"]["syncPolicy"]["retry"] = json!({"limit": limit, "backoff": backoff});
            }
        })
    }

    /// Makes the manifest of an Application that comes and goes with its objects.
    pub(super) fn guest(&self) -> Value {
        let finalizer = self.finalizer.unwrap_or(FINALIZERS[0]);
        application_with("guest", |app| app["metadata"]["finalizers"] = json!([finalizer]))
    }
}
