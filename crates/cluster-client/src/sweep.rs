use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use kube_object::{ApiError, ApiResource, Object};

use crate::{Cluster, Detail, ListRequest, Page, Selector};

/// What a sweep of many kinds finds.
#[derive(Clone, Debug, PartialEq)]
pub enum SweepEvent {
    /// Objects of a kind, with their metadata only.
    Objects(Arc<ApiResource>, Vec<Object>),
    /// The list of a kind begins again: the objects of it that came so far are void.
    Restarted(Arc<ApiResource>),
    /// All objects of the kind have come.
    Complete(Arc<ApiResource>),
    /// The kind could not be listed to the end: what is missing among its objects may well exist.
    Incomplete(Arc<ApiResource>, ApiError),
}

/// Objects in one page: small enough to keep little in memory, large enough for few requests.
const PAGE: u32 = 500;

impl Cluster {
    /// Lists the metadata of all objects of many kinds, `parallel` kinds at a time; kinds without `list` are left out.
    ///
    /// Every other kind ends with `Complete` or `Incomplete`.
    pub fn sweep(
        &self,
        resources: impl IntoIterator<Item = ApiResource>,
        parallel: usize,
    ) -> BoxStream<'static, SweepEvent> {
        let kinds: Vec<_> = resources
            .into_iter()
            .filter(|resource| resource.has_verb("list"))
            .map(|resource| kind(self.clone(), Arc::new(resource)).boxed())
            .collect();
        stream::iter(kinds).flatten_unordered(Some(parallel.max(1))).boxed()
    }
}

/// How far the list of one kind is.
enum At {
    Page { token: String, tries: Tries },
    Said(Box<SweepEvent>),
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tries {
    First,
    Second,
}

fn kind(cluster: Cluster, resource: Arc<ApiResource>) -> impl Stream<Item = SweepEvent> {
    let start = At::Page { token: String::new(), tries: Tries::First };
    stream::unfold((cluster, resource, start), |(cluster, resource, at)| async move {
        let (event, next) = match at {
            At::Page { token, tries } => match page(&cluster, &resource, &token).await {
                Ok(page) => after_page(&resource, page, tries),
                // The token expired under a slow list.
                Err(error) if error.code == 410 && tries == Tries::First => {
                    let again = At::Page { token: String::new(), tries: Tries::Second };
                    (SweepEvent::Restarted(Arc::clone(&resource)), again)
                }
                Err(error) => (SweepEvent::Incomplete(Arc::clone(&resource), error), At::End),
            },
            At::Said(event) => (*event, At::End),
            At::End => return None,
        };
        Some((event, (cluster, resource, next)))
    })
}

fn after_page(resource: &Arc<ApiResource>, page: Page, tries: Tries) -> (SweepEvent, At) {
    let complete = SweepEvent::Complete(Arc::clone(resource));
    if !page.continue_token.is_empty() {
        let next = At::Page { token: page.continue_token, tries };
        (SweepEvent::Objects(Arc::clone(resource), page.objects), next)
    } else if page.objects.is_empty() {
        (complete, At::End)
    } else {
        (SweepEvent::Objects(Arc::clone(resource), page.objects), At::Said(Box::new(complete)))
    }
}

async fn page(cluster: &Cluster, resource: &ApiResource, token: &str) -> Result<Page, ApiError> {
    let list = ListRequest {
        resource,
        namespace: "",
        selector: &Selector::default(),
        limit: PAGE,
        continue_token: token,
        detail: Detail::MetadataOnly,
    };
    cluster.list_page(&list).await
}

#[cfg(test)]
mod tests;
