use std::collections::BTreeMap;

use kube_object::{Object, ObjectMeta};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::{FieldError, is_default, parse, string_enum};
use crate::{ApplicationDestination, schema};

/// An AppProject: what its applications may deploy from where to where, and who may act on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppProject {
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Permissions.
    pub spec: AppProjectSpec,
    /// Issued tokens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Option<AppProjectStatus>,
}

impl AppProject {
    /// Reads an AppProject from an object; the error names the field that has the wrong type.
    pub fn from_object(object: &Object) -> Result<Self, FieldError> {
        #[derive(Deserialize)]
        struct Parts {
            #[serde(default)]
            spec: AppProjectSpec,
            status: Option<AppProjectStatus>,
        }
        let fields = ["spec", "status"].into_iter().filter_map(|name| Some((name, object.fields().get(name)?.clone())));
        let Parts { spec, status } = parse(&fields.map(|(name, value)| (name.to_owned(), value)).collect())?;
        Ok(Self { metadata: object.metadata(), spec, status })
    }
}

/// The permissions of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct AppProjectSpec {
    /// Repositories, globs; `!` negates.
    #[serde(skip_serializing_if = "is_default")]
    pub source_repos: Vec<String>,
    /// Destinations, globs; `!` negates.
    #[serde(skip_serializing_if = "is_default")]
    pub destinations: Vec<ApplicationDestination>,
    /// What the project is for.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(schema_with = "schema::short_text")]
    pub description: String,
    /// Roles.
    #[serde(skip_serializing_if = "is_default")]
    pub roles: Vec<ProjectRole>,
    /// Cluster-scoped kinds that are allowed; none when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_resource_whitelist: Vec<ClusterResourceRestriction>,
    /// Cluster-scoped kinds that are denied.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_resource_blacklist: Vec<ClusterResourceRestriction>,
    /// Namespaced kinds that are allowed; all when absent, none when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace_resource_whitelist: Option<Vec<GroupKindPattern>>,
    /// Namespaced kinds that are denied.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace_resource_blacklist: Vec<GroupKindPattern>,
    /// Whether to look for objects without an application.
    #[serde(skip_serializing_if = "is_default")]
    pub orphaned_resources: Option<OrphanedResources>,
    /// When syncs are allowed or denied.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_windows: Vec<SyncWindow>,
    /// Keys that must have signed commits; deprecated.
    #[serde(skip_serializing_if = "is_default")]
    pub signature_keys: Vec<SignatureKey>,
    /// Namespaces that Applications may live in, globs or `/regex/`.
    #[serde(skip_serializing_if = "is_default")]
    pub source_namespaces: Vec<String>,
    /// Whether only clusters of the project are destinations.
    #[serde(skip_serializing_if = "is_default")]
    pub permit_only_project_scoped_clusters: bool,
    /// Service accounts that syncs act as.
    #[serde(skip_serializing_if = "is_default")]
    pub destination_service_accounts: Vec<DestinationServiceAccount>,
    /// How commits are verified.
    #[serde(skip_serializing_if = "is_default")]
    pub source_integrity: Option<SourceIntegrity>,
}

/// Group and kind of namespaced objects, globs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["group", "kind"]))]
pub struct GroupKindPattern {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
}

/// Group, kind and name of cluster-scoped objects, globs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["group", "kind"]))]
pub struct ClusterResourceRestriction {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name; empty means any.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
}

/// Whether to look for objects without an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct OrphanedResources {
    /// Whether they raise a condition.
    #[serde(skip_serializing_if = "is_default")]
    pub warn: Option<bool>,
    /// Objects that do not count.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore: Vec<OrphanedResourceKey>,
}

/// Objects that do not count as orphaned, globs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct OrphanedResourceKey {
    /// API group.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// Kind.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
}

string_enum! {
    /// What a sync window does.
    SyncWindowKind {
        /// Syncs happen inside it only.
        Allow = "allow",
        /// Syncs happen outside it only.
        Deny = "deny",
    }
}

/// A time in which syncs are allowed or denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SyncWindow {
    /// Allow or deny.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: Option<SyncWindowKind>,
    /// When it begins, in cron's five fields.
    #[serde(skip_serializing_if = "is_default")]
    pub schedule: String,
    /// How long it lasts.
    #[serde(skip_serializing_if = "is_default")]
    pub duration: String,
    /// Applications, globs.
    #[serde(skip_serializing_if = "is_default")]
    pub applications: Vec<String>,
    /// Namespaces, globs.
    #[serde(skip_serializing_if = "is_default")]
    pub namespaces: Vec<String>,
    /// Clusters, globs.
    #[serde(skip_serializing_if = "is_default")]
    pub clusters: Vec<String>,
    /// Whether syncs that people ask for are exempt.
    #[serde(skip_serializing_if = "is_default")]
    pub manual_sync: bool,
    /// Time zone of the schedule; UTC when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub time_zone: String,
    /// Whether all lists must match, not one of them.
    #[serde(skip_serializing_if = "is_default")]
    pub and_operator: bool,
    /// What it is for.
    #[serde(skip_serializing_if = "is_default")]
    pub description: String,
    /// Whether a sync that has begun goes on.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_overrun: bool,
}

/// A role of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["name"]))]
pub struct ProjectRole {
    /// Name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "is_default")]
    pub description: String,
    /// Policy lines.
    #[serde(skip_serializing_if = "is_default")]
    pub policies: Vec<String>,
    /// Issued tokens; deprecated.
    #[serde(skip_serializing_if = "is_default")]
    pub jwt_tokens: Vec<JwtToken>,
    /// Groups that have the role.
    #[serde(skip_serializing_if = "is_default")]
    pub groups: Vec<String>,
}

/// An issued token, without its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["iat"]))]
pub struct JwtToken {
    /// When it was issued, seconds since 1970.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// When it expires, seconds since 1970; 0 means never.
    #[serde(rename = "exp", skip_serializing_if = "is_default")]
    pub expires_at: i64,
    /// Its id.
    #[serde(skip_serializing_if = "is_default")]
    pub id: String,
}

/// A key that may sign commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["keyID"]))]
pub struct SignatureKey {
    /// Id of the key.
    #[serde(rename = "keyID")]
    pub key_id: String,
}

/// A service account that syncs to a destination act as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["defaultServiceAccount", "server"]))]
pub struct DestinationServiceAccount {
    /// URL of the cluster, a glob.
    pub server: String,
    /// Namespace, a glob.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Name, or namespace and name with a colon between.
    pub default_service_account: String,
}

/// How commits are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["git"]))]
pub struct SourceIntegrity {
    /// Rules for Git.
    pub git: Option<SourceIntegrityGit>,
}

/// Rules for Git repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["policies"]))]
pub struct SourceIntegrityGit {
    /// The rules; at most one may match a repository.
    pub policies: Vec<SourceIntegrityPolicy>,
}

/// One rule for Git repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["gpg", "repos"]))]
pub struct SourceIntegrityPolicy {
    /// Repositories it is about.
    pub repos: Vec<SourceIntegrityRepo>,
    /// What is verified with GPG.
    pub gpg: Option<SourceIntegrityGpg>,
}

/// Repositories that a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["url"]))]
pub struct SourceIntegrityRepo {
    /// URL, a glob; `!` negates.
    pub url: String,
}

string_enum! {
    /// Which commits must be signed.
    GpgMode {
        /// None.
        None = "none",
        /// The one that is deployed.
        Head = "head",
        /// All since the last seal.
        Strict = "strict",
    }
}

/// What is verified with GPG.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["keys", "mode"]))]
pub struct SourceIntegrityGpg {
    /// Which commits.
    pub mode: Option<GpgMode>,
    /// Ids of the keys that count.
    pub keys: Vec<String>,
}

/// What is known of a project besides its spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct AppProjectStatus {
    /// Issued tokens, by role.
    #[serde(skip_serializing_if = "is_default")]
    pub jwt_tokens_by_role: BTreeMap<String, JwtTokens>,
}

/// The issued tokens of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct JwtTokens {
    /// The tokens.
    #[serde(skip_serializing_if = "is_default")]
    pub items: Vec<JwtToken>,
}
