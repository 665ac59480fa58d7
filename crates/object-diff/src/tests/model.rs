//! Soundness against a small model of apply: scalars, a granular map, an atomic map, a keyed list and a set.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{entry, live_of, of_kind};
use crate::{OUR_MANAGER, Takeover, Verdict, verdict};

const VERSION: &str = "example.com/v1";

/// A path as keys of `fieldsV1`; an item's own path stands for the item.
type Paths = BTreeMap<Vec<String>, Value>;

/// A body in the model, from which JSON, owned paths and merges follow.
#[derive(Clone, Debug, Default, PartialEq)]
struct Body {
    scalar: Option<i64>,
    granular: Option<BTreeMap<String, i64>>,
    atomic: Option<BTreeMap<String, i64>>,
    list: Option<Vec<(String, BTreeMap<String, i64>)>>,
    set: Option<Vec<String>>,
}

impl Body {
    fn json(&self) -> Value {
        let mut body = Map::new();
        body.extend(self.scalar.map(|value| ("a".to_owned(), value.into())));
        body.extend(self.granular.as_ref().map(|value| ("m".to_owned(), json!(value))));
        body.extend(self.atomic.as_ref().map(|value| ("t".to_owned(), json!(value))));
        body.extend(self.list.as_ref().map(|items| {
            let item = |(name, fields): &(String, BTreeMap<String, i64>)| {
                let mut item = json!(fields);
                item["name"] = json!(name);
                item
            };
            ("l".to_owned(), items.iter().map(item).collect())
        }));
        body.extend(self.set.as_ref().map(|value| ("s".to_owned(), json!(value))));
        // Atomicity of `t` is told by its leaf in the trees, as on a server.
        Value::Object(body)
    }

    fn paths(&self) -> Paths {
        let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let mut paths = Paths::new();
        paths.extend(self.scalar.map(|value| (path(&["f:a"]), value.into())));
        match &self.granular {
            Some(map) if map.is_empty() => {
                paths.insert(path(&["f:m"]), json!({}));
            }
            map => paths.extend(map.iter().flatten().map(|(k, v)| (path(&["f:m", &format!("f:{k}")]), json!(v)))),
        }
        paths.extend(self.atomic.as_ref().map(|map| (path(&["f:t"]), json!(map))));
        for (name, fields) in self.list.iter().flatten() {
            let item = format!("k:{{\"name\":\"{name}\"}}");
            paths.insert(path(&["f:l", &item]), Value::Null);
            paths.insert(path(&["f:l", &item, "f:name"]), json!(name));
            paths.extend(fields.iter().map(|(k, v)| (path(&["f:l", &item, &format!("f:{k}")]), json!(v))));
        }
        paths.extend(self.set.iter().flatten().map(|v| (path(&["f:s", &format!("v:\"{v}\"")]), json!(v))));
        paths
    }

    /// Merges a desired body into this one.
    fn merge(&mut self, desired: &Body) {
        self.scalar = desired.scalar.or(self.scalar);
        if let Some(map) = &desired.granular {
            self.granular.get_or_insert_default().extend(map.clone());
        }
        self.atomic = desired.atomic.clone().or(self.atomic.take());
        if let Some(items) = &desired.list {
            let live = self.list.take().unwrap_or_default();
            let order = merge_order(&names(&live), &names(items));
            let fields = |list: &[(String, BTreeMap<String, i64>)], name: &String| {
                list.iter().find(|(n, _)| n == name).map(|(_, fields)| fields.clone()).unwrap_or_default()
            };
            let merged = order.into_iter().map(|name| {
                let mut all = fields(&live, &name);
                all.extend(fields(items, &name));
                (name, all)
            });
            self.list = Some(merged.collect());
        }
        if let Some(values) = &desired.set {
            self.set = Some(merge_order(&self.set.take().unwrap_or_default(), values));
        }
    }

    fn remove(&mut self, path: &[String]) {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let field = |key: &str| key[2..].to_owned();
        match keys.as_slice() {
            ["f:a"] => self.scalar = None,
            ["f:t"] => self.atomic = None,
            ["f:m"] => self.granular = self.granular.take().filter(|map| !map.is_empty()),
            ["f:m", key] => {
                if let Some(map) = &mut self.granular {
                    map.remove(&field(key));
                }
            }
            ["f:l", item, rest @ ..] => {
                let Some(list) = &mut self.list else { return };
                let is = |name: &str| *item == format!("k:{{\"name\":\"{name}\"}}");
                match rest {
                    [] => list.retain(|(name, _)| !is(name)),
                    [key, ..] => {
                        if let Some((_, fields)) = list.iter_mut().find(|(name, _)| is(name)) {
                            fields.remove(&field(key));
                        }
                    }
                }
            }
            ["f:s", value] => {
                if let Some(set) = &mut self.set {
                    set.retain(|v| *value != format!("v:\"{v}\""));
                }
            }
            _ => {}
        }
    }
}

fn names(list: &[(String, BTreeMap<String, i64>)]) -> Vec<String> {
    list.iter().map(|(name, _)| name.clone()).collect()
}

/// The order of a merged list: the desired order for shared items, live items of others where they stood.
fn merge_order(live: &[String], desired: &[String]) -> Vec<String> {
    let mut shared = desired.iter().filter(|name| live.contains(name));
    let mut next = shared.next();
    let (mut out, mut l, mut d) = (Vec::new(), 0, 0);
    while l < live.len() || d < desired.len() {
        if l < live.len() && d < desired.len() {
            if live[l] == desired[d] {
                out.push(live[l].clone());
                (l, d, next) = (l + 1, d + 1, shared.next());
                continue;
            }
            if desired.contains(&live[l]) && next.is_some_and(|next| *next != live[l]) {
                l += 1;
                continue;
            }
        }
        if l < live.len() {
            if !desired.contains(&live[l]) {
                out.push(live[l].clone());
                l += 1;
                continue;
            } else if out.contains(&live[l]) {
                l += 1;
            }
        }
        if d < desired.len() {
            out.push(desired[d].clone());
            if next == Some(&desired[d]) {
                next = shared.next();
            }
            d += 1;
        }
    }
    out
}

/// An object in the model: values, and who owns which paths.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    live: Body,
    ours: BTreeSet<Vec<String>>,
    foreign: BTreeSet<Vec<String>>,
}

impl State {
    /// Applies by force.
    fn apply(&mut self, desired: &Body, ours: bool) {
        let wanted = desired.paths();
        let before = self.live.paths();
        let (mine, theirs) =
            if ours { (&mut self.ours, &mut self.foreign) } else { (&mut self.foreign, &mut self.ours) };
        self.live.merge(desired);
        let below = |path: &Vec<String>| theirs.iter().any(|other| other.starts_with(path));
        let dropped: Vec<_> = mine.iter().filter(|path| !wanted.contains_key(*path)).cloned().collect();
        let kept_item = |path: &[String]| path.len() > 2 && wanted.contains_key(&path[..2]);
        for path in &dropped {
            let item = path.len() == 2 && path[0] == "f:l";
            // An item goes with all it has unless another owns the item itself; a field goes unless another owns it.
            let stays = if item { theirs.contains(path) } else { below(path) };
            let name = path.last().is_some_and(|key| key == "f:name");
            if !stays && (!name || kept_item(path)) {
                self.live.remove(path);
            }
        }
        *mine = wanted.keys().cloned().collect();
        let after = self.live.paths();
        theirs.retain(|path| {
            after.get(path) == before.get(path) || !wanted.contains_key(path) && after.contains_key(path)
        });
    }

    /// Writes values as an ordinary update by another manager.
    fn update(&mut self, live: Body) {
        let (before, after) = (self.live.paths(), live.paths());
        let changed: Vec<_> = after
            .iter()
            .filter(|(path, value)| before.get(*path) != Some(value))
            .map(|(path, _)| path.clone())
            .collect();
        self.ours.retain(|path| {
            !changed.contains(path) && (after.contains_key(path) || (path.len() == 1 && live.granular.is_some()))
        });
        self.foreign.retain(|path| after.contains_key(path));
        self.foreign.extend(changed);
        self.live = live;
    }

    fn object(&self) -> kube_object::Object {
        let entries = vec![
            entry("foreign", "Update", VERSION, &tree(&self.foreign)),
            entry(OUR_MANAGER, "Apply", VERSION, &tree(&self.ours)),
        ];
        live_of(VERSION, "Widget", &self.live.json(), entries)
    }
}

fn tree(paths: &BTreeSet<Vec<String>>) -> Value {
    let mut root = json!({});
    for path in paths {
        let mut node = &mut root;
        for key in path {
            node = node.as_object_mut().unwrap().entry(key.clone()).or_insert_with(|| json!({}));
        }
        if path.len() == 2 && path[0] == "f:l" {
            node["."] = json!({});
        }
    }
    root
}

fn small_map() -> impl Strategy<Value = BTreeMap<String, i64>> {
    prop::collection::btree_map(prop::sample::select(vec!["x".to_owned(), "y".to_owned()]), 0i64..2, 0..3)
}

fn some_names() -> impl Strategy<Value = Vec<String>> {
    let all: Vec<String> = ["p", "q", "r"].map(str::to_owned).to_vec();
    prop::sample::subsequence(all, 0..=3).prop_shuffle()
}

fn body() -> impl Strategy<Value = Body> {
    let items = some_names().prop_flat_map(|names| {
        let count = names.len();
        prop::collection::vec(small_map(), count).prop_map(move |fields| names.iter().cloned().zip(fields).collect())
    });
    (
        prop::option::of(0i64..2),
        prop::option::of(small_map()),
        prop::option::of(small_map()),
        prop::option::of(items),
        prop::option::of(some_names()),
    )
        .prop_map(|(scalar, granular, atomic, list, set)| Body { scalar, granular, atomic, list, set })
}

#[derive(Clone, Debug)]
enum Change {
    Ours(Body),
    Foreign(Body),
    /// Replaces only some parts of the live object: scalar, maps, list, set.
    Update(Body, [bool; 5]),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        body().prop_map(Change::Ours),
        body().prop_map(Change::Foreign),
        (body(), prop::array::uniform5(prop::bool::weighted(0.3)))
            .prop_map(|(body, parts)| Change::Update(body, parts)),
    ]
}

fn run(first: &Body, changes: Vec<Change>, last: Option<Body>) -> (State, Body) {
    let mut state = State::default();
    let mut desired = first.clone();
    state.apply(first, true);
    for change in changes {
        match change {
            Change::Ours(body) => {
                state.apply(&body, true);
                desired = body;
            }
            Change::Foreign(body) => state.apply(&body, false),
            Change::Update(body, parts) => {
                let mut live = state.live.clone();
                let old = live.clone();
                live.scalar = if parts[0] { body.scalar } else { old.scalar };
                live.granular = if parts[1] { body.granular } else { old.granular };
                live.atomic = if parts[2] { body.atomic } else { old.atomic };
                live.list = if parts[3] { body.list } else { old.list };
                live.set = if parts[4] { body.set } else { old.set };
                state.update(live);
            }
        }
    }
    (state, last.unwrap_or(desired))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_agrees_with_the_apply(
        first in body(),
        changes in prop::collection::vec(change(), 0..4),
        last in prop::option::of(body()),
    ) {
        let (state, desired) = run(&first, changes, last);
        let mut after = state.clone();
        after.apply(&desired, true);
        let says = verdict(&of_kind(VERSION, "Widget", &desired.json()), &state.object(), &Takeover::default());
        match says {
            Verdict::Same => {
                prop_assert_eq!(&after.live, &state.live);
                prop_assert_eq!(&after.ours, &state.ours);
            }
            Verdict::OwnershipOnly(_) => prop_assert_eq!(&after.live, &state.live),
            Verdict::Certain(_) => prop_assert_ne!(&after.live, &state.live),
            Verdict::Doubt(_) => {}
        }
    }
}
