//! A proxy between a daemon and the API server: it records what is asked for, holds it back, and answers wrongly on demand.

mod request;
mod treatment;
mod watches;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::{DEADLINE, Environment};
pub use request::{ApiRequest, listed};
pub use treatment::{Kill, Moment, Refusal, Treatment, WatchEnd};
use watches::OpenWatches;

/// A running proxy; it ends when dropped.
///
/// It passes everything on until it is given a plan ([`ApiProxy::follow`]) or closed ([`ApiProxy::close`]).
pub struct ApiProxy {
    kubeconfig: PathBuf,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

struct Shared {
    client: Client,
    answered: watch::Sender<Vec<ApiRequest>>,
    is_open: watch::Sender<bool>,
    /// What came while the proxy was closed: method and path.
    held: watch::Sender<Vec<String>>,
    plan: Mutex<Plan>,
    watches: OpenWatches,
}

type Plan = Box<dyn FnMut(&ApiRequest) -> Treatment + Send>;
type AnyError = Box<dyn std::error::Error + Send + Sync>;
type AnyBody = UnsyncBoxBody<Bytes, AnyError>;

impl ApiProxy {
    /// Starts a proxy to the cluster of an environment, with an administrator's rights.
    pub async fn start(env: &Environment) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let kubeconfig = env.directory().join("proxy.kubeconfig");
        let config = format!(
            "{{apiVersion: v1, kind: Config, current-context: it, contexts: [{{name: it, context: {{cluster: it, user: it}}}}], \
             clusters: [{{name: it, cluster: {{server: 'http://{address}'}}}}], users: [{{name: it, user: {{}}}}]}}"
        );
        std::fs::write(&kubeconfig, config).expect("a temporary file can be written");
        let shared = Arc::new(Shared {
            client: env.cluster().client().clone(),
            answered: watch::Sender::new(Vec::new()),
            is_open: watch::Sender::new(true),
            held: watch::Sender::new(Vec::new()),
            plan: Mutex::new(Box::new(|_| Treatment::Pass)),
            watches: OpenWatches::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { kubeconfig, shared, serving: serving.abort_handle() }
    }

    /// Gives the kubeconfig that leads through the proxy.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Has a plan decide what becomes of each request from here on. It is asked about one request after the other, in the order in
    /// which they come, and not about those that are held.
    pub fn follow(&self, plan: impl FnMut(&ApiRequest) -> Treatment + Send + 'static) {
        *self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(plan);
    }

    /// Holds back what comes; what has come before goes on being answered.
    pub fn close(&self) {
        self.shared.held.send_replace(Vec::new());
        self.shared.is_open.send_replace(false);
    }

    /// Lets through what is held and what comes.
    pub fn open(&self) {
        self.shared.is_open.send_replace(true);
    }

    /// Waits until a request is held whose method and path begin like this.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_held(&self, start: &str) {
        let mut held = self.shared.held.subscribe();
        let found = held.wait_for(|all| all.iter().any(|request| request.starts_with(start)));
        let found = tokio::time::timeout(DEADLINE, found).await.is_ok();
        assert!(found, "{start} was not asked for: {:#?}", self.shared.held.borrow());
    }

    /// Begins a new record.
    pub fn forget(&self) {
        self.shared.answered.send_modify(Vec::clear);
    }

    /// Gives all that the API server has answered since the start or the last new record, apart from Leases.
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.shared.answered.borrow().iter().filter(|request| !request.is_lease()).cloned().collect()
    }

    /// Gives what was asked for single objects.
    pub fn requests_of_objects(&self) -> Vec<ApiRequest> {
        self.requests().into_iter().filter(|request| !request.is_shared_read()).collect()
    }

    /// Gives what changed something.
    pub fn writes(&self) -> Vec<ApiRequest> {
        self.requests().into_iter().filter(ApiRequest::is_write).collect()
    }

    /// Waits until as many requests as wanted have been answered that are as wanted.
    ///
    /// # Panics
    /// After [`DEADLINE`], with what was answered.
    pub async fn wait_for(&self, what: &str, count: usize, wanted: impl Fn(&ApiRequest) -> bool) {
        let mut changes = self.shared.answered.subscribe();
        let enough = changes.wait_for(|all| all.iter().filter(|request| wanted(request)).count() >= count);
        let reached = tokio::time::timeout(DEADLINE, enough).await.is_ok();
        assert!(reached, "waited for {count} requests: {what}\n{}", listed(&self.requests()));
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let Ok((connection, socket)) = with_handle(connection) else { continue };
        let (shared, socket) = (Arc::clone(&shared), Arc::new(socket));
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&shared), Arc::clone(&socket), request));
            // An error here is a connection that either side has broken off.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

/// Gives a second handle of a connection, by which it can be made to end with a reset.
fn with_handle(connection: TcpStream) -> std::io::Result<(TcpStream, TcpStream)> {
    let connection = connection.into_std()?;
    let handle = connection.try_clone()?;
    Ok((TcpStream::from_std(connection)?, TcpStream::from_std(handle)?))
}

async fn answer(
    shared: Arc<Shared>,
    socket: Arc<TcpStream>,
    request: Request<Incoming>,
) -> Result<Response<AnyBody>, AnyError> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let request = ApiRequest {
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        status: 0,
    };
    shared.admit(&request).await;
    let treatment = shared.treatment(&request);
    match treatment {
        Treatment::Pass | Treatment::LoseAnswer | Treatment::Kill(Kill { when: Moment::After, .. }) => {}
        Treatment::EndWatch { which, how } => shared.watches.end(which, how),
        Treatment::Refuse(refusal) => return Ok(refusal.response()),
        Treatment::Reset => return Err(reset(&socket)),
        Treatment::Hang | Treatment::Kill(Kill { when: Moment::Before, .. }) => return std::future::pending().await,
    }
    let is_watch = request.is_watch();
    // What has been sent is carried out, also when nobody is left to be answered.
    let forwarded = tokio::spawn(forward(Arc::clone(&shared), request, head, body));
    let response = forwarded.await??;
    match treatment {
        Treatment::LoseAnswer => Err(reset(&socket)),
        Treatment::Kill(kill) => {
            kill.send();
            std::future::pending().await
        }
        _ if is_watch && response.status().is_success() => Ok(response.map(|body| shared.watches.add(body, socket))),
        _ => Ok(response.map(|body| body.map_err(AnyError::from).boxed_unsync())),
    }
}

impl Shared {
    /// Waits until the proxy is open.
    async fn admit(&self, request: &ApiRequest) {
        let mut is_open = self.is_open.subscribe();
        if !*is_open.borrow() {
            self.held.send_modify(|held| held.push(format!("{} {}", request.method, request.path)));
        }
        // The sender lives as long as `self`.
        let _ = is_open.wait_for(|open| *open).await;
    }

    fn treatment(&self, request: &ApiRequest) -> Treatment {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let treatment = plan(request);
        if let Treatment::Kill(kill @ Kill { when: Moment::Before, .. }) = treatment {
            // While the plan is locked nothing else is let through.
            kill.send();
        }
        treatment
    }
}

async fn forward(
    shared: Arc<Shared>,
    mut record: ApiRequest,
    mut head: http::request::Parts,
    body: Bytes,
) -> Result<Response<Body>, AnyError> {
    remove(&mut head.headers, [HOST, AUTHORIZATION, CONNECTION, TRANSFER_ENCODING]);
    let (mut head, body) = shared.client.send(Request::from_parts(head, Body::from(body))).await?.into_parts();
    remove(&mut head.headers, [CONNECTION, TRANSFER_ENCODING]);
    record.status = head.status.as_u16();
    shared.answered.send_modify(|all| all.push(record));
    Ok(Response::from_parts(head, body))
}

fn remove<const N: usize>(headers: &mut HeaderMap, names: [HeaderName; N]) {
    for name in names {
        headers.remove(name);
    }
}

/// Makes a connection end with a reset; the error makes it end.
fn reset(socket: &TcpStream) -> AnyError {
    // Without it the connection still ends, but as if nothing were wrong.
    let _ = socket.set_zero_linger();
    "the connection is reset".into()
}
