use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use application_api::RepoUrl;
use git_source::{highest_version, is_constraint, is_version};
use reqwest::header::{ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::http::{Ask, Http, split_credentials};
use crate::index::{Absent, Index, IndexEntry};
use crate::oci::{Registry, is_digest, sha256};
use crate::store::DiskStore;
use crate::unpack::{Layout, unpack};
use crate::{ArtifactError, ArtifactKind, ArtifactOptions, ArtifactRepository, ArtifactTree, Wanted};

/// Charts and artifacts of all repositories. Cheap to clone.
#[derive(Clone)]
pub struct Artifacts {
    inner: Arc<Inner>,
}

struct Inner {
    options: ArtifactOptions,
    store: DiskStore,
    http: OnceLock<Http>,
    /// One lock for each thing that is downloaded, so that it is downloaded once.
    turns: Mutex<HashMap<[u8; 32], Arc<tokio::sync::Mutex<()>>>>,
}

/// The archive of a chart.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The archive.
    pub bytes: Arc<[u8]>,
    /// How its files lie in it.
    layout: Layout,
}

/// What is kept of an index beside its bytes: by what the server knows whether it has changed.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Validators {
    etag: Option<String>,
    modified: Option<String>,
}

impl Artifacts {
    /// Makes what reads artifacts within these limits.
    pub fn new(options: ArtifactOptions) -> Self {
        let store = DiskStore::open(options.directory.clone(), options.kept_bytes);
        let inner = Inner { options, store, http: OnceLock::new(), turns: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Finds the version of each revision that is asked for.
    ///
    /// An exact version of a chart is taken as it is. Of a chart repository the index is asked for once, and sent only where it has
    /// changed; a registry is asked for the tags of what a constraint is asked of, or for the digest of a tag. Errors when the
    /// repository cannot be reached; what concerns one revision is said there.
    pub async fn poll(
        &self,
        repository: &ArtifactRepository,
        wanted: &[Wanted],
    ) -> Result<Vec<Result<String, ArtifactError>>, ArtifactError> {
        let is_settled = |wanted: &Wanted| match repository.kind {
            ArtifactKind::OciArtifact => is_digest(&wanted.revision),
            _ => is_version(&wanted.revision) && !is_constraint(&wanted.revision),
        };
        if wanted.iter().all(is_settled) {
            return Ok(wanted.iter().map(|wanted| Ok(wanted.revision.clone())).collect());
        }
        if repository.kind == ArtifactKind::ChartRepository {
            let index = self.index(repository).await?;
            let find = |wanted: &Wanted| {
                if is_settled(wanted) {
                    return Ok(wanted.revision.clone());
                }
                find(&index, repository, wanted).map(|entry| entry.version.clone())
            };
            return Ok(wanted.iter().map(find).collect());
        }
        let mut found = Vec::new();
        for wanted in wanted {
            let settled = is_settled(wanted);
            found.push(if settled { Ok(wanted.revision.clone()) } else { self.tagged(repository, wanted).await });
        }
        Ok(found)
    }

    /// Opens the tree of an artifact at a version that a poll found.
    pub async fn tree(
        &self,
        repository: &ArtifactRepository,
        chart: &str,
        version: &str,
    ) -> Result<ArtifactTree, ArtifactError> {
        let archive = self.archive(repository, chart, version).await?;
        let name = if chart.is_empty() { repository.url.to_string() } else { chart.to_owned() };
        let (artifact, version, options) =
            (format!("{name} {version}"), version.to_owned(), self.inner.options.clone());
        let work = move || {
            let files = unpack(&artifact, &archive.bytes, archive.layout, &options)?;
            Ok(ArtifactTree::new(&version, files))
        };
        blocking(work).await?
    }

    /// Returns the archive of an artifact at a version, from disk if it is there.
    pub async fn archive(
        &self,
        repository: &ArtifactRepository,
        chart: &str,
        version: &str,
    ) -> Result<Archive, ArtifactError> {
        let key = key("archive", repository, &[chart, version]);
        let turn = self.turn(key);
        let _turn = turn.lock().await;
        if let Some(kept) = self.read(key).await?
            && let Some((layout, bytes)) = kept.split_first()
        {
            let layout = if *layout == b'c' { Layout::Chart } else { Layout::Whole };
            return Ok(Archive { bytes: bytes.into(), layout });
        }
        let (layout, bytes) = match repository.kind {
            ArtifactKind::ChartRepository => (Layout::Chart, self.chart_of_index(repository, chart, version).await?),
            ArtifactKind::ChartRegistry | ArtifactKind::OciArtifact => {
                let reference = if is_digest(version) { version.to_owned() } else { version.replace('+', "_") };
                let mut registry = self.registry(repository, chart)?;
                let content = registry.content(&reference).await?;
                let bytes = registry.blob(&content.layer, self.inner.options.archive_bytes).await?;
                (content.layout, bytes)
            }
        };
        let letter = if layout == Layout::Chart { b'c' } else { b'w' };
        self.write(key, [&[letter][..], &bytes].concat()).await?;
        Ok(Archive { bytes: bytes.into(), layout })
    }

    /// Downloads a single file.
    pub async fn file(&self, url: &RepoUrl) -> Result<Arc<[u8]>, ArtifactError> {
        let (address, authorization) = split_credentials(parse(url, url.as_str())?);
        let ask = Ask { authorization, ..Ask::get(url, address, "the file", self.inner.options.file_bytes) };
        let answer = self.http(url)?.send(ask).await?.success(url)?;
        Ok(answer.body.into())
    }

    /// Finds the version of a chart in a registry, or the digest of a tag.
    async fn tagged(&self, repository: &ArtifactRepository, wanted: &Wanted) -> Result<String, ArtifactError> {
        let Wanted { chart, revision } = wanted;
        let mut registry = self.registry(repository, chart)?;
        let is_artifact = repository.kind == ArtifactKind::OciArtifact;
        if !is_constraint(revision) {
            // A chart's version that is none is a tag, as far as the registry knows it.
            let digest = registry.digest(revision).await?;
            return Ok(if is_artifact { digest } else { revision.clone() });
        }
        let tags = registry.tags().await?;
        let versions: Vec<String> = tags.iter().map(|tag| tag.replace('_', "+")).collect();
        let found = highest_version(revision, versions.iter().map(String::as_str)).map(str::to_owned);
        let (chart, url, revision) = (chart.clone(), repository.url.clone(), revision.clone());
        let version = found.ok_or(ArtifactError::NoVersion { chart, url, revision })?;
        if is_artifact { registry.digest(&version.replace('+', "_")).await } else { Ok(version) }
    }

    /// Downloads a chart from where the index says it is.
    async fn chart_of_index(
        &self,
        repository: &ArtifactRepository,
        chart: &str,
        version: &str,
    ) -> Result<Vec<u8>, ArtifactError> {
        let url = &repository.url;
        let index = self.index(repository).await?;
        let wanted = Wanted { chart: chart.to_owned(), revision: version.to_owned() };
        let entry = find(&index, repository, &wanted)?;
        let base = index_url(url)?;
        let (base, authorization) = split_credentials(base);
        let malformed = |detail: &str| ArtifactError::Malformed {
            url: url.clone(),
            what: "the index",
            detail: format!("{chart} {version}: {detail}"),
        };
        let written = entry.urls.first().ok_or_else(|| malformed("it names no URL"))?;
        if written.starts_with("oci://") {
            let kind = ArtifactKind::OciArtifact;
            let (place, tag) = written.rsplit_once(':').ok_or_else(|| malformed("its URL has no tag"))?;
            let repository = ArtifactRepository { url: RepoUrl::new(place), kind };
            let mut registry = self.registry(&repository, "")?;
            let content = registry.content(tag).await?;
            return registry.blob(&content.layer, self.inner.options.archive_bytes).await;
        }
        let target = base.join(written).map_err(|_| malformed("its URL does not parse"))?;
        let (target, own) = split_credentials(target);
        let is_of_repository = target.origin() == base.origin();
        let ask = Ask {
            authorization: own.or(authorization.filter(|_| is_of_repository)),
            ..Ask::get(url, target, "the archive", self.inner.options.archive_bytes)
        };
        let answer = self.http(url)?.send(ask).await?.success(url)?;
        let found = sha256(&answer.body);
        let expected = entry.digest.trim().to_ascii_lowercase();
        let expected = if expected.contains(':') { expected } else { format!("sha256:{expected}") };
        if !entry.digest.is_empty() && expected != found {
            return Err(ArtifactError::Digest { url: url.clone(), what: "the archive", expected, found });
        }
        Ok(answer.body)
    }

    /// Returns the index of a chart repository: the one kept, where the server says that it is still the same.
    async fn index(&self, repository: &ArtifactRepository) -> Result<Arc<Index>, ArtifactError> {
        let url = &repository.url;
        let key = key("index", repository, &[]);
        let turn = self.turn(key);
        let _turn = turn.lock().await;
        let kept = self.read(key).await?;
        let kept = kept.as_deref().and_then(split_kept);
        let (address, authorization) = split_credentials(index_url(url)?);
        let mut ask = Ask { authorization, ..Ask::get(url, address, "the index", self.inner.options.index_bytes) };
        if let Some((validators, _)) = &kept {
            insert(&mut ask.headers, IF_NONE_MATCH, validators.etag.as_deref());
            insert(&mut ask.headers, IF_MODIFIED_SINCE, validators.modified.as_deref());
        }
        let answer = self.http(url)?.send(ask).await?;
        let malformed = |detail| ArtifactError::Malformed { url: url.clone(), what: "the index", detail };
        let unmodified = kept.filter(|_| answer.status == StatusCode::NOT_MODIFIED);
        if let Some((_, bytes)) = unmodified {
            let bytes = bytes.to_vec();
            return blocking(move || Index::read(&bytes)).await?.map(Arc::new).map_err(malformed);
        }
        let answer = answer.success(url)?;
        let text = |name: HeaderName| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let validators = Validators { etag: text(ETAG), modified: text(LAST_MODIFIED) };
        let (index, bytes) = blocking(move || (Index::read(&answer.body), answer.body)).await?;
        let index = index.map_err(malformed)?;
        let head = serde_json::to_vec(&validators).unwrap_or_default();
        self.write(key, [&head[..], b"\n", &bytes].concat()).await?;
        Ok(Arc::new(index))
    }

    fn registry(&self, repository: &ArtifactRepository, chart: &str) -> Result<Registry<'_>, ArtifactError> {
        let http = self.http(&repository.url)?;
        Registry::open(http, &repository.url, chart, self.inner.options.index_bytes)
    }

    /// The one HTTP client, made when it is first needed.
    fn http(&self, url: &RepoUrl) -> Result<&Http, ArtifactError> {
        if let Some(http) = self.inner.http.get() {
            return Ok(http);
        }
        let unusable = |detail| ArtifactError::Url { url: url.clone(), detail };
        let http = Http::new(&self.inner.options).map_err(unusable)?;
        Ok(self.inner.http.get_or_init(|| http))
    }

    fn turn(&self, key: [u8; 32]) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.inner.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(key).or_default())
    }

    async fn read(&self, key: [u8; 32]) -> Result<Option<Vec<u8>>, ArtifactError> {
        let store = self.inner.store.clone();
        blocking(move || store.get(&key)).await
    }

    async fn write(&self, key: [u8; 32], bytes: Vec<u8>) -> Result<(), ArtifactError> {
        let store = self.inner.store.clone();
        blocking(move || store.put(&key, &bytes)).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ArtifactError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ArtifactError::BrokeOff(error.to_string()))
}

/// Makes the key of what is kept: of the URL as written, so that what one credential got is never shown to another.
fn key(what: &str, repository: &ArtifactRepository, parts: &[&str]) -> [u8; 32] {
    let kind = [repository.kind as u8];
    let mut hasher = Sha256::new();
    let all = [what.as_bytes(), &kind, repository.url.as_str().as_bytes()];
    for part in all.into_iter().chain(parts.iter().map(|part| part.as_bytes())) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn find<'a>(
    index: &'a Index,
    repository: &ArtifactRepository,
    wanted: &Wanted,
) -> Result<&'a IndexEntry, ArtifactError> {
    let (chart, url) = (wanted.chart.clone(), repository.url.clone());
    index.find(&wanted.chart, &wanted.revision).map_err(|absent| match absent {
        Absent::Chart => ArtifactError::NoChart { chart, url },
        Absent::Version => ArtifactError::NoVersion { chart, url, revision: wanted.revision.clone() },
    })
}

fn index_url(url: &RepoUrl) -> Result<Url, ArtifactError> {
    let written = url.as_str();
    let (address, query) = written.split_once('?').map_or((written, ""), |(address, query)| (address, query));
    let index = format!("{}/index.yaml", address.trim_end_matches('/'));
    parse(url, &if query.is_empty() { index } else { format!("{index}?{query}") })
}

fn parse(url: &RepoUrl, text: &str) -> Result<Url, ArtifactError> {
    let unusable = |detail: &str| ArtifactError::Url { url: url.clone(), detail: detail.to_owned() };
    let parsed = Url::parse(text).map_err(|_| unusable("it does not parse"))?;
    if matches!(parsed.scheme(), "http" | "https") {
        return Ok(parsed);
    }
    Err(unusable("expected http:// or https://, or oci:// for a registry"))
}

fn split_kept(kept: &[u8]) -> Option<(Validators, &[u8])> {
    let end = kept.iter().position(|byte| *byte == b'\n')?;
    Some((serde_json::from_slice(&kept[..end]).ok()?, &kept[end + 1..]))
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| value.parse().ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
