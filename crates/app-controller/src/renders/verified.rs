//! After a commit, every Application asks whether anything that it looked up has changed. They are answered together, on one thread,
//! from one tree: for each alone, the way to a thread and back costs many times the comparison of a few ids.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git_source::{CommitId, Repositories, Repository};
use manifest_render::LookUps;
use tokio::sync::oneshot;

/// The questions that wait for their answer.
#[derive(Clone, Default)]
pub(super) struct Questions(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    waiting: Vec<Question>,
    /// Somebody is answering.
    answering: bool,
}

/// Whether look-ups find the same in a commit.
struct Question {
    repository: Repository,
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
        let question = Question { repository: repository.clone(), commit, lookups: Arc::clone(lookups), answer };
        let is_first = {
            let mut asked = self.asked();
            asked.waiting.push(question);
            !std::mem::replace(&mut asked.answering, true)
        };
        if is_first {
            tokio::spawn(self.clone().answer_all(repositories.clone()));
        }
        answered.await.unwrap_or(false)
    }

    /// Answers until nobody asks any more.
    async fn answer_all(self, repositories: Repositories) {
        loop {
            let mut waiting = {
                let mut asked = self.asked();
                asked.answering = !asked.waiting.is_empty();
                std::mem::take(&mut asked.waiting)
            };
            if waiting.is_empty() {
                return;
            }
            while let Some(first) = waiting.first() {
                let (repository, commit) = (first.repository.clone(), first.commit);
                let same = |question: &Question| question.commit == commit && question.repository == repository;
                let (together, others) = waiting.into_iter().partition(same);
                waiting = others;
                answer(&repositories, &repository, commit, together).await;
            }
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
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
