//! The next step of one sync operation: phases, waves, prunes, retries, and whether an automated sync starts.
//!
//! Plain functions over plain data. A pass rebuilds the tasks from what Git and the cluster say, attaches what the
//! operation has recorded so far, and answers with actions and the state after them; it keeps no state of its own, so that
//! a restarted daemon goes on where the last one stopped.

mod auto_sync;
mod batch;
mod cron;
mod depends_on;
mod guard;
mod heal;
mod history;
mod hooks;
mod kind_order;
mod plan;
mod preempt;
mod preflight;
mod probe;
mod record;
mod retry;
mod step;
mod tasks;
mod windows;

pub use auto_sync::{AutoSync, AutoSyncInput, AutoSyncResource, Desired, auto_sync};
pub use depends_on::{Dependency, ReadyExpression, cycle, dependencies, staleness, unready};
pub use guard::PruneGuard;
pub use heal::{HealBackoff, HealState};
pub use history::with_deployment;
pub use hooks::{HookPolicy, PlanHook, hook_name, run_of};
pub use plan::{
    ActionOutcome, ActionResult, ApplyHow, Change, ClusterAction, HookDeletion, KindState, LiveHook, NamespaceTask,
    Persist, PlanHealth, PlanLive, PlanResource, PlanTarget, Postponed, Preflight, PruneOrder, PruneRule, RunMode,
    SyncInput, SyncStep,
};
pub use preempt::{give_way, may_give_way, take_down};
pub use preflight::tried_phase;
pub use probe::{failed_objects, next_trial, trial_wait};
pub use record::record;
pub use retry::{RetryState, begin_retry, complete, retry_state};
pub use step::step;
pub use tasks::is_selected;
pub use windows::{SyncWindows, SyncedBy, WindowBlock, WindowSubject};

#[cfg(test)]
mod tests;
