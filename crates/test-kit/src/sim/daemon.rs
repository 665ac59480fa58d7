//! One daemon: its loop, and what is on its way to and from it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use kube_object::{ClusterId, GroupKind, Gvk};
use reconciler::{Awaited, Config, Effect, Event, State, WatchChange};

use super::rng::Rng;

/// What keeps its order: the events of one watch. Anything else comes alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Watch(GroupKind),
    Answer(u64),
}

/// One daemon.
pub(super) struct Daemon {
    pub(super) state: State,
    pub(super) watches: BTreeMap<GroupKind, Gvk>,
    /// Effects that are not performed yet.
    pub(super) waiting: VecDeque<Effect>,
    /// Effects that are not performed before they are released.
    pub(super) held: Vec<Effect>,
    mail: VecDeque<(Channel, Event)>,
    last_answer: u64,
}

impl Daemon {
    pub(super) fn new() -> Self {
        Self {
            state: State::new(Config { control_namespace: "argocd".to_owned() }),
            watches: BTreeMap::new(),
            waiting: VecDeque::new(),
            held: Vec::new(),
            mail: VecDeque::new(),
            last_answer: 0,
        }
    }

    pub(super) fn answer(&mut self, event: Event) {
        self.last_answer += 1;
        self.mail.push_back((Channel::Answer(self.last_answer), event));
    }

    pub(super) fn report(&mut self, gvk: &Gvk, change: WatchChange) {
        let event = Event::Watch { cluster: ClusterId::in_cluster(), gvk: gvk.clone(), change };
        self.mail.push_back((Channel::Watch(gvk.group_kind()), event));
    }

    pub(super) fn stop_watch(&mut self, group_kind: &GroupKind) {
        self.watches.remove(group_kind);
        self.mail.retain(|(channel, _)| *channel != Channel::Watch(group_kind.clone()));
    }

    /// Tells whether mail can be delivered, other than that of watches that lag.
    pub(super) fn has_mail(&self, lagging: &BTreeMap<GroupKind, Timestamp>) -> bool {
        self.mail.iter().any(|(channel, _)| !lags(channel, lagging))
    }

    /// Tells whether a watch that lags has something to tell.
    pub(super) fn has_late_mail(&self) -> bool {
        !self.mail.is_empty()
    }

    /// Takes the first event of a channel that is drawn; the first of all without a generator.
    pub(super) fn take_mail(
        &mut self,
        order: Option<&mut Rng>,
        lagging: &BTreeMap<GroupKind, Timestamp>,
    ) -> Option<Event> {
        let free = |(channel, _): &&(Channel, Event)| !lags(channel, lagging);
        let channel = match order {
            None => self.mail.iter().find(free)?.0.clone(),
            Some(rng) => {
                let count = self.mail.iter().filter(free).count();
                self.mail.iter().filter(free).nth(rng.below(count))?.0.clone()
            }
        };
        let first = self.mail.iter().position(|(other, _)| *other == channel)?;
        self.mail.remove(first).map(|(_, event)| event)
    }

    /// Lists what the loop waits for although nothing is on its way.
    pub(super) fn unanswered(&self) -> BTreeSet<Awaited> {
        self.state.awaits().into_iter().collect()
    }
}

fn lags(channel: &Channel, lagging: &BTreeMap<GroupKind, Timestamp>) -> bool {
    matches!(channel, Channel::Watch(group_kind) if lagging.contains_key(group_kind))
}
