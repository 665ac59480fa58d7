use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use flate2::Compression;
use flate2::write::GzEncoder;
use git_source::{AddressPolicy, LocalAddresses, SourceTree as _};
use serde_json::json;

use super::*;

/// A request: its first line without the version, and the headers that decide something.
type Asked = (String, BTreeMap<String, String>);
/// An answer: its status, headers and body.
type Said = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// A server that answers as it is told, one request a connection.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start(answer: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), &log, &*answer));
            }
        });
        Self { address, seen }
    }

    /// Returns the first lines of the requests since the last time.
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap()).into_iter().map(|(line, _)| line).collect()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Said) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let Some(first) = lines.next() else { return };
    let line = first.trim_end_matches(" HTTP/1.1").to_owned();
    let headers = lines.by_ref().take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    });
    let asked = (line, headers.collect());
    let (status, headers, body) = answer(&asked);
    log.lock().unwrap().push(asked);
    let mut text = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        write!(text, "content-length: {}\r\n", body.len()).unwrap();
    }
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    // A client that has seen enough goes away.
    let _ = stream.write_all(format!("{text}\r\n").as_bytes()).and_then(|()| stream.write_all(&body));
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read(&mut [0; 64]);
}

fn said(status: u16, body: impl Into<Vec<u8>>) -> Said {
    (status, Vec::new(), body.into())
}

fn chart(version: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let content = format!("name: web\nversion: {version}\n");
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "web/Chart.yaml", content.as_bytes()).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        // Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn artifacts(&self) -> Artifacts {
        Artifacts::new(ArtifactOptions::new(self.directory.path()))
    }
}

fn repository(kind: ArtifactKind, url: &str) -> ArtifactRepository {
    ArtifactRepository { url: url.into(), kind }
}

fn wanted(chart: &str, revision: &str) -> Wanted {
    Wanted { chart: chart.to_owned(), revision: revision.to_owned() }
}

async fn polled(artifacts: &Artifacts, repository: &ArtifactRepository, wanted: &[Wanted]) -> Vec<String> {
    let found = match artifacts.poll(repository, wanted).await {
        Ok(found) => found,
        Err(error) => vec![Err(error)],
    };
    found.into_iter().map(|found| found.unwrap_or_else(|error| error.to_string())).collect()
}

fn content(tree: &ArtifactTree) -> String {
    let entry = tree.entry("Chart.yaml").unwrap().unwrap();
    String::from_utf8(tree.blob(&entry, 1000).unwrap()).unwrap()
}

fn index(entries: &[(&str, &str, &str)]) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|(version, url, digest)| json!({"version": version, "urls": [url], "digest": digest}))
        .collect();
    json!({"apiVersion": "v1", "entries": {"web": entries}}).to_string()
}

#[tokio::test]
async fn an_index_is_sent_again_only_where_it_has_changed() {
    let digest = sha256(&chart("1.2.0"));
    let digest = digest.trim_start_matches("sha256:").to_owned();
    let server = Server::start(move |(line, headers)| match line.as_str() {
        "GET /charts/index.yaml" if headers.get("if-none-match").is_some_and(|tag| tag == "\"one\"") => said(304, ""),
        "GET /charts/index.yaml" => {
            let entries = [
                ("1.2.0", "files/web-1.2.0.tgz", digest.as_str()),
                ("1.3.0", "bad.tgz", "00"),
                ("2.0.0", "none.tgz", ""),
            ];
            (200, vec![("etag", "\"one\"".to_owned())], index(&entries).into())
        }
        "GET /charts/files/web-1.2.0.tgz" | "GET /charts/bad.tgz" => said(200, chart("1.2.0")),
        _ => said(404, ""),
    });
    let fixture = Fixture::new();
    let charts = repository(ArtifactKind::ChartRepository, &format!("http://{}/charts/", server.address));
    let artifacts = fixture.artifacts();
    // An exact version needs no question.
    assert_eq!(polled(&artifacts, &charts, &[wanted("web", "1.2.0")]).await, ["1.2.0"]);
    assert_eq!(server.taken(), Vec::<String>::new());
    let asked =
        [wanted("web", "1.x"), wanted("web", "~1.2"), wanted("db", "*"), wanted("web", "9.x"), wanted("web", "3.0.0")];
    let url = format!("http://{}/charts/", server.address);
    let said = vec![
        "1.3.0".to_owned(),
        "1.2.0".to_owned(),
        format!("chart 'db' not found in index of {url}"),
        format!("web: no version for constraints: {url} has none that 9.x allows"),
        "3.0.0".to_owned(),
    ];
    assert_eq!(polled(&artifacts, &charts, &asked).await, said);
    assert_eq!(polled(&artifacts, &charts, &asked).await, said);
    assert_eq!(server.taken(), ["GET /charts/index.yaml", "GET /charts/index.yaml"]);

    let tree = artifacts.tree(&charts, "web", "1.2.0").await.unwrap();
    assert_eq!((content(&tree).as_str(), tree.commit()), ("name: web\nversion: 1.2.0\n", Some("1.2.0")));
    assert_eq!(server.taken(), ["GET /charts/index.yaml", "GET /charts/files/web-1.2.0.tgz"]);
    // What is on disk is not downloaded again, also not by the next process.
    fixture.artifacts().tree(&charts, "web", "1.2.0").await.unwrap();
    assert_eq!(server.taken(), Vec::<String>::new());

    let error = artifacts.tree(&charts, "web", "1.3.0").await.unwrap_err();
    assert!(error.to_string().contains("the archive has digest sha256:"), "{error}");
    let error = artifacts.tree(&charts, "web", "2.0.0").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{url} answered with HTTP status 404; correct the URL, the name or the version")
    );
    let other = repository(ArtifactKind::ChartRepository, &format!("http://me:pw@{}/charts/", server.address));
    server.taken();
    artifacts.tree(&other, "web", "1.2.0").await.unwrap();
    assert_eq!(server.taken().len(), 2, "what one credential got is not for another");
}

#[tokio::test]
async fn credentials_go_to_their_own_server_only() {
    let other = Server::start(|_| said(200, chart("1.0.0")));
    let elsewhere = format!("http://{}/web.tgz", other.address);
    let server = Server::start(move |(line, _)| match line.as_str() {
        "GET /index.yaml" => said(200, index(&[("1.0.0", elsewhere.as_str(), ""), ("2.0.0", "moved.tgz", "")])),
        "GET /moved.tgz" => (302, vec![("location", elsewhere.clone())], Vec::new()),
        _ => said(404, ""),
    });
    let fixture = Fixture::new();
    let charts = repository(ArtifactKind::ChartRepository, &format!("http://me:s%40cret@{}", server.address));
    let artifacts = fixture.artifacts();
    for version in ["1.0.0", "2.0.0"] {
        artifacts.tree(&charts, "web", version).await.unwrap();
    }
    let authorized = |server: &Server| {
        let seen = server.seen.lock().unwrap();
        seen.iter().map(|(_, headers)| headers.get("authorization").cloned().unwrap_or_default()).collect::<Vec<_>>()
    };
    // me:s@cret
    assert_eq!(authorized(&server), vec!["Basic bWU6c0BjcmV0"; 3]);
    assert_eq!(authorized(&other), vec![""; 2]);
    let error = artifacts.tree(&charts, "web", "3.0.0").await.unwrap_err().to_string();
    assert!(!error.contains("cret"), "{error}");
}

#[tokio::test]
async fn what_servers_do_wrong_is_said() {
    let server = Server::start(|(line, _)| match line.as_str() {
        "GET /slow/index.yaml" => (200, vec![("content-length", "1000".to_owned())], b"entries:".to_vec()),
        "GET /big/index.yaml" => (200, vec![("content-length", "999999999".to_owned())], Vec::new()),
        "GET /page/index.yaml" => said(200, "<html>\n<p>: {"),
        "GET /busy/index.yaml" => said(503, ""),
        "GET /secret/index.yaml" => said(401, ""),
        "GET /meta/index.yaml" => {
            (302, vec![("location", "http://169.254.169.254/latest/meta-data".to_owned())], Vec::new())
        }
        "GET /file/index.yaml" => (302, vec![("location", "file:///etc/passwd".to_owned())], Vec::new()),
        "GET /loop/index.yaml" => (302, vec![("location", "/loop/index.yaml".to_owned())], Vec::new()),
        _ => said(404, ""),
    });
    let fixture = Fixture::new();
    let artifacts = fixture.artifacts();
    for (path, expected, is_passing) in [
        ("slow", "cannot be reached: ", true),
        ("big", ": the index is larger than the limit of 67108864 bytes; make it smaller", false),
        ("page", ": the index cannot be read: ", true),
        ("busy", " answered with HTTP status 503", true),
        ("secret", " answered with HTTP status 401; it wants credentials, or others than it was given", false),
        (
            "meta",
            ": 169.254.169.254 is at a link-local address (169.254.169.254), where repositories may not be",
            false,
        ),
        ("file", " cannot be reached: it redirects to file:, which is less safe", true),
        ("loop", " cannot be reached: it redirects more than 10 times", true),
        ("none", " answered with HTTP status 404; correct the URL, the name or the version", false),
    ] {
        let charts = repository(ArtifactKind::ChartRepository, &format!("http://{}/{path}", server.address));
        let error = artifacts.poll(&charts, &[wanted("web", "1.x")]).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{path}: {error}");
        assert_eq!(error.remedy() == git_source::Remedy::Retry, is_passing, "{path}: {error}");
    }
    for url in ["ftp://example.com", "file:///srv/charts", "charts"] {
        let charts = repository(ArtifactKind::ChartRepository, url);
        let error = artifacts.poll(&charts, &[wanted("web", "1.x")]).await.unwrap_err();
        assert!(error.to_string().contains("cannot be used"), "{error}");
    }
    let addresses = AddressPolicy::new(LocalAddresses::Refused, &[]);
    let strict = Artifacts::new(ArtifactOptions { addresses, ..ArtifactOptions::new(fixture.directory.path()) });
    server.taken();
    for host in [server.address.clone(), server.address.replace("127.0.0.1", "localhost")] {
        for kind in [ArtifactKind::ChartRepository, ArtifactKind::ChartRegistry] {
            let scheme = if kind == ArtifactKind::ChartRegistry { "oci" } else { "http" };
            let charts = repository(kind, &format!("{scheme}://{host}/charts"));
            let error = strict.poll(&charts, &[wanted("web", "1.x")]).await.unwrap_err_or_first();
            assert!(error.contains("loopback address"), "{error}");
        }
    }
    assert_eq!(server.taken(), Vec::<String>::new());
}

trait FirstError {
    fn unwrap_err_or_first(self) -> String;
}

impl FirstError for Result<Vec<Result<String, ArtifactError>>, ArtifactError> {
    fn unwrap_err_or_first(self) -> String {
        match self {
            Ok(found) => found.into_iter().next().unwrap().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }
}

/// A registry of one chart, which wants a token.
fn registry() -> Server {
    let archive = chart("1.2.0+b1");
    let layer = sha256(&archive);
    let manifest = json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": "sha256:00", "size": 2},
        "layers": [{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": layer, "size": archive.len()}],
    })
    .to_string();
    let digest = sha256(manifest.as_bytes());
    Server::start(move |(line, headers)| {
        if line.starts_with("GET /token?") {
            return said(200, json!({"token": "t0"}).to_string());
        }
        if headers.get("authorization").is_none_or(|token| token != "Bearer t0") {
            let realm = format!("http://{}/token", headers["host"]);
            let challenge = format!("Bearer realm=\"{realm}\",service=\"r\",scope=\"repository:charts/web:pull\"");
            return (401, vec![("www-authenticate", challenge)], Vec::new());
        }
        match line.trim_start_matches("GET /v2/charts/web/") {
            "tags/list" => (
                200,
                vec![("link", "</v2/charts/web/tags/list?last=1>; rel=\"next\"".to_owned())],
                json!({"tags": ["1.1.0", "latest"]}).to_string().into(),
            ),
            "tags/list?last=1" => said(200, json!({"tags": ["1.2.0_b1", "2.0.0-rc.1"]}).to_string()),
            "manifests/1.2.0_b1" | "manifests/latest" => said(200, manifest.clone()),
            path if path == format!("manifests/{digest}") => said(200, manifest.clone()),
            path if path == format!("blobs/{layer}") => said(200, archive.clone()),
            _ => said(404, ""),
        }
    })
}

#[tokio::test]
async fn charts_of_a_registry_are_pulled_with_a_token() {
    let server = registry();
    let fixture = Fixture::new();
    let artifacts = fixture.artifacts();
    for prefix in ["oci://", ""] {
        let charts = repository(ArtifactKind::ChartRegistry, &format!("{prefix}{}/charts", server.address));
        assert_eq!(
            polled(&artifacts, &charts, &[wanted("web", "1.x"), wanted("web", "1.1.0")]).await,
            ["1.2.0+b1", "1.1.0"]
        );
        let tree = artifacts.tree(&charts, "web", "1.2.0+b1").await.unwrap();
        assert_eq!(content(&tree), "name: web\nversion: 1.2.0+b1\n");
        let error = artifacts.tree(&charts, "web", "9.0.0").await.unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("/charts/web answered with HTTP status 404; correct the URL, the name or the version"),
            "{error}"
        );
    }
    let artifact = repository(ArtifactKind::OciArtifact, &format!("oci://{}/charts/web", server.address));
    let found = polled(&artifacts, &artifact, &[wanted("", "latest"), wanted("", "1.x")]).await;
    assert!(is_digest(&found[0]) && found[0] == found[1], "{found:?}");
    let tree = artifacts.tree(&artifact, "", &found[0]).await.unwrap();
    assert_eq!(content(&tree), "name: web\nversion: 1.2.0+b1\n");
    server.taken();
    assert_eq!(polled(&artifacts, &artifact, &[wanted("", &found[0])]).await, [found[0].clone()]);
    fixture.artifacts().tree(&artifact, "", &found[0]).await.unwrap();
    assert_eq!(server.taken(), Vec::<String>::new());
}

#[tokio::test]
async fn many_that_want_one_chart_download_it_once() {
    let server = Server::start(|(line, _)| match line.as_str() {
        "GET /index.yaml" => said(200, index(&[("1.0.0", "web.tgz", "")])),
        _ => said(200, chart("1.0.0")),
    });
    let fixture = Fixture::new();
    let artifacts = fixture.artifacts();
    let charts = repository(ArtifactKind::ChartRepository, &format!("http://{}", server.address));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (artifacts, charts) = (artifacts.clone(), charts.clone());
        all.spawn(async move { artifacts.tree(&charts, "web", "1.0.0").await.unwrap() });
    }
    assert_eq!(all.join_all().await.len(), 8);
    assert_eq!(server.taken(), ["GET /index.yaml", "GET /web.tgz"]);
}
