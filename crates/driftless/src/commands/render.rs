use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use application_api::{Application, ApplicationSource, RepoUrl, SourceSet};
use artifact_source::{ArtifactOptions, Artifacts};
use git_source::{AddressPolicy, DirTree, GitOptions, Repositories, SourceTree};
use kube_object::{ClusterVersions, Object, RenderedManifests, Stability};
use kube_yaml::Limits;
use manifest_render::{Format, RenderContext, RenderRequest, RenderWorkers, WorkerOptions};
use source_loader::{Freshness, Loader, Origin, RenderTask};

use super::Outcome;
use crate::cli::{RenderArgs, Structured};
use crate::config::default_render_worker;
use crate::output;

/// Renders, without a cluster, what would be applied.
pub(super) async fn run(args: RenderArgs) -> anyhow::Result<Outcome> {
    let application = args.application.as_deref().map(read_application).transpose()?;
    let data = tempfile::tempdir().context("no directory for what is fetched")?;
    let loader = loader(data.path());
    let sources = sources(&args, application.as_ref())?;
    let directory = args.dir.as_deref().map(opened).transpose()?;
    let name = app_name(&args, application.as_ref(), &sources, directory.as_deref())?;
    let mut placed = Vec::new();
    for (at, source) in sources.all().iter().enumerate() {
        let local = directory.as_deref().filter(|_| replaced_by_directory(&sources) == Some(at));
        placed.push(place(&loader, source, local).await?);
    }
    let mut parts = Vec::new();
    for source in &placed {
        parts.push(Arc::new(rendered(&args, application.as_ref(), &name, source, &sources, &placed, &loader).await?));
    }
    let manifests = RenderedManifests::joined(&parts);
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

/// Makes what reads repositories, registries and this machine for the person who asks: its own addresses are no secret to them.
fn loader(data: &Path) -> Loader {
    let addresses = AddressPolicy::local_allowed();
    let options = GitOptions { addresses: addresses.clone(), ..GitOptions::default() };
    let artifacts = ArtifactOptions { addresses, ..ArtifactOptions::new(data) };
    Loader::new(Repositories::new(data, options), Artifacts::new(artifacts))
}

/// A source with its tree.
struct Placed {
    source: ApplicationSource,
    tree: Arc<dyn SourceTree>,
    revision: String,
}

/// Returns which source a directory of this machine takes the place of: the first that has one.
fn replaced_by_directory(sources: &SourceSet) -> Option<usize> {
    if sources.is_list() { sources.all().iter().position(|source| !source.path.is_empty()) } else { Some(0) }
}

/// Opens the tree of a source, or the directory that takes the place of its repository and path.
async fn place(loader: &Loader, source: &ApplicationSource, local: Option<&Path>) -> anyhow::Result<Placed> {
    if let Some(directory) = local {
        let source = ApplicationSource { path: ".".to_owned(), chart: String::new(), ..source.clone() };
        return Ok(Placed { source, tree: Arc::new(DirTree::new(directory)), revision: String::new() });
    }
    output::progress(&format!("reading {}", source.repo_url));
    let options = GitOptions::default();
    let revision = loader.resolve(source, Instant::now() + options.list_timeout + options.fetch_timeout).await?;
    let tree = loader.tree(&Origin::of(source), &revision).await?;
    Ok(Placed { source: source.clone(), tree, revision })
}

async fn rendered(
    args: &RenderArgs,
    application: Option<&Application>,
    name: &str,
    placed: &Placed,
    sources: &SourceSet,
    all: &[Placed],
    loader: &Loader,
) -> anyhow::Result<RenderedManifests> {
    let named = all.iter().filter(|other| other.source.is_ref());
    let refs = named.map(|other| (other.source.ref_name.clone(), Arc::clone(&other.tree))).collect();
    let task = RenderTask {
        tree: Arc::clone(&placed.tree),
        request: RenderRequest::from_source(&placed.source, name)?,
        context: context(args, application, &placed.source, name, placed.revision.clone()),
        refs: sources.is_list().then_some(refs),
        needed: BTreeSet::new(),
        freshness: Freshness::Recent,
    };
    let render = loader.render(task, &workers(args)).await?;
    if render.stability == Stability::Unstable {
        output::warning("the source renders differently each time: a chart uses random values or the time");
    }
    Ok(render.manifests)
}

fn opened(directory: &Path) -> anyhow::Result<PathBuf> {
    std::fs::canonicalize(directory).with_context(|| format!("cannot open {}", directory.display()))
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

/// Returns the sources: those of the application, with what the options say instead.
fn sources(args: &RenderArgs, application: Option<&Application>) -> anyhow::Result<SourceSet> {
    let Some(application) = application else {
        return Ok(SourceSet::single(with_options(args, ApplicationSource::default())));
    };
    let name = application.qualified_name();
    match SourceSet::of_spec(&application.spec) {
        None => bail!("application {name} has no source; give it spec.source"),
        Some(sources) if sources.all().len() == 1 => {
            let source = with_options(args, sources.all()[0].clone());
            Ok(if sources.is_list() { SourceSet::list(vec![source]) } else { SourceSet::single(source) })
        }
        Some(_) if args.repo.is_some() || args.path.is_some() || args.revision.is_some() => {
            bail!(
                "application {name} has several sources; leave --repo, --path and --revision out, or keep one of them"
            )
        }
        Some(sources) => Ok(sources),
    }
}

/// Puts what options say in the place of what a source says.
fn with_options(args: &RenderArgs, mut source: ApplicationSource) -> ApplicationSource {
    if let Some(repo) = &args.repo {
        // A path is meant from here, not from where the mirror is.
        let local = std::fs::canonicalize(repo).ok().and_then(|path| path.to_str().map(str::to_owned));
        source.repo_url = RepoUrl::new(&local.unwrap_or_else(|| repo.clone()));
    }
    source.path = args.path.clone().unwrap_or(source.path);
    source.target_revision = args.revision.clone().unwrap_or(source.target_revision);
    source
}

/// Returns the name of the application: the one given, else the Application's, else that of the directory or the repository.
fn app_name(
    args: &RenderArgs,
    application: Option<&Application>,
    sources: &SourceSet,
    directory: Option<&Path>,
) -> anyhow::Result<String> {
    let of_application = application.map(|application| application.metadata.name.clone());
    let of_place = || match (directory, sources.all()) {
        (Some(directory), _) => directory.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned(),
        (None, [source, ..]) => {
            let written = source.repo_url.to_string();
            let parts = [source.path.as_str(), source.chart.as_str(), &written];
            parts.into_iter().map(last_segment).find(|segment| !segment.is_empty()).unwrap_or_default().to_owned()
        }
        (None, []) => String::new(),
    };
    let name = args.name.clone().or(of_application).unwrap_or_else(of_place);
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
