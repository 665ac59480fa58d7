use std::{
    any::Any,
    io::{self, BufRead, Read, Write},
    sync::{Arc, Mutex, PoisonError},
};

use gix::protocol::transport::client::{
    AuthenticationRequired,
    blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse},
};
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE},
};
use tokio::runtime::Handle;

use crate::AddressPolicy;
use crate::watchdog::{HttpFailure, Silence, Watchdog};

const REDIRECTS: usize = 5;

/// HTTP for the Git library: one client for all repositories, every wait bounded by a [`Watchdog`].
///
/// The library's own back end starts a thread, a runtime and a client for each connection and has no overall deadline.
pub(crate) struct GitHttp {
    client: Client,
    runtime: Handle,
    watchdog: Arc<Watchdog>,
    addresses: AddressPolicy,
    redirected: Arc<Mutex<Option<String>>>,
}

impl GitHttp {
    /// Makes the back end of one connection, to be used on threads where blocking is allowed.
    pub(crate) fn new(client: Client, runtime: Handle, watchdog: Arc<Watchdog>, addresses: AddressPolicy) -> Self {
        Self { client, runtime, watchdog, addresses, redirected: Arc::default() }
    }

    fn exchange(
        &self,
        method: Method,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Arc<Exchange> {
        Arc::new(Exchange {
            client: self.client.clone(),
            runtime: self.runtime.clone(),
            watchdog: Arc::clone(&self.watchdog),
            addresses: self.addresses.clone(),
            redirected: Arc::clone(&self.redirected),
            method,
            tail: url.strip_prefix(base_url).unwrap_or_default().to_owned(),
            url: url.to_owned(),
            headers: headers.into_iter().filter_map(|line| header(line.as_ref())).collect(),
            state: Mutex::new(State::Collecting(Vec::new())),
        })
    }
}

impl Http for GitHttp {
    type Headers = Headers;
    type ResponseBody = Body;
    type PostBody = PostBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let exchange = self.exchange(Method::GET, url, base_url, headers);
        Ok(GetResponse { headers: Headers::new(&exchange), body: Body::new(exchange) })
    }

    fn post(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let exchange = self.exchange(Method::POST, url, base_url, headers);
        let post_body = PostBody(Arc::clone(&exchange));
        Ok(PostResponse { post_body, headers: Headers::new(&exchange), body: Body::new(exchange) })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim()).ok()?))
}

/// One request and its answer. It is sent when the answer is first looked at, once the body is complete.
struct Exchange {
    client: Client,
    runtime: Handle,
    watchdog: Arc<Watchdog>,
    addresses: AddressPolicy,
    redirected: Arc<Mutex<Option<String>>>,
    method: Method,
    url: String,
    /// What follows the base URL; a redirect must keep it.
    tail: String,
    headers: HeaderMap,
    state: Mutex<State>,
}

enum State {
    Collecting(Vec<u8>),
    Answered(Response),
    Failed,
}

impl Exchange {
    /// Sends the request unless that has happened, and uses the answer.
    fn answer<T>(&self, with: impl FnOnce(&mut Response) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Collecting(body) = &mut *state {
            let body = std::mem::take(body);
            *state = State::Failed;
            *state = State::Answered(self.send(body)?);
        }
        match &mut *state {
            State::Answered(response) => with(response),
            _ => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the request failed")),
        }
    }

    fn send(&self, body: Vec<u8>) -> io::Result<Response> {
        let mut authenticate = Vec::new();
        let sending = async {
            let response = self.follow(body).await?;
            if response.status() == StatusCode::UNAUTHORIZED {
                let values = response.headers().get_all(WWW_AUTHENTICATE).iter();
                authenticate = values.map(|value| value.as_bytes().into()).collect();
            }
            if response.status().is_success() {
                Ok(response)
            } else {
                Err(HttpFailure::Status(response.status().as_u16()))
            }
        };
        self.runtime.block_on(self.watchdog.guard(sending, Silence::Allowed)).map_err(|failure| match failure {
            // The library asks for credentials when it sees this one.
            HttpFailure::Status(401) => io::Error::new(
                io::ErrorKind::PermissionDenied,
                AuthenticationRequired { www_authenticate: authenticate },
            ),
            failure => io_error(failure),
        })
    }

    async fn follow(&self, body: Vec<u8>) -> Result<Response, HttpFailure> {
        let mut url = Url::parse(&self.url).map_err(|error| HttpFailure::Connection(error.to_string()))?;
        for _ in 0..REDIRECTS {
            self.addresses.check_url(&url).map_err(|refused| HttpFailure::Connection(refused.to_string()))?;
            self.watchdog.count_request(body.len());
            let request = self.client.request(self.method.clone(), url.clone()).headers(self.headers.clone());
            let request = if self.method == Method::POST { request.body(body.clone()) } else { request };
            let response = request.send().await.map_err(|error| connection_failure(&error))?;
            // As Git does by default: only the first request, which is a GET, may be redirected.
            if !response.status().is_redirection() || self.method != Method::GET {
                return Ok(response);
            }
            let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let target = target.and_then(|target| url.join(target).ok());
            url = target.ok_or_else(|| HttpFailure::Redirect("without a usable Location".to_owned()))?;
            self.accept_redirect(&url)?;
        }
        Err(HttpFailure::Redirect(format!("more than {REDIRECTS} times")))
    }

    /// Checks that a redirect leads to the same part of another repository URL, and not away from TLS.
    fn accept_redirect(&self, target: &Url) -> Result<(), HttpFailure> {
        let shown = || {
            let mut shown = target.clone();
            // Neither fails for the schemes that are let through; for others nothing is shown but the scheme.
            if shown.set_username("").is_err() || shown.set_password(None).is_err() {
                return format!("{}:", target.scheme());
            }
            shown.to_string()
        };
        let downgraded = target.scheme() == "http" && self.url.starts_with("https:");
        if !matches!(target.scheme(), "http" | "https") || downgraded {
            return Err(HttpFailure::Redirect(format!("to {}, which is less safe", shown())));
        }
        let base = target.as_str().strip_suffix(self.tail.as_str());
        let base = base.ok_or_else(|| HttpFailure::Redirect(format!("to {}, which is no repository", shown())))?;
        *self.redirected.lock().unwrap_or_else(PoisonError::into_inner) = Some(base.to_owned());
        Ok(())
    }

    /// Waits for the next part of the body; empty at its end.
    fn next_chunk(&self) -> io::Result<Vec<u8>> {
        self.answer(|response| {
            loop {
                let reading = async { response.chunk().await.map_err(|error| connection_failure(&error)) };
                let chunk = self.runtime.block_on(self.watchdog.guard(reading, Silence::Limited)).map_err(io_error)?;
                let Some(chunk) = chunk else { return Ok(Vec::new()) };
                self.watchdog.count_received(chunk.len());
                if !chunk.is_empty() {
                    return Ok(chunk.into());
                }
            }
        })
    }
}

fn connection_failure(error: &reqwest::Error) -> HttpFailure {
    // The outer text repeats the URL, with whatever it holds; the causes say what happened.
    let mut text = if error.is_connect() { "no connection".to_owned() } else { "the connection broke".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    HttpFailure::Connection(text)
}

fn io_error(failure: HttpFailure) -> io::Error {
    match failure {
        HttpFailure::Status(status) => io::Error::other(format!("HTTP status {status}")),
        HttpFailure::Redirect(why) => io::Error::other(format!("redirected {why}")),
        HttpFailure::Connection(why) => io::Error::new(io::ErrorKind::ConnectionAborted, why),
        HttpFailure::Stopped => io::Error::new(io::ErrorKind::TimedOut, "no more time"),
    }
}

/// The headers of an answer, a line each.
pub(crate) struct Headers {
    exchange: Option<Arc<Exchange>>,
    lines: io::Cursor<Vec<u8>>,
}

impl Headers {
    fn new(exchange: &Arc<Exchange>) -> Self {
        Self { exchange: Some(Arc::clone(exchange)), lines: io::Cursor::default() }
    }

    fn load(&mut self) -> io::Result<()> {
        let Some(exchange) = self.exchange.take() else { return Ok(()) };
        let lines = exchange.answer(|response| {
            let lines = response.headers().iter();
            Ok(lines
                .flat_map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat())
                .collect())
        })?;
        self.lines = io::Cursor::new(lines);
        Ok(())
    }
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.load()?;
        self.lines.read(buffer)
    }
}

impl BufRead for Headers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.load()?;
        self.lines.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.lines.consume(amount);
    }
}

/// The body of an answer.
pub(crate) struct Body {
    exchange: Arc<Exchange>,
    chunk: io::Cursor<Vec<u8>>,
    finished: bool,
}

impl Body {
    fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange, chunk: io::Cursor::default(), finished: false }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let amount = available.len().min(buffer.len());
        buffer[..amount].copy_from_slice(&available[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let used_up = self.chunk.position() >= self.chunk.get_ref().len() as u64;
        if used_up && !self.finished {
            let chunk = self.exchange.next_chunk()?;
            self.finished = chunk.is_empty();
            self.chunk = io::Cursor::new(chunk);
        }
        self.chunk.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.chunk.consume(amount);
    }
}

/// The body of a request, kept until the answer is asked for.
pub(crate) struct PostBody(Arc<Exchange>);

impl Write for PostBody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Collecting(body) => body.extend_from_slice(bytes),
            _ => return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the request was sent already")),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
