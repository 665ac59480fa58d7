//! Objects of tests, and what tests ask of Applications.

use application_api::{Application, OperationPhase};
use kube_object::{Object, ObjectKey};
use reconciler::AppKey;
use serde_json::{Value, json};

use super::git::REPO;
use super::server::key;
use super::world::{World, application_key};

/// Makes an Application that syncs, heals and prunes by itself, of the directory of its name.
pub fn application(name: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": REPO, "path": name, "targetRevision": "HEAD"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
        },
    })
}

/// Makes an Application with parts of it changed.
pub fn application_with(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut application = application(name);
    change(&mut application);
    application
}

/// Makes a ConfigMap with one key.
pub fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})
}

/// Makes a ServiceAccount.
pub fn service_account(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
}

/// Makes a Deployment.
pub fn deployment(name: &str, replicas: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": replicas}})
}

/// Makes a Job that is a hook of these types.
pub fn hook(name: &str, types: &str) -> Value {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {}},
    });
    annotated(job, "argocd.argoproj.io/hook", types)
}

/// Adds an annotation.
pub fn annotated(mut object: Value, name: &str, value: &str) -> Value {
    object["metadata"]["annotations"][name] = value.into();
    object
}

/// Puts an object into a wave.
pub fn in_wave(object: Value, wave: i64) -> Value {
    annotated(object, "argocd.argoproj.io/sync-wave", &wave.to_string())
}

/// Makes the CustomResourceDefinition of a kind of `example.com`.
pub fn definition(kind: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {"group": "example.com", "names": {"kind": kind, "plural": plural}, "scope": "Namespaced"},
    })
}

/// Makes an object of a kind of `example.com`.
pub fn custom(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": name}, "spec": {"size": 1}})
}

/// Makes the key of a ConfigMap in the namespace of tests.
pub fn map_key(name: &str) -> ObjectKey {
    key("", "ConfigMap", "shop", name)
}

/// Makes the key of an Application in the control namespace.
pub fn app_key(name: &str) -> AppKey {
    AppKey::new("argocd", name)
}

impl World {
    /// A world in which Git holds one directory, and its Application is synced.
    pub fn synced(name: &str, objects: &[Value]) -> Self {
        Self::synced_with(application(name), objects)
    }

    /// As [`World::synced`], with an Application of the caller.
    pub fn synced_with(application: Value, objects: &[Value]) -> Self {
        let name = application["metadata"]["name"].as_str().unwrap().to_owned();
        let mut world = Self::new();
        world.git.commit(&[(&name, objects)]);
        world.server.create(application);
        world.start();
        world.seconds(10);
        world.assert_well(&name);
        world.log.clear();
        world
    }

    /// Returns an Application, read.
    pub fn application(&self, name: &str) -> Application {
        Application::from_object(self.application_object(name)).unwrap()
    }

    /// Returns an Application as it is stored.
    pub fn application_object(&self, name: &str) -> &Object {
        self.server.get(&application_key(&app_key(name))).unwrap_or_else(|| panic!("Application {name} is gone"))
    }

    /// Tells whether an Application exists.
    pub fn has_application(&self, name: &str) -> bool {
        self.server.get(&application_key(&app_key(name))).is_some()
    }

    /// Edits an Application as a person does, and lets the daemon act.
    pub fn edit_application(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        self.server.edit(&application_key(&app_key(name)), "kubectl-edit", edit);
        self.run();
    }

    /// Edits the spec of a project as a person does, and lets the daemon act.
    pub fn edit_project(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let project = key("argoproj.io", "AppProject", "argocd", name);
        self.server.edit(&project, "kubectl-edit", |project| edit(&mut project["spec"]));
        self.run();
    }

    /// Edits a ConfigMap as a person does.
    pub fn edit_map(&mut self, name: &str, value: &str) {
        self.server.edit(&map_key(name), "kubectl-edit", |map| map["data"]["key"] = value.into());
        self.run();
    }

    /// Returns the value of a ConfigMap.
    pub fn map_value(&self, name: &str) -> Option<String> {
        Some(self.server.get(&map_key(name))?.get(&["data", "key"])?.as_str()?.to_owned())
    }

    /// Tells whether a ConfigMap exists.
    pub fn exists(&self, name: &str) -> bool {
        self.server.get(&map_key(name)).is_some()
    }

    /// `sync/health` as in the status.
    pub fn verdict(&self, name: &str) -> String {
        let status = self.application(name).status.unwrap_or_default();
        let health = status.health.status.map(|health| health.to_string()).unwrap_or_default();
        format!("{}/{health}", status.sync.status)
    }

    /// Returns the phase of the last operation.
    pub fn phase(&self, name: &str) -> Option<OperationPhase> {
        Some(self.application(name).status?.operation_state?.phase)
    }

    /// Returns the message of the last operation.
    pub fn operation_message(&self, name: &str) -> String {
        let state = self.application(name).status.and_then(|status| status.operation_state);
        state.map(|state| state.message).unwrap_or_default()
    }

    /// Conditions as `Type: message`.
    pub fn conditions(&self, name: &str) -> Vec<String> {
        let status = self.application(name).status.unwrap_or_default();
        status
            .conditions
            .iter()
            .map(|condition| format!("{}: {}", condition.condition_type, condition.message))
            .collect()
    }

    /// Checks that an Application is Synced and Healthy.
    pub fn assert_well(&self, name: &str) {
        let reason = self.state().reason(&app_key(name));
        assert_eq!(self.verdict(name), "Synced/Healthy", "{name}: {reason:?} {:?}", self.conditions(name));
    }

    /// Deletes an Application as a person does.
    pub fn delete_application(&mut self, name: &str) {
        let key = application_key(&app_key(name));
        let background = application_api::PropagationPolicy::Background;
        assert!(self.server.delete(&key, "", "", background).is_ok());
        self.run();
    }
}
