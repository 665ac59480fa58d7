use std::borrow::Cow;

use kube_object::Object;
use serde_json::{Map, Value};

use crate::managed_fields::{Entry, OUR_MANAGER, Operation, entries};

/// Whose earlier ownership is taken over as ours (server-side apply facts, section 5).
///
/// `before-first-apply` is never claimed: it holds what controllers and people set as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    claims: Vec<(String, Claim)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Updates,
    Everything,
}

impl Default for Takeover {
    /// Claims what client-side `kubectl apply` and Argo CD's own client-side apply wrote.
    fn default() -> Self {
        Self::none().with_manager("kubectl-client-side-apply").with_manager(OUR_MANAGER)
    }
}

impl Takeover {
    /// Claims nothing.
    pub fn none() -> Self {
        Self { claims: Vec::new() }
    }

    /// Also claims the updates of a manager, such as the one Argo CD's migration annotation names.
    pub fn with_manager(self, name: &str) -> Self {
        self.with(name, Claim::Updates)
    }

    /// Also claims what Helm wrote.
    pub fn with_helm(self) -> Self {
        self.with("helm", Claim::Everything)
    }

    /// Also claims what Flux wrote; its kustomize-controller uses server-side apply.
    pub fn with_flux(self) -> Self {
        self.with("kustomize-controller", Claim::Everything).with("helm-controller", Claim::Everything)
    }

    fn with(mut self, name: &str, claim: Claim) -> Self {
        if !name.is_empty() && !matches!(name, "before-first-apply" | "ancient-changes") {
            self.claims.retain(|(known, _)| known != name);
            self.claims.push((name.to_owned(), claim));
        }
        self
    }

    /// Tells whether an entry is due for migration, its version left aside.
    fn claims(&self, entry: &Entry<'_>) -> bool {
        entry.subresource().is_empty()
            && !entry.is_ours()
            && self.claims.iter().any(|(name, claim)| {
                name == entry.manager() && (*claim == Claim::Everything || entry.operation() == Operation::Update)
            })
    }
}

/// What is ours in a live object: the tree of our entry, united with what is due for migration.
pub(crate) struct Owned<'a> {
    /// Version the tree is written in; empty when nothing is ours.
    pub(crate) api_version: &'a str,
    /// The united tree.
    pub(crate) fields: Cow<'a, Map<String, Value>>,
    /// Our entry alone.
    pub(crate) ours: Option<Entry<'a>>,
    /// Entries due for migration; their status and operation stay with them.
    pub(crate) legacy: Vec<Entry<'a>>,
}

impl<'a> Owned<'a> {
    pub(crate) fn of(live: &'a Object, takeover: &Takeover) -> Self {
        let ours = entries(live).find(Entry::is_ours);
        let mut legacy: Vec<Entry<'a>> = entries(live)
            .filter(|entry| takeover.claims(entry) && entry.fields.keys().any(|key| !stays(live, key)))
            .collect();
        let api_version = ours.or(legacy.first().copied()).map_or("", |entry| entry.api_version());
        // Trees of another version name other fields: only the server can convert them.
        legacy.retain(|entry| entry.api_version() == api_version);
        let fields = match (ours, legacy.as_slice()) {
            (Some(ours), []) => Cow::Borrowed(ours.fields),
            (ours, legacy) => {
                let mut fields = ours.map(|entry| entry.fields.clone()).unwrap_or_default();
                for entry in legacy {
                    unite(&mut fields, entry.fields.iter().filter(|(key, _)| !stays(live, key)));
                }
                Cow::Owned(fields)
            }
        };
        Self { api_version, fields, ours, legacy }
    }

    /// Tells whether an entry is part of what is ours.
    pub(crate) fn includes(&self, entry: &Entry<'_>) -> bool {
        entry.is_ours() || self.legacy.iter().any(|legacy| std::ptr::eq(legacy.raw, entry.raw))
    }
}

/// Tells whether a top-level key of a tree is never migrated: status, and an Application's operation.
pub(crate) fn stays(live: &Object, key: &str) -> bool {
    key == "f:status" || (key == "f:operation" && live.api_version().starts_with("argoproj.io/"))
}

/// Adds the nodes of one tree to another.
pub(crate) fn unite<'t>(into: &mut Map<String, Value>, from: impl Iterator<Item = (&'t String, &'t Value)>) {
    for (key, node) in from {
        match (into.get_mut(key), node) {
            (Some(Value::Object(known)), Value::Object(node)) => unite(known, node.iter()),
            (Some(_), _) => {}
            (None, node) => {
                into.insert(key.clone(), node.clone());
            }
        }
    }
}
