use std::sync::Arc;
use std::time::Duration;

use app_view::AppView;
use artifact_source::DiskStore;
use cluster_client::Cluster;
use jiff::Timestamp;
use manifest_render::{RenderWorkers, WorkerEnd, WorkerOptions};
use reconciler::{Config, Event, State, handle_all};
use source_loader::Loader;
use telemetry::Metrics;
use telemetry::metrics::{DaemonMetrics, QueueMetrics};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::hands::{Hands, HandsParts};
use crate::labels::Labels;
use crate::leader::{Change, Leader, change};
use crate::perform::Performer;
use crate::publishing::publish_all;
use crate::records::{self, Recorder};
use crate::settings_watch::SettingsWatch;
use crate::spans::Reconciles;
use crate::watches::{WatchReport, Watches};
use crate::{ControllerError, ControllerOptions};

/// Events that are taken in together; more of them would delay the first ones' effects.
const BATCH: usize = 2048;
/// How long changes that are on their way are waited for at the end.
const FINISH_LIMIT: Duration = Duration::from_secs(5);
/// How long giving up the Lease may take; it expires by itself.
const RELEASE_LIMIT: Duration = Duration::from_secs(3);
/// How long the last Events are waited for at the end.
const RECORDS_LIMIT: Duration = Duration::from_secs(1);
/// How often the objects in the index are counted for the metrics, at most: all of them are looked at.
const COUNT_INTERVAL: Duration = Duration::from_secs(15);
/// How often render workers are looked at that may have been idle for long.
const IDLE_WORKERS_LOOK: Duration = Duration::from_secs(30);
/// Bounds on the time to the next wake-up: a clock may be set, and no defect may keep a processor busy.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Runs the controller until `shutdown`, or until it cannot go on.
///
/// It reads and publishes as soon as it can, and changes something only while it holds the Lease. Asked to end, it lets the
/// changes that are on their way come through and gives the Lease up.
pub async fn run(
    options: ControllerOptions,
    cluster: Cluster,
    sources: Sources,
    view: AppView,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> Result<(), ControllerError> {
    metrics.daemon.lost_leadership();
    let leader = Leader::start(&cluster, &options);
    let (answers, answered) = mpsc::unbounded_channel();
    let (in_force, settings) = watch::channel(None);
    let settings_watch = SettingsWatch {
        cluster: cluster.clone(),
        namespace: options.control_namespace.clone(),
        given: options.layers.clone(),
        metrics: metrics.daemon.clone(),
        in_force,
        events: answers.clone(),
    };
    let _following = AbortOnDrop(tokio::spawn(settings_watch.follow()).abort_handle());
    let labels = Arc::new(Labels::default());
    let (publications, published) = mpsc::unbounded_channel();
    let publishing = publish_all(published, view, Arc::clone(&labels), metrics.clone());
    let _publishing = AbortOnDrop(tokio::spawn(publishing).abort_handle());
    let workers = RenderWorkers::new(sources.workers, {
        let metrics = metrics.daemon.clone();
        move |end| count_end(&metrics, end)
    });
    let _housekeeping = AbortOnDrop(tokio::spawn(keep_house(workers.clone(), sources.loader.clone())).abort_handle());
    let server = cluster.server().to_owned();
    let hands = Arc::new(Hands::new(HandsParts {
        cluster,
        control_namespace: options.control_namespace.clone(),
        loader: sources.loader,
        renders: sources.renders,
        history: sources.history,
        workers,
        metrics: metrics.clone(),
        settings,
        leadership: leader.leadership.clone(),
        labels,
        answers: answers.clone(),
    }));
    let (recorder, recorded) = Recorder::new();
    let recording = tokio::spawn(records::write_all(recorded, Arc::clone(&hands)));
    let _recording = AbortOnDrop(recording.abort_handle());
    let (watches, reports) = Watches::new(metrics.clusters.clone());
    let performer = Performer::new(hands, watches, publications, recorder, answers);
    let engine = Engine {
        state: State::new(Config { control_namespace: options.control_namespace.clone() }),
        performer,
        reconciles: Reconciles::default(),
        inbox: Inbox { answered, reports, leadership: leader.leadership.clone() },
        queue: metrics.daemon.queue("app_reconciliation_queue"),
        metrics,
        options,
        server,
        counted: None,
    };
    engine.run(&shutdown, recording).await?;
    if tokio::time::timeout(RELEASE_LIMIT, leader.release()).await.is_err() {
        tracing::warn!("the Lease could not be given up in time; it expires by itself");
    }
    Ok(())
}

/// Where manifests come from.
#[derive(Clone)]
pub struct Sources {
    /// Trees of sources, and what renders need beside them.
    pub loader: Loader,
    /// Where renders are kept for the next run.
    pub renders: DiskStore,
    /// Where the renders of deployments are kept.
    pub history: DiskStore,
    /// How Helm and Kustomize are run.
    pub workers: WorkerOptions,
}

fn count_end(metrics: &DaemonMetrics, end: WorkerEnd) {
    let reason = match end {
        WorkerEnd::Idle => "idle",
        WorkerEnd::Large => "large",
        WorkerEnd::Fault(fault) => fault,
    };
    metrics.render_worker_ended(reason);
}

/// Lets go of what nobody uses any more.
async fn keep_house(workers: RenderWorkers, loader: Loader) {
    loop {
        tokio::time::sleep(IDLE_WORKERS_LOOK).await;
        workers.end_idle();
        loader.drop_old();
    }
}

/// The task that owns the state.
struct Engine {
    state: State,
    performer: Performer,
    reconciles: Reconciles,
    inbox: Inbox,
    queue: QueueMetrics,
    metrics: Metrics,
    options: ControllerOptions,
    server: String,
    /// When the objects in the index were last counted.
    counted: Option<Instant>,
}

/// Where events come from.
struct Inbox {
    answered: mpsc::UnboundedReceiver<Event>,
    reports: mpsc::Receiver<WatchReport>,
    leadership: watch::Receiver<cluster_client::Leadership>,
}

impl Engine {
    async fn run(mut self, shutdown: &CancellationToken, recording: JoinHandle<()>) -> Result<(), ControllerError> {
        loop {
            let sleep = sleep_until(self.state.next_wake());
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                error = self.performer.broken() => return Err(error),
                changed = self.inbox.leadership.changed() => self.take_leadership(changed.is_ok(), &mut batch)?,
                Some(event) = self.inbox.answered.recv() => batch.push(event),
                Some(report) = self.inbox.reports.recv() => batch.extend(self.performer.watches.event(report)),
                () = tokio::time::sleep(sleep) => batch.push(Event::Tick),
            }
            self.drain(&mut batch);
            self.decide(batch);
        }
        self.end(recording).await;
        Ok(())
    }

    fn take_leadership(&mut self, lasts: bool, batch: &mut Vec<Event>) -> Result<(), ControllerError> {
        let said = change(&self.inbox.leadership.borrow_and_update());
        match said {
            Change::Tell(event) if lasts => {
                match &event {
                    Event::Leadership(reconciler::Leadership::Leading) => self.metrics.daemon.became_leader(),
                    _ => self.metrics.daemon.lost_leadership(),
                }
                batch.push(event);
                Ok(())
            }
            _ => {
                self.metrics.daemon.lost_leadership();
                let ControllerOptions { control_namespace, lease_name, .. } = &self.options;
                Err(ControllerError::LeaseLost { namespace: control_namespace.clone(), name: lease_name.clone() })
            }
        }
    }

    /// Takes everything else that has come already.
    fn drain(&mut self, batch: &mut Vec<Event>) {
        while batch.len() < BATCH
            && let Ok(event) = self.inbox.answered.try_recv()
        {
            batch.push(event);
        }
        while batch.len() < BATCH
            && let Ok(report) = self.inbox.reports.try_recv()
        {
            batch.extend(self.performer.watches.event(report));
        }
        self.queue.set_depth(self.inbox.answered.len() + self.inbox.reports.len());
    }

    fn decide(&mut self, batch: Vec<Event>) {
        if batch.is_empty() {
            return;
        }
        for _ in &batch {
            self.queue.added();
        }
        let comparing: Vec<Span> = batch.iter().filter_map(|event| self.reconciles.take(event)).collect();
        let effects = handle_all(&mut self.state, batch, Timestamp::now());
        drop(comparing);
        for effect in effects {
            tracing::trace!(?effect, "effect");
            let span = self.reconciles.begin(&effect);
            self.performer.perform(effect, span);
        }
        self.reconciles.end_idle(&self.metrics.apps, &self.performer.hands.labels);
        self.count_objects();
    }

    fn count_objects(&mut self) {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT_INTERVAL) {
            return;
        }
        self.counted = Some(Instant::now());
        let objects: usize = self.state.live().stats().kinds.values().map(|kind| kind.objects).sum();
        self.metrics.clusters.update(&self.server, |state| state.objects = objects as u64);
    }

    /// Lets what is on its way come through.
    async fn end(mut self, recording: JoinHandle<()>) {
        tracing::debug!("waiting for changes that are on their way");
        if tokio::time::timeout(FINISH_LIMIT, self.performer.finish()).await.is_err() {
            tracing::warn!("changes on their way did not end in time and are cut off");
        }
        drop(self);
        let _ = tokio::time::timeout(RECORDS_LIMIT, recording).await;
    }
}

fn sleep_until(wake: Option<Timestamp>) -> Duration {
    let wait = wake.map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default());
    wait.unwrap_or(LONGEST_SLEEP).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
}

/// Ends a task with what started it.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
