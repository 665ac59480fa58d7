//! A read-only smart HTTP server on loopback: hyper in front of `git http-backend`, and of plain files.

mod cgi;
mod traffic;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

pub use self::traffic::Traffic;

/// What a server does instead of answering as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Closes the connection without an answer.
    Down,
    /// Answers with this status and an empty body.
    Status(u16),
    /// Waits before it answers.
    Delay(Duration),
    /// Sends this many bytes of the body, then nothing more, and keeps the connection open.
    StallAfter(usize),
    /// Sends this many bytes of the body and ends it as if it were whole.
    TruncateAfter(usize),
    /// Sends this many bytes of the body and closes the connection.
    CutAfter(usize),
    /// Flips a bit inside the first object of every pack.
    CorruptPack,
}

/// A server of all repositories in one directory, over smart HTTP and read-only, on a loopback port of its own.
///
/// It runs on a thread of its own, so blocking tests can use it, and ends when dropped. A repository is named by its path below the
/// directory, without `.git`. A file that is no part of a repository is served as it is, and has faults, a login and traffic under its own path.
#[derive(Debug)]
pub struct GitHttpServer {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    root: PathBuf,
    rules: Mutex<Rules>,
    traffic: watch::Sender<HashMap<String, Traffic>>,
}

#[derive(Debug, Default)]
struct Rules {
    everywhere: Option<Fault>,
    faults: HashMap<String, Fault>,
    authorizations: HashMap<String, String>,
}

impl GitHttpServer {
    /// Starts a server of the repositories below `root`, present and future.
    pub fn start(root: impl Into<PathBuf>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state =
            Arc::new(State { root: root.into(), rules: Mutex::default(), traffic: watch::Sender::new(HashMap::new()) });
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("git-http".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be made where a test runs");
                runtime.block_on(async move {
                    tokio::select! {
                        () = serve(listener, shared) => {}
                        _ = stopped => {}
                    }
                });
            })
            .expect("a thread can be made where a test runs");
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// Gives the URL of a repository.
    pub fn url(&self, repo: &str) -> String {
        format!("http://{}/{repo}", self.address)
    }

    /// Makes requests to one repository fail.
    pub fn set_fault(&self, repo: &str, fault: Fault) {
        self.state.rules().faults.insert(repo.to_owned(), fault);
    }

    /// Makes requests to every repository fail that has no fault of its own.
    pub fn set_fault_everywhere(&self, fault: Fault) {
        self.state.rules().everywhere = Some(fault);
    }

    /// Answers as it should from the next request on.
    pub fn clear_faults(&self) {
        let mut rules = self.state.rules();
        rules.everywhere = None;
        rules.faults.clear();
    }

    /// Demands this user name and password (HTTP basic authentication) for one repository.
    pub fn protect(&self, repo: &str, username: &str, password: &str) {
        let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")));
        self.state.rules().authorizations.insert(repo.to_owned(), expected);
    }

    /// Gives what went to and from one repository since the start or the last reset.
    pub fn traffic(&self, repo: &str) -> Traffic {
        self.state.traffic.borrow().get(repo).copied().unwrap_or_default()
    }

    /// Gives the traffic of all repositories together.
    pub fn total_traffic(&self) -> Traffic {
        self.state.traffic.borrow().values().copied().sum()
    }

    /// Counts from zero again.
    pub fn reset_traffic(&self) {
        self.state.traffic.send_modify(HashMap::clear);
    }

    /// Waits until the traffic of a repository is as wanted and gives it.
    ///
    /// # Panics
    /// After 30 s, with the traffic there was.
    pub async fn traffic_until(&self, repo: &str, mut wanted: impl FnMut(Traffic) -> bool) -> Traffic {
        let mut changes = self.state.traffic.subscribe();
        let all = changes.wait_for(|all| wanted(all.get(repo).copied().unwrap_or_default()));
        let reached = tokio::time::timeout(Duration::from_secs(30), all).await.is_ok();
        let seen = self.traffic(repo);
        assert!(reached, "the traffic of {repo} is not as wanted after 30 s: {seen:?}");
        seen
    }
}

impl Drop for GitHttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread has been printed; to panic in drop would hide the test's own failure.
            let _ = thread.join();
        }
    }
}

impl State {
    fn rules(&self) -> std::sync::MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, repo: &str, add: Traffic) {
        self.traffic.send_modify(|all| *all.entry(repo.to_owned()).or_default() += add);
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("the socket is non-blocking");
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            // An error here is a client that went away or a fault that was asked for.
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

/// Says that the connection is to be closed without an answer.
#[derive(Debug)]
struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is closed on purpose")
    }
}

impl std::error::Error for Hangup {}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Hangup> {
    let (head, body) = request.into_parts();
    let (repo, file) = split_path(head.uri.path());
    let (fault, authorization) = {
        let rules = state.rules();
        (rules.faults.get(&repo).copied().or(rules.everywhere), rules.authorizations.get(&repo).cloned())
    };
    let sent = body.collect().await.map_err(|_| Hangup)?.to_bytes();
    state.count(&repo, Traffic::of_request(&sent));
    match fault {
        Some(Fault::Down) => return Err(Hangup),
        Some(Fault::Status(code)) => {
            return Ok(empty(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)));
        }
        Some(Fault::Delay(duration)) => tokio::time::sleep(duration).await,
        _ => {}
    }
    if let Some(expected) = authorization
        && head.headers.get(AUTHORIZATION).is_none_or(|given| given.as_bytes() != expected.as_bytes())
    {
        let mut refused = empty(StatusCode::UNAUTHORIZED);
        refused.headers_mut().insert(WWW_AUTHENTICATE, hyper::header::HeaderValue::from_static("Basic realm=\"git\""));
        return Ok(refused);
    }
    let answered = match plain_file(&state.root, &repo, &file) {
        Some(content) => Response::new(content),
        None => cgi::run(&state.root, &repo, &file, &head, &sent).await,
    };
    let (head, mut content) = answered.into_parts();
    if fault == Some(Fault::CorruptPack) {
        content = corrupt(&content);
    }
    let (content, end) = cut(content, fault);
    state.count(&repo, Traffic::of_response(&content));
    Ok(Response::from_parts(head, body_of(content, end)))
}

/// Splits `/team/shop.git/info/refs` into the repository's name, `team/shop`, and the rest.
fn split_path(path: &str) -> (String, String) {
    let path = path.trim_start_matches('/');
    let at = ["/info/refs", "/git-upload-pack", "/git-receive-pack", "/HEAD", "/objects/"]
        .iter()
        .find_map(|file| path.find(file))
        .unwrap_or(path.len());
    let (repo, file) = path.split_at(at);
    (repo.trim_end_matches(".git").to_owned(), file.to_owned())
}

/// Reads what is asked for if it is a file and nothing that Git asks for.
fn plain_file(root: &Path, path: &str, of_git: &str) -> Option<Bytes> {
    // A directory cannot be read, and neither can what is not there.
    if of_git.is_empty() { std::fs::read(root.join(path)).ok().map(Bytes::from) } else { None }
}

/// How the body ends after its last byte.
#[derive(Clone, Copy)]
enum End {
    Clean,
    Stall,
    Close,
}

fn cut(content: Bytes, fault: Option<Fault>) -> (Bytes, End) {
    let (keep, end) = match fault {
        Some(Fault::StallAfter(keep)) => (keep, End::Stall),
        Some(Fault::TruncateAfter(keep)) => (keep, End::Clean),
        Some(Fault::CutAfter(keep)) => (keep, End::Close),
        _ => (usize::MAX, End::Clean),
    };
    if content.len() <= keep { (content, End::Clean) } else { (content.slice(..keep), end) }
}

fn body_of(content: Bytes, end: End) -> Body {
    let frames = stream::unfold(Some(content), move |content| async move {
        match (content, end) {
            (Some(content), _) => Some((Ok(Frame::data(content)), None)),
            (None, End::Clean) => None,
            (None, End::Stall) => std::future::pending().await,
            (None, End::Close) => {
                // What came before is sent only when there is a pause.
                tokio::task::yield_now().await;
                Some((Err(std::io::ErrorKind::ConnectionReset.into()), None))
            }
        }
    });
    BoxBody::new(StreamBody::new(frames))
}

/// Flips a bit in the first object of a pack, which begins after the 12 bytes of the pack's header.
fn corrupt(content: &Bytes) -> Bytes {
    let mut content = content.to_vec();
    if let Some(at) = traffic::pack_start(&content)
        && let Some(byte) = content.get_mut(at + 20)
    {
        *byte ^= 1;
    }
    content.into()
}

fn empty(status: StatusCode) -> Response<Body> {
    let nothing = http_body_util::Empty::new().map_err(|never: Infallible| match never {}).boxed();
    let mut response = Response::new(nothing);
    *response.status_mut() = status;
    response
}

/// Finds what serves a repository: a bare one's directory may end in `.git`.
fn on_disk(root: &Path, repo: &str) -> String {
    let bare = format!("{repo}.git");
    if root.join(&bare).is_dir() { bare } else { repo.to_owned() }
}

#[cfg(test)]
mod tests;
