//! Requests: bounded in time and bytes, redirected only to where they may go, with credentials for the one host they are for.

use application_api::RepoUrl;
use git_source::AddressPolicy;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, Url};

use crate::{ArtifactError, ArtifactOptions};

/// Redirects that are followed one after the other.
const REDIRECTS: usize = 10;

/// Sends requests.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    addresses: AddressPolicy,
}

/// What is asked for.
pub(crate) struct Ask<'a> {
    /// What messages name.
    pub(crate) shown: &'a RepoUrl,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// Sent to the URL's own host only.
    pub(crate) authorization: Option<HeaderValue>,
    /// What is got, for messages.
    pub(crate) what: &'static str,
    /// Bytes of the body.
    pub(crate) limit: u64,
}

/// An answer with its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Where the answer came from.
    pub(crate) url: Url,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(shown: &'a RepoUrl, url: Url, what: &'static str, limit: u64) -> Self {
        let headers = HeaderMap::new();
        Self { shown, method: Method::GET, url, headers, authorization: None, what, limit }
    }
}

impl Http {
    pub(crate) fn new(options: &ArtifactOptions) -> Result<Self, String> {
        // The builder panics without one.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err("the process has installed no TLS provider".to_owned());
        }
        let client = Client::builder()
            .connect_timeout(options.idle_timeout)
            .read_timeout(options.idle_timeout)
            .timeout(options.timeout)
            .pool_max_idle_per_host(2)
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(options.addresses.resolver())
            .build()
            .map_err(|error| cause(&error))?;
        Ok(Self { client, addresses: options.addresses.clone() })
    }

    /// Sends a request and follows redirects; the answer may be any status.
    pub(crate) async fn send(&self, ask: Ask<'_>) -> Result<Answer, ArtifactError> {
        let unreachable = |detail: String| ArtifactError::Unreachable { url: ask.shown.clone(), detail };
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS {
            let refused = |refused| ArtifactError::Address { url: ask.shown.clone(), refused };
            self.addresses.check_url(&url).map_err(refused)?;
            let mut request = self.client.request(ask.method.clone(), url.clone()).headers(ask.headers.clone());
            if let Some(authorization) = ask.authorization.as_ref().filter(|_| is_same_server(&url, &ask.url)) {
                request = request.header(AUTHORIZATION, authorization.clone());
            }
            let response = request.send().await.map_err(|error| unreachable(cause(&error)))?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return read(response, url, &ask).await;
            }
            let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let target = target.and_then(|target| url.join(target).ok());
            let target = target.ok_or_else(|| unreachable("a redirect leads nowhere".to_owned()))?;
            let is_downgraded = url.scheme() == "https" && target.scheme() != "https";
            if is_downgraded || !matches!(target.scheme(), "http" | "https") {
                return Err(unreachable(format!("it redirects to {}:, which is less safe", target.scheme())));
            }
            url = target;
        }
        Err(unreachable(format!("it redirects more than {REDIRECTS} times")))
    }
}

impl Answer {
    /// Takes any status but success for an error.
    pub(crate) fn success(self, shown: &RepoUrl) -> Result<Self, ArtifactError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(ArtifactError::Status { url: shown.clone(), status: self.status.as_u16() })
    }
}

async fn read(mut response: Response, url: Url, ask: &Ask<'_>) -> Result<Answer, ArtifactError> {
    let too_large = || ArtifactError::TooLarge { url: ask.shown.clone(), what: ask.what, limit: ask.limit };
    let (status, headers) = (response.status(), response.headers().clone());
    if status.is_success() && response.content_length().is_some_and(|length| length > ask.limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let chunk =
            chunk.map_err(|error| ArtifactError::Unreachable { url: ask.shown.clone(), detail: cause(&error) })?;
        let Some(chunk) = chunk else { break };
        if (body.len() + chunk.len()) as u64 > ask.limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body, url })
}

/// Tells whether two URLs are of one server, so that what is secret from others may be sent to both.
fn is_same_server(one: &Url, other: &Url) -> bool {
    (one.scheme(), one.host_str(), one.port_or_known_default())
        == (other.scheme(), other.host_str(), other.port_or_known_default())
}

/// Returns the innermost cause: the outer text repeats the URL, with whatever it holds.
fn cause(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "it took too long" } else { "the connection broke" }.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

/// Splits what a URL says of a user off, as the header that proves it.
pub(crate) fn split_credentials(mut url: Url) -> (Url, Option<HeaderValue>) {
    use base64::Engine as _;

    let decoded = |text: &str| {
        let decoded = percent_decoded(text);
        String::from_utf8_lossy(&decoded).into_owned()
    };
    if url.username().is_empty() && url.password().is_none() {
        return (url, None);
    }
    let pair = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    // Neither fails for a URL that has a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let header = HeaderValue::from_str(&value).ok().map(|mut header| {
        header.set_sensitive(true);
        header
    });
    (url, header)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        let byte = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}
