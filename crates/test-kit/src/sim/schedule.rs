//! Schedules drawn from a seed: what people, Git and the API server do to an installation, and what must hold in the end.
//!
//! A seed decides everything: which Applications there are, what Git holds, who does what when, in what order events arrive, which
//! requests fail, and when daemons end. [`run`] runs one.

mod ending;
mod faults;
mod outside;
mod people;
mod plan;
mod shape;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use reconciler::Event;
use serde_json::json;

use super::build::application_with;
use super::git::repo;
use super::rng::Rng;
use super::server::{Establishing, Rollouts, key};
use super::world::{Noting, Order, Rollbacks, World};
use plan::{APPS, Plan, guest_manifest};
use shape::{Edits, Family, Shape};

/// The fewest things that happen in a schedule.
const FEWEST_ACTIONS: usize = 8;

/// One run of an installation.
struct Schedule {
    world: World,
    rng: Rng,
    shape: Shape,
    plan: Plan,
    /// Objects that a finalizer of somebody else holds.
    guarded: BTreeSet<&'static str>,
}

/// Runs the schedule of a seed. It panics when something does not hold.
pub fn run(seed: u64, noting: Noting) {
    let mut schedule = Schedule::new(seed, noting);
    let actions = FEWEST_ACTIONS + schedule.rng.below(10);
    for _ in 0..actions {
        schedule.act();
    }
    schedule.end();
}

impl Schedule {
    fn new(seed: u64, noting: Noting) -> Self {
        let mut rng = Rng::new(seed);
        let mut world = World::new();
        world.noting = noting;
        world.order = Order::Drawn(rng.split());
        let shape = Shape::draw(&mut rng);
        world.server.rollouts = Rollouts::After(SignedDuration::from_secs(shape.rollout_seconds));
        world.server.establishing = Establishing::After(SignedDuration::from_millis(shape.establishing_millis));
        world.server.create(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": "strict", "namespace": "argocd"},
            "spec": {
                "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "shop"}],
                "namespaceResourceBlacklist": [{"group": "", "kind": "ConfigMap"}],
                // A kind that nothing renders or records any more is not found again after a restart.
                "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
            },
        }));
        match shape.edits {
            Edits::None => {
                world.protected = plan::ALWAYS.iter().map(|name| key("", "ConfigMap", "shop", name)).collect();
            }
            Edits::Specs => world.rollbacks = Rollbacks::WithPrune,
        }
        let plan = Plan::new(&mut rng, &shape);
        let mut schedule = Self { world, rng, shape, plan, guarded: BTreeSet::new() };
        schedule.write_commit();
        schedule.create_applications();
        schedule.world.start();
        if schedule.rng.one_in(2) {
            schedule.world.seconds(10);
        }
        schedule
    }

    fn create_applications(&mut self) {
        match self.shape.family {
            Family::ByHand => {
                for name in APPS {
                    self.world.server.create(self.shape.application(name));
                }
            }
            Family::OfRoot => self.world.server.create(application_with("root", |_| ())),
        }
    }

    /// Makes a commit of what the plan says.
    fn write_commit(&mut self) {
        let mut directories = self.plan.directories();
        directories.push(("guest", guest_manifest()));
        if self.shape.family == Family::OfRoot {
            let mut children: Vec<_> = APPS.iter().map(|name| self.shape.application(name)).collect();
            if self.plan.has_guest {
                children.push(self.shape.guest());
            }
            directories.push(("root", children));
        }
        let changed: Vec<_> = directories.iter().map(|(name, objects)| (*name, objects.as_slice())).collect();
        let commit = self.world.git.commit(&changed);
        self.world.note(&format!("-- commit {commit}: {:?}", self.plan));
    }

    /// One thing happens, and then some time passes.
    fn act(&mut self) {
        match self.rng.below(20) {
            0..=3 => self.commit(),
            4..=6 => self.touch_objects(),
            7..=9 => self.touch_applications(),
            10 | 11 => self.touch_faults(),
            12 | 13 => self.touch_git(),
            14 | 15 => self.touch_watches(),
            16..=18 => self.touch_daemons(),
            _ => self.touch_guest(),
        }
        self.pass_time();
    }

    fn commit(&mut self) {
        self.plan.change(&mut self.rng);
        self.write_commit();
        if self.rng.one_in(2) {
            self.world.handle(vec![Event::RepoChanged(repo())]);
        }
    }

    fn pass_time(&mut self) {
        match self.rng.below(4) {
            0 => self.world.run(),
            1 => {
                let seconds = *self.rng.pick(&[1, 5, 40]);
                self.world.note(&format!("-- {seconds} s pass"));
                self.world.seconds(seconds);
            }
            2 => {
                let seconds = *self.rng.pick(&[1, 3, 130]);
                self.world.note(&format!("-- {seconds} s pass at once"));
                self.world.tick(seconds);
            }
            _ => {
                for _ in 0..self.rng.below(14) {
                    self.world.step();
                }
            }
        }
    }
}
