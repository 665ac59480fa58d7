use application_api::constants::{
    COMPARE_OPTIONS_ANNOTATION, HELM_HOOK_ANNOTATION, HELM_HOOK_WEIGHT_ANNOTATION, HELM_RESOURCE_POLICY_ANNOTATION,
    HOOK_ANNOTATION, IGNORE_HEALTH_CHECK_ANNOTATION, SYNC_OPTIONS_ANNOTATION, SYNC_WAVE_ANNOTATION,
};
use application_api::{RemovalOption, SyncOptions};
use kube_object::Object;

use crate::ObjectOptions;

impl ObjectOptions {
    /// Reads the annotations of an object. Unknown options are passed over.
    pub(crate) fn of(object: &Object) -> Self {
        let options = SyncOptions::from_annotation(object.annotation(SYNC_OPTIONS_ANNOTATION).unwrap_or_default());
        let compare = object.annotation(COMPARE_OPTIONS_ANNOTATION).unwrap_or_default();
        let keep = object.annotation(HELM_RESOURCE_POLICY_ANNOTATION).is_some_and(|policy| policy.trim() == "keep");
        Self {
            skip_validation: options.has("Validate=false"),
            skip_dry_run_on_missing_kind: options.has("SkipDryRunOnMissingResource=true"),
            prune: options.prune(),
            delete: options.delete().or(keep.then_some(RemovalOption::Never)),
            prune_last: options.has("PruneLast=true"),
            replace: options.has("Replace=true"),
            force: options.has("Force=true"),
            ignore_extraneous: compare.split(',').any(|option| option.trim() == "IgnoreExtraneous"),
            ignore_health: object.annotation(IGNORE_HEALTH_CHECK_ANNOTATION) == Some("true"),
        }
    }
}

/// Reads the wave an object is synced in (semantics, section 2.2).
pub(crate) fn wave(object: &Object) -> i64 {
    let integer = |name: &str| object.annotation(name).and_then(|text| text.parse().ok());
    integer(SYNC_WAVE_ANNOTATION).or_else(|| integer(HELM_HOOK_WEIGHT_ANNOTATION)).unwrap_or(0)
}

/// What an object is to a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// An ordinary object.
    Managed,
    /// Left alone: `Skip`, or a Helm hook that a sync never runs.
    Ignored,
    /// A hook: its types and the annotation that says so.
    Hook { types: String, annotation: &'static str },
}

/// Tells what the hook annotations make of an object (semantics, section 2.2).
pub(crate) fn part(object: &Object) -> Part {
    let words = |name: &str| -> Vec<&str> {
        let text = object.annotation(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
    };
    let own: Vec<&str> = words(HOOK_ANNOTATION)
        .into_iter()
        .filter(|word| {
            matches!(*word, "PreSync" | "Sync" | "PostSync" | "Skip" | "SyncFail" | "PreDelete" | "PostDelete")
        })
        .collect();
    if !own.is_empty() {
        return match own.as_slice() {
            ["Skip"] => Part::Ignored,
            types => Part::Hook { types: types.join(","), annotation: HOOK_ANNOTATION },
        };
    }
    let helm = words(HELM_HOOK_ANNOTATION);
    let phases: Vec<&str> = helm
        .iter()
        .copied()
        .filter(|word| {
            let (when, what) = word.split_once('-').unwrap_or_default();
            matches!(when, "pre" | "post") && matches!(what, "install" | "upgrade" | "delete")
        })
        .collect();
    if !phases.is_empty() {
        Part::Hook { types: phases.join(","), annotation: HELM_HOOK_ANNOTATION }
    } else if helm.is_empty() || helm.contains(&"crd-install") {
        Part::Managed
    } else {
        Part::Ignored
    }
}
