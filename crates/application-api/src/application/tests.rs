use kube_object::Object;
use serde_json::{Value, json};

use super::*;

fn read(value: Value) -> Result<Application, FieldError> {
    Application::from_object(&Object::from_value(value).unwrap())
}

fn spec(value: &Value) -> ApplicationSpec {
    read(json!({"spec": value})).unwrap().spec
}

#[test]
fn an_error_names_the_field() {
    for (value, expected) in [
        (json!({}), "spec: is missing, expected a map"),
        (json!({"spec": 1}), "spec: invalid type: integer `1`, expected struct ApplicationSpec"),
        (
            json!({"spec": {"syncPolicy": {"retry": {"limit": "5"}}}}),
            "spec.syncPolicy.retry.limit: invalid type: string \"5\", expected i64",
        ),
        (
            json!({"spec": {"sources": [{}, {"helm": {"skipCrds": "true"}}]}}),
            "spec.sources[1].helm.skipCrds: invalid type: string \"true\", expected a boolean",
        ),
        (
            json!({"spec": {}, "status": {"reconciledAt": "yesterday"}}),
            "status.reconciledAt: `yesterday` is not an RFC 3339 time",
        ),
        (
            json!({"spec": {}, "operation": {"sync": "now"}}),
            "operation.sync: invalid type: string \"now\", expected struct SyncOperation",
        ),
    ] {
        assert_eq!(read(value).unwrap_err().to_string(), expected);
    }
}

#[test]
fn what_newer_versions_write_still_reads() {
    let application = read(json!({
        "metadata": {"name": "a", "namespace": "argocd", "tomorrow": 1},
        "spec": {"tomorrow": 1, "syncPolicy": null, "sources": null, "source": {"helm": {"valuesObject": {"a": null}}}},
        "status": {"sync": {"status": "HalfSynced"}, "health": {"status": null}},
        "operation": null,
    }))
    .unwrap();
    let status = application.status.unwrap();
    assert_eq!(serde_json::to_value(&status.sync.status).unwrap(), "HalfSynced");
    assert_eq!(status.health.status, None);
    assert_eq!(application.operation, None);
    let helm = application.spec.source.unwrap().helm.unwrap();
    assert_eq!(helm.values_object, Some(json!({"a": null})), "a null in values means something");
}

#[test]
fn the_hydrator_wins_over_the_list_and_the_list_over_the_single_source() {
    let check = |value: Value, first: Option<&str>, all: &[&str], is_multiple: bool| {
        let spec = spec(&value);
        assert_eq!(spec.source().map(|source| source.repo_url.as_str().to_owned()).as_deref(), first);
        assert_eq!(spec.sources().iter().map(|source| source.repo_url.as_str()).collect::<Vec<_>>(), all);
        assert_eq!(spec.has_multiple_sources(), is_multiple);
    };
    let hydrator = json!({
        "drySource": {"repoURL": "dry", "path": "x", "targetRevision": "main"},
        "syncSource": {"targetBranch": "env", "path": "y"},
    });
    check(json!({}), None, &[], false);
    check(json!({"source": {"repoURL": "a"}}), Some("a"), &["a"], false);
    check(json!({"source": {"repoURL": "a"}, "sources": []}), Some("a"), &["a"], false);
    check(
        json!({"source": {"repoURL": "a"}, "sources": [{"repoURL": "b"}, {"repoURL": "c"}]}),
        Some("b"),
        &["b", "c"],
        true,
    );
    check(json!({"sources": [{"repoURL": "b"}], "sourceHydrator": hydrator}), Some("dry"), &["dry"], false);
    let source = spec(&json!({"sourceHydrator": hydrator})).source().unwrap().into_owned();
    assert_eq!((source.path.as_str(), source.target_revision.as_str()), ("y", "env"));
}

#[test]
fn a_source_has_at_most_one_type() {
    let explicit = |value: Value| parse::<ApplicationSource>(&value).unwrap().explicit_type();
    assert_eq!(explicit(json!({"repoURL": "a"})), Ok(None));
    assert_eq!(explicit(json!({"repoURL": "a", "directory": {}})), Ok(Some(SourceType::Directory)));
    assert_eq!(
        explicit(json!({"repoURL": "a", "kustomize": {}, "helm": {}})).unwrap_err().to_string(),
        "multiple application sources defined: Helm,Kustomize"
    );
}

#[test]
fn sources_say_where_manifests_are() {
    let incomplete = "spec.source.repoURL and either spec.source.path or spec.source.chart are required";
    let hydrator = |value: Value| {
        let mut full = json!({
            "drySource": {"repoURL": "a", "path": "p", "targetRevision": "main"},
            "syncSource": {"targetBranch": "b", "path": "p"},
        });
        kube_object::apply_merge_patch(&mut full, &value);
        json!({"sourceHydrator": full})
    };
    for (value, expected) in [
        (json!({"source": {"repoURL": "a", "path": "."}}), ""),
        (json!({"source": {"repoURL": "a", "chart": "c", "targetRevision": "1"}}), ""),
        (json!({"sources": [{"repoURL": "a", "path": "."}, {"repoURL": "b", "ref": "values"}]}), ""),
        (hydrator(json!({})), ""),
        (json!({}), incomplete),
        (json!({"source": {"path": "."}}), incomplete),
        (json!({"source": {"repoURL": "a"}}), incomplete),
        (json!({"source": {"repoURL": "a", "ref": "values"}}), incomplete),
        (
            json!({"sources": [{"repoURL": "https://t@host/a"}]}),
            "spec.source.repoURL and either source.path, source.chart, or source.ref are required for source https://host/a",
        ),
        (
            json!({"source": {"repoURL": "a", "chart": "c"}}),
            "spec.source.targetRevision is required if the manifest source is a helm chart",
        ),
        (
            json!({"source": {"repoURL": "a", "path": ".", "helm": {}, "plugin": {}}}),
            "multiple application sources defined: Helm,Plugin",
        ),
        (hydrator(json!({"drySource": {"repoURL": ""}})), "spec.sourceHydrator.drySource.repoURL is required"),
        (
            hydrator(json!({"syncSource": {"targetBranch": ""}})),
            "spec.sourceHydrator.syncSource.targetBranch is required",
        ),
        (
            hydrator(json!({"hydrateTo": {}})),
            "when spec.sourceHydrator.hydrateTo is set, spec.sourceHydrator.hydrateTo.targetBranch is required",
        ),
    ] {
        let error = spec(&value).check_sources().err();
        assert_eq!(error.map(|error| error.to_string()).unwrap_or_default(), expected, "{value}");
    }
}

#[test]
fn a_destination_names_one_cluster() {
    for (name, server, expected) in [
        ("a", "", ""),
        ("", "https://a", ""),
        ("", "", "Destination server missing from app spec"),
        ("a", "https://a", "application destination can't have both name and server defined: a https://a"),
    ] {
        let destination =
            ApplicationDestination { name: name.to_owned(), server: server.to_owned(), namespace: String::new() };
        assert_eq!(destination.check().err().map(|error| error.to_string()).unwrap_or_default(), expected);
    }
}

#[test]
fn normalisation_drops_what_says_nothing() {
    for (value, expected) in [
        (json!({"project": "p", "source": {"helm": {"releaseName": "x"}}}), None),
        (json!({"project": ""}), Some(json!({"project": "default"}))),
        (json!({"project": "p", "syncPolicy": {"syncOptions": []}}), Some(json!({"syncPolicy": null}))),
        (json!({"project": "p", "syncPolicy": {"automated": {}}}), None),
        (
            json!({"project": "p", "source": {"helm": {}, "kustomize": {}, "directory": {"jsonnet": {}}}}),
            Some(json!({"source": {"helm": null, "kustomize": null, "directory": null}})),
        ),
        (json!({"project": "p", "source": {"directory": {"include": "*.yaml"}}}), None),
        (
            json!({"project": "p", "sources": [{"repoURL": "a", "directory": {}}]}),
            Some(json!({"sources": [{"repoURL": "a"}]})),
        ),
    ] {
        assert_eq!(spec(&value).normalization_patch(), expected, "{value}");
    }
}

#[test]
fn annotations_ask_for_refreshes_and_pauses() {
    let with = |name: &str, value: &str| read(json!({"spec": {}, "metadata": {"annotations": {name: value}}})).unwrap();
    for (value, expected) in [("normal", RefreshKind::Normal), ("hard", RefreshKind::Hard), ("", RefreshKind::Normal)] {
        assert_eq!(with(names::REFRESH_ANNOTATION, value).requested_refresh(), Some(expected));
    }
    assert_eq!(with("other", "hard").requested_refresh(), None);
    for (value, expected) in [("true", true), ("1", true), ("false", false), ("yes", false), ("", false)] {
        assert_eq!(with(names::SKIP_RECONCILE_ANNOTATION, value).is_reconcile_skipped(), expected, "{value}");
    }
}

#[test]
fn the_history_limit_is_ten_unless_set() {
    for (value, expected) in
        [(json!({}), 10), (json!({"revisionHistoryLimit": 0}), 0), (json!({"revisionHistoryLimit": -1}), 0)]
    {
        assert_eq!(spec(&value).revision_history_limit(), expected);
    }
}
