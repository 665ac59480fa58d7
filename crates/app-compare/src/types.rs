//! What a comparison is made from and what it says.

use std::collections::BTreeMap;
use std::sync::Arc;

use application_api::{ConditionType, HookType, Reason, RemovalOption, SyncOptions, SyncStatusCode};
use kube_object::{
    ApiResources, ClusterId, CompactObject, Digest, GroupKind, Gvk, InstanceName, Object, ObjectKey, Scope,
};
use object_diff::Takeover;
use object_health::Health;

use crate::Claims;

/// Where an Application's objects go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The cluster.
    pub cluster: ClusterId,
    /// Namespace for namespaced objects that name none; may be empty.
    pub namespace: String,
}

/// What the project says of one object: its refusal in the words of the API, or nothing.
pub trait ObjectPermission {
    /// Returns why the object is not permitted, or none when it is.
    fn refusal(&self, group_kind: &GroupKind, scope: Scope, namespace: &str, name: &str) -> Option<String>;
    /// Tells whether the settings exclude the kind (`resource.exclusions`, `resource.inclusions`).
    fn is_excluded(&self, group_kind: &GroupKind) -> bool;
}

/// What rendered objects become targets with.
pub struct TargetContext<'a> {
    /// Name in tracking values.
    pub instance: &'a InstanceName,
    /// Where the objects go.
    pub destination: &'a Destination,
    /// What the API server serves.
    pub served: &'a ApiResources,
    /// What project and settings permit.
    pub permission: &'a dyn ObjectPermission,
    /// The metadata of the destination namespace, if the Application manages it.
    pub namespace: Option<&'a ManagedNamespace>,
}

/// The desired objects of an Application: namespaced, tracked, without duplicates, in render order.
///
/// They depend on nothing but what [`targets`](crate::targets) is given: the renders' digests, the destination, the
/// generation of discovery, and project and settings are the key to keep them under.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// The objects.
    pub items: Box<[Target]>,
    /// The hooks, those of deletion included; they are not compared.
    pub hooks: Box<[HookTarget]>,
    /// Places in `items` in the order of the keys there.
    pub(crate) by_key: Box<[u32]>,
    /// What was found on the way: `RepeatedResourceWarning`, `ExcludedResourceWarning`, and an `InvalidSpecError` for
    /// a namespaced object without a namespace, which is refused.
    pub conditions: Vec<(ConditionType, String)>,
    /// Kinds that have to be watched, in the versions applied, sorted; kinds that are not served are left out.
    pub kinds: Box<[Gvk]>,
}

/// A hook: an object that runs at a time of an operation, or of the Application's deletion.
#[derive(Clone, Debug, PartialEq)]
pub struct HookTarget {
    /// The object, with the finalizer of hooks; without name and tracking where the name is generated.
    pub target: Target,
    /// What its name begins with where it is generated; empty otherwise.
    pub generate_name: String,
    /// When it runs, each once.
    pub types: Vec<HookType>,
    /// When its object is deleted.
    pub deletion: HookDeletion,
}

/// When the object of a hook is deleted (semantics, section 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookDeletion {
    /// Before another run makes it anew.
    pub before_creation: bool,
    /// When the operation has succeeded.
    pub succeeded: bool,
    /// When the operation has failed.
    pub failed: bool,
}

/// The destination namespace with the metadata that an Application gives it (`managedNamespaceMetadata`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedNamespace {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// One desired object.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Identity, with the namespace it will have.
    pub key: ObjectKey,
    /// API version it is applied in, without the group.
    pub version: String,
    /// Scope of its kind; a kind that nobody knows is taken for a namespaced one.
    pub scope: Scope,
    /// Whether its kind is served.
    pub kind: TargetKind,
    /// Sync wave.
    pub wave: i64,
    /// Sync options of the object itself.
    pub options: ObjectOptions,
    /// For a CustomResourceDefinition: the kind that it defines.
    pub defines: Option<GroupKind>,
    /// Images of its containers, sorted.
    pub images: Vec<String>,
    /// File inside the repository.
    pub file: Arc<str>,
    /// Line in the file, from 1.
    pub line: u32,
    /// Why it must not be applied, if so: the project does not permit it, or it has no namespace.
    pub refusal: Option<String>,
    /// The object as it is compared and sent: prepared, namespaced, tracked.
    pub body: CompactObject,
    /// Digest of `body`.
    pub digest: Digest,
}

/// Whether the API server serves the kind of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// It does.
    Served,
    /// It does not yet; its CustomResourceDefinition is among the targets.
    DefinedHere,
    /// It does not.
    Unknown,
}

/// What one object asks of comparing and syncing it, in `argocd.argoproj.io/sync-options` and related annotations
/// (semantics, sections 2.10 and 3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectOptions {
    /// Whether the server's validation is off (`Validate=false`).
    pub skip_validation: bool,
    /// Whether a missing kind does not fail the dry run (`SkipDryRunOnMissingResource=true`).
    pub skip_dry_run_on_missing_kind: bool,
    /// What pruning needs, if the object says so (`Prune=`).
    pub prune: Option<RemovalOption>,
    /// What deletion with the application needs, if the object says so (`Delete=`, or Helm's policy `keep`).
    pub delete: Option<RemovalOption>,
    /// Whether it is pruned after everything else (`PruneLast=true`).
    pub prune_last: bool,
    /// Whether it is replaced, not applied (`Replace=true`).
    pub replace: bool,
    /// Whether it is deleted and created again when it cannot be changed (`Force=true`).
    pub force: bool,
    /// Whether an object that Git lacks leaves the application in sync (`IgnoreExtraneous`).
    pub ignore_extraneous: bool,
    /// Whether its health does not count.
    pub ignore_health: bool,
}

/// Live objects as comparison sees them.
pub trait LiveLookup {
    /// Returns a live object.
    fn live(&self, key: &ObjectKey) -> Option<LiveRef<'_>>;
    /// Returns the keys of the objects whose tracking id names the Application, sorted.
    fn tracked_by(&self, instance: &InstanceName) -> Vec<ObjectKey>;
    /// Returns the Applications that render the object at present.
    fn renderers_of(&self, key: &ObjectKey) -> Vec<InstanceName>;
    /// Tells whether all objects of the kind were listed, so that one that is not known does not exist.
    fn is_listed(&self, cluster: &ClusterId, group_kind: &GroupKind) -> bool;
}

/// What is known of one live object.
#[derive(Clone, Debug)]
pub struct LiveRef<'a> {
    /// Uid.
    pub uid: String,
    /// resourceVersion.
    pub resource_version: String,
    /// `apiVersion` the object was read in.
    pub api_version: &'a str,
    /// The Application its tracking id names, with whether the id was made for this very object.
    pub tracking: Option<(&'a InstanceName, SelfReference)>,
    /// Whether it has ownerReferences: it is then shown below its owner and never managed.
    pub has_owner: bool,
    /// Whether deletion was requested.
    pub deleting: bool,
    /// Health; none when the kind has none.
    pub health: Option<&'a Health>,
    /// The object; none when only its identity is kept.
    pub body: Option<&'a CompactObject>,
}

/// Whether a tracking id was made for the object that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfReference {
    /// It was.
    Own,
    /// It was copied from another object.
    Copied,
}

/// Everything a comparison is made from.
pub struct CompareInput<'a> {
    /// Name in tracking values.
    pub instance: &'a InstanceName,
    /// Identity of the Application object itself, which is no part of its own health.
    pub application: &'a ObjectKey,
    /// Where the objects go.
    pub destination: &'a Destination,
    /// Desired objects.
    pub targets: &'a Targets,
    /// Live objects.
    pub live: &'a dyn LiveLookup,
    /// What the API server serves.
    pub served: &'a ApiResources,
    /// What project and settings permit.
    pub permission: &'a dyn ObjectPermission,
    /// Managers whose fields count as ours.
    pub takeover: &'a Takeover,
    /// Answers to what earlier comparisons needed.
    pub answers: &'a dyn Answers,
    /// How other Applications that claim the same object stand to this one.
    pub claims: &'a dyn Claims,
    /// Sync options of the Application's policy.
    pub sync_options: &'a SyncOptions,
    /// What is done about doubt.
    pub doubt: DoubtPolicy,
    /// The comparison before: rows whose two objects are the same are taken from it. None when everything is to be
    /// looked at anew, such as after a change of settings.
    pub previous: Option<&'a Comparison>,
}

/// What is done when only the server can tell whether an object would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtPolicy {
    /// It is asked, by a dry run.
    DryRun,
    /// The object counts as different when a change is likely, because the Application heals itself or is being
    /// synced, and an apply costs no more than a dry run. A doubt that is usually nothing (a value that the server
    /// writes in another form) is still asked about.
    ApplyInstead,
}

/// Answers of the API server to what a comparison needed.
pub trait Answers {
    /// Returns the verdict remembered under a memo key.
    fn verdict(&self, memo: &Digest) -> Option<DryRunAnswer>;
    /// Returns an object that was read because its body was not held or was held in another version.
    fn body(&self, key: &ObjectKey, resource_version: &str, api_version: &str) -> Option<CompactObject>;
}

/// What a dry run said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DryRunAnswer {
    /// Applying changes nothing.
    Same,
    /// Applying moves ownership only.
    OwnershipOnly,
    /// Applying changes these fields; their paths.
    Different(Vec<String>),
    /// The API server rejects the object; its message.
    Invalid(String),
}

/// What only the cluster can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Needed {
    /// Dry-run these bodies; what [`dry_run_answer`](crate::dry_run_answer) makes of the results is remembered under
    /// the memo key.
    DryRun {
        /// Identity.
        key: ObjectKey,
        /// Place in the targets.
        target: usize,
        /// resourceVersion of the live object that the answer must be about.
        resource_version: String,
        /// Memo key.
        memo: Digest,
        /// What to send.
        bodies: Vec<object_diff::DryRunBody>,
    },
    /// Read the live object in this version: its body is not held, or was read in another one (trap T17).
    Read {
        /// Identity.
        key: ObjectKey,
        /// Version to read it in.
        gvk: Gvk,
    },
}

/// A comparison, complete when nothing is needed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// The comparison; objects that still need an answer are `Undecided` in it.
    pub comparison: Comparison,
    /// What has to be asked first.
    pub needed: Vec<Needed>,
}

/// How the cluster compares to Git.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Verdict for the Application; unknown while an answer is awaited and nothing is known to differ.
    pub sync: Option<SyncStatusCode>,
    /// Verdict for each object: targets in order, then live objects that Git does not have.
    pub resources: Vec<ResourceComparison>,
    /// Health of the Application.
    pub health: Option<Health>,
    /// Conditions raised on the way.
    pub conditions: Vec<(ConditionType, String)>,
}

/// How one object compares.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceComparison {
    /// Identity.
    pub key: ObjectKey,
    /// API version, without the group.
    pub version: String,
    /// Place in the targets; none when Git does not have it.
    pub target: Option<usize>,
    /// What is live.
    pub live: Option<LiveFacts>,
    /// Row in `status.resources`.
    pub status: Option<SyncStatusCode>,
    /// The verdict behind the status.
    pub verdict: ObjectVerdict,
    /// Whether it is live, ours, and no longer in Git.
    pub requires_pruning: bool,
    /// Whether it is the live object of a hook: it is shown, and neither compared nor pruned.
    pub is_hook: bool,
    /// Health; none when the kind has none.
    pub health: Option<Health>,
    /// Sync wave.
    pub wave: i64,
    /// Sync options of the object: of the target, else of the live object.
    pub options: ObjectOptions,
    /// Why, for people.
    pub reason: Reason,
    /// Who took a differing field over, if that is known.
    pub changed_by: Option<String>,
    /// JSON patch that makes our manager the owner of what its predecessors own, due with the apply that changes the
    /// object.
    pub migration: Option<serde_json::Value>,
    /// JSON patch that has to come before any apply and dry run, because the object's entries name a version that is
    /// no longer served (trap T8).
    pub repair: Option<serde_json::Value>,
    /// The Application that has the object as well, and first: this one does not touch it.
    pub owned_by_other: Option<InstanceName>,
    /// The Application that renders the object now, when this one no longer does: it is not pruned.
    pub handed_over_to: Option<InstanceName>,
    /// Digest of the target.
    pub(crate) target_digest: Option<Digest>,
    /// Whether its health does not count, by an annotation of the target or the live object.
    pub(crate) ignore_health: bool,
    /// Whether the verdict is final for these two objects.
    pub(crate) is_final: bool,
}

/// The live object behind a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveFacts {
    /// Uid.
    pub uid: String,
    /// resourceVersion the verdict is about.
    pub resource_version: String,
    /// `apiVersion` it was read in.
    pub api_version: String,
    /// Whether deletion was requested.
    pub deleting: bool,
}

/// Whether applying would change an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectVerdict {
    /// No.
    Same,
    /// Only ownership of fields.
    OwnershipOnly,
    /// Yes, in these fields, each with who set it where that is known.
    Different(Vec<String>),
    /// It does not exist.
    Missing,
    /// It exists and Git does not have it.
    Extra,
    /// The API server rejects it.
    Invalid(String),
    /// An answer is awaited, or the kind has not been listed yet.
    Undecided,
}

impl Comparison {
    /// Returns the object with this identity.
    pub fn resource(&self, key: &ObjectKey) -> Option<&ResourceComparison> {
        self.resources.iter().find(|resource| resource.key == *key)
    }
}

impl Compared {
    /// Tells whether nothing is missing: no answer is awaited and every kind was listed.
    pub fn is_complete(&self) -> bool {
        self.needed.is_empty() && !self.comparison.resources.iter().any(|row| row.verdict == ObjectVerdict::Undecided)
    }
}

impl Targets {
    /// Returns the target with this identity.
    pub fn get(&self, key: &ObjectKey) -> Option<&Target> {
        let item = |at: u32| &self.items[at as usize];
        let found = self.by_key.binary_search_by(|at| item(*at).key.cmp(key)).ok()?;
        Some(item(self.by_key[found]))
    }

    /// Tells whether an object is among them.
    pub fn contains(&self, key: &ObjectKey) -> bool {
        self.get(key).is_some()
    }

    /// Returns the hooks that run at one of these times.
    pub fn hooks_of<'a>(&'a self, types: &'a [HookType]) -> impl Iterator<Item = &'a HookTarget> {
        self.hooks.iter().filter(|hook| hook.types.iter().any(|hook| types.contains(hook)))
    }
}

impl Target {
    /// Returns the kind in the version it is applied in.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(self.key.group.clone(), self.version.clone(), self.key.kind.clone())
    }

    /// Decodes the object that is compared and sent.
    pub fn object(&self) -> Object {
        self.body.decode()
    }
}
