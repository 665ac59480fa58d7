use std::sync::Arc;

use reconciler::{Effect, Event};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{Instrument, Span};

use crate::hands::Hands;
use crate::publishing::Publication;
use crate::records::Recorder;
use crate::renders::{RenderJob, render, tools};
use crate::urgency::is_urgent;
use crate::watches::Watches;
use crate::{ControllerError, repos, requests, surveys, writes};

/// The tasks that perform effects.
pub(crate) struct Performer {
    pub(crate) hands: Arc<Hands>,
    pub(crate) watches: Watches,
    pub(crate) publications: mpsc::UnboundedSender<Publication>,
    pub(crate) recorder: Recorder,
    /// Where outcomes go. It takes any number, so that no task waits for the one that takes them in.
    pub(crate) answers: mpsc::UnboundedSender<Event>,
    /// What changes something, and is waited for at the end.
    changes: JoinSet<()>,
    /// The rest.
    tasks: JoinSet<()>,
}

impl Performer {
    pub(crate) fn new(
        hands: Arc<Hands>,
        watches: Watches,
        publications: mpsc::UnboundedSender<Publication>,
        recorder: Recorder,
        answers: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self { hands, watches, publications, recorder, answers, changes: JoinSet::new(), tasks: JoinSet::new() }
    }

    /// Begins to perform an effect in a span.
    pub(crate) fn perform(&mut self, effect: Effect, span: Span) {
        let hands = Arc::clone(&self.hands);
        match effect {
            Effect::Discover(cluster) => self.answer(span, async move { surveys::discover(&hands, cluster).await }),
            Effect::StartWatch { cluster, resource } => self.watches.start(&hands.cluster, cluster, resource),
            Effect::StopWatch { cluster, group_kind } => self.watches.stop(&cluster, &group_kind),
            Effect::Sweep { cluster, resources } => {
                self.answer(span, async move { surveys::sweep(&hands, cluster, resources).await });
            }
            Effect::PollRepo { repo, revisions } => {
                hands.in_force.polled(&repo);
                self.answer(span, async move { repos::poll(&hands, repo, revisions).await });
            }
            Effect::PinRevisions { repo, commits } => {
                hands.in_force.set_commits(&repo, commits);
                self.tasks.spawn(async move { repos::pin(&hands, repo).await }.instrument(span));
            }
            Effect::RetainRepos(repos) => {
                hands.in_force.set_repositories(repos);
                self.tasks.spawn(async move { repos::retain(&hands).await }.instrument(span));
            }
            Effect::Render { app, ticket, commit, sources, context, reuse } => {
                hands.renders.expect(&app);
                self.answer(span, async move {
                    let job = RenderJob { app: app.clone(), commit, sources, context, reuse };
                    Event::Rendered { app, ticket, result: render(&hands, job).await }
                });
            }
            Effect::KeepRenders { app, deployments, render } => {
                hands.renders.history.keep(app, deployments, render, tools(&hands));
            }
            Effect::Forget(app) => hands.renders.forget(&app),
            Effect::Request { app, ticket, request } => {
                let urgent = hands.urgency.begin();
                self.change(span, async move {
                    let answer = requests::request(&hands, &app, *request).await;
                    drop(urgent);
                    Event::Answered { app, ticket, answer }
                });
            }
            Effect::Write { app, ticket, patch } => {
                let urgent = is_urgent(&patch).then(|| hands.urgency.begin());
                self.change(span, async move {
                    if urgent.is_none() {
                        hands.urgency.wait().await;
                    }
                    let result = writes::write(&hands, &app, &patch).await;
                    drop(urgent);
                    Event::Written { app, ticket, result }
                });
            }
            Effect::Reread(app) => self.answer(span, async move {
                let result = writes::reread(&hands, &app).await;
                Event::Reread { app, result }
            }),
            Effect::CreateDefaultProject(project) => {
                self.tasks.spawn(async move { writes::create_default_project(&hands, &project).await });
            }
            Effect::Record(record) => self.recorder.record(*record),
            Effect::Publish(published) => self.publish(Publication::App(published)),
            Effect::Verified { app, revision } => self.publish(Publication::Verified(app, revision)),
            Effect::Unpublish(app) => self.publish(Publication::Gone(app)),
            Effect::Ready => self.publish(Publication::Ready),
        }
    }

    /// Waits until a task breaks off, which none should.
    pub(crate) async fn broken(&mut self) -> ControllerError {
        loop {
            let ended = tokio::select! {
                Some(ended) = self.changes.join_next() => ended,
                Some(ended) = self.tasks.join_next() => ended,
                else => std::future::pending().await,
            };
            if let Err(error) = ended {
                return ControllerError::Broken(error.to_string());
            }
        }
    }

    /// Waits for the changes that are on their way.
    pub(crate) async fn finish(&mut self) {
        while self.changes.join_next().await.is_some() {}
    }

    fn answer(&mut self, span: Span, task: impl Future<Output = Event> + Send + 'static) {
        self.tasks.spawn(answer(self.answers.clone(), task).instrument(span));
    }

    fn change(&mut self, span: Span, task: impl Future<Output = Event> + Send + 'static) {
        self.changes.spawn(answer(self.answers.clone(), task).instrument(span));
    }

    fn publish(&self, publication: Publication) {
        // Its task ends after this one.
        let _ = self.publications.send(publication);
    }
}

async fn answer(answers: mpsc::UnboundedSender<Event>, task: impl Future<Output = Event>) {
    // Nobody takes it in any more when the controller ends.
    let _ = answers.send(task.await);
}
