//! What is installed: directories of a ConfigMap, a Service and a ServiceAccount, each with its Application, under one root.

use std::path::Path;

use serde_json::{Value, json};
use test_kit::{FixtureRepo, GitHttpServer, application};

/// Namespaces that the objects are spread over.
pub(crate) const NAMESPACES: usize = 10;
/// Objects of the one wide Application.
pub(crate) const WIDE: usize = 20;
/// Namespace of the Applications.
pub(crate) const CONTROL_PLANE: &str = "argocd";

/// A repository with everything in it.
pub(crate) struct Workload {
    pub(crate) size: usize,
    pub(crate) url: String,
    repo: FixtureRepo,
    commits: u64,
    _server: GitHttpServer,
}

impl Workload {
    /// Writes the repository and serves it over HTTP.
    pub(crate) fn serve(directory: &Path, size: usize) -> Self {
        Self::written(directory, size, |repo, url| {
            for index in 0..size {
                let name = app_name(index);
                for (file, object) in objects(index, "0") {
                    repo.write(&format!("apps/{name}/{file}.json"), object.to_string());
                }
                repo.write(&format!("root/{name}.json"), child(url, index).to_string());
            }
            for index in 0..WIDE {
                repo.write(&format!("wide/{index}.json"), config_map(&wide_name(index), "0").to_string());
            }
        })
    }

    /// Serves over HTTP a repository with what is written into it; the Applications are in its directory `root`.
    pub(crate) fn written(directory: &Path, size: usize, write: impl FnOnce(&FixtureRepo, &str)) -> Self {
        let root = directory.join("repositories");
        let server = GitHttpServer::start(&root);
        let url = server.url("platform");
        let repo = FixtureRepo::init(root.join("platform"));
        write(&repo, &url);
        repo.commit("everything");
        Self { size, url, repo, commits: 0, _server: server }
    }

    /// Makes a commit that changes the ConfigMaps of some Applications, and gives the value they have then.
    pub(crate) fn commit(&mut self, applications: impl IntoIterator<Item = usize>) -> Commit {
        self.change(|repo, value| {
            for index in applications {
                let path = format!("apps/{}/config.json", app_name(index));
                repo.write(&path, config_map(&app_name(index), value).to_string());
            }
        })
    }

    /// Makes a commit of what is written, with a value that no commit before it had.
    pub(crate) fn change(&mut self, write: impl FnOnce(&FixtureRepo, &str)) -> Commit {
        self.commits += 1;
        let value = self.commits.to_string();
        write(&self.repo, &value);
        Commit { value, id: self.repo.commit("change") }
    }

    /// Gives the Application whose children are all others.
    pub(crate) fn root(&self) -> Value {
        let root = application("root").source(&self.url, "root").destination(CONTROL_PLANE);
        root.automated().prune().self_heal().build()
    }

    /// Gives the Application with many objects.
    pub(crate) fn wide(&self) -> Value {
        let wide = application("wide").source(&self.url, "wide").destination(&namespace_of(0));
        wide.automated().prune().self_heal().build()
    }

    /// Gives the Application of one directory.
    pub(crate) fn child(&self, index: usize) -> Value {
        child(&self.url, index)
    }
}

/// A commit.
pub(crate) struct Commit {
    /// The value of the changed ConfigMaps.
    pub(crate) value: String,
    pub(crate) id: String,
}

fn child(url: &str, index: usize) -> Value {
    let name = app_name(index);
    let child = application(&name).source(url, &format!("apps/{name}")).destination(&namespace_of(index));
    child.automated().prune().self_heal().build()
}

/// Names an Application, and its objects.
pub(crate) fn app_name(index: usize) -> String {
    format!("app-{index:04}")
}

/// Names an object of the wide Application.
pub(crate) fn wide_name(index: usize) -> String {
    format!("wide-{index:02}")
}

/// Names the namespace of an Application's objects.
pub(crate) fn namespace_of(index: usize) -> String {
    format!("team-{}", index % NAMESPACES)
}

/// Gives the objects of an Application, by file name.
pub(crate) fn objects(index: usize, value: &str) -> [(&'static str, Value); 3] {
    let name = app_name(index);
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "platform"}},
        "spec": {
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}}});
    [("config", config_map(&name, value)), ("service", service), ("account", account)]
}

/// Gives a ConfigMap of about 1 KiB.
pub(crate) fn config_map(name: &str, value: &str) -> Value {
    let line = "server.timeout=30s\nserver.retries=3\nfeature.checkout=on\n";
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "data": {"value": value, "application.properties": line.repeat(15)},
    })
}
