//! Applications that Argo CD left out of sync, and one of which the status is no longer true.

use integration_tests::{ApiProxy, ApiRequest, Environment, listed, object};
use serde_json::{Value, json};
use test_kit::{config_map, deployment};

use super::objects::{self, Way};
use super::statuses::{self, Past};
use super::{bodies, project};
use crate::reading::{app_of, has_sync, row, wait_explained};

/// Gives what is in the cluster: one object that people change, one that Git has changed since, one that left Git.
fn live(way: Way, id: &str) -> Vec<Value> {
    let prefix = way.name();
    let names = ["edited", "extra", "newer", "same"];
    let mut all = names.map(|name| config_map(&format!("{prefix}-{name}"), &[("color", "blue"), ("size", "1")]));
    for object in &mut all {
        object["metadata"]["namespace"] = id.into();
    }
    all.to_vec()
}

/// Makes the objects and the Application of one way, without automated sync, and gives the Application and its status.
async fn leave(env: &Environment, way: Way, id: &str) -> (Value, Vec<Value>) {
    let (cluster, name) = (env.cluster(), env.app_name(way.name()));
    let app = app_of(env, &name, way.name(), id).build();
    objects::apply_again(cluster, env.directory(), way, &objects::tracked(&name, id, live(way, id)));
    let edit = json!({"data": {"color": "red"}});
    cluster.edit(&object("v1", "ConfigMap", id, &format!("{}-edited", way.name())), &edit).await;
    let mut targets = live(way, id);
    let mut missing = config_map(&format!("{}-missing", way.name()), &[]);
    missing["metadata"]["namespace"] = id.into();
    targets.push(missing);
    (cluster.apply_as("argocd-server", &app).await, targets)
}

async fn leave_status(env: &Environment, way: Way, app: &Value, targets: &[Value], commit: &str, differ: &[&str]) {
    let differ: Vec<String> = differ.iter().map(|name| format!("{}-{name}", way.name())).collect();
    let differ: Vec<&str> = differ.iter().map(String::as_str).collect();
    let past = Past { app, targets, commit, images: &[], out_of_sync: &differ };
    let mut status = statuses::status(env, &past);
    let extra = format!("{}-extra", way.name());
    for row in status["resources"].as_array_mut().unwrap().iter_mut().filter(|row| row["name"] == extra.as_str()) {
        row["requiresPruning"] = true.into();
    }
    statuses::write(env.cluster(), app, &status).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_true_status_stays_and_one_that_is_not_is_corrected() {
    let env = Environment::new("swap-drift").await;
    let (id, repo) = (env.workload_namespace().await, env.repo("app"));
    env.cluster().apply(&project(&env)).await;
    let ways = [Way::ClientSide, Way::ServerSide, Way::Adopted];
    for way in ways {
        let file = |name: &str| format!("{0}/{0}-{name}.json", way.name());
        let cm = |name: &str, color: &str| {
            config_map(&format!("{}-{name}", way.name()), &[("color", color), ("size", "1")]).to_string()
        };
        repo.write(&file("edited"), cm("edited", "blue")).write(&file("newer"), cm("newer", "green"));
        repo.write(&file("same"), cm("same", "blue"))
            .write(&file("missing"), config_map(&format!("{}-missing", way.name()), &[]).to_string());
    }
    let commit = repo.commit("first");
    let differ = ["edited", "extra", "missing", "newer"];
    for way in ways {
        let (app, targets) = leave(&env, way, &id).await;
        // Of the last one Argo CD has not seen the edit before it was stopped.
        let seen = if way == Way::Adopted { &differ[1..] } else { &differ };
        leave_status(&env, way, &app, &targets, &commit, seen).await;
    }
    let recorder = ApiProxy::start(&env).await;
    let daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).start().await;
    for way in ways {
        wait_explained(&daemon, env.namespace(), &env.app_name(way.name()), "AutoSyncOff").await;
    }
    let corrected = env.app_name("adopted");
    let app = env
        .wait_app(&corrected, "corrected", |app| row(app, "ConfigMap", "adopted-edited")["status"] == "OutOfSync")
        .await;
    assert!(has_sync(&app, "OutOfSync"));
    let writes = recorder.writes();
    let (patches, others): (Vec<ApiRequest>, Vec<ApiRequest>) =
        writes.into_iter().partition(|write| write.is_about("applications"));
    assert!(others.is_empty(), "a row that changes is no Event:\n{}\n{}", listed(&others), bodies(&others));
    assert_eq!(patches.len(), 1, "{}\n{}", listed(&patches), bodies(&patches));
    assert!(patches[0].path.ends_with(&corrected));
    let mut fields: Vec<&String> = patches[0].body["status"].as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["reconciledAt", "resources"]);
    let asked: Vec<ApiRequest> =
        recorder.requests().into_iter().filter(|request| request.query.contains("dryRun=")).collect();
    let is_newer = |request: &ApiRequest| request.path.ends_with("-newer");
    assert!(asked.len() == ways.len() && asked.iter().all(is_newer), "only Git's new values:\n{}", listed(&asked));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_in_the_rows_stays_where_argo_cd_is_told_to_keep_it_there() {
    let env = Environment::new("swap-health").await;
    let (id, repo, cluster) = (env.workload_namespace().await, env.repo("app"), env.cluster());
    cluster.apply(&project(&env)).await;
    cluster
        .apply(&json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "argocd-cmd-params-cm", "namespace": env.namespace(),
                "labels": {"app.kubernetes.io/part-of": "argocd"}},
            "data": {"controller.resource.health.persist": "true"}}))
        .await;
    let name = env.app_name("shop");
    let service =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
    let mut targets = [config_map("a", &[("a", "1")]), deployment("web", 1), service];
    for target in &mut targets {
        repo.write(&format!("app/{}.json", target["kind"].as_str().unwrap()), target.to_string());
        target["metadata"]["namespace"] = id.as_str().into();
    }
    let commit = repo.commit("first");
    objects::apply_again(cluster, env.directory(), Way::ClientSide, &objects::tracked(&name, &id, targets.to_vec()));
    let web = object("apps/v1", "Deployment", &id, "web");
    cluster.wait_for(&web, "available", |web| web["status"]["availableReplicas"] == 1).await;
    let app = cluster.apply_as("argocd-server", &app_of(&env, &name, "app", &id).automated().self_heal().build()).await;
    let images = ["registry.example/pause:1"];
    let past = Past { app: &app, targets: &targets, commit: &commit, images: &images, out_of_sync: &[] };
    let mut status = statuses::status(&env, &past);
    status.as_object_mut().unwrap().remove("resourceHealthSource");
    for row in status["resources"].as_array_mut().unwrap().iter_mut().filter(|row| row["kind"] != "ConfigMap") {
        row["health"] = json!({"status": "Healthy"});
    }
    statuses::write(cluster, &app, &status).await;
    let recorder = ApiProxy::start(&env).await;
    let daemon = env.daemon().flag("--kubeconfig", recorder.kubeconfig()).start().await;
    wait_explained(&daemon, env.namespace(), &name, "Synced").await;
    let writes = recorder.writes();
    assert!(writes.is_empty(), "{}\n{}", listed(&writes), bodies(&writes));
}
