use serde_json::{Map, Value, json};

/// Starts an Application with this name, in namespace `argocd` and project `default`, for the API server it lives on.
pub fn application(name: &str) -> AppBuilder {
    AppBuilder(json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "", "path": ".", "targetRevision": "HEAD"},
            "destination": {"server": "https://kubernetes.default.svc"},
        },
    }))
}

/// An Application manifest in the making.
#[derive(Clone, Debug)]
pub struct AppBuilder(Value);

impl AppBuilder {
    /// Sets the namespace of the Application itself.
    pub fn in_namespace(self, namespace: &str) -> Self {
        self.set("/metadata/namespace", namespace)
    }

    /// Sets the repository and the path in it.
    pub fn source(self, repo_url: &str, path: &str) -> Self {
        self.set("/spec/source/repoURL", repo_url).set("/spec/source/path", path)
    }

    /// Sets the revision to follow; `HEAD` unless set.
    pub fn revision(self, revision: &str) -> Self {
        self.set("/spec/source/targetRevision", revision)
    }

    /// Sets the namespace that gets the objects which name none.
    pub fn destination(self, namespace: &str) -> Self {
        self.set("/spec/destination/namespace", namespace)
    }

    /// Sets the project; `default` unless set.
    pub fn project(self, project: &str) -> Self {
        self.set("/spec/project", project)
    }

    /// Syncs by itself, without pruning or self-healing.
    pub fn automated(self) -> Self {
        self.set("/spec/syncPolicy/automated", json!({}))
    }

    /// Syncs by itself and prunes.
    pub fn prune(self) -> Self {
        self.set("/spec/syncPolicy/automated/prune", true)
    }

    /// Syncs by itself and heals what others change.
    pub fn self_heal(self) -> Self {
        self.set("/spec/syncPolicy/automated/selfHeal", true)
    }

    /// Adds a sync option, such as `CreateNamespace=true`.
    pub fn sync_option(mut self, option: &str) -> Self {
        let options = entry(&mut self.0, "/spec/syncPolicy/syncOptions");
        match options {
            Value::Array(all) => all.push(option.into()),
            other => *other = json!([option]),
        }
        self
    }

    /// Adds an annotation of the Application.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        object(entry(&mut self.0, "/metadata/annotations")).insert(key.to_owned(), value.into());
        self
    }

    /// Deletes the Application's objects with it.
    pub fn resources_finalizer(self) -> Self {
        self.set("/metadata/finalizers", json!(["resources-finalizer.argocd.argoproj.io"]))
    }

    /// Sets any field by its JSON pointer, making the objects on the way. Pointers into lists are not supported.
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        *entry(&mut self.0, pointer) = value.into();
        self
    }

    /// Gives the manifest.
    pub fn build(self) -> Value {
        self.0
    }
}

/// Gives a ConfigMap without a namespace.
pub fn config_map(name: &str, data: &[(&str, &str)]) -> Value {
    let data: Map<String, Value> = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// Gives a Namespace.
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// Gives a Deployment of a container that does nothing, without a namespace.
pub fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "registry.example/pause:1"}]},
            },
        },
    })
}

/// Gives a Job of a container that does nothing, without a namespace.
pub fn job(name: &str) -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example/pause:1"}]},
            },
        },
    })
}

/// Gives the value at a JSON pointer, null and in objects made for it if it was not there.
fn entry<'a>(root: &'a mut Value, pointer: &str) -> &'a mut Value {
    pointer.split('/').skip(1).fold(root, |value, token| {
        object(value).entry(token.replace("~1", "/").replace("~0", "~")).or_insert(Value::Null)
    })
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was just made an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_with_everything() {
        let app = application("shop")
            .in_namespace("ns")
            .source("http://host/repo", "app")
            .destination("work")
            .prune()
            .self_heal()
            .sync_option("CreateNamespace=true")
            .sync_option("ApplyOutOfSyncOnly=true")
            .annotation("a/b", "c")
            .set("/metadata/labels/x~1y", "z")
            .build();
        assert_eq!(app["metadata"]["namespace"], "ns");
        assert_eq!(app["metadata"]["annotations"], json!({"a/b": "c"}));
        assert_eq!(app["metadata"]["labels"], json!({"x/y": "z"}));
        assert_eq!(
            app["spec"],
            json!({
                "project": "default",
                "source": {"repoURL": "http://host/repo", "path": "app", "targetRevision": "HEAD"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "work"},
                "syncPolicy": {
                    "automated": {"prune": true, "selfHeal": true},
                    "syncOptions": ["CreateNamespace=true", "ApplyOutOfSyncOnly=true"],
                },
            })
        );
    }
}
