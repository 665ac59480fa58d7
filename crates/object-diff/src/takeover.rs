use std::borrow::Cow;

use kube_object::Object;
use serde_json::{Map, Value};

use crate::last_applied::LastApplied;
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
    /// Of the updates of a client-side apply, what its last configuration names.
    Applied,
    /// All updates.
    Updates,
    /// Updates and applies.
    Everything,
}

impl Default for Takeover {
    /// Claims what client-side `kubectl apply` and Argo CD's own client-side apply wrote.
    fn default() -> Self {
        Self::none().with("kubectl-client-side-apply", Claim::Applied).with(OUR_MANAGER, Claim::Applied)
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

    /// Tells how an entry is due for migration, its version left aside; none when it is not.
    fn claim(&self, entry: &Entry<'_>) -> Option<Claim> {
        if !entry.subresource().is_empty() || entry.is_ours() {
            return None;
        }
        let (_, claim) = self.claims.iter().find(|(name, _)| name == entry.manager())?;
        (*claim == Claim::Everything || entry.operation() == Operation::Update).then_some(*claim)
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
    /// Whether our entry itself is to be rewritten: it names a Secret's `stringData`.
    pub(crate) names_string_data: bool,
}

impl<'a> Owned<'a> {
    pub(crate) fn of(live: &'a Object, takeover: &Takeover) -> Self {
        let ours = entries(live).find(Entry::is_ours);
        let mut legacy: Vec<(Entry<'a>, Claim)> = entries(live)
            .filter_map(|entry| takeover.claim(&entry).map(|claim| (entry, claim)))
            .filter(|(entry, _)| entry.fields.keys().any(|key| !stays(live, key)))
            .collect();
        let api_version = ours.or(legacy.first().map(|(entry, _)| *entry)).map_or("", |entry| entry.api_version());
        // Trees of another version name other fields: only the server can convert them.
        legacy.retain(|(entry, _)| entry.api_version() == api_version);
        let names_string_data = ours.is_some_and(|entry| string_data(live, entry.fields).is_some());
        let fields = match ours {
            Some(ours) if legacy.is_empty() && !names_string_data => Cow::Borrowed(ours.fields),
            ours => Cow::Owned(united(live, ours, &legacy)),
        };
        let legacy = legacy.into_iter().map(|(entry, _)| entry).collect();
        Self { api_version, fields, ours, legacy, names_string_data }
    }

    /// Tells whether an entry is part of what is ours.
    pub(crate) fn includes(&self, entry: &Entry<'_>) -> bool {
        entry.is_ours() || self.legacy.iter().any(|legacy| std::ptr::eq(legacy.raw, entry.raw))
    }
}

fn united(live: &Object, ours: Option<Entry<'_>>, legacy: &[(Entry<'_>, Claim)]) -> Map<String, Value> {
    let mut fields = ours.map(|entry| entry.fields.clone()).unwrap_or_default();
    if let Some(Value::Object(texts)) = string_data(live, &fields).cloned() {
        // Server-side apply stores what `stringData` says in `data`, and nobody owns it there (trap T1).
        fields.remove("f:stringData");
        unite(&mut fields, std::iter::once((&"f:data".to_owned(), &Value::Object(texts))));
    }
    let by_apply = legacy.iter().any(|(_, claim)| *claim == Claim::Applied);
    let last_applied = by_apply.then(|| LastApplied::of(live)).flatten();
    for (entry, claim) in legacy {
        let moved = || entry.fields.iter().filter(|(key, _)| !stays(live, key));
        let last_applied = last_applied.as_ref().filter(|_| *claim == Claim::Applied);
        match last_applied.and_then(|config| config.named(entry)) {
            Some(named) => unite(&mut fields, named.iter().filter(|(key, _)| !stays(live, key))),
            None => unite(&mut fields, moved()),
        }
    }
    fields
}

fn string_data<'t>(live: &Object, tree: &'t Map<String, Value>) -> Option<&'t Value> {
    tree.get("f:stringData").filter(|_| live.kind() == "Secret" && live.api_version() == "v1")
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
