//! Names that clients, manifests and other controllers know: annotations, labels, finalizers, field managers.
//!
//! The tracking annotation is `kube_object::TRACKING_ANNOTATION`.

/// API group of Application, AppProject and ApplicationSet.
pub const GROUP: &str = "argoproj.io";
/// API version of Application, AppProject and ApplicationSet.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of Application, AppProject and ApplicationSet.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
/// Kind of Application.
pub const APPLICATION_KIND: &str = "Application";
/// Kind of AppProject.
pub const PROJECT_KIND: &str = "AppProject";

/// The project of applications that name none.
pub const DEFAULT_PROJECT: &str = "default";
/// Number of history entries kept when the spec does not say.
pub const REVISION_HISTORY_LIMIT: i64 = 10;

/// Field manager of objects that a sync applies.
pub const SYNC_FIELD_MANAGER: &str = "argocd-controller";
/// Field manager of status, operation, annotations and finalizers of Applications. Not the one that applies Applications as
/// children, so that a parent's apply never wipes a child's status.
pub const STATUS_FIELD_MANAGER: &str = "argocd-application-controller";
/// Field manager of client-side apply, whose fields are migrated.
pub const CLIENT_SIDE_APPLY_MANAGER: &str = "kubectl-client-side-apply";

/// Asks for a comparison: `normal` or `hard`.
pub const REFRESH_ANNOTATION: &str = "argocd.argoproj.io/refresh";
/// When the comparison was asked for, RFC 3339 with nanoseconds.
pub const REFRESH_TIMESTAMP_ANNOTATION: &str = "argocd.argoproj.io/refresh-timestamp";
/// Asks for a hydration: `normal` or `hard`.
pub const HYDRATE_ANNOTATION: &str = "argocd.argoproj.io/hydrate";
/// When the hydration was asked for.
pub const HYDRATE_TIMESTAMP_ANNOTATION: &str = "argocd.argoproj.io/hydrate-timestamp";
/// Takes an application or a cluster out of reconciliation.
pub const SKIP_RECONCILE_ANNOTATION: &str = "argocd.argoproj.io/skip-reconcile";
/// Paths that matter to an application, separated by `;`.
pub const MANIFEST_GENERATE_PATHS_ANNOTATION: &str = "argocd.argoproj.io/manifest-generate-paths";
/// URL of the installation that manages an application.
pub const MANAGED_BY_URL_ANNOTATION: &str = "argocd.argoproj.io/managed-by-url";
/// Sync options of one object, separated by commas.
pub const SYNC_OPTIONS_ANNOTATION: &str = "argocd.argoproj.io/sync-options";
/// Compare options of one object or application, separated by commas.
pub const COMPARE_OPTIONS_ANNOTATION: &str = "argocd.argoproj.io/compare-options";
/// The wave in which an object is synced, an integer.
pub const SYNC_WAVE_ANNOTATION: &str = "argocd.argoproj.io/sync-wave";
/// Makes an object a hook: its types, separated by commas.
pub const HOOK_ANNOTATION: &str = "argocd.argoproj.io/hook";
/// When a hook is deleted: its policies, separated by commas.
pub const HOOK_DELETE_POLICY_ANNOTATION: &str = "argocd.argoproj.io/hook-delete-policy";
/// Helm's hook types.
pub const HELM_HOOK_ANNOTATION: &str = "helm.sh/hook";
/// Helm's hook delete policies.
pub const HELM_HOOK_DELETE_POLICY_ANNOTATION: &str = "helm.sh/hook-delete-policy";
/// Helm's order of hooks, an integer.
pub const HELM_HOOK_WEIGHT_ANNOTATION: &str = "helm.sh/hook-weight";
/// Helm's `keep`: the object survives deletion of its application.
pub const HELM_RESOURCE_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";
/// When deletion of objects that need a confirmation was approved, RFC 3339.
pub const DELETION_APPROVED_ANNOTATION: &str = "argocd.argoproj.io/deletion-approved";
/// Takes an object's health out of the application's.
pub const IGNORE_HEALTH_CHECK_ANNOTATION: &str = "argocd.argoproj.io/ignore-healthcheck";
/// Treats pods that may end as long-running ones.
pub const IGNORE_RESTART_POLICY_ANNOTATION: &str = "argocd.argoproj.io/ignore-restart-policy";
/// Applies the rules for unimportant updates to an object that is not tracked.
pub const IGNORE_RESOURCE_UPDATES_ANNOTATION: &str = "argocd.argoproj.io/ignore-resource-updates";
/// The installation that an object belongs to.
pub const INSTALLATION_ID_ANNOTATION: &str = "argocd.argoproj.io/installation-id";
/// Another field manager to migrate from client-side apply.
pub const CLIENT_SIDE_APPLY_MIGRATION_MANAGER_ANNOTATION: &str =
    "argocd.argoproj.io/client-side-apply-migration-manager";
/// Start of annotations that hold a link.
pub const LINK_ANNOTATION_PREFIX: &str = "link.argocd.argoproj.io/";
/// Drops links that are found by rule.
pub const IGNORE_DEFAULT_LINKS_ANNOTATION: &str = "argocd.argoproj.io/ignore-default-links";

/// Applications that have to be ready before this one is synced: `name` or `namespace/name`, separated by commas.
pub const DEPENDS_ON_ANNOTATION: &str = "driftless.dev/depends-on";
/// When an Application that this one depends on is ready: a CEL expression over `app`, instead of Synced and Healthy.
pub const DEPENDS_ON_READY_ANNOTATION: &str = "driftless.dev/depends-on-ready";

/// The label that names an object's application, unless a setting names another.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// The label of all objects of an installation.
pub const PART_OF_LABEL: &str = "app.kubernetes.io/part-of";
/// The value of [`PART_OF_LABEL`].
pub const PART_OF: &str = "argocd";
/// The label that gives the type of a Secret: `cluster`, `repository`, `repo-creds`, …
pub const SECRET_TYPE_LABEL: &str = "argocd.argoproj.io/secret-type";

/// Deletes the objects of an application before it goes, as [`RESOURCES_FINALIZER_FOREGROUND`] does.
pub const RESOURCES_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
/// Deletes objects and waits for their dependents.
pub const RESOURCES_FINALIZER_FOREGROUND: &str = "resources-finalizer.argocd.argoproj.io/foreground";
/// Deletes objects and leaves their dependents to the garbage collector.
pub const RESOURCES_FINALIZER_BACKGROUND: &str = "resources-finalizer.argocd.argoproj.io/background";
/// Runs PreDelete hooks.
pub const PRE_DELETE_FINALIZER: &str = "pre-delete-finalizer.argocd.argoproj.io";
/// Cleans up after PreDelete hooks.
pub const PRE_DELETE_FINALIZER_CLEANUP: &str = "pre-delete-finalizer.argocd.argoproj.io/cleanup";
/// Runs PostDelete hooks.
pub const POST_DELETE_FINALIZER: &str = "post-delete-finalizer.argocd.argoproj.io";
/// Cleans up after PostDelete hooks.
pub const POST_DELETE_FINALIZER_CLEANUP: &str = "post-delete-finalizer.argocd.argoproj.io/cleanup";
/// Keeps a hook until the operation has seen it complete.
pub const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

/// The attempt of an operation that an object was made by as a hook; ours.
pub const HOOK_RUN_ANNOTATION: &str = "driftless.dev/hook-run";
/// Has a phase tried out by the API server before its first change: `true`; ours.
pub const PREFLIGHT_ANNOTATION: &str = "driftless.dev/preflight";
/// Has a newer commit take over from an operation that waits for health or a hook: `true`; ours.
pub const PREEMPT_ANNOTATION: &str = "driftless.dev/preempt";
/// The most objects that a sync deletes without asking, a number or a percentage, on an Application or AppProject; ours.
pub const MAX_PRUNE_ANNOTATION: &str = "driftless.dev/max-prune";
/// Kinds whose objects a sync never deletes without asking, on an Application or AppProject; ours.
pub const PRUNE_APPROVAL_KINDS_ANNOTATION: &str = "driftless.dev/prune-approval-kinds";
/// Approves the deletes of one render, by its digest; ours.
pub const APPROVE_PRUNE_ANNOTATION: &str = "driftless.dev/approve-prune";
