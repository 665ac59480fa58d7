//! Runs the statements of a script.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kube_object::Object;
use serde_json::Value as Json;

use super::parser::{Expression, Statement};
use crate::{Health, HealthStatus};

/// The longest text a script may make, in bytes: joining a text with itself doubles it with every line.
const MAX_TEXT: usize = 65_536;

/// A value of the language.
#[derive(Clone, Debug)]
enum Value<'a> {
    Nil,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// A list or map of the object.
    Json(&'a Json),
    /// The whole object.
    Object,
    /// A table the script made, by its place in [`Machine::tables`].
    Table(usize),
}

type Table<'a> = BTreeMap<&'a str, Value<'a>>;

struct Machine<'a> {
    object: &'a Object,
    tables: Vec<Table<'a>>,
    globals: BTreeMap<&'a str, Value<'a>>,
    /// Local variables, the innermost block last.
    locals: Vec<(&'a str, Value<'a>)>,
}

/// Runs a script for `object`; the error is the sentence that tells what went wrong.
pub(super) fn run(script: &[Statement], object: &Object) -> Result<Option<Health>, String> {
    let mut machine = Machine { object, tables: Vec::new(), globals: BTreeMap::new(), locals: Vec::new() };
    machine.globals.insert("obj", Value::Object);
    match machine.block(script)? {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::Table(table)) => Ok(read_health(&machine.tables[table])),
        Some(other) => Err(format!("expect table output from Lua script, not {}", other.type_name())),
    }
}

fn read_health(table: &Table<'_>) -> Option<Health> {
    if table.is_empty() {
        return None;
    }
    let text = |name| match table.get(name) {
        Some(Value::Text(text)) => text.as_ref(),
        _ => "",
    };
    Some(match HealthStatus::parse(text("status")) {
        Some(status) => Health::new(status, text("message")),
        None => Health::new(HealthStatus::Unknown, "Lua returned an invalid health status"),
    })
}

impl Value<'_> {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Json(_) | Self::Object | Self::Table(_) => "table",
        }
    }

    fn is_true(&self) -> bool {
        !matches!(self, Self::Nil | Self::Bool(false))
    }
}

impl PartialEq for Value<'_> {
    /// Tables are equal when they are the same table, as in Lua.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) | (Self::Object, Self::Object) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Json(a), Self::Json(b)) => std::ptr::eq(*a, *b),
            (Self::Table(a), Self::Table(b)) => a == b,
            _ => false,
        }
    }
}

impl<'a> Machine<'a> {
    /// Runs a block; a value when it returned.
    fn block(&mut self, statements: &'a [Statement]) -> Result<Option<Value<'a>>, String> {
        let outer = self.locals.len();
        for statement in statements {
            if let Some(returned) = self.statement(statement)? {
                return Ok(Some(returned));
            }
        }
        self.locals.truncate(outer);
        Ok(None)
    }

    fn statement(&mut self, statement: &'a Statement) -> Result<Option<Value<'a>>, String> {
        match statement {
            Statement::Local(name, value) => {
                let value = self.value(value)?;
                self.locals.push((name, value));
            }
            Statement::Assign(path, value) => {
                let value = self.value(value)?;
                self.assign(path, value)?;
            }
            Statement::If(arms) => {
                for (condition, block) in arms {
                    if self.value(condition)?.is_true() {
                        return self.block(block);
                    }
                }
            }
            Statement::Return(value) => return self.value(value).map(Some),
        }
        Ok(None)
    }

    fn assign(&mut self, path: &'a [String], value: Value<'a>) -> Result<(), String> {
        match path {
            [name] => match self.locals.iter_mut().rev().find(|(local, _)| local == name) {
                Some((_, place)) => *place = value,
                None => _ = self.globals.insert(name, value),
            },
            [holder @ .., field] => match self.path(holder)? {
                Value::Table(table) if matches!(value, Value::Nil) => _ = self.tables[table].remove(field.as_str()),
                Value::Table(table) => _ = self.tables[table].insert(field, value),
                Value::Json(_) | Value::Object => return Err("a health script must not change the object".to_owned()),
                other => return Err(no_fields(holder, &other)),
            },
            [] => {}
        }
        Ok(())
    }

    fn path(&self, path: &'a [String]) -> Result<Value<'a>, String> {
        let Some((name, fields)) = path.split_first() else { return Ok(Value::Nil) };
        let local = self.locals.iter().rev().find(|(local, _)| local == name).map(|(_, value)| value);
        let mut value = local.or_else(|| self.globals.get(name.as_str())).cloned().unwrap_or(Value::Nil);
        for (depth, field) in fields.iter().enumerate() {
            value = match value {
                Value::Object => self.object.fields().get(field).map_or(Value::Nil, of_json),
                Value::Json(json) => json.get(field).map_or(Value::Nil, of_json),
                Value::Table(table) => self.tables[table].get(field.as_str()).cloned().unwrap_or(Value::Nil),
                other => return Err(no_fields(&path[..=depth], &other)),
            };
        }
        Ok(value)
    }

    fn value(&mut self, expression: &'a Expression) -> Result<Value<'a>, String> {
        Ok(match expression {
            Expression::Nil => Value::Nil,
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Number(value) => Value::Number(*value),
            Expression::Text(text) => Value::Text(Cow::Borrowed(text)),
            Expression::Path(path) => self.path(path)?,
            Expression::Not(inner) => Value::Bool(!self.value(inner)?.is_true()),
            Expression::Equal(left, right) => Value::Bool(self.value(left)? == self.value(right)?),
            Expression::Unequal(left, right) => Value::Bool(self.value(left)? != self.value(right)?),
            Expression::And(operands) => self.first_that(operands, |value| !value.is_true())?,
            Expression::Or(operands) => self.first_that(operands, Value::is_true)?,
            Expression::Join(operands) => self.join(operands)?,
            Expression::Table(fields) => {
                let mut table = Table::new();
                for (name, value) in fields {
                    match self.value(value)? {
                        Value::Nil => {}
                        value => _ = table.insert(name, value),
                    }
                }
                self.tables.push(table);
                Value::Table(self.tables.len() - 1)
            }
        })
    }

    /// Returns the first operand that decides the chain, else the last; those after it are not looked at.
    fn first_that(
        &mut self,
        operands: &'a [Expression],
        decides: impl Fn(&Value<'a>) -> bool,
    ) -> Result<Value<'a>, String> {
        let mut value = Value::Nil;
        for operand in operands {
            value = self.value(operand)?;
            if decides(&value) {
                break;
            }
        }
        Ok(value)
    }

    fn join(&mut self, operands: &'a [Expression]) -> Result<Value<'a>, String> {
        let mut joined = String::new();
        for operand in operands {
            match self.value(operand)? {
                Value::Text(text) => joined.push_str(&text),
                Value::Number(number) => joined.push_str(&number.to_string()),
                other => return Err(format!("attempt to concatenate a {} value", other.type_name())),
            }
            if joined.len() > MAX_TEXT {
                return Err(format!("a text grew over {MAX_TEXT} bytes"));
            }
        }
        Ok(Value::Text(Cow::Owned(joined)))
    }
}

fn of_json(json: &Json) -> Value<'_> {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => number.as_f64().map_or(Value::Nil, Value::Number),
        Json::String(text) => Value::Text(Cow::Borrowed(text)),
        Json::Array(_) | Json::Object(_) => Value::Json(json),
    }
}

fn no_fields(path: &[String], value: &Value<'_>) -> String {
    format!("attempt to index a {} value: `{}`", value.type_name(), path.join("."))
}
