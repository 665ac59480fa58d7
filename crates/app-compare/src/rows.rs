//! The comparison of one object.

use std::collections::HashMap;

use application_api::{ConditionType, Reason, RemovalOption, SyncStatusCode};
use kube_object::{CompactObject, GroupKind, Gvk, Object, ObjectKey, Scope};
use object_diff::{
    Doubt, DoubtCause, FieldDifference, OUR_MANAGER, Verdict, dry_runs, memo_key, migration_patch,
    repair_versions_patch, verdict, who_changed,
};
use object_health::{Health, HealthStatus};

use crate::annotations::{Part, part, wave};
use crate::claims::{heir, holder, shared_warning};
use crate::{
    CompareInput, DoubtPolicy, DryRunAnswer, LiveFacts, LiveRef, Needed, ObjectOptions, ObjectVerdict,
    ResourceComparison, SelfReference, Target, TargetKind,
};

const TRACKING_PATH: &str = r#".metadata.annotations["argocd.argoproj.io/tracking-id"]"#;

/// Collects rows and what they need.
pub(crate) struct Rows<'a> {
    input: &'a CompareInput<'a>,
    previous: HashMap<&'a ObjectKey, &'a ResourceComparison>,
    pub(crate) resources: Vec<ResourceComparison>,
    pub(crate) conditions: Vec<(ConditionType, String)>,
    pub(crate) needed: Vec<Needed>,
    /// Whether an object makes the application differ from Git.
    pub(crate) differs: bool,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(input: &'a CompareInput<'a>) -> Self {
        let before = input.previous.into_iter().flat_map(|before| &before.resources);
        Self {
            input,
            previous: before.map(|row| (&row.key, row)).collect(),
            resources: Vec::with_capacity(input.targets.items.len()),
            conditions: Vec::new(),
            needed: Vec::new(),
            differs: false,
        }
    }

    /// Compares the target at a position.
    pub(crate) fn target(&mut self, position: usize) {
        let input = self.input;
        let target = &input.targets.items[position];
        // What the project does not permit is not looked at.
        let live = input.live.live(&target.key).filter(|_| target.refusal.is_none());
        let mut row = row(&target.key, &target.version, live.as_ref());
        row.target = Some(position);
        row.target_digest = Some(target.digest);
        row.wave = target.wave;
        row.options = target.options.clone();
        row.ignore_health = target.options.ignore_health;
        row.owned_by_other = holder(input, &target.key, live.as_ref());
        match &live {
            // The tracking id alone differs: nothing has to be asked.
            Some(live) if row.owned_by_other.is_some() && live.tracking.is_some() => {
                row.verdict = ObjectVerdict::Different(vec![TRACKING_PATH.to_owned()]);
            }
            Some(live) => self.pair(position, target, live, &mut row),
            None => self.absent(target, &mut row),
        }
        // An object that cannot carry a tracking id and is as Git says is nobody's quarrel.
        if is_untracked(&target.key) && is_same(&row.verdict) {
            row.owned_by_other = None;
        }
        if row.live.as_ref().is_some_and(|live| live.deleting) {
            row.reason = Reason::ObjectDeleting;
        }
        if let Some(other) = &row.owned_by_other {
            self.conditions.push(shared_warning(input, &target.key, other));
            row.reason = Reason::ObjectShared { other: other.to_string() };
        }
        let status = match &row.verdict {
            ObjectVerdict::Same | ObjectVerdict::OwnershipOnly => SyncStatusCode::Synced,
            ObjectVerdict::Undecided => SyncStatusCode::Unknown,
            _ => SyncStatusCode::OutOfSync,
        };
        self.differs |= status == SyncStatusCode::OutOfSync;
        row.status = Some(status);
        if let Some(message) = &target.refusal {
            row.status = Some(SyncStatusCode::Unknown);
            row.reason = Reason::ObjectNotPermitted { message: message.clone() };
        }
        name_place(&mut row.reason, target);
        self.resources.push(row);
    }

    fn absent(&self, target: &Target, row: &mut ResourceComparison) {
        let group_kind = target.key.group_kind();
        let is_served = target.kind == TargetKind::Served && target.refusal.is_none();
        if is_served && !self.input.live.is_listed(&target.key.cluster, &group_kind) {
            row.reason = Reason::ListingKinds { kinds: vec![group_kind.to_string()] };
            return;
        }
        row.verdict = ObjectVerdict::Missing;
        row.health = Some(Health::from(HealthStatus::Missing));
        row.reason = match target.kind {
            TargetKind::Unknown => Reason::ObjectKindUnknown { kind: target.gvk().to_string() },
            TargetKind::Served | TargetKind::DefinedHere => Reason::ObjectMissing,
        };
    }

    fn pair(&mut self, position: usize, target: &Target, live: &LiveRef<'_>, row: &mut ResourceComparison) {
        if let Some(before) = self.unchanged(row) {
            row.verdict = before.verdict.clone();
            row.reason = reason(&row.verdict);
            row.ignore_health = before.ignore_health;
            row.changed_by.clone_from(&before.changed_by);
            row.migration.clone_from(&before.migration);
            row.repair.clone_from(&before.repair);
            row.is_final = true;
            return;
        }
        let Some(body) = self.body(&target.key, live, &target.gvk()) else { return };
        let (desired, body) = (target.object(), body.decode());
        row.ignore_health |= ObjectOptions::of(&body).ignore_health;
        row.is_final = true;
        let input = self.input;
        let fields = |differences: &[FieldDifference]| differences.iter().map(|field| field.path.clone()).collect();
        let (verdict, paths): (ObjectVerdict, Vec<String>) = match verdict(&desired, &body, input.takeover) {
            Verdict::Same => (ObjectVerdict::Same, Vec::new()),
            Verdict::OwnershipOnly(_) => (ObjectVerdict::OwnershipOnly, Vec::new()),
            Verdict::Certain(differences) => (ObjectVerdict::Different(Vec::new()), fields(&differences)),
            Verdict::Doubt(doubts) => self.doubt(position, &desired, &body, &doubts, row),
        };
        row.verdict = verdict;
        if matches!(row.verdict, ObjectVerdict::Different(_)) {
            row.changed_by = paths.iter().find_map(|path| other_manager(&body, path));
            row.verdict = ObjectVerdict::Different(paths.iter().map(|path| told(&body, path)).collect());
        }
        if matches!(row.verdict, ObjectVerdict::Different(_) | ObjectVerdict::Invalid(_)) {
            row.migration = migration_patch(&body, input.takeover);
        }
        row.reason = reason(&row.verdict);
    }

    /// Settles a doubt from memory, or by asking, or by taking it for a change; returns the verdict and the fields
    /// that differ.
    fn doubt(
        &mut self,
        position: usize,
        desired: &Object,
        live: &Object,
        doubts: &[Doubt],
        row: &mut ResourceComparison,
    ) -> (ObjectVerdict, Vec<String>) {
        let none = Vec::new();
        let memo = memo_key(desired, live, self.input.takeover);
        match self.input.answers.verdict(&memo) {
            Some(DryRunAnswer::Same) => return (ObjectVerdict::Same, none),
            Some(DryRunAnswer::OwnershipOnly) => return (ObjectVerdict::OwnershipOnly, none),
            Some(DryRunAnswer::Different(paths)) => return (ObjectVerdict::Different(Vec::new()), paths),
            Some(DryRunAnswer::Invalid(message)) => {
                row.repair = self.repair(live, &message);
                return (ObjectVerdict::Invalid(message), none);
            }
            None => {}
        }
        row.is_final = false;
        let apply_instead = self.input.doubt == DoubtPolicy::ApplyInstead
            && (self.changed_in_git(row) || doubts.iter().any(|doubt| is_usually_a_change(doubt.cause)));
        if apply_instead {
            let paths = doubts.iter().map(|doubt| doubt.difference.path.clone()).collect();
            return (ObjectVerdict::Different(Vec::new()), paths);
        }
        let bodies = dry_runs(live, doubts);
        let (key, resource_version) = (row.key.clone(), live.resource_version().to_owned());
        self.needed.push(Needed::DryRun { key, target: position, resource_version, memo, bodies });
        (ObjectVerdict::Undecided, none)
    }

    /// Tells whether the target is another than in the comparison before, or was and is not applied yet.
    fn changed_in_git(&self, row: &ResourceComparison) -> bool {
        self.previous.get(&row.key).is_some_and(|before| {
            let is_due =
                !before.is_final && before.live == row.live && matches!(before.verdict, ObjectVerdict::Different(_));
            before.target_digest.is_some() && (before.target_digest != row.target_digest || is_due)
        })
    }

    /// Returns the row of the comparison before, when it looked at the same two objects and settled them.
    fn unchanged(&self, row: &ResourceComparison) -> Option<&'a ResourceComparison> {
        self.previous.get(&row.key).copied().filter(|before| {
            before.is_final
                && before.live == row.live
                && before.target_digest == row.target_digest
                && before.version == row.version
        })
    }

    /// Returns the whole live body in a version, or asks for it.
    fn body(&mut self, key: &ObjectKey, live: &LiveRef<'_>, gvk: &Gvk) -> Option<CompactObject> {
        let api_version = gvk.api_version();
        let held = live.body.filter(|_| live.api_version == api_version).cloned();
        let body = held.or_else(|| self.input.answers.body(key, &live.resource_version, &api_version));
        if body.is_none() {
            self.needed.push(Needed::Read { key: key.clone(), gvk: gvk.clone() });
        }
        body
    }

    /// Makes the patch for an object whose entries name a version that is gone, when the server has said that this is
    /// so: a version that is merely not served still converts.
    fn repair(&self, live: &Object, message: &str) -> Option<serde_json::Value> {
        if !message.contains("request to convert CR to an invalid group/version") {
            return None;
        }
        let group_kind = live.group_kind();
        let kinds = self.input.served.all().filter(|resource| resource.gvk.group_kind() == group_kind);
        let known: Vec<String> = kinds.map(|resource| resource.gvk.api_version()).collect();
        repair_versions_patch(live, &known.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Judges a live object that is tracked as the application's own and that Git does not have.
    pub(crate) fn extra(&mut self, key: &ObjectKey) {
        let input = self.input;
        let Some(live) = input.live.live(key) else { return };
        // What controllers made by copying annotations is not the application's (sections 3.8 and 5.1).
        let own = live.tracking.is_some_and(|(_, of)| of == SelfReference::Own);
        if live.has_owner || !own || key.cluster != input.destination.cluster {
            return;
        }
        let scope = if key.namespace.is_empty() { Scope::Cluster } else { Scope::Namespaced };
        let refusal = input.permission.refusal(&key.group_kind(), scope, &key.namespace, &key.name);
        if refusal.is_some() || self.is_created_namespace(key) {
            return;
        }
        let gvk = Gvk::from_api_version(live.api_version, &key.kind);
        let mut row = row(key, &gvk.version, Some(&live));
        if let Some(before) = self.unchanged(&row) {
            row.options = before.options.clone();
            row.wave = before.wave;
            row.is_hook = before.is_hook;
        } else {
            let Some(body) = self.body(key, &live, &gvk) else {
                row.status = Some(SyncStatusCode::Unknown);
                return self.resources.push(row);
            };
            let body = body.decode();
            match part(&body) {
                Part::Managed => {}
                Part::Ignored => return,
                Part::Hook(_) => row.is_hook = true,
            }
            row.options = ObjectOptions::of(&body);
            row.wave = wave(&body);
        }
        row.ignore_health = row.options.ignore_health;
        row.is_final = true;
        row.verdict = ObjectVerdict::Extra;
        if row.is_hook {
            row.ignore_health = true;
            row.reason = Reason::ObjectIsHook;
            return self.resources.push(row);
        }
        row.handed_over_to = heir(input, key);
        if let Some(other) = &row.handed_over_to {
            row.reason = Reason::ObjectHandedOver { other: other.to_string() };
            row.status = Some(SyncStatusCode::Synced);
        } else {
            row.reason = self.kept(&row);
            row.status = Some(SyncStatusCode::OutOfSync);
            row.requires_pruning = true;
            self.differs |= !row.options.ignore_extraneous;
        }
        self.resources.push(row);
    }

    /// Says why an object that left Git is still there.
    fn kept(&self, row: &ResourceComparison) -> Reason {
        if row.live.as_ref().is_some_and(|live| live.deleting) {
            return Reason::ObjectDeleting;
        }
        match row.options.prune.or_else(|| self.input.sync_options.prune()) {
            Some(RemovalOption::Never) => Reason::ObjectKept { option: "Prune=false" },
            Some(RemovalOption::Allowed | RemovalOption::Confirm) | None => Reason::ObjectRequiresPruning,
        }
    }

    /// The namespace that `CreateNamespace=true` makes is not in Git and not to be pruned.
    fn is_created_namespace(&self, key: &ObjectKey) -> bool {
        key.group_kind() == GroupKind::new("", "Namespace")
            && key.name == self.input.destination.namespace
            && self.input.sync_options.has("CreateNamespace=true")
    }
}

fn row(key: &ObjectKey, version: &str, live: Option<&LiveRef<'_>>) -> ResourceComparison {
    ResourceComparison {
        key: key.clone(),
        version: version.to_owned(),
        target: None,
        live: live.map(|live| LiveFacts {
            uid: live.uid.clone(),
            resource_version: live.resource_version.clone(),
            api_version: live.api_version.to_owned(),
            deleting: live.deleting,
        }),
        status: None,
        verdict: ObjectVerdict::Undecided,
        requires_pruning: false,
        is_hook: false,
        health: live.and_then(|live| live.health.cloned()),
        wave: 0,
        options: ObjectOptions::default(),
        reason: reason(&ObjectVerdict::Undecided),
        changed_by: None,
        migration: None,
        repair: None,
        owned_by_other: None,
        handed_over_to: None,
        target_digest: None,
        ignore_health: false,
        is_final: false,
    }
}

fn reason(verdict: &ObjectVerdict) -> Reason {
    match verdict {
        ObjectVerdict::Same => Reason::ObjectSame,
        ObjectVerdict::OwnershipOnly => Reason::ObjectOwnershipOnly,
        ObjectVerdict::Different(fields) => Reason::ObjectDifferent { fields: fields.clone() },
        ObjectVerdict::Missing => Reason::ObjectMissing,
        ObjectVerdict::Extra => Reason::ObjectRequiresPruning,
        ObjectVerdict::Invalid(message) => Reason::ObjectInvalid { message: message.clone() },
        ObjectVerdict::Undecided => Reason::DryRunning { objects: 1 },
    }
}

/// Adds where in Git the object is to a reason that only a change there may end.
fn name_place(reason: &mut Reason, target: &Target) {
    if let Reason::ObjectInvalid { message }
    | Reason::ObjectNotPermitted { message }
    | Reason::ObjectKindUnknown { kind: message } = reason
    {
        *message = format!("{} ({}:{})", message.trim_end().trim_end_matches('.'), target.file, target.line);
    }
}

fn other_manager(live: &Object, path: &str) -> Option<String> {
    who_changed(live, path).map(|owner| owner.name).filter(|name| name != OUR_MANAGER)
}

/// Names a field with who set it, when that is not us.
fn told(live: &Object, path: &str) -> String {
    if path.is_empty() {
        return "its API version".to_owned();
    }
    match other_manager(live, path) {
        Some(name) => format!("{path} (set by {name})"),
        None => path.to_owned(),
    }
}

fn is_untracked(key: &ObjectKey) -> bool {
    key.kind == "CustomResourceDefinition" && key.group == "apiextensions.k8s.io"
}

fn is_same(verdict: &ObjectVerdict) -> bool {
    matches!(verdict, ObjectVerdict::Same | ObjectVerdict::OwnershipOnly)
}

/// A value of ours that is stored in another form, or in another version, is usually the same value.
fn is_usually_a_change(cause: DoubtCause) -> bool {
    matches!(
        cause,
        DoubtCause::NotOwnedDiffers | DoubtCause::NotOwnedAbsent | DoubtCause::OwnedNotDesired | DoubtCause::Order
    )
}
