//! What counts as ours of what client-side apply and `stringData` have left.

use serde_json::{Value, json};

use super::{entry, live_of, of_kind};
use crate::{DryRunBody, OUR_MANAGER, Takeover, Verdict, dry_runs, memo_key, migration_patch, verdict};

const CSA: &str = "kubectl-client-side-apply";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A live object that client-side apply was given `config`, of which the server made `live`, with the tree of its entry.
fn left(kind: (&str, &str), config: &Value, live: &Value, tree: &Value) -> kube_object::Object {
    let mut config = config.clone();
    config["apiVersion"] = kind.0.into();
    let (mut live, mut tree) = (live.clone(), tree.clone());
    live["metadata"]["annotations"][LAST_APPLIED] = config.to_string().into();
    tree["f:metadata"]["f:annotations"] = json!({".": {}, format!("f:{LAST_APPLIED}"): {}});
    live_of(kind.0, kind.1, &live, vec![entry(CSA, "Update", kind.0, &tree)])
}

fn render(verdict: &Verdict) -> String {
    let doubts = |doubts: &[crate::Doubt]| {
        doubts.iter().fold(String::new(), |all, doubt| format!("{all} {:?} {}", doubt.cause, doubt.difference.path))
    };
    match verdict {
        Verdict::Same => "same".to_owned(),
        Verdict::OwnershipOnly(all) => format!("ownership{}", doubts(all)),
        Verdict::Doubt(all) => format!("doubt{}", doubts(all)),
        Verdict::Certain(all) => format!("certain {}", all.len()),
    }
}

fn check(live: &kube_object::Object, desired: &Value, expected: &str) {
    let desired = of_kind(live.api_version(), live.kind(), desired);
    assert_eq!(render(&verdict(&desired, live, &Takeover::default())), expected, "{desired:?}");
}

const GADGET: (&str, &str) = ("example.com/v1", "Gadget");

/// A custom resource with defaults, which its entry owns as well.
fn gadget() -> kube_object::Object {
    let config = json!({"spec": {"size": 4, "parts": [{"name": "a"}], "tags": ["x"], "options": {}}});
    let live = json!({"spec": {"size": 4, "mode": "plain", "parts": [{"name": "a", "weight": 1}], "tags": ["x", "y"],
        "options": {"level": 1}}});
    let tree = json!({"f:spec": {
        "f:size": {}, "f:mode": {}, "f:options": {".": {}, "f:level": {}}, "f:tags": {".": {}, "v:\"x\"": {}, "v:\"y\"": {}},
        "f:parts": {".": {}, "k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:weight": {}}},
    }});
    left(GADGET, &config, &live, &tree)
}

#[test]
fn defaults_in_an_entry_of_client_side_apply_are_not_ours() {
    let desired = |size: i64| json!({"spec": {"size": size, "parts": [{"name": "a"}], "tags": ["x"]}});
    check(&gadget(), &desired(4), "same");
    check(&gadget(), &desired(5), "doubt Differs .spec.size");
    check(&gadget(), &json!({"spec": {"size": 4, "tags": ["x"]}}), "doubt LegacyNotDesired .spec.parts");
    check(
        &gadget(),
        &json!({"spec": {"size": 4, "parts": [{"name": "a"}], "tags": []}}),
        r#"doubt LegacyNotDesired .spec.tags[="x"]"#,
    );
    // A default that Git spells out is nobody's until the next apply.
    let mut spelled = desired(4);
    spelled["spec"]["mode"] = "plain".into();
    check(&gadget(), &spelled, "ownership NotOwnedEqual .spec.mode");
}

#[test]
fn a_migration_gives_us_what_was_applied_and_the_rest_to_nobody() {
    let patch = migration_patch(&gadget(), &Takeover::default()).unwrap();
    let entries = patch[0]["value"].as_array().unwrap();
    assert_eq!(
        (entries.len(), &entries[0]["manager"], &entries[0]["operation"]),
        (1, &json!(OUR_MANAGER), &json!("Apply"))
    );
    let expected = json!({
        "f:metadata": {"f:annotations": {format!("f:{LAST_APPLIED}"): {}}},
        "f:spec": {"f:size": {}, "f:tags": {"v:\"x\"": {}},
            "f:parts": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}}}},
    });
    assert_eq!(entries[0]["fieldsV1"], expected);
}

#[test]
fn an_entry_is_taken_whole_when_its_configuration_says_nothing_about_it() {
    let tree = json!({"f:data": {"f:a": {}, "f:b": {}}});
    let both = json!({"data": {"a": "1", "b": "2"}});
    let said = "doubt LegacyNotDesired .data.b";
    let desired = json!({"data": {"a": "1"}});
    check(&live_of("v1", "ConfigMap", &both, vec![entry(CSA, "Update", "v1", &tree)]), &desired, said);
    for text in ["", "[]", "{\"data\": {}}", "{\"apiVersion\": \"v0\", \"data\": {}}"] {
        let mut live = both.clone();
        live["metadata"]["annotations"][LAST_APPLIED] = text.into();
        check(&live_of("v1", "ConfigMap", &live, vec![entry(CSA, "Update", "v1", &tree)]), &desired, said);
    }
    // Of a manager that is claimed by its name, all counts.
    let live = left(("v1", "ConfigMap"), &json!({"data": {"a": "1"}}), &both, &tree);
    check(&live, &desired, "same");
    let named = Takeover::default().with_manager(CSA);
    let desired = of_kind("v1", "ConfigMap", &desired);
    assert!(render(&verdict(&desired, &live, &named)).starts_with("doubt LegacyNotDesired .data.b"));
}

#[test]
fn texts_of_a_secret_count_as_its_data() {
    let secret = ("v1", "Secret");
    let data = |keys: &[&str]| json!({"data": keys.iter().map(|key| ((*key).to_owned(), json!("eA=="))).collect::<serde_json::Map<_, _>>()});
    // Client-side apply: the entry owns data, the configuration has stringData.
    let tree = json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:type": {}});
    let mut live = data(&["a", "b"]);
    live["type"] = "Opaque".into();
    let config = json!({"stringData": {"a": "x"}, "data": {"b": "eA=="}});
    let by_client = left(secret, &config, &live, &tree);
    check(&by_client, &data(&["a", "b"]), "same");
    check(&by_client, &data(&["a"]), "doubt LegacyNotDesired .data.b");
    check(&by_client, &data(&["b"]), "doubt LegacyNotDesired .data.a");
    // Server-side apply: the entry owns stringData, and nobody data.
    let tree = json!({"f:stringData": {"f:a": {}, "f:b": {}}, "f:type": {}});
    let by_server = live_of("v1", "Secret", &live, vec![entry(OUR_MANAGER, "Apply", "v1", &tree)]);
    let mut desired = data(&["a", "b"]);
    desired["type"] = "Opaque".into();
    check(&by_server, &desired, "same");
    desired["data"].as_object_mut().unwrap().remove("b");
    check(&by_server, &desired, "doubt LegacyNotDesired .data.b");
    let patch = migration_patch(&by_server, &Takeover::none()).unwrap();
    assert_eq!(patch[0]["value"][0]["fieldsV1"], json!({"f:data": {"f:a": {}, "f:b": {}}, "f:type": {}}));
    let desired = of_kind("v1", "Secret", &desired);
    let Verdict::Doubt(doubts) = verdict(&desired, &by_server, &Takeover::default()) else { unreachable!() };
    let removal = json!([{"op": "remove", "path": "/data/b"}]);
    assert_eq!(dry_runs(&by_server, &doubts), [DryRunBody::JsonPatch(removal)]);
    // What another has written since is no longer the text's.
    let theirs = json!({"f:data": {"f:b": {}}});
    let entries = vec![entry(OUR_MANAGER, "Apply", "v1", &tree), entry("edit", "Update", "v1", &theirs)];
    let taken = live_of("v1", "Secret", &live, entries);
    let said = render(&verdict(&desired, &taken, &Takeover::default()));
    assert_eq!(said, "ownership OwnedNotDesiredStays .data.b");
    assert_ne!(memo_key(&desired, &taken, &Takeover::default()), memo_key(&desired, &by_server, &Takeover::default()));
    // The same words mean nothing in another kind.
    let custom = live_of("example.com/v1", "Secret", &live, vec![entry(OUR_MANAGER, "Apply", "example.com/v1", &tree)]);
    assert_eq!(migration_patch(&custom, &Takeover::none()), None);
}

#[test]
fn empty_values_that_the_server_left_out_are_no_difference() {
    let deployment = ("apps/v1", "Deployment");
    let config = json!({"spec": {"template": {"spec": {"containers": [{"name": "web"}]}}}});
    let tree = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}}}}}}});
    let live = left(deployment, &config, &config, &tree);
    let pod = |field: &str, value: &Value| {
        let mut desired = config.clone();
        desired["spec"]["template"]["spec"][field] = value.clone();
        desired
    };
    for (field, value) in [
        ("tolerations", json!([])),
        ("topologySpreadConstraints", Value::Null),
        ("nodeSelector", json!({})),
        ("hostNetwork", json!(false)),
        ("priorityClassName", json!("")),
    ] {
        let verdict = verdict(&of_kind(deployment.0, deployment.1, &pod(field, &value)), &live, &Takeover::default());
        assert!(matches!(verdict, Verdict::Same | Verdict::OwnershipOnly(_)), "{field}: {verdict:?}");
    }
    // Here an empty value has a meaning, or may have.
    for (field, value) in [("affinity", json!({})), ("automountServiceAccountToken", json!(false))] {
        check(&live, &pod(field, &value), &format!("doubt NotOwnedEmpty .spec.template.spec.{field}"));
    }
    check(&live, &pod("hostNetwork", &json!(true)), "doubt NotOwnedAbsent .spec.template.spec.hostNetwork");
    check(
        &gadget(),
        &json!({"spec": {"size": 4, "parts": [{"name": "a"}], "tags": ["x"], "more": {}}}),
        "doubt NotOwnedAbsent .spec.more",
    );
    check(
        &gadget(),
        &json!({"spec": {"size": 4, "parts": [{"name": "a"}], "tags": ["x"], "more": null}}),
        "doubt NotOwnedEmpty .spec.more",
    );
}

#[test]
fn ownership_without_a_value_is_given_up_without_a_write() {
    let tree = json!({"f:metadata": {"f:labels": {}}, "f:spec": {"f:paused": {}, "f:gone": {}}});
    let live = |version: &str, kind: &str| {
        live_of(version, kind, &json!({"spec": {}}), vec![entry(OUR_MANAGER, "Apply", version, &tree)])
    };
    check(&live("apps/v1", "Deployment"), &json!({"spec": {}}), "same");
    check(
        &live(GADGET.0, GADGET.1),
        &json!({"spec": {}}),
        "ownership OwnedNotDesiredStays .spec.gone OwnedNotDesiredStays .spec.paused",
    );
    // Nobody misses what is equal and empty, or the tracking id.
    let id = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "a"}, "labels": {"a": "b"}}, "spec": {"strategy": {"type": "RollingUpdate"}}});
    let live = live_of("apps/v1", "Deployment", &id, Vec::new());
    let mut desired = id.clone();
    desired["spec"] = json!({"strategy": {}, "replicas": null});
    check(&live, &desired, "ownership NotOwnedEqual .metadata.labels NotOwnedEqual .spec");
    desired["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = "b".into();
    check(
        &live,
        &desired,
        "doubt NotOwnedDiffers .metadata.annotations[\"argocd.argoproj.io/tracking-id\"] NotOwnedEqual .metadata.labels NotOwnedEqual .spec",
    );
}

#[test]
fn an_item_that_spells_out_its_keys_is_not_taken_for_one_that_leaves_a_key_to_its_default() {
    let udp = json!({"port": 53, "protocol": "UDP", "name": "dns-udp", "targetPort": 5353});
    let config = json!({"spec": {"ports": [{"port": 53, "name": "dns"}, udp]}});
    let live = json!({"spec": {"ports": [{"port": 53, "protocol": "TCP", "name": "dns"}, udp]}});
    let tree = json!({"f:spec": {"f:ports": {
        ".": {},
        "k:{\"port\":53,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}},
        "k:{\"port\":53,\"protocol\":\"UDP\"}": {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}},
    }}});
    let live = left(("v1", "Service"), &config, &live, &tree);
    let desired =
        json!({"spec": {"ports": [{"port": 53, "name": "dns"}, {"port": 53, "protocol": "UDP", "name": "dns-udp"}]}});
    let said = render(&verdict(&of_kind("v1", "Service", &desired), &live, &Takeover::default()));
    assert!(said.contains("LegacyNotDesired") && said.contains("targetPort"), "{said}");
}
