use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A path that lives on the stack of the walk: one link a level, rendered only when something is to be told.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

/// One step of a path.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    /// The object itself.
    Root,
    /// A key of `fieldsV1` with its prefix: `f:spec`, `k:{"name":"web"}`, `v:"x"`.
    Raw(&'a str),
    /// A map key that no entry of ours names.
    Field(&'a str),
    /// A position in a list whose keys are unknown.
    Index(usize),
}

impl<'a> Path<'a> {
    pub(crate) const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    pub(crate) fn then(&'a self, step: Step<'a>) -> Path<'a> {
        Path { parent: Some(self), step }
    }

    fn steps(&self) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(path) = at {
            steps.push(path.step);
            at = path.parent;
        }
        steps.pop();
        steps.reverse();
        steps
    }

    /// Returns the names of the path, `*` for list items: the form the tables of known fields use.
    pub(crate) fn segments(&self) -> Vec<&'a str> {
        self.steps()
            .into_iter()
            .map(|step| match step {
                Step::Field(name) => name,
                Step::Raw(raw) => raw.strip_prefix("f:").unwrap_or("*"),
                Step::Index(_) | Step::Root => "*",
            })
            .collect()
    }

    /// Returns the node of another `fieldsV1` tree at this path; none when that tree does not name it.
    pub(crate) fn lookup<'t>(&self, tree: &'t Map<String, Value>) -> Option<&'t Value> {
        self.parent_map(tree)?.get(&*self.raw_key()?)
    }

    fn parent_map<'t>(&self, tree: &'t Map<String, Value>) -> Option<&'t Map<String, Value>> {
        match self.parent {
            Some(Path { step: Step::Root, .. }) => Some(tree),
            Some(parent) => parent.lookup(tree)?.as_object(),
            None => None,
        }
    }

    fn raw_key(&self) -> Option<std::borrow::Cow<'a, str>> {
        match self.step {
            Step::Raw(raw) => Some(raw.into()),
            Step::Field(name) => Some(format!("f:{name}").into()),
            Step::Index(_) | Step::Root => None,
        }
    }

    /// Returns the `fieldsV1` keys of the path; none when a step has no such key.
    pub(crate) fn raw_keys(&self) -> Option<Vec<String>> {
        match self.parent {
            None => Some(Vec::new()),
            Some(parent) => {
                let mut keys = parent.raw_keys()?;
                keys.push(self.raw_key()?.into_owned());
                Some(keys)
            }
        }
    }

    /// Renders the path as people know it: `.spec.containers[name="web"].image`.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        for step in self.steps() {
            match step {
                Step::Raw(raw) => render_raw(&mut out, raw),
                Step::Field(name) => render_field(&mut out, name),
                Step::Index(index) => render_index(&mut out, index),
                Step::Root => {}
            }
        }
        out
    }
}

/// Appends a map key: `.name`, or `["a/b"]` when the name has other characters.
pub(crate) fn render_field(out: &mut String, name: &str) {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        let _ = write!(out, ".{name}");
    } else {
        let _ = write!(out, "[{}]", Value::from(name));
    }
}

/// Appends a list position.
pub(crate) fn render_index(out: &mut String, index: usize) {
    let _ = write!(out, "[{index}]");
}

/// Appends the keys of an item: `[containerPort=80,protocol="TCP"]`.
pub(crate) fn render_keys<'k>(out: &mut String, keys: impl Iterator<Item = (&'k str, &'k Value)>) {
    out.push('[');
    for (at, (name, value)) in keys.enumerate() {
        let _ = write!(out, "{}{name}={value}", if at == 0 { "" } else { "," });
    }
    out.push(']');
}

/// Appends a key of `fieldsV1`.
pub(crate) fn render_raw(out: &mut String, raw: &str) {
    match raw.split_at_checked(2) {
        Some(("f:", name)) => render_field(out, name),
        Some(("k:", keys)) => match serde_json::from_str::<Map<String, Value>>(keys) {
            Ok(keys) => render_keys(out, keys.iter().map(|(name, value)| (name.as_str(), value))),
            Err(_) => {
                let _ = write!(out, "[{keys}]");
            }
        },
        Some(("v:", value)) => {
            let _ = write!(out, "[={value}]");
        }
        Some(("i:", index)) => {
            let _ = write!(out, "[{index}]");
        }
        _ => {
            let _ = write!(out, "[{raw}]");
        }
    }
}
