use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::is_default;
use crate::{
    ApplicationSource, ApplicationSourceDirectory, ApplicationSourceHelm, ApplicationSourceKustomize,
    ApplicationSourcePlugin, RepoUrl, SpecError, schema,
};

/// Dry manifests that are rendered to a branch from which the application is synced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["drySource", "syncSource"]))]
pub struct SourceHydrator {
    /// What is rendered.
    pub dry_source: DrySource,
    /// What is synced.
    pub sync_source: SyncSource,
    /// Where rendered manifests are pushed, if not to the branch that is synced.
    #[serde(skip_serializing_if = "is_default")]
    pub hydrate_to: Option<HydrateTo>,
}

/// The dry manifests of a hydrated application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["path", "repoURL", "targetRevision"]))]
pub struct DrySource {
    /// URL of the repository.
    #[serde(rename = "repoURL")]
    pub repo_url: RepoUrl,
    /// Branch, tag or commit.
    pub target_revision: String,
    /// Directory in the repository.
    pub path: String,
    /// Helm options.
    #[serde(skip_serializing_if = "is_default")]
    pub helm: Option<Box<ApplicationSourceHelm>>,
    /// Kustomize options.
    #[serde(skip_serializing_if = "is_default")]
    pub kustomize: Option<Box<ApplicationSourceKustomize>>,
    /// Options for a directory of manifests.
    #[serde(skip_serializing_if = "is_default")]
    pub directory: Option<Box<ApplicationSourceDirectory>>,
    /// Options for a config management plugin.
    #[serde(skip_serializing_if = "is_default")]
    pub plugin: Option<Box<ApplicationSourcePlugin>>,
}

/// The branch and directory a hydrated application is synced from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["path", "targetBranch"]))]
pub struct SyncSource {
    /// Branch.
    pub target_branch: String,
    /// Directory; not the root of the repository.
    #[schemars(schema_with = "schema::path_below_root")]
    pub path: String,
    /// URL of the repository; empty means that of the dry source.
    #[serde(rename = "repoURL", skip_serializing_if = "is_default")]
    pub repo_url: RepoUrl,
}

/// The branch rendered manifests are pushed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["targetBranch"]))]
pub struct HydrateTo {
    /// Branch.
    pub target_branch: String,
}

impl SourceHydrator {
    /// Checks that the fields without which nothing can be rendered or synced are there.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let missing = |when, field| Err(SpecError::IncompleteHydrator { when, field });
        if self.dry_source.repo_url.is_empty() {
            return missing("", "drySource.repoURL");
        }
        if self.sync_source.target_branch.is_empty() {
            return missing("", "syncSource.targetBranch");
        }
        if self.hydrate_to.as_ref().is_some_and(|to| to.target_branch.is_empty()) {
            return missing("when spec.sourceHydrator.hydrateTo is set, ", "hydrateTo.targetBranch");
        }
        Ok(())
    }

    /// Returns the source that the application is synced from: a plain directory of the branch.
    pub fn sync_source(&self) -> ApplicationSource {
        let own = &self.sync_source.repo_url;
        ApplicationSource {
            repo_url: if own.as_str().is_empty() { self.dry_source.repo_url.clone() } else { own.clone() },
            path: self.sync_source.path.clone(),
            target_revision: self.sync_source.target_branch.clone(),
            ..ApplicationSource::default()
        }
    }
}
