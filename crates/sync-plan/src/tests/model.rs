//! Objects as Git and the cluster have them, and what becomes of them.

use kube_object::{ClusterId, GroupKind, ObjectKey};

pub(super) use super::sim::{START, Sim, check, results, sync};
use crate::plan::{Change, KindState, PlanHealth, PlanLive, PlanResource, PlanTarget};

/// Healths that an object has one after the other: the last stays.
pub(super) type Healths = &'static [Option<PlanHealth>];

/// One object with its future.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) resource: PlanResource,
    /// Healths after it was applied, one for each time that something happens.
    pub(super) healths: Healths,
    /// How far its health has come.
    pub(super) looks: usize,
    /// What the API server answers instead of doing something.
    pub(super) error: Option<&'static str>,
    /// How often something happens before a deleted object is gone.
    pub(super) lingers: usize,
    /// How often something happens before its kind is served.
    pub(super) served_after: usize,
    /// Whether somebody deletes it once it was applied.
    pub(super) vanishes: bool,
    /// How often the first request is refused, because the object has changed meanwhile.
    pub(super) stale: usize,
}

/// Makes the key of `[group/]Kind/[namespace/]name`; groups have a dot.
pub(super) fn key(text: &str) -> ObjectKey {
    let mut parts: Vec<&str> = text.split('/').collect();
    let group = if parts[0].contains('.') { parts.remove(0) } else { "" };
    let name = parts.pop().unwrap();
    let namespace = parts.get(1).copied().unwrap_or("");
    ObjectKey::new(ClusterId::in_cluster(), GroupKind::new(group, parts[0]), namespace, name)
}

/// An object that Git has and the cluster does not.
pub(super) fn new(text: &str) -> Item {
    let resource = PlanResource {
        key: key(text),
        version: "v1".to_owned(),
        target: Some(PlanTarget::default()),
        live: None,
        change: Change::Content,
        refusal: None,
        kind: KindState::Served,
        postponed: None,
    };
    Item { resource, healths: &[None], looks: 0, error: None, lingers: 0, served_after: 0, vanishes: false, stale: 0 }
}

/// An object that both have and that differs.
pub(super) fn changed(text: &str) -> Item {
    let mut item = new(text);
    item.resource.live = Some(live());
    item
}

/// An object that is as Git says.
pub(super) fn same(text: &str) -> Item {
    let mut item = changed(text);
    item.resource.change = Change::None;
    item
}

/// An object that Git no longer has.
pub(super) fn gone(text: &str) -> Item {
    let mut item = changed(text);
    item.resource.target = None;
    item
}

fn live() -> PlanLive {
    PlanLive { uid: "uid".to_owned(), resource_version: "1".to_owned(), ..PlanLive::default() }
}

impl Item {
    pub(super) fn wave(mut self, wave: i64) -> Self {
        if let Some(target) = &mut self.resource.target {
            target.wave = wave;
        }
        self.with_live(|live| live.wave = wave)
    }

    /// Health of the live object, and what it becomes each time that something happens.
    pub(super) fn health(mut self, healths: Healths) -> Self {
        self.healths = healths;
        self.with_live(|live| live.health = healths[0])
    }

    pub(super) fn with_live(mut self, change: impl FnOnce(&mut PlanLive)) -> Self {
        if let Some(live) = &mut self.resource.live {
            change(live);
        }
        self
    }

    pub(super) fn fails(mut self, error: &'static str) -> Self {
        self.error = Some(error);
        self
    }

    pub(super) fn lingers(mut self, looks: usize) -> Self {
        self.lingers = looks;
        self
    }

    pub(super) fn vanishes(mut self) -> Self {
        self.vanishes = true;
        self
    }

    pub(super) fn stale(mut self, times: usize) -> Self {
        self.stale = times;
        self
    }

    /// Makes it a definition of `group/Kind`.
    pub(super) fn defines(mut self, group: &str, kind: &str) -> Self {
        if let Some(target) = &mut self.resource.target {
            target.defines = Some((group.to_owned(), kind.to_owned()));
        }
        self
    }

    pub(super) fn awaited(mut self, looks: usize) -> Self {
        self.resource.kind = KindState::Awaited;
        self.served_after = looks;
        self
    }

    pub(super) fn unknown(mut self) -> Self {
        self.resource.kind = KindState::Unknown;
        self
    }

    pub(super) fn refused(mut self, message: &str) -> Self {
        self.resource.refusal = Some(message.to_owned());
        self
    }

    pub(super) fn apply(&mut self) {
        let live = self.resource.live.get_or_insert_with(live);
        live.health = self.healths[0];
        "it does not start".clone_into(&mut live.health_message);
        self.looks = 0;
        self.resource.change = Change::None;
    }

    pub(super) fn delete(&mut self) {
        match self.lingers {
            0 => self.resource.live = None,
            _ => self.resource.live.iter_mut().for_each(|live| live.deleting = true),
        }
    }

    /// Lets time go on for the object; tells whether anything changed.
    pub(super) fn tick(&mut self) -> bool {
        let before = (self.looks, self.lingers, self.served_after, self.resource.live.clone());
        if self.resource.kind == KindState::Awaited && self.served_after > 0 && self.served_after != usize::MAX {
            self.served_after -= 1;
            if self.served_after == 0 {
                self.resource.kind = KindState::Served;
            }
        }
        if let Some(live) = &mut self.resource.live {
            if live.deleting {
                self.lingers = self.lingers.saturating_sub(1);
            } else {
                self.looks = (self.looks + 1).min(self.healths.len() - 1);
                live.health = self.healths[self.looks];
            }
            if live.deleting && self.lingers == 0 || self.vanishes && self.resource.change == Change::None {
                self.resource.live = None;
                self.resource.change = Change::Content;
                self.vanishes = false;
            }
        }
        before != (self.looks, self.lingers, self.served_after, self.resource.live.clone())
    }
}

pub(super) const HEALTHY: Healths = &[Some(PlanHealth::Healthy)];
pub(super) const DEGRADED: Healths = &[Some(PlanHealth::Degraded)];
pub(super) const PENDING: Healths = &[Some(PlanHealth::Pending)];
/// Becomes healthy after a while.
pub(super) const STARTS: Healths = &[Some(PlanHealth::Pending), Some(PlanHealth::Pending), Some(PlanHealth::Healthy)];
/// Breaks after a while.
pub(super) const BREAKS: Healths = &[Some(PlanHealth::Pending), Some(PlanHealth::Degraded)];
