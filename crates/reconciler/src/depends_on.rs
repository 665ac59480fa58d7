//! Applications that wait for others: who depends on whom, what that holds, and whom a look at an Application wakes.
//!
//! What comes next is decided in `sync_plan`. The index is kept by what Applications declare, so that a change costs what it touches and
//! not a look at all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use application_api::constants::{DEPENDS_ON_ANNOTATION, DEPENDS_ON_READY_ANNOTATION};
use application_api::{Application, Operation, Reason};
use kube_object::ObjectKey;
use live_state::TrackingOf;
use sync_plan::ReadyExpression;

use crate::AppKey;
use crate::app::{AppState, Run};
use crate::reading::Facts;
use crate::repos::Known;
use crate::state::State;
use crate::status::Draft;

/// Applications that are named in one message.
const MOST_NAMED: usize = 10;

/// Who depends on whom.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    /// What Applications declare; only those that declare something.
    declared: HashMap<AppKey, Box<Declared>>,
    /// Who depends on an Application, whether it exists or not.
    dependents: HashMap<AppKey, BTreeSet<AppKey>>,
    /// The expressions in use, by their text.
    expressions: HashMap<Box<str>, Weak<ReadyExpression>>,
}

/// What one Application declares.
#[derive(Debug, Default)]
struct Declared {
    /// The annotations, so that a change is noticed.
    list: String,
    ready: Option<String>,
    on: Vec<AppKey>,
    expression: Option<Arc<ReadyExpression>>,
    problems: Vec<String>,
    /// The way from the Application back to itself.
    cycle: Option<String>,
}

impl Dependencies {
    /// Takes in what an Application declares; answers with the Applications that this concerns.
    fn declare(&mut self, key: &AppKey, annotations: &BTreeMap<String, String>) -> BTreeSet<AppKey> {
        let list = annotations.get(DEPENDS_ON_ANNOTATION);
        let ready = annotations.get(DEPENDS_ON_READY_ANNOTATION);
        let before = self.declared.get(key);
        if before.map(|before| &before.list) == list && before.and_then(|before| before.ready.as_ref()) == ready
            || before.is_none() && list.is_none()
        {
            return BTreeSet::new();
        }
        let declared = list.map(|list| Box::new(self.read(key, list, ready)));
        self.replace(key, declared)
    }

    fn read(&mut self, key: &AppKey, list: &str, ready: Option<&String>) -> Declared {
        let mut declared = Declared { list: list.to_owned(), ready: ready.cloned(), ..Declared::default() };
        match sync_plan::dependencies(list, &key.namespace) {
            Ok(on) => declared.on = on.iter().map(|on| AppKey::new(&on.namespace, &on.name)).collect(),
            Err(problem) => declared.problems.push(problem),
        }
        match ready.map(|text| self.expression(text)) {
            Some(Ok(expression)) => declared.expression = Some(expression),
            Some(Err(problem)) => declared.problems.push(problem),
            None => {}
        }
        declared
    }

    /// Returns the expression of a text, which is read once for all that use it.
    fn expression(&mut self, text: &str) -> Result<Arc<ReadyExpression>, String> {
        if let Some(known) = self.expressions.get(text).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let expression = Arc::new(ReadyExpression::compile(text)?);
        self.expressions.retain(|_, known| known.strong_count() > 0);
        self.expressions.insert(text.into(), Arc::downgrade(&expression));
        Ok(expression)
    }

    /// Replaces what an Application declares; answers with those whose cycle changed, and those that it depended on.
    fn replace(&mut self, key: &AppKey, declared: Option<Box<Declared>>) -> BTreeSet<AppKey> {
        let mut around = self.around(key);
        let before = match declared {
            Some(declared) => self.declared.insert(key.clone(), declared),
            None => self.declared.remove(key),
        };
        let before = before.map(|before| before.on).unwrap_or_default();
        for on in &before {
            if let Some(dependents) = self.dependents.get_mut(on) {
                dependents.remove(key);
                if dependents.is_empty() {
                    self.dependents.remove(on);
                }
            }
        }
        for on in self.declared.get(key).iter().flat_map(|declared| &declared.on) {
            self.dependents.entry(on.clone()).or_default().insert(key.clone());
        }
        around.extend(self.around(key));
        let mut concerned: BTreeSet<AppKey> = around.into_iter().filter(|member| self.judge(member)).collect();
        concerned.extend(before);
        concerned
    }

    /// Finds the cycle of an Application anew; answers whether it is another one than before.
    fn judge(&mut self, key: &AppKey) -> bool {
        let way = sync_plan::cycle(key, |key| self.on(key));
        let way = way.map(|way| way.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> "));
        let Some(declared) = self.declared.get_mut(key) else { return true };
        let is_other = declared.cycle != way;
        declared.cycle = way;
        is_other
    }

    fn on(&self, key: &AppKey) -> &[AppKey] {
        self.declared.get(key).map(|declared| declared.on.as_slice()).unwrap_or_default()
    }

    /// Returns the Applications that depend on this one and that this one depends on, over others or not: with itself if there are any.
    fn around(&self, key: &AppKey) -> BTreeSet<AppKey> {
        let below = reach(key, |key| self.on(key).iter());
        if !below.contains(key) {
            return BTreeSet::new();
        }
        let above = reach(key, |key| self.dependents.get(key).into_iter().flatten());
        below.intersection(&above).cloned().collect()
    }

    /// Says what is wrong with what an Application declares.
    fn problems(&self, key: &AppKey) -> Vec<String> {
        let Some(declared) = self.declared.get(key) else { return Vec::new() };
        let cycle = declared.cycle.as_ref().map(|way| {
            format!(
                "annotation {DEPENDS_ON_ANNOTATION} makes Applications wait for each other: {way}; expected no way back, so take one of \
                 them out"
            )
        });
        declared.problems.iter().cloned().chain(cycle).collect()
    }
}

/// Collects what can be reached, without the start unless there is a way back to it.
fn reach<'a, I: Iterator<Item = &'a AppKey>>(start: &'a AppKey, next: impl Fn(&'a AppKey) -> I) -> BTreeSet<AppKey> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(key) = open.pop() {
        open.extend(next(key).filter(|key| found.insert((*key).clone())));
    }
    found
}

impl State {
    /// Takes in what an Application declares, and wakes those whom it concerns.
    pub(crate) fn note_dependencies(&mut self, key: &AppKey) {
        let Some(app) = self.apps.get(key) else { return };
        // Of one that cannot be read, what was declared before stays in force.
        let Ok(application) = app.reading.typed() else { return };
        let concerned = self.dependencies.declare(key, &application.metadata.annotations);
        self.dirty.extend(concerned);
    }

    /// Forgets what an Application declared that is gone, and wakes those whom it concerns.
    pub(crate) fn forget_dependencies(&mut self, key: &AppKey) {
        if self.dependencies.declared.contains_key(key) {
            let concerned = self.dependencies.replace(key, None);
            self.dirty.extend(concerned);
        }
        self.wake_dependents(key);
    }

    /// Says what is wrong with what an Application declares to depend on.
    pub(crate) fn dependency_problems(&self, application: &Application) -> Vec<String> {
        let metadata = &application.metadata;
        if !metadata.annotations.contains_key(DEPENDS_ON_ANNOTATION) {
            return Vec::new();
        }
        self.dependencies.problems(&AppKey::new(&metadata.namespace, &metadata.name))
    }

    /// Returns why an operation may not take its first step yet, if it may not. What heals is not held: the revision was synced already.
    pub(crate) fn blocked(&self, app: &AppState, operation: &Operation) -> Option<Reason> {
        let declared = self.dependencies.declared.get(&app.key)?;
        if operation.sync.as_ref().is_some_and(|sync| sync.self_heal_attempts_count > 0) {
            return None;
        }
        let unready = |on: &AppKey| Some(format!("{on} ({})", self.unready(on, declared.expression.as_deref())?));
        let dependencies = named(declared.on.iter().filter_map(unready).collect());
        (!dependencies.is_empty()).then_some(Reason::BlockedByDependencies { dependencies })
    }

    /// Holds an operation that has not begun while something that it depends on is not ready.
    pub(crate) fn hold_operation(&self, app: &mut AppState) -> Option<Draft> {
        let run = app.run.as_ref().filter(|run| !has_begun(run))?;
        let reason = self.blocked(app, &run.state.operation)?;
        let Reason::BlockedByDependencies { dependencies } = &reason else { return None };
        let message = format!("blocked by dependencies: {}", dependencies.join(", "));
        app.reason = Some(reason);
        let run = app.run.as_mut()?;
        if run.state.message != message {
            run.state.message = message;
            run.stored = false;
        }
        Some(Draft { state: (!run.stored).then(|| run.state.clone()), ..Draft::default() })
    }

    /// Returns why the objects of an Application that is being deleted stay for the moment: those that need them go first.
    ///
    /// Of Applications that wait for each other none does.
    pub(crate) fn held_by_dependents(&self, key: &AppKey) -> Option<Reason> {
        let is_going = |dependent: &&AppKey| {
            self.apps.get(*dependent).and_then(|app| app.reading.facts()).is_some_and(|facts| !facts.stays())
        };
        let dependents: Vec<&AppKey> = self.dependencies.dependents.get(key)?.iter().filter(is_going).collect();
        if dependents.is_empty() {
            return None;
        }
        let around = self.dependencies.around(key);
        let first = dependents.into_iter().filter(|dependent| !around.contains(*dependent)).map(ToString::to_string);
        let dependents = named(first.collect());
        (!dependents.is_empty()).then_some(Reason::DependentsDeleting { dependents })
    }

    /// Tells whether an object is an Application whose health is not that of its present spec and commit: no wave counts on it.
    pub(crate) fn is_unsettled_child(&self, key: &ObjectKey) -> bool {
        if key.group_kind() != Self::application_kind().group_kind() {
            return false;
        }
        let is_stale = |app: &Application| sync_plan::staleness(app).is_some();
        match self.apps.get(&AppKey::new(&key.namespace, &key.name)) {
            Some(child) => self.unsettled(child).is_some(),
            None => {
                let body = self.live.get(key).and_then(|live| live.body.held());
                body.and_then(|body| Application::from_object(&body.decode()).ok()).is_none_or(|app| is_stale(&app))
            }
        }
    }

    /// Wakes those that wait for an Application that was looked at; `before` is what [`State::unsettled`] said before that.
    ///
    /// Its parent is only told when it settles, since it may be what the Application itself waits for.
    pub(crate) fn wake_waiting(&mut self, key: &AppKey, before: Option<&'static str>) {
        self.wake_dependents(key);
        let Some(app) = self.apps.get(key) else { return };
        if before.is_none() || self.unsettled(app).is_some() {
            return;
        }
        let Some(live) = self.live.get(&self.application_key(key)).filter(|live| live.health.is_some()) else { return };
        let Some(tracking) = live.tracking.as_ref().filter(|tracking| tracking.of == TrackingOf::Itself) else {
            return;
        };
        let parent = AppKey::of_instance(&tracking.instance, &self.config.control_namespace);
        if self.apps.get(&parent).is_some_and(|parent| parent.run.is_some()) {
            self.dirty.insert(parent);
        }
    }

    fn wake_dependents(&mut self, key: &AppKey) {
        let Some(dependents) = self.dependencies.dependents.get(key) else { return };
        let waits = |app: &AppState| matches!(app.reason, Some(Reason::BlockedByDependencies { .. }));
        let waiting = dependents.iter().filter(|dependent| self.apps.get(*dependent).is_some_and(|app| waits(app)));
        self.dirty.extend(waiting.cloned());
    }

    /// Says why an Application is not ready for those that depend on it, if it is not.
    fn unready(&self, key: &AppKey, expression: Option<&ReadyExpression>) -> Option<String> {
        let Some(app) = self.apps.get(key) else { return Some("it does not exist".to_owned()) };
        if app.reading.facts().is_some_and(|facts| facts.is_deleting) {
            return Some("it is being deleted".to_owned());
        }
        if let Some(why) = self.unsettled(app) {
            return Some(why.to_owned());
        }
        let object = app.reading.object().decode();
        match Application::from_object(&object) {
            Ok(application) => sync_plan::unready(&application, &object.into_value(), expression),
            Err(_) => Some(UNREADABLE.to_owned()),
        }
    }

    /// Says why the status of an Application is not yet about its present spec and the newest commit that is known, if it is not.
    pub(crate) fn unsettled(&self, app: &AppState) -> Option<&'static str> {
        let Some(facts) = app.reading.facts() else { return Some(UNREADABLE) };
        if let Some(why) = facts.staleness {
            return Some(why);
        }
        if app.run.is_some() {
            return Some("an operation is running");
        }
        if app.write.is_some() || app.rereading || app.write_retry.is_some() {
            return Some("its status is being written");
        }
        self.newer_commit(app, facts)
    }

    /// Says so when the loop knows of a commit that the status is not about; who is left alone has only the status.
    fn newer_commit(&self, app: &AppState, facts: &Facts) -> Option<&'static str> {
        let sources = facts.sources.as_ref().filter(|_| !facts.is_skipped)?;
        match self.repos.known_all(sources) {
            Known::Commit(commit) => {
                let view = &app.main;
                let is_compared = view.sources == *sources
                    && view.verified == commit
                    && view.comparison.is_some()
                    && view.asked.is_empty()
                    && !view.stale;
                (!is_compared).then_some("its newest commit is not compared yet")
            }
            Known::Awaited => Some("its revision is being looked up"),
            // Then the status says so.
            Known::Unreadable | Known::Absent => None,
        }
    }
}

const UNREADABLE: &str = "it cannot be read";

/// Tells whether an operation has done anything in this attempt.
fn has_begun(run: &Run) -> bool {
    let results = run.state.sync_result.as_ref().map(|result| result.resources.len());
    run.last_action_at.is_some() || !run.waiting.is_empty() || results.is_some_and(|results| results > 0)
}

/// Keeps the first of many.
fn named(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        all.truncate(MOST_NAMED);
        all.push(format!("and {more} more"));
    }
    all
}
