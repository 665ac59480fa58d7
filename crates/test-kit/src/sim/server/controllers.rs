//! What controllers of the cluster do: kinds become served, Deployments come up, Jobs are done.

use application_api::PropagationPolicy;
use jiff::{SignedDuration, Timestamp};
use kube_object::{Object, ObjectKey};
use serde_json::{Value, json};

use super::fields::Owner;
use super::kinds::is_established;
use super::{Establishing, Rollouts, Server, key, object_of};

/// Says what a Job comes to: `fails`, `runs` (until somebody says so by [`Server::work`]); success otherwise.
pub const JOB_ANNOTATION: &str = "model/job";
/// How long the work of a Job takes.
const JOB_TAKES: SignedDuration = SignedDuration::from_secs(1);

/// Tells whether a Job is done.
fn is_done(job: &Object) -> bool {
    job.get(&["status", "conditions"]).is_some()
}

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
            } else if key.kind == "Job" {
                self.work(&key);
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

    /// Does a Job's work: what it comes to is written in its annotation [`JOB_ANNOTATION`]. One with a time to live then goes.
    pub fn work(&mut self, key: &ObjectKey) {
        let Some(job) = self.get(key) else { return };
        let outcome = if job.annotation(JOB_ANNOTATION) == Some("fails") { "Failed" } else { "Complete" };
        let has_ttl = job.get(&["spec", "ttlSecondsAfterFinished"]).is_some();
        if !is_done(job) {
            self.edit_as(key, &Owner::updating_status("kube-controller-manager"), |job| {
                job["status"]["conditions"] = json!([{"type": outcome, "status": "True", "message": "a message"}]);
            });
        }
        if has_ttl {
            // It may be gone already.
            let _ = self.delete(key, "", "", PropagationPolicy::Background);
        }
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
        } else if key.kind == "Job" {
            let runs = object.annotation(JOB_ANNOTATION) != Some("runs");
            if runs && !is_done(object) && !object.is_deleting() {
                self.due.insert((self.now + JOB_TAKES, key.clone()));
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
