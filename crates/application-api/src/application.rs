use std::borrow::Cow;

use jiff::Timestamp;
use kube_object::{InstanceName, Object, ObjectMeta};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::wire::{FieldError, is_default, parse};
use crate::{
    ApplicationSource, ApplicationStatus, Operation, RepoUrl, SourceHydrator, SourceType, SyncPolicy,
    constants as names,
};

/// An Application: what to deploy from where to where, and how that went.
///
/// `metadata` is the part that decisions read, so this type is for reading and for making patches, never for replacing a
/// whole object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Application {
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: ApplicationSpec,
    /// Observed state; none until the first comparison.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Option<ApplicationStatus>,
    /// A requested operation; removed when it is done.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operation: Option<Operation>,
}

/// A request, in an annotation, to compare an application anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefreshKind {
    /// Resolve revisions and compare.
    Normal,
    /// The same without caches.
    Hard,
}

impl Application {
    /// Reads an Application from an object; the error names the field that has the wrong type.
    pub fn from_object(object: &Object) -> Result<Self, FieldError> {
        let part = |name: &str| object.fields().get(name).filter(|value| !value.is_null());
        let spec = part("spec")
            .ok_or_else(|| FieldError { field: "spec".to_owned(), message: "is missing, expected a map".to_owned() })?;
        Ok(Self {
            metadata: object.metadata(),
            spec: at("spec", spec)?,
            status: part("status").map(|value| at("status", value)).transpose()?,
            operation: part("operation").map(|value| at("operation", value)).transpose()?,
        })
    }

    /// Returns the name in tracking values for the control-plane namespace `control`.
    pub fn instance_name(&self, control: &str) -> InstanceName {
        InstanceName::of(&self.metadata.namespace, &self.metadata.name, control)
    }

    /// Returns `namespace/name`.
    pub fn qualified_name(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }

    /// Tells whether deletion has been requested.
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Returns the refresh that an annotation asks for; any value but `hard` is a normal one.
    pub fn requested_refresh(&self) -> Option<RefreshKind> {
        let value = self.metadata.annotations.get(names::REFRESH_ANNOTATION)?;
        Some(if value == "hard" { RefreshKind::Hard } else { RefreshKind::Normal })
    }

    /// Tells whether an annotation takes the application out of reconciliation. Text that is not a boolean does not.
    pub fn is_reconcile_skipped(&self) -> bool {
        let value = self.metadata.annotations.get(names::SKIP_RECONCILE_ANNOTATION);
        value.is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
    }

    /// Tells whether a finalizer is set.
    pub fn has_finalizer(&self, name: &str) -> bool {
        self.metadata.finalizers.iter().any(|finalizer| finalizer == name)
    }

    /// Returns the time at which deletion of objects that need a confirmation was approved, if it reads as one.
    pub fn deletion_approved_at(&self) -> Option<Timestamp> {
        self.metadata.annotations.get(names::DELETION_APPROVED_ANNOTATION)?.parse().ok()
    }
}

fn at<T: serde::de::DeserializeOwned>(name: &str, value: &Value) -> Result<T, FieldError> {
    parse(value).map_err(|error| FieldError {
        field: if error.field.is_empty() { name.to_owned() } else { format!("{name}.{}", error.field) },
        message: error.message,
    })
}

/// Why a spec cannot be acted on. Give up until the Application changes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecError {
    /// A source has options of several types.
    #[error("multiple application sources defined: {}", .0.iter().map(SourceType::as_str).collect::<Vec<_>>().join(","))]
    MultipleSourceTypes(Vec<SourceType>),
    /// The single source does not say where manifests are.
    #[error("spec.source.repoURL and either spec.source.path or spec.source.chart are required")]
    IncompleteSource,
    /// A source of the list does not say where manifests or files are.
    #[error("spec.source.repoURL and either source.path, source.chart, or source.ref are required for source {0}")]
    IncompleteSourceOfList(RepoUrl),
    /// A chart has no version.
    #[error("spec.source.targetRevision is required if the manifest source is a helm chart")]
    ChartWithoutRevision,
    /// A field of the hydrator is empty.
    #[error("{when}spec.sourceHydrator.{field} is required")]
    IncompleteHydrator {
        /// When the field is required; empty means always.
        when: &'static str,
        /// Path of the field in the hydrator.
        field: &'static str,
    },
    /// The destination names a cluster twice.
    #[error("application destination can't have both name and server defined: {name} {server}")]
    NameAndServer {
        /// Name of the cluster.
        name: String,
        /// URL of the cluster.
        server: String,
    },
    /// The destination names no cluster.
    #[error("Destination server missing from app spec")]
    NoDestination,
}

/// The desired state of an Application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["destination", "project"]))]
pub struct ApplicationSpec {
    /// Where manifests come from.
    #[serde(skip_serializing_if = "is_default")]
    pub source: Option<ApplicationSource>,
    /// Where manifests come from, if from several places.
    #[serde(skip_serializing_if = "is_default")]
    pub sources: Vec<ApplicationSource>,
    /// Where manifests come from, if rendered ones are kept in Git.
    #[serde(skip_serializing_if = "is_default")]
    pub source_hydrator: Option<SourceHydrator>,
    /// Cluster and namespace to deploy to.
    pub destination: ApplicationDestination,
    /// Project; empty means `default`.
    pub project: String,
    /// How to sync.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_policy: Option<SyncPolicy>,
    /// Differences that do not count.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_differences: Vec<ResourceIgnoreDifferences>,
    /// Facts and links for people.
    #[serde(skip_serializing_if = "is_default")]
    pub info: Vec<Info>,
    /// Number of history entries to keep; 10 when absent, 0 for none.
    #[serde(skip_serializing_if = "is_default")]
    pub revision_history_limit: Option<i64>,
}

impl ApplicationSpec {
    /// Returns the project's name.
    pub fn project(&self) -> &str {
        if self.project.is_empty() { names::DEFAULT_PROJECT } else { &self.project }
    }

    /// Tells whether the application has a list of sources. A hydrator wins over the list.
    pub fn has_multiple_sources(&self) -> bool {
        self.source_hydrator.is_none() && !self.sources.is_empty()
    }

    /// Returns the source that is synced: the hydrator's, else the first of the list, else the single one.
    pub fn source(&self) -> Option<Cow<'_, ApplicationSource>> {
        match (&self.source_hydrator, self.sources.first()) {
            (Some(hydrator), _) => Some(Cow::Owned(hydrator.sync_source())),
            (None, Some(first)) => Some(Cow::Borrowed(first)),
            (None, None) => self.source.as_ref().map(Cow::Borrowed),
        }
    }

    /// Returns all sources that are synced: the hydrator's, else the list, else the single one.
    pub fn sources(&self) -> Cow<'_, [ApplicationSource]> {
        match &self.source_hydrator {
            Some(hydrator) => Cow::Owned(vec![hydrator.sync_source()]),
            None if !self.sources.is_empty() => Cow::Borrowed(&self.sources),
            None => Cow::Borrowed(self.source.as_slice()),
        }
    }

    /// Checks that sources say where manifests are, each with options of one type at most.
    pub fn check_sources(&self) -> Result<(), SpecError> {
        if let Some(hydrator) = &self.source_hydrator {
            return hydrator.check();
        }
        let has_list = self.has_multiple_sources();
        if !has_list && self.source.is_none() {
            return Err(SpecError::IncompleteSource);
        }
        for source in self.sources().iter() {
            let is_placed = !source.path.is_empty() || source.is_helm() || has_list && source.is_ref();
            if source.repo_url.is_empty() || !is_placed {
                let of_list = || SpecError::IncompleteSourceOfList(source.repo_url.clone());
                return Err(if has_list { of_list() } else { SpecError::IncompleteSource });
            }
            if source.is_helm() && source.target_revision.is_empty() {
                return Err(SpecError::ChartWithoutRevision);
            }
            source.explicit_type()?;
        }
        Ok(())
    }

    /// Returns the number of history entries to keep.
    pub fn revision_history_limit(&self) -> usize {
        let limit = self.revision_history_limit.unwrap_or(names::REVISION_HISTORY_LIMIT);
        usize::try_from(limit).unwrap_or(0)
    }

    /// Returns the spec in the form that the controller writes back (semantics, section 1.2).
    pub fn normalized(&self) -> Self {
        let mut spec = self.clone();
        if spec.project.is_empty() {
            names::DEFAULT_PROJECT.clone_into(&mut spec.project);
        }
        if spec.sync_policy.as_ref().is_some_and(is_default) {
            spec.sync_policy = None;
        }
        if spec.sources.is_empty() {
            spec.source.iter_mut().for_each(ApplicationSource::normalize);
        } else {
            spec.sources.iter_mut().for_each(ApplicationSource::normalize);
        }
        spec
    }

    /// Returns the merge patch of `/spec` that normalises it; none when it is in normal form.
    pub fn normalization_patch(&self) -> Option<Value> {
        let normalized = self.normalized();
        if normalized == *self {
            return None;
        }
        kube_object::merge_patch(&crate::wire::to_value(self), &crate::wire::to_value(&normalized))
    }
}

/// Cluster and namespace to deploy to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ApplicationDestination {
    /// URL of the cluster's API server.
    #[serde(skip_serializing_if = "is_default")]
    pub server: String,
    /// Name of the cluster, instead of its URL.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Namespace for objects that have none.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
}

impl ApplicationDestination {
    /// Checks that the destination names a cluster, and names it once.
    pub fn check(&self) -> Result<(), SpecError> {
        match (self.name.is_empty(), self.server.is_empty()) {
            (true, true) => Err(SpecError::NoDestination),
            (false, false) => Err(SpecError::NameAndServer { name: self.name.clone(), server: self.server.clone() }),
            _ => Ok(()),
        }
    }
}

/// Differences that do not count for the objects it selects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["kind"]))]
pub struct ResourceIgnoreDifferences {
    /// API group, a glob.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// Kind, a glob.
    pub kind: String,
    /// Name; empty means any.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Namespace; empty means any.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// JSON pointers of fields.
    #[serde(skip_serializing_if = "is_default")]
    pub json_pointers: Vec<String>,
    /// jq paths of fields.
    #[serde(skip_serializing_if = "is_default")]
    pub jq_path_expressions: Vec<String>,
    /// Field managers whose fields do not count.
    #[serde(skip_serializing_if = "is_default")]
    pub managed_fields_managers: Vec<String>,
}

/// A named fact for people; a URL is shown as a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["name", "value"]))]
pub struct Info {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

#[cfg(test)]
mod tests;
