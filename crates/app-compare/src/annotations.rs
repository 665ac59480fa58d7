use application_api::constants::{
    COMPARE_OPTIONS_ANNOTATION, HELM_HOOK_ANNOTATION, HELM_HOOK_DELETE_POLICY_ANNOTATION, HELM_HOOK_WEIGHT_ANNOTATION,
    HELM_RESOURCE_POLICY_ANNOTATION, HOOK_ANNOTATION, HOOK_DELETE_POLICY_ANNOTATION, IGNORE_HEALTH_CHECK_ANNOTATION,
    SYNC_OPTIONS_ANNOTATION, SYNC_WAVE_ANNOTATION,
};
use application_api::{HookType, RemovalOption, SyncOptions};
use kube_object::Object;

use crate::{HookDeletion, ObjectOptions};

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
    /// A hook of these types, each once.
    Hook(Vec<HookType>),
}

/// Tells what the hook annotations make of an object (semantics, section 2.2).
pub(crate) fn part(object: &Object) -> Part {
    let own = types(object, HOOK_ANNOTATION, |word| match word {
        "PreSync" => Some(HookType::PreSync),
        "Sync" => Some(HookType::Sync),
        "PostSync" => Some(HookType::PostSync),
        "Skip" => Some(HookType::Skip),
        "SyncFail" => Some(HookType::SyncFail),
        "PreDelete" => Some(HookType::PreDelete),
        "PostDelete" => Some(HookType::PostDelete),
        _ => None,
    });
    if own == [HookType::Skip] {
        return Part::Ignored;
    }
    if !own.is_empty() {
        return Part::Hook(own.into_iter().filter(|hook| *hook != HookType::Skip).collect());
    }
    let helm = types(object, HELM_HOOK_ANNOTATION, |word| match word {
        "pre-install" | "pre-upgrade" => Some(HookType::PreSync),
        "post-install" | "post-upgrade" => Some(HookType::PostSync),
        "pre-delete" => Some(HookType::PreDelete),
        "post-delete" => Some(HookType::PostDelete),
        _ => None,
    });
    let written: Vec<&str> = words(object, HELM_HOOK_ANNOTATION).collect();
    if !helm.is_empty() {
        Part::Hook(helm)
    } else if written.is_empty() || written.contains(&"crd-install") {
        Part::Managed
    } else {
        Part::Ignored
    }
}

/// Reads when the object of a hook is deleted: what either annotation says, else before another run makes it anew.
pub(crate) fn hook_deletion(object: &Object) -> HookDeletion {
    let says = |own: &str, helm: &str| {
        words(object, HOOK_DELETE_POLICY_ANNOTATION).any(|word| word == own)
            || words(object, HELM_HOOK_DELETE_POLICY_ANNOTATION).any(|word| word == helm)
    };
    let succeeded = says("HookSucceeded", "hook-succeeded");
    let failed = says("HookFailed", "hook-failed");
    let before_creation = says("BeforeHookCreation", "before-hook-creation") || !(succeeded || failed);
    HookDeletion { before_creation, succeeded, failed }
}

/// Returns when an object runs as a hook and when it is deleted, if it is one.
pub fn hook_of(object: &Object) -> Option<(Vec<HookType>, HookDeletion)> {
    match part(object) {
        Part::Hook(types) => Some((types, hook_deletion(object))),
        Part::Managed | Part::Ignored => None,
    }
}

fn words<'a>(object: &'a Object, annotation: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let text = object.annotation(annotation).unwrap_or_default();
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn types(object: &Object, annotation: &str, read: impl Fn(&str) -> Option<HookType>) -> Vec<HookType> {
    let mut types = Vec::new();
    for hook in words(object, annotation).filter_map(read) {
        if !types.contains(&hook) {
            types.push(hook);
        }
    }
    types
}
