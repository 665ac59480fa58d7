//! A real OCI registry as a process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use http::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::charts::ChartArchive;
use crate::programs::registry_binary;

/// Media types of a chart in a registry, as `helm push` writes them.
const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CHART_CONTENT: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry that runs, empty at first and kept in memory. It is ended when dropped, and by itself when the test process ends.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    host: String,
    login: Option<Login>,
    client: Client,
}

#[derive(Debug)]
struct Login {
    user: String,
    password: String,
}

impl Registry {
    /// Starts a registry that everybody may read and write.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// Starts a registry that demands a user name and a password (HTTP basic authentication).
    pub fn with_login(user: &str, password: &str) -> Self {
        Self::launch(Some(Login { user: user.to_owned(), password: password.to_owned() }))
    }

    fn launch(login: Option<Login>) -> Self {
        // Fails when another test has done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let flags = login.iter().flat_map(|login| ["--user", &login.user, "--password", &login.password]);
        let mut child = Command::new(registry_binary())
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the registry is a program");
        let mut line = String::new();
        let output = child.stdout.take().expect("standard output is piped");
        BufReader::new(output).read_line(&mut line).expect("a pipe can be read");
        let host = line.trim_end().strip_prefix("ready http://").map(str::to_owned);
        let host = host.unwrap_or_else(|| panic!("the registry did not become ready: {line}"));
        Self { child, host, login, client: Client::new() }
    }

    /// Gives host and port, as references to its content begin.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Gives the URL of the API. It is not encrypted.
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// Pushes a chart as `helm push ARCHIVE oci://HOST/PARENT` does, and gives the digest of its manifest: `sha256:…`.
    ///
    /// The chart is then at `oci://HOST/PARENT/NAME`, under its version as tag.
    ///
    /// # Panics
    /// If the registry refuses something.
    pub async fn push_chart(&self, parent: &str, chart: &ChartArchive) -> String {
        let repository = format!("{parent}/{}", chart.name);
        let archive = std::fs::read(&chart.path).unwrap_or_else(|e| panic!("read {}: {e}", chart.path.display()));
        let config = json!({"apiVersion": "v2", "name": chart.name, "version": chart.version}).to_string();
        let config = self.push_blob(&repository, CHART_CONFIG, config.into_bytes()).await;
        let mut layer = self.push_blob(&repository, CHART_CONTENT, archive).await;
        layer["annotations"] = json!({"org.opencontainers.image.title": chart.file()});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
            "annotations": {
                "org.opencontainers.image.title": chart.name, "org.opencontainers.image.version": chart.version,
            },
        });
        // A tag cannot hold the plus sign of a version's build metadata.
        self.push_manifest(&repository, &chart.version.replace('+', "_"), &manifest).await
    }

    /// Pushes a manifest under a tag, and gives its digest: `sha256:…`. What it refers to has to be there.
    pub async fn push_manifest(&self, repository: &str, tag: &str, manifest: &Value) -> String {
        let manifest = manifest.to_string();
        let digest = digest_of(manifest.as_bytes());
        let url = format!("{}/v2/{repository}/manifests/{tag}", self.url());
        self.send(self.client.put(url).header(CONTENT_TYPE, MANIFEST).body(manifest)).await;
        digest
    }

    /// Pushes a blob, and gives its descriptor.
    pub async fn push_blob(&self, repository: &str, media_type: &str, content: Vec<u8>) -> Value {
        let descriptor = json!({"mediaType": media_type, "digest": digest_of(&content), "size": content.len()});
        let begun = self.send(self.client.post(format!("{}/v2/{repository}/blobs/uploads/", self.url()))).await;
        let place = begun.headers().get(LOCATION).and_then(|place| place.to_str().ok());
        let place = place.unwrap_or_else(|| panic!("the registry names no place for an upload"));
        let url = if place.starts_with('/') { format!("{}{place}", self.url()) } else { place.to_owned() };
        let separator = if url.contains('?') { '&' } else { '?' };
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        self.send(self.client.put(format!("{url}{separator}digest={digest}")).body(content)).await;
        descriptor
    }

    async fn send(&self, request: RequestBuilder) -> Response {
        let request = match &self.login {
            Some(Login { user, password }) => request.basic_auth(user, Some(password)),
            None => request,
        };
        let answer = request.send().await.unwrap_or_else(|e| panic!("ask the registry: {e}"));
        let (status, url) = (answer.status(), answer.url().clone());
        if status.is_success() {
            return answer;
        }
        let said = answer.text().await.unwrap_or_default();
        panic!("the registry answers {status} to {url}: {said}")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It keeps nothing that it would have to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn digest_of(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
