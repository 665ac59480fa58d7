//! After a commit, every Application asks whether anything that it looked up has changed. Those of a repository are answered together, on
//! one thread, from one tree: for each alone, the way to a thread and back costs many times the comparison of a few ids.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git_source::{CommitId, Repositories, Repository};
use manifest_render::LookUps;
use tokio::sync::oneshot;

/// The questions that wait for their answer, by repository; somebody answers those of each that is here.
#[derive(Clone, Default)]
pub(super) struct Questions(Arc<Mutex<HashMap<Repository, Vec<Question>>>>);

/// Whether look-ups find the same in a commit.
struct Question {
    commit: CommitId,
    lookups: Arc<LookUps>,
    answer: oneshot::Sender<bool>,
}

impl Questions {
    /// Tells whether the same look-ups in a commit surely find the same. Where they may not, or the commit cannot be read, the render
    /// finds out.
    pub(super) async fn ask(
        &self,
        repositories: &Repositories,
        repository: &Repository,
        commit: CommitId,
        lookups: &Arc<LookUps>,
    ) -> bool {
        let (answer, answered) = oneshot::channel();
        let question = Question { commit, lookups: Arc::clone(lookups), answer };
        match self.asked().entry(repository.clone()) {
            Entry::Occupied(mut waiting) => waiting.get_mut().push(question),
            Entry::Vacant(nobody) => {
                nobody.insert(vec![question]);
                tokio::spawn(self.clone().answer_all(repositories.clone(), repository.clone()));
            }
        }
        answered.await.unwrap_or(false)
    }

    /// Answers what is asked about a repository, until nobody asks any more.
    async fn answer_all(self, repositories: Repositories, repository: Repository) {
        while let Some(mut waiting) = self.take(&repository) {
            while let Some(commit) = waiting.first().map(|question| question.commit) {
                let (together, others) = waiting.into_iter().partition(|question| question.commit == commit);
                waiting = others;
                answer(&repositories, &repository, commit, together).await;
            }
        }
    }

    /// Takes the questions about a repository; none when it needs nobody any more.
    fn take(&self, repository: &Repository) -> Option<Vec<Question>> {
        let mut asked = self.asked();
        let waiting = std::mem::take(asked.get_mut(repository)?);
        if waiting.is_empty() {
            asked.remove(repository);
            return None;
        }
        Some(waiting)
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<Repository, Vec<Question>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers the questions about one commit.
async fn answer(repositories: &Repositories, repository: &Repository, commit: CommitId, questions: Vec<Question>) {
    // Unanswered is answered with no.
    let Ok(tree) = repositories.tree(repository, commit).await else { return };
    let answered = tokio::task::spawn_blocking(move || {
        for question in questions {
            question.answer.send(question.lookups.has_same_ids_in(&tree).unwrap_or(false)).ok();
        }
    });
    if let Err(error) = answered.await {
        tracing::error!(%error, "comparing commits broke off, which is a defect; they are rendered");
    }
}
