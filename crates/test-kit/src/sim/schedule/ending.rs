//! What must hold once faults end: everything comes to rest as Git says, and then nothing is written.

use std::collections::BTreeMap;

use kube_object::{ClusterId, ObjectKey, TrackingId};
use reconciler::Event;
use serde_json::Value;

use super::Schedule;
use super::plan::APPS;
use super::shape::Family;
use crate::sim::build::app_key;
use crate::sim::git::repo;
use crate::sim::world::{Noting, application_key};

/// How long everything has to come to rest, in seconds: longer than the longest back-off.
const SETTLING: i64 = 900;
/// How long nothing may be written then.
const QUIET: i64 = 1800;

impl Schedule {
    /// Ends all faults and checks what must hold then.
    pub(super) fn end(mut self) {
        self.world.note("-- all faults end");
        self.end_faults();
        self.plan.settle();
        self.write_commit();
        self.world.handle(vec![Event::RepoChanged(repo())]);
        self.world.run();
        self.world.seconds(SETTLING);
        self.check_applications();
        self.check_objects();
        assert_eq!(self.world.wrong_deletes, Vec::<String>::new());
        self.check_quiet();
    }

    fn end_faults(&mut self) {
        self.world.faults = Box::new(|_| None);
        self.world.lagging.clear();
        self.world.server.unreachable.clear();
        let git = &mut self.world.git;
        (git.failure, git.lie) = (None, None);
        git.broken.clear();
        for name in std::mem::take(&mut self.guarded) {
            self.unguard(name);
        }
        self.restore_specs();
        self.plan.has_guest = false;
        if self.shape.family == Family::ByHand {
            self.dismiss_guest();
        }
    }

    fn check_applications(&self) {
        assert!(!self.world.has_application("guest"), "the guest is still there");
        let root = (self.shape.family == Family::OfRoot).then_some("root");
        for name in APPS.into_iter().chain(root) {
            self.world.assert_well(name);
            let reason = self.world.state().reason(&app_key(name));
            assert!(self.world.application(name).operation.is_none(), "{name} has an operation: {reason:?}");
        }
    }

    /// Checks that what says that it belongs to an Application is what Git has for it. CustomResourceDefinitions say nothing.
    fn check_objects(&self) {
        let wanted = self.plan.wanted();
        let mut live: BTreeMap<ObjectKey, (String, Option<Value>)> = BTreeMap::new();
        for object in self.world.server.objects().filter(|object| object.kind() != "Application") {
            let Some(id) = TrackingId::of_live(object) else { continue };
            let value = ["data", "spec"].iter().find_map(|field| object.get(&[field])).cloned();
            live.insert(object.key(ClusterId::in_cluster()), (id.instance.to_string(), value));
        }
        let wanted: BTreeMap<ObjectKey, (String, Option<Value>)> = wanted
            .into_iter()
            .filter(|(key, _)| key.kind != "CustomResourceDefinition")
            .map(|(key, (app, value))| (key, (app.to_owned(), value)))
            .collect();
        let shown = |all: &BTreeMap<ObjectKey, (String, Option<Value>)>| -> Vec<String> {
            all.iter().map(|(key, (app, value))| format!("{key} of {app}: {value:?}")).collect()
        };
        let (live, wanted) = (shown(&live), shown(&wanted));
        let left: Vec<_> = live.iter().filter(|line| !wanted.contains(line)).collect();
        let missing: Vec<_> = wanted.iter().filter(|line| !live.contains(line)).collect();
        assert!(left.is_empty() && missing.is_empty(), "not in Git: {left:#?}\nnot in the cluster: {missing:#?}");
    }

    fn check_quiet(&mut self) {
        let versions = |schedule: &Self| -> Vec<String> {
            let read = |name: &&str| schedule.world.server.get(&application_key(&app_key(name)));
            APPS.iter().filter_map(read).map(|app| app.resource_version().to_owned()).collect()
        };
        let before = versions(self);
        if self.world.noting == Noting::Nothing {
            self.world.noting = Noting::All;
        }
        self.world.log.clear();
        self.world.seconds(QUIET);
        let log = self.world.take(&[""]);
        // A watch that nobody needs any more ends after a while.
        let busy: Vec<_> = log.iter().filter(|line| *line != "poll" && !line.starts_with("stop ")).collect();
        assert!(busy.is_empty(), "something is done although nothing changed: {busy:#?}");
        assert_eq!(versions(self), before, "Applications were written although nothing changed");
    }
}
