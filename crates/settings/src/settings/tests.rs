use super::*;
use crate::{Layer, ProblemKind, StatusFields, all_settings};

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn argocd_cm(entries: &[(&str, &str)]) -> (Settings, Vec<String>) {
    let (settings, problems) = Settings::resolve(&Layers { argocd_cm: map(entries), ..Layers::default() });
    let problems = acted_on(problems);
    (settings, problems.iter().map(|problem| format!("{}: {problem}", problem.kind.as_str())).collect())
}

/// Leaves out what is only told because nothing acts on the key yet.
fn acted_on(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.retain(|problem| !problem.message.starts_with("nothing acts on this yet"));
    problems
}

#[test]
fn keys_that_nothing_acts_on_are_told() {
    let layers = Layers {
        argocd_cm: map(&[
            ("timeout.hard.reconciliation", "1h"),
            ("resource.customizations.ignoreDifferences.all", "jsonPointers: [/a]"),
        ]),
        command_params: map(&[("application.namespaces", "team-*"), ("controller.sync.timeout.seconds", "60")]),
        ..Layers::default()
    };
    let problems = Settings::resolve(&layers).1;
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        ["application.namespaces", "resource.customizations.ignoreDifferences.all", "timeout.hard.reconciliation"]
    );
    assert!(problems.iter().all(|problem| problem.kind == ProblemKind::Unsupported));
}

fn params(entries: &[(&str, &str)]) -> (Settings, Vec<Problem>) {
    let (settings, problems) = Settings::resolve(&Layers { command_params: map(entries), ..Layers::default() });
    (settings, acted_on(problems))
}

#[test]
fn defaults_are_those_of_argo_cd() {
    let (settings, problems) = Settings::resolve(&Layers::default());
    assert_eq!(problems, []);
    assert_eq!(settings.reconciliation_timeout, Some(SignedDuration::from_secs(120)));
    assert_eq!(settings.reconciliation_jitter, SignedDuration::from_secs(60));
    assert_eq!(settings.hard_reconciliation_timeout, None);
    assert_eq!(settings.self_heal, SelfHealBackoff::default());
    assert_eq!(settings.sync_timeout, None);
    assert_eq!(settings.tools.max_manifests_bytes, 10_000_000);
    assert_eq!(settings.repo_error_grace, SignedDuration::from_secs(180));
    assert_eq!(settings.resource_health, ResourceHealthLocation::AppTree);
    assert_eq!(settings.instance_label_key, "app.kubernetes.io/instance");
    assert_eq!(settings.impersonation, Impersonation::Off);
    assert_eq!(settings.respect_rbac, RespectRbac::Off);
    assert_eq!(settings.compare_options, CompareOptions::default());
    assert!(settings.in_cluster_enabled && settings.tools.helm_enabled);
    assert!(settings.application_namespaces.contains("argocd", "argocd"));
    assert!(!settings.application_namespaces.contains("other", "argocd"));
}

#[test]
fn the_first_source_that_can_be_read_wins() {
    let all = [
        (Layer::Flag, "reconciliation-timeout", "1s"),
        (Layer::Environment, "DRIFTLESS_RECONCILIATION_TIMEOUT", "2s"),
        (Layer::ConfigFile, "reconciliation-timeout", "3s"),
        (Layer::ArgocdCm, "timeout.reconciliation", "4s"),
    ];
    let resolve = |entries: &[(Layer, &str, &str)]| {
        let of = |layer| {
            map(&entries
                .iter()
                .filter(|(own, ..)| *own == layer)
                .map(|(_, key, text)| (*key, *text))
                .collect::<Vec<_>>())
        };
        let (settings, problems) = Settings::resolve(&Layers {
            flags: of(Layer::Flag),
            environment: of(Layer::Environment),
            config_file: of(Layer::ConfigFile),
            command_params: of(Layer::CommandParams),
            argocd_cm: of(Layer::ArgocdCm),
        });
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        (settings.reconciliation_timeout.map(|timeout| timeout.as_secs()), problems)
    };
    for first in 0..all.len() {
        assert_eq!(resolve(&all[first..]), (i64::try_from(first + 1).ok(), vec![]));
    }
    let mut bad = all;
    bad[0].2 = "soon";
    bad[1].2 = " ";
    let problem = "setting `reconciliation-timeout` of the command line: `soon` is not a duration: expected a number of seconds \
        or numbers with units, such as `90s`, `2m` or `1h30m`; `3s` of the config file is used instead";
    assert_eq!(resolve(&bad), (Some(3), vec![problem.to_owned()]));
    let (timeout, problems) = resolve(&[(Layer::ArgocdCm, "timeout.reconciliation", "soon")]);
    assert_eq!(timeout, Some(120));
    assert!(problems[0].ends_with("the default `120s` is used instead"), "{problems:?}");
    assert_eq!(resolve(&[(Layer::ArgocdCm, "timeout.reconciliation", "0")]), (None, vec![]));
}

#[test]
fn every_setting_has_names_of_its_own_and_a_default_that_reads() {
    let mut names: Vec<_> = all_settings().iter().map(|setting| setting.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all_settings().len());
    let config_file =
        all_settings().iter().map(|setting| (setting.name.to_owned(), setting.default.to_owned())).collect();
    let layers = Layers { config_file, ..Layers::default() };
    let (settings, problems) = Settings::resolve(&layers);
    assert_eq!((settings, problems), (Settings::default(), vec![]));
    assert_eq!(crate::ProcessSettings::resolve(&layers).1, []);
}

#[test]
fn unsupported_and_unknown_keys_are_told() {
    let (_, problems) = argocd_cm(&[
        ("application.resourceTrackingMethod", "label"),
        ("globalProjects", "[]"),
        ("installationID", "x"),
        ("kustomize.version.v4", "/bin/k"),
        ("resource.customizations.knownTypeFields.apps_Deployment", "[]"),
        ("timeout.reconcilation", "1s"),
        ("reconciliation.timeout", "1s"),
        ("accounts.alice", "login"),
        ("ui.bannercontent", "hi"),
        ("url", "https://a"),
    ]);
    assert_eq!(
        problems,
        [
            "unsupported: setting `globalProjects` of ConfigMap argocd-cm: this is not supported; it has no effect",
            "unsupported: setting `installationID` of ConfigMap argocd-cm: this is not supported; it has no effect",
            "unsupported: setting `kustomize.version.v4` of ConfigMap argocd-cm: this is not supported; it has no effect",
            "unknown: setting `reconciliation.timeout` of ConfigMap argocd-cm: this is no key of Argo CD; it has no effect",
            "unsupported: setting `resource.customizations.knownTypeFields.apps_Deployment` of ConfigMap argocd-cm: this is \
                not supported; it has no effect",
            "unknown: setting `timeout.reconcilation` of ConfigMap argocd-cm: this is no key of Argo CD; it has no effect",
            "unsupported: setting `application.resourceTrackingMethod` of ConfigMap argocd-cm: tracking method `label` is not \
                supported; `annotation` is used instead",
        ]
    );
    let (_, problems) =
        params(&[("controller.status.processors", "20"), ("redis.server", "x"), ("controler.log", "x")]);
    assert_eq!(problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(), ["controler.log"]);
}

#[test]
fn controller_parameters_are_read() {
    let (settings, problems) = params(&[
        ("application.namespaces", "team-*, /^dev-[0-9]+$/ ,["),
        ("controller.self.heal.backoff.timeout.seconds", "1"),
        ("controller.self.heal.backoff.factor", "2"),
        ("controller.self.heal.backoff.cap.seconds", "-1"),
        ("controller.sync.timeout.seconds", "60"),
        ("controller.resource.health.persist", "true"),
    ]);
    let namespaces = &settings.application_namespaces;
    for (namespace, expected) in [("team-a", true), ("dev-1", true), ("dev-x", false), ("[", false)] {
        assert_eq!(namespaces.contains(namespace, "argocd"), expected, "{namespace}");
    }
    let (first, cap) = (SignedDuration::from_secs(1), SignedDuration::from_secs(300));
    assert_eq!(settings.self_heal, SelfHealBackoff::Exponential { first, factor: 2, cap });
    assert_eq!(settings.sync_timeout, Some(SignedDuration::from_secs(60)));
    assert_eq!(settings.resource_health, ResourceHealthLocation::Inline);
    let problems: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(problems, ["application.namespaces", "controller.self.heal.backoff.cap.seconds"]);

    let fixed = [("controller.self.heal.backoff.timeout.seconds", "0"), ("controller.self.heal.timeout.seconds", "7")];
    assert_eq!(params(&fixed).0.self_heal, SelfHealBackoff::Fixed(SignedDuration::from_secs(7)));
}

#[test]
fn impersonation_is_enforced_unless_told_otherwise() {
    for (entries, expected) in [
        (&[("application.sync.impersonation.enforced", "true")][..], Impersonation::Off),
        (&[("application.sync.impersonation.enabled", "true")], Impersonation::Enforced),
        (
            &[("application.sync.impersonation.enabled", "true"), ("application.sync.impersonation.enforced", "false")],
            Impersonation::Optional,
        ),
    ] {
        assert_eq!(argocd_cm(entries).0.impersonation, expected);
    }
}

#[test]
fn customizations_are_read_in_both_forms() {
    let legacy = "apps/Deployment:\n  health.lua: old\n  ignoreDifferences: |\n    jsonPointers: [/a]\n\
        '*.example.com/*':\n  health.lua: wild\n  health.lua.useOpenLibs: true\n  knownTypeFields: [{field: a, type: b}]\n";
    let (settings, problems) = argocd_cm(&[
        ("resource.customizations", legacy),
        ("resource.customizations.health.apps_Deployment", "new"),
        ("resource.customizations.health.ConfigMap", "core"),
        ("resource.customizations.health.a_b_c", "x"),
        ("resource.customizations.ignoreDifferences.all", "jqPathExpressions: ['.a']\nmanagedFieldsManagers: [m]\n"),
        ("resource.customizations.ignoreDifferences.apps_Deployment", "jsonPointers: [/b]"),
        ("resource.customizations.ignoreDifferences.apps_StatefulSet", "- a"),
    ]);
    let health: Vec<_> =
        settings.health_overrides.iter().map(|(kind, script)| (kind.to_string(), script.as_str())).collect();
    let expected = [("ConfigMap", "core"), ("*.example.com/*", "wild"), ("apps/Deployment", "new")];
    assert_eq!(health, expected.map(|(kind, script)| (kind.to_owned(), script)));
    let rules: Vec<_> = settings
        .ignore_differences
        .iter()
        .map(|rule| (rule.kind.as_str(), rule.json_pointers.join(","), rule.jq_path_expressions.join(",")))
        .collect();
    assert_eq!(rules, [("*", String::new(), ".a".to_owned()), ("Deployment", "/b".to_owned(), String::new())]);
    let expected = [
        "unsupported: setting `resource.customizations` of ConfigMap argocd-cm: further Lua",
        "unsupported: setting `resource.customizations` of ConfigMap argocd-cm: knownTypeFields of *.example.com/*",
        "invalid: setting `resource.customizations.health.a_b_c` of ConfigMap argocd-cm: `a_b_c` is not a kind",
        "invalid: setting `resource.customizations.ignoreDifferences.apps_StatefulSet` of ConfigMap argocd-cm: its YAML",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(expected) {
        assert!(problem.starts_with(start), "{problem}");
    }
}

#[test]
fn compare_options_are_read() {
    for (text, expected) in [
        ("ignoreResourceStatusField: crd", Ok((StatusFields::Crd, false))),
        ("ignoreResourceStatusField: off\nignoreAggregatedRoles: true", Ok((StatusFields::None, true))),
        ("ignoreResourceStatusField: false", Ok((StatusFields::None, false))),
        ("ignoreAggregatedRoles: true", Ok((StatusFields::All, true))),
        ("ignoreResourceStatusField: some", Err(1)),
    ] {
        let (settings, problems) = argocd_cm(&[("resource.compareoptions", text)]);
        let options = settings.compare_options;
        let read = (options.ignored_status, options.ignore_aggregated_roles);
        assert_eq!(if problems.is_empty() { Ok(read) } else { Err(problems.len()) }, expected, "{text}");
    }
}
