//! Which Applications have to be ready before another one is synced, and when they are.

mod cost;
mod expression;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use application_api::constants::{DEPENDS_ON_ANNOTATION, DEPENDS_ON_READY_ANNOTATION};
use application_api::{Application, HealthStatusCode, SourceSet, SyncStatusCode};
use serde_json::Value;

pub use expression::ReadyExpression;

/// Longest list of Applications that one may depend on.
const MOST_DEPENDENCIES: usize = 256;
/// Longest name of an Application (a DNS subdomain) and of a namespace (a DNS label).
const LONGEST_NAME: usize = 253;
const LONGEST_NAMESPACE: usize = 63;

/// An Application that another one depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Reads the annotation [`DEPENDS_ON_ANNOTATION`]: each Application once, in the order written.
///
/// A bare name is an Application in `namespace`. An annotation of nothing but blanks names none. The error names the annotation, what
/// is wrong and what is expected.
pub fn dependencies(text: &str, namespace: &str) -> Result<Vec<Dependency>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for entry in text.split(',').map(str::trim) {
        let (namespace, name) = entry.split_once('/').unwrap_or((namespace, entry));
        if !is_name(namespace, LONGEST_NAMESPACE, '-') || !is_name(name, LONGEST_NAME, '.') {
            return Err(format!(
                "annotation {DEPENDS_ON_ANNOTATION} has the entry '{}'; expected names of Applications, each as name or namespace/name, \
                 separated by commas",
                shortened(entry)
            ));
        }
        let dependency = Dependency { namespace: namespace.to_owned(), name: name.to_owned() };
        if seen.insert(dependency.clone()) {
            all.push(dependency);
        }
        if all.len() > MOST_DEPENDENCIES {
            return Err(format!(
                "annotation {DEPENDS_ON_ANNOTATION} names more than {MOST_DEPENDENCIES} Applications; name fewer"
            ));
        }
    }
    Ok(all)
}

/// Tells whether a text is a DNS label, or several joined by `joint` where that is a dot.
fn is_name(text: &str, longest: usize, joint: char) -> bool {
    let is_label = |label: &str| {
        let ends_well = !label.starts_with('-') && !label.ends_with('-');
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && ends_well && label.bytes().all(is_letter)
    };
    text.len() <= longest && if joint == '.' { text.split('.').all(is_label) } else { is_label(text) }
}

/// Quotes the beginning of a text that may be long.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

/// Finds the shortest way from an Application over what it depends on back to itself: the first and the last are the same.
///
/// Only what can be reached from `start` is looked at.
pub fn cycle<'a, K: Ord>(start: &'a K, of: impl Fn(&K) -> &'a [K]) -> Option<Vec<&'a K>> {
    let mut before: BTreeMap<&K, &K> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(key) = queue.pop_front() {
        for next in of(key) {
            if next == start {
                let mut path = vec![start, key];
                while let Some(earlier) = path.last().and_then(|key| before.get(key)) {
                    path.push(earlier);
                }
                path.reverse();
                return Some(path);
            }
            if !before.contains_key(next) {
                before.insert(next, key);
                queue.push_back(next);
            }
        }
    }
    None
}

/// Says why the status of an Application is not about its present spec, if it is not (decision 11).
///
/// `metadata.generation` moves with every write of status, so what was compared is what tells.
pub fn staleness(application: &Application) -> Option<&'static str> {
    if application.operation.is_some() {
        return Some("an operation is requested or running");
    }
    let Some(status) = &application.status else { return Some("it is not compared yet") };
    if status.operation_state.as_ref().is_some_and(|state| !state.phase.is_completed()) {
        return Some("an operation is running");
    }
    if application.requested_refresh().is_some() {
        return Some("a refresh is pending");
    }
    let compared = &status.sync.compared_to;
    let sources = SourceSet::of_spec(&application.spec).unwrap_or_default();
    let is_present = compared.source == sources.source_field()
        && compared.sources == sources.sources_field()
        && compared.destination == application.spec.destination;
    (!is_present).then_some("its present spec is not compared yet")
}

/// Says why an Application is not ready for those that depend on it, if it is not.
///
/// One whose status is not about its present spec, or that is being deleted, is not ready whatever the expression says. `object` is
/// the whole Application as stored.
pub fn unready(application: &Application, object: &Value, ready: Option<&ReadyExpression>) -> Option<String> {
    if application.is_deleting() {
        return Some("it is being deleted".to_owned());
    }
    if let Some(why) = staleness(application) {
        return Some(why.to_owned());
    }
    match ready.map(|ready| ready.is_true(object)) {
        Some(Ok(true)) => None,
        Some(Ok(false)) => Some(format!("{DEPENDS_ON_READY_ANNOTATION} is false")),
        Some(Err(error)) => Some(format!("{DEPENDS_ON_READY_ANNOTATION}: {error}")),
        None => neither_synced_nor_healthy(application),
    }
}

fn neither_synced_nor_healthy(application: &Application) -> Option<String> {
    let status = application.status.as_ref()?;
    let mut wrong = Vec::new();
    if status.sync.status != SyncStatusCode::Synced {
        wrong.push(status.sync.status.to_string());
    }
    match &status.health.status {
        Some(HealthStatusCode::Healthy) => {}
        Some(health) => wrong.push(health.to_string()),
        None => wrong.push("no health".to_owned()),
    }
    wrong.dedup();
    (!wrong.is_empty()).then(|| wrong.join(", "))
}
