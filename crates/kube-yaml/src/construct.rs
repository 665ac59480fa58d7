use std::collections::HashSet;
use std::mem;

use serde_json::{Map, Value};

use crate::Limits;
use crate::error::{DecodeStep, Fault};
use crate::number::{Number, float_key};
use crate::resolve::{Meaning, resolve_plain, resolve_tagged};
use crate::tree::{Content, NodeId, Reading, Tree, too_deep, too_many_values};

/// What is left of the limits of a file.
pub(crate) struct Budget {
    pub(crate) values: usize,
    pub(crate) alias_bytes: usize,
}

impl Budget {
    pub(crate) fn of(limits: &Limits) -> Self {
        Self { values: limits.max_values, alias_bytes: limits.max_alias_bytes }
    }
}

/// Returns the JSON value of a document, as go-yaml and then `sigs.k8s.io/yaml` make it.
pub(crate) fn construct(mut tree: Tree, limits: &Limits, budget: &mut Budget) -> Result<Value, Fault> {
    let Some(root) = tree.root else { return Ok(Value::Null) };
    let constructor = &mut Constructor {
        tree: &mut tree,
        budget,
        max_depth: limits.depth(),
        depth: 0,
        active: HashSet::new(),
        // go-yaml counts the document itself.
        decoded: 1,
        aliased: 0,
    };
    constructor.value(root)
}

struct Constructor<'a> {
    tree: &'a mut Tree,
    budget: &'a mut Budget,
    max_depth: usize,
    depth: usize,
    /// Aliases that are being expanded.
    active: HashSet<NodeId>,
    decoded: u64,
    aliased: u64,
}

impl Constructor<'_> {
    fn value(&mut self, id: NodeId) -> Result<Value, Fault> {
        self.count(id)?;
        match &self.tree.nodes[id].content {
            Content::Scalar { .. } => self.scalar(id),
            Content::Alias(target) => {
                let target = *target;
                self.through_alias(id, |this| this.value(target))
            }
            Content::Sequence(children) => {
                let length = children.len();
                self.nested(id, |this| (0..length).map(|at| this.value(this.child(id, at))).collect()).map(Value::Array)
            }
            Content::Mapping(_) => {
                let mut map = Map::new();
                self.mapping_into(id, &mut map)?;
                Ok(Value::Object(map))
            }
        }
    }

    /// Adds the entries of a mapping in document order: a later one wins, also one that a merge brings.
    fn mapping_into(&mut self, id: NodeId, map: &mut Map<String, Value>) -> Result<(), Fault> {
        let Content::Mapping(children) = &self.tree.nodes[id].content else { return Err(self.want_map(id)) };
        let entries = children.len() / 2;
        self.nested(id, |this| {
            for entry in 0..entries {
                let (key, value) = (this.child(id, 2 * entry), this.child(id, 2 * entry + 1));
                if matches!(this.tree.nodes[key].content, Content::Scalar { merges: true, .. }) {
                    this.merge(value, map)?;
                } else {
                    let key = this.key(key)?;
                    let value = this.value(value)?;
                    map.insert(key, value);
                }
            }
            Ok(())
        })
    }

    fn merge(&mut self, id: NodeId, map: &mut Map<String, Value>) -> Result<(), Fault> {
        match &self.tree.nodes[id].content {
            Content::Sequence(children) => {
                // Earlier mappings of the list take precedence.
                for at in (0..children.len()).rev() {
                    let child = self.child(id, at);
                    self.merge_one(child, map)?;
                }
                Ok(())
            }
            _ => self.merge_one(id, map),
        }
    }

    fn merge_one(&mut self, id: NodeId, map: &mut Map<String, Value>) -> Result<(), Fault> {
        self.count(id)?;
        match self.tree.nodes[id].content {
            Content::Alias(target) => self.through_alias(id, |this| {
                this.count(target)?;
                this.mapping_into(target, map)
            }),
            _ => self.mapping_into(id, map),
        }
    }

    fn key(&mut self, id: NodeId) -> Result<String, Fault> {
        self.count(id)?;
        let refused = |this: &Self, problem| Err(this.fault(id, problem, "write the key as text"));
        match &self.tree.nodes[id].content {
            Content::Alias(target) => {
                let target = *target;
                self.through_alias(id, |this| this.key(target))
            }
            Content::Sequence(_) | Content::Mapping(_) => refused(self, "found a map or a list as a key"),
            Content::Scalar { .. } => match self.meaning(id)? {
                Meaning::Text | Meaning::Base64 => match self.scalar(id)? {
                    Value::String(text) => Ok(text),
                    _ => refused(self, "found a key that is not text"),
                },
                Meaning::Bool(value) => Ok(value.to_string()),
                Meaning::Number(Number::Int(value)) => Ok(value.to_string()),
                Meaning::Number(Number::Float(value)) => Ok(float_key(value)),
                Meaning::Number(Number::Uint(_)) => refused(self, "found an integer of more than 63 bits as a key"),
                Meaning::Null => refused(self, "found null as a key"),
            },
        }
    }

    fn meaning(&self, id: NodeId) -> Result<Meaning, Fault> {
        match &self.tree.nodes[id].content {
            Content::Scalar { text, reading: Reading::Plain, .. } => Ok(resolve_plain(text)),
            Content::Scalar { text, reading: Reading::Tagged(tag), .. } => resolve_tagged(*tag, text)
                .map_err(|problem| self.fault(id, problem, "make the value fit its tag, or remove the tag")),
            _ => Ok(Meaning::Text),
        }
    }

    fn scalar(&mut self, id: NodeId) -> Result<Value, Fault> {
        Ok(match self.meaning(id)? {
            Meaning::Null => Value::Null,
            Meaning::Bool(value) => Value::Bool(value),
            Meaning::Number(number) => number.into_value().ok_or_else(|| {
                self.fault(
                    id,
                    "found an infinity or NaN, which JSON cannot hold",
                    "write a finite number, or quote the text",
                )
            })?,
            Meaning::Text => Value::String(self.text(id)),
            Meaning::Base64 => {
                let decoded = crate::base64::decode(&self.text(id)).ok_or_else(|| {
                    self.fault(id, "found text under the tag !!binary that is not base64", "correct the base64 text")
                })?;
                Value::String(crate::encoding::lossy(&decoded))
            }
        })
    }

    /// Takes the text of a scalar; copies it when an alias may need it again.
    fn text(&mut self, id: NodeId) -> String {
        let copy = self.tree.has_aliases;
        match &mut self.tree.nodes[id].content {
            Content::Scalar { text, .. } if copy => text.clone(),
            Content::Scalar { text, .. } => mem::take(text),
            _ => String::new(),
        }
    }

    fn child(&self, id: NodeId, at: usize) -> NodeId {
        match &self.tree.nodes[id].content {
            Content::Sequence(children) | Content::Mapping(children) => children[at],
            _ => unreachable!("only collections have children"),
        }
    }

    fn nested<T>(&mut self, id: NodeId, inside: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= self.max_depth {
            return Err(too_deep(self.tree.nodes[id].at));
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn through_alias<T>(&mut self, id: NodeId, inside: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if !self.active.insert(id) {
            return Err(self.fault(id, "found an alias inside the node that it stands for", "write the value out"));
        }
        let result = inside(self);
        self.active.remove(&id);
        result
    }

    /// Counts one step of decoding, with go-yaml's bound on the share of steps inside aliases.
    fn count(&mut self, id: NodeId) -> Result<(), Fault> {
        self.decoded += 1;
        if self.active.is_empty() {
            return Ok(());
        }
        self.aliased += 1;
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let (aliased, decoded) = (self.aliased as f64, self.decoded as f64);
        let excessive = self.aliased > 100 && self.decoded > 1000 && aliased / decoded > allowed_alias_ratio(decoded);
        let advice = "write the values out, or share fewer of them by aliases";
        if excessive {
            return Err(self.fault(id, "found too many values that come from aliases", advice));
        }
        let at = self.tree.nodes[id].at;
        self.budget.values = self.budget.values.checked_sub(1).ok_or_else(|| too_many_values(at))?;
        if let Content::Scalar { text, .. } = &self.tree.nodes[id].content {
            self.budget.alias_bytes = self.budget.alias_bytes.checked_sub(text.len()).ok_or_else(|| {
                Fault::new(
                    at,
                    DecodeStep::Limit,
                    "found more text that comes from aliases than one file may hold",
                    advice,
                )
            })?;
        }
        Ok(())
    }

    fn want_map(&self, id: NodeId) -> Fault {
        self.fault(
            id,
            "found a merge key << whose value is not a map or a list of maps",
            "merge a map, or quote the key",
        )
    }

    fn fault(&self, id: NodeId, problem: impl Into<String>, advice: &'static str) -> Fault {
        Fault::new(self.tree.nodes[id].at, DecodeStep::Resolve, problem, advice)
    }
}

/// The share of decoding steps that go-yaml lets happen inside aliases: 99 % up to 400,000 steps, 10 % from 4,000,000 on.
fn allowed_alias_ratio(decoded: f64) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    0.99 - 0.89 * ((decoded.clamp(LOW, HIGH) - LOW) / (HIGH - LOW))
}
