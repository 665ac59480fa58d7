//! What people and other controllers do to objects and Applications.

use application_api::PropagationPolicy;
use kube_object::ObjectKey;
use serde_json::{Value, json};

use super::Schedule;
use super::plan::{APPS, LOOSE};
use super::shape::{Edits, Family};
use crate::sim::build::{app_key, config_map, map_key};
use crate::sim::server::{Force, key};
use crate::sim::world::application_key;

impl Schedule {
    pub(super) fn touch_objects(&mut self) {
        match self.rng.below(7) {
            5 => {
                let key = match self.rng.below(3) {
                    0 => key("apiextensions.k8s.io", "CustomResourceDefinition", "", "widgets.example.com"),
                    _ => key("argoproj.io", "AppProject", "argocd", "default"),
                };
                self.world.note(&format!("-- {key} is deleted by hand"));
                let _ = self.world.server.delete(&key, "", "", PropagationPolicy::Background);
            }
            6 => self.apply_rival(),
            0 | 1 => {
                let name = *self.rng.pick(&["s0", "s1", "s2", "l0", "l1", "l2", "l3"]);
                let value = format!("foreign {}", self.rng.below(3));
                self.change(&map_key(name), "rival", |map| map["data"]["key"] = value.into());
            }
            2 => {
                let name = *self.rng.pick(&LOOSE);
                let propagation = *self.rng.pick(&[PropagationPolicy::Background, PropagationPolicy::Foreground]);
                let key = object_key(name);
                self.world.note(&format!("-- {key} is deleted by hand"));
                let _ = self.world.server.delete(&key, "", "", propagation);
            }
            3 => {
                let name = *self.rng.pick(&LOOSE);
                self.change(&object_key(name), "kubectl-edit", |object| {
                    if object["kind"] == "Deployment" {
                        object["spec"]["replicas"] = 7.into();
                    }
                    object["metadata"]["labels"]["team"] = "theirs".into();
                    object["metadata"]["annotations"]
                        .as_object_mut()
                        .map(|all| all.remove("argocd.argoproj.io/tracking-id"));
                });
            }
            _ => self.guard(),
        }
    }

    /// Another controller applies what it wants of an object, by force.
    fn apply_rival(&mut self) {
        let name = *self.rng.pick(&["s0", "s1", "l0", "l1"]);
        let mut map = config_map(name, "rival");
        map["metadata"]["namespace"] = "shop".into();
        map["metadata"]["labels"]["rival"] = "yes".into();
        if self.rng.one_in(2) {
            map.as_object_mut().unwrap().remove("data");
        }
        if self.world.server.get(&map_key(name)).is_some_and(|map| !map.is_deleting()) {
            self.world.note(&format!("-- rival applies {name}: {map}"));
            let map = kube_object::Object::from_value(map).unwrap();
            let _ = self.world.server.apply_as("rival", Force::Yes, &map);
        }
    }

    /// A finalizer of somebody else comes or goes.
    fn guard(&mut self) {
        let name = *self.rng.pick(&["l0", "l1", "d0"]);
        if self.guarded.contains(name) {
            self.unguard(name);
        } else if self.change(&object_key(name), "guard", |object| {
            let finalizers = &mut object["metadata"]["finalizers"];
            if finalizers.is_null() {
                *finalizers = json!([]);
            }
            finalizers.as_array_mut().unwrap().push("example.com/guard".into());
        }) {
            self.guarded.insert(name);
        }
    }

    pub(super) fn unguard(&mut self, name: &'static str) {
        self.guarded.remove(name);
        self.change(&object_key(name), "guard", |object| {
            if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
                finalizers.retain(|name| name != "example.com/guard");
            }
        });
    }

    /// Edits an object, if it exists and stays.
    fn change(&mut self, key: &ObjectKey, manager: &str, edit: impl FnOnce(&mut Value)) -> bool {
        let Some(object) = self.world.server.get(key) else { return false };
        if object.is_deleting() && !holds_guard(object) {
            return false;
        }
        self.world.note(&format!("-- {manager} changes {key}"));
        self.world.server.edit(key, manager, edit);
        true
    }

    pub(super) fn touch_applications(&mut self) {
        let name = *self.rng.pick(&APPS);
        match self.rng.below(7) {
            0 => self.terminate(name),
            1 | 2 => self.request(name),
            3 => self.refresh(name),
            4 => {
                let value = self.rng.below(9).to_string();
                self.edit(name, |app| app["metadata"]["annotations"]["example.com/note"] = value.into());
            }
            _ if self.shape.edits == Edits::Specs => self.edit_spec(name),
            _ => self.refresh(name),
        }
    }

    fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let key = application_key(&app_key(name));
        if self.world.server.get(&key).is_some() {
            self.world.server.edit(&key, "argocd-server", edit);
        }
    }

    /// Ends the running operation of an Application as a person does.
    fn terminate(&mut self, name: &str) {
        self.world.note(&format!("-- the operation of {name} is to end"));
        self.edit(name, |app| {
            // Of a state that is left over from an operation before, it would not be said which of the two is to end.
            if app["operation"].is_object() && app["status"]["operationState"]["phase"] == "Running" {
                app["status"]["operationState"]["phase"] = "Terminating".into();
            }
        });
    }

    /// Asks for a sync as a person does.
    fn request(&mut self, name: &str) {
        let mut operation = match self.rng.below(5) {
            0 => json!({"sync": {"dryRun": true}}),
            1 => json!({"sync": {"resources": [{"kind": "ConfigMap", "name": "s1", "namespace": "shop"}]}}),
            2 => {
                let commits: Vec<String> = self.world.git.names().map(str::to_owned).collect();
                let prune = self.shape.edits == Edits::Specs;
                json!({"sync": {"prune": prune, "revision": self.rng.pick(&commits)}})
            }
            _ => json!({"sync": {"prune": true}}),
        };
        operation["initiatedBy"]["username"] = "admin".into();
        operation["retry"]["limit"] = (*self.rng.pick(&[0, 2])).into();
        let keeps_state = self.rng.one_in(3);
        self.world.note(&format!("-- a sync of {name} is requested: {operation}"));
        self.edit(name, |app| {
            if app["operation"].is_null() && app["status"].is_object() {
                app["operation"] = operation;
                // argocd-server removes the state of the last operation, kubectl does not.
                if !keeps_state {
                    app["status"].as_object_mut().unwrap().remove("operationState");
                }
            }
        });
    }

    fn refresh(&mut self, name: &str) {
        let kind = *self.rng.pick(&["normal", "hard"]);
        self.world.note(&format!("-- a {kind} refresh of {name}"));
        self.edit(name, |app| app["metadata"]["annotations"]["argocd.argoproj.io/refresh"] = kind.into());
    }

    fn edit_spec(&mut self, name: &str) {
        let change = *self.rng.pick(&EDITS);
        self.world.note(&format!("-- the spec of {name} is edited: {}", change.0));
        self.edit(name, |app| change.1(&mut app["spec"]));
    }

    /// The Application that comes and goes does so, by hand or in Git.
    pub(super) fn touch_guest(&mut self) {
        if self.shape.family == Family::OfRoot {
            self.plan.has_guest = !self.plan.has_guest;
            return self.write_commit();
        }
        let key = application_key(&app_key("guest"));
        if self.world.server.get(&key).is_none() {
            self.world.note("-- the guest comes");
            self.world.server.create(self.shape.guest());
        } else {
            self.dismiss_guest();
        }
    }

    pub(super) fn dismiss_guest(&mut self) {
        self.world.note("-- the guest goes");
        let key = application_key(&app_key("guest"));
        let _ = self.world.server.delete(&key, "", "", PropagationPolicy::Background);
    }

    /// Makes the specs what they were.
    pub(super) fn restore_specs(&mut self) {
        for name in APPS {
            let spec = self.shape.application(name)["spec"].clone();
            self.edit(name, |app| app["spec"] = spec);
        }
    }
}

/// A change of a spec, with its name.
type Edit = (&'static str, fn(&mut Value));

/// What people make of a spec.
const EDITS: [Edit; 7] = [
    ("another path", |spec| spec["source"]["path"] = "alt".into()),
    ("a path that is not there", |spec| spec["source"]["path"] = "nowhere".into()),
    ("another project", |spec| spec["project"] = "strict".into()),
    ("no automation", |spec| _ = spec.as_object_mut().unwrap().remove("syncPolicy")),
    ("no prune and no heal", |spec| spec["syncPolicy"]["automated"] = json!({})),
    ("another namespace", |spec| spec["destination"]["namespace"] = "default".into()),
    ("a namespace to create", |spec| {
        spec["destination"]["namespace"] = "made".into();
        spec["syncPolicy"]["syncOptions"] = json!(["CreateNamespace=true"]);
    }),
];

fn holds_guard(object: &kube_object::Object) -> bool {
    object.metadata().finalizers.iter().any(|name| name == "example.com/guard")
}

/// Returns the key of an object of the plan.
fn object_key(name: &str) -> ObjectKey {
    match name {
        "d0" => key("apps", "Deployment", "shop", name),
        "a0" => key("", "ServiceAccount", "shop", name),
        "w0" => key("example.com", "Widget", "shop", name),
        "n0" => key("", "ConfigMap", "extra", "inside"),
        _ => map_key(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::ALWAYS;
    use super::*;

    #[test]
    fn every_object_of_the_plan_has_a_key() {
        let keys: std::collections::BTreeSet<ObjectKey> =
            ALWAYS.iter().chain(&LOOSE).map(|name| object_key(name)).collect();
        assert_eq!(keys.len(), ALWAYS.len() + LOOSE.len());
    }
}
