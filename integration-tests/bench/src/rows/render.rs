//! R1: a render by the warm worker, against the command line that does the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use application_api::{ApplicationSourceDirectory, RepoUrl};
use git_source::{CommitId, GitOptions, Repositories, Repository, RevisionName};
use integration_tests::{oracle_binary, render_worker_binary};
use kube_object::ClusterVersions;
use manifest_render::{Elsewhere, RenderContext, RenderRequest, RenderWorkers, WorkerOptions};
use test_kit::FixtureRepo;

use crate::Plan;
use crate::report::Report;
use crate::statistics::median;

/// Renders of each kind whose median counts, in turn.
const RENDERS: usize = 50;
/// Objects that each source comes to.
const OBJECTS: usize = 10;
/// Kinds that a cluster with a few operators serves, which a chart is told.
const KINDS: usize = 200;
/// Name of the Application and of the release, and namespace of the destination.
const NAME: &str = "shop";

/// The sources in a repository, and what reads and renders them as the daemon does.
struct Sources {
    work_tree: PathBuf,
    repositories: Repositories,
    repository: Repository,
    commit: CommitId,
    workers: RenderWorkers,
    context: RenderContext,
    directory: tempfile::TempDir,
}

/// Measures a chart and an overlay.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) {
    if !plan.has_any("R1") {
        return;
    }
    let sources = Sources::commit().await;
    let helm = ["template", NAME, "chart", "--namespace", NAME, "--include-crds"];
    sources.compare(report, "R1chart", "chart", "helm", &helm).await;
    sources.compare(report, "R1overlay", "overlay", "kustomize", &["build", "overlay"]).await;
}

impl Sources {
    async fn commit() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let repo = FixtureRepo::init(directory.path().join("sources"));
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("sources");
        for part in ["chart", "chart/templates", "base", "overlay"] {
            copy_files(&from, part, &repo);
        }
        repo.commit("sources");
        let repositories = Repositories::new(&directory.path().join("data"), GitOptions::default());
        let repository = Repository::anonymous(RepoUrl::new(&repo.file_url()));
        let commit = resolve(&repositories, &repository).await;
        let kinds = (0..KINDS).map(|kind| format!("group-{}.example.com/v1/Kind{kind}", kind / 10)).collect();
        let context = RenderContext {
            app_name: NAME.to_owned(),
            instance: NAME.to_owned(),
            namespace: NAME.to_owned(),
            revision: commit.to_string(),
            cluster: Arc::new(ClusterVersions::new("1.36.3".to_owned(), kinds)),
            ..RenderContext::default()
        };
        let workers = RenderWorkers::new(WorkerOptions::new(render_worker_binary()), |_| {});
        let work_tree = repo.path().to_owned();
        Self { work_tree, repositories, repository, commit, workers, context, directory }
    }

    async fn compare(&self, report: &mut Report, id: &'static str, path: &str, tool: &str, arguments: &[&str]) {
        // The first one starts the worker.
        self.render(path).await;
        let (mut warm, mut command_line) = (Vec::new(), Vec::new());
        for _ in 0..RENDERS {
            warm.push(self.render(path).await);
            command_line.push(self.run(tool, arguments));
        }
        let (warm, command_line) = (median(warm), median(command_line));
        let detail = format!(
            "warm {warm:.2} ms, {tool} {} {command_line:.1} ms, medians of {RENDERS} each, in turn",
            arguments.first().copied().unwrap_or_default()
        );
        report.add(OBJECTS, id, command_line / warm, "x", detail);
    }

    /// Renders as the daemon does, from opening the tree to objects, and gives the milliseconds.
    async fn render(&self, path: &str) -> f64 {
        let request = RenderRequest::directory(path, ApplicationSourceDirectory::default(), NAME);
        let (context, workers) = (self.context.clone(), self.workers.clone());
        let begun = Instant::now();
        let tree = self.repositories.tree(&self.repository, self.commit).await;
        let tree = tree.unwrap_or_else(|e| panic!("open the tree: {e}"));
        let work = tokio::task::spawn_blocking(move || {
            manifest_render::render(&tree, &request, &context, &Elsewhere::default(), &workers)
        });
        let render = work.await.expect("because rendering does not panic");
        let millis = begun.elapsed().as_secs_f64() * 1000.0;
        let objects = render.unwrap_or_else(|e| panic!("render {path}: {e}")).manifests.objects.len();
        assert_eq!(objects, OBJECTS, "{path}");
        millis
    }

    /// Runs a command line in the work tree, and gives the milliseconds.
    fn run(&self, tool: &str, arguments: &[&str]) -> f64 {
        let mut command = Command::new(oracle_binary(tool));
        command.args(arguments).current_dir(&self.work_tree).env_clear().env("HOME", self.directory.path());
        let begun = Instant::now();
        let output = command.output().unwrap_or_else(|e| panic!("run {tool}: {e}"));
        let millis = begun.elapsed().as_secs_f64() * 1000.0;
        assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        let objects = String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with("kind:")).count();
        assert_eq!(objects, OBJECTS, "{tool}");
        millis
    }
}

async fn resolve(repositories: &Repositories, repository: &Repository) -> CommitId {
    let revision = RevisionName::new("HEAD");
    let deadline = Instant::now() + GitOptions::default().list_timeout;
    let found = repositories.poll(repository, std::slice::from_ref(&revision), deadline).await;
    let found = found.unwrap_or_else(|e| panic!("read the repository: {e}"));
    let (_, commit) = found.commits.into_iter().next().expect("because every revision is answered");
    commit.unwrap_or_else(|e| panic!("resolve HEAD: {e}"))
}

/// Copies the files directly in a directory.
fn copy_files(from: &Path, part: &str, repo: &FixtureRepo) {
    let directory = from.join(part);
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|e| panic!("read {}: {e}", directory.display()));
    for file in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
        let content = std::fs::read(&file).unwrap_or_else(|e| panic!("read {}: {e}", file.display()));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        repo.write(&format!("{part}/{name}"), content);
    }
}
