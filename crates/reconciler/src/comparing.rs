//! Comparing: which kinds have to be known, which questions have to be asked, and what the answers are taken in as.

use std::collections::BTreeSet;

use app_compare::{CompareInput, DoubtPolicy, DryRunAnswer, Needed, Target, TargetKind};
use application_api::{Application, Reason};
use jiff::{SignedDuration, Timestamp};
use kube_object::{CompactObject, ErrorClass, GroupKind, Gvk, InstanceName, Object, ObjectKey};
use live_state::Detail;
use object_diff::Takeover;

use crate::app::{AppState, View};
use crate::lookups::{Live, Others};
use crate::pass::Permission;
use crate::spec::Spec;
use crate::state::State;
use crate::sweeps::Swept;
use crate::{ActingAs, Answer, AppKey, Call, ClusterRequest, Effect, Ticket, Validation};

/// Wait before a question is asked again whose answer belonged to another state of the object.
const ASK_AGAIN: SignedDuration = SignedDuration::from_millis(250);
/// Wait before a question is asked again that failed.
const ASK_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(5);

/// Group and kind.
type Owner = (&'static str, &'static str);
/// Group, version and kind.
type Below = (&'static str, &'static str, &'static str);

/// Kinds whose objects controllers make below others (decision 4): (kind, kind below).
const DESCENDANTS: [(Owner, Below); 6] = [
    (("apps", "Deployment"), ("apps", "v1", "ReplicaSet")),
    (("apps", "ReplicaSet"), ("", "v1", "Pod")),
    (("apps", "StatefulSet"), ("", "v1", "Pod")),
    (("apps", "DaemonSet"), ("", "v1", "Pod")),
    (("batch", "CronJob"), ("batch", "v1", "Job")),
    (("batch", "Job"), ("", "v1", "Pod")),
];

impl State {
    /// Brings the comparisons up to date; answers with what they wait for, if anything.
    pub(crate) fn ensure_compared(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        now: Timestamp,
    ) -> Option<Reason> {
        let key = app.key.clone();
        let mut main = std::mem::take(&mut app.main);
        let mut other = app.operation_view.take();
        let result = self.compare_views(&key, app, application, spec, &mut main, other.as_deref_mut(), now);
        app.main = main;
        app.operation_view = other;
        result.err()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the two views are taken out of the application while it is looked at"
    )]
    fn compare_views(
        &mut self,
        key: &AppKey,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        main: &mut View,
        mut other: Option<&mut View>,
        now: Timestamp,
    ) -> Result<(), Reason> {
        self.ensure_targets(key, main, app, spec, now).map_err(|message| Reason::InvalidSpec { message })?;
        if let Some(view) = other.as_deref_mut() {
            self.ensure_targets(key, view, app, spec, now).map_err(|message| Reason::InvalidSpec { message })?;
        }
        let made_of = [main.targets_of.clone(), other.as_ref().and_then(|view| view.targets_of.clone())];
        if app.announced != made_of {
            self.announce_targets(app, main, other.as_deref());
            let before = std::mem::replace(&mut app.announced, made_of);
            if before[0].is_none() {
                self.wake_waiting_claimants(&app.instance);
            }
        }
        self.ensure_kinds(app, application, main, other.as_deref(), now)?;
        self.compare_view(app, application, spec, main, now)?;
        other.map_or(Ok(()), |view| self.compare_view(app, application, spec, view, now))
    }

    /// Tells the index of who renders what, and wakes the Applications that share an object.
    fn announce_targets(&mut self, app: &AppState, main: &View, other: Option<&View>) {
        let views = std::iter::once(main).chain(other);
        let keys: Vec<ObjectKey> = views
            .filter_map(|view| view.targets.as_ref())
            .flat_map(|targets| targets.items.iter().chain(targets.hooks.iter().map(|hook| &hook.target)))
            .filter(|target| !target.key.name.is_empty())
            .map(|target| target.key.clone())
            .collect();
        let change = self.live.set_targets(&app.instance, keys);
        for (instance, _) in change.wakes.iter().filter(|(instance, _)| *instance != app.instance) {
            self.make_stale(AppKey::of_instance(instance, &self.config.control_namespace));
        }
    }

    /// Wakes the Applications that left an object alone because it was not known whether this one still renders it.
    fn wake_waiting_claimants(&mut self, instance: &InstanceName) {
        for key in self.live.tracked_by(instance) {
            let claimants: Vec<InstanceName> =
                self.live.renderers_of(&key).iter().filter(|claimant| *claimant != instance).cloned().collect();
            for claimant in claimants {
                self.make_stale(AppKey::of_instance(&claimant, &self.config.control_namespace));
            }
        }
    }

    /// Has all kinds watched that the Application can have objects of.
    fn ensure_kinds(
        &mut self,
        app: &mut AppState,
        application: &Application,
        main: &View,
        other: Option<&View>,
        now: Timestamp,
    ) -> Result<(), Reason> {
        let mut kinds = recorded_kinds(application);
        let options = application.spec.sync_policy.as_ref().map(|policy| &policy.sync_options);
        if options.is_some_and(|options| options.has("CreateNamespace=true")) {
            kinds.insert(Gvk::new("", "v1", "Namespace"));
        }
        for targets in std::iter::once(main).chain(other).filter_map(|view| view.targets.as_ref()) {
            kinds.extend(targets.kinds.iter().cloned());
            let unknown = targets.items.iter().filter(|target| target.kind == TargetKind::Unknown).map(Target::gvk);
            kinds.extend(unknown.filter(|gvk| self.cluster.is_out_of_sight(gvk)));
        }
        self.ready_kinds(app, kinds, now)
    }

    /// Has kinds watched, with those below them and those that a search finds.
    pub(crate) fn ready_kinds(
        &mut self,
        app: &mut AppState,
        mut kinds: BTreeSet<Gvk>,
        now: Timestamp,
    ) -> Result<(), Reason> {
        if app.needs_sweep {
            let Swept::Done { kinds: found, .. } = self.cluster.swept(&app.key, &app.instance, now) else {
                // The kinds that are known already are listed meanwhile.
                add_descendants(&mut kinds);
                self.cluster.want(&app.key, kinds, now, &mut self.effects);
                return Err(Reason::Sweeping);
            };
            app.needs_sweep = false;
            app.swept_kinds = found;
        }
        kinds.extend(app.swept_kinds.iter().cloned());
        add_descendants(&mut kinds);
        if kinds.iter().any(|gvk| self.cluster.is_out_of_sight(gvk)) {
            self.cluster.await_kind(&app.key, now);
        }
        let readiness = self.cluster.want(&app.key, kinds, now, &mut self.effects);
        let failing = readiness.failing.iter().map(|(group_kind, why)| format!("{group_kind}: {why}"));
        app.listing_failure = (!readiness.failing.is_empty()).then(|| failing.collect::<Vec<_>>().join("; "));
        if readiness.listing.is_empty() {
            return Ok(());
        }
        let describe = |group_kind: &GroupKind| {
            let failing = readiness.failing.iter().find(|(failing, _)| failing == group_kind);
            failing.map_or_else(|| group_kind.to_string(), |(_, why)| format!("{group_kind} ({why})"))
        };
        Err(Reason::ListingKinds { kinds: readiness.listing.iter().map(describe).collect() })
    }

    fn compare_view(
        &mut self,
        app: &mut AppState,
        application: &Application,
        spec: &Spec,
        view: &mut View,
        now: Timestamp,
    ) -> Result<(), Reason> {
        if !view.asked.is_empty() {
            return Err(Reason::DryRunning { objects: view.asked.len() });
        }
        if !view.stale && view.comparison.is_some() {
            return Ok(());
        }
        let Some(targets) = view.targets.clone() else { return Ok(()) };
        let settings = self.settings.clone().expect("missing() has looked");
        let served = self.cluster.served.clone().expect("missing() has looked");
        let application_key = self.application_key(&app.key);
        let destination = spec.to_destination();
        let takeover = takeover(application);
        let claims = Others { state: &self.apps, control: &self.config.control_namespace, created: application };
        let input = CompareInput {
            instance: &app.instance,
            application: &application_key,
            destination: &destination,
            targets: &targets,
            live: &Live(&self.live),
            served: &served,
            permission: &Permission { spec, settings: &settings },
            takeover: &takeover,
            answers: self.memo.at(now),
            claims: &claims,
            sync_options: &spec.options,
            doubt: doubt_policy(application),
            previous: view.comparison.as_ref(),
        };
        let compared = app_compare::compare(&input);
        view.comparison = Some(compared.comparison);
        view.stale = false;
        if compared.needed.is_empty() {
            return Ok(());
        }
        view.stale = true;
        if let Some(after) = view.ask_after.filter(|after| *after > now) {
            app.wake(after);
            return Err(Reason::DryRunning { objects: compared.needed.len() });
        }
        let objects = compared.needed.len();
        for needed in compared.needed {
            let Some(request) = self.question(spec, &targets, &needed) else { continue };
            let ticket = self.ticket();
            view.asked.insert(ticket, needed);
            self.effects.push(Effect::Request { app: app.key.clone(), ticket, request: Box::new(request) });
        }
        if view.asked.is_empty() { Ok(()) } else { Err(Reason::DryRunning { objects }) }
    }

    fn question(&self, spec: &Spec, targets: &app_compare::Targets, needed: &Needed) -> Option<ClusterRequest> {
        let served = self.cluster.served.as_ref()?;
        let (key, gvk, call) = match needed {
            Needed::DryRun { key, target, bodies, .. } => {
                let target = targets.items.get(*target)?;
                let validation = if target.options.skip_validation || spec.options.has("Validate=false") {
                    Validation::Ignore
                } else {
                    Validation::Strict
                };
                let call = Call::DryRun { object: target.body.clone(), bodies: bodies.clone(), validation };
                (key, target.gvk(), call)
            }
            Needed::Read { key, gvk } => (key, gvk.clone(), Call::Get),
        };
        let resource = served.get(&gvk).or_else(|| served.preferred(&gvk.group_kind()))?.clone();
        Some(ClusterRequest {
            cluster: key.cluster.clone(),
            resource,
            key: key.clone(),
            acting_as: ActingAs::Daemon,
            call,
        })
    }

    /// Takes in the answer to a question of a comparison; gives the answer back when it belongs to something else.
    pub(crate) fn take_comparison_answer(
        &mut self,
        app: &mut AppState,
        ticket: Ticket,
        answer: Answer,
        now: Timestamp,
    ) -> Option<Answer> {
        let Some(view) = app.view_of(|view| view.asked.contains_key(&ticket)) else { return Some(answer) };
        let needed = view.asked.remove(&ticket)?;
        view.stale = true;
        let again = match (&needed, answer) {
            (Needed::DryRun { key, memo, .. }, Answer::Tried(results)) => self.take_dry_run(key, *memo, &results, now),
            (Needed::DryRun { .. }, Answer::Failed(_)) => Some(now + ASK_AFTER_FAILURE),
            (Needed::Read { key, .. }, Answer::Object(object)) => {
                self.take_read(key, &object, now);
                None
            }
            (Needed::Read { .. } | Needed::DryRun { .. }, _) => Some(now + ASK_AGAIN),
        };
        if let Some(view) = app.view_of(|view| view.stale) {
            view.ask_after = again.max(view.ask_after);
        }
        None
    }

    /// Remembers what a dry run said; answers with when to ask again if it said nothing about the present state.
    fn take_dry_run(
        &mut self,
        key: &ObjectKey,
        memo: kube_object::Digest,
        results: &[Result<Object, kube_object::ApiError>],
        now: Timestamp,
    ) -> Option<Timestamp> {
        let failed = results.iter().find_map(|result| result.as_ref().err());
        if let Some(error) = failed {
            return match error.class() {
                ErrorClass::Retry => Some(now + ASK_AFTER_FAILURE),
                ErrorClass::Conflict => Some(now + ASK_AGAIN),
                ErrorClass::NotFound | ErrorClass::Forbidden | ErrorClass::Final => {
                    self.memo.remember(memo, DryRunAnswer::Invalid(error.message.clone()), now);
                    None
                }
            };
        }
        let live = self.live.get(key).and_then(|live| live.body.held()).map(CompactObject::decode)?;
        match app_compare::dry_run_answer(&live, results) {
            Some(answer) => {
                self.memo.remember(memo, answer, now);
                None
            }
            None => Some(now + ASK_AGAIN),
        }
    }

    fn take_read(&mut self, key: &ObjectKey, object: &Object, now: Timestamp) {
        let same_version = self.cluster.watched_version(&key.group_kind()).is_some_and(|gvk| *gvk == object.gvk());
        if same_version {
            let fold = self.live.fold_response(&key.cluster, object, Detail::Full);
            self.after_fold(fold, now);
        } else {
            let (version, api_version) = (object.resource_version().to_owned(), object.api_version().to_owned());
            self.memo.remember_body(key.clone(), version, api_version, CompactObject::of(object));
        }
    }

    pub(crate) fn application_key(&self, key: &AppKey) -> ObjectKey {
        ObjectKey::new(self.cluster.id.clone(), Self::application_kind().group_kind(), &*key.namespace, &*key.name)
    }
}

/// An Application that heals itself, or is being synced, applies what is likely to differ instead of asking about it.
fn doubt_policy(application: &Application) -> DoubtPolicy {
    let automated = application.spec.sync_policy.as_ref().and_then(|policy| policy.automated());
    let heals = automated.is_some_and(|automated| automated.self_heal == Some(true));
    if heals || application.operation.is_some() { DoubtPolicy::ApplyInstead } else { DoubtPolicy::DryRun }
}

/// Returns the kinds that the Application's status says it has had objects of.
pub(crate) fn recorded_kinds(application: &Application) -> BTreeSet<Gvk> {
    let Some(status) = &application.status else { return BTreeSet::new() };
    let rows = status.resources.iter().map(|row| Gvk::new(&*row.group, &*row.version, &*row.kind));
    let synced = status.operation_state.as_ref().and_then(|state| state.sync_result.as_ref());
    let results = synced.map(|result| result.resources.as_slice()).unwrap_or_default();
    rows.chain(results.iter().map(|row| Gvk::new(&*row.group, &*row.version, &*row.kind))).collect()
}

/// Adds the kinds that controllers make below these.
fn add_descendants(kinds: &mut BTreeSet<Gvk>) {
    for ((group, kind), (below_group, below_version, below_kind)) in DESCENDANTS {
        if kinds.iter().any(|gvk| gvk.group == group && gvk.kind == kind) {
            kinds.insert(Gvk::new(below_group, below_version, below_kind));
        }
    }
}

/// Returns the managers whose fields count as ours (decision 6).
pub(crate) fn takeover(application: &Application) -> Takeover {
    let named = application
        .metadata
        .annotations
        .get(application_api::constants::CLIENT_SIDE_APPLY_MIGRATION_MANAGER_ANNOTATION)
        .filter(|name| !name.is_empty());
    let options = application.spec.sync_policy.as_ref().map(|policy| &policy.sync_options);
    if options.is_some_and(|options| options.has("ClientSideApplyMigration=false")) {
        return Takeover::none();
    }
    named.map_or_else(Takeover::default, |name| Takeover::default().with_manager(name))
}
