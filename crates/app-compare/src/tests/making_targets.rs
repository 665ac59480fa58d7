use application_api::HookType;
use kube_object::{ClusterId, InstanceName, TRACKING_ANNOTATION};
use serde_json::{Value, json};

use super::{Rules, config_map, destination, make, render, resources, with};
use crate::TargetKind::{DefinedHere, Served, Unknown};
use crate::{Destination, ManagedNamespace, ObjectOptions, TargetContext, TargetKind, targets};

fn named(api_version: &str, kind: &str, namespace: &str) -> Value {
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "it"}});
    if !namespace.is_empty() {
        value["metadata"]["namespace"] = namespace.into();
    }
    value
}

fn crd(scope: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "names": {"kind": "Widget"}, "scope": scope},
    })
}

#[test]
fn scope_decides_about_the_namespace() {
    let check = |objects: &[Value], expected: &str, tracking: Option<&str>, kind: TargetKind| {
        let targets = make(objects, &destination()).unwrap();
        let target = targets.items.last().unwrap();
        let body = target.body.decode();
        assert_eq!(target.key.to_string(), expected);
        assert_eq!((body.namespace(), body.name()), (target.key.namespace.as_str(), target.key.name.as_str()));
        assert_eq!(body.annotation(TRACKING_ANNOTATION), tracking);
        assert_eq!(target.kind, kind);
        assert_eq!(targets.conditions, []);
    };
    let widget = |namespace| named("example.com/v1", "Widget", namespace);
    check(&[named("v1", "ConfigMap", "")], "ConfigMap shop/it", Some("web:/ConfigMap:shop/it"), Served);
    check(&[named("apps/v1", "Deployment", "x")], "apps/Deployment x/it", Some("web:apps/Deployment:x/it"), Served);
    // A cluster-scoped object carries the destination's namespace in its id only.
    check(&[named("v1", "Namespace", "x")], "Namespace it", Some("web:/Namespace:shop/it"), Served);
    check(&[crd("Cluster")], "apiextensions.k8s.io/CustomResourceDefinition widgets.example.com", None, Served);
    check(&[crd("Cluster"), widget("x")], "example.com/Widget it", Some("web:example.com/Widget:shop/it"), DefinedHere);
    check(
        &[crd("Namespaced"), widget("")],
        "example.com/Widget shop/it",
        Some("web:example.com/Widget:shop/it"),
        DefinedHere,
    );
    check(&[widget("")], "example.com/Widget shop/it", Some("web:example.com/Widget:shop/it"), Unknown);
    check(&[named("v2", "Namespace", "x")], "Namespace it", Some("web:/Namespace:shop/it"), Unknown);
}

#[test]
fn repeated_excluded_and_refused_objects_are_told() {
    let check = |objects: &[Value], names: &[&str], conditions: &[&str]| {
        let targets = make(objects, &destination()).unwrap();
        let said = |target: &crate::Target| {
            let refusal = target.refusal.as_ref().map(|refusal| format!(": {refusal}")).unwrap_or_default();
            format!("{}={}{refusal}", target.key.name, target.body.decode().get(&["data", "a"]).unwrap_or(&Value::Null))
        };
        assert_eq!(targets.items.iter().map(said).collect::<Vec<_>>(), names);
        let messages: Vec<String> =
            targets.conditions.iter().map(|(kind, message)| format!("{kind} {message}")).collect();
        assert_eq!(messages, conditions);
    };
    let a = |value: &str| config_map("a", value);
    check(
        &[a("1"), config_map("b", "2"), with(a("3"), "/metadata/namespace", "shop".into())],
        &["b=\"2\"", "a=\"3\""],
        &["RepeatedResourceWarning Resource /ConfigMap/shop/a appeared 2 times among application resources."],
    );
    check(
        &[named("v1", "Endpoints", ""), a("1")],
        &["a=\"1\""],
        &["ExcludedResourceWarning Resource /Endpoints it is excluded in the settings"],
    );
    check(&[config_map("forbidden", "1")], &["forbidden=\"1\": not permitted"], &[]);
    let env = json!([{"name": "A"}, {"name": "A"}]);
    let pod = json!({"template": {"spec": {"containers": [{"name": "c", "env": env}]}}});
    check(
        &[with(named("apps/v1", "Deployment", ""), "/spec", pod)],
        &["it=null"],
        &[
            "RepeatedResourceWarning Deployment/it: .spec.template.spec.containers[name=\"c\"].env[name=\"A\"] appears more than \
           once; the last one is used",
        ],
    );
}

#[test]
fn a_namespaced_object_needs_a_namespace() {
    let nowhere = Destination { cluster: ClusterId::in_cluster(), namespace: String::new() };
    let targets = make(&[named("apps/v1", "Deployment", "")], &nowhere).unwrap();
    let message = "Namespace for it apps/v1, Kind=Deployment is missing.";
    assert_eq!(targets.items[0].refusal.as_deref(), Some(message));
    assert_eq!(targets.conditions[0].1, message);
}

#[test]
fn hooks_stand_beside_the_objects_and_skipped_objects_are_left_out() {
    use HookType::{PostDelete, PostSync, PreDelete, PreSync, Sync, SyncFail};
    let check = |annotations: Value, expected: (usize, &[&[HookType]])| {
        let job = with(named("batch/v1", "Job", "ops"), "/metadata/annotations", annotations.clone());
        let targets = make(&[job], &destination()).unwrap();
        let hooks: Vec<&[HookType]> = targets.hooks.iter().map(|hook| hook.types.as_slice()).collect();
        assert_eq!((targets.items.len(), hooks.as_slice()), expected, "{annotations}");
        let kinds = targets.items.len() + hooks.len();
        assert_eq!(targets.kinds.len(), kinds, "the kinds of hooks are watched as well");
    };
    let own = |value: &str| json!({"argocd.argoproj.io/hook": value});
    let helm = |value: &str| json!({"helm.sh/hook": value});
    check(own("PreSync"), (0, &[&[PreSync]]));
    check(own("Sync, PostSync,Skip,SyncFail,Sync"), (0, &[&[Sync, PostSync, SyncFail]]));
    check(own("PreDelete,PostDelete"), (0, &[&[PreDelete, PostDelete]]));
    check(own("Skip"), (0, &[]));
    check(own("Nonsense"), (1, &[]));
    check(helm("pre-install,pre-upgrade,test"), (0, &[&[PreSync]]));
    check(helm("post-install, post-upgrade, post-delete,pre-delete"), (0, &[&[PostSync, PostDelete, PreDelete]]));
    check(helm("test"), (0, &[]));
    check(helm("pre-rollback"), (0, &[]));
    check(helm("crd-install"), (1, &[]));
    // A valid annotation of Argo CD's wins.
    check(json!({"argocd.argoproj.io/hook": "Skip", "helm.sh/hook": "pre-install"}), (0, &[]));
}

#[test]
fn only_hooks_may_have_their_names_generated() {
    let mut nameless = named("batch/v1", "Job", "");
    nameless["metadata"] = json!({"generateName": "it-"});
    let error = make(&[nameless.clone()], &destination()).unwrap_err().to_string();
    assert_eq!(
        error,
        "batch/Job (app.yaml:1) has no metadata.name, which every object but a hook needs; nothing is applied"
    );
    nameless["metadata"]["annotations"] = json!({"argocd.argoproj.io/hook": "Sync"});
    let mut other = nameless.clone();
    other["metadata"]["generateName"] = "other-".into();
    let targets = make(&[nameless, other], &destination()).unwrap();
    let hooks: Vec<_> = targets.hooks.iter().map(|hook| (&*hook.target.key.name, &*hook.generate_name)).collect();
    assert_eq!(hooks, [("", "it-"), ("", "other-")]);
    let object = targets.hooks[0].target.object();
    assert_eq!(object.annotation(kube_object::TRACKING_ANNOTATION), None, "the name is not known yet");
    assert_eq!(object.get(&["metadata", "finalizers"]), Some(&json!(["argocd.argoproj.io/hook-finalizer"])));
}

#[test]
fn delete_policies_of_both_kinds_add_up() {
    let check = |own: &str, helm: &str, expected: [bool; 3]| {
        let annotations = json!({
            "argocd.argoproj.io/hook": "Sync",
            "argocd.argoproj.io/hook-delete-policy": own,
            "helm.sh/hook-delete-policy": helm,
        });
        let job = with(named("batch/v1", "Job", "ops"), "/metadata/annotations", annotations);
        let deletion = make(&[job], &destination()).unwrap().hooks[0].deletion;
        let got = [deletion.before_creation, deletion.succeeded, deletion.failed];
        assert_eq!(got, expected, "{own} {helm}");
    };
    check("", "", [true, false, false]);
    check("HookSucceeded", "", [false, true, false]);
    check("HookSucceeded", "hook-failed", [false, true, true]);
    check("", "hook-succeeded, before-hook-creation", [true, true, false]);
    check("Nonsense", "", [true, false, false]);
}

#[test]
fn a_namespace_with_metadata_is_a_target_that_nobody_tracks() {
    let managed = ManagedNamespace {
        labels: [("team".to_owned(), "shop".to_owned())].into(),
        annotations: [("owner".to_owned(), "shop".to_owned())].into(),
    };
    let (destination, resources) = (destination(), resources());
    let instance = InstanceName::new("web");
    let context = TargetContext {
        instance: &instance,
        destination: &destination,
        served: &resources,
        permission: &Rules,
        namespace: Some(&managed),
    };
    let made = targets(&[render(&[config_map("a", "1")])], &context).unwrap();
    let namespace = made.items.last().unwrap().object();
    assert_eq!(
        serde_json::to_value(namespace.fields()).unwrap(),
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {
                "name": "shop",
                "labels": {"team": "shop"},
                "annotations": {"owner": "shop", "argocd.argoproj.io/sync-options": "ServerSideApply=true"},
            },
        })
    );
    // One that is in Git is as Git says.
    let own = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    assert_eq!(targets(&[render(&[own])], &context).unwrap().items.len(), 1);
}

#[test]
fn annotations_become_options() {
    use application_api::RemovalOption::{Confirm, Never};
    let check = |annotations: Value, expected: ObjectOptions| {
        let object = with(config_map("a", "1"), "/metadata/annotations", annotations.clone());
        let targets = make(&[object], &destination()).unwrap();
        assert_eq!(targets.items[0].options, expected, "{annotations}");
    };
    let none = ObjectOptions::default;
    check(json!({}), none());
    check(
        json!({"argocd.argoproj.io/sync-options": "Prune=confirm, Delete=false,PruneLast=true,Replace=true,Force=true,Other"}),
        ObjectOptions {
            prune: Some(Confirm),
            delete: Some(Never),
            prune_last: true,
            replace: true,
            force: true,
            ..none()
        },
    );
    check(
        json!({"argocd.argoproj.io/sync-options": "Validate=false,SkipDryRunOnMissingResource=true"}),
        ObjectOptions { skip_validation: true, skip_dry_run_on_missing_kind: true, ..none() },
    );
    check(json!({"helm.sh/resource-policy": "keep"}), ObjectOptions { delete: Some(Never), ..none() });
    check(
        json!({"argocd.argoproj.io/compare-options": "IgnoreExtraneous", "argocd.argoproj.io/ignore-healthcheck": "true"}),
        ObjectOptions { ignore_extraneous: true, ignore_health: true, ..none() },
    );
    for (own, helm, wave) in [("-2", "3", -2), ("x", "3", 3), ("", "x", 0)] {
        let annotations = json!({"argocd.argoproj.io/sync-wave": own, "helm.sh/hook-weight": helm});
        let object = with(config_map("a", "1"), "/metadata/annotations", annotations);
        assert_eq!(make(&[object], &destination()).unwrap().items[0].wave, wave, "{own} {helm}");
    }
}

#[test]
fn the_digest_is_that_of_what_is_sent() {
    let digest = |object: Value| make(&[object], &destination()).unwrap().items[0].digest;
    let a = || config_map("a", "1");
    assert_eq!(digest(a()), digest(with(a(), "/metadata/labels", json!({}))));
    assert_ne!(digest(a()), digest(with(a(), "/data/a", "2".into())));
}

#[test]
fn served_kinds_are_watched_and_images_are_listed() {
    let containers = json!({"initContainers": [{"image": "b"}], "containers": [{"image": "a"}, {"image": "b"}, {}]});
    let deployment = with(named("apps/v1", "Deployment", ""), "/spec", json!({"template": {"spec": containers}}));
    let targets = make(&[deployment, config_map("a", "1"), named("x/v1", "Y", "")], &destination()).unwrap();
    assert_eq!(targets.items[0].images, ["a", "b"]);
    assert_eq!(
        targets.kinds.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["v1/ConfigMap", "apps/v1/Deployment"]
    );
}

#[test]
fn a_definition_says_what_it_defines() {
    let targets = make(&[crd("Namespaced"), config_map("a", "1")], &destination()).unwrap();
    let defines: Vec<_> = targets.items.iter().map(|target| target.defines.as_ref().map(ToString::to_string)).collect();
    assert_eq!(defines, [Some("example.com/Widget".to_owned()), None]);
}
