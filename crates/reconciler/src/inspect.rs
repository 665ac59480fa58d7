//! What the loop tells of itself: for tests and explanations, never for decisions.

use application_api::Reason;
use jiff::Timestamp;
use kube_object::{ClusterId, GroupKind, ObjectKey};

use crate::app::View;
use crate::reading::Facts;
use crate::state::State;
use crate::{AppKey, SourceRepo};

/// Something outside that the loop has asked for and has no answer to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// What the API server serves.
    Discovery,
    /// The end of a search through all kinds.
    Sweep,
    /// The first list of a kind.
    List(GroupKind),
    /// The end of a poll of a repository.
    Poll(SourceRepo),
    /// The end of a render for an Application.
    Render(AppKey),
    /// The answer to a question that a comparison asked.
    Question(AppKey),
    /// The answer to a request of an operation.
    Action(AppKey),
    /// The answer to a delete of a cascade.
    Delete(AppKey),
    /// The answer to a write of an Application.
    Write(AppKey),
    /// An Application as it is after a conflict.
    Reread(AppKey),
}

impl State {
    /// Lists what the loop waits for: each of these is answered by exactly one event, or a first list by a watch.
    pub fn awaits(&self) -> Vec<Awaited> {
        let mut all = Vec::new();
        if self.cluster.is_discovering() {
            all.push(Awaited::Discovery);
        }
        if self.cluster.sweep.in_flight {
            all.push(Awaited::Sweep);
        }
        all.extend(self.cluster.unlisted().map(Awaited::List));
        all.extend(self.repos.polling().map(Awaited::Poll));
        for app in self.apps.values() {
            let key = || app.key.clone();
            let views = || std::iter::once(&app.main).chain(app.operation_view.as_deref());
            let run = app.run.iter().flat_map(|run| run.waiting.keys());
            all.extend(views().filter(|view: &&View| view.rendering.is_some()).map(|_| Awaited::Render(key())));
            all.extend(views().flat_map(|view| view.asked.keys()).map(|_| Awaited::Question(key())));
            all.extend(run.map(|_| Awaited::Action(key())));
            all.extend(app.deletion.waiting.keys().map(|_| Awaited::Delete(key())));
            all.extend(app.write.iter().map(|_| Awaited::Write(key())));
            all.extend(app.rereading.then(|| Awaited::Reread(key())));
        }
        all
    }

    /// Returns the Applications that the loop knows, in order.
    pub fn applications(&self) -> impl ExactSizeIterator<Item = &AppKey> {
        self.apps.keys()
    }

    /// Says why an Application is as it is, as of the last look at it.
    pub fn reason(&self, app: &AppKey) -> Option<&Reason> {
        self.apps.get(app)?.reason.as_ref()
    }

    /// Explains an Application, then each of its objects, as readers are told.
    pub fn explanations(&self, app: &AppKey) -> Vec<(Option<Box<str>>, Reason)> {
        self.apps.get(app).map(|app| crate::publish::explanations(app)).unwrap_or_default()
    }

    /// Returns when an Application is looked at next even if nothing happens.
    pub fn wake_of(&self, app: &AppKey) -> Option<Timestamp> {
        self.apps.get(app)?.wake_at
    }

    /// Returns the Applications that stay and whose desired state in force has an object.
    pub fn renderers(&self, object: &ObjectKey) -> impl Iterator<Item = &AppKey> {
        let stays = |app: &&crate::app::AppState| app.reading.facts().is_some_and(Facts::stays);
        let apps = self.apps.values().map(|app| &**app).filter(stays);
        let renders = move |view: &View| view.targets.as_ref().is_some_and(|targets| targets.contains(object));
        apps.filter(move |app| renders(&app.main)).map(|app| &app.key)
    }

    /// Returns the cluster that the loop looks after.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster.id
    }
}
