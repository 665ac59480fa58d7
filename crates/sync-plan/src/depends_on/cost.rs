//! What evaluating an expression over an object can cost at most, found out before it is evaluated.
//!
//! CEL always ends, but loops in loops multiply, and loops that make lists of lists grow them. The bound is computed like a value: part
//! of the object where it is known which part, else a number of steps that handling it takes at most.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};
use serde_json::Value;

use super::expression::VARIABLE;

/// Steps that an evaluation may take: a tenth of a second or so.
const MOST_STEPS: u64 = 2_000_000;
/// Bytes of text that count as one step.
const BYTES_A_STEP: usize = 64;

/// The bound is above what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

/// Tells whether evaluating an expression over an object stays within bounds.
pub(super) fn bound(tree: &IdedExpr, app: &Value) -> Result<(), TooMuch> {
    let mut meter = Meter { spent: weigh(app), names: vec![(VARIABLE, Extent::Part(app))] };
    meter.walk(tree).map(|_| ())
}

/// How large a value is.
#[derive(Clone, Copy, Debug)]
enum Extent<'a> {
    /// It is this part of the object.
    Part(&'a Value),
    /// Handling it takes so many steps at most.
    AtMost(u64),
}

const SMALL: Extent<'static> = Extent::AtMost(1);

struct Meter<'a> {
    spent: u64,
    /// Variables, the innermost last.
    names: Vec<(&'a str, Extent<'a>)>,
}

impl<'a> Meter<'a> {
    fn spend(&mut self, steps: u64) -> Result<(), TooMuch> {
        self.spent = self.spent.saturating_add(steps);
        if self.spent > MOST_STEPS { Err(TooMuch) } else { Ok(()) }
    }

    /// Counts the handling of a whole value, and returns what it takes.
    fn handle(&mut self, extent: Extent<'_>) -> Result<u64, TooMuch> {
        let weight = match extent {
            Extent::Part(value) => weigh(value),
            Extent::AtMost(weight) => weight,
        };
        self.spend(weight)?;
        Ok(weight)
    }

    fn walk(&mut self, tree: &'a IdedExpr) -> Result<Extent<'a>, TooMuch> {
        self.spend(1)?;
        match &tree.expr {
            Expr::Literal(LiteralValue::String(text)) => Ok(Extent::AtMost(steps_of(text.inner().len()))),
            Expr::Literal(LiteralValue::Bytes(bytes)) => Ok(Extent::AtMost(steps_of(bytes.inner().len()))),
            Expr::Unspecified | Expr::Literal(_) => Ok(SMALL),
            Expr::Ident(name) => {
                Ok(self.names.iter().rev().find(|(known, _)| known == name).map_or(SMALL, |known| known.1))
            }
            Expr::Select(select) => {
                let of = self.walk(&select.operand)?;
                Ok(match of {
                    _ if select.test => SMALL,
                    Extent::Part(value) => value.get(&select.field).map_or(SMALL, Extent::Part),
                    Extent::AtMost(_) => of,
                })
            }
            Expr::List(list) => self.gather(list.elements.iter()),
            Expr::Map(map) => self.gather(map.entries.iter().flat_map(|entry| parts_of(&entry.expr)).flatten()),
            Expr::Struct(made) => self.gather(made.entries.iter().flat_map(|entry| parts_of(&entry.expr)).flatten()),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.repeat(comprehension),
        }
    }

    /// Counts parts that are brought together in one value.
    fn gather(&mut self, parts: impl Iterator<Item = &'a IdedExpr>) -> Result<Extent<'a>, TooMuch> {
        let mut all: u64 = 1;
        for part in parts {
            let extent = self.walk(part)?;
            all = all.saturating_add(self.handle(extent)?);
        }
        Ok(Extent::AtMost(all))
    }

    fn call(&mut self, call: &'a CallExpr) -> Result<Extent<'a>, TooMuch> {
        let mut parts = call.target.as_deref().into_iter().chain(&call.args);
        match (call.func_name.as_str(), &call.args[..]) {
            ("_&&_" | "_||_" | "!_" | "@not_strictly_false", _) => {
                parts.try_for_each(|part| self.walk(part).map(|_| ()))?;
                Ok(SMALL)
            }
            ("_[_]", [of, at]) => {
                let of = self.walk(of)?;
                self.walk(at)?;
                match (of, index_of(of, at)) {
                    (_, Some(part)) => Ok(Extent::Part(part)),
                    (Extent::Part(_), None) => Ok(Extent::AtMost(self.handle(of)?)),
                    (Extent::AtMost(_), None) => Ok(of),
                }
            }
            ("size", _) => {
                for part in parts {
                    match self.walk(part)? {
                        // It is counted already.
                        Extent::Part(Value::Array(_) | Value::Object(_)) => {}
                        extent => _ = self.handle(extent)?,
                    }
                }
                Ok(SMALL)
            }
            (name, _) => {
                let all = self.gather(parts)?;
                Ok(if matches!(name, "_+_" | "_?_:_" | "dyn" | "string" | "bytes") { all } else { SMALL })
            }
        }
    }

    fn repeat(&mut self, comprehension: &'a ComprehensionExpr) -> Result<Extent<'a>, TooMuch> {
        let range = self.walk(&comprehension.iter_range)?;
        let first = self.walk(&comprehension.accu_init)?;
        // Each element is copied into the variable.
        let weight = self.handle(range)?;
        let (times, element) = match range {
            Extent::Part(Value::Array(items)) => (items.len() as u64, items.iter().map(weigh).max().unwrap_or(1)),
            Extent::Part(Value::Object(fields)) => {
                (fields.len() as u64, fields.keys().map(|key| steps_of(key.len())).max().unwrap_or(1))
            }
            Extent::Part(_) | Extent::AtMost(_) => (weight, weight),
        };
        let outside = self.names.len();
        self.names.push((&comprehension.iter_var, Extent::AtMost(element)));
        self.names.extend(comprehension.iter_var2.as_deref().map(|name| (name, Extent::AtMost(element))));
        self.names.push((&comprehension.accu_var, SMALL));
        let before = self.spent;
        self.walk(&comprehension.loop_cond)?;
        let step = self.walk(&comprehension.loop_step)?;
        let step = self.handle(step)?;
        let once = self.spent - before;
        self.spend(once.saturating_mul(times.saturating_sub(1)))?;
        // What is more than a truth value is appended.
        let grown = if step <= 1 { 1 } else { step.saturating_mul(times) };
        let grown = self.handle(first)?.saturating_add(grown);
        if let Some(accumulated) = self.names.last_mut() {
            accumulated.1 = Extent::AtMost(grown);
        }
        let result = self.walk(&comprehension.result);
        self.names.truncate(outside);
        result
    }
}

/// Returns the part that a literal index leads to.
fn index_of<'a>(of: Extent<'a>, at: &IdedExpr) -> Option<&'a Value> {
    let (Extent::Part(value), Expr::Literal(literal)) = (of, &at.expr) else { return None };
    match literal {
        LiteralValue::String(key) => value.get(key.inner()),
        LiteralValue::Int(index) => value.get(usize::try_from(*index.inner()).ok()?),
        _ => None,
    }
}

fn parts_of(entry: &EntryExpr) -> [Option<&IdedExpr>; 2] {
    match entry {
        EntryExpr::MapEntry(entry) => [Some(&entry.key), Some(&entry.value)],
        EntryExpr::StructField(field) => [Some(&field.value), None],
    }
}

fn steps_of(bytes: usize) -> u64 {
    1 + (bytes / BYTES_A_STEP) as u64
}

/// Returns how many steps it takes to handle a whole value.
fn weigh(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => steps_of(text.len()),
        Value::Array(items) => 1 + items.iter().map(weigh).sum::<u64>(),
        Value::Object(fields) => {
            1 + fields.iter().map(|(name, value)| steps_of(name.len()) + weigh(value)).sum::<u64>()
        }
    }
}
