//! The pulling half of the OCI distribution protocol.

use std::collections::BTreeMap;

use application_api::RepoUrl;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LINK, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::ArtifactError;
use crate::http::{Answer, Ask, Http, split_credentials};
use crate::unpack::Layout;

/// Kinds of manifests that are understood.
const MANIFESTS: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/// Kinds of layers that hold files (Argo CD semantics, 7.5).
const CONTENT: [&str; 3] =
    ["application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip", CHART_CONTENT];
const CHART_CONTENT: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// Layers that an artifact may have.
const LAYERS: usize = 10;
/// Pages of a list of tags.
const PAGES: usize = 100;

/// A repository of a registry.
pub(crate) struct Registry<'a> {
    http: &'a Http,
    shown: RepoUrl,
    /// URL of the server, with `/v2/` and the path of the repository.
    base: Url,
    /// Who asks, if the URL says so.
    credentials: Option<HeaderValue>,
    /// What the registry wants to see with each request, once it has said so.
    authorization: Option<HeaderValue>,
    limit: u64,
}

/// What an artifact is made of.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    media_type: String,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// A part of an artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Descriptor {
    media_type: String,
    pub(crate) digest: String,
    size: u64,
}

/// The one layer that holds the files, and how they lie in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) layer: Descriptor,
    pub(crate) layout: Layout,
}

impl<'a> Registry<'a> {
    /// Opens a repository: `oci://host/path`, or `host/path`, with a chart's name after it.
    pub(crate) fn open(http: &'a Http, url: &RepoUrl, chart: &str, limit: u64) -> Result<Self, ArtifactError> {
        let unusable = |detail: &str| ArtifactError::Url { url: url.clone(), detail: detail.to_owned() };
        let written = url.as_str();
        let address = written.strip_prefix("oci://").unwrap_or(written).trim_end_matches('/');
        let address = if chart.is_empty() { address.to_owned() } else { format!("{address}/{chart}") };
        let no_url = |_| unusable("expected oci://HOST/PATH");
        let secure = Url::parse(&format!("https://{address}")).map_err(no_url)?;
        let (secure, credentials) = split_credentials(secure);
        let path = secure.path().trim_matches('/').to_owned();
        if path.is_empty() {
            return Err(unusable("expected oci://HOST/PATH"));
        }
        // As other clients do: a registry of this machine needs no certificate.
        let is_local = match secure.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let scheme = if is_local { "http" } else { "https" };
        let authority = &secure[url::Position::BeforeHost..url::Position::AfterPort];
        // The registry of Docker has another name than the one it is called by.
        let authority = if authority == "docker.io" { "registry-1.docker.io" } else { authority };
        let base = Url::parse(&format!("{scheme}://{authority}/v2/{path}/")).map_err(no_url)?;
        let shown = if chart.is_empty() { url.clone() } else { RepoUrl::new(&format!("{url}/{chart}")) };
        Ok(Self { http, shown, base, credentials, authorization: None, limit })
    }

    /// Lists all tags.
    pub(crate) async fn tags(&mut self) -> Result<Vec<String>, ArtifactError> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let mut all = Vec::new();
        let mut next = Some(self.at("tags/list")?);
        for _ in 0..PAGES {
            let Some(url) = next.take() else { break };
            let answer = self.send(Method::GET, url, HeaderMap::new(), "the list of tags", self.limit).await?;
            let page: Page = serde_json::from_slice(&answer.body)
                .map_err(|error| self.malformed("the list of tags", &error.to_string()))?;
            all.extend(page.tags.unwrap_or_default());
            next = next_page(&answer);
        }
        Ok(all)
    }

    /// Finds the digest that a tag has.
    pub(crate) async fn digest(&mut self, tag: &str) -> Result<String, ArtifactError> {
        let answer = self.manifest_answer(tag).await?;
        Ok(sha256(&answer.body))
    }

    /// Finds the layer that holds the files of a tag or digest.
    pub(crate) async fn content(&mut self, reference: &str) -> Result<Content, ArtifactError> {
        let answer = self.manifest_answer(reference).await?;
        if reference.starts_with("sha256:") {
            self.verify("the manifest", reference, &answer.body)?;
        }
        let manifest: Manifest =
            serde_json::from_slice(&answer.body).map_err(|error| self.malformed("the manifest", &error.to_string()))?;
        content_of(manifest).map_err(|detail| ArtifactError::Unsuitable { url: self.shown.clone(), detail })
    }

    /// Downloads a layer.
    pub(crate) async fn blob(&mut self, layer: &Descriptor, limit: u64) -> Result<Vec<u8>, ArtifactError> {
        if layer.size > limit {
            return Err(ArtifactError::TooLarge { url: self.shown.clone(), what: "the layer", limit });
        }
        if !is_digest(&layer.digest) {
            return Err(self.malformed("the manifest", "a layer has a digest of an unknown kind"));
        }
        let url = self.at(&format!("blobs/{}", layer.digest))?;
        let answer = self.send(Method::GET, url, HeaderMap::new(), "the layer", limit).await?;
        self.verify("the layer", &layer.digest, &answer.body)?;
        Ok(answer.body)
    }

    async fn manifest_answer(&mut self, reference: &str) -> Result<Answer, ArtifactError> {
        let url = self.at(&format!("manifests/{reference}"))?;
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MANIFESTS))]);
        self.send(Method::GET, url, headers, "the manifest", self.limit.min(4 << 20)).await
    }

    /// Sends a request, with what the registry wants to see once it has said so.
    async fn send(
        &mut self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        what: &'static str,
        limit: u64,
    ) -> Result<Answer, ArtifactError> {
        let mut answer = self.ask(method.clone(), &url, headers.clone(), what, limit).await?;
        if answer.status == StatusCode::UNAUTHORIZED && self.authorize(&answer).await? {
            answer = self.ask(method, &url, headers, what, limit).await?;
        }
        answer.success(&self.shown)
    }

    async fn ask(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        what: &'static str,
        limit: u64,
    ) -> Result<Answer, ArtifactError> {
        let authorization = self.authorization.clone();
        let ask = Ask { shown: &self.shown, method, url: url.clone(), headers, authorization, what, limit };
        self.http.send(ask).await
    }

    /// Gets what a registry asks for in a refusal; answers whether there is anything to try again with.
    async fn authorize(&mut self, answer: &Answer) -> Result<bool, ArtifactError> {
        let challenges = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        for challenge in challenges {
            let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
            if scheme.eq_ignore_ascii_case("basic") && self.credentials.is_some() && self.authorization.is_none() {
                self.authorization.clone_from(&self.credentials);
                return Ok(true);
            }
            if scheme.eq_ignore_ascii_case("bearer") {
                self.authorization = Some(self.token(&parameters_of(parameters)).await?);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gets a token from the server that a registry names.
    async fn token(&self, parameters: &BTreeMap<String, String>) -> Result<HeaderValue, ArtifactError> {
        #[derive(Deserialize)]
        struct Token {
            #[serde(default)]
            token: String,
            #[serde(default)]
            access_token: String,
        }
        let realm = parameters.get("realm").and_then(|realm| Url::parse(realm).ok());
        let mut realm = realm.ok_or_else(|| self.malformed("the refusal", "it names no realm to get a token from"))?;
        if self.base.scheme() == "https" && realm.scheme() != "https" {
            return Err(self.malformed("the refusal", "its realm is less safe than the registry"));
        }
        for name in ["service", "scope"] {
            if let Some(value) = parameters.get(name) {
                realm.query_pairs_mut().append_pair(name, value);
            }
        }
        let ask = Ask {
            shown: &self.shown,
            method: Method::GET,
            url: realm,
            headers: HeaderMap::new(),
            authorization: self.credentials.clone(),
            what: "the token",
            limit: 1 << 20,
        };
        let answer = self.http.send(ask).await?.success(&self.shown)?;
        let token: Token =
            serde_json::from_slice(&answer.body).map_err(|error| self.malformed("the token", &error.to_string()))?;
        let token = if token.token.is_empty() { token.access_token } else { token.token };
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| self.malformed("the token", "it has characters that no header may have"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn at(&self, path: &str) -> Result<Url, ArtifactError> {
        let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte));
        let joined = is_plain.then(|| Url::parse(&format!("{}{path}", self.base)).ok()).flatten();
        joined.ok_or_else(|| ArtifactError::Url {
            url: self.shown.clone(),
            detail: format!("{path} has characters that tags and digests do not have"),
        })
    }

    fn verify(&self, what: &'static str, expected: &str, bytes: &[u8]) -> Result<(), ArtifactError> {
        let found = sha256(bytes);
        if found == expected {
            return Ok(());
        }
        Err(ArtifactError::Digest { url: self.shown.clone(), what, expected: expected.to_owned(), found })
    }

    fn malformed(&self, what: &'static str, detail: &str) -> ArtifactError {
        ArtifactError::Malformed { url: self.shown.clone(), what, detail: detail.to_owned() }
    }
}

/// Tells whether a text is a digest of the one kind that is verified.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Digests bytes as registries do.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// Finds the one layer that holds files; of a chart only that of the chart counts.
fn content_of(manifest: Manifest) -> Result<Content, String> {
    let Manifest { media_type, config, layers } = manifest;
    if media_type.ends_with("image.index.v1+json") || media_type.ends_with("manifest.list.v2+json") {
        return Err("it is an index of several images; name the digest of one".to_owned());
    }
    if layers.len() > LAYERS {
        return Err(format!("it has {} layers, and at most {LAYERS} are allowed", layers.len()));
    }
    let is_chart = config.is_some_and(|config| config.media_type == CHART_CONFIG);
    let holds_files = |layer: &Descriptor| {
        let is_archive = || ["tar", "tar+gzip", "tar.gzip"].iter().any(|ending| layer.media_type.ends_with(ending));
        if is_chart { layer.media_type == CHART_CONTENT } else { is_archive() }
    };
    let mut content = layers.into_iter().filter(holds_files);
    match (content.next(), content.count()) {
        (Some(layer), 0) if CONTENT.contains(&layer.media_type.as_str()) => {
            let layout = if is_chart { Layout::Chart } else { Layout::Whole };
            Ok(Content { layer, layout })
        }
        (Some(layer), 0) => Err(format!("its layer is of kind {}, which is not allowed", layer.media_type)),
        (found, more) => Err(format!("expected one layer with files, found {}", more + usize::from(found.is_some()))),
    }
}

/// Reads `a="b",c="d"`.
fn parameters_of(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(name.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_owned());
        rest = after;
    }
    found
}

/// Returns where the next page of a list is, on the same server.
fn next_page(answer: &Answer) -> Option<Url> {
    let link = answer.headers.get(LINK)?.to_str().ok()?;
    let (target, relation) = link.split_once('>')?;
    let next = answer.url.join(target.trim_start_matches([' ', '<'])).ok()?;
    (relation.contains("next") && next.origin() == answer.url.origin()).then_some(next)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(manifest: serde_json::Value) -> Result<(String, Layout), String> {
        content_of(serde_json::from_value(manifest).unwrap()).map(|content| (content.layer.digest, content.layout))
    }

    fn layer(kind: &str, digest: &str) -> serde_json::Value {
        json!({"mediaType": kind, "digest": digest, "size": 1})
    }

    #[test]
    fn one_layer_holds_the_files() {
        let plain = "application/vnd.oci.image.layer.v1.tar+gzip";
        let chart = json!({"mediaType": CHART_CONFIG, "digest": "c", "size": 1});
        let provenance = "application/vnd.cncf.helm.chart.provenance.v1.prov";
        for (manifest, expected) in [
            (json!({"layers": [layer(plain, "a")]}), Ok(("a".to_owned(), Layout::Whole))),
            (
                json!({"config": chart, "layers": [layer(provenance, "p"), layer(CHART_CONTENT, "a"), layer(plain, "b")]}),
                Ok(("a".to_owned(), Layout::Chart)),
            ),
            (json!({"layers": [layer(plain, "a"), layer(plain, "b")]}), Err("expected one layer with files, found 2")),
            (json!({"layers": [layer("text/plain", "a")]}), Err("expected one layer with files, found 0")),
            (
                json!({"layers": [layer("application/x-other.tar", "a")]}),
                Err("its layer is of kind application/x-other.tar, which is not allowed"),
            ),
            (
                json!({"mediaType": "application/vnd.oci.image.index.v1+json"}),
                Err("it is an index of several images; name the digest of one"),
            ),
            (json!({"layers": vec![layer(plain, "a"); 11]}), Err("it has 11 layers, and at most 10 are allowed")),
        ] {
            assert_eq!(content(manifest), expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn challenges_are_read() {
        let found = parameters_of(r#"realm="https://auth.example/token?a=b",service="r",scope="repository:a/b:pull""#);
        let found: Vec<_> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, ["realm=https://auth.example/token?a=b", "scope=repository:a/b:pull", "service=r"]);
        assert!(parameters_of("").is_empty());
    }
}
