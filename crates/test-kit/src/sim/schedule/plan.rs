//! What Git holds: which Application has which object, with which value.

use std::collections::BTreeMap;

use kube_object::ObjectKey;
use serde_json::{Value, json};

use super::shape::Shape;
use crate::sim::build::{config_map, custom, definition, deployment, in_wave, service_account};
use crate::sim::rng::Rng;
use crate::sim::server::key;

/// The Applications that are always there.
pub(super) const APPS: [&str; 3] = ["one", "two", "three"];
/// Objects that every commit has in one Application or another: nothing may ever delete them.
pub(super) const ALWAYS: [&str; 3] = ["s0", "s1", "s2"];
/// Objects that come and go.
pub(super) const LOOSE: [&str; 8] = ["l0", "l1", "l2", "l3", "d0", "a0", "n0", "w0"];

/// Where an object is.
#[derive(Clone, Debug)]
struct Place {
    app: &'static str,
    value: usize,
}

/// What the newest commit holds.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    places: BTreeMap<&'static str, Place>,
    /// An object that a second Application claims.
    second: Option<(&'static str, &'static str)>,
    /// Whether the Application of Applications has the one that comes and goes.
    pub(super) has_guest: bool,
    kinds: bool,
    round: usize,
}

impl Plan {
    pub(super) fn new(rng: &mut Rng, shape: &Shape) -> Self {
        let mut plan = Self { places: BTreeMap::new(), second: None, has_guest: false, kinds: shape.kinds, round: 0 };
        plan.change(rng);
        plan
    }

    /// Gives objects a place anew.
    pub(super) fn change(&mut self, rng: &mut Rng) {
        self.round += 1;
        let place = |rng: &mut Rng| {
            let app = *rng.pick(&APPS);
            Place { app, value: rng.below(3) }
        };
        for name in ALWAYS {
            if !self.places.contains_key(name) || rng.one_in(3) {
                self.places.insert(name, place(rng));
            }
        }
        for name in LOOSE.into_iter().filter(|name| self.kinds || *name != "w0") {
            match rng.below(4) {
                0 => _ = self.places.remove(name),
                1 => _ = self.places.insert(name, place(rng)),
                _ => {}
            }
        }
        self.second = rng.one_in(6).then(|| (*rng.pick(&["s0", "l0", "d0"]), *rng.pick(&APPS)));
        if rng.one_in(3) {
            self.has_guest = !self.has_guest;
        }
    }

    /// Makes the last change: nothing is claimed twice any more.
    pub(super) fn settle(&mut self) {
        // What changes with every commit ends the refusal to try a commit again that failed.
        self.round += 1;
        self.second = None;
    }

    /// Returns what each directory holds.
    pub(super) fn directories(&self) -> Vec<(&'static str, Vec<Value>)> {
        let mut all: Vec<_> = APPS.iter().map(|app| (*app, self.directory(app))).collect();
        all.push(("alt", vec![config_map("x0", "1")]));
        all
    }

    fn directory(&self, app: &str) -> Vec<Value> {
        let mut objects = vec![config_map(&format!("anchor-{app}"), &self.round.to_string())];
        if app == APPS[0] && self.kinds {
            objects.push(in_wave(definition("Widget"), -1));
        }
        for (name, place) in &self.places {
            let is_second = self.second.is_some_and(|(object, other)| object == *name && other == app);
            if place.app == app || is_second {
                objects.extend(manifests(name, place.value + usize::from(is_second)));
            }
        }
        objects
    }

    /// Returns the objects that are to exist, each with its Application, and the value of those that have one.
    pub(super) fn wanted(&self) -> BTreeMap<ObjectKey, (&'static str, Option<Value>)> {
        let mut all = BTreeMap::new();
        let mut add = |app: &'static str, manifest: &Value| {
            let group = manifest["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
            let (kind, name) = (manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap());
            let given = manifest["metadata"]["namespace"].as_str().unwrap_or("shop");
            let namespace = if matches!(kind, "Namespace" | "CustomResourceDefinition") { "" } else { given };
            let value = ["data", "spec"].iter().find_map(|field| manifest.get(field)).cloned();
            all.insert(key(group, kind, namespace, name), (app, value));
        };
        for app in APPS {
            self.directory(app).iter().for_each(|manifest| add(app, manifest));
        }
        all
    }
}

/// Makes the manifests of an object of the plan.
fn manifests(name: &str, value: usize) -> Vec<Value> {
    let wave = i64::from(name.ends_with('1'));
    let object = match name {
        "d0" => deployment(name, i64::try_from(value).unwrap() + 1),
        "a0" => service_account(name),
        "w0" => custom("Widget", name),
        "n0" => {
            let mut inside = config_map("inside", &value.to_string());
            inside["metadata"]["namespace"] = "extra".into();
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "extra"}});
            return vec![in_wave(namespace, -1), inside];
        }
        _ => config_map(name, &value.to_string()),
    };
    vec![in_wave(object, wave)]
}

/// Makes the manifests of the Application that comes and goes.
pub(super) fn guest_manifest() -> Vec<Value> {
    vec![config_map("g", "1"), config_map("s0", "9"), service_account("g1")]
}
