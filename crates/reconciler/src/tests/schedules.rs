//! Schedules drawn from a seed: commits that move objects, foreign edits, failing requests, lost answers, restarts.

use std::collections::BTreeMap;

use kube_object::{ApiError, Gvk};
use serde_json::Value;

use super::build::{application, application_with, config_map, in_wave, map_key};
use super::rng::Rng;
use super::server::{conflict, error};
use super::world::{Fault, Order, World};
use crate::{Effect, RenderFailure};

const APPS: [&str; 3] = ["one", "two", "three"];
/// Objects that every commit has in one Application or another: nothing may ever delete them.
const ALWAYS: [&str; 3] = ["s0", "s1", "s2"];
/// Objects that come and go.
const LOOSE: [&str; 4] = ["l0", "l1", "l2", "l3"];

/// Which Application has which object, with its value.
type Plan = BTreeMap<&'static str, (&'static str, String)>;

struct Schedule {
    world: World,
    rng: Rng,
    plan: Plan,
    round: usize,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let mut world = World::new();
        world.order = Order::Drawn(Rng::new(seed ^ 0xabcd));
        let mut schedule = Self { world, rng: Rng::new(seed), plan: Plan::new(), round: 0 };
        schedule.commit();
        for name in APPS {
            schedule.world.server.create(application(name));
        }
        schedule.world.start();
        schedule.world.seconds(10);
        schedule
    }

    /// Makes a commit that gives every object a place anew.
    fn commit(&mut self) {
        self.round += 1;
        for name in ALWAYS {
            if self.plan.is_empty() || !self.plan.contains_key(name) || self.rng.below(3) == 0 {
                let app = APPS[self.rng.below(APPS.len())];
                self.plan.insert(name, (app, format!("{}", self.rng.below(3))));
            }
        }
        for name in LOOSE {
            match self.rng.below(4) {
                0 => _ = self.plan.remove(name),
                1 => _ = self.plan.insert(name, (APPS[self.rng.below(APPS.len())], format!("{}", self.rng.below(3)))),
                _ => {}
            }
        }
        self.write_commit();
    }

    fn write_commit(&mut self) {
        let directories: Vec<(&str, Vec<Value>)> = APPS
            .iter()
            .map(|app| {
                let own = self.plan.iter().filter(|(_, (holder, _))| holder == app);
                let wave = |name: &str| i64::from(name.ends_with('1'));
                let make = |name: &str, value: &str| in_wave(config_map(name, value), wave(name));
                let mut objects: Vec<Value> = own.map(|(name, (_, value))| make(name, value)).collect();
                // What changes with every commit ends the refusal to try a commit again that failed.
                objects.push(config_map(&format!("anchor-{app}"), &self.round.to_string()));
                (*app, objects)
            })
            .collect();
        let changed: Vec<(&str, &[Value])> = directories.iter().map(|(name, all)| (*name, all.as_slice())).collect();
        self.world.git.commit(&changed);
    }

    fn act(&mut self) {
        match self.rng.below(14) {
            0..=2 => {
                self.commit();
                if self.rng.below(2) == 0 {
                    self.world.handle(vec![crate::Event::RepoChanged(super::git::repo())]);
                }
            }
            3 => self.edit(),
            4 => self.remove_by_hand(),
            5 => self.world.restart(),
            6 => self.break_things(),
            7 => self.world.faults = Box::new(|_| None),
            8 => self.world.git.failure = (self.rng.below(2) == 0).then(|| "connection refused".to_owned()),
            9 => self.break_a_render(),
            10 => self.terminate(),
            11 => self.request(),
            12 => self.world.break_watch(&Gvk::new("", "v1", "ConfigMap")),
            _ => self.world.break_watch(&Gvk::new("argoproj.io", "v1alpha1", "Application")),
        }
        match self.rng.below(4) {
            0 => self.world.run(),
            1 => {
                let seconds = [1, 5, 40][self.rng.below(3)];
                self.world.seconds(seconds);
            }
            2 => {
                let seconds = [1, 3, 130][self.rng.below(3)];
                self.world.tick(seconds);
            }
            _ => {
                for _ in 0..self.rng.below(12) {
                    self.world.step();
                }
            }
        }
    }

    fn edit(&mut self) {
        let names: Vec<&str> = ALWAYS.iter().chain(&LOOSE).copied().collect();
        let name = names[self.rng.below(names.len())];
        if self.world.exists(name) {
            let value = format!("foreign {}", self.rng.below(3));
            self.world.server.edit(&map_key(name), "rival", |map| map["data"]["key"] = value.into());
        }
    }

    fn remove_by_hand(&mut self) {
        let name = LOOSE[self.rng.below(LOOSE.len())];
        let background = application_api::PropagationPolicy::Background;
        let _ = self.world.server.delete(&map_key(name), "", "", background);
    }

    /// Ends the running operation of an Application as a person does.
    fn terminate(&mut self) {
        let app = super::world::application_key(&super::build::app_key(APPS[self.rng.below(APPS.len())]));
        self.world.server.edit(&app, "argocd-server", |app| {
            if app["operation"].is_object() && app["status"]["operationState"].is_object() {
                app["status"]["operationState"]["phase"] = "Terminating".into();
            }
        });
    }

    /// Asks for a sync as a person does.
    fn request(&mut self) {
        let app = super::world::application_key(&super::build::app_key(APPS[self.rng.below(APPS.len())]));
        self.world.server.edit(&app, "argocd-server", |app| {
            if app["operation"].is_null() && app["status"].is_object() {
                app["operation"] = serde_json::json!({"sync": {"prune": true}, "retry": {"limit": 2}});
                app["status"].as_object_mut().unwrap().remove("operationState");
            }
        });
    }

    fn break_things(&mut self) {
        let mut rng = Rng::new(u64::try_from(self.rng.below(1 << 30)).unwrap());
        let odds = [3, 8][self.rng.below(2)];
        self.world.faults = Box::new(move |effect| {
            if rng.below(odds) != 0 {
                return None;
            }
            let is_change = matches!(effect, Effect::Request { .. } | Effect::Write { .. });
            Some(match rng.below(5) {
                0 if is_change => Fault::AnswerLost,
                1 if is_change => Fault::Refused(conflict()),
                2 if is_change => Fault::Refused(error(422, "Invalid", "not now")),
                3 => Fault::Refused(error(500, "InternalError", "no")),
                _ => Fault::Refused(ApiError::no_answer("reset")),
            })
        });
    }

    fn break_a_render(&mut self) {
        let app = APPS[self.rng.below(APPS.len())];
        if self.world.git.broken.remove(app).is_none() {
            self.world.git.broken.insert(app.to_owned(), RenderFailure::Unavailable("late".to_owned()));
        }
    }

    fn delete_guest(&mut self) {
        if self.world.has_application("guest") && !self.world.application("guest").is_deleting() {
            let key = super::world::application_key(&super::build::app_key("guest"));
            let _ = self.world.server.delete(&key, "", "", application_api::PropagationPolicy::Background);
        }
    }

    fn end_faults(&mut self) {
        self.world.faults = Box::new(|_| None);
        self.world.git.failure = None;
        self.world.git.broken.clear();
    }

    /// Ends all faults; everything has to come to rest as Git says.
    fn check_end(mut self, seed: u64) {
        self.end_faults();
        self.round += 1;
        self.write_commit();
        self.world.run();
        self.world.seconds(900);
        for app in APPS {
            self.world.assert_well(app);
            assert!(self.world.application(app).operation.is_none(), "seed {seed}: {app}");
        }
        let live: BTreeMap<&str, String> =
            ALWAYS.iter().chain(&LOOSE).filter_map(|name| Some((*name, self.world.map_value(name)?))).collect();
        let wanted: BTreeMap<&str, String> =
            self.plan.iter().map(|(name, (_, value))| (*name, value.clone())).collect();
        assert_eq!(live, wanted, "seed {seed}");
        let gone: Vec<&str> = self.world.server.gone.iter().map(|key| key.name.as_str()).collect();
        assert!(ALWAYS.iter().all(|name| !gone.contains(name)), "seed {seed}: {gone:?}");
        assert_eq!(self.world.wrong_deletes, Vec::<String>::new(), "seed {seed}");
        self.world.log.clear();
        self.world.seconds(1800);
        let log = self.world.take(&[""]);
        assert!(log.iter().all(|line| line == "poll"), "seed {seed}: {log:#?}");
    }
}

fn run(seed: u64) {
    let mut schedule = Schedule::new(seed);
    for _ in 0..14 {
        schedule.act();
    }
    schedule.check_end(seed);
}

/// Runs each seed; a seed that fails can be looked at alone.
fn run_all(seeds: std::ops::Range<u64>, run: fn(u64)) {
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "seed {seed} fails; see above");
    }
}

/// Returns how many seeds are run: `DRIFTLESS_SCHEDULES` at the time of the build, for a longer search.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    0..option_env!("DRIFTLESS_SCHEDULES").and_then(|count| count.parse().ok()).unwrap_or(usual)
}

#[test]
fn everything_comes_to_rest_and_nothing_that_git_has_is_deleted() {
    run_all(seeds(100), run);
}

#[test]
fn applications_that_come_and_go_take_nothing_with_them_that_others_have() {
    run_all(seeds(40), run_with_guest);
}

/// Creates and deletes a fourth Application meanwhile, which has an object of its own and one that another has.
fn run_with_guest(seed: u64) {
    let mut schedule = Schedule::new(seed);
    schedule.world.git.commit(&[("guest", &[config_map("g", "1"), config_map("s0", "9")])]);
    for _ in 0..8 {
        if schedule.world.has_application("guest") {
            schedule.delete_guest();
        } else {
            schedule.world.server.create(application_with("guest", |app| {
                app["metadata"]["finalizers"] = serde_json::json!(["resources-finalizer.argocd.argoproj.io"]);
            }));
        }
        schedule.act();
    }
    schedule.delete_guest();
    schedule.end_faults();
    schedule.world.seconds(900);
    assert!(!schedule.world.has_application("guest") && !schedule.world.exists("g"), "seed {seed}");
    schedule.check_end(seed);
}
