//! Hooks as Git and the cluster have them, and what becomes of their objects.

use std::collections::BTreeMap;

use application_api::{OperationState, SyncPhase};

use super::model::{Healths, key};
use crate::plan::*;
use crate::{HookPolicy, PlanHook};

/// One hook with its future.
#[derive(Clone, Debug)]
pub(super) struct HookItem {
    name: String,
    pub(super) phases: Vec<SyncPhase>,
    pub(super) wave: i64,
    pub(super) policy: HookPolicy,
    pub(super) live: Option<PlanLive>,
    healths: Healths,
    looks: usize,
    pub(super) error: Option<&'static str>,
    /// Whether the cluster deletes the object as soon as it is done, as a time to live does.
    pub(super) ttl: bool,
    /// How often something happens before a deleted object is gone.
    lingers: usize,
    /// How often the object was made, for each run.
    pub(super) made: BTreeMap<String, usize>,
}

/// A hook of `[group/]Kind/[namespace/]name` in these phases, which is made anew by each run.
pub(super) fn hook(name: &str, phases: &[SyncPhase], healths: Healths) -> HookItem {
    HookItem {
        name: name.to_owned(),
        phases: phases.to_vec(),
        wave: 0,
        policy: HookPolicy { before_creation: true, ..HookPolicy::default() },
        live: None,
        healths,
        looks: 0,
        error: None,
        ttl: false,
        lingers: 0,
        made: BTreeMap::new(),
    }
}

impl HookItem {
    pub(super) fn wave(mut self, wave: i64) -> Self {
        self.wave = wave;
        self
    }

    pub(super) fn policy(mut self, before_creation: bool, succeeded: bool, failed: bool) -> Self {
        self.policy = HookPolicy { before_creation, succeeded, failed };
        self
    }

    pub(super) fn fails(mut self, error: &'static str) -> Self {
        self.error = Some(error);
        self
    }

    pub(super) fn ttl(mut self) -> Self {
        self.ttl = true;
        self
    }

    pub(super) fn lingers(mut self, looks: usize) -> Self {
        self.lingers = looks;
        self
    }

    /// An object of an earlier operation is there.
    pub(super) fn left(mut self, has_hook_finalizer: bool) -> Self {
        self.live = Some(PlanLive {
            uid: "old".to_owned(),
            resource_version: "1".to_owned(),
            health: *self.healths.last().unwrap(),
            run: Some("another/0/abc/Sync".to_owned()),
            has_hook_finalizer,
            ..PlanLive::default()
        });
        self
    }

    pub(super) fn is_named(&self, kind: &str, name: &str) -> bool {
        let key = key(&self.name);
        key.kind == kind && key.name == name
    }

    /// Tells whether the object is there and was made by an operation that started then.
    pub(super) fn is_made_by(&self, state: &OperationState) -> bool {
        let run = self.live.as_ref().and_then(|live| live.run.as_deref());
        run.is_some_and(|run| run.starts_with(&format!("{}/", state.started_at)))
    }

    pub(super) fn plan(&self) -> Vec<PlanHook> {
        self.phases
            .iter()
            .map(|phase| PlanHook {
                key: key(&self.name),
                version: "v1".to_owned(),
                phase: phase.clone(),
                wave: self.wave,
                policy: self.policy,
                images: Vec::new(),
                live: self.live.clone(),
                refusal: None,
                kind: KindState::Served,
                postponed: None,
            })
            .collect()
    }

    pub(super) fn is_acted_on_by(&self, action: &ClusterAction) -> bool {
        let is_of_hooks = matches!(
            action,
            ClusterAction::RunHook { .. } | ClusterAction::ReleaseHook { .. } | ClusterAction::DeleteHook { .. }
        );
        is_of_hooks && *action.key() == key(&self.name)
    }

    pub(super) fn perform(&mut self, action: &ClusterAction) -> ActionResult {
        if let Some(error) = self.error {
            return ActionResult::Failed(error.to_owned());
        }
        match action {
            ClusterAction::RunHook { run, mode: RunMode::Real, .. } => {
                *self.made.entry(run.clone()).or_default() += 1;
                self.looks = 0;
                self.live = Some(PlanLive {
                    uid: run.clone(),
                    resource_version: "2".to_owned(),
                    health: self.healths[0],
                    health_message: "a message".to_owned(),
                    run: Some(run.clone()),
                    has_hook_finalizer: true,
                    ..PlanLive::default()
                });
            }
            ClusterAction::ReleaseHook { .. } => {
                let Some(live) = &mut self.live else { return ActionResult::AlreadyGone };
                live.has_hook_finalizer = false;
                if live.deleting {
                    self.live = None;
                }
            }
            ClusterAction::DeleteHook { .. } => match &mut self.live {
                None => return ActionResult::AlreadyGone,
                Some(live) if live.has_hook_finalizer || self.lingers > 0 => live.deleting = true,
                Some(_) => self.live = None,
            },
            _ => {}
        }
        ActionResult::Done("serverside-applied".to_owned())
    }

    /// Lets time go on for the object; tells whether anything changed.
    pub(super) fn tick(&mut self) -> bool {
        let before = (self.looks, self.lingers, self.live.clone());
        let is_last = self.looks + 1 >= self.healths.len();
        if let Some(live) = &mut self.live {
            if !live.deleting && live.uid != "old" {
                self.looks = (self.looks + 1).min(self.healths.len() - 1);
                live.health = self.healths[self.looks];
            }
            if self.ttl && is_last {
                live.deleting = true;
            }
            if live.deleting && !live.has_hook_finalizer {
                self.lingers = self.lingers.saturating_sub(1);
                if self.lingers == 0 {
                    self.live = None;
                }
            }
        }
        before != (self.looks, self.lingers, self.live.clone())
    }
}
