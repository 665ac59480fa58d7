use artifact_source::ArtifactOptions;
use git_source::GitOptions;
use test_kit::{FixtureRepo, GitHttpServer};

use super::*;

struct Fixture {
    directory: tempfile::TempDir,
    server: GitHttpServer,
    loader: Loader,
}

impl Fixture {
    fn new() -> Self {
        // Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let served = directory.path().join("served");
        let server = GitHttpServer::start(&served);
        let data = directory.path().join("data");
        let artifacts = Artifacts::new(ArtifactOptions::new(&data));
        let loader = Loader::new(Repositories::new(&data, GitOptions::default()), artifacts);
        Self { directory, server, loader }
    }

    fn repo(&self, name: &str) -> FixtureRepo {
        FixtureRepo::init(self.directory.path().join("served").join(name))
    }

    /// Says what is got for what a kustomization names.
    async fn remote(&self, url: &str, freshness: Freshness) -> String {
        match self.loader.get(&Need::Remote(url.into()), freshness).await {
            Supply::File { name, content } => format!("file {name}: {}", String::from_utf8_lossy(&content)),
            Supply::Directory { tree, path, .. } => {
                let names = tree.list(&path).unwrap().into_iter().map(|(name, _)| name);
                format!("directory {path}: {}", names.collect::<Vec<_>>().join(" "))
            }
            Supply::Failed { message, .. } => message,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kustomization_names_is_a_file_or_a_repository() {
    let fixture = Fixture::new();
    let repo = fixture.repo("org/base");
    repo.write("deploy/kustomization.yaml", "resources: []\n");
    repo.commit("first");
    std::fs::write(fixture.directory.path().join("served/a.yaml"), "a: b\n").unwrap();
    let base = fixture.server.url("org/base");
    for (url, expected) in [
        (format!("{base}//deploy?ref=HEAD"), "directory deploy: kustomization.yaml"),
        (format!("{base}/deploy"), "directory deploy: kustomization.yaml"),
        (fixture.server.url("a.yaml"), "file a.yaml: a: b\n"),
    ] {
        assert_eq!(fixture.remote(&url, Freshness::Recent).await, expected, "{url}");
    }
    for (url, expected) in [
        (format!("{base}//deploy?ref=none"), "unable to resolve 'none' to a commit SHA"),
        ("file:///etc//ssl".to_owned(), "file:///etc is on this machine, where kustomizations may not look"),
        ("git@git.example:org/repo".to_owned(), "SSH is not supported yet"),
        (fixture.server.url("none.yaml"), "answered with HTTP status 404"),
    ] {
        let said = fixture.remote(&url, Freshness::Recent).await;
        assert!(said.contains(expected), "{url}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_that_kustomizations_name_stay_with_those_of_applications() {
    let fixture = Fixture::new();
    let repo = fixture.repo("org/base");
    repo.write("deploy/kustomization.yaml", "resources: []\n");
    let first = repo.commit("first");
    let url = format!("{}//deploy?ref=HEAD", fixture.server.url("org/base"));
    fixture.remote(&url, Freshness::Recent).await;
    repo.write("deploy/other.yaml", "a: b\n");
    let second = repo.commit("second");
    // An Application has its own commit of the repository in force, and lets it go again.
    let repository = Repository::anonymous(fixture.server.url("org/base").as_str().into());
    fixture.loader.pin(&repository, &BTreeSet::from([first.parse().unwrap()])).await.unwrap();
    assert_eq!(fixture.remote(&url, Freshness::Recent).await, "directory deploy: kustomization.yaml");
    let expected = "directory deploy: kustomization.yaml other.yaml";
    assert_eq!(fixture.remote(&url, Freshness::Now).await, expected);
    fixture.loader.pin(&repository, &BTreeSet::new()).await.unwrap();
    fixture.loader.retain(&[]).await;
    let traffic = fixture.server.total_traffic();
    for commit in [first, second] {
        let tree = fixture.loader.tree(&Origin::Git(repository.clone()), &commit).await;
        assert!(tree.is_ok(), "{commit}");
    }
    assert_eq!(fixture.server.total_traffic(), traffic);
}
