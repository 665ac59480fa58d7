//! Placeholders, and how objects are named in scenarios.

use std::collections::BTreeMap;

use integration_tests::{ObjectRef, object};
use regex::{Captures, Regex};
use serde_json::Value;

use super::format::NamedKind;
use super::matching::Kept;

/// Where objects of a kind are when a scenario names no namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Workload,
    Control,
    Cluster,
}

/// The kinds that scenarios name without saying their apiVersion.
const KINDS: &[(&str, Place, &[&str])] = &[
    (
        "v1",
        Place::Workload,
        &["ConfigMap", "Secret", "Service", "ServiceAccount", "Pod", "PersistentVolumeClaim", "ResourceQuota"],
    ),
    ("v1", Place::Cluster, &["Namespace"]),
    ("apps/v1", Place::Workload, &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"]),
    ("batch/v1", Place::Workload, &["Job", "CronJob"]),
    ("networking.k8s.io/v1", Place::Workload, &["Ingress", "NetworkPolicy"]),
    ("rbac.authorization.k8s.io/v1", Place::Workload, &["Role", "RoleBinding"]),
    ("rbac.authorization.k8s.io/v1", Place::Cluster, &["ClusterRole", "ClusterRoleBinding"]),
    ("apiextensions.k8s.io/v1", Place::Cluster, &["CustomResourceDefinition"]),
    ("argoproj.io/v1alpha1", Place::Control, &["Application", "AppProject"]),
];

/// What tells the objects of a scenario from those of others.
#[derive(Clone, Debug)]
pub(super) struct Own {
    /// Namespace of the workload.
    pub(super) work: String,
    /// Another namespace for a workload.
    pub(super) work2: String,
    /// Control-plane namespace.
    pub(super) control: String,
    /// Name of an Application, or a part of the names of several.
    pub(super) app: String,
}

/// All that placeholders and names of objects stand for.
pub(super) struct Names {
    /// What belongs to the scenario.
    pub(super) own: Own,
    /// URL of the repository.
    pub(super) repo: String,
    /// Commits by the directory that they were made from.
    pub(super) commits: BTreeMap<String, String>,
    /// What descriptions have kept.
    pub(super) kept: Kept,
    /// Kinds of the scenario.
    pub(super) kinds: Vec<NamedKind>,
}

impl Own {
    /// Tells whether an object belongs to the scenario: by its namespace, or else by its name. What Kubernetes puts into every namespace does not.
    pub(super) fn owns(&self, target: &ObjectRef) -> bool {
        if target.name == "kube-root-ca.crt" {
            return false;
        }
        let namespaces = [&self.work, &self.work2, &self.control];
        let owns = |name: &str| namespaces.into_iter().any(|own| own == name) || name.contains(&self.app);
        target.namespace.as_deref().map_or_else(|| owns(&target.name), owns)
    }
}

impl Names {
    /// Fills in placeholders.
    ///
    /// # Errors
    /// Names a placeholder that there is not.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let placeholder = Regex::new(r"\$([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?").expect("the pattern is valid");
        let mut unknown = None;
        let filled = placeholder.replace_all(text, |found: &Captures<'_>| {
            let (name, argument) = (&found[1], found.get(2).map(|argument| argument.as_str()));
            let value = match (name, argument) {
                // Variables of the build environment, which the daemon replaces.
                (name, _) if name.starts_with("ARGOCD_") => return found[0].to_owned(),
                ("COMMIT", Some(directory)) => self.commits.get(directory),
                ("KEPT", Some(name)) => self.kept.get(name),
                ("NOW", _) => return with_rest(&now(), argument),
                ("WORK", _) => return with_rest(&self.own.work, argument),
                ("WORK2", _) => return with_rest(&self.own.work2, argument),
                ("NS", _) => return with_rest(&self.own.control, argument),
                ("APP", _) => return with_rest(&self.own.app, argument),
                ("REPO", _) => return with_rest(&self.repo, argument),
                _ => None,
            };
            value.cloned().unwrap_or_else(|| {
                unknown.get_or_insert_with(|| found[0].to_owned());
                String::new()
            })
        });
        match unknown {
            None => Ok(filled.into_owned()),
            Some(unknown) => Err(format!(
                "{unknown} stands for nothing: there are $WORK, $WORK2, $NS, $APP, $REPO, $NOW, $COMMIT(directory committed before), \
                 $KEPT(name kept before)"
            )),
        }
    }

    /// Fills in placeholders everywhere in a value, keys included.
    ///
    /// # Errors
    /// Names a placeholder that there is not.
    pub(super) fn fill_value(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(elements) => {
                elements.iter().map(|element| self.fill_value(element)).collect::<Result<_, _>>()?
            }
            Value::Object(fields) => {
                let filled = fields.iter().map(|(key, value)| Ok((self.fill(key)?, self.fill_value(value)?)));
                Value::Object(filled.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    /// Gives the object that `Kind/name` or `Kind/namespace/name` means.
    ///
    /// # Errors
    /// If it is no such text, or the kind is not known.
    pub(super) fn object(&self, reference: &str) -> Result<ObjectRef, String> {
        let parts: Vec<&str> = reference.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [kind, name] => (kind, None, name),
            [kind, namespace, name] => (kind, Some(namespace), name),
            _ => return Err(format!("{reference}: an object is named as Kind/name or Kind/namespace/name")),
        };
        let (api_version, place) = self.kind(kind).ok_or_else(|| {
            format!("{reference}: the kind {kind} is not known; name it with its apiVersion in the scenario's `kinds`")
        })?;
        let namespace = namespace.or_else(|| self.namespace_of(place)).unwrap_or_default();
        Ok(object(&api_version, kind, namespace, name))
    }

    /// Gives an object the namespace that objects of its kind have when none is named.
    pub(super) fn place(&self, manifest: &mut Value) {
        let place = manifest["kind"].as_str().and_then(|kind| self.kind(kind));
        let namespace = place.and_then(|(_, place)| self.namespace_of(place));
        if let (Some(namespace), true) = (namespace, manifest["metadata"]["namespace"].is_null()) {
            manifest["metadata"]["namespace"] = namespace.into();
        }
    }

    fn kind(&self, kind: &str) -> Option<(String, Place)> {
        let own = self.kinds.iter().find(|own| own.kind == kind);
        let own = own.map(|own| (own.api_version.clone(), Place::Workload));
        own.or_else(|| {
            let known = KINDS.iter().find(|(_, _, kinds)| kinds.contains(&kind));
            known.map(|(api_version, place, _)| ((*api_version).to_owned(), *place))
        })
    }

    fn namespace_of(&self, place: Place) -> Option<&str> {
        match place {
            Place::Workload => Some(&self.own.work),
            Place::Control => Some(&self.own.control),
            Place::Cluster => None,
        }
    }
}

/// Gives the time as Kubernetes writes it.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Puts text in parentheses that is no argument behind a value.
fn with_rest(value: &str, rest: Option<&str>) -> String {
    rest.map_or_else(|| value.to_owned(), |rest| format!("{value}({rest})"))
}

#[cfg(test)]
fn names() -> Names {
    Names {
        own: Own { work: "w-1".into(), work2: "w-2".into(), control: "c".into(), app: "a-0".into() },
        repo: "http://r".into(),
        commits: [("v1".to_owned(), "f00".to_owned())].into(),
        kept: [("uid".to_owned(), "12".to_owned())].into(),
        kinds: vec![NamedKind { api_version: "a-0.example/v1".into(), kind: "Gadget".into() }],
    }
}

#[test]
fn placeholders_are_filled_in() {
    let cases = [
        ("$WORK/$WORK2 $WORK-x", Ok("w-1/w-2 w-1-x")),
        ("$APP-b at $COMMIT(v1) of $REPO in $NS", Ok("a-0-b at f00 of http://r in c")),
        ("$KEPT(uid) costs $5, $lower and $ARGOCD_APP_NAME stay", Ok("12 costs $5, $lower and $ARGOCD_APP_NAME stay")),
        ("$COMMIT(v2)", Err("$COMMIT(v2) stands for nothing")),
        ("$APPS", Err("$APPS stands for nothing")),
        ("$KEPT", Err("$KEPT stands for nothing")),
    ];
    for (text, expected) in cases {
        match (names().fill(text), expected) {
            (Ok(filled), Ok(expected)) => assert_eq!(filled, expected),
            (Err(error), Err(expected)) => assert!(error.starts_with(expected), "{error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
}

#[test]
fn objects_are_named_shortly() {
    let cases = [
        ("ConfigMap/a", "v1 ConfigMap w-1/a"),
        ("Deployment/w-2/web", "apps/v1 Deployment w-2/web"),
        ("Namespace/n", "v1 Namespace /n"),
        ("Application/a-0", "argoproj.io/v1alpha1 Application c/a-0"),
        ("Gadget/g", "a-0.example/v1 Gadget w-1/g"),
        ("Gizmo/g", "error"),
        ("ConfigMap", "error"),
    ];
    for (reference, expected) in cases {
        let found = names().object(reference).map_or_else(|_| "error".to_owned(), |object| object.to_string());
        assert_eq!(found, expected);
    }
}
