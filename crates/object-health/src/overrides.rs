use std::collections::BTreeMap;
use std::sync::Arc;

use kube_object::Object;

use crate::script::Script;

/// The health scripts that settings give for kinds.
///
/// A script is understood when it is straight-line Lua: assignments, `if`, `return`, texts, comparisons with `==` and
/// `~=`, fields of `obj`. That covers the form Argo CD documents for `argoproj.io/Application` and constant answers.
/// Any other script is listed by [`Overrides::unsupported`] and its kind keeps the built-in rule.
#[derive(Clone, Debug, Default)]
pub struct Overrides(Arc<Scripts>);

#[derive(Debug, Default)]
struct Scripts {
    exact: BTreeMap<String, Option<Script>>,
    wildcards: BTreeMap<String, Option<Script>>,
    unsupported: Vec<UnsupportedScript>,
}

/// A health script that is not understood, so that its kind keeps the built-in rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedScript {
    /// The key it was given under: `group/Kind`, `Kind`, or a pattern.
    pub key: String,
    /// What is not understood, with the line.
    pub reason: String,
}

impl Overrides {
    /// Reads the scripts; keys are `group/Kind`, `Kind` for the core group, or a pattern with `*` and `?` over that
    /// text.
    ///
    /// An empty script counts as absent.
    pub fn from_scripts<'a>(scripts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut read = Scripts::default();
        for (key, text) in scripts {
            if text.trim().is_empty() {
                continue;
            }
            let script = check_key(key).and_then(|()| Script::parse(text));
            let script = script.map_err(|reason| {
                read.unsupported.push(UnsupportedScript { key: key.to_owned(), reason });
            });
            let place = if key.contains(['*', '?']) { &mut read.wildcards } else { &mut read.exact };
            place.insert(key.to_owned(), script.ok());
        }
        Self(Arc::new(read))
    }

    /// Returns the scripts that are not understood, to be shown as a problem of the settings.
    pub fn unsupported(&self) -> &[UnsupportedScript] {
        &self.0.unsupported
    }

    /// Returns the script that decides for a kind: the one under its own name, else the first pattern that matches.
    pub(crate) fn script_for(&self, object: &Object) -> Option<&Script> {
        let Scripts { exact, wildcards, .. } = &*self.0;
        if exact.is_empty() && wildcards.is_empty() {
            return None;
        }
        let key = object.group_kind().to_string();
        match exact.get(&key) {
            Some(script) => script.as_ref(),
            None => wildcards.iter().find(|(pattern, _)| matches(pattern, &key))?.1.as_ref(),
        }
    }
}

fn check_key(key: &str) -> Result<(), String> {
    match key.find(['[', '{', '\\']) {
        None => Ok(()),
        Some(_) => Err("the key is a pattern with more than `*` and `?`; write one key for each kind".to_owned()),
    }
}

/// Matches `*` (any text, also none, also with `/`) and `?` (any one byte).
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at_pattern, mut at_text, mut retry) = (0, 0, None);
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                retry = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                (at_pattern, at_text) = (star + 1, from + 1);
            }
        }
    }
    pattern[at_pattern..].iter().all(|left| *left == b'*')
}
