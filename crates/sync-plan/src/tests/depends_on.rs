use std::collections::BTreeMap;

use application_api::Application;
use application_api::constants::{DEPENDS_ON_ANNOTATION, DEPENDS_ON_READY_ANNOTATION};
use kube_object::Object;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{ReadyExpression, cycle, dependencies, staleness, unready};

#[test]
fn lists_are_read() {
    for (text, expected) in [
        ("", ""),
        ("  ", ""),
        ("db", "argocd/db"),
        ("infra/postgres,redis", "infra/postgres argocd/redis"),
        (" infra/postgres ,\n redis ", "infra/postgres argocd/redis"),
        ("b,a,argocd/b,a", "argocd/b argocd/a"),
        ("v1.2-db.eu", "argocd/v1.2-db.eu"),
    ] {
        let found: Vec<String> =
            dependencies(text, "argocd").unwrap().iter().map(|of| format!("{}/{}", of.namespace, of.name)).collect();
        assert_eq!(found.join(" "), expected, "{text:?}");
    }
}

#[test]
fn a_malformed_list_names_the_annotation_the_entry_and_what_is_expected() {
    let many = (0..257).map(|at| format!("a{at}")).collect::<Vec<_>>().join(",");
    let long = "x".repeat(254);
    for (text, entry) in [
        (",", "''"),
        ("a,", "''"),
        ("a,,b", "''"),
        ("a b", "'a b'"),
        ("A", "'A'"),
        ("-a", "'-a'"),
        ("a.", "'a.'"),
        ("/a", "'/a'"),
        ("a/", "'a/'"),
        ("a/b/c", "'a/b/c'"),
        ("a.b/c", "'a.b/c'"),
        ("a;b", "'a;b'"),
        (&*long, "xx…'"),
        (&*many, "more than 256"),
    ] {
        let error = dependencies(text, "argocd").unwrap_err();
        assert!(error.contains(entry) && error.contains(DEPENDS_ON_ANNOTATION), "{text:?}: {error}");
        assert!(error.contains("expected names of Applications") || error.contains("name fewer"), "{error}");
        assert!(error.len() < 400, "{error}");
    }
}

/// Writes the way that leads from `start` back to it, in a graph such as `a:b,c b:a`.
fn way(graph: &str, start: &str) -> String {
    let edges: BTreeMap<String, Vec<String>> = graph
        .split_whitespace()
        .filter_map(|line| line.split_once(':'))
        .map(|(from, to)| (from.to_owned(), to.split(',').map(str::to_owned).collect()))
        .collect();
    let start = start.to_owned();
    let way = cycle(&start, |key| edges.get(key).map(Vec::as_slice).unwrap_or_default());
    way.map(|way| way.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

#[test]
fn cycles_are_found_from_each_of_their_applications() {
    for (graph, start, expected) in [
        ("a:b b:c", "a", ""),
        ("a:a", "a", "a a"),
        ("a:b b:a", "a", "a b a"),
        ("a:b b:a", "b", "b a b"),
        ("a:b b:c c:a", "b", "b c a b"),
        // It leads into a cycle and is not of it.
        ("a:b b:c c:b", "a", ""),
        ("a:b,c b:d c:d d:e", "a", ""),
        ("a:b,c b:x x:y y:a c:a", "a", "a c a"),
        ("a:b,c b:a c:a", "c", "c a c"),
        ("a:gone", "a", ""),
    ] {
        assert_eq!(way(graph, start), expected, "{graph} from {start}");
    }
}

/// A stored Application that is Synced and Healthy for its present spec.
fn ready_object() -> Value {
    let source = json!({"repoURL": "https://git.example/shop", "path": "db", "targetRevision": "main"});
    let destination = json!({"server": "https://kubernetes.default.svc", "namespace": "shop"});
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "db", "namespace": "argocd", "labels": {"tier": "1"}},
        "spec": {"project": "default", "source": source, "destination": destination},
        "status": {
            "sync": {"status": "Synced", "revision": "3f2a", "comparedTo": {"source": source, "destination": destination}},
            "health": {"status": "Healthy"},
            "operationState": {"phase": "Succeeded", "operation": {"sync": {}}, "startedAt": "2026-03-01T12:00:00Z"},
            "resources": [
                {"kind": "StatefulSet", "name": "db", "health": {"status": "Healthy"}},
                {"kind": "ConfigMap", "name": "db"},
            ],
        },
    })
}

/// Says why the Application above is not ready, with parts of it changed by a merge patch.
fn why(patch: &Value, expression: Option<&str>) -> String {
    let mut object = ready_object();
    kube_object::apply_merge_patch(&mut object, patch);
    let application = Application::from_object(&Object::from_value(object.clone()).unwrap()).unwrap();
    let expression = expression.map(|text| ReadyExpression::compile(text).unwrap());
    unready(&application, &object, expression.as_ref()).unwrap_or_default()
}

#[test]
fn ready_is_synced_and_healthy_for_the_present_spec() {
    let two = json!([{"repoURL": "a", "path": "b"}, {"repoURL": "c", "path": "d"}]);
    let several = json!({"spec": {"source": null, "sources": two}});
    let mut compared = several.clone();
    compared["status"] = json!({"sync": {"comparedTo": {"source": null, "sources": two}}});
    for (patch, expected) in [
        (json!({}), ""),
        (json!({"status": {"operationState": null}}), ""),
        (json!({"status": {"operationState": {"phase": "Failed"}}}), ""),
        (json!({"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}}}), ""),
        (compared, ""),
        (several, "its present spec is not compared yet"),
        (json!({"status": null}), "it is not compared yet"),
        (json!({"status": {"sync": {"status": "OutOfSync"}}}), "OutOfSync"),
        (json!({"status": {"sync": {"status": "Unknown"}, "health": {"status": "Unknown"}}}), "Unknown"),
        (json!({"status": {"health": {"status": "Progressing"}}}), "Progressing"),
        (json!({"status": {"health": {"status": "Suspended"}}}), "Suspended"),
        (json!({"status": {"health": {"status": null}}}), "no health"),
        (json!({"status": {"sync": {"status": "OutOfSync"}, "health": {"status": "Missing"}}}), "OutOfSync, Missing"),
        (json!({"spec": {"source": {"targetRevision": "v2"}}}), "its present spec is not compared yet"),
        (json!({"spec": {"destination": {"namespace": "next"}}}), "its present spec is not compared yet"),
        (json!({"operation": {"sync": {}}}), "an operation is requested or running"),
        (json!({"status": {"operationState": {"phase": "Running"}}}), "an operation is running"),
        (json!({"status": {"operationState": {"phase": "Terminating"}}}), "an operation is running"),
        (json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}), "a refresh is pending"),
        (json!({"metadata": {"deletionTimestamp": "2026-03-01T12:00:00Z"}}), "it is being deleted"),
    ] {
        assert_eq!(why(&patch, None), expected, "{patch}");
        // No expression makes a status count that is not about the present spec.
        let judges_status = !expected.starts_with("it") && !expected.starts_with('a');
        assert_eq!(why(&patch, Some("true")), if judges_status { "" } else { expected }, "{patch}");
    }
}

#[test]
fn a_status_of_another_spec_is_told_from_one_of_the_present_spec() {
    let object = Object::from_value(ready_object()).unwrap();
    let mut application = Application::from_object(&object).unwrap();
    assert_eq!(staleness(&application), None);
    application.spec.source.as_mut().unwrap().path = "next".to_owned();
    assert_eq!(staleness(&application), Some("its present spec is not compared yet"));
}

#[test]
fn an_expression_decides_over_the_whole_object() {
    let annotation = |rest: &str| format!("{DEPENDS_ON_READY_ANNOTATION}{rest}");
    for (expression, patch, expected) in [
        ("app.status.health.status == 'Healthy'", json!({"status": {"sync": {"status": "OutOfSync"}}}), ""),
        ("app.status.health.status == 'Healthy'", json!({"status": {"health": {"status": "Degraded"}}}), " is false"),
        (
            "app.status.health.status in ['Healthy', 'Suspended']",
            json!({"status": {"health": {"status": "Suspended"}}}),
            "",
        ),
        ("app.metadata.labels['tier'] == \"1\" && app.spec.source.path == 'db'", json!({}), ""),
        ("has(app.metadata.annotations) && app.metadata.annotations['x/migrated'] == 'true'", json!({}), " is false"),
        ("app.metadata.annotations['x/migrated'] == 'true'", json!({}), ": there is no field annotations"),
        ("app.status.resources.filter(r, has(r.health)).all(r, r.health.status == 'Healthy')", json!({}), ""),
        ("app.status.resources.exists(r, r.kind == 'StatefulSet' && r.name == app.metadata.name)", json!({}), ""),
        ("size(app.status.resources) == 2 && app.status.resources.size() < 3", json!({}), ""),
        ("app.status.resources.map(r, r.kind) == ['StatefulSet', 'ConfigMap']", json!({}), ""),
        ("app.status.resources[0].name.startsWith('d') && !app.kind.contains('x')", json!({}), ""),
        ("app.spec.revisionHistoryLimit + 1 == 4", json!({"spec": {"revisionHistoryLimit": 3}}), ""),
        ("app.status.health.status", json!({}), ": it gives a value of type string, expected true or false"),
        ("app.status.resources[7].name == ''", json!({}), ": an index is out of bounds"),
        ("1 / 0 == 1", json!({}), ": it divides by zero"),
    ] {
        let expected = if expected.is_empty() { String::new() } else { annotation(expected) };
        assert_eq!(why(&patch, Some(expression)), expected, "{expression}");
    }
}

#[test]
fn an_expression_that_is_not_one_is_refused_when_it_is_read() {
    let nested = format!("{}true{}", "!(".repeat(60), ")".repeat(60));
    let open = "(".repeat(4000);
    let added = format!("1{} == 1", "+1".repeat(1500));
    let long = format!("'{}' == ''", "x".repeat(5000));
    for (text, problem) in [
        ("", "cannot be read at 1:1"),
        ("app.status == ", "cannot be read at 1:15"),
        ("app.\nstatus ==", "cannot be read at 2:"),
        ("ap.status.health.status == 'Healthy'", "names ap, but the only variable is app"),
        ("app.name.matches('a+')", "calls matches, which is not there"),
        ("timestamp('2026-01-01T00:00:00Z') == app", "calls timestamp, which is not there"),
        ("app.all(1, 2)", "cannot be read at 1:9: argument must be a simple name"),
        ("app.a.all(x, x == y)", "names y, but"),
        ("app.a.all(x, true) && x", "names x, but"),
        ("Thing{a: 1} == app", "makes an object"),
        (&*nested, "is nested more than 24 levels deep"),
        (&*open, "cannot be read"),
        (&*added, "is nested more than 24 levels deep"),
        (&*long, "is 5008 bytes long, more than 4096"),
    ] {
        let error = ReadyExpression::compile(text).map(|_| ()).unwrap_err();
        let shown: String = text.chars().take(60).collect();
        assert!(error.contains(problem) && error.contains(DEPENDS_ON_READY_ANNOTATION), "{shown}: {error}");
        assert!(error.contains("expected a CEL expression over app") && error.len() < 600, "{error}");
    }
}

#[test]
fn what_an_evaluation_costs_is_bounded_before_it_starts() {
    let many: Vec<Value> = (0..5000).map(|at| json!({"kind": "ConfigMap", "name": format!("c{at}")})).collect();
    let object = json!({"list": many, "text": "x".repeat(100_000), "few": [1, 2, 3]});
    let too_much = Err("it takes too many steps over this object".to_owned());
    let doubled = format!("['a']{} == []", ".map(x, x + x)".repeat(20));
    let copied = format!("[app.list]{} == []", ".map(x, [x, x])".repeat(18));
    let written = format!("app.list.all(x, {})", ["app == app"; 20].join(" && "));
    for (text, expected) in [
        ("app.list.all(x, x.kind == 'ConfigMap')", Ok(true)),
        ("app.list.exists(x, x.name == 'c4999')", Ok(true)),
        ("app.few.all(x, app.few.exists(y, x == y))", Ok(true)),
        ("app.list.all(x, size(app.list) > 1)", Ok(true)),
        ("app.list.all(x, app.list.exists(y, y == x))", too_much.clone()),
        ("app.list.all(x, x != app.list)", too_much.clone()),
        ("app.list.map(x, app.text).size() == 5000", too_much.clone()),
        ("app.list.map(x, x.name + app.text) == []", too_much.clone()),
        (&*doubled, too_much.clone()),
        (&*copied, too_much.clone()),
        (&*written, too_much),
    ] {
        let shown: String = text.chars().take(60).collect();
        assert_eq!(ReadyExpression::compile(text).unwrap().is_true(&object), expected, "{shown}");
    }
}

/// Pieces that expressions are made of, put together at random.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "app",
        ".status",
        ".all(x, ",
        ".map(x, ",
        ".filter(x, ",
        "x",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "1",
        "-9223372036854775808",
        "'a'",
        "b'\\xff'",
        "\"",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " == ",
        " in ",
        " && ",
        " || ",
        "!",
        "?",
        ":",
        ",",
        "has(",
        "size(",
        "int(",
        "string(",
        "true",
        "null",
        "1.5e300",
        "7u",
        "\\",
        "é",
        "\n",
        "optional",
        ".?a",
        "[?0]",
        "type(",
        "//",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_expression_ends_the_process(text in pieces()) {
        if let Ok(expression) = ReadyExpression::compile(&text) {
            let _ = expression.is_true(&ready_object());
        }
    }
}
