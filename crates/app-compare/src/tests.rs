mod comparing;
mod health;
mod making_targets;

use std::collections::HashMap;
use std::sync::Arc;

use application_api::SyncOptions;
use kube_object::{
    ApiResource, ApiResources, ClusterId, CompactObject, Digest, GroupKind, Gvk, InstanceName, Object, ObjectKey,
    RenderedManifests, RenderedObject, Scope,
};
use live_state::{Detail, LiveState};
use object_diff::Takeover;
use serde_json::{Value, json};

use crate::{
    Answers, CompareInput, Compared, Comparison, Destination, DoubtPolicy, DryRunAnswer, ObjectPermission, Standing,
    TargetContext, Targets, TargetsError, compare, targets,
};

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn destination() -> Destination {
    Destination { cluster: ClusterId::in_cluster(), namespace: "shop".to_owned() }
}

fn resources() -> ApiResources {
    let kinds = [
        ("v1", "ConfigMap", Scope::Namespaced),
        ("v1", "Namespace", Scope::Cluster),
        ("v1", "Service", Scope::Namespaced),
        ("apps/v1", "Deployment", Scope::Namespaced),
        ("batch/v1", "Job", Scope::Namespaced),
        ("argoproj.io/v1alpha1", "Application", Scope::Namespaced),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", Scope::Cluster),
    ];
    let resources = kinds.map(|(api_version, kind, scope)| ApiResource {
        gvk: Gvk::from_api_version(api_version, kind),
        plural: format!("{}s", kind.to_lowercase()),
        scope,
        verbs: vec!["list".to_owned(), "watch".to_owned()],
        subresources: vec!["status".to_owned()],
    });
    ApiResources::new(resources, "v1.36.3")
}

fn render(objects: &[Value]) -> Arc<RenderedManifests> {
    let objects = objects.iter().enumerate().map(|(at, value)| {
        RenderedObject::new(&object(value.clone()), "app.yaml".into(), u32::try_from(at).unwrap() + 1)
    });
    Arc::new(RenderedManifests::new(objects.collect(), Digest::of_bytes(b""), Vec::new()))
}

/// Refuses objects called `forbidden` and excludes Endpoints.
struct Rules;

impl ObjectPermission for Rules {
    fn refusal(&self, _: &GroupKind, _: Scope, _: &str, name: &str) -> Option<String> {
        (name == "forbidden").then(|| "not permitted".to_owned())
    }

    fn is_excluded(&self, group_kind: &GroupKind) -> bool {
        group_kind.kind == "Endpoints"
    }
}

/// Makes targets for the application `web`.
fn make(objects: &[Value], destination: &Destination) -> Result<Targets, TargetsError> {
    let context = TargetContext {
        instance: &InstanceName::new("web"),
        destination,
        served: &resources(),
        permission: &Rules,
        namespace: None,
    };
    targets(&[render(objects)], &context)
}

/// A ConfigMap in `shop` with one value, as rendered.
fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": value}})
}

/// The live ConfigMap that an apply of [`config_map`] by an application leaves, owned by us.
fn applied(application: &str, name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("u-{name}"), "resourceVersion": "5",
            "annotations": {"argocd.argoproj.io/tracking-id": format!("{application}:/ConfigMap:shop/{name}")},
            "managedFields": [{
                "manager": "argocd-controller", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:data": {"f:a": {}},
                    "f:metadata": {"f:annotations": {"f:argocd.argoproj.io/tracking-id": {}}},
                },
            }],
        },
        "data": {"a": value},
    })
}

fn with(mut value: Value, pointer: &str, to: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = to;
    value
}

#[derive(Default)]
struct Known {
    verdicts: HashMap<Digest, DryRunAnswer>,
    bodies: HashMap<(ObjectKey, String, String), CompactObject>,
}

impl Answers for Known {
    fn verdict(&self, memo: &Digest) -> Option<DryRunAnswer> {
        self.verdicts.get(memo).cloned()
    }

    fn body(&self, key: &ObjectKey, resource_version: &str, api_version: &str) -> Option<CompactObject> {
        self.bodies.get(&(key.clone(), resource_version.to_owned(), api_version.to_owned())).cloned()
    }
}

/// One comparison of the application `web`, which deploys to `shop`.
struct World {
    targets: Targets,
    live: LiveState,
    answers: Known,
    doubt: DoubtPolicy,
    sync_options: &'static str,
    previous: Option<Comparison>,
}

impl World {
    fn new(rendered: &[Value], live: &[Value]) -> Self {
        let targets = make(rendered, &destination()).unwrap();
        let cluster = ClusterId::in_cluster();
        let mut state = LiveState::new();
        for resource in resources().all() {
            state.begin_reset(&cluster, &resource.gvk.group_kind());
            state.end_reset(&cluster, &resource.gvk.group_kind(), "1");
        }
        state.set_targets(&InstanceName::new("web"), targets.items.iter().map(|target| target.key.clone()));
        for value in live {
            state.apply(&cluster, &object(value.clone()), Detail::Full);
        }
        Self {
            targets,
            live: state,
            answers: Known::default(),
            doubt: DoubtPolicy::DryRun,
            sync_options: "",
            previous: None,
        }
    }

    /// Another application renders a ConfigMap in `shop`. Names say how it stands: `old…`, `young…`, `unread…`; any
    /// other is gone.
    fn rendered_by(mut self, other: &str, name: &str) -> Self {
        let key = key(name);
        self.live.set_targets(&InstanceName::new(other), [key]);
        self
    }

    fn compare(&self) -> Compared {
        let standing = |other: &InstanceName| match other.as_str() {
            name if name.starts_with("old") => Standing::Older,
            name if name.starts_with("young") => Standing::Younger,
            name if name.starts_with("unread") => Standing::Unread,
            _ => Standing::Gone,
        };
        compare(&CompareInput {
            instance: &InstanceName::new("web"),
            application: &ObjectKey::new(
                ClusterId::in_cluster(),
                GroupKind::new("argoproj.io", "Application"),
                "argocd",
                "web",
            ),
            destination: &destination(),
            targets: &self.targets,
            live: &self.live,
            served: &resources(),
            permission: &Rules,
            takeover: &Takeover::default(),
            answers: &self.answers,
            claims: &standing,
            sync_options: &SyncOptions::from_annotation(self.sync_options),
            doubt: self.doubt,
            previous: self.previous.as_ref(),
        })
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(ClusterId::in_cluster(), GroupKind::new("", "ConfigMap"), "shop", name)
}
