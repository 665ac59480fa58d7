use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::unowned::children;
use super::{Values, Walk};
use crate::equality::same_key;
use crate::field_path::{Path, Step};
use crate::verdict::DoubtCause;

/// Where an item of the desired list was found among our keys.
#[derive(Clone, Copy)]
enum Found<'f> {
    Ours(&'f str, &'f Value),
    /// None of our keys.
    New,
    /// The item leaves out a key field.
    Short,
}

const NOTHING: Values<'static> = Values { desired: None, live: None };

impl Walk<'_> {
    /// Visits a list whose items are told apart by keys.
    pub(super) fn keyed(&mut self, path: &Path<'_>, desired: &[Value], kids: &Map<String, Value>, live: &[Value]) {
        let Some(names) = kids.keys().find_map(|raw| parse_keys(raw)) else {
            return self.doubt(path, DoubtCause::Shape, NOTHING);
        };
        let Some(found) = self.match_items(desired, kids, &names) else {
            return self.doubt(path, DoubtCause::Ambiguous, NOTHING);
        };
        let mut order = Order::new(desired.len(), live.len());
        for (index, (item, found)) in desired.iter().zip(&found).enumerate() {
            let holds = |there: &Value| match *found {
                Found::Ours(raw, _) => has_keys(there, item, &names, || parse_keys(raw)),
                Found::New | Found::Short => has_keys(there, item, &names, || None),
            };
            let Ok(position) = order.find(live, holds) else {
                return self.doubt(path, DoubtCause::Ambiguous, NOTHING);
            };
            let there = position.map(|position| &live[position]);
            match *found {
                Found::Ours(raw, node) => {
                    let at = path.then(Step::Raw(raw));
                    match there {
                        Some(there) => self.visit(&at, item, node, Some(there)),
                        None => self.doubt(&at, DoubtCause::Differs, Values { desired: Some(item), live: None }),
                    }
                }
                Found::New | Found::Short => {
                    let raw = serialise_keys(item, &names);
                    let at = path.then(raw.as_deref().map_or(Step::Index(index), Step::Raw));
                    let others = self.others_at(path);
                    let nodes = raw.as_deref().map(|raw| children(&others, raw)).unwrap_or_default();
                    self.unowned(&at, item, there, &nodes);
                }
            }
        }
        let used = |raw: &str| found.iter().any(|found| matches!(found, Found::Ours(used, _) if *used == raw));
        self.unused(path, kids, used, |raw| {
            let keys = parse_keys(raw)?;
            live.iter()
                .find(|there| keys.iter().all(|(name, value)| there.get(name).is_some_and(|v| same_key(v, value))))
        });
        if order.broken {
            self.doubt(path, DoubtCause::Order, NOTHING);
        }
    }

    /// Visits a list of scalars that are told apart by value.
    pub(super) fn set(&mut self, path: &Path<'_>, desired: &[Value], kids: &Map<String, Value>, live: &[Value]) {
        let mut order = Order::new(desired.len(), live.len());
        let mut used = Vec::with_capacity(desired.len());
        for (index, value) in desired.iter().enumerate() {
            let Ok(position) = order.find(live, |there| same_key(there, value)) else {
                return self.doubt(path, DoubtCause::Ambiguous, NOTHING);
            };
            let kid = self.set_kid(kids, value);
            let values = Values { desired: Some(value), live: position.map(|position| &live[position]) };
            match (kid, position) {
                (Some(_), Some(_)) => {}
                (Some(raw), None) => self.doubt(&path.then(Step::Raw(raw)), DoubtCause::Differs, values),
                (None, Some(_)) => self.doubt(&path.then(Step::Index(index)), DoubtCause::NotOwnedEqual, values),
                (None, None) => self.doubt(&path.then(Step::Index(index)), DoubtCause::NotOwnedAbsent, values),
            }
            used.extend(kid);
        }
        self.unused(
            path,
            kids,
            |raw| used.contains(&raw),
            |raw| {
                let value = parse_value(raw)?;
                live.iter().find(|there| same_key(there, &value))
            },
        );
        if order.broken {
            self.doubt(path, DoubtCause::Order, NOTHING);
        }
    }

    fn set_kid<'f>(&mut self, kids: &'f Map<String, Value>, value: &Value) -> Option<&'f str> {
        self.scratch.clear();
        let _ = write!(self.scratch, "v:{value}");
        let fast = kids.get_key_value(&self.scratch).map(|(raw, _)| raw.as_str());
        fast.or_else(|| {
            kids.keys().find(|raw| parse_value(raw).is_some_and(|known| same_key(&known, value))).map(String::as_str)
        })
    }

    /// Finds the key of ours for each item; none when items and keys do not match one to one.
    fn match_items<'f>(
        &mut self,
        desired: &[Value],
        kids: &'f Map<String, Value>,
        names: &Map<String, Value>,
    ) -> Option<Vec<Found<'f>>> {
        let mut found = Vec::with_capacity(desired.len());
        for item in desired {
            let spelled = names.keys().all(|name| item.get(name).is_some_and(|value| !value.is_null()));
            found.push(if spelled { self.full_match(item, kids, names) } else { Found::Short });
        }
        for index in 0..desired.len() {
            if matches!(found[index], Found::Short) {
                found[index] = short_match(&desired[index], kids, &found)?;
            }
        }
        let mut keys: Vec<&str> = found.iter().filter_map(|found| found.raw()).collect();
        let matched = keys.len();
        keys.sort_unstable();
        keys.dedup();
        (keys.len() == matched).then_some(found)
    }

    fn full_match<'f>(&mut self, item: &Value, kids: &'f Map<String, Value>, names: &Map<String, Value>) -> Found<'f> {
        self.scratch.clear();
        write_keys(&mut self.scratch, item, names);
        if let Some((raw, node)) = kids.get_key_value(&self.scratch) {
            return Found::Ours(raw, node);
        }
        // The server may spell a key another way: `80.0`, or an escaped character.
        let same = |raw: &str| {
            parse_keys(raw).is_some_and(|keys| {
                keys.iter().all(|(name, value)| item.get(name).is_some_and(|there| same_key(there, value)))
            })
        };
        kids.iter().find(|(raw, _)| same(raw)).map_or(Found::New, |(raw, node)| Found::Ours(raw, node))
    }

    /// Judges the keys of ours that no desired item has.
    fn unused<'l>(
        &mut self,
        path: &Path<'_>,
        kids: &Map<String, Value>,
        used: impl Fn(&str) -> bool,
        find: impl Fn(&str) -> Option<&'l Value>,
    ) {
        for (raw, _) in kids.iter().filter(|(raw, _)| *raw != "." && !used(raw)) {
            let at = path.then(Step::Raw(raw));
            let live = find(raw);
            let only_legacy = self.owned.ours.is_none_or(|ours| at.lookup(ours.fields).is_none());
            let cause = match live {
                None => DoubtCause::OwnedNotDesiredStays,
                Some(_) if only_legacy => DoubtCause::LegacyNotDesired,
                Some(_) => DoubtCause::OwnedNotDesired,
            };
            self.doubt(&at, cause, Values { desired: None, live });
        }
    }
}

impl<'f> Found<'f> {
    fn raw(self) -> Option<&'f str> {
        match self {
            Self::Ours(raw, _) => Some(raw),
            Self::New | Self::Short => None,
        }
    }
}

/// Matches an item that leaves out a key field with the one unused key that agrees in the fields it has.
fn short_match<'f>(item: &Value, kids: &'f Map<String, Value>, found: &[Found<'f>]) -> Option<Found<'f>> {
    let agrees = |raw: &str| {
        parse_keys(raw).is_some_and(|keys| {
            keys.iter().all(|(name, value)| match item.get(name) {
                None | Some(Value::Null) => true,
                Some(there) => same_key(there, value),
            })
        })
    };
    let unused = |raw: &str| !found.iter().any(|found| found.raw() == Some(raw));
    let mut candidates = kids.iter().filter(|(raw, _)| unused(raw) && agrees(raw));
    match (candidates.next(), candidates.next()) {
        (Some((raw, node)), None) => Some(Found::Ours(raw, node)),
        _ => None,
    }
}

/// Tells whether a live item has the keys of a desired one; a key the desired item leaves out comes from `spelled`.
fn has_keys(
    there: &Value,
    item: &Value,
    names: &Map<String, Value>,
    spelled: impl Fn() -> Option<Map<String, Value>>,
) -> bool {
    names.keys().all(|name| {
        let Some(there) = there.get(name) else { return false };
        match item.get(name) {
            Some(value) if !value.is_null() => same_key(there, value),
            _ => spelled().is_some_and(|keys| keys.get(name).is_some_and(|value| same_key(there, value))),
        }
    })
}

fn parse_keys(raw: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(raw.strip_prefix("k:")?).ok()
}

fn parse_value(raw: &str) -> Option<Value> {
    serde_json::from_str(raw.strip_prefix("v:")?).ok()
}

fn write_keys(out: &mut String, item: &Value, names: &Map<String, Value>) {
    out.push_str("k:{");
    for (at, name) in names.keys().enumerate() {
        let value = item.get(name).unwrap_or(&Value::Null);
        let _ = write!(out, "{}\"{name}\":{value}", if at == 0 { "" } else { "," });
    }
    out.push('}');
}

fn serialise_keys(item: &Value, names: &Map<String, Value>) -> Option<String> {
    names.keys().all(|name| item.get(name).is_some()).then(|| {
        let mut raw = String::new();
        write_keys(&mut raw, item, names);
        raw
    })
}

/// Finds live items one after the other and notices when they do not rise.
struct Order {
    last: Option<usize>,
    broken: bool,
    /// With as many live items as desired ones, rising matches leave no room for a second copy.
    may_have_copies: bool,
}

/// Several live items have the same keys.
struct Copies;

impl Order {
    fn new(desired: usize, live: usize) -> Self {
        Self { last: None, broken: false, may_have_copies: live > desired }
    }

    fn find(&mut self, live: &[Value], holds: impl Fn(&Value) -> bool) -> Result<Option<usize>, Copies> {
        let start = self.last.map_or(0, |last| last + 1);
        let ahead = live[start..].iter().position(&holds).map(|offset| start + offset);
        let position = ahead.or_else(|| live[..start].iter().position(&holds));
        let Some(position) = position else { return Ok(None) };
        if ahead.is_none() {
            self.broken = true;
        } else {
            self.last = Some(position);
        }
        if self.may_have_copies && live.iter().filter(|there| holds(there)).count() > 1 {
            return Err(Copies);
        }
        Ok(Some(position))
    }
}
