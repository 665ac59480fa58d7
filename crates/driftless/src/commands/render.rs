use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use application_api::{Application, ApplicationSource, RepoUrl};
use git_source::{DirTree, GitOptions, Repositories, Repository, RevisionName, SourceTree};
use kube_object::{ClusterVersions, Object, RenderedManifests, Stability};
use kube_yaml::Limits;
use manifest_render::{Format, RenderContext, RenderRequest, RenderWorkers, WorkerOptions};

use super::Outcome;
use crate::cli::{RenderArgs, Structured};
use crate::config::default_render_worker;
use crate::output;

/// Renders, without a cluster, what would be applied.
pub(super) async fn run(args: RenderArgs) -> anyhow::Result<Outcome> {
    let application = args.application.as_deref().map(read_application).transpose()?;
    let manifests = match &args.dir {
        Some(directory) => of_directory(&args, directory, application.as_ref())?,
        None => of_repository(&args, application.as_ref()).await?,
    };
    for warning in &manifests.warnings {
        output::warning(warning);
    }
    let format = match args.output {
        Structured::Yaml => Format::Yaml,
        Structured::Json => Format::Json,
    };
    output::print(&manifest_render::write_output(&manifests, format))?;
    Ok(Outcome::Done)
}

/// Renders a directory of this machine, which takes the place of the source's repository and path.
fn of_directory(
    args: &RenderArgs,
    directory: &Path,
    application: Option<&Application>,
) -> anyhow::Result<RenderedManifests> {
    let opened = std::fs::canonicalize(directory).with_context(|| format!("cannot open {}", directory.display()))?;
    let last = opened.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = app_name(args, application, last)?;
    let source = ApplicationSource { path: ".".to_owned(), ..source(application)?.unwrap_or_default() };
    let request = RenderRequest::from_source(&source, &name)?;
    let context = context(args, application, &source, &name, String::new());
    rendered(&DirTree::new(opened), &request, &context, &workers(args))
}

/// Renders a directory of a Git repository; options given take the place of the application's.
async fn of_repository(args: &RenderArgs, application: Option<&Application>) -> anyhow::Result<RenderedManifests> {
    let mut source = source(application)?.unwrap_or_default();
    if let Some(repo) = &args.repo {
        // A path is meant from here, not from where the mirror is.
        let local = std::fs::canonicalize(repo).ok().and_then(|path| path.to_str().map(str::to_owned));
        source.repo_url = RepoUrl::new(&local.unwrap_or_else(|| repo.clone()));
    }
    source.path = args.path.clone().unwrap_or(source.path);
    source.target_revision = args.revision.clone().unwrap_or(source.target_revision);
    let written = source.repo_url.to_string();
    let last = [source.path.as_str(), &written].into_iter().map(last_segment).find(|segment| !segment.is_empty());
    let name = app_name(args, application, last.unwrap_or_default())?;
    let request = RenderRequest::from_source(&source, &name)?;

    let data = tempfile::tempdir().context("no directory for the files of the repository")?;
    let options = GitOptions::default();
    let deadline = Instant::now() + options.list_timeout + options.fetch_timeout;
    let repositories = Repositories::new(data.path(), options);
    let repository = Repository::anonymous(source.repo_url.clone());
    let revision = RevisionName::new(source.target_revision.clone());
    output::progress(&format!("reading {written}"));
    let found = repositories.poll(&repository, std::slice::from_ref(&revision), deadline).await?;
    let (_, commit) = found.commits.into_iter().next().with_context(|| format!("{written} gave no answer"))?;
    let commit = commit?;
    let tree = repositories.tree(&repository, commit).await?;
    let (context, workers) = (context(args, application, &source, &name, commit.to_string()), workers(args));
    tokio::task::spawn_blocking(move || rendered(&tree, &request, &context, &workers)).await?
}

fn rendered(
    tree: &dyn SourceTree,
    request: &RenderRequest,
    context: &RenderContext,
    workers: &RenderWorkers,
) -> anyhow::Result<RenderedManifests> {
    let render = manifest_render::render(tree, request, context, workers)?;
    if render.stability == Stability::Unstable {
        output::warning("the source renders differently each time: a chart uses random values or the time");
    }
    Ok(render.manifests)
}

fn workers(args: &RenderArgs) -> RenderWorkers {
    let program = args.render_worker.clone().unwrap_or_else(default_render_worker);
    RenderWorkers::new(WorkerOptions::new(program), |_| {})
}

/// Returns what surrounds the source; of a cluster nothing is known but what is given.
fn context(
    args: &RenderArgs,
    application: Option<&Application>,
    source: &ApplicationSource,
    name: &str,
    revision: String,
) -> RenderContext {
    let spec = application.map(|application| &application.spec);
    let of_application = spec.map(|spec| spec.destination.namespace.clone()).filter(|namespace| !namespace.is_empty());
    let namespace = args.namespace.clone().or(of_application).unwrap_or_else(|| "default".to_owned());
    RenderContext {
        app_name: name.to_owned(),
        instance: name.to_owned(),
        namespace,
        project: spec.map_or("default", |spec| spec.project()).to_owned(),
        repo_url: source.repo_url.to_string(),
        target_revision: source.target_revision.clone(),
        revision,
        cluster: Arc::new(ClusterVersions::new(args.kube_version.clone(), args.api_versions.clone())),
        kustomize_build_options: args.kustomize_build_options.split_whitespace().map(str::to_owned).collect(),
    }
}

fn read_application(path: &Path) -> anyhow::Result<Application> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let mut documents = kube_yaml::decode(&name, &bytes, &Limits::default())?;
    let (Some(document), true) = (documents.pop(), documents.is_empty()) else {
        bail!("{name}: expected one Application");
    };
    let line = document.line;
    match Object::from_value(document.value) {
        Ok(object) if object.kind() == "Application" => {
            Application::from_object(&object).with_context(|| format!("{name}:{line}"))
        }
        _ => bail!("{name}:{line}: expected an Application"),
    }
}

/// Returns the one source of the application.
fn source(application: Option<&Application>) -> anyhow::Result<Option<ApplicationSource>> {
    let Some(application) = application else { return Ok(None) };
    let name = application.qualified_name();
    match application.spec.sources().as_ref() {
        [source] => Ok(Some(source.clone())),
        [] => bail!("application {name} has no source; give it spec.source"),
        _ => bail!("application {name} has several sources, which cannot be rendered yet; keep one of them"),
    }
}

/// Returns the name of the application: the one given, else the Application's, else that of the directory.
fn app_name(args: &RenderArgs, application: Option<&Application>, directory: &str) -> anyhow::Result<String> {
    let of_application = application.map(|application| application.metadata.name.clone());
    let name = args.name.clone().or(of_application).unwrap_or_else(|| directory.to_owned());
    if name.is_empty() {
        bail!("the directory has no name; give the application's with --name");
    }
    Ok(name)
}

/// Returns the last part of a path or URL that is a name, without `.git`.
fn last_segment(path: &str) -> &str {
    let segment = path.rsplit('/').find(|segment| !matches!(*segment, "" | "." | "..")).unwrap_or_default();
    segment.strip_suffix(".git").unwrap_or(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_repositories_have_a_name() {
        for (path, expected) in [
            ("apps/web", "web"),
            ("apps/web/", "web"),
            ("apps/web/.", "web"),
            (".", ""),
            ("", ""),
            ("https://example.com/org/repo.git", "repo"),
        ] {
            assert_eq!(last_segment(path), expected, "{path}");
        }
    }
}
