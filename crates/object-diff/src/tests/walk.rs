use serde_json::{Value, json};

use super::{entry, live_of, of_kind};
use crate::{
    AfterApply, Manager, OUR_MANAGER, Operation, Takeover, Verdict, after_apply, memo_key, verdict, who_changed,
};

const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
const CONFIG_MAP: (&str, &str) = ("v1", "ConfigMap");
const WIDGET: (&str, &str) = ("example.com/v1", "Widget");

struct Case {
    kind: (&'static str, &'static str),
    desired: Value,
    live: Value,
    entries: Vec<Value>,
}

/// One case with our entry alone.
fn case(kind: (&'static str, &'static str), desired: Value, live: Value, ours: &Value) -> Case {
    Case { kind, desired, live, entries: vec![entry(OUR_MANAGER, "Apply", kind.0, ours)] }
}

impl Case {
    fn and(mut self, manager: &str, operation: &str, fields: &Value) -> Self {
        self.entries.push(entry(manager, operation, self.kind.0, fields));
        self
    }

    fn say(&self) -> String {
        let (api_version, kind) = self.kind;
        let desired = of_kind(api_version, kind, &self.desired);
        let live = live_of(api_version, kind, &self.live, self.entries.clone());
        render(&verdict(&desired, &live, &Takeover::default()))
    }
}

/// Renders a verdict in one line: `doubt Differs .spec.replicas`.
fn render(verdict: &Verdict) -> String {
    let doubts = |doubts: &[crate::Doubt]| {
        doubts.iter().fold(String::new(), |all, doubt| format!("{all} {:?} {}", doubt.cause, doubt.difference.path))
    };
    match verdict {
        Verdict::Same => "same".to_owned(),
        Verdict::OwnershipOnly(all) => format!("ownership{}", doubts(all)),
        Verdict::Doubt(all) => format!("doubt{}", doubts(all)),
        Verdict::Certain(all) => {
            all.iter().fold("certain".to_owned(), |all, difference| format!("{all} {}", difference.path))
        }
    }
}

fn check(case: &Case, expected: &str) {
    assert_eq!(case.say(), expected, "{} against {}", case.desired, case.live);
}

/// A Deployment's pod template with one container.
#[expect(clippy::needless_pass_by_value, reason = "reads better at the many calls")]
fn container(fields: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [fields]}}}})
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at the many calls")]
fn container_fields(fields: Value) -> Value {
    json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": fields}}}}})
}

fn leaf(path: &[&str], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |value, key| json!({*key: value}))
}

fn owned(path: &[&str]) -> Value {
    path.iter().rev().fold(json!({}), |node, key| json!({format!("f:{key}"): node}))
}

#[test]
fn values_that_are_owned_and_equal_are_the_same() {
    for (kind, desired, live, ours) in [
        (CONFIG_MAP, json!({}), json!({}), json!({})),
        (CONFIG_MAP, json!({"data": {"a": "1"}}), json!({"data": {"a": "1"}}), owned(&["data", "a"])),
        (CONFIG_MAP, json!({"data": {"a": "1"}}), json!({"data": {"a": "1", "foreign": "x"}}), owned(&["data", "a"])),
        (
            CONFIG_MAP,
            json!({"metadata": {"labels": {"a": "b"}, "finalizers": ["x.io/a"]}}),
            json!({"metadata": {"labels": {"a": "b", "c": "d"}, "finalizers": ["other", "x.io/a"]}}),
            json!({"f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"x.io/a\"": {}}}}),
        ),
        // Zero values, null and empty maps that built-in types drop.
        (DEPLOYMENT, json!({"spec": {"minReadySeconds": 0}}), json!({"spec": {}}), owned(&["spec", "minReadySeconds"])),
        (DEPLOYMENT, json!({"spec": {"paused": null}}), json!({"spec": {}}), owned(&["spec", "paused"])),
        (CONFIG_MAP, json!({"data": {}}), json!({}), owned(&["data"])),
        (CONFIG_MAP, json!({"data": {"a": null}}), json!({"data": {"a": ""}}), owned(&["data", "a"])),
        // An empty keyed list leaves no trace in the tree.
        (
            DEPLOYMENT,
            container(json!({"name": "web", "env": []})),
            container(json!({"name": "web"})),
            container_fields(json!({".": {}, "f:name": {}})),
        ),
        (WIDGET, json!({"spec": {"a": 1, "set": []}}), json!({"spec": {"a": 1, "set": []}}), owned(&["spec", "a"])),
        // The key of a port carries the defaulted protocol.
        (
            DEPLOYMENT,
            container(json!({"name": "web", "ports": [{"containerPort": 80}]})),
            container(json!({"name": "web", "ports": [{"containerPort": 80, "protocol": "TCP"}]})),
            container_fields(json!({
                ".": {}, "f:name": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            })),
        ),
        // Numbers by value, in every kind.
        (WIDGET, leaf(&["spec", "n"], &json!(1.0)), leaf(&["spec", "n"], &json!(1)), owned(&["spec", "n"])),
        (
            DEPLOYMENT,
            leaf(&["spec", "replicas"], &json!(2.0)),
            leaf(&["spec", "replicas"], &json!(2)),
            owned(&["spec", "replicas"]),
        ),
        // A number as list key, an escaped character in a set.
        (
            WIDGET,
            json!({"spec": {"lm": [{"id": 1.0}], "set": ["a<b"]}}),
            json!({"spec": {"lm": [{"id": 1}], "set": ["a<b"]}}),
            json!({"f:spec": {"f:lm": {"k:{\"id\":1}": {".": {}, "f:id": {}}}, "f:set": {"v:\"a\\u003cb\"": {}}}}),
        ),
        // An atomic list that is empty is stored as null.
        (("rbac.authorization.k8s.io/v1", "Role"), json!({"rules": []}), json!({"rules": null}), owned(&["rules"])),
    ] {
        check(&case(kind, desired, live, &ours), "same");
    }
}

#[test]
fn what_the_server_is_known_to_rewrite_is_the_same() {
    let resources = |limits: Value| container(json!({"name": "web", "resources": {"limits": limits}}));
    let limits = |names: &[&str]| {
        let kids: serde_json::Map<String, Value> = names.iter().map(|name| (format!("f:{name}"), json!({}))).collect();
        container_fields(json!({".": {}, "f:name": {}, "f:resources": {"f:limits": kids}}))
    };
    let env = |from: Value| container(json!({"name": "web", "env": [{"name": "A", "valueFrom": {"fieldRef": from}}]}));
    let env_fields = json!({"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:valueFrom": {"f:fieldRef": {}}}});
    for (kind, desired, live, ours) in [
        (
            DEPLOYMENT,
            resources(json!({"cpu": "1000m", "memory": "0.5Gi", "ephemeral-storage": "1024Mi"})),
            resources(json!({"cpu": "1", "memory": "512Mi", "ephemeral-storage": "1Gi"})),
            limits(&["cpu", "ephemeral-storage", "memory"]),
        ),
        (DEPLOYMENT, resources(json!({"cpu": 1})), resources(json!({"cpu": "1"})), limits(&["cpu"])),
        (DEPLOYMENT, resources(json!({"cpu": 0.5})), resources(json!({"cpu": "500m"})), limits(&["cpu"])),
        (
            ("v1", "Secret"),
            json!({"data": {"a": "eB==", "b": "eHl6\neHl6"}}),
            json!({"data": {"a": "eA==", "b": "eHl6eHl6"}}),
            json!({"f:data": {"f:a": {}, "f:b": {}}}),
        ),
        (
            DEPLOYMENT,
            env(json!({"fieldPath": "status.podIP"})),
            env(json!({"apiVersion": "v1", "fieldPath": "status.podIP"})),
            container_fields(json!({".": {}, "f:name": {}, "f:env": env_fields})),
        ),
        (
            ("networking.k8s.io/v1", "NetworkPolicy"),
            json!({"spec": {"ingress": [{"ports": [{"port": 80}]}]}}),
            json!({"spec": {"ingress": [{"ports": [{"port": 80, "protocol": "TCP"}]}]}}),
            owned(&["spec", "ingress"]),
        ),
        (
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
            json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]}),
            json!({
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "u"}],
            }),
            json!({"f:roleRef": {}, "f:subjects": {}}),
        ),
        (
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            json!({"webhooks": [{"name": "w", "rules": [{"resources": ["pods"]}]}]}),
            json!({"webhooks": [{"name": "w", "rules": [{"resources": ["pods"], "scope": "*"}]}]}),
            json!({"f:webhooks": {"k:{\"name\":\"w\"}": {".": {}, "f:name": {}, "f:rules": {}}}}),
        ),
        (
            ("apps/v1", "StatefulSet"),
            json!({"spec": {"volumeClaimTemplates": [
                {"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": "1024Mi"}}}},
            ]}}),
            json!({"spec": {"volumeClaimTemplates": [{
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"},
                "spec": {"resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"},
                "status": {"phase": "Pending"},
            }]}}),
            owned(&["spec", "volumeClaimTemplates"]),
        ),
        (
            ("v1", "LimitRange"),
            json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1000m"}}]}}),
            json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}]}}),
            owned(&["spec", "limits"]),
        ),
        (
            DEPLOYMENT,
            json!({"spec": {"strategy": {}}}),
            json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}}}),
            owned(&["spec", "strategy"]),
        ),
    ] {
        check(&case(kind, desired, live, &ours), "same");
    }
}

#[test]
fn an_owned_value_that_differs_is_in_doubt() {
    for (kind, desired, live, ours, expected) in [
        (
            CONFIG_MAP,
            json!({"data": {"a": "2"}}),
            json!({"data": {"a": "1"}}),
            owned(&["data", "a"]),
            "Differs .data.a",
        ),
        (
            WIDGET,
            json!({"spec": {"q": "1000m"}}),
            json!({"spec": {"q": "1"}}),
            owned(&["spec", "q"]),
            "Differs .spec.q",
        ),
        (WIDGET, json!({"spec": {"n": "1"}}), json!({"spec": {"n": 1}}), owned(&["spec", "n"]), "Differs .spec.n"),
        (WIDGET, json!({"spec": {"n": 0}}), json!({"spec": {}}), owned(&["spec", "n"]), "Differs .spec.n"),
        (WIDGET, json!({"spec": {"m": null}}), json!({"spec": {}}), owned(&["spec", "m"]), "Differs .spec.m"),
        // In an atomic map an absent zero value may have a meaning, and a value beyond the defaults is one.
        (
            ("networking.k8s.io/v1", "NetworkPolicy"),
            json!({"spec": {"ingress": [{"from": [{"podSelector": {}}]}]}}),
            json!({"spec": {"ingress": [{"from": [{}]}]}}),
            owned(&["spec", "ingress"]),
            "Differs .spec.ingress",
        ),
        (
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            json!({"webhooks": [{"name": "w", "rules": [{}]}]}),
            json!({"webhooks": [{"name": "w", "rules": [{"scope": "Namespaced"}]}]}),
            json!({"f:webhooks": {"k:{\"name\":\"w\"}": {"f:name": {}, "f:rules": {}}}}),
            "Differs .webhooks[name=\"w\"].rules",
        ),
        (
            DEPLOYMENT,
            leaf(&["spec", "template", "spec", "nodeSelector"], &json!({})),
            leaf(&["spec", "template", "spec", "nodeSelector"], &json!({"a": "b"})),
            owned(&["spec", "template", "spec", "nodeSelector"]),
            "Differs .spec.template.spec.nodeSelector",
        ),
        (CONFIG_MAP, json!({"data": "text"}), json!({"data": {"a": "1"}}), owned(&["data", "a"]), "Shape .data"),
    ] {
        check(&case(kind, desired, live, &ours), &format!("doubt {expected}"));
    }
}

#[test]
fn what_we_own_and_git_lacks_goes_unless_it_stays_anyway() {
    let none = json!({"data": {}});
    for (case, expected) in [
        (
            case(CONFIG_MAP, none.clone(), json!({"data": {"a": "1"}}), &owned(&["data", "a"])),
            "doubt OwnedNotDesired .data.a",
        ),
        (case(CONFIG_MAP, none.clone(), json!({"data": {}}), &owned(&["data", "a"])), "same"),
        (
            case(CONFIG_MAP, none, json!({"data": {"a": "1"}}), &owned(&["data", "a"])).and(
                "other",
                "Apply",
                &owned(&["data", "a"]),
            ),
            "ownership OwnedNotDesiredStays .data.a",
        ),
        // The same value as the server's default.
        (
            case(DEPLOYMENT, json!({"spec": {}}), json!({"spec": {"replicas": 1}}), &owned(&["spec", "replicas"])),
            "ownership OwnedNotDesiredStays .spec.replicas",
        ),
        (
            case(DEPLOYMENT, json!({"spec": {}}), json!({"spec": {"replicas": 2}}), &owned(&["spec", "replicas"])),
            "doubt OwnedNotDesired .spec.replicas",
        ),
        // A whole item, and an item of a set.
        (
            case(
                DEPLOYMENT,
                json!({"spec": {"template": {"spec": {"containers": []}}}}),
                container(json!({"name": "web"})),
                &container_fields(json!({".": {}, "f:name": {}})),
            ),
            "doubt OwnedNotDesired .spec.template.spec.containers[name=\"web\"]",
        ),
        (
            case(
                WIDGET,
                json!({"spec": {"set": ["a"]}}),
                json!({"spec": {"set": ["a", "b"]}}),
                &json!({"f:spec": {"f:set": {"v:\"a\"": {}, "v:\"b\"": {}}}}),
            ),
            "doubt OwnedNotDesired .spec.set[=\"b\"]",
        ),
    ] {
        check(&case, expected);
    }
}

#[test]
fn what_git_has_and_we_do_not_own_depends_on_the_live_value() {
    let a = |value: &str| json!({"data": {"a": value}});
    let none = json!({});
    for (case, expected) in [
        // No entry at all: managedFields were wiped.
        (Case { entries: vec![], ..case(CONFIG_MAP, a("1"), a("1"), &none) }, "ownership NotOwnedEqual .data"),
        (Case { entries: vec![], ..case(CONFIG_MAP, a("1"), a("2"), &none) }, "doubt NotOwnedDiffers .data"),
        (Case { entries: vec![], ..case(CONFIG_MAP, json!({}), a("2"), &none) }, "same"),
        // Another manager took it.
        (
            case(CONFIG_MAP, a("1"), a("2"), &none).and("kubectl-edit", "Update", &owned(&["data", "a"])),
            "certain .data.a",
        ),
        (
            case(CONFIG_MAP, a("1"), a("1"), &none).and("kubectl-edit", "Update", &owned(&["data", "a"])),
            "ownership NotOwnedEqual .data",
        ),
        (
            case(DEPLOYMENT, json!({"spec": {"replicas": 2}}), json!({"spec": {"replicas": 7}}), &none).and(
                "kubectl",
                "Update",
                &owned(&["spec", "replicas"]),
            ),
            "certain .spec.replicas",
        ),
        // The same quantity, which the table knows, and one in a custom resource, which only the server knows.
        (
            case(
                DEPLOYMENT,
                container(json!({"name": "web", "resources": {"limits": {"cpu": "1000m"}}})),
                container(json!({"name": "web", "resources": {"limits": {"cpu": "1"}}})),
                &container_fields(json!({".": {}, "f:name": {}})),
            )
            .and("edit", "Update", &container_fields(json!({"f:resources": {"f:limits": {"f:cpu": {}}}}))),
            "ownership NotOwnedEqual .spec.template.spec.containers[name=\"web\"].resources.limits.cpu",
        ),
        (
            case(WIDGET, json!({"spec": {"q": "1000m"}}), json!({"spec": {"q": "1"}}), &none).and(
                "edit",
                "Update",
                &owned(&["spec", "q"]),
            ),
            "doubt NotOwnedDiffers .spec.q",
        ),
        // An atomic value that another took may be the same to the server.
        (
            case(WIDGET, json!({"spec": {"list": [1]}}), json!({"spec": {"list": [2]}}), &none).and(
                "edit",
                "Update",
                &owned(&["spec", "list"]),
            ),
            "doubt NotOwnedDiffers .spec.list",
        ),
        // Removed by another, or new in Git.
        (case(CONFIG_MAP, a("1"), json!({}), &none), "doubt NotOwnedAbsent .data"),
        (
            case(WIDGET, json!({"spec": {"set": [], "a": 1}}), json!({"spec": {"a": 1}}), &owned(&["spec", "a"])),
            "doubt NotOwnedAbsent .spec.set",
        ),
        (
            Case {
                entries: vec![],
                ..case(
                    WIDGET,
                    json!({"spec": {"lm": [{"name": "a"}, {"name": "b"}]}}),
                    json!({"spec": {"lm": [{"name": "b"}, {"name": "a"}]}}),
                    &none,
                )
            }
            .and(
                "x",
                "Update",
                &json!({"f:spec": {"f:lm": {
                    "k:{\"name\":\"a\"}": {".": {}, "f:name": {}}, "k:{\"name\":\"b\"}": {".": {}, "f:name": {}},
                }}}),
            ),
            "doubt NotOwnedEqual .spec.lm[name=\"a\"] Order .spec.lm",
        ),
        // An object made by Helm: its entry shows keys and granular maps.
        (
            Case {
                entries: vec![],
                ..case(
                    DEPLOYMENT,
                    container(json!({"name": "web", "image": "a:1"})),
                    container(json!({"name": "web", "image": "a:1", "imagePullPolicy": "IfNotPresent"})),
                    &none,
                )
            }
            .and(
                "helm",
                "Update",
                &container_fields(json!({".": {}, "f:name": {}, "f:image": {}, "f:imagePullPolicy": {}})),
            ),
            "ownership NotOwnedEqual .spec.template.spec.containers[name=\"web\"].image \
             NotOwnedEqual .spec.template.spec.containers[name=\"web\"].name",
        ),
    ] {
        check(&case, expected);
    }
}

#[test]
fn list_order_is_ours_only_among_our_items() {
    let list =
        |names: &[&str]| json!({"spec": {"lm": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}});
    let fields = |names: &[&str]| {
        let kids: serde_json::Map<String, Value> =
            names.iter().map(|name| (format!("k:{{\"name\":\"{name}\"}}"), json!({".": {}, "f:name": {}}))).collect();
        json!({"f:spec": {"f:lm": kids}})
    };
    for (desired, live, ours, expected) in [
        (&["a", "b"][..], &["a", "b"][..], &["a", "b"][..], "same"),
        (&["a", "b"], &["x", "a", "y", "b", "z"], &["a", "b"], "same"),
        (&["a", "b"], &["b", "a"], &["a", "b"], "doubt Order .spec.lm"),
        (&["a", "b"], &["a", "a", "b"], &["a", "b"], "doubt Ambiguous .spec.lm"),
        (&["a", "b"], &["x", "x", "a", "b"], &["a", "b"], "same"),
        (&["a", "b"], &["a"], &["a"], "doubt NotOwnedAbsent .spec.lm[name=\"b\"]"),
        (&["a", "b"], &["a"], &["a", "b"], "doubt Differs .spec.lm[name=\"b\"]"),
        (&["b", "a"], &["a", "b"], &["a"], "doubt NotOwnedEqual .spec.lm[name=\"b\"] Order .spec.lm"),
        (&["a", "a"], &["a", "a"], &["a"], "doubt Ambiguous .spec.lm"),
    ] {
        check(&case(WIDGET, list(desired), list(live), &fields(ours)), expected);
    }
}

#[test]
fn fields_of_others_inside_an_owned_value_are_noticed() {
    let medium = json!({"spec": {"granMap": {"medium": "Memory"}}});
    let ours = owned(&["spec", "granMap"]);
    let case = case(WIDGET, medium.clone(), medium, &ours).and("x", "Update", &owned(&["spec", "granMap", "medium"]));
    check(&case, "doubt OwnedInside .spec.granMap");
}

#[test]
fn versions_must_agree() {
    let desired = of_kind("example.com/v2", "Widget", &json!({"spec": {"a": 1}}));
    let ours = |version: &str| vec![entry(OUR_MANAGER, "Apply", version, &owned(&["spec", "a"]))];
    let live = |read: &str, applied: &str| live_of(read, "Widget", &json!({"spec": {"a": 1}}), ours(applied));
    let says = |live| render(&verdict(&desired, &live, &Takeover::default()));
    assert_eq!(says(live("example.com/v2", "example.com/v2")), "same");
    assert_eq!(says(live("example.com/v2", "example.com/v1")), "doubt AppliedInOtherVersion ");
    assert_eq!(says(live("example.com/v1", "example.com/v2")), "doubt ReadInOtherVersion ");
}

#[test]
fn entries_beside_ours_do_not_hide_it() {
    let a = json!({"data": {"a": "1"}, "status": {"x": 1}});
    let desired = json!({"data": {"a": "1"}});
    let mut status = entry(OUR_MANAGER, "Apply", "v1", &owned(&["status", "x"]));
    status["subresource"] = "status".into();
    let mut both = case(CONFIG_MAP, desired, a, &owned(&["data", "a"]));
    both.entries.insert(0, status);
    both.entries.push(json!({}));
    check(&both, "same");
}

#[test]
fn legacy_ownership_counts_as_ours() {
    const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let web = |more: Value| {
        let mut fields = json!({"name": "web", "image": "a:1"});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        container(fields)
    };
    let defaults = json!({
        "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "resources": {},
    });
    let fields = container_fields(json!({
        ".": {}, "f:name": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:terminationMessagePath": {}, "f:resources": {},
    }));
    let legacy = |manager: &str, operation: &str, desired: &Value, live: &Value, fields: &Value| {
        Case { entries: vec![], ..case(DEPLOYMENT, desired.clone(), live.clone(), &json!({})) }
            .and(manager, operation, fields)
            .say()
    };
    let defaulted = "ownership OwnedNotDesiredStays .spec.template.spec.containers[name=\"web\"].imagePullPolicy \
        OwnedNotDesiredStays .spec.template.spec.containers[name=\"web\"].resources \
        OwnedNotDesiredStays .spec.template.spec.containers[name=\"web\"].terminationMessagePath";
    for manager in ["kubectl-client-side-apply", OUR_MANAGER] {
        assert_eq!(legacy(manager, "Update", &web(json!({})), &web(defaults.clone()), &fields), defaulted);
    }
    // The annotation of client-side apply is no difference.
    let annotated = json!({"metadata": {"annotations": {LAST_APPLIED: "{}"}}});
    let annotation = owned(&["metadata", "annotations", LAST_APPLIED]);
    assert_eq!(legacy("kubectl-client-side-apply", "Update", &json!({}), &annotated, &annotation), "same");
    // What legacy managers set and Git lacks is told apart, since a plain dry run would not see it.
    let replicas = json!({"spec": {"replicas": 7}});
    let owns = owned(&["spec", "replicas"]);
    let plain = json!({});
    assert_eq!(
        legacy("kubectl-client-side-apply", "Update", &plain, &replicas, &owns),
        "doubt LegacyNotDesired .spec.replicas"
    );
    for (manager, operation) in
        [("before-first-apply", "Update"), ("helm", "Update"), ("kubectl-client-side-apply", "Apply")]
    {
        assert_eq!(legacy(manager, operation, &plain, &replicas, &owns), "same", "{manager} {operation}");
    }
    let helm = Case { entries: vec![], ..case(DEPLOYMENT, plain, replicas, &json!({})) }.and("helm", "Update", &owns);
    let live = live_of("apps/v1", "Deployment", &helm.live, helm.entries.clone());
    let desired = of_kind("apps/v1", "Deployment", &helm.desired);
    let takeover = Takeover::default().with_helm().with_manager("before-first-apply");
    assert_eq!(render(&verdict(&desired, &live, &takeover)), "doubt LegacyNotDesired .spec.replicas");
}

#[test]
fn differences_say_who_and_show_no_secret() {
    let says = |kind: &str| {
        let a = |value: &str| json!({"data": {"a": value}});
        let live = live_of("v1", kind, &a("Mg=="), vec![entry("kubectl-edit", "Update", "v1", &owned(&["data", "a"]))]);
        match verdict(&of_kind("v1", kind, &a("MQ==")), &live, &Takeover::default()) {
            Verdict::Certain(mut all) => all.remove(0),
            other => panic!("{other:?}"),
        }
    };
    let config = says("ConfigMap");
    assert_eq!((config.desired, config.live), (Some("MQ==".into()), Some("Mg==".into())));
    let owner = config.owner.unwrap();
    assert_eq!((owner.name.as_str(), owner.operation), ("kubectl-edit", Operation::Update));
    assert_eq!(owner.time.unwrap().to_string(), "2026-01-02T03:04:05Z");
    let secret = says("Secret");
    assert_eq!((secret.desired, secret.live), (None, None));
}

#[test]
fn the_manager_that_changed_a_field_is_found_by_its_path() {
    let mut late = entry("kubectl-edit", "Update", "apps/v1", &container_fields(json!({"f:image": {}})));
    late["time"] = "2026-01-03T00:00:00Z".into();
    let entries = vec![
        entry(OUR_MANAGER, "Apply", "apps/v1", &container_fields(json!({".": {}, "f:name": {}, "f:image": {}}))),
        late,
        entry("early", "Update", "apps/v1", &container_fields(json!({"f:image": {}}))),
        entry("atomic", "Update", "apps/v1", &owned(&["spec", "selector"])),
    ];
    let live = live_of("apps/v1", "Deployment", &json!({}), entries);
    let name = |path: &str| who_changed(&live, path).map(|manager: Manager| manager.name);
    let web = ".spec.template.spec.containers[name=\"web\"]";
    for (path, expected) in [
        (format!("{web}.image"), Some("kubectl-edit")),
        (format!("{web}.name"), Some(OUR_MANAGER)),
        (format!("{web}.imagePullPolicy"), None),
        (".spec.selector.matchLabels.app".to_owned(), Some("atomic")),
        (".spec.selectors".to_owned(), None),
    ] {
        assert_eq!(name(&path).as_deref(), expected, "{path}");
    }
    assert_eq!(crate::field_managers(&live).len(), 4);
}

#[test]
fn after_an_apply_only_what_another_apply_may_mend_is_applied_again() {
    let after = |desired: Value, live: Value, ours: &Value| {
        let live =
            live_of("example.com/v1", "Widget", &live, vec![entry(OUR_MANAGER, "Apply", "example.com/v1", ours)]);
        match after_apply(&of_kind("example.com/v1", "Widget", &desired), &live) {
            AfterApply::Settled => "settled",
            AfterApply::Rewritten(_) => "rewritten",
            AfterApply::ApplyAgain(_) => "again",
        }
    };
    let a = owned(&["spec", "a"]);
    assert_eq!(after(json!({"spec": {"a": 1}}), json!({"spec": {"a": 1}}), &a), "settled");
    assert_eq!(after(json!({"spec": {"a": "1000m"}}), json!({"spec": {"a": "1"}}), &a), "rewritten");
    assert_eq!(after(json!({"spec": {"a": 1, "set": []}}), json!({"spec": {"a": 1}}), &a), "again");
}

#[test]
fn the_memo_key_moves_with_what_an_apply_looks_at() {
    let list = |names: &[&str]| names.iter().map(|name| json!({"name": name, "x": 1})).collect::<Vec<_>>();
    let fields = json!({"f:spec": {"f:a": {}, "f:gone": {}, "f:lm": {
        "k:{\"name\":\"a\"}": {".": {}, "f:name": {}}, "k:{\"name\":\"b\"}": {".": {}, "f:name": {}},
    }}});
    let key = |desired: Value, live: Value, others: Vec<Value>| {
        let mut entries = vec![entry(OUR_MANAGER, "Apply", "example.com/v1", &fields)];
        entries.extend(others);
        let live = live_of("example.com/v1", "Widget", &live, entries);
        memo_key(&of_kind("example.com/v1", "Widget", &desired), &live, &Takeover::default())
    };
    let desired = json!({"spec": {"a": 1, "lm": [{"name": "a"}, {"name": "b"}]}});
    let live = json!({"spec": {"a": 1, "gone": 2, "foreign": 3, "lm": list(&["a", "x", "b"])}, "status": {"s": 1}});
    let with = |path: &str, value: Value| {
        let mut live = live.clone();
        *live.pointer_mut(path).unwrap() = value;
        live
    };
    let base = key(desired.clone(), live.clone(), vec![]);
    for (same, changed) in [
        (true, with("/spec/foreign", json!(4))),
        (true, with("/status", json!({"s": 2}))),
        (true, with("/spec/lm", json!(list(&["x", "a", "b"])))),
        (true, with("/spec/lm/0/x", json!(2))),
        (false, with("/spec/lm", json!(list(&["b", "x", "a"])))),
        (false, with("/spec/lm/0/name", json!("c"))),
        (false, with("/spec/a", json!(2))),
        (false, with("/spec/gone", json!(3))),
    ] {
        assert_eq!(key(desired.clone(), changed.clone(), vec![]) == base, same, "{changed}");
    }
    let shared = entry("other", "Apply", "example.com/v1", &owned(&["spec", "gone"]));
    assert_ne!(key(desired, live.clone(), vec![shared]), base);
    assert_ne!(key(json!({"spec": {"a": 2}}), live, vec![]), base);
}
