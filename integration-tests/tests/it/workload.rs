//! What an Application of the fault runs brings: objects of several kinds and waves, in two versions.

use std::collections::BTreeMap;

use integration_tests::{Cluster, ObjectRef, object};
use serde_json::{Value, json};
use test_kit::{FixtureRepo, config_map, deployment, namespace};

/// The objects of an Application.
pub(crate) struct Workload {
    /// The destination of the Application, which exists.
    pub(crate) namespace: String,
    /// A namespace of its own making.
    pub(crate) own_namespace: String,
    /// The group of a kind of its own making.
    pub(crate) group: String,
    /// How many objects there are in the first version, 20 at least.
    pub(crate) size: usize,
}

/// A commit of the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// What is synced first.
    First,
    /// Some objects are changed, some are gone, some are new.
    Second,
}

/// The name of an object that stays when its Application is deleted.
const KEPT: &str = "kept";

/// How many objects are no plain ConfigMaps.
const OTHERS: usize = 15;

impl Workload {
    /// Writes a version into a repository and gives the commit.
    pub(crate) fn commit(&self, repo: &FixtureRepo, version: Version) -> String {
        if version == Version::Second {
            repo.delete("app");
        }
        for (index, manifest) in self.manifests(version).iter().enumerate() {
            repo.write(&format!("app/{index:03}.json"), manifest.to_string());
        }
        repo.commit(&format!("{version:?}"))
    }

    /// Gives the objects of a version.
    pub(crate) fn objects(&self, version: Version) -> Vec<ObjectRef> {
        self.manifests(version).iter().map(ObjectRef::of).collect()
    }

    /// Gives the objects that the second version has no more.
    pub(crate) fn removed(&self) -> Vec<ObjectRef> {
        let left = self.objects(Version::Second);
        self.objects(Version::First).into_iter().filter(|object| !left.contains(object)).collect()
    }

    /// Tells whether an object stays when its Application is deleted: as asked for, or because it defines a kind.
    pub(crate) fn stays(object: &ObjectRef) -> bool {
        object.name == KEPT || object.kind == "CustomResourceDefinition"
    }

    /// Gives the waves of the objects of both versions, by the path that the API server has them at.
    pub(crate) fn waves(&self, cluster: &Cluster) -> BTreeMap<String, i64> {
        let all = [Version::First, Version::Second].into_iter().flat_map(|version| self.manifests(version));
        all.map(|manifest| (path_of(cluster, &ObjectRef::of(&manifest)), wave_of(&manifest))).collect()
    }

    /// Gives a ConfigMap of both versions, by number.
    pub(crate) fn config_map(&self, number: usize) -> ObjectRef {
        object("v1", "ConfigMap", &self.namespace, &format!("map-{number}"))
    }

    /// Deletes what an Application leaves behind.
    pub(crate) async fn clean_up(&self, cluster: &Cluster) {
        cluster.delete(&ObjectRef::of(&self.definition())).await;
        cluster.delete(&object("v1", "Namespace", "", &self.namespace)).await;
        cluster.delete(&object("v1", "Namespace", "", &self.own_namespace)).await;
    }

    fn manifests(&self, version: Version) -> Vec<Value> {
        let is_second = version == Version::Second;
        let mut all = vec![in_wave(-1, namespace(&self.own_namespace)), in_wave(-1, self.definition())];
        all.push(option("Delete=false", self.placed(config_map(KEPT, &[]))));
        for name in ["first", "second"] {
            all.push(self.placed(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})));
        }
        all.extend(["web", "api", "jobs"].map(|name| self.placed(service(name))));
        for name in ["web", "api", "jobs"] {
            let mut workload = deployment(name, 1);
            if is_second && name == "web" {
                workload["spec"]["template"]["metadata"]["annotations"] = json!({"example.com/version": "second"});
            }
            if !(is_second && name == "jobs") {
                all.push(in_wave(1, self.placed(workload)));
            }
        }
        for number in 0..3 {
            if !(is_second && number == 1) {
                all.push(in_wave(2, self.placed(self.gadget(number))));
            }
        }
        if !is_second {
            all.push(option("PruneLast=true", in_wave(-1, self.placed(config_map("last", &[])))));
        }
        all.extend((0..self.size - OTHERS).filter_map(|number| self.numbered_map(number, version)));
        if is_second {
            all.extend((0..3).map(|number| self.placed(config_map(&format!("new-{number}"), &[]))));
        }
        all
    }

    /// Gives one of the many ConfigMaps: every fourth changes, and every fifth from the third on goes with the second version.
    fn numbered_map(&self, number: usize, version: Version) -> Option<Value> {
        let is_second = version == Version::Second;
        if is_second && number % 5 == 3 {
            return None;
        }
        let data = if is_second && number.is_multiple_of(4) { "second" } else { "first" };
        let map = config_map(&format!("map-{number}"), &[("version", data)]);
        Some(match number % 6 {
            4 => in_wave(1, inside(&self.own_namespace, map)),
            5 => in_wave(2, self.placed(map)),
            _ => self.placed(map),
        })
    }

    fn placed(&self, manifest: Value) -> Value {
        inside(&self.namespace, manifest)
    }

    fn definition(&self) -> Value {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("gadgets.{}", self.group)},
            "spec": {
                "group": self.group,
                "scope": "Namespaced",
                "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "GadgetList"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                }}}],
            },
        })
    }

    fn gadget(&self, number: usize) -> Value {
        json!({
            "apiVersion": format!("{}/v1", self.group),
            "kind": "Gadget",
            "metadata": {"name": format!("gadget-{number}")},
            "spec": {"size": number},
        })
    }
}

/// Gives the path that the API server has an object at.
pub(crate) fn path_of(cluster: &Cluster, target: &ObjectRef) -> String {
    format!("{}/{}", target.api(cluster.client()).resource_url(), target.name)
}

fn inside(namespace: &str, mut manifest: Value) -> Value {
    manifest["metadata"]["namespace"] = namespace.into();
    manifest
}

fn in_wave(wave: i64, mut manifest: Value) -> Value {
    manifest["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = wave.to_string().into();
    manifest
}

fn option(option: &str, mut manifest: Value) -> Value {
    manifest["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] = option.into();
    manifest
}

fn wave_of(manifest: &Value) -> i64 {
    let wave = manifest["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"].as_str();
    wave.map_or(0, |wave| wave.parse().unwrap())
}

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

#[test]
fn the_versions_have_the_size_and_the_differences() {
    let workload =
        Workload { namespace: "a".to_owned(), own_namespace: "b".to_owned(), group: "c.example".to_owned(), size: 60 };
    let counts = [Version::First, Version::Second].map(|version| workload.objects(version).len());
    assert_eq!((counts, workload.removed().len()), ([60, 51], 12));
}
