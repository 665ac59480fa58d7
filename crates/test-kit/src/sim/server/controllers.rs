//! What controllers of the cluster do: kinds become served, Deployments come up.

use jiff::Timestamp;
use kube_object::ObjectKey;
use serde_json::{Value, json};

use super::fields::Owner;
use super::kinds::is_established;
use super::{Establishing, Rollouts, Server, key, object_of};

impl Server {
    /// Moves the clock; controllers do what is due.
    pub fn pass_time(&mut self, now: Timestamp) {
        self.now = now;
        while let Some((at, key)) = self.due.first().cloned().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, key.clone()));
            if self.get(&key).is_none() {
                continue;
            }
            if key.kind == "Deployment" {
                self.scale_out(&key);
                self.roll_out(&key);
            } else {
                self.establish(&key.name);
            }
        }
    }

    /// Returns when a controller acts next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Says that the kind of a CustomResourceDefinition is served.
    pub fn establish(&mut self, name: &str) {
        let key = key("apiextensions.k8s.io", "CustomResourceDefinition", "", name);
        self.edit_as(&key, &Owner::updating_status("kube-apiserver"), |definition| {
            definition["status"]["conditions"] = json!([
                {"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}
            ]);
        });
    }

    /// Says that a Deployment is up.
    pub fn roll_out(&mut self, key: &ObjectKey) {
        self.edit_as(key, &Owner::updating_status("kube-controller-manager"), |deployment| {
            let (generation, replicas) =
                (deployment["metadata"]["generation"].clone(), deployment["spec"]["replicas"].clone());
            deployment["status"] = json!({
                "observedGeneration": generation, "replicas": replicas,
                "updatedReplicas": replicas, "availableReplicas": replicas,
            });
        });
    }

    /// Makes the ReplicaSet below a Deployment.
    fn scale_out(&mut self, deployment: &ObjectKey) {
        let below = key("apps", "ReplicaSet", &deployment.namespace, &format!("{}-1", deployment.name));
        let Some(owner) = self.get(deployment).filter(|owner| !owner.is_deleting()) else { return };
        if self.get(&below).is_some() {
            return;
        }
        let object = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": below.name, "namespace": below.namespace,
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.name, "uid": owner.uid(),
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {"replicas": 1},
        });
        self.update(&below, &Owner::updating("kube-controller-manager"), object_of(object));
    }

    /// What controllers do about a new version of an object.
    pub(super) fn control(&mut self, key: &ObjectKey) {
        let Some(object) = self.get(key) else { return };
        if key.kind == "Deployment" {
            let observed = object.get(&["status", "observedGeneration"]).and_then(Value::as_i64);
            let is_up = observed == Some(object.metadata().generation);
            match self.rollouts {
                Rollouts::AtOnce if !is_up => self.roll_out(key),
                Rollouts::After(wait) if !is_up => _ = self.due.insert((self.now + wait, key.clone())),
                _ => {}
            }
        } else if key.kind == "CustomResourceDefinition" {
            let is_established = is_established(object);
            match self.establishing {
                Establishing::AtOnce if !is_established => self.establish(&key.name),
                Establishing::After(wait) if !is_established => _ = self.due.insert((self.now + wait, key.clone())),
                _ => {}
            }
            self.redefine();
        }
    }
}
