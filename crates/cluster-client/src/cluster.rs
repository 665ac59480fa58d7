use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kube_object::{ApiError, ApiResource};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceExt};

use crate::answer::{Answer, error_of};
use crate::observe::NoObserver;
use crate::transport::{self, RequestBody, ResponseBody, Transport, with_causes};
use crate::{ActingAs, ClientOptions, DryRun, ObservedRequest, RequestObserver, Verb};

/// A connection to one API server; cheap to clone.
///
/// No request is repeated: whoever asked decides by [`ApiError::class`]. A request that got no answer may still have been
/// carried out.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
    observer: Arc<dyn RequestObserver>,
}

struct Shared {
    transport: Transport,
    turns: Semaphore,
    options: ClientOptions,
    server: String,
    default_namespace: String,
}

/// One request, before it becomes HTTP.
pub(crate) struct Call<'a> {
    pub(crate) verb: Verb,
    pub(crate) resource: Option<&'a ApiResource>,
    pub(crate) namespace: &'a str,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) accept: &'static str,
    pub(crate) content: Option<(&'static str, Bytes)>,
    pub(crate) acting_as: &'a ActingAs,
    pub(crate) dry_run: DryRun,
    pub(crate) deadline: Option<Duration>,
}

impl<'a> Call<'a> {
    /// Makes a request that reads.
    pub(crate) fn read(verb: Verb, resource: Option<&'a ApiResource>, path: String, accept: &'static str) -> Self {
        Self {
            verb,
            resource,
            namespace: "",
            method: Method::GET,
            path,
            accept,
            content: None,
            acting_as: &ActingAs::Daemon,
            dry_run: DryRun::No,
            deadline: None,
        }
    }
}

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("driftless/", env!("CARGO_PKG_VERSION")));
const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

impl Cluster {
    /// Makes a connection whose requests a service answers: for tests, simulations and other transports.
    pub fn of_service<S, B>(service: S, options: ClientOptions) -> Self
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = BoxError> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: BodyExt<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let transport = transport::of_service(service);
        Self::of_transport(transport, "the API server".to_owned(), "default".to_owned(), options)
    }

    pub(crate) fn of_transport(
        transport: Transport,
        server: String,
        default_namespace: String,
        options: ClientOptions,
    ) -> Self {
        let turns = Semaphore::new(options.concurrency.clamp(1, Semaphore::MAX_PERMITS));
        let shared = Shared { transport, turns, options, server, default_namespace };
        Self { shared: Arc::new(shared), observer: Arc::new(NoObserver) }
    }

    /// Returns the same connection under another observer: one an application, say, to label its requests.
    pub fn observed_by(&self, observer: Arc<dyn RequestObserver>) -> Self {
        Self { shared: Arc::clone(&self.shared), observer }
    }

    /// Returns the same connection with a count of requests under way of its own, each with a deadline.
    pub(crate) fn with_own_turns(&self, concurrency: usize, request_deadline: Duration) -> Self {
        let Shared { transport, server, default_namespace, .. } = &*self.shared;
        let options = ClientOptions { request_deadline, concurrency };
        let observer = Arc::clone(&self.observer);
        let other = Self::of_transport(transport.clone(), server.clone(), default_namespace.clone(), options);
        other.observed_by(observer)
    }

    /// Returns the URL of the API server.
    pub fn server(&self) -> &str {
        &self.shared.server
    }

    /// Returns the namespace of the kubeconfig's context or of the pod.
    pub fn default_namespace(&self) -> &str {
        &self.shared.default_namespace
    }

    pub(crate) fn observer(&self) -> &dyn RequestObserver {
        &*self.observer
    }

    /// Sends a request in its turn and reads the answer to its end.
    pub(crate) async fn exchange(&self, call: Call<'_>) -> Result<Answer, ApiError> {
        let _turn = self.shared.turns.acquire().await.expect("the semaphore is never closed");
        let deadline = call.deadline.unwrap_or(self.shared.options.request_deadline);
        let sent = Instant::now();
        let result = match tokio::time::timeout(deadline, self.round_trip(&call)).await {
            Ok(result) => result,
            Err(_) => Err(self.too_late(&call, deadline)),
        };
        self.note(&call, result.as_ref().map_or_else(|error| error.code, |answer| answer.status.as_u16()), sent);
        result
    }

    async fn round_trip(&self, call: &Call<'_>) -> Result<Answer, ApiError> {
        let (parts, body) = self.send(call).await?.into_parts();
        let body = body.collect().await.map_err(|error| self.no_answer(call, &*error))?.to_bytes();
        if !parts.status.is_success() {
            return Err(error_of(parts.status, &parts.headers, &body));
        }
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Sends a request at once and returns when its answer begins; the deadline is for that beginning, or for a whole error.
    pub(crate) async fn open(&self, call: Call<'_>) -> Result<ResponseBody, ApiError> {
        let deadline = call.deadline.unwrap_or(self.shared.options.request_deadline);
        let sent = Instant::now();
        let opening = async {
            let (parts, body) = self.send(&call).await?.into_parts();
            if parts.status.is_success() {
                return Ok(body);
            }
            let body = body.collect().await.map_err(|error| self.no_answer(&call, &*error))?.to_bytes();
            Err(error_of(parts.status, &parts.headers, &body))
        };
        let result = match tokio::time::timeout(deadline, opening).await {
            Ok(result) => result,
            Err(_) => Err(self.too_late(&call, deadline)),
        };
        self.note(&call, result.as_ref().map_or_else(|error| error.code, |_| StatusCode::OK.as_u16()), sent);
        result
    }

    async fn send(&self, call: &Call<'_>) -> Result<Response<ResponseBody>, ApiError> {
        let request = request_of(call)?;
        tracing::trace!(method = %call.method, path = %call.path, "request");
        let answer = self.shared.transport.clone().oneshot(request).await;
        answer.map_err(|error| self.no_answer(call, &*error))
    }

    fn note(&self, call: &Call<'_>, code: u16, sent: Instant) {
        let &Call { verb, resource, namespace, dry_run, .. } = call;
        self.observer.observe(&ObservedRequest { verb, resource, namespace, code, dry_run, duration: sent.elapsed() });
    }

    fn no_answer(&self, call: &Call<'_>, error: &(dyn std::error::Error + 'static)) -> ApiError {
        let (server, method, path) = (&self.shared.server, &call.method, without_query(&call.path));
        ApiError::no_answer(format!(
            "no answer from {server} to {method} {path}: {}; check that the API server is up and can be reached",
            with_causes(error)
        ))
    }

    fn too_late(&self, call: &Call<'_>, deadline: Duration) -> ApiError {
        let (server, method, path) = (&self.shared.server, &call.method, without_query(&call.path));
        ApiError::no_answer(format!("no answer from {server} to {method} {path} within {} s", deadline.as_secs_f32()))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({})", self.shared.server)
    }
}

fn request_of(call: &Call<'_>) -> Result<Request<RequestBody>, ApiError> {
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(&call.path)
        .header(header::ACCEPT, call.accept)
        .header(header::USER_AGENT, USER_AGENT);
    if let ActingAs::ServiceAccount { namespace, name } = call.acting_as {
        request = request.header(IMPERSONATE_USER, format!("system:serviceaccount:{namespace}:{name}"));
    }
    let mut body = Bytes::new();
    if let Some((media_type, content)) = &call.content {
        request = request.header(header::CONTENT_TYPE, *media_type);
        body = content.clone();
    }
    request.body(RequestBody::new(body)).map_err(|error| ApiError {
        code: 422,
        reason: "Invalid".to_owned(),
        ..ApiError::no_answer(format!("{} is no request: {error}", call.path))
    })
}

fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

#[cfg(test)]
mod tests;
