use application_api::{ApplicationCondition, ConditionType, RepoUrl};
use kube_object::GroupKind;
use thiserror::Error;

/// What a project does not permit, in the words of Argo CD. Waits for a change of the project or the Application.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The project does not exist.
    #[error("Application referencing project {project} which does not exist")]
    NoProject {
        /// Name of the project.
        project: String,
    },
    /// Applications of a namespace may not use the project.
    #[error("application '{name}' in namespace '{namespace}' is not allowed to use project {project}")]
    ApplicationNamespace {
        /// Name of the Application.
        name: String,
        /// Its namespace.
        namespace: String,
        /// Name of the project.
        project: String,
    },
    /// A repository.
    #[error("application repo {repository} is not permitted in project '{project}'")]
    Source {
        /// The repository; printed without credentials.
        repository: RepoUrl,
        /// Name of the project.
        project: String,
    },
    /// A cluster and namespace of an application.
    #[error(
        "application destination server '{server}' and namespace '{namespace}' do not match any of the allowed \
         destinations in project '{project}'"
    )]
    Destination {
        /// Name of the cluster where the spec names it, else its address.
        server: String,
        /// Namespace.
        namespace: String,
        /// Name of the project.
        project: String,
    },
    /// A kind, or a cluster-scoped object of that name.
    #[error("resource {}:{} is not permitted in project {project}", group_kind.group, group_kind.kind)]
    Kind {
        /// Group and kind.
        group_kind: GroupKind,
        /// Name of the project.
        project: String,
    },
    /// The namespace of an object.
    #[error("namespace {namespace} is not permitted in project '{project}'")]
    Namespace {
        /// Namespace.
        namespace: String,
        /// Name of the project.
        project: String,
    },
    /// The project names no service account for a destination.
    #[error("no matching service account found for destination server {server} and namespace {namespace}")]
    NoServiceAccount {
        /// Address of the cluster.
        server: String,
        /// Namespace.
        namespace: String,
    },
    /// The project names a service account that cannot be one.
    #[error("default service account contains invalid chars '{account}'")]
    InvalidServiceAccount {
        /// The text.
        account: String,
    },
}

impl Refusal {
    /// Returns the condition that tells people.
    pub fn condition(&self) -> ApplicationCondition {
        ApplicationCondition::new(ConditionType::InvalidSpecError, self.to_string())
    }
}
