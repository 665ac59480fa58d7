//! The expression that says when an Application is ready: CEL over its stored object.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use application_api::constants::DEPENDS_ON_READY_ANNOTATION;
use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr};
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, IdedExpr};
use serde_json::Value;

use super::cost::{self, TooMuch};

/// Longest expression, in bytes.
const LONGEST: usize = 4 << 10;
/// How deep expressions may be nested: each level takes stack while it is evaluated.
const DEEPEST: usize = 24;
/// The only variable.
pub(super) const VARIABLE: &str = "app";

/// Functions of the standard environment, and operators under their names in the tree. What is not here is refused when the
/// expression is read, not when it is evaluated.
const FUNCTIONS: [&str; 31] = [
    "!_",
    "-_",
    "@in",
    "@not_strictly_false",
    "_!=_",
    "_%_",
    "_&&_",
    "_*_",
    "_+_",
    "_-_",
    "_/_",
    "_<=_",
    "_<_",
    "_==_",
    "_>=_",
    "_>_",
    "_?_:_",
    "_[_]",
    "_||_",
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];
/// Names of types, which `type(x)` is compared with.
const TYPES: [&str; 10] = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

static ENVIRONMENT: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));

/// A CEL expression over the variable `app`, read and checked once.
///
/// It has the functions and macros of the standard environment, without regular expressions, time and optional values. What
/// it may cost is bounded: by its length, its depth, and over each object by the number of steps.
pub struct ReadyExpression {
    tree: IdedExpr,
}

impl fmt::Debug for ReadyExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyExpression").finish_non_exhaustive()
    }
}

impl ReadyExpression {
    /// Reads an expression. The error names the annotation [`DEPENDS_ON_READY_ANNOTATION`], what is wrong and what is expected.
    pub fn compile(text: &str) -> Result<Self, String> {
        let refused = |problem: &str| {
            format!(
                "annotation {DEPENDS_ON_READY_ANNOTATION} {problem}; expected a CEL expression over app that is true or false, such as \
                 app.status.health.status == 'Healthy'"
            )
        };
        if text.len() > LONGEST {
            return Err(refused(&format!("is {} bytes long, more than {LONGEST}", text.len())));
        }
        let tree = PrattParser::new().parse(text).map_err(|errors| {
            let error = errors.errors.first();
            let problem = error.map(|error| {
                let (line, column) = error.pos;
                let place = if line > 0 { format!(" at {line}:{column}") } else { String::new() };
                format!("cannot be read{place}: {}", error.msg.lines().next().unwrap_or_default())
            });
            refused(&problem.unwrap_or_else(|| "cannot be read".to_owned()))
        })?;
        check(&tree, &mut vec![VARIABLE], 0).map_err(|problem| refused(&problem))?;
        Ok(Self { tree })
    }

    /// Evaluates the expression over an object. The error quotes no value of the object.
    pub fn is_true(&self, app: &Value) -> Result<bool, String> {
        cost::bound(&self.tree, app).map_err(|TooMuch| "it takes too many steps over this object".to_owned())?;
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.add_variable_from_value(VARIABLE, value_of(app));
        match cel::Value::resolve(&self.tree, &context) {
            Ok(cel::Value::Bool(is_true)) => Ok(is_true),
            Ok(other) => Err(format!("it gives a value of type {}, expected true or false", other.type_of())),
            Err(error) => Err(reason_of(&error)),
        }
    }
}

/// Says why an evaluation failed without quoting a value: whoever may write the expression may not be allowed to read the object.
fn reason_of(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no field {key}"),
        ExecutionError::NoSuchOverload(error) => error.to_string(),
        ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
        _ => "it cannot be evaluated over this object".to_owned(),
    }
}

/// Makes the CEL value of a JSON value. Numbers that are whole are `int`.
fn value_of(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => cel::Value::Int(int),
            (None, Some(uint)) => cel::Value::UInt(uint),
            (None, None) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::from(text.as_str()),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(value_of).collect())),
        Value::Object(fields) => {
            let fields: HashMap<String, cel::Value> =
                fields.iter().map(|(name, value)| (name.clone(), value_of(value))).collect();
            cel::Value::from(fields)
        }
    }
}

/// Checks names, functions and depth; `names` are those that mean something here.
fn check<'e>(tree: &'e IdedExpr, names: &mut Vec<&'e str>, depth: usize) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("is nested more than {DEEPEST} levels deep"));
    }
    let depth = depth + 1;
    match &tree.expr {
        Expr::Unspecified | Expr::Struct(_) => Err("makes an object, which it cannot".to_owned()),
        Expr::Literal(_) => Ok(()),
        Expr::Ident(name) => {
            let is_known = names.contains(&name.as_str()) || TYPES.contains(&name.as_str());
            if is_known { Ok(()) } else { Err(format!("names {name}, but the only variable is {VARIABLE}")) }
        }
        Expr::Select(select) => check(&select.operand, names, depth),
        Expr::List(list) => list.elements.iter().try_for_each(|element| check(element, names, depth)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => {
                check(&entry.key, names, depth).and_then(|()| check(&entry.value, names, depth))
            }
            EntryExpr::StructField(field) => check(&field.value, names, depth),
        }),
        Expr::Call(call) => {
            if !FUNCTIONS.contains(&call.func_name.as_str()) {
                return Err(format!("calls {}, which is not there", call.func_name));
            }
            let parts = call.target.as_deref().into_iter().chain(&call.args);
            parts.into_iter().try_for_each(|part| check(part, names, depth))
        }
        Expr::Comprehension(comprehension) => check_loop(comprehension, names, depth),
    }
}

fn check_loop<'e>(comprehension: &'e ComprehensionExpr, names: &mut Vec<&'e str>, depth: usize) -> Result<(), String> {
    check(&comprehension.iter_range, names, depth)?;
    check(&comprehension.accu_init, names, depth)?;
    let outside = names.len();
    names.extend([comprehension.iter_var.as_str(), comprehension.accu_var.as_str()]);
    names.extend(comprehension.iter_var2.as_deref());
    let inside = [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result];
    inside.into_iter().try_for_each(|part| check(part, names, depth))?;
    names.truncate(outside);
    Ok(())
}
