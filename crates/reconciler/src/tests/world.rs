//! Performs the effects of the loop in memory, at once or in an order drawn from a seed, with a clock that moves when told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube_object::{ClusterId, GroupKind, Gvk, Object, ObjectKey};
use settings::{Layers, Settings};

use super::git::Git;
use super::perform::line;
use super::rng::Rng;
use super::server::{Server, key};
use crate::app::View;
use crate::{AppKey, Call, Config, DryRun, Effect, Event, Leadership, State, WatchChange, handle_all};

/// More deliveries than any test needs before it is quiet.
const MOST_DELIVERIES: usize = 20_000;

/// What goes wrong with one effect.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It is refused.
    Refused(kube_object::ApiError),
    /// It is performed, and nobody hears of it.
    AnswerLost,
    /// It is not performed before [`World::release`].
    Held,
}

/// In what order things happen.
pub(super) enum Order {
    /// As they were asked for.
    AsAsked,
    /// Any order that streams and single answers allow.
    Drawn(Rng),
}

pub(super) type Faults = Box<dyn FnMut(&Effect) -> Option<Fault>>;

pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) server: Server,
    pub(super) git: Git,
    pub(super) state: State,
    pub(super) order: Order,
    pub(super) faults: Faults,
    /// What the loop has asked for, one line each.
    pub(super) log: Vec<String>,
    /// Deletes that were asked for although an Application in the loop's view has the object.
    pub(super) wrong_deletes: Vec<String>,
    settings: Arc<Settings>,
    pub(super) watches: BTreeMap<GroupKind, Gvk>,
    waiting: VecDeque<Effect>,
    held: Vec<Effect>,
    pub(super) mail: VecDeque<(Channel, Event)>,
    last_answer: u64,
}

/// What keeps its order: the events of one watch. Anything else comes alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Channel {
    Watch(GroupKind),
    Answer(u64),
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_settings(&[])
    }

    pub(super) fn with_settings(argocd_cm: &[(&str, &str)]) -> Self {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let mut layers = Layers::default();
        layers.argocd_cm.extend(argocd_cm.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut server = Server::new(now);
        for name in ["argocd", "shop", "default"] {
            server.create(serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        }
        Self {
            now,
            server,
            git: Git::default(),
            state: fresh_state(),
            order: Order::AsAsked,
            faults: Box::new(|_| None),
            log: Vec::new(),
            wrong_deletes: Vec::new(),
            settings: Arc::new(Settings::resolve(&layers).0),
            watches: BTreeMap::new(),
            waiting: VecDeque::new(),
            held: Vec::new(),
            mail: VecDeque::new(),
            last_answer: 0,
        }
    }

    /// Starts the daemon and lets it act.
    pub(super) fn start(&mut self) {
        self.begin(Leadership::Leading);
        self.run();
    }

    pub(super) fn begin(&mut self, leadership: Leadership) {
        self.handle(vec![Event::Settings(Arc::clone(&self.settings)), Event::Leadership(leadership)]);
    }

    /// Kills the daemon, with what was on its way, and starts another.
    pub(super) fn restart(&mut self) {
        self.state = fresh_state();
        self.watches.clear();
        self.mail.clear();
        self.held.clear();
        let on_their_way = std::mem::take(&mut self.waiting);
        for effect in on_their_way {
            // What was sent may arrive although nobody hears the answer any more.
            if self.flip() && matches!(effect, Effect::Request { .. } | Effect::Write { .. }) {
                self.perform(effect);
            }
        }
        self.mail.clear();
        self.server.told.clear();
        self.begin(Leadership::Leading);
    }

    /// Runs until nothing is left to do at this time.
    pub(super) fn run(&mut self) {
        for _ in 0..MOST_DELIVERIES {
            if !self.step() {
                return self.assert_nothing_is_awaited();
            }
        }
        let tail = self.log.len().saturating_sub(30);
        panic!("no end of deliveries; last effects: {:#?}", &self.log[tail..]);
    }

    /// When nothing is on its way, nothing may be waited for.
    fn assert_nothing_is_awaited(&self) {
        if !self.held.is_empty() {
            return;
        }
        for app in self.state.apps.values() {
            let views = std::iter::once(&app.main).chain(app.operation_view.as_deref());
            let is_asking = |view: &View| view.rendering.is_some() || !view.asked.is_empty();
            let is_acting = app.run.as_ref().is_some_and(|run| !run.waiting.is_empty());
            let is_writing = app.write.is_some() || app.rereading || !app.deletion.waiting.is_empty();
            let awaits = views.into_iter().any(is_asking) || is_acting || is_writing;
            assert!(!awaits, "{} waits for an answer that nobody gives: {:?}", app.key, app.reason);
        }
        let wake = self.state.next_wake();
        assert!(wake.is_none_or(|at| at > self.now), "something is due that was not done: {wake:?}");
    }

    /// Performs one effect or delivers one event; false when there is none.
    pub(super) fn step(&mut self) -> bool {
        self.tell_watches();
        let draws = matches!(self.order, Order::Drawn(_));
        if !self.waiting.is_empty() && (!draws || self.mail.is_empty() || self.flip()) {
            let at = self.draw(self.waiting.len());
            let effect = self.waiting.remove(at).unwrap();
            self.perform(effect);
            self.tell_watches();
            return true;
        }
        if self.mail.is_empty() {
            return false;
        }
        let mut events = vec![self.take_mail()];
        while draws && !self.mail.is_empty() && self.flip() {
            events.push(self.take_mail());
        }
        self.handle(events);
        true
    }

    /// Lets time pass, with everything that happens meanwhile.
    pub(super) fn advance(&mut self, by: SignedDuration) {
        let until = self.now + by;
        self.run();
        let mut wakes = 0;
        while let Some(at) = self.state.next_wake().filter(|at| *at <= until) {
            wakes += 1;
            assert!(wakes < 5_000, "woken again and again at {at}; last effects: {:#?}", self.tail());
            self.set_time(at.max(self.now));
            self.handle(vec![Event::Tick]);
            self.run();
        }
        self.set_time(until);
        self.handle(vec![Event::Tick]);
        self.run();
    }

    /// Moves the clock and wakes the daemon, without waiting for what is on its way.
    pub(super) fn tick(&mut self, seconds: i64) {
        self.set_time(self.now + SignedDuration::from_secs(seconds));
        self.handle(vec![Event::Tick]);
    }

    pub(super) fn seconds(&mut self, seconds: i64) {
        self.advance(SignedDuration::from_secs(seconds));
    }

    pub(super) fn handle(&mut self, events: Vec<Event>) {
        let effects = handle_all(&mut self.state, events, self.now);
        for effect in effects {
            self.watch_over(&effect);
            self.log.extend(line(&effect));
            match (self.faults)(&effect) {
                Some(Fault::Held) => self.held.push(effect),
                _ => self.waiting.push_back(effect),
            }
        }
    }

    /// Lets what was held go on its way.
    pub(super) fn release(&mut self) {
        self.faults = Box::new(|_| None);
        self.waiting.extend(std::mem::take(&mut self.held));
    }

    /// Tells the daemon of a change in the repository, as a webhook does.
    pub(super) fn push_webhook(&mut self) {
        self.handle(vec![Event::RepoChanged(super::git::repo())]);
        self.run();
    }

    /// Makes a commit, and lets the daemon act on it.
    pub(super) fn commit(&mut self, changed: &[(&str, &[serde_json::Value])]) -> String {
        let commit = self.git.commit(changed);
        self.push_webhook();
        commit
    }

    /// Takes the log, without what does not matter to a test unless it asks.
    pub(super) fn take(&mut self, kinds: &[&str]) -> Vec<String> {
        let log = std::mem::take(&mut self.log);
        log.into_iter().filter(|line| kinds.iter().any(|kind| line.starts_with(kind))).collect()
    }

    fn tail(&self) -> &[String] {
        &self.log[self.log.len().saturating_sub(40)..]
    }

    fn set_time(&mut self, at: Timestamp) {
        self.now = at;
        self.server.now = at;
    }

    fn flip(&mut self) -> bool {
        self.draw(2) == 1
    }

    fn draw(&mut self, below: usize) -> usize {
        match &mut self.order {
            Order::AsAsked => 0,
            Order::Drawn(rng) => rng.below(below),
        }
    }

    /// Takes the first event of a channel.
    fn take_mail(&mut self) -> Event {
        let at = self.draw(self.mail.len());
        let channel = self.mail[at].0.clone();
        let first = self.mail.iter().position(|(other, _)| *other == channel).unwrap();
        self.mail.remove(first).unwrap().1
    }

    pub(super) fn answer(&mut self, event: Event) {
        self.last_answer += 1;
        self.mail.push_back((Channel::Answer(self.last_answer), event));
    }

    fn tell_watches(&mut self) {
        for (gvk, change) in std::mem::take(&mut self.server.told) {
            let group_kind = gvk.group_kind();
            let Some(watched) = self.watches.get(&group_kind).cloned() else { continue };
            if matches!(change, WatchChange::KindGone) {
                self.watches.remove(&group_kind);
            }
            let repeated = matches!(&self.order, Order::Drawn(_)) && self.draw(12) == 0;
            for _ in 0..=usize::from(repeated && matches!(change, WatchChange::Object(_))) {
                self.report(&watched, change.clone());
            }
        }
    }

    pub(super) fn report(&mut self, gvk: &Gvk, change: WatchChange) {
        let event = Event::Watch { cluster: ClusterId::in_cluster(), gvk: gvk.clone(), change };
        self.mail.push_back((Channel::Watch(gvk.group_kind()), event));
    }

    /// Breaks the watch of a kind, if there is one.
    pub(super) fn break_watch(&mut self, gvk: &Gvk) {
        if self.watches.contains_key(&gvk.group_kind()) {
            self.relist(gvk);
        }
    }

    /// Lists a kind and watches it from then on.
    pub(super) fn relist(&mut self, gvk: &Gvk) {
        if !self.server.serves(gvk) {
            return self.report(gvk, WatchChange::KindGone);
        }
        self.tell_watches();
        self.watches.insert(gvk.group_kind(), gvk.clone());
        self.report(gvk, WatchChange::Restarted);
        let objects: Vec<Object> = self.server.of_kind(&gvk.group_kind()).cloned().collect();
        for object in objects {
            self.report(gvk, WatchChange::Object(Box::new(object)));
        }
        let version = self.server.version();
        self.report(gvk, WatchChange::Listed(version));
    }

    /// Notes a delete of an object that an Application renders, as far as the loop knows.
    fn watch_over(&mut self, effect: &Effect) {
        let Effect::Request { app, request, .. } = effect else { return };
        if !matches!(request.call, Call::Delete { dry_run: DryRun::No, .. }) {
            return;
        }
        for other in self.state.apps.values() {
            let alive = other.app.as_ref().is_ok_and(|application| !application.is_deleting());
            let renders = other.main.targets.as_ref().is_some_and(|targets| targets.index.contains_key(&request.key));
            if alive && renders {
                self.wrong_deletes.push(format!("{app} deletes {} of {}", request.key, other.key));
            }
        }
    }
}

fn fresh_state() -> State {
    State::new(Config { control_namespace: "argocd".to_owned() })
}

pub(super) fn application_key(app: &AppKey) -> ObjectKey {
    key("argoproj.io", "Application", &app.namespace, &app.name)
}
