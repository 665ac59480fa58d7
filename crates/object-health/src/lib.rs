//! Health of one object: the rules Argo CD builds in, and the overrides of `argocd-cm`.
//!
//! [`health`] looks at one live object and nothing else. How objects add up to the health of an application is
//! decided where the application is compared.

mod fields;
mod overrides;
mod rules;
mod script;
mod status;

use fields::texts;
use kube_object::Object;
pub use overrides::{Overrides, UnsupportedScript};
pub use status::{Health, HealthStatus};

/// The finalizer that every hook carries, so that it is deleted only when its phase is over.
const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

/// Tells the health of a live object; none when its kind has no rule, which does not affect the application.
///
/// Order: pending deletion, then an override that settings give for the kind, then the built-in rule (Argo CD,
/// `gitops-engine`, `pkg/health`). A hook that is being deleted still shows the health its phase waits for.
pub fn health(object: &Object, overrides: &Overrides) -> Option<Health> {
    if let Some(pending) = pending_deletion(object) {
        return Some(pending);
    }
    match overrides.script_for(object) {
        Some(script) => script.health(object),
        None => rules::health(object),
    }
}

/// Tells the health of an object that is being deleted, which its metadata alone decide; none for any other, and for
/// hooks.
pub fn pending_deletion(object: &Object) -> Option<Health> {
    let is_hook = || texts(object, &["metadata", "finalizers"]).any(|name| name == HOOK_FINALIZER);
    (object.is_deleting() && !is_hook()).then(|| Health::new(HealthStatus::Progressing, "Pending deletion"))
}

#[cfg(test)]
mod tests;
