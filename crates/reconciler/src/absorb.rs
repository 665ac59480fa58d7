//! Taking events in: they change what is known and mark Applications that have to be looked at.

use std::sync::Arc;

use application_api::AppProject;
use jiff::Timestamp;
use kube_object::{ApiError, ClusterId, CompactObject, ErrorClass, Gvk, Object, ObjectKey};
use live_state::{Change, Detail, WakeLevel};
use object_health::Overrides;

use crate::app::AppState;
use crate::spec::KnownProject;
use crate::state::State;
use crate::{AppKey, Effect, Event, Leadership, RenderFailure, Ticket, WatchChange};

impl State {
    pub(crate) fn absorb(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Tick => {}
            Event::Leadership(leadership) => self.take_leadership(leadership, now),
            Event::Settings(settings) => self.take_settings(&settings, now),
            Event::Discovered { result, .. } => self.take_discovery(result, now),
            Event::Watch { cluster, gvk, change } => self.take_watch(&cluster, &gvk, change, now),
            Event::Swept { started_at, found, failed, .. } => {
                let woken = self.cluster.take_sweep(started_at, found, failed, now);
                self.dirty.extend(woken);
            }
            Event::RepoPolled { repo, started_at, result } => {
                let interval = self.interval();
                let is_good = result.is_ok();
                let woken = self.repos.polled(&repo, started_at, result, interval, now);
                if is_good {
                    self.move_on(&repo, woken, now);
                } else {
                    self.dirty.extend(woken);
                }
            }
            Event::RepoChanged(url) => self.repos.ask(&crate::SourceRepo::git(url), now),
            Event::Rendered { app, ticket, result } => {
                if self.verify_at_rest(&app, ticket, &result) {
                    return;
                }
                self.with_app(&app, |state, app| state.take_render(app, ticket, result, now));
            }
            Event::Answered { app, ticket, answer } => {
                self.with_app(&app, |state, app| {
                    let answer = state.take_comparison_answer(app, ticket, answer, now);
                    let answer = answer.and_then(|answer| state.take_action_answer(app, ticket, answer, now));
                    let answer = answer.and_then(|answer| Self::take_probe_answer(app, ticket, answer));
                    let _ = answer.and_then(|answer| state.take_deletion_answer(app, ticket, answer, now));
                });
            }
            Event::Written { app, ticket, result } => self.take_written(&app, ticket, result, now),
            Event::Reread { app, result } => self.take_reread(&app, result, now),
        }
    }

    /// Runs something on an Application, if it still exists, and looks at it afterwards.
    fn with_app(&mut self, key: &AppKey, run: impl FnOnce(&mut Self, &mut AppState)) {
        let Some(mut app) = self.apps.remove(key) else { return };
        run(self, &mut app);
        self.apps.insert(key.clone(), app);
        self.dirty.insert(key.clone());
    }

    fn take_leadership(&mut self, leadership: Leadership, now: Timestamp) {
        if self.leadership != leadership {
            if leadership == Leadership::Leading {
                // Who follows watches no definitions: kinds may have come since.
                self.cluster.doubt(now);
            }
            self.leadership = leadership;
            self.ensure_default_project();
            self.wake_all();
        }
    }

    fn take_settings(&mut self, settings: &Arc<settings::Settings>, now: Timestamp) {
        if self.settings.as_ref() == Some(settings) {
            return;
        }
        let overrides_changed =
            self.settings.as_ref().is_none_or(|before| before.health_overrides != settings.health_overrides);
        let tools_changed = self.settings.as_ref().is_some_and(|before| before.tools != settings.tools);
        let first = self.settings.is_none();
        self.settings = Some(Arc::clone(settings));
        if overrides_changed {
            let changes = self.live.set_overrides(overrides(settings));
            self.wake_for(&changes);
        }
        if first {
            self.cluster.discover(now);
        }
        self.project_generation += 1;
        for app in self.apps.values_mut() {
            // Rows of the comparison before may rest on the settings before.
            app.main.comparison = None;
            // A limit or a tool may be another one.
            for view in std::iter::once(&mut app.main).chain(app.operation_view.as_deref_mut()) {
                view.failed = None;
                view.is_doubted |= tools_changed;
            }
            app.make_stale();
        }
        self.wake_all();
    }

    fn take_discovery(&mut self, result: Result<Box<kube_object::ApiResources>, ApiError>, now: Timestamp) {
        let generation = self.cluster.generation;
        let was_unknown = self.cluster.is_unknown();
        let woken = self.cluster.discovered(result, now);
        self.dirty.extend(woken);
        if was_unknown && !self.cluster.is_unknown() {
            self.wake_all();
        }
        if self.cluster.generation != generation {
            let charts = self.apps.values().filter(|app| app.main.depends_on.is_some() || app.main.failed.is_some());
            self.dirty.extend(charts.map(|app| app.key.clone()));
            self.cluster.watch_always(&Self::project_kind(), &mut self.effects);
            self.cluster.watch_always(&Self::application_kind(), &mut self.effects);
        }
        if !self.cluster.is_watched(&Self::application_kind().group_kind()) {
            // The CustomResourceDefinitions are not installed yet.
            self.cluster.await_kind(&AppKey::new("", ""), now);
        }
    }

    /// Creates the project `default`, which permits everything, unless it exists.
    fn ensure_default_project(&mut self) {
        let known =
            self.projects.contains_key(application_api::constants::DEFAULT_PROJECT) || self.default_project_asked;
        let listed = self.cluster.is_listed(&Self::project_kind().group_kind());
        if known || !listed || self.leadership != Leadership::Leading {
            return;
        }
        self.default_project_asked = true;
        let spec = serde_json::to_value(access_control::default_project_spec()).unwrap_or_default();
        let project = serde_json::json!({
            "apiVersion": application_api::constants::API_VERSION,
            "kind": application_api::constants::PROJECT_KIND,
            "metadata": {"name": application_api::constants::DEFAULT_PROJECT, "namespace": self.config.control_namespace},
            "spec": spec,
        });
        if let Ok(project) = Object::from_value(project) {
            self.effects.push(Effect::CreateDefaultProject(Box::new(project)));
        }
    }

    fn take_watch(&mut self, cluster: &ClusterId, gvk: &Gvk, change: WatchChange, now: Timestamp) {
        let group_kind = gvk.group_kind();
        if !self.cluster.is_watched(&group_kind) {
            return;
        }
        match change {
            WatchChange::Restarted => self.live.begin_reset(cluster, &group_kind),
            WatchChange::Object(object) => {
                let fold = self.live.apply(cluster, &object, Detail::Full);
                self.after_fold(fold, now);
                // An event from before what is known, such as a deletion, says nothing any more.
                let known = self.live.get(&object.key(cluster.clone()));
                if known.is_some_and(|known| known.resource_version.to_string() == object.resource_version()) {
                    self.take_control_object(gvk, &object, now);
                }
            }
            WatchChange::Listed(resource_version) => {
                let changes = self.live.end_reset(cluster, &group_kind, &resource_version);
                for change in &changes {
                    self.control_object_gone(gvk, &change.key.namespace, &change.key.name, None, now);
                }
                self.wake_for(&changes);
                let woken = self.cluster.listed(&group_kind);
                self.dirty.extend(woken);
                self.ensure_default_project();
            }
            WatchChange::Deleted(object) => {
                let key = object.key(cluster.clone());
                let fold = self.live.delete(&key, object.uid(), object.resource_version());
                self.after_fold(fold, now);
                self.control_object_gone(gvk, object.namespace(), object.name(), Some(object.uid()), now);
            }
            WatchChange::KindGone => {
                let woken = self.cluster.kind_gone(&group_kind, now, &mut self.effects);
                self.dirty.extend(woken);
                let changes = self.live.drop_kind(cluster, &group_kind);
                self.wake_for(&changes);
            }
            WatchChange::Resumed => self.cluster.watch_resumed(&group_kind),
            WatchChange::Failed(error) => {
                let woken = self.cluster.watch_failed(&group_kind, error);
                self.dirty.extend(woken);
            }
        }
    }

    /// Wakes whom a change of a live object concerns; a change of what defines kinds asks the server what it serves.
    pub(crate) fn after_fold(&mut self, change: Option<Change>, now: Timestamp) {
        let Some(change) = change else { return };
        if change.key.kind == "CustomResourceDefinition" || change.key.kind == "APIService" {
            self.cluster.discover_defined(now);
        }
        if change.key.kind == "Namespace" && change.key.group.is_empty() {
            self.wake_for_namespace(&change.key.name);
        }
        self.wake_for(std::slice::from_ref(&change));
    }

    pub(crate) fn wake_for(&mut self, changes: &[Change]) {
        let control = self.config.control_namespace.clone();
        for (instance, level) in changes.iter().flat_map(|change| &change.wakes) {
            let key = AppKey::of_instance(instance, &control);
            if let Some(app) = self.apps.get_mut(&key) {
                if *level == WakeLevel::Compare {
                    app.make_stale();
                }
                self.dirty.insert(key);
            }
        }
    }

    /// Takes in Applications and projects, which the loop is about.
    fn take_control_object(&mut self, gvk: &Gvk, object: &Object, now: Timestamp) {
        if object.namespace() != self.config.control_namespace {
            return;
        }
        if *gvk == Self::application_kind() {
            self.take_application(object, now);
        } else if *gvk == Self::project_kind() {
            let project = AppProject::from_object(object).map(|project| Arc::new(KnownProject::of(&project)));
            self.projects.insert(object.name().to_owned(), project.map_err(|error| error.to_string()));
            self.projects_changed(object.name());
        }
    }

    fn projects_changed(&mut self, name: &str) {
        self.project_generation += 1;
        let is_user = |app: &AppState| app.reading.facts().is_some_and(|facts| *facts.project == *name);
        for app in self.apps.values_mut().filter(|app| is_user(app)) {
            for view in std::iter::once(&mut app.main).chain(app.operation_view.as_deref_mut()) {
                view.is_doubted |= !view.chart_repositories.is_empty();
                view.failed.take_if(|failed| matches!(failed.failure, RenderFailure::Forbidden(_)));
            }
            self.dirty.insert(app.key.clone());
        }
    }

    /// Takes in a version of an Application, unless it is older than what is known.
    pub(crate) fn take_application(&mut self, object: &Object, now: Timestamp) {
        let key = AppKey::new(object.namespace(), object.name());
        if self.uid_of(&key).is_some_and(|uid| *uid != *object.uid()) {
            self.application_gone(&key, None, now);
        }
        let control = self.config.control_namespace.clone();
        let kept = self.kept(object);
        match self.apps.get_mut(&key) {
            Some(app) if is_newer(object.resource_version(), &app.resource_version) => {
                app.update(object, kept);
                app.make_stale();
            }
            Some(_) => return,
            None => {
                self.apps.insert(key.clone(), Box::new(AppState::new(key.clone(), &control, object, kept)));
            }
        }
        self.note_dependencies(&key);
        self.dirty.insert(key);
    }

    /// Returns what is kept of an Application: what the live index keeps, where it has the same version.
    fn kept(&self, application: &Object) -> CompactObject {
        let known = self.live.get(&application.key(self.cluster.id.clone()));
        let known = known.filter(|known| known.resource_version.to_string() == application.resource_version());
        known.and_then(|known| known.body.held()).cloned().unwrap_or_else(|| CompactObject::of(application))
    }

    fn uid_of(&self, key: &AppKey) -> Option<&str> {
        self.apps.get(key)?.reading.facts().map(|facts| &*facts.uid)
    }

    fn control_object_gone(&mut self, gvk: &Gvk, namespace: &str, name: &str, uid: Option<&str>, now: Timestamp) {
        if namespace != self.config.control_namespace {
            return;
        }
        if *gvk == Self::application_kind() {
            self.application_gone(&AppKey::new(namespace, name), uid, now);
        } else if *gvk == Self::project_kind() {
            self.projects.remove(name);
            self.default_project_asked = false;
            self.default_project_awaited = None;
            self.projects_changed(name);
            self.ensure_default_project();
        }
    }

    fn application_gone(&mut self, key: &AppKey, uid: Option<&str>, now: Timestamp) {
        if let (Some(uid), Some(known)) = (uid, self.uid_of(key))
            && *uid != *known
        {
            return;
        }
        let Some(app) = self.apps.remove(key) else { return };
        self.let_hooks_go(&app);
        self.forget_timer(&app);
        self.forget_dependencies(key);
        self.repos.hold(key, std::collections::BTreeSet::new());
        self.repos.want(key, &std::collections::BTreeSet::new(), now);
        self.cluster.forget(key, now);
        let tracked = self.live.tracked_by(&app.instance);
        self.memo.forget_bodies(&tracked);
        // What says that it belongs to the one that is gone is free for those that render it.
        let heirs: Vec<AppKey> = tracked
            .iter()
            .flat_map(|key| self.live.renderers_of(key))
            .map(|instance| AppKey::of_instance(instance, &self.config.control_namespace))
            .collect();
        for heir in heirs {
            self.make_stale(heir);
        }
        for (instance, _) in self.live.remove_application(&app.instance) {
            self.make_stale(AppKey::of_instance(&instance, &self.config.control_namespace));
        }
        self.effects.push(Effect::Forget(key.clone()));
        self.effects.push(Effect::Unpublish(key.clone()));
    }

    /// Has an Application compared again.
    pub(crate) fn make_stale(&mut self, key: AppKey) {
        if let Some(app) = self.apps.get_mut(&key) {
            app.make_stale();
            self.dirty.insert(key);
        }
    }

    fn take_written(&mut self, key: &AppKey, ticket: Ticket, result: Result<Box<Object>, ApiError>, now: Timestamp) {
        if let Ok(object) = &result {
            let cluster = self.cluster.id.clone();
            let fold = self.live.fold_response(&cluster, object, Detail::Full);
            self.after_fold(fold, now);
        }
        let kept = result.as_ref().ok().map(|object| self.kept(object));
        let Some(app) = self.apps.get_mut(key) else { return };
        let Some(write) = app.write.take_if(|write| write.ticket == ticket) else { return };
        match result {
            Ok(object) => {
                app.write_failures = 0;
                app.write_retry = None;
                if is_newer(object.resource_version(), &app.resource_version)
                    && let Some(kept) = kept
                {
                    app.update(&object, kept);
                }
                // Before the desired state of an operation goes.
                let kept = crate::kept::keep_renders(app);
                if let (Some(run), Some(state)) = (&mut app.run, &write.state) {
                    run.stored = run.state == *state;
                    if state.phase.is_completed() {
                        app.run = None;
                        app.operation_view = None;
                    }
                }
                self.effects.extend(kept);
                self.effects.extend(write.records.into_iter().map(|record| Effect::Record(Box::new(record))));
            }
            Err(error) => match error.class() {
                ErrorClass::NotFound | ErrorClass::Conflict => {
                    app.rereading = true;
                    self.effects.push(Effect::Reread(key.clone()));
                }
                _ => app.write_failed(&error, now),
            },
        }
        self.note_dependencies(key);
        self.dirty.insert(key.clone());
    }

    fn take_reread(&mut self, key: &AppKey, result: Result<Option<Box<Object>>, ApiError>, now: Timestamp) {
        let Some(app) = self.apps.get_mut(key) else { return };
        match result {
            Ok(Some(object)) => {
                app.rereading = false;
                if is_newer(object.resource_version(), &app.resource_version) {
                    app.update(&object, CompactObject::of(&object));
                    app.make_stale();
                }
                app.forget_run_if_changed();
                self.note_dependencies(key);
                self.dirty.insert(key.clone());
            }
            Ok(None) => {
                let object_key = ObjectKey::new(
                    self.cluster.id.clone(),
                    Self::application_kind().group_kind(),
                    &*key.namespace,
                    &*key.name,
                );
                let fold = self.live.fold_delete(&object_key, "");
                self.application_gone(key, None, now);
                self.after_fold(fold, now);
            }
            Err(error) => {
                app.rereading = false;
                app.write_failed(&error, now);
                self.dirty.insert(key.clone());
            }
        }
    }
}

/// Tells whether a resourceVersion is newer than another; texts that are not numbers count as newer.
fn is_newer(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version > than,
        _ => version != than,
    }
}

/// Makes the health rules that the settings give.
fn overrides(settings: &settings::Settings) -> Overrides {
    let scripts: Vec<(String, &str)> = settings
        .health_overrides
        .iter()
        .map(|(group_kind, script)| (group_kind.to_string(), script.as_str()))
        .collect();
    Overrides::from_scripts(scripts.iter().map(|(key, script)| (key.as_str(), *script)))
}
