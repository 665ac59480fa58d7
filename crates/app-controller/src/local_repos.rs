use git_source::{GitError, Repository, watch_local};
use reconciler::Event;
use tokio::sync::{Mutex, mpsc};
use tokio::task::AbortHandle;

/// The repositories of this machine, whose changes are told as they happen.
pub(crate) struct LocalRepositories {
    watched: Mutex<Watched>,
    events: mpsc::UnboundedSender<Event>,
}

#[derive(Default)]
struct Watched {
    repositories: Vec<Repository>,
    /// Tells of changes; ends with its successor.
    telling: Option<AbortHandle>,
}

impl LocalRepositories {
    pub(crate) fn new(events: mpsc::UnboundedSender<Event>) -> Self {
        Self { watched: Mutex::default(), events }
    }

    /// Watches a repository, if it is on this machine and is not watched yet. Where that fails, polls find its changes.
    pub(crate) async fn watch(&self, repository: &Repository) {
        if !is_local(repository) {
            return;
        }
        let mut watched = self.watched.lock().await;
        if !watched.repositories.contains(repository) {
            watched.repositories.push(repository.clone());
            self.renew(&mut watched);
        }
    }

    /// Watches none but these.
    pub(crate) async fn retain(&self, repositories: &[Repository]) {
        let mut watched = self.watched.lock().await;
        let before = watched.repositories.len();
        watched.repositories.retain(|repository| repositories.contains(repository));
        if watched.repositories.len() != before {
            self.renew(&mut watched);
        }
    }

    /// Watches all repositories anew, except those that cannot be.
    fn renew(&self, watched: &mut Watched) {
        let watch = loop {
            match watch_local(&watched.repositories) {
                Ok(watch) => break watch,
                Err(error) => {
                    tracing::debug!(%error, "a repository cannot be watched for changes; it is polled");
                    let before = watched.repositories.len();
                    if let GitError::Local { url, .. } = &error {
                        watched.repositories.retain(|repository| repository.url != *url);
                    }
                    if watched.repositories.len() == before || watched.repositories.is_empty() {
                        watched.repositories.clear();
                        return;
                    }
                }
            }
        };
        let events = self.events.clone();
        let telling = tokio::spawn(async move {
            let mut watch = watch;
            while let Some(repository) = watch.changed().await {
                if events.send(Event::RepoChanged(repository.url)).is_err() {
                    return;
                }
            }
        });
        if let Some(before) = watched.telling.replace(telling.abort_handle()) {
            before.abort();
        }
    }
}

impl Drop for LocalRepositories {
    fn drop(&mut self) {
        if let Some(telling) = &self.watched.get_mut().telling {
            telling.abort();
        }
    }
}

fn is_local(repository: &Repository) -> bool {
    let url = repository.url.as_str();
    url.starts_with("file://") || url.starts_with('/')
}
