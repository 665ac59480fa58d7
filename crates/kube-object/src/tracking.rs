use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{GroupKind, Object};

/// The annotation that says which Application an object belongs to (Argo CD's annotation tracking).
pub const TRACKING_ANNOTATION: &str = "argocd.argoproj.io/tracking-id";

/// The name of an Application in tracking values: `name` in the control-plane namespace, else `namespace_name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceName(Arc<str>);

impl InstanceName {
    /// Makes the instance name of the Application `namespace/name` for the control-plane namespace `control`.
    pub fn of(namespace: &str, name: &str, control: &str) -> Self {
        if namespace == control || namespace.is_empty() {
            Self(Arc::from(name))
        } else {
            Self(Arc::from(format!("{namespace}_{name}")))
        }
    }

    /// Takes a name as written in a tracking value.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// Returns the text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns namespace and name of the Application; the first underscore splits, since Kubernetes names have none.
    pub fn namespace_and_name<'a>(&'a self, control: &'a str) -> (&'a str, &'a str) {
        self.0.split_once('_').unwrap_or((control, &self.0))
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of the tracking annotation: `<instance>:<group>/<kind>:<namespace>/<name>`.
///
/// The namespace is the object's, or the destination namespace when the object has none, also for cluster-scoped kinds
/// (Argo CD, `util/argo/resource_tracking`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrackingId {
    /// The Application.
    pub instance: InstanceName,
    /// Group and kind of the object.
    pub group_kind: GroupKind,
    /// Namespace as described above.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl TrackingId {
    /// Reads an annotation value; none when it has not exactly the three parts with one slash in the last two.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (instance, group_kind, object) = (parts.next()?, parts.next()?, parts.next()?);
        let (group, kind) = one_slash(group_kind)?;
        let (namespace, name) = one_slash(object)?;
        Some(Self {
            instance: InstanceName::new(instance),
            group_kind: GroupKind::new(group, kind),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Reads the tracking id of a live object. CustomResourceDefinitions are never tracked by annotation.
    pub fn of_live(object: &Object) -> Option<Self> {
        if object.kind() == "CustomResourceDefinition" && object.group_kind().group == "apiextensions.k8s.io" {
            return None;
        }
        Self::parse(object.annotation(TRACKING_ANNOTATION)?)
    }

    /// Tells whether the id was made for this very object, not copied onto it from another (section 3.8, self-referenced).
    /// `cluster_scoped` objects are compared without namespace.
    pub fn is_of(&self, group_kind: &GroupKind, namespace: &str, name: &str) -> bool {
        self.group_kind == *group_kind && self.name == name && (namespace.is_empty() || self.namespace == namespace)
    }
}

impl fmt::Display for TrackingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GroupKind { group, kind } = &self.group_kind;
        write!(f, "{}:{group}/{kind}:{}/{}", self.instance, self.namespace, self.name)
    }
}

fn one_slash(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(_, rest)| !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_written() {
        for text in [
            "guestbook:apps/Deployment:shop/web",
            "guestbook:/Service:shop/web",
            "team-a_web:rbac.authorization.k8s.io/ClusterRole:shop/system:reader",
        ] {
            assert_eq!(TrackingId::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "guestbook",
            "guestbook:apps/Deployment",
            "guestbook:Deployment:shop/web",
            "g:apps/v1/Deployment:shop/web",
            "g:/Pod:a/b/c",
        ] {
            assert_eq!(TrackingId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_copied_id_is_not_of_the_object() {
        let id = TrackingId::parse("guestbook:apps/Deployment:shop/web").unwrap();
        assert!(id.is_of(&GroupKind::new("apps", "Deployment"), "shop", "web"));
        assert!(!id.is_of(&GroupKind::new("apps", "ReplicaSet"), "shop", "web"));
        assert!(!id.is_of(&GroupKind::new("apps", "Deployment"), "shop", "web-2"));
        assert!(!id.is_of(&GroupKind::new("apps", "Deployment"), "other", "web"));
        assert!(id.is_of(&GroupKind::new("apps", "Deployment"), "", "web"));
    }

    #[test]
    fn instance_names_carry_the_namespace_outside_the_control_plane() {
        assert_eq!(InstanceName::of("argocd", "web", "argocd").as_str(), "web");
        let other = InstanceName::of("team-a", "web", "argocd");
        assert_eq!(other.as_str(), "team-a_web");
        assert_eq!(other.namespace_and_name("argocd"), ("team-a", "web"));
    }
}
