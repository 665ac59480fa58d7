//! A scripted API server: answers requests by a function or in order, remembers them, and breaks on command.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use kube_object::{ApiResource, Gvk, Object, Scope};
use serde_json::Value;
use tower::{BoxError, service_fn};

use crate::{ClientOptions, Cluster, RequestBody, ResponseBody};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// 200 and a body that comes in parts.
    Stream(Vec<Part>),
    /// The connection fails.
    Broken(&'static str),
    /// Nothing, ever.
    Never,
    /// Another reply, after a time.
    After(Duration, Box<Reply>),
}

/// A part of a body.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(String),
    Pause(Duration),
    /// The connection breaks.
    Break,
    /// Nothing more, without an end.
    Silence,
}

impl Reply {
    pub(crate) fn json(code: u16, body: &Value) -> Self {
        Self::Answer(code, vec![("content-type", "application/json".to_owned())], body.to_string())
    }

    pub(crate) fn text(code: u16, body: &str) -> Self {
        Self::Answer(code, Vec::new(), body.to_owned())
    }
}

type Handler = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    handler: Handler,
}

impl Server {
    pub(crate) fn new(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self { seen: Arc::default(), handler: Arc::new(handler) }
    }

    /// Answers in order, and after that not at all.
    pub(crate) fn in_order(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::new(move |_| replies.lock().unwrap().pop_front().unwrap_or(Reply::Never))
    }

    pub(crate) fn cluster(&self) -> Cluster {
        self.cluster_with(ClientOptions::default())
    }

    pub(crate) fn cluster_with(&self, options: ClientOptions) -> Cluster {
        let server = self.clone();
        let service = service_fn(move |request: Request<RequestBody>| server.clone().answer(request));
        Cluster::of_service(service, options)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    async fn answer(self, request: Request<RequestBody>) -> Result<Response<ResponseBody>, BoxError> {
        let (parts, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let seen = Seen { method: parts.method.to_string(), uri: parts.uri.to_string(), headers: parts.headers, body };
        let mut reply = (self.handler)(&seen);
        self.seen.lock().unwrap().push(seen);
        while let Reply::After(time, next) = reply {
            tokio::time::sleep(time).await;
            reply = *next;
        }
        match reply {
            Reply::Answer(code, headers, body) => {
                let mut response = Response::builder().status(code);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                Ok(response.body(body_of(vec![Part::Text(body)])).unwrap())
            }
            Reply::Stream(parts) => Ok(Response::new(body_of(parts))),
            Reply::Broken(why) => Err(why.into()),
            Reply::Never => future::pending().await,
            Reply::After(..) => unreachable!("unwrapped above"),
        }
    }
}

pub(crate) fn body_of(parts: Vec<Part>) -> ResponseBody {
    let frames = stream::iter(parts).filter_map(|part| match part {
        Part::Text(text) => future::ready(Some(Ok(Frame::data(Bytes::from(text))))).boxed(),
        Part::Pause(time) => tokio::time::sleep(time).map(|()| None).boxed(),
        Part::Break => future::ready(Some(Err(BoxError::from("connection reset by peer")))).boxed(),
        Part::Silence => future::pending().boxed(),
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

pub(crate) fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

pub(crate) fn resource(group: &str, version: &str, kind: &str, plural: &str, scope: Scope) -> ApiResource {
    ApiResource {
        gvk: Gvk::new(group, version, kind),
        plural: plural.to_owned(),
        scope,
        verbs: ["list", "watch"].map(str::to_owned).to_vec(),
        subresources: Vec::new(),
    }
}

pub(crate) fn config_maps() -> ApiResource {
    resource("", "v1", "ConfigMap", "configmaps", Scope::Namespaced)
}

pub(crate) fn deployments() -> ApiResource {
    resource("apps", "v1", "Deployment", "deployments", Scope::Namespaced)
}

pub(crate) fn cluster_roles() -> ApiResource {
    resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", Scope::Cluster)
}
