use application_api::{
    AppProject, AppProjectSpec, ApplicationDestination, ClusterResourceRestriction, Pattern, PatternError, PatternKind,
    RepoUrl,
};
use kube_object::{ClusterId, GroupKind, Scope};

use crate::Refusal;
use crate::rules::{KindRule, Rule, Unreadable, Verdict, compile};

/// The permissions of a project, compiled.
///
/// Source of the rules: Argo CD's AppProject (semantics, section 7.1).
#[derive(Clone, Debug)]
pub struct Project {
    name: String,
    sources: Vec<Rule>,
    scoped_sources: Vec<RepoUrl>,
    destinations: Vec<DestinationRule>,
    clusters: ClusterLimit,
    namespaced: KindLists,
    cluster_scoped: KindLists,
    source_namespaces: Vec<Pattern>,
    service_accounts: Vec<ServiceAccountRule>,
    problems: Vec<PatternError>,
}

/// Which clusters are destinations at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClusterLimit {
    Any,
    OfProject,
}

#[derive(Clone, Debug)]
struct DestinationRule {
    server: Rule,
    name: Rule,
    namespace: Rule,
}

#[derive(Clone, Debug)]
struct KindLists {
    /// None means all.
    allowed: Option<Vec<KindRule>>,
    denied: Vec<KindRule>,
}

#[derive(Clone, Debug)]
struct ServiceAccountRule {
    server: Option<Pattern>,
    namespace: Option<Pattern>,
    account: String,
}

/// A destination cluster, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster<'a> {
    /// URL of its API server.
    pub server: &'a ClusterId,
    /// Its name.
    pub name: &'a str,
    /// The project that its Secret names; empty means none.
    pub project: &'a str,
}

/// A cluster whose Secret names a project: a destination of that project without being listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedCluster {
    /// URL of its API server.
    pub server: ClusterId,
    /// Namespaces that its Secret lists; all when empty.
    pub namespaces: Vec<String>,
}

/// The service account that a sync acts as.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServiceAccount {
    /// Returns the name of the user that requests are made as.
    pub fn user_name(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// Returns the spec of the project `default`: everything is allowed, cluster-scoped objects too.
pub fn default_project_spec() -> AppProjectSpec {
    let any = || "*".to_owned();
    AppProjectSpec {
        source_repos: vec![any()],
        destinations: vec![ApplicationDestination { server: any(), namespace: any(), name: String::new() }],
        cluster_resource_whitelist: vec![ClusterResourceRestriction { group: any(), kind: any(), name: String::new() }],
        ..AppProjectSpec::default()
    }
}

impl Project {
    /// Compiles the permissions of a project. Patterns that cannot be read are [`Project::problems`].
    pub fn new(name: &str, spec: &AppProjectSpec) -> Self {
        let mut problems = Vec::new();
        let p = &mut problems;
        let sources = spec.source_repos.iter().map(|text| Rule::of_repository(text, p)).collect();
        let destinations = spec.destinations.iter().map(|rule| DestinationRule::new(rule, p)).collect();
        let namespaced = KindLists {
            allowed: spec
                .namespace_resource_whitelist
                .as_ref()
                .map(|rules| rules.iter().map(|rule| KindRule::namespaced(rule, p)).collect()),
            denied: spec.namespace_resource_blacklist.iter().map(|rule| KindRule::namespaced(rule, p)).collect(),
        };
        let cluster_scoped = KindLists {
            allowed: Some(spec.cluster_resource_whitelist.iter().map(|rule| KindRule::cluster(rule, p)).collect()),
            denied: spec.cluster_resource_blacklist.iter().map(|rule| KindRule::cluster(rule, p)).collect(),
        };
        let source_namespaces =
            spec.source_namespaces.iter().filter_map(|text| compile(text, PatternKind::GlobOrRegex, p)).collect();
        let service_accounts = spec
            .destination_service_accounts
            .iter()
            .map(|rule| ServiceAccountRule {
                server: compile(&rule.server, PatternKind::Glob, p),
                namespace: compile(&rule.namespace, PatternKind::Glob, p),
                account: rule.default_service_account.clone(),
            })
            .collect();
        Self {
            name: name.to_owned(),
            sources,
            scoped_sources: Vec::new(),
            destinations,
            clusters: if spec.permit_only_project_scoped_clusters {
                ClusterLimit::OfProject
            } else {
                ClusterLimit::Any
            },
            namespaced,
            cluster_scoped,
            source_namespaces,
            service_accounts,
            problems,
        }
    }

    /// Compiles the permissions of an AppProject.
    pub fn of(project: &AppProject) -> Self {
        Self::new(&project.metadata.name, &project.spec)
    }

    /// Adds repositories and clusters whose Secrets name the project: they are permitted without being listed.
    #[must_use]
    pub fn with_scoped(mut self, repositories: &[RepoUrl], clusters: &[ScopedCluster]) -> Self {
        self.scoped_sources.extend(repositories.iter().map(RepoUrl::normalized));
        for cluster in clusters {
            let all = ["*".to_owned()];
            let namespaces = if cluster.namespaces.is_empty() { &all[..] } else { &cluster.namespaces };
            for namespace in namespaces {
                let destination = ApplicationDestination {
                    server: cluster.server.as_str().to_owned(),
                    namespace: namespace.clone(),
                    name: String::new(),
                };
                self.destinations.push(DestinationRule::new(&destination, &mut self.problems));
            }
        }
        self
    }

    /// Returns the project's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the patterns that cannot be read.
    pub fn problems(&self) -> &[PatternError] {
        &self.problems
    }

    /// Tells whether manifests may come from a repository.
    pub fn permits_source(&self, repository: &RepoUrl) -> Result<(), Refusal> {
        let url = repository.normalized();
        let mut is_matched = self.scoped_sources.contains(&url);
        let mut is_denied = false;
        for rule in &self.sources {
            match rule.verdict(url.as_str()) {
                Verdict::Match => is_matched = true,
                Verdict::NoMatch => {}
                Verdict::Denied => is_denied = true,
            }
        }
        if is_matched && !is_denied {
            return Ok(());
        }
        Err(Refusal::Source { repository: repository.clone(), project: self.name.clone() })
    }

    /// Tells whether an application may have a destination; `cluster` is what the destination resolves to.
    pub fn permits_destination(
        &self,
        destination: &ApplicationDestination,
        cluster: &Cluster<'_>,
    ) -> Result<(), Refusal> {
        if self.permits_namespace(cluster, &destination.namespace) {
            return Ok(());
        }
        let server = if destination.name.is_empty() { cluster.server.as_str() } else { cluster.name };
        Err(Refusal::Destination {
            server: server.to_owned(),
            namespace: destination.namespace.clone(),
            project: self.name.clone(),
        })
    }

    /// Tells whether an object may be managed in a cluster: its kind, for cluster-scoped objects its name, for others its
    /// namespace.
    pub fn permits_object(
        &self,
        group_kind: &GroupKind,
        scope: Scope,
        namespace: &str,
        name: &str,
        cluster: &Cluster<'_>,
    ) -> Result<(), Refusal> {
        let lists = match scope {
            Scope::Namespaced => &self.namespaced,
            Scope::Cluster => &self.cluster_scoped,
        };
        if !lists.permit(group_kind, name) {
            return Err(Refusal::Kind { group_kind: group_kind.clone(), project: self.name.clone() });
        }
        if scope == Scope::Namespaced && !self.permits_namespace(cluster, namespace) {
            return Err(Refusal::Namespace { namespace: namespace.to_owned(), project: self.name.clone() });
        }
        Ok(())
    }

    /// Tells whether the Application `namespace/name` may use the project; `control` is the control-plane namespace, whose
    /// Applications always may.
    pub fn permits_application(&self, namespace: &str, name: &str, control: &str) -> Result<(), Refusal> {
        let is_control = namespace.is_empty() || namespace == control;
        if is_control || self.source_namespaces.iter().any(|pattern| pattern.matches(namespace)) {
            return Ok(());
        }
        Err(Refusal::ApplicationNamespace {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            project: self.name.clone(),
        })
    }

    /// Returns the service account that syncs to a destination act as (semantics, section 2.11): the first whose server and
    /// namespace match. Without a namespace of its own it lives in the destination's, or else in the Application's.
    pub fn service_account(
        &self,
        server: &ClusterId,
        namespace: &str,
        application_namespace: &str,
    ) -> Result<ServiceAccount, Refusal> {
        let matches =
            |pattern: &Option<Pattern>, text: &str| pattern.as_ref().is_some_and(|pattern| pattern.matches(text));
        let rule = self
            .service_accounts
            .iter()
            .find(|rule| matches(&rule.server, server.as_str()) && matches(&rule.namespace, namespace))
            .ok_or_else(|| Refusal::NoServiceAccount {
                server: server.as_str().to_owned(),
                namespace: namespace.to_owned(),
            })?;
        if rule.account.trim().is_empty() || rule.account.contains(['!', '*', '[', ']', '{', '}', '\\', '/']) {
            return Err(Refusal::InvalidServiceAccount { account: rule.account.clone() });
        }
        let default_namespace = if namespace.is_empty() { application_namespace } else { namespace };
        let (namespace, name) = rule.account.split_once(':').unwrap_or((default_namespace, &rule.account));
        Ok(ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    fn permits_namespace(&self, cluster: &Cluster<'_>, namespace: &str) -> bool {
        if self.clusters == ClusterLimit::OfProject && cluster.project != self.name {
            return false;
        }
        let mut is_matched = false;
        for rule in &self.destinations {
            match rule.verdict(cluster, namespace) {
                Verdict::Match => is_matched = true,
                Verdict::NoMatch => {}
                Verdict::Denied => return false,
            }
        }
        is_matched
    }
}

impl DestinationRule {
    fn new(destination: &ApplicationDestination, problems: &mut Vec<PatternError>) -> Self {
        Self {
            server: Rule::of_name(&destination.server, problems),
            name: Rule::of_name(&destination.name, problems),
            namespace: Rule::of_name(&destination.namespace, problems),
        }
    }

    /// An item matches when server or name, and namespace, match. It denies when its name denies; when its server denies and
    /// its namespace matches; when its namespace denies and its server matches. Matching goes first.
    fn verdict(&self, cluster: &Cluster<'_>, namespace: &str) -> Verdict {
        let (server, name) = (self.server.verdict(cluster.server.as_str()), self.name.verdict_on_name(cluster.name));
        let namespace = self.namespace.verdict(namespace);
        let is_cluster = server == Verdict::Match || name == Verdict::Match;
        if is_cluster && namespace == Verdict::Match {
            Verdict::Match
        } else if name == Verdict::Denied
            || server == Verdict::Denied && namespace == Verdict::Match
            || namespace == Verdict::Denied && server == Verdict::Match
        {
            Verdict::Denied
        } else {
            Verdict::NoMatch
        }
    }
}

impl KindLists {
    fn permit(&self, group_kind: &GroupKind, name: &str) -> bool {
        let any = |rules: &[KindRule], unreadable| rules.iter().any(|rule| rule.matches(group_kind, name, unreadable));
        self.allowed.as_ref().is_none_or(|rules| any(rules, Unreadable::MatchesNothing))
            && !any(&self.denied, Unreadable::MatchesEverything)
    }
}

#[cfg(test)]
mod tests;
