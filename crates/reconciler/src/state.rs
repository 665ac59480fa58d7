//! The whole state of the loop, and its entry points.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use application_api::constants as names;
use jiff::{SignedDuration, Timestamp};
use kube_object::{ClusterId, Gvk};
use live_state::LiveState;
use settings::Settings;

use crate::app::AppState;
use crate::clusters::Cluster;
use crate::depends_on::Dependencies;
use crate::memo::Memo;
use crate::repos::{Interval, Repos};
use crate::spec::KnownProject;
use crate::{AppKey, Effect, Event, Leadership, Ticket};

/// The interval that stands for no polling by time.
const NEVER: SignedDuration = SignedDuration::from_hours(24 * 365);

/// What does not change while the daemon runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespace of Applications, projects, Secrets and argocd-cm.
    pub control_namespace: String,
}

/// Everything the loop knows.
pub struct State {
    pub(crate) config: Config,
    pub(crate) settings: Option<Arc<Settings>>,
    pub(crate) leadership: Leadership,
    pub(crate) cluster: Cluster,
    pub(crate) live: LiveState,
    pub(crate) apps: BTreeMap<AppKey, Box<AppState>>,
    pub(crate) projects: HashMap<String, Result<Arc<KnownProject>, String>>,
    /// Counts changes of projects and settings, so that targets made under older ones are recognised.
    pub(crate) project_generation: u64,
    pub(crate) default_project_asked: bool,
    /// Since when an Application has waited for the project `default`, which this daemon creates.
    pub(crate) default_project_awaited: Option<Timestamp>,
    pub(crate) repos: Repos,
    pub(crate) memo: Memo,
    pub(crate) dependencies: Dependencies,
    pub(crate) dirty: BTreeSet<AppKey>,
    timers: BTreeSet<(Timestamp, AppKey)>,
    pub(crate) effects: Vec<Effect>,
    last_ticket: u64,
    reported_ready: bool,
}

impl State {
    /// Makes the state of a daemon that has just started.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            settings: None,
            leadership: Leadership::Following { holder: String::new() },
            cluster: Cluster::new(ClusterId::in_cluster()),
            live: LiveState::new(),
            apps: BTreeMap::new(),
            projects: HashMap::new(),
            project_generation: 0,
            default_project_asked: false,
            default_project_awaited: None,
            repos: Repos::default(),
            memo: Memo::default(),
            dependencies: Dependencies::default(),
            dirty: BTreeSet::new(),
            timers: BTreeSet::new(),
            effects: Vec::new(),
            last_ticket: 0,
            reported_ready: false,
        }
    }

    /// Returns when the loop has to be woken by [`Event::Tick`] if nothing happens before.
    pub fn next_wake(&self) -> Option<Timestamp> {
        [self.timers.first().map(|(at, _)| *at), self.repos.next_wake(), self.cluster.next_wake()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns what is known of live objects.
    pub fn live(&self) -> &LiveState {
        &self.live
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    pub(crate) fn application_kind() -> Gvk {
        Gvk::new(names::GROUP, names::VERSION, names::APPLICATION_KIND)
    }

    pub(crate) fn project_kind() -> Gvk {
        Gvk::new(names::GROUP, names::VERSION, names::PROJECT_KIND)
    }

    /// Says what the loop still waits for before it can decide anything.
    pub(crate) fn missing(&self) -> Option<String> {
        if self.settings.is_none() {
            return Some("the settings".to_owned());
        }
        if self.cluster.is_unknown() {
            let why = self.cluster.discovery_failure().map(|error| format!(" ({})", error.message)).unwrap_or_default();
            return Some(format!("the API server to say what it serves{why}"));
        }
        for kind in [Self::project_kind(), Self::application_kind()] {
            if !self.cluster.is_listed(&kind.group_kind()) {
                return Some(format!("the list of {}", kind.group_kind()));
            }
        }
        None
    }

    pub(crate) fn interval(&self) -> Interval {
        let (poll, jitter) =
            self.settings.as_ref().map_or((SignedDuration::from_secs(120), SignedDuration::ZERO), |settings| {
                (settings.reconciliation_timeout.unwrap_or(NEVER), settings.reconciliation_jitter)
            });
        Interval { poll, jitter }
    }

    pub(crate) fn wake_all(&mut self) {
        self.dirty.extend(self.apps.keys().cloned());
    }

    fn fire_timers(&mut self, now: Timestamp) {
        while let Some((at, app)) = self.timers.first().cloned() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, app.clone()));
            if let Some(state) = self.apps.get_mut(&app) {
                state.wake_at = None;
            }
            self.dirty.insert(app);
        }
    }

    /// Does everything that follows from what has been taken in.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        self.fire_timers(now);
        self.report_ready();
        // A pass may wake other Applications, such as one that an object is handed over from.
        while let Some(key) = self.dirty.pop_first() {
            let Some(mut app) = self.apps.remove(&key) else { continue };
            let before = app.wake_at.take();
            if let Some(at) = before {
                self.timers.remove(&(at, key.clone()));
            }
            let unsettled = self.unsettled(&app);
            self.pass(&mut app, now);
            if let Some(at) = app.wake_at {
                self.timers.insert((at, key.clone()));
            }
            self.publish(&mut app, now);
            app.rest();
            self.apps.insert(key.clone(), app);
            self.wake_waiting(&key, unsettled);
        }
        for group_kind in self.cluster.stop_idle(now, &mut self.effects) {
            let id = self.cluster.id.clone();
            self.live.drop_kind(&id, &group_kind);
        }
        self.repos.pin_changed(&mut self.effects);
        self.repos.start_due(now, &mut self.effects);
        self.cluster.start_due(now, &mut self.effects);
    }

    fn report_ready(&mut self) {
        if !self.reported_ready && self.missing().is_none() {
            self.reported_ready = true;
            self.effects.push(Effect::Ready);
            self.wake_all();
        }
    }

    pub(crate) fn forget_timer(&mut self, app: &AppState) {
        if let Some(at) = app.wake_at {
            self.timers.remove(&(at, app.key.clone()));
        }
    }
}

/// Takes in one event and answers with everything to do about it.
pub fn handle(state: &mut State, event: Event, now: Timestamp) -> Vec<Effect> {
    handle_all(state, [event], now)
}

/// Takes in events that came together and answers with everything to do about them: each Application is looked at once.
pub fn handle_all(state: &mut State, events: impl IntoIterator<Item = Event>, now: Timestamp) -> Vec<Effect> {
    for event in events {
        state.absorb(event, now);
    }
    state.settle(now);
    std::mem::take(&mut state.effects)
}
