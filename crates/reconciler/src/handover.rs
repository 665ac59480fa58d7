//! Whether it is known what other Applications render: nothing that one of them may have is deleted (decision 9).

use application_api::{Application, RepoUrl};
use jiff::SignedDuration;
use kube_object::ObjectKey;

use crate::app::{AppState, View};
use crate::reading::Facts;
use crate::repos::Known;
use crate::state::State;
use crate::status::Findings;
use crate::{AppKey, RenderFailure};

/// Whether a delete may go on, as far as it is known what Applications render.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hold {
    /// It may.
    No,
    /// Manifests cannot be read at present.
    UntilReadable,
    /// Manifests are on their way.
    Briefly,
}

impl Hold {
    /// Returns how soon it is looked at again.
    pub(crate) fn wait(self) -> SignedDuration {
        if self == Self::Briefly { SignedDuration::from_millis(500) } else { SignedDuration::from_secs(5) }
    }

    /// Lets everything go on that prunes nothing while manifests cannot be read, which may last.
    pub(crate) fn of_what_prunes(self, application: &Application, findings: &Findings) -> Self {
        let prunes = match &application.operation {
            Some(operation) => operation.sync.as_ref().is_some_and(|sync| sync.prune),
            // In doubt, no sync that prunes is started.
            None => findings.verified,
        };
        if self == Self::UntilReadable && !prunes { Self::No } else { self }
    }
}

/// How far the manifests of an Application are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knowledge {
    /// Its targets are those of the newest commit, or it can have none.
    Settled,
    /// They are on their way.
    Coming,
    /// The newest commit cannot be read for it at present.
    Unreadable,
}

impl State {
    /// Tells whether something would be pruned that an Application may render in the newest commit.
    pub(crate) fn hold_prunes(&self, app: &AppState) -> Hold {
        let views = std::iter::once(&app.main).chain(app.operation_view.as_deref());
        let rows = views.filter_map(|view| view.comparison.as_ref()).flat_map(|comparison| &comparison.resources);
        let mut keys = rows.filter(|row| row.requires_pruning).map(|row| &row.key).peekable();
        if keys.peek().is_none() {
            return Hold::No;
        }
        let mut views = std::iter::once(&app.main).chain(app.operation_view.as_deref());
        if self.cluster.has_unseen_groups() && views.any(|view| view.depends_on.is_some()) {
            // A chart may have left out what it renders where such a group is served.
            return Hold::UntilReadable;
        }
        match self.hold_deletes(app) {
            Hold::No if keys.any(|key| self.is_recorded_besides(app, key)) => Hold::UntilReadable,
            hold => hold,
        }
    }

    /// Tells whether manifests are missing that may have an object of this Application.
    pub(crate) fn hold_deletes(&self, app: &AppState) -> Hold {
        let repos = |app: &AppState| -> Vec<RepoUrl> {
            let sources = app.reading.facts().and_then(|facts| facts.sources.as_ref());
            sources.iter().flat_map(|sources| sources.all()).map(|source| source.repo_url.normalized()).collect()
        };
        let own_repos = repos(app);
        let hold = |other: &AppState| match self.knowledge(other) {
            Knowledge::Settled => Hold::No,
            Knowledge::Coming => Hold::Briefly,
            // Objects move between Applications of one repository in one commit.
            Knowledge::Unreadable => {
                if repos(other).iter().any(|repo| own_repos.contains(repo)) {
                    Hold::UntilReadable
                } else {
                    Hold::No
                }
            }
        };
        // Its own newest manifests count as well: what left it in one commit may be back in the next.
        let own = Some(app).filter(|app| app.reading.facts().is_some_and(Facts::stays));
        let mut longest = Hold::No;
        for other in self.others(&app.key).chain(own) {
            longest = longest.max(hold(other));
            if longest == Hold::Briefly {
                break;
            }
        }
        longest
    }

    /// Tells whether an Application whose manifests are not known has an object by its status.
    pub(crate) fn is_recorded_besides(&self, app: &AppState, key: &ObjectKey) -> bool {
        self.others(&app.key).filter(|other| other.main.targets.is_none()).any(|other| {
            let Ok(application) = other.reading.typed() else { return false };
            let rows = application.status.iter().flat_map(|status| &status.resources);
            rows.filter(|row| !row.requires_pruning).any(|row| {
                (&*row.group, &*row.kind, &*row.namespace, &*row.name)
                    == (&*key.group, &*key.kind, &*key.namespace, &*key.name)
            })
        })
    }

    /// Returns the other Applications that stay and are looked after.
    fn others<'a>(&'a self, key: &'a AppKey) -> impl Iterator<Item = &'a AppState> {
        let others = self.apps.values().map(|other| &**other).filter(move |other| other.key != *key);
        others.filter(|other| other.reading.facts().is_some_and(|facts| facts.stays() && !facts.is_skipped))
    }

    fn knowledge(&self, app: &AppState) -> Knowledge {
        let Some(facts) = app.reading.facts() else { return Knowledge::Settled };
        let Some(sources) = &facts.sources else { return Knowledge::Settled };
        let found = match self.repos.known_all(sources) {
            Known::Commit(_) if app.main.sources != *sources => Knowledge::Coming,
            Known::Commit(commit) => knowledge_at(&app.main, &commit, facts),
            Known::Awaited => Knowledge::Coming,
            Known::Unreadable => Knowledge::Unreadable,
            Known::Absent => Knowledge::Settled,
        };
        // What its spec keeps from being rendered does not come.
        let is_refused = || app.reading.typed().is_ok_and(|typed| !self.check_spec(typed).problems.is_empty());
        if found != Knowledge::Settled && is_refused() { Knowledge::Settled } else { found }
    }
}

/// Tells whether the targets are still those of another namespace or project than the spec names.
fn is_moving(view: &View, facts: &Facts) -> bool {
    view.targets_of
        .as_ref()
        .is_some_and(|made_of| *made_of.destination.namespace != *facts.namespace || *made_of.project != *facts.project)
}

/// Says what is known at a commit. What is refused has no targets, wherever it is to go.
fn knowledge_at(view: &View, commit: &str, facts: &Facts) -> Knowledge {
    let is_moving = is_moving(view, facts);
    if let Some(failed) = view.failed.as_ref().filter(|failed| failed.commit == commit) {
        return match failed.failure {
            RenderFailure::Unavailable(_) => Knowledge::Unreadable,
            // The last good manifests are in force, and targets are made of them for the new place.
            RenderFailure::Content(_) | RenderFailure::Forbidden(_) | RenderFailure::Overrun(_) if is_moving => {
                Knowledge::Coming
            }
            RenderFailure::Unsupported(_)
            | RenderFailure::Content(_)
            | RenderFailure::Forbidden(_)
            | RenderFailure::Overrun(_) => Knowledge::Settled,
        };
    }
    if view.kept.is_of_another_context() {
        // It may lack what this context renders.
        return Knowledge::Unreadable;
    }
    let Some(rendered) = view.rendered.as_ref().filter(|_| view.verified == commit) else { return Knowledge::Coming };
    let made = !is_moving && view.targets_of.as_ref().is_some_and(|made_of| made_of.render == rendered.digest);
    if made || view.refused == Some(rendered.digest) { Knowledge::Settled } else { Knowledge::Coming }
}
