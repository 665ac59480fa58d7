use kube_object::{Digest, Object};
use serde_json::{Map, Value};

use crate::equality::same_key;
use crate::known::is_metadata_map;
use crate::managed_fields::{Entry, entries, is_leaf};
use crate::takeover::{Owned, Takeover};

/// Computes the key under which the answer of a dry run is remembered.
///
/// It covers the desired object, the version and tree of what is ours, and the live values at the paths of both in
/// live list order (server-side apply facts, section 1), and whether others share what we would give up. Changes of
/// anything else do not change the answer, save for admission and upgrades of the server: keep answers for a limited
/// time.
pub fn memo_key(desired: &Object, live: &Object, takeover: &Takeover) -> Digest {
    let owned = Owned::of(live, takeover);
    let mut values = Projection { out: Vec::new(), keys: Vec::new(), others: Vec::new() };
    values.others = entries(live).filter(|entry| !owned.includes(entry)).collect();
    values.map(Some(desired.fields()), &owned.fields, live.fields());
    let tree = bytes(&owned.fields);
    Digest::of_parts([
        &bytes(desired.fields())[..],
        owned.api_version.as_bytes(),
        live.api_version().as_bytes(),
        &tree,
        &values.out,
    ])
}

fn bytes(map: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(map).expect("a JSON map with string keys always serialises")
}

/// Writes the live values that an apply would look at.
struct Projection<'a> {
    out: Vec<u8>,
    keys: Vec<&'a str>,
    others: Vec<Entry<'a>>,
}

impl<'a> Projection<'a> {
    fn value(&mut self, desired: Option<&'a Value>, node: Option<&'a Value>, live: Option<&'a Value>) {
        let Some(live) = live else { return self.out.push(b'~') };
        let kids = node.and_then(Value::as_object).filter(|kids| !is_leaf(kids));
        let granular = || is_metadata_map(&self.names());
        match (kids, live) {
            (Some(kids), Value::Object(live)) => self.map(desired.and_then(Value::as_object), kids, live),
            (None, Value::Object(live)) if granular() => match desired {
                Some(Value::Object(desired)) => self.granular(desired, live),
                _ => self.whole(&Value::Object(live.clone())),
            },
            (Some(kids), Value::Array(items)) => self.list(desired.and_then(Value::as_array), kids, items),
            (_, live) => self.whole(live),
        }
        if desired.is_none() && node.is_some() {
            let shared = self.others.iter().filter(|entry| self.is_shared_by(entry)).count();
            self.out.extend(format!("={shared}").bytes());
        }
    }

    fn map(
        &mut self,
        desired: Option<&'a Map<String, Value>>,
        kids: &'a Map<String, Value>,
        live: &'a Map<String, Value>,
    ) {
        self.out.push(b'{');
        for (raw, node) in kids.iter().filter(|(raw, _)| *raw != ".") {
            let Some(name) = raw.strip_prefix("f:") else { continue };
            self.field(raw, name, desired.and_then(|desired| desired.get(name)), Some(node), live.get(name));
        }
        for (name, value) in desired.into_iter().flatten() {
            if !kids.contains_key(&format!("f:{name}")) {
                self.field(name, name, Some(value), None, live.get(name));
            }
        }
        self.out.push(b'}');
    }

    fn granular(&mut self, desired: &'a Map<String, Value>, live: &'a Map<String, Value>) {
        for (name, value) in desired {
            self.field(name, name, Some(value), None, live.get(name));
        }
    }

    fn field(
        &mut self,
        raw: &'a str,
        name: &str,
        desired: Option<&'a Value>,
        node: Option<&'a Value>,
        live: Option<&'a Value>,
    ) {
        self.out.extend(name.bytes().chain([b':']));
        self.keys.push(raw);
        self.value(desired, node, live);
        self.keys.pop();
    }

    fn list(&mut self, desired: Option<&'a Vec<Value>>, kids: &'a Map<String, Value>, live: &'a [Value]) {
        let keys: Vec<_> = kids.iter().filter_map(|(raw, node)| Some((raw, node, ItemKey::parse(raw)?))).collect();
        self.out.push(b'[');
        for item in live {
            let node = keys.iter().find(|(_, _, key)| key.is_of(item));
            let wanted = desired.and_then(|desired| {
                desired.iter().find(|wanted| {
                    node.map_or_else(
                        || keys.first().is_some_and(|(_, _, key)| key.same_names(wanted, item)),
                        |(_, _, key)| key.may_be_of(wanted),
                    )
                })
            });
            // Items of others between ours do not matter to an apply.
            if node.is_none() && wanted.is_none() {
                continue;
            }
            match node {
                Some((raw, node, _)) => self.field(raw, raw, wanted, Some(node), Some(item)),
                None => self.whole(item),
            }
        }
        self.out.push(b']');
    }

    fn whole(&mut self, value: &Value) {
        serde_json::to_writer(&mut self.out, value).expect("a JSON value always serialises into memory");
    }

    fn names(&self) -> Vec<&'a str> {
        self.keys.iter().map(|key| key.strip_prefix("f:").unwrap_or(key)).collect()
    }

    fn is_shared_by(&self, entry: &Entry<'a>) -> bool {
        let mut node = entry.fields;
        self.keys.iter().all(|key| match node.get(*key).and_then(Value::as_object) {
            Some(next) => {
                node = next;
                true
            }
            None => false,
        })
    }
}

/// The key of a list item, as a tree spells it.
enum ItemKey {
    Fields(Map<String, Value>),
    Scalar(Value),
}

impl ItemKey {
    fn parse(raw: &str) -> Option<Self> {
        match raw.split_at_checked(2)? {
            ("k:", keys) => serde_json::from_str(keys).ok().map(Self::Fields),
            ("v:", value) => serde_json::from_str(value).ok().map(Self::Scalar),
            _ => None,
        }
    }

    fn is_of(&self, item: &Value) -> bool {
        match self {
            Self::Fields(keys) => {
                keys.iter().all(|(name, value)| item.get(name).is_some_and(|there| same_key(there, value)))
            }
            Self::Scalar(value) => same_key(value, item),
        }
    }

    /// As `is_of`, where the item may leave key fields to their defaults.
    fn may_be_of(&self, item: &Value) -> bool {
        match self {
            Self::Fields(keys) => {
                keys.iter().all(|(name, value)| item.get(name).is_none_or(|there| same_key(there, value)))
            }
            Self::Scalar(value) => same_key(value, item),
        }
    }

    fn same_names(&self, one: &Value, other: &Value) -> bool {
        match self {
            Self::Fields(keys) => keys.keys().all(|name| match (one.get(name), other.get(name)) {
                (Some(one), Some(other)) => same_key(one, other),
                (None, _) => true,
                (_, None) => false,
            }),
            Self::Scalar(_) => same_key(one, other),
        }
    }
}
