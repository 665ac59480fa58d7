mod lists;
mod unowned;

use kube_object::Object;
use serde_json::{Map, Value};

use crate::equality::{is_default, stored_as};
use crate::field_path::{Path, Step};
use crate::known::{Place, is_builtin_group, is_derived_default, is_zero};
use crate::last_applied::LAST_APPLIED_ANNOTATION;
use crate::managed_fields::{Entry, Manager, entries, is_leaf};
use crate::takeover::Owned;
use crate::verdict::{Doubt, DoubtCause, FieldDifference, Verdict};

/// One walk of a desired object beside the tree of what is ours and the live object.
pub(crate) struct Walk<'a> {
    desired: &'a Object,
    live: &'a Object,
    owned: &'a Owned<'a>,
    kind: &'a str,
    builtin: bool,
    scratch: String,
    doubts: Vec<Doubt>,
    certain: Vec<FieldDifference>,
}

/// How deep a map is, since the identity of an object is never owned.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Object,
    Metadata,
    Below,
}

impl Level {
    fn is_identity(self, key: &str) -> bool {
        match self {
            Self::Object => matches!(key, "apiVersion" | "kind"),
            Self::Metadata => matches!(key, "name" | "namespace"),
            Self::Below => false,
        }
    }
}

/// What two entries of a map or list have in common to say about a field.
#[derive(Clone, Copy)]
struct Values<'v> {
    desired: Option<&'v Value>,
    live: Option<&'v Value>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(desired: &'a Object, live: &'a Object, owned: &'a Owned<'a>) -> Self {
        let api_version = desired.api_version();
        let builtin = is_builtin_group(api_version.split_once('/').map_or("", |(group, _)| group));
        Self {
            desired,
            live,
            owned,
            kind: desired.kind(),
            builtin,
            scratch: String::new(),
            doubts: Vec::new(),
            certain: Vec::new(),
        }
    }

    pub(crate) fn run(mut self) -> Verdict {
        let (desired, live, owned) = (self.desired, self.live, self.owned);
        self.map(&Path::ROOT, Level::Object, desired.fields(), &owned.fields, live.fields());
        if !self.certain.is_empty() {
            Verdict::Certain(self.certain)
        } else if self.doubts.is_empty() {
            Verdict::Same
        } else if self.doubts.iter().all(|doubt| doubt.cause.is_ownership_only()) {
            Verdict::OwnershipOnly(self.doubts)
        } else {
            Verdict::Doubt(self.doubts)
        }
    }

    /// Visits a value whose path is ours.
    fn visit(&mut self, path: &Path<'_>, desired: &Value, node: &Value, live: Option<&Value>) {
        let values = Values { desired: Some(desired), live };
        let Some(kids) = node.as_object() else { return self.doubt(path, DoubtCause::Shape, values) };
        let Some(first) = kids.keys().find(|key| *key != ".") else { return self.leaf(path, desired, live) };
        match (first.split_at_checked(2).map(|(prefix, _)| prefix), desired, live) {
            (Some("f:"), Value::Object(desired), Some(Value::Object(live))) => {
                self.map(path, Level::Below, desired, kids, live);
            }
            (Some("k:"), Value::Array(desired), Some(Value::Array(live))) => self.keyed(path, desired, kids, live),
            (Some("v:"), Value::Array(desired), Some(Value::Array(live))) => self.set(path, desired, kids, live),
            _ => self.doubt(path, DoubtCause::Shape, values),
        }
    }

    fn map(
        &mut self,
        path: &Path<'_>,
        level: Level,
        desired: &Map<String, Value>,
        kids: &Map<String, Value>,
        live: &Map<String, Value>,
    ) {
        let mut owned = 0;
        for (raw, node) in kids.iter().filter(|(raw, _)| *raw != ".") {
            let Some(name) = raw.strip_prefix("f:") else {
                return self.doubt(path, DoubtCause::Shape, Values { desired: None, live: None });
            };
            let at = path.then(Step::Raw(raw));
            match desired.get(name) {
                Some(Value::Object(meta)) if level == Level::Object && name == "metadata" => {
                    owned += 1;
                    match (node, live.get(name)) {
                        (Value::Object(node), Some(Value::Object(live))) => {
                            self.map(&at, Level::Metadata, meta, node, live);
                        }
                        (_, live) => self.doubt(&at, DoubtCause::Shape, Values { desired: None, live }),
                    }
                }
                Some(value) => {
                    owned += 1;
                    self.visit(&at, value, node, live.get(name));
                }
                None => self.removal(&at, node, live.get(name), desired),
            }
        }
        let wanted = desired.keys().filter(|key| !level.is_identity(key)).count();
        if owned < wanted {
            self.map_unowned(path, level, desired, kids, live);
        }
    }

    /// Visits the keys of a map that no tree of ours names.
    fn map_unowned(
        &mut self,
        path: &Path<'_>,
        level: Level,
        desired: &Map<String, Value>,
        kids: &Map<String, Value>,
        live: &Map<String, Value>,
    ) {
        let mut nodes = None;
        for (key, value) in desired.iter().filter(|(key, _)| !level.is_identity(key)) {
            if self.names(kids, key) {
                continue;
            }
            let there = live.get(key);
            if level == Level::Object && key == "metadata" && value.as_object().is_some_and(only_identity) {
                continue;
            }
            // A list with keys leaves no trace in the tree when it is empty.
            if is_empty_list(value) && there.map_or(self.builtin, is_empty_list) {
                continue;
            }
            let at = path.then(Step::Field(key));
            let nodes = nodes.get_or_insert_with(|| self.others_at(path));
            let nodes = unowned::children(nodes, &format!("f:{key}"));
            if let (Level::Object, "metadata", Value::Object(meta), Some(Value::Object(live))) =
                (level, key.as_str(), value, there)
            {
                self.fields_unowned(&at, Level::Metadata, meta, live, &nodes);
                continue;
            }
            self.unowned(&at, value, there, &nodes);
        }
    }

    fn names(&mut self, kids: &Map<String, Value>, key: &str) -> bool {
        self.scratch.clear();
        self.scratch.push_str("f:");
        self.scratch.push_str(key);
        kids.contains_key(&self.scratch)
    }

    /// Compares an atomic value, or one that had no fields when it was applied.
    fn leaf(&mut self, path: &Path<'_>, desired: &Value, live: Option<&Value>) {
        let values = Values { desired: Some(desired), live };
        let same = match live {
            Some(live) => desired == live || self.explained(path, desired, live),
            // The server leaves zero values out when it writes built-in types; owning the path shows that they were
            // applied.
            None => self.builtin && is_zero(desired),
        };
        if !same {
            return self.doubt(path, DoubtCause::Differs, values);
        }
        let holds_fields = desired.as_object().is_some_and(|fields| !fields.is_empty());
        if holds_fields && self.others().any(|entry| path.lookup(entry.fields).is_some_and(has_fields)) {
            self.doubt(path, DoubtCause::OwnedInside, values);
        }
    }

    /// Tells whether the server stores the desired value as the live one.
    fn explained(&self, path: &Path<'_>, desired: &Value, live: &Value) -> bool {
        if !self.builtin {
            return stored_as(None, desired, live);
        }
        let segments = path.segments();
        let place = Place::of(self.kind, &segments);
        let in_string_map =
            || segments.split_last().is_some_and(|(_, parent)| Place::of(self.kind, parent).is_string_map());
        let left_to_default = || is_default(&place, live) || (live.as_str() == Some("") && in_string_map());
        stored_as(Some(&place), desired, live) || (desired.is_null() && left_to_default())
    }

    /// Judges a path that is ours and that Git does not have.
    fn removal(&mut self, path: &Path<'_>, node: &Value, live: Option<&Value>, beside: &Map<String, Value>) {
        let values = Values { desired: None, live };
        let Some(live) = live else {
            // Of what the server left out there is nothing to give up.
            if !self.builtin && path.segments().first() != Some(&"metadata") {
                self.doubt(path, DoubtCause::OwnedNotDesiredStays, values);
            }
            return;
        };
        if let (Some(kids), Some(fields)) = (node.as_object().filter(|kids| !is_leaf(kids)), live.as_object()) {
            for (raw, node) in kids.iter().filter(|(raw, _)| *raw != ".") {
                let at = path.then(Step::Raw(raw));
                let there = raw.strip_prefix("f:").and_then(|name| fields.get(name));
                self.removal(&at, node, there, &Map::new());
            }
            return;
        }
        let only_legacy = self.owned.ours.is_none_or(|ours| path.lookup(ours.fields).is_none());
        // Giving up the annotation of client-side apply is no difference worth a write.
        if only_legacy && path.segments() == ["metadata", "annotations", LAST_APPLIED_ANNOTATION] {
            return;
        }
        let cause = if self.stays(path, node, live, beside) {
            DoubtCause::OwnedNotDesiredStays
        } else if only_legacy {
            DoubtCause::LegacyNotDesired
        } else {
            DoubtCause::OwnedNotDesired
        };
        self.doubt(path, cause, values);
    }

    /// Tells whether a value we give up stays as it is.
    fn stays(&self, path: &Path<'_>, node: &Value, live: &Value, beside: &Map<String, Value>) -> bool {
        let whole = node.as_object().is_some_and(is_leaf);
        if whole && self.others().any(|entry| path.lookup(entry.fields).is_some()) {
            return true;
        }
        if !self.builtin {
            return false;
        }
        let place = Place::of(self.kind, &path.segments());
        is_default(&place, live) || is_derived_default(&place, beside, live)
    }

    /// Returns the entries that are not ours and name fields as ours does.
    fn others(&self) -> impl Iterator<Item = Entry<'a>> {
        let (owned, version) = (self.owned, self.desired.api_version());
        entries(self.live).filter(move |entry| !owned.includes(entry) && entry.api_version() == version)
    }

    fn others_at(&self, path: &Path<'_>) -> Vec<(Entry<'a>, &'a Map<String, Value>)> {
        self.others()
            .filter_map(|entry| {
                let root = path.raw_keys().is_some_and(|keys| keys.is_empty());
                let node = if root { entry.fields } else { path.lookup(entry.fields)?.as_object()? };
                Some((entry, node))
            })
            .collect()
    }

    fn doubt(&mut self, path: &Path<'_>, cause: DoubtCause, values: Values<'_>) {
        self.doubt_of(path, cause, values, None);
    }

    fn doubt_of(&mut self, path: &Path<'_>, cause: DoubtCause, values: Values<'_>, owner: Option<Manager>) {
        let keys = if cause == DoubtCause::LegacyNotDesired { path.raw_keys().unwrap_or_default() } else { Vec::new() };
        let owner = owner.or_else(|| self.our_owner(path, cause));
        let difference = self.difference(path, values, owner);
        self.doubts.push(Doubt { cause, difference, keys });
    }

    /// Names whose entry a value comes from that counts as ours.
    fn our_owner(&self, path: &Path<'_>, cause: DoubtCause) -> Option<Manager> {
        if matches!(
            cause,
            DoubtCause::NotOwnedAbsent
                | DoubtCause::NotOwnedEmpty
                | DoubtCause::NotOwnedDiffers
                | DoubtCause::NotOwnedEqual
        ) {
            return None;
        }
        let holds = |entry: &&Entry<'_>| path.lookup(entry.fields).is_some();
        self.owned.ours.iter().chain(&self.owned.legacy).find(holds).map(|entry| entry.to_manager())
    }

    fn difference(&self, path: &Path<'_>, values: Values<'_>, owner: Option<Manager>) -> FieldDifference {
        let keep = |value: Option<&Value>| value.filter(|value| is_cheap(value) && self.kind != "Secret").cloned();
        FieldDifference { path: path.render(), desired: keep(values.desired), live: keep(values.live), owner }
    }
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

fn only_identity(meta: &Map<String, Value>) -> bool {
    meta.keys().all(|key| Level::Metadata.is_identity(key))
}

fn has_fields(node: &Value) -> bool {
    node.as_object().is_some_and(|kids| !is_leaf(kids))
}

/// Tells whether a value is small enough to be shown: a scalar that fits a line or two.
fn is_cheap(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= 256,
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    }
}
