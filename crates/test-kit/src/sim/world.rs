//! Performs the effects of loops in memory, at once or in an order drawn from a seed, with a clock that moves when told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube_object::{GroupKind, Gvk, Object, ObjectKey};
use reconciler::{AppKey, Effect, Event, Leadership, State, WatchChange, handle_all};
use settings::{Layers, Settings};

use super::daemon::Daemon;
use super::git::Git;
use super::perform::line;
use super::rng::Rng;
use super::server::{Server, key};

/// More deliveries than any test needs before it is quiet.
const MOST_DELIVERIES: usize = 20_000;
/// More wake-ups than any stretch of time needs.
const MOST_WAKES: usize = 5_000;

/// What goes wrong with one effect.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is refused.
    Refused(kube_object::ApiError),
    /// It is performed, and nobody hears of it.
    AnswerLost,
    /// It is not performed before [`World::release`].
    Held,
}

/// In what order things happen.
#[derive(Clone, Debug)]
pub enum Order {
    /// As they were asked for.
    AsAsked,
    /// Any order that streams and single answers allow.
    Drawn(Rng),
}

/// Whether what loops ask for is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noting {
    /// One line for each effect.
    All,
    /// Nothing, which is faster.
    Nothing,
    /// One line for each effect, also on standard error as it happens.
    Aloud,
}

/// Whether people ask for syncs to commits of the past that prune what Git has by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollbacks {
    /// They do not.
    None,
    /// They do: then an Application may delete what its newest manifests have.
    WithPrune,
}

/// Decides what goes wrong with an effect.
pub type Faults = Box<dyn FnMut(&Effect) -> Option<Fault>>;

/// An installation: an API server, a repository, and one daemon or two.
pub struct World {
    /// The time.
    pub now: Timestamp,
    /// The API server.
    pub server: Server,
    /// The repository.
    pub git: Git,
    /// In what order things happen.
    pub order: Order,
    /// What goes wrong.
    pub faults: Faults,
    /// Whether there is a log.
    pub noting: Noting,
    /// What loops have asked for, one line each.
    pub log: Vec<String>,
    /// What people ask for.
    pub rollbacks: Rollbacks,
    /// Objects that nothing may delete.
    pub protected: BTreeSet<ObjectKey>,
    /// Deletes that were asked for although an Application in the loop's view has the object.
    pub wrong_deletes: Vec<String>,
    pub(super) settings: Arc<Settings>,
    /// The first one leads, if any does.
    pub(super) daemons: Vec<Daemon>,
    /// What daemons that are no more had sent: it may still arrive, and nobody hears the answer.
    pub(super) adrift: Vec<Effect>,
    /// Until when the watches of kinds tell nothing.
    pub(super) lagging: BTreeMap<GroupKind, Timestamp>,
}

impl World {
    /// Makes a world whose daemon is not started yet.
    #[expect(clippy::new_without_default, reason = "a world is made on purpose")]
    pub fn new() -> Self {
        Self::with_settings(&[])
    }

    /// Makes a world with keys of argocd-cm.
    pub fn with_settings(argocd_cm: &[(&str, &str)]) -> Self {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().expect("it is a time");
        let mut server = Server::new(now);
        for name in ["argocd", "shop", "default"] {
            server.create(serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        }
        Self {
            now,
            server,
            git: Git::default(),
            order: Order::AsAsked,
            faults: Box::new(|_| None),
            noting: Noting::All,
            log: Vec::new(),
            rollbacks: Rollbacks::None,
            protected: BTreeSet::new(),
            wrong_deletes: Vec::new(),
            settings: settings_of(argocd_cm),
            daemons: vec![Daemon::new()],
            adrift: Vec::new(),
            lagging: BTreeMap::new(),
        }
    }

    /// Returns the state of the daemon that leads.
    pub fn state(&self) -> &State {
        &self.daemons[0].state
    }

    /// Replaces the keys of argocd-cm.
    pub fn set_settings(&mut self, argocd_cm: &[(&str, &str)]) {
        self.settings = settings_of(argocd_cm);
        self.handle(vec![Event::Settings(Arc::clone(&self.settings))]);
    }

    /// Starts the daemon and lets it act.
    pub fn start(&mut self) {
        self.begin(Leadership::Leading);
        self.run();
    }

    /// Starts the daemon.
    pub fn begin(&mut self, leadership: Leadership) {
        self.handle(vec![Event::Settings(Arc::clone(&self.settings)), Event::Leadership(leadership)]);
    }

    /// Runs until nothing is left to do at this time.
    pub fn run(&mut self) {
        for _ in 0..MOST_DELIVERIES {
            if !self.step() {
                return self.check_rest();
            }
        }
        panic!("no end of deliveries; last effects: {:#?}", self.tail());
    }

    /// Performs one effect or delivers one event; false when there is none.
    pub fn step(&mut self) -> bool {
        self.tell_watches();
        if !self.adrift.is_empty() && self.draw(6) == 0 {
            self.land();
            return true;
        }
        let busy: Vec<usize> = (0..self.daemons.len()).filter(|at| self.is_busy(*at)).collect();
        if busy.is_empty() {
            return self.land();
        }
        let at = busy[self.draw(busy.len())];
        let draws = matches!(self.order, Order::Drawn(_));
        let has_mail = self.daemons[at].has_mail(&self.lagging);
        if !self.daemons[at].waiting.is_empty() && (!draws || !has_mail || self.flip()) {
            let next = self.draw(self.daemons[at].waiting.len());
            let effect = self.daemons[at].waiting.remove(next).expect("it was drawn below the length");
            self.perform(at, effect);
            self.tell_watches();
            return true;
        }
        let mut events: Vec<Event> = self.take_mail(at).into_iter().collect();
        while draws && self.flip() {
            let Some(event) = self.take_mail(at) else { break };
            events.push(event);
        }
        self.handle_at(at, events);
        true
    }

    fn is_busy(&self, at: usize) -> bool {
        !self.daemons[at].waiting.is_empty() || self.daemons[at].has_mail(&self.lagging)
    }

    fn take_mail(&mut self, at: usize) -> Option<Event> {
        let order = match &mut self.order {
            Order::AsAsked => None,
            Order::Drawn(rng) => Some(rng),
        };
        self.daemons[at].take_mail(order, &self.lagging)
    }

    /// Lets time pass, with everything that happens meanwhile.
    pub fn advance(&mut self, by: SignedDuration) {
        let until = self.now + by;
        self.run();
        let mut wakes = 0;
        while let Some(at) = self.next_wake().filter(|at| *at <= until) {
            wakes += 1;
            assert!(wakes < MOST_WAKES, "woken again and again at {at}; last effects: {:#?}", self.tail());
            self.set_time(at.max(self.now));
            self.wake();
            self.run();
        }
        self.tick_to(until);
        self.run();
    }

    /// Lets seconds pass, with everything that happens meanwhile.
    pub fn seconds(&mut self, seconds: i64) {
        self.advance(SignedDuration::from_secs(seconds));
    }

    /// Moves the clock and wakes the daemons, without waiting for what is on its way.
    pub fn tick(&mut self, seconds: i64) {
        self.tick_to(self.now + SignedDuration::from_secs(seconds));
    }

    fn tick_to(&mut self, at: Timestamp) {
        self.set_time(at);
        for daemon in 0..self.daemons.len() {
            self.handle_at(daemon, vec![Event::Tick]);
        }
    }

    /// Returns when something happens by itself.
    fn next_wake(&self) -> Option<Timestamp> {
        let daemons = self.daemons.iter().filter_map(|daemon| daemon.state.next_wake());
        let lags = self.lagging.values().copied();
        daemons.chain(lags).chain(self.server.next_due()).min()
    }

    fn wake(&mut self) {
        for at in 0..self.daemons.len() {
            if self.daemons[at].state.next_wake().is_some_and(|due| due <= self.now) {
                self.handle_at(at, vec![Event::Tick]);
            }
        }
    }

    fn set_time(&mut self, at: Timestamp) {
        self.now = at;
        self.lagging.retain(|_, until| *until > at);
        self.server.pass_time(at);
    }

    /// Gives the daemon that leads events to handle.
    pub fn handle(&mut self, events: Vec<Event>) {
        self.handle_at(0, events);
    }

    pub(super) fn handle_at(&mut self, at: usize, events: Vec<Event>) {
        let effects = handle_all(&mut self.daemons[at].state, events, self.now);
        for effect in effects {
            self.watch_over(at, &effect);
            if self.noting != Noting::Nothing
                && let Some(line) = line(&effect)
            {
                self.say(&line);
                self.log.push(line);
            }
            if matches!(effect, Effect::KeepRenders { .. }) {
                // It changes nothing of this world.
                continue;
            }
            match (self.faults)(&effect) {
                Some(Fault::Held) => self.daemons[at].held.push(effect),
                _ => self.daemons[at].waiting.push_back(effect),
            }
        }
    }

    /// Lets what was held go on its way.
    pub fn release(&mut self) {
        self.faults = Box::new(|_| None);
        for daemon in &mut self.daemons {
            daemon.waiting.extend(std::mem::take(&mut daemon.held));
        }
    }

    /// Tells the daemon of a change in the repository, as a webhook does.
    pub fn push_webhook(&mut self) {
        self.handle(vec![Event::RepoChanged(super::git::repo())]);
        self.run();
    }

    /// Makes a commit, and lets the daemon act on it.
    pub fn commit(&mut self, changed: &[(&str, &[serde_json::Value])]) -> String {
        let commit = self.git.commit(changed);
        self.push_webhook();
        commit
    }

    /// Takes the log, without what does not matter to a test unless it asks.
    pub fn take(&mut self, kinds: &[&str]) -> Vec<String> {
        let log = std::mem::take(&mut self.log);
        log.into_iter().filter(|line| kinds.iter().any(|kind| line.starts_with(kind))).collect()
    }

    /// Notes what happens outside, for who reads along.
    pub(super) fn note(&self, what: &str) {
        self.say(what);
    }

    fn say(&self, line: &str) {
        if self.noting == Noting::Aloud {
            let _ = writeln!(std::io::stderr(), "{} {line}", self.now);
        }
    }

    pub(super) fn tail(&self) -> &[String] {
        &self.log[self.log.len().saturating_sub(40)..]
    }

    pub(super) fn flip(&mut self) -> bool {
        self.draw(2) == 1
    }

    /// Draws a number; 0 where the order is not drawn.
    pub(super) fn draw(&mut self, below: usize) -> usize {
        match &mut self.order {
            Order::AsAsked => 0,
            Order::Drawn(rng) => rng.below(below),
        }
    }

    fn tell_watches(&mut self) {
        for (gvk, change) in self.server.take_told() {
            let group_kind = gvk.group_kind();
            for at in 0..self.daemons.len() {
                let Some(watched) = self.daemons[at].watches.get(&group_kind).cloned() else { continue };
                if matches!(change, WatchChange::KindGone) {
                    self.daemons[at].watches.remove(&group_kind);
                }
                if matches!(change, WatchChange::Object(_)) && self.draw(12) == 1 {
                    self.daemons[at].report(&watched, change.clone());
                }
                if at + 1 == self.daemons.len() {
                    self.daemons[at].report(&watched, change);
                    break;
                }
                self.daemons[at].report(&watched, change.clone());
            }
        }
    }

    /// Breaks the watches of a kind, which list again.
    pub fn break_watch(&mut self, gvk: &Gvk) {
        for at in 0..self.daemons.len() {
            if self.daemons[at].watches.contains_key(&gvk.group_kind()) {
                self.relist(at, gvk);
            }
        }
    }

    /// Breaks the watches of a kind so that what they had still to tell is lost.
    pub fn drop_watch(&mut self, gvk: &Gvk) {
        self.tell_watches();
        for at in 0..self.daemons.len() {
            let daemon = &mut self.daemons[at];
            if daemon.watches.contains_key(&gvk.group_kind()) {
                daemon.stop_watch(&gvk.group_kind());
                self.relist(at, gvk);
            }
        }
    }

    /// Has the watches of a kind tell nothing for a while.
    pub fn lag(&mut self, gvk: &Gvk, seconds: i64) {
        self.lagging.insert(gvk.group_kind(), self.now + SignedDuration::from_secs(seconds));
    }

    /// Lists a kind and watches it from then on.
    pub(super) fn relist(&mut self, at: usize, gvk: &Gvk) {
        self.tell_watches();
        let daemon = &mut self.daemons[at];
        if !self.server.serves(gvk) {
            return daemon.report(gvk, WatchChange::KindGone);
        }
        daemon.watches.insert(gvk.group_kind(), gvk.clone());
        daemon.report(gvk, WatchChange::Restarted);
        let objects: Vec<Object> = self.server.of_kind(&gvk.group_kind()).cloned().collect();
        for object in objects {
            daemon.report(gvk, WatchChange::Object(Box::new(object)));
        }
        daemon.report(gvk, WatchChange::Listed(self.server.version()));
    }
}

fn settings_of(argocd_cm: &[(&str, &str)]) -> Arc<Settings> {
    let mut layers = Layers::default();
    layers.argocd_cm.extend(argocd_cm.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Arc::new(Settings::resolve(&layers).0)
}

/// Makes the key of an Application.
pub fn application_key(app: &AppKey) -> ObjectKey {
    key("argoproj.io", "Application", &app.namespace, &app.name)
}
