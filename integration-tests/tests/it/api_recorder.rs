//! A proxy between one daemon and the API server that records what the daemon asks for, so that tests which run beside each other can
//! still count requests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, TRANSFER_ENCODING};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use integration_tests::{DEADLINE, Environment};
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A running proxy; it ends when dropped.
pub(crate) struct ApiRecorder {
    kubeconfig: PathBuf,
    answered: Arc<watch::Sender<Vec<ApiRequest>>>,
    serving: AbortHandle,
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    /// The body, null if it is empty or not JSON.
    pub(crate) body: Value,
    pub(crate) status: u16,
}

impl ApiRequest {
    /// Tells whether it renews or takes a Lease, which goes on by itself.
    fn is_lease(&self) -> bool {
        self.path.contains("/leases")
    }

    /// Tells whether it opens a watch or a list, which are shared by all applications.
    fn is_shared_read(&self) -> bool {
        self.method == Method::GET && (self.query.contains("watch=") || self.query.contains("limit="))
    }

    /// Tells whether it changes something.
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET && !self.query.contains("dryRun=") && !self.is_lease()
    }

    /// Tells whether it is for an object of this name, or one whose name begins so, or an Event about such an object.
    pub(crate) fn names(&self, name: &str) -> bool {
        let about = self.body["involvedObject"]["name"].as_str().unwrap_or_default();
        about.starts_with(name) || self.path.split('/').any(|part| part.starts_with(name))
    }

    /// Tells whether it names this resource, in plural, also in a subresource.
    pub(crate) fn is_about(&self, resource: &str) -> bool {
        self.path.split('/').any(|part| part == resource)
    }
}

impl std::fmt::Display for ApiRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}?{} {}", self.method, self.path, self.query, self.status)
    }
}

impl ApiRecorder {
    /// Starts a proxy to the cluster of an environment, with an administrator's rights.
    pub(crate) async fn start(env: &Environment) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let kubeconfig = env.directory().join("recorder.kubeconfig");
        let config = format!(
            "{{apiVersion: v1, kind: Config, current-context: it, contexts: [{{name: it, context: {{cluster: it, user: it}}}}], \
             clusters: [{{name: it, cluster: {{server: 'http://{address}'}}}}], users: [{{name: it, user: {{}}}}]}}"
        );
        std::fs::write(&kubeconfig, config).expect("a temporary file can be written");
        let answered = Arc::new(watch::Sender::new(Vec::new()));
        let serving = tokio::spawn(serve(listener, env.cluster().client().clone(), Arc::clone(&answered)));
        Self { kubeconfig, answered, serving: serving.abort_handle() }
    }

    /// Gives the kubeconfig that leads through the proxy.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Begins a new record.
    pub(crate) fn forget(&self) {
        self.answered.send_modify(Vec::clear);
    }

    /// Gives all that was answered since the start or the last new record, apart from Leases.
    pub(crate) fn requests(&self) -> Vec<ApiRequest> {
        self.answered.borrow().iter().filter(|request| !request.is_lease()).cloned().collect()
    }

    /// Gives what was asked for single objects.
    pub(crate) fn requests_of_objects(&self) -> Vec<ApiRequest> {
        self.requests().into_iter().filter(|request| !request.is_shared_read()).collect()
    }

    /// Gives what changed something.
    pub(crate) fn writes(&self) -> Vec<ApiRequest> {
        self.requests().into_iter().filter(ApiRequest::is_write).collect()
    }

    /// Waits until as many requests as wanted have been answered that are as wanted.
    ///
    /// # Panics
    /// After [`DEADLINE`], with what was answered.
    pub(crate) async fn wait_for(&self, what: &str, count: usize, wanted: impl Fn(&ApiRequest) -> bool) {
        let mut changes = self.answered.subscribe();
        let enough = changes.wait_for(|all| all.iter().filter(|request| wanted(request)).count() >= count);
        let reached = tokio::time::timeout(DEADLINE, enough).await.is_ok();
        assert!(reached, "waited for {count} requests: {what}\n{}", listed(&self.requests()));
    }
}

impl Drop for ApiRecorder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Lists requests for a message, one a line.
pub(crate) fn listed(requests: &[ApiRequest]) -> String {
    let lines: Vec<String> = requests.iter().map(|request| format!("  {request}")).collect();
    lines.join("\n")
}

async fn serve(listener: TcpListener, client: Client, answered: Arc<watch::Sender<Vec<ApiRequest>>>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let (client, answered) = (client.clone(), Arc::clone(&answered));
        tokio::spawn(async move {
            let service = service_fn(move |request| forward(client.clone(), Arc::clone(&answered), request));
            // An error here is a daemon that went away.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

async fn forward(
    client: Client,
    answered: Arc<watch::Sender<Vec<ApiRequest>>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, kube::Error> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map_err(kube::Error::HyperError)?.to_bytes();
    let mut record = ApiRequest {
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        status: 0,
    };
    remove(&mut head.headers, [HOST, AUTHORIZATION, CONNECTION, TRANSFER_ENCODING]);
    let (mut head, body) = client.send(Request::from_parts(head, Body::from(body))).await?.into_parts();
    remove(&mut head.headers, [CONNECTION, TRANSFER_ENCODING]);
    record.status = head.status.as_u16();
    answered.send_modify(|all| all.push(record));
    Ok(Response::from_parts(head, body))
}

fn remove<const N: usize>(headers: &mut http::HeaderMap, names: [HeaderName; N]) {
    for name in names {
        headers.remove(name);
    }
}
