use http::header;
use kube_object::{ApiError, ApiResource, Object};
use serde::Deserialize;

use crate::access::{Query, collection_path};
use crate::answer::{accept_list, accept_object, name_kind};
use crate::cluster::Call;
use crate::{Cluster, Detail, ObjectRef, Selector, Verb};

/// What to list.
#[derive(Clone, Copy, Debug)]
pub struct ListRequest<'a> {
    /// The kind, in the version to read.
    pub resource: &'a ApiResource,
    /// A namespace; empty for all.
    pub namespace: &'a str,
    /// Which objects.
    pub selector: &'a Selector,
    /// Most objects in one page; 0 for all at once.
    pub limit: u32,
    /// The token of the page before; empty for the first page. It expires after some minutes (410).
    pub continue_token: &'a str,
    /// How much of each object.
    pub detail: Detail,
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Objects, each with the `apiVersion` and `kind` it was asked for as.
    pub objects: Vec<Object>,
    /// Version of the whole list: a watch can go on from here.
    pub resource_version: String,
    /// Token of the next page; empty when this is the last.
    pub continue_token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireList {
    metadata: WireListMeta,
    items: Option<Vec<Object>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireListMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    continue_token: String,
}

impl Cluster {
    /// Reads one object in the version of its resource.
    pub async fn get(&self, object: ObjectRef<'_>, detail: Detail) -> Result<Object, ApiError> {
        let path = object.path(None)?;
        let call = Call {
            namespace: object.path_namespace(),
            ..Call::read(Verb::Get, Some(object.resource), path, accept_object(detail))
        };
        self.exchange(call).await?.object(object.resource)
    }

    /// Reads one page of a list. Lists are consistent reads: no older than the request.
    pub async fn list_page(&self, list: &ListRequest<'_>) -> Result<Page, ApiError> {
        let limit = if list.limit == 0 { String::new() } else { list.limit.to_string() };
        let path = Query::default()
            .with_selector(list.selector)
            .with_some("limit", &limit)
            .with_some("continue", list.continue_token)
            .after(collection_path(list.resource, list.namespace)?);
        let call = Call {
            namespace: list.namespace,
            ..Call::read(Verb::List, Some(list.resource), path, accept_list(list.detail))
        };
        let answer = self.exchange(call).await?;
        let WireList { metadata, items } = answer.json()?;
        // A JSON object that is no list would otherwise read as an empty one, and doubt never deletes.
        let Some(mut objects) = items.or_else(|| (!metadata.resource_version.is_empty()).then(Vec::new)) else {
            let media_type = answer.headers.get(header::CONTENT_TYPE);
            return Err(ApiError::no_answer(format!(
                "the answer to a list of {} is no list ({media_type:?})",
                list.resource.plural
            )));
        };
        for object in &mut objects {
            name_kind(object, list.resource);
        }
        Ok(Page { objects, resource_version: metadata.resource_version, continue_token: metadata.continue_token })
    }
}
