//! Whether an Application asks for something that is permitted and supported (Argo CD semantics, 1.2 and 1.4).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use access_control::Project;
use app_compare::ManagedNamespace;
use application_api::{AppProject, Application, ApplicationSource, ApplicationSpec, SourceSet, SyncOptions};
use kube_object::ClusterId;
use settings::Settings;
use sync_plan::SyncWindows;

use crate::guard::GuardRules;

/// What a valid spec comes down to.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) project: Arc<KnownProject>,
    pub(crate) sources: SourceSet,
    pub(crate) cluster: ClusterId,
    /// Name of the cluster, for the project's destinations.
    pub(crate) server_name: String,
    pub(crate) namespace: String,
    pub(crate) options: SyncOptions,
    /// Metadata of the destination namespace, if the Application manages it.
    pub(crate) managed_namespace: Option<ManagedNamespace>,
}

/// The outcome of a check.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    /// What the spec comes down to; none when project or destination cannot be told.
    pub(crate) spec: Option<Spec>,
    /// Everything that is wrong. A deletion goes on whatever it is, as long as project and destination are known.
    pub(crate) problems: Vec<String>,
}

/// A project with what it asks for and is not built yet.
#[derive(Debug)]
pub(crate) struct KnownProject {
    pub(crate) permissions: Project,
    pub(crate) guard: GuardRules,
    pub(crate) windows: SyncWindows,
    /// What is wrong with its annotations.
    problem: Option<String>,
    unsupported: Vec<&'static str>,
}

impl KnownProject {
    pub(crate) fn of(project: &AppProject) -> Self {
        let spec = &project.spec;
        let asked = [
            ("signatureKeys", !spec.signature_keys.is_empty()),
            ("sourceIntegrity", spec.source_integrity.is_some()),
            ("permitOnlyProjectScopedClusters", spec.permit_only_project_scoped_clusters),
        ];
        let unsupported = asked.into_iter().filter(|(_, asked)| *asked).map(|(field, _)| field).collect();
        let (guard, problem) = match GuardRules::read(&project.metadata.annotations) {
            Ok(guard) => (guard, None),
            Err(problem) => (GuardRules::default(), Some(problem)),
        };
        let windows = SyncWindows::read(&spec.sync_windows);
        Self { permissions: Project::of(project), guard, windows, problem, unsupported }
    }
}

/// Application sync options that would change what a sync does and are not built yet.
const UNSUPPORTED_OPTIONS: [&str; 1] = ["RespectIgnoreDifferences=true"];

/// Checks a spec.
pub(crate) fn check(
    application: &Application,
    projects: &HashMap<String, Result<Arc<KnownProject>, String>>,
    settings: &Settings,
) -> Checked {
    let spec = &application.spec;
    let mut problems = Vec::new();
    let sources = SourceSet::of_spec(spec).unwrap_or_else(|| SourceSet::single(ApplicationSource::default()));
    check_sources(application, &sources, &mut problems);
    let destination = destination(application, settings).map_err(|problem| problems.push(problem)).ok();
    let project = match projects.get(spec.project()) {
        Some(Ok(project)) => Some(Arc::clone(project)),
        Some(Err(error)) => {
            problems.push(format!("Application referencing project {} which cannot be read: {error}", spec.project()));
            None
        }
        None => {
            problems.push(format!("Application referencing project {} which does not exist", spec.project()));
            None
        }
    };
    if let (Some(project), Some((server, name))) = (&project, &destination) {
        let server = ClusterId::new(server);
        let cluster = access_control::Cluster { server: &server, name, project: "" };
        let urls: BTreeSet<_> = sources.all().iter().map(|source| &source.repo_url).collect();
        let refused = urls.into_iter().filter_map(|url| project.permissions.permits_source(url).err());
        problems.extend(refused.map(|refusal| refusal.to_string()));
        problems.extend(
            project
                .permissions
                .permits_destination(&spec.destination, &cluster)
                .err()
                .map(|refusal| refusal.to_string()),
        );
        problems.extend(project.problem.iter().map(|problem| format!("project '{}': {problem}", spec.project())));
        problems.extend(project.unsupported.iter().map(|field| {
            let project = spec.project();
            format!("spec.{field} of project '{project}' is not supported yet, and syncing without it could do what it forbids")
        }));
    }
    problems.extend(GuardRules::read(&application.metadata.annotations).err());
    check_policy(application, settings, &mut problems);
    let resolved = project.zip(destination).map(|(project, (_, server_name))| Spec {
        project,
        sources,
        cluster: ClusterId::in_cluster(),
        server_name,
        namespace: spec.destination.namespace.clone(),
        options: spec.sync_policy.as_ref().map(|policy| policy.sync_options.clone()).unwrap_or_default(),
        managed_namespace: managed_namespace(spec),
    });
    Checked { spec: resolved, problems }
}

/// Returns the metadata that an Application gives its namespace; only what creates it manages it.
fn managed_namespace(spec: &ApplicationSpec) -> Option<ManagedNamespace> {
    let policy = spec.sync_policy.as_ref().filter(|policy| policy.sync_options.has("CreateNamespace=true"))?;
    let metadata = policy.managed_namespace_metadata.as_ref()?;
    Some(ManagedNamespace { labels: metadata.labels.clone(), annotations: metadata.annotations.clone() })
}

fn check_sources(application: &Application, sources: &SourceSet, problems: &mut Vec<String>) {
    let spec = &application.spec;
    if spec.source_hydrator.is_some() {
        problems.push("spec.sourceHydrator is not supported yet: use spec.source".to_owned());
    }
    if let Err(error) = spec.check_sources() {
        problems.push(error.to_string());
        return;
    }
    problems.extend(reference_problem(sources));
    for (at, source) in sources.all().iter().enumerate() {
        let field = if sources.is_list() { format!("spec.sources[{at}]") } else { "spec.source".to_owned() };
        if !source.tag_prefix.is_empty() {
            let problem = "is not supported yet, and without it another revision would be chosen";
            problems.push(format!("{field}.tagPrefix {problem}"));
        }
        if let Ok(Some(kind)) = source.explicit_type()
            && kind == application_api::SourceType::Plugin
        {
            problems.push(format!("sources of type {kind} are not supported yet: {field}.plugin is set"));
        }
    }
}

/// Tells what is wrong with how sources refer to each other, in Argo CD's words where it has some (semantics, 6.10).
fn reference_problem(sources: &SourceSet) -> Option<String> {
    let mut named: BTreeMap<&str, &ApplicationSource> = BTreeMap::new();
    for source in sources.all().iter().filter(|source| sources.is_list() && source.is_ref()) {
        let name = source.ref_name.as_str();
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            return Some(format!("spec.sources: ref {name:?} may have letters, digits, _ and - only"));
        }
        if named.insert(name, source).is_some() {
            return Some("invalid sources: multiple sources had the same `ref` key".to_owned());
        }
    }
    let refers = |text: &str| text.strip_prefix('$').map(|rest| rest.split('/').next().unwrap_or(rest).to_owned());
    let options = sources.all().iter().filter_map(|source| source.helm.as_ref());
    let files = options
        .flat_map(|helm| helm.value_files.iter().chain(helm.file_parameters.iter().map(|parameter| &parameter.path)));
    for name in files.filter_map(|file| refers(file)) {
        if named.get(name.as_str()).is_some_and(|source| source.is_helm()) {
            let problem =
                "source has a 'chart' field defined, but Helm charts are not yet not supported for 'ref' sources";
            return Some(problem.to_owned());
        }
    }
    None
}

fn check_policy(application: &Application, settings: &Settings, problems: &mut Vec<String>) {
    let spec = &application.spec;
    if !spec.ignore_differences.is_empty() {
        problems.push("spec.ignoreDifferences is not supported yet, and without it verdicts would be wrong".to_owned());
    }
    let Some(policy) = &spec.sync_policy else { return };
    for option in UNSUPPORTED_OPTIONS.iter().filter(|option| policy.sync_options.has(option)) {
        problems.push(format!("sync option {option} in spec.syncPolicy.syncOptions is not supported yet"));
    }
    if let Some(Err(error)) = policy.retry.as_ref().map(|retry| retry.next_attempt(jiff::Timestamp::UNIX_EPOCH, 0)) {
        problems.push(format!("spec.syncPolicy.retry.backoff: {error}"));
    }
    if settings.impersonation != settings::Impersonation::Off {
        problems.push("application.sync.impersonation.enabled in argocd-cm is not supported yet".to_owned());
    }
}

/// Resolves the destination to the URL and the name of a cluster.
fn destination(application: &Application, settings: &Settings) -> Result<(String, String), String> {
    let destination = &application.spec.destination;
    let (server, name) = (destination.server.as_str(), destination.name.as_str());
    let in_cluster = || (ClusterId::IN_CLUSTER_SERVER.to_owned(), ClusterId::IN_CLUSTER_NAME.to_owned());
    let is_local = |server: &str| server.trim_end_matches('/') == ClusterId::IN_CLUSTER_SERVER;
    match (server.is_empty(), name.is_empty()) {
        (true, true) => Err("Destination server missing from app spec".to_owned()),
        (false, false) => {
            Err(format!("application destination can't have both name and server defined: {name} {server}"))
        }
        _ if !settings.in_cluster_enabled && (is_local(server) || name == ClusterId::IN_CLUSTER_NAME) => {
            Err("the cluster the daemon runs in is disabled: cluster.inClusterEnabled in argocd-cm is \"false\""
                .to_owned())
        }
        (true, false) if name == ClusterId::IN_CLUSTER_NAME => Ok(in_cluster()),
        (true, false) => Err(format!("there are no clusters with this name: {name}")),
        (false, true) if is_local(server) => Ok(in_cluster()),
        (false, true) => Err(format!(
            "cluster {server} is not known: only {} (name in-cluster) is supported yet",
            ClusterId::IN_CLUSTER_SERVER
        )),
    }
}
