use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Config;
use kube::client::ConfigExt;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceExt};

/// The body of a request.
pub type RequestBody = Full<Bytes>;
/// The body of an answer.
pub type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;
/// What carries requests to the API server.
pub(crate) type Transport = BoxCloneSyncService<Request<RequestBody>, Response<ResponseBody>, BoxError>;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// When a silent connection is probed, and how often then: three lost probes end it, about a minute in all.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
/// Below the 90 s after which kube-apiserver closes an idle connection, so that none is reused while it is being closed.
const IDLE: Duration = Duration::from_mins(1);

/// Makes a transport of HTTP/1.1 connections, one for each request under way, from kube's TLS and authentication layers.
pub(crate) fn connect(config: &Config) -> Result<Transport, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    let https = config.rustls_https_connector_with_connector(tcp)?;
    let client: Client<_, RequestBody> =
        Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).build(https);
    let service = config.extra_headers_layer()?.layer(client.map_err(BoxError::from));
    let service = match config.auth_layer()? {
        Some(auth) => of_service(auth.layer(service)),
        None => of_service(service),
    };
    Ok(BoxCloneSyncService::new(config.base_uri_layer().layer(service)))
}

/// Makes a transport of any service.
pub(crate) fn of_service<S, B>(service: S) -> Transport
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body_util::BodyExt<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    BoxCloneSyncService::new(
        service.map_response(|response: Response<B>| response.map(|body| body.map_err(Into::into).boxed_unsync())),
    )
}

/// Writes an error with its causes, each once.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}
