//! Where the sources of an Application are, and the revisions they are at.

use application_api::{ApplicationSource, RepoKind, RepoUrl, SourceSet, join_revisions, split_revisions};
use jiff::Timestamp;

use crate::AppKey;
use crate::repos::{Doubt, Known, Lookup, Repos};

/// A repository that is polled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceRepo {
    /// What kind of repository it is.
    pub kind: RepoKind,
    /// Its URL.
    pub url: RepoUrl,
}

/// What stands between the chart and the version in the name of a wanted revision. Names of charts do not have it.
const SEPARATOR: char = ':';

impl SourceRepo {
    /// Returns the repository of a source.
    pub fn of(source: &ApplicationSource) -> Self {
        Self { kind: source.repo_kind(), url: source.repo_url.clone() }
    }

    /// Takes the URL of a Git repository.
    pub fn git(url: RepoUrl) -> Self {
        Self { kind: RepoKind::Git, url }
    }
}

/// Returns how a poll names a revision of a source: as written, with the chart before it where the repository has many.
pub(crate) fn wanted_name(source: &ApplicationSource, revision: &str) -> String {
    if source.is_helm() { format!("{}{SEPARATOR}{revision}", source.chart) } else { revision.to_owned() }
}

/// Returns the chart and the version of what a poll asks a repository of charts for.
pub fn wanted_chart(name: &str) -> (&str, &str) {
    name.split_once(SEPARATOR).unwrap_or(("", name))
}

/// Returns what an Application looks at: each source's repository, with the name of the wanted revision.
pub(crate) fn places<'a>(
    sources: &'a SourceSet,
    revisions: &'a [String],
) -> impl Iterator<Item = (SourceRepo, String)> + 'a {
    let revisions = revisions.iter().map(String::as_str).chain(std::iter::repeat(""));
    sources
        .all()
        .iter()
        .zip(revisions)
        .map(|(source, revision)| (SourceRepo::of(source), wanted_name(source, revision)))
}

/// Returns the revisions that the sources of a spec name.
pub(crate) fn target_revisions(sources: &SourceSet) -> Vec<String> {
    sources.all().iter().map(|source| source.target_revision.clone()).collect()
}

/// Returns the repositories of which a joined revision has commits, with these.
pub(crate) fn commits<'a>(sources: &'a SourceSet, joined: &'a str) -> impl Iterator<Item = (SourceRepo, String)> + 'a {
    let revisions = split_revisions(joined).filter(|revision| !revision.is_empty());
    sources.all().iter().zip(revisions).map(|(source, revision)| (SourceRepo::of(source), revision.to_owned()))
}

/// What is known of the revisions of all sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SetLookup {
    /// The answer of a poll is awaited.
    Pending { at: usize },
    /// The joined revision, as of the last good polls.
    Commit {
        commit: String,
        /// The first of the sources whose last poll failed: its repository may have moved on.
        doubt: Option<(usize, Doubt)>,
    },
    /// A repository does not have the revision.
    Unknown { at: usize, message: String },
    /// A repository was never read.
    Failed { at: usize, doubt: Doubt },
}

impl Repos {
    /// Finds the revisions of all sources; whatever is missing of one, all are waited for.
    pub(crate) fn look_up_all(
        &mut self,
        app: &AppKey,
        sources: &SourceSet,
        revisions: &[String],
        fresh_since: Option<Timestamp>,
    ) -> SetLookup {
        let found: Vec<Lookup> =
            places(sources, revisions).map(|(repo, name)| self.look_up(app, &repo, &name, fresh_since)).collect();
        if let Some(at) = found.iter().position(|found| *found == Lookup::Pending) {
            return SetLookup::Pending { at };
        }
        let mut commits = Vec::new();
        let mut first_doubt = None;
        for (at, found) in found.into_iter().enumerate() {
            match found {
                Lookup::Commit { commit, doubt } => {
                    commits.push(commit);
                    first_doubt = first_doubt.or_else(|| doubt.map(|doubt| (at, doubt)));
                }
                Lookup::Unknown(message) => return SetLookup::Unknown { at, message },
                Lookup::Failed(doubt) => return SetLookup::Failed { at, doubt },
                Lookup::Pending => return SetLookup::Pending { at },
            }
        }
        SetLookup::Commit { commit: join_revisions(commits.iter().map(String::as_str)), doubt: first_doubt }
    }

    /// Says what is known of the revisions that the sources name, without asking for more; that of the worst of them.
    pub(crate) fn known_all(&self, sources: &SourceSet) -> Known<String> {
        let mut commits = Vec::new();
        let mut worst = None;
        for source in sources.all() {
            match self.known(&SourceRepo::of(source), &wanted_name(source, &source.target_revision)) {
                Known::Commit(commit) => commits.push(commit),
                Known::Awaited => worst = Some(Known::Awaited),
                Known::Absent => worst = worst.or(Some(Known::Absent)),
                Known::Unreadable if worst != Some(Known::Awaited) => worst = Some(Known::Unreadable),
                Known::Unreadable => {}
            }
        }
        worst.unwrap_or_else(|| Known::Commit(join_revisions(commits)))
    }
}

/// Says of which source something is, where there are several.
pub(crate) fn of_source(sources: &SourceSet, at: usize, message: &str) -> String {
    match sources.all().len() {
        0 | 1 => message.to_owned(),
        count => format!("source {} of {count}: {message}", at + 1),
    }
}

#[cfg(test)]
mod tests;
