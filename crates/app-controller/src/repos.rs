use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use application_api::{RepoKind, RepoUrl};
use artifact_source::{ArtifactError, ArtifactRepository, Wanted};
use git_source::{CommitId, GitError, GitStep, PollResult, Remedy, Repository, RevisionName};
use jiff::Timestamp;
use reconciler::{Event, RepoFailure, SourceRepo, wanted_chart};
use source_loader::artifact_repository;
use telemetry::metrics::GitRequest;

use crate::hands::Hands;

/// Longest time of a poll, its fetches included.
const POLL_LIMIT: Duration = Duration::from_secs(90);

/// Asks a repository for the commits or versions of revisions.
pub(crate) async fn poll(hands: &Hands, repo: SourceRepo, revisions: BTreeSet<String>) -> Event {
    match artifact_repository(repo.kind, &repo.url) {
        Some(repository) => poll_artifacts(hands, repo, &repository, revisions).await,
        None => poll_git(hands, repo, revisions).await,
    }
}

/// Asks a repository of charts or artifacts for the versions of revisions.
async fn poll_artifacts(
    hands: &Hands,
    repo: SourceRepo,
    repository: &ArtifactRepository,
    revisions: BTreeSet<String>,
) -> Event {
    let _turn = hands.polls.acquire().await.expect("the semaphore is never closed");
    let started_at = Timestamp::now();
    let names: Vec<String> = revisions.into_iter().collect();
    let wanted = |name: &String| {
        let is_chart = repo.kind != RepoKind::Artifact;
        let (chart, revision) = if is_chart { wanted_chart(name) } else { ("", name.as_str()) };
        Wanted { chart: chart.to_owned(), revision: revision.to_owned() }
    };
    let wanted: Vec<Wanted> = names.iter().map(wanted).collect();
    let polled = tokio::time::timeout(POLL_LIMIT, hands.loader.artifacts().poll(repository, &wanted)).await;
    let result = match polled {
        Ok(Ok(found)) => versions(names, found),
        Ok(Err(error)) => Err(RepoFailure { message: error.to_string() }),
        Err(_) => Err(RepoFailure { message: format!("{} gave no answer in {} s", repo.url, POLL_LIMIT.as_secs()) }),
    };
    if let Err(failure) = &result {
        tracing::warn!(repo = %repo.url, error = failure.message, "the repository cannot be read");
    }
    Event::RepoPolled { repo, started_at, result }
}

/// Takes a passing failure of one version as one of the repository: of that version nothing is known then.
fn versions(names: Vec<String>, found: Vec<Result<String, ArtifactError>>) -> Result<Commits, RepoFailure> {
    let passing = found.iter().filter_map(|found| found.as_ref().err()).find(|error| error.remedy() == Remedy::Retry);
    if let Some(error) = passing {
        return Err(RepoFailure { message: error.to_string() });
    }
    Ok(names.into_iter().zip(found.into_iter().map(|found| found.map_err(|error| error.to_string()))).collect())
}

async fn poll_git(hands: &Hands, repo: SourceRepo, revisions: BTreeSet<String>) -> Event {
    let repository = Repository::anonymous(repo.url.clone());
    // First, so that no change falls between the poll and the watch.
    hands.local.watch(&repository).await;
    let _turn = hands.polls.acquire().await.expect("the semaphore is never closed");
    let started_at = Timestamp::now();
    let begun = Instant::now();
    let wanted: Vec<RevisionName> = revisions.into_iter().map(RevisionName::new).collect();
    let polled = hands.loader.repositories().poll(&repository, &wanted, begun + POLL_LIMIT).await;
    count(hands, &repo.url, &polled, begun.elapsed());
    let result = match polled {
        Ok(found) => outcome(found),
        Err(error) => {
            tracing::warn!(repo = %repo.url, %error, "the repository cannot be read");
            Err(RepoFailure { message: error.to_string() })
        }
    };
    Event::RepoPolled { repo, started_at, result }
}

/// Keeps the commits in force of a repository and lets others go.
pub(crate) async fn pin(hands: &Hands, repo: RepoUrl) {
    let commits: BTreeSet<CommitId> =
        hands.in_force.commits(&repo).iter().filter_map(|commit| commit.parse().ok()).collect();
    if let Err(error) = hands.loader.pin(&Repository::anonymous(repo.clone()), &commits).await {
        // The next poll fetches again what is lost by that.
        tracing::warn!(%repo, %error, "the commits in force cannot be recorded");
    }
}

/// Forgets all repositories but those that are looked at.
pub(crate) async fn retain(hands: &Hands) {
    let named = hands.in_force.repositories().into_iter().filter(|repo| repo.kind == RepoKind::Git);
    let kept: Vec<Repository> = named.map(|repo| Repository::anonymous(repo.url)).collect();
    hands.local.retain(&kept).await;
    hands.loader.retain(&kept).await;
}

type Commits = BTreeMap<String, Result<String, String>>;

/// Takes a passing failure of every revision as one of the repository, about which nothing is known then.
fn outcome(found: PollResult) -> Result<Commits, RepoFailure> {
    let passing = |result: &Result<CommitId, GitError>| match result {
        Err(error) if error.remedy() == Remedy::Retry => Some(RepoFailure { message: error.to_string() }),
        _ => None,
    };
    let failures: Vec<Option<RepoFailure>> = found.commits.iter().map(|(_, result)| passing(result)).collect();
    if !failures.is_empty()
        && let Some(failures) = failures.into_iter().collect::<Option<Vec<_>>>()
        && let Some(failure) = failures.into_iter().next()
    {
        return Err(failure);
    }
    let said = |result: Result<CommitId, GitError>| result.map(|id| id.to_string()).map_err(|error| error.to_string());
    Ok(found.commits.into_iter().map(|(revision, result)| (revision.as_str().to_owned(), said(result))).collect())
}

fn count(hands: &Hands, repo: &RepoUrl, polled: &Result<PollResult, GitError>, took: Duration) {
    let (git, repo) = (&hands.metrics.git, repo.normalized().to_string());
    match polled {
        Ok(found) => {
            for (times, kind) in
                [(found.traffic.lists, GitRequest::LsRemote), (found.traffic.fetches, GitRequest::Fetch)]
            {
                for _ in 0..times {
                    git.request(&repo, kind, took / times);
                }
            }
            for (revision, result) in &found.commits {
                if let Err(error) = result {
                    git.failure(&repo, kind_of(error), revision.as_str());
                }
            }
        }
        Err(error) => {
            git.request(&repo, kind_of(error), took);
            git.failure(&repo, kind_of(error), "");
        }
    }
}

fn kind_of(error: &GitError) -> GitRequest {
    match error {
        GitError::Unreachable { step: GitStep::Fetch, .. }
        | GitError::TimedOut { step: GitStep::Fetch, .. }
        | GitError::Corrupt { step: GitStep::Fetch, .. }
        | GitError::Unauthenticated { step: GitStep::Fetch, .. } => GitRequest::Fetch,
        _ => GitRequest::LsRemote,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn check(results: Vec<Result<CommitId, GitError>>, expected: Result<&[Result<&str, &str>], &str>) {
        let names = ["a", "b"].map(RevisionName::new);
        let found = PollResult { commits: names.into_iter().zip(results).collect(), ..PollResult::default() };
        let said = outcome(found);
        let said = said
            .as_ref()
            .map(|commits| commits.values().map(|said| said.as_deref().map_err(String::as_str)).collect::<Vec<_>>());
        assert_eq!(said.map_err(|failure| failure.message.as_str()), expected.map(<[_]>::to_vec));
    }

    #[test]
    fn nothing_is_known_of_a_repository_whose_revisions_all_fail_for_now() {
        let commit = || Ok(ID.parse().unwrap());
        let url = RepoUrl::new("https://git.example/r");
        let unknown = || Err(GitError::RevisionNotFound { url: url.clone(), revision: "a".to_owned() });
        let late = || Err(GitError::Unsupported { url: url.clone(), detail: "x".to_owned() });
        let passing = || {
            let (step, path) = (GitStep::Read, std::path::PathBuf::from("/d"));
            Err(GitError::Local { url: url.clone(), step, path, detail: "full".to_owned() })
        };
        let full = "cannot read a commit for https://git.example/r in /d: full; check space and permissions there";
        let not_a = "unable to resolve 'a' to a commit SHA";
        check(vec![], Ok(&[]));
        check(vec![commit(), unknown()], Ok(&[Ok(ID), Err(not_a)]));
        check(vec![unknown(), unknown()], Ok(&[Err(not_a), Err(not_a)]));
        check(vec![passing(), commit()], Ok(&[Err(full), Ok(ID)]));
        check(vec![passing(), passing()], Err(full));
        check(vec![late(), passing()], Ok(&[Err("https://git.example/r cannot be used: x"), Err(full)]));
    }
}
