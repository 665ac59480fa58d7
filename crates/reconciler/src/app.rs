//! What the loop knows of one Application.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use app_compare::{Comparison, ManagedNamespace, Target, Targets};
use application_api::{OperationState, Reason, RepoUrl, SourceSet, SourceType};
use jiff::Timestamp;
use kube_object::{CompactObject, Digest, Gvk, InstanceName, Object, ObjectKey, RenderedManifests, Stability};
use sync_plan::{ActionOutcome, ClusterAction, HealState, Postponed, SyncInput};

use crate::kept::{HistoryMark, KeptRender};
use crate::probe::Probe;
use crate::reading::Reading;
use crate::{AppKey, RenderContext, RenderFailure, Reuse, Ticket};

/// One Application.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) key: AppKey,
    pub(crate) instance: InstanceName,
    /// The Application as last seen or written.
    pub(crate) reading: Reading,
    pub(crate) resource_version: String,
    /// The desired state that the verdict is about.
    pub(crate) main: View,
    /// The desired state of the running operation, where it is another one.
    pub(crate) operation_view: Option<Box<View>>,
    /// What the targets were made from that the index of who renders what has.
    pub(crate) announced: [Option<Arc<TargetsKey>>; 2],
    /// The running operation in this run of the daemon.
    pub(crate) run: Option<Box<Run>>,
    /// A write of the Application that is not answered yet.
    pub(crate) write: Option<Box<PendingWrite>>,
    /// The Application has to be read again before anything else.
    pub(crate) rereading: bool,
    /// When a failed write is tried again, and why it failed.
    pub(crate) write_retry: Option<(Timestamp, String)>,
    /// Failed writes in a row.
    pub(crate) write_failures: u32,
    /// A refresh that the annotation asked for.
    pub(crate) refresh: Option<Refresh>,
    /// When the last write of status alone was sent.
    pub(crate) status_written_at: Option<Timestamp>,
    /// The history whose renders were last asked to be kept; none before it was first looked at.
    pub(crate) kept_history: Option<HistoryMark>,
    /// Heals of its objects.
    pub(crate) heals: HashMap<ObjectKey, HealState>,
    /// Who changed the objects that were healed.
    pub(crate) fighters: HashMap<ObjectKey, String>,
    /// Deletes under way while the Application is being deleted, and when failed ones are tried again.
    pub(crate) deletion: Deletion,
    /// Trials of objects that a sync has failed with for good.
    pub(crate) probe: Option<Box<Probe>>,
    /// When to look again even if nothing happens.
    pub(crate) wake_at: Option<Timestamp>,
    /// Why it is as it is, as of the last pass.
    pub(crate) reason: Option<Reason>,
    /// What readers were shown last.
    pub(crate) published: Option<Digest>,
    /// Whether the cluster has to be searched for its objects: its status named none when this daemon first saw it.
    pub(crate) needs_sweep: bool,
    /// Why kinds that it needs cannot be listed.
    pub(crate) listing_failure: Option<String>,
    /// Kinds in which a search found objects of it.
    pub(crate) swept_kinds: BTreeSet<Gvk>,
    /// Since when its desired state could not be computed, for the grace period.
    pub(crate) failing_since: Option<Timestamp>,
}

/// One desired state: sources at a commit each, rendered and compared. The commits of several are one text.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) sources: Arc<SourceSet>,
    /// The commit the render in force is from.
    pub(crate) commit: String,
    /// The newest commit known to render to the same.
    pub(crate) verified: String,
    pub(crate) rendered: Option<Arc<RenderedManifests>>,
    /// How the render in force was made.
    pub(crate) source_types: Vec<SourceType>,
    /// The context it was made in, where it depends on that.
    pub(crate) depends_on: Option<Box<RenderContext>>,
    pub(crate) stability: Stability,
    /// Repositories of charts that it was rendered with, which the project has to permit.
    pub(crate) chart_repositories: BTreeSet<RepoUrl>,
    /// What there is to know about renders that were kept.
    pub(crate) kept: KeptRender,
    /// Settings of tools, or what the project permits, have changed since it was rendered: it may render differently.
    pub(crate) is_doubted: bool,
    /// The render under way.
    pub(crate) rendering: Option<RenderUnderWay>,
    /// The newest failed render.
    pub(crate) failed: Option<FailedRender>,
    pub(crate) targets: Option<Arc<Targets>>,
    /// What `targets` was made from.
    pub(crate) targets_of: Option<Arc<TargetsKey>>,
    /// The render that cannot be made into targets.
    pub(crate) refused: Option<Digest>,
    pub(crate) comparison: Option<Comparison>,
    /// The comparison has to be made again.
    pub(crate) stale: bool,
    /// Questions to the API server that the comparison waits for.
    pub(crate) asked: BTreeMap<Ticket, app_compare::Needed>,
    /// Questions are not asked again before.
    pub(crate) ask_after: Option<Timestamp>,
    /// The commit in force moved to one that renders differently, which is not recorded yet.
    pub(crate) revision_moved: bool,
}

/// A render that is not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct RenderUnderWay {
    pub(crate) ticket: Ticket,
    pub(crate) commit: String,
    pub(crate) context: Box<RenderContext>,
}

#[derive(Clone, Debug)]
pub(crate) struct FailedRender {
    pub(crate) commit: String,
    pub(crate) context: Box<RenderContext>,
    pub(crate) failure: RenderFailure,
    pub(crate) count: u32,
    pub(crate) retry_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetsKey {
    pub(crate) render: Digest,
    pub(crate) destination: app_compare::Destination,
    pub(crate) discovery: u64,
    /// Metadata of the namespace that the Application manages.
    pub(crate) namespace: Option<ManagedNamespace>,
    /// The project that was asked what it permits.
    pub(crate) project: String,
    pub(crate) projects: u64,
}

/// An operation while this daemon runs it.
#[derive(Debug)]
pub(crate) struct Run {
    /// The state after what has happened so far; what is stored may lag behind within a wave.
    pub(crate) state: OperationState,
    /// Whether `state` is stored as it is.
    pub(crate) stored: bool,
    pub(crate) waiting: HashMap<Ticket, PendingAction>,
    pub(crate) outcomes: Vec<ActionOutcome>,
    /// What the actions under way were planned from.
    pub(crate) input: Option<SyncInput>,
    pub(crate) last_action_at: Option<Timestamp>,
    /// The last phase that was tried out before its first change.
    pub(crate) preflighted: Option<u8>,
    /// Objects for which the API server could not call a webhook: since when, until when they are left alone, and what it said.
    pub(crate) postponed: HashMap<ObjectKey, (Timestamp, Postponed)>,
    /// The revision that it gives way to, as soon as its hooks are down.
    pub(crate) gives_way_to: Option<String>,
}

/// One action of an operation that is not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct PendingAction {
    pub(crate) action: ClusterAction,
    pub(crate) sent: Sent,
}

/// Which request of an action is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The first.
    Once,
    /// One that a refused apply needs in between.
    Step,
    /// A second apply.
    Again,
    /// A read after a conflict.
    Reread,
    /// A creation that is only tried: whether the object could be made again.
    Trial,
    /// A deletion, after which the object is made again.
    Delete,
}

/// A write of the Application that is not answered yet.
#[derive(Debug)]
pub(crate) struct PendingWrite {
    pub(crate) ticket: Ticket,
    /// The operation's state in the write.
    pub(crate) state: Option<OperationState>,
    /// Kubernetes Events to write once the write is stored.
    pub(crate) records: Vec<crate::Record>,
}

/// A refresh that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refresh {
    /// The annotations that ask for it, so that a later request is told from it.
    pub(crate) request: [Option<String>; 2],
    /// When it was seen.
    pub(crate) asked_at: Timestamp,
    pub(crate) reuse: Reuse,
    /// Whether the render was asked for again (hard refreshes).
    pub(crate) rendered: bool,
}

/// The cascade of an Application that is being deleted.
#[derive(Debug, Default)]
pub(crate) struct Deletion {
    pub(crate) waiting: HashMap<Ticket, ObjectKey>,
    /// Deletes that were sent, with the resourceVersion they were about: not sent again for the same.
    pub(crate) sent: HashMap<ObjectKey, String>,
    pub(crate) error: Option<String>,
    /// The first object that finalizers of others hold, and since when.
    pub(crate) held_since: Option<(ObjectKey, Timestamp)>,
    pub(crate) failures: u32,
    pub(crate) retry_at: Option<Timestamp>,
}

impl AppState {
    pub(crate) fn new(key: AppKey, control: &str, object: &Object, kept: CompactObject) -> Self {
        let reading = Reading::of(object, kept);
        let needs_sweep = reading.typed().is_ok_and(|app| app.status.as_ref().is_none_or(knows_no_objects));
        Self {
            instance: key.instance(control),
            key,
            reading,
            resource_version: object.resource_version().to_owned(),
            main: View::default(),
            operation_view: None,
            announced: [None, None],
            run: None,
            write: None,
            rereading: false,
            write_retry: None,
            write_failures: 0,
            refresh: None,
            status_written_at: None,
            kept_history: None,
            heals: HashMap::new(),
            fighters: HashMap::new(),
            deletion: Deletion::default(),
            probe: None,
            wake_at: None,
            reason: None,
            published: None,
            needs_sweep,
            listing_failure: None,
            swept_kinds: BTreeSet::new(),
            failing_since: None,
        }
    }

    /// Takes in a newer version of the Application, and what is kept of it.
    pub(crate) fn update(&mut self, object: &Object, kept: CompactObject) {
        self.reading = Reading::of(object, kept);
        object.resource_version().clone_into(&mut self.resource_version);
    }

    /// Drops what is made again when it is needed, if nothing goes on.
    pub(crate) fn rest(&mut self) {
        let is_rendering = |view: &View| view.rendering.is_some() || !view.asked.is_empty();
        let is_busy = self.run.is_some() || self.write.is_some() || self.refresh.is_some() || is_rendering(&self.main);
        if !is_busy {
            self.reading.rest();
        }
    }

    /// Asks to be looked at again at a time.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }

    /// Marks both comparisons as out of date.
    pub(crate) fn make_stale(&mut self) {
        self.main.stale = true;
        if let Some(view) = &mut self.operation_view {
            view.stale = true;
        }
    }

    /// Returns the desired state that an operation works towards: its own, or the main one.
    pub(crate) fn running_view(&self) -> &View {
        self.operation_view.as_deref().unwrap_or(&self.main)
    }

    /// Returns the target of an object in the desired state that an operation works towards.
    pub(crate) fn target(&self, key: &ObjectKey) -> Option<&Target> {
        self.running_view().targets.as_ref()?.get(key)
    }

    /// Gives up what this run of the daemon knows of an operation, when the stored one is another.
    pub(crate) fn forget_run_if_changed(&mut self) {
        let status = self.reading.typed().ok().and_then(|app| app.status.as_ref());
        let stored = status.and_then(|status| status.operation_state.as_ref());
        let same = match (&self.run, stored) {
            (Some(run), Some(stored)) => run.state.started_at == stored.started_at && stored.phase.is_running(),
            (Some(run), None) => !run.waiting.is_empty(),
            (None, _) => true,
        };
        if !same {
            self.run = None;
            self.operation_view = None;
        }
    }

    /// Finds the view that a render or question belongs to.
    pub(crate) fn view_of(&mut self, matches: impl Fn(&View) -> bool) -> Option<&mut View> {
        if matches(&self.main) {
            return Some(&mut self.main);
        }
        self.operation_view.as_deref_mut().filter(|view| matches(view))
    }
}

/// Tells whether a status names no kind that the Application has had objects of.
fn knows_no_objects(status: &application_api::ApplicationStatus) -> bool {
    let synced = status.operation_state.as_ref().and_then(|state| state.sync_result.as_ref());
    status.resources.is_empty() && synced.is_none_or(|result| result.resources.is_empty())
}

impl Run {
    /// Returns until when an object is left alone, if the API server could not call a webhook for it.
    pub(crate) fn postponed(&self, key: &ObjectKey) -> Option<Postponed> {
        self.postponed.get(key).map(|(_, postponed)| postponed.clone())
    }

    /// Tells whether the write that ends an attempt did not come through: nothing goes on before it is stored.
    pub(crate) fn awaits_its_end(&self) -> bool {
        self.state.finished_at.is_some() && !self.stored
    }

    pub(crate) fn new(state: OperationState) -> Self {
        Self {
            state,
            stored: false,
            waiting: HashMap::new(),
            outcomes: Vec::new(),
            input: None,
            last_action_at: None,
            preflighted: None,
            postponed: HashMap::new(),
            gives_way_to: None,
        }
    }
}
